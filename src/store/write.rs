//! Writes and their results.

use std::sync::Arc;

use jiff::Timestamp;

use super::original::Original;
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, Digest, EditorFields, Key, Record, SourceVersion, StatedKey,
    VersionPart,
};

/// Write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Ingested document.
    Ingest(Box<Ingest>),
    /// Correction by an editor.
    Update(Box<Update>),
    /// Change of the lifecycle state.
    Transition(Transition),
    /// Merge of articles into one.
    Merge(Box<Merge>),
}

impl Write {
    /// Returns the ID of the article. The store may find that an ingested document belongs to another one, by its keys.
    pub fn id(&self) -> &ArticleId {
        match self {
            Self::Ingest(ingest) => &ingest.id,
            Self::Update(update) => &update.id,
            Self::Transition(transition) => &transition.id,
            Self::Merge(merge) => &merge.id,
        }
    }

    /// Returns the original to be kept for the revision that the write has led to, by its outcome.
    pub(crate) fn original(&self, outcome: Outcome) -> Option<&Original> {
        match self {
            Self::Ingest(ingest) if outcome.is_change() => ingest.original.as_ref(),
            // Also without a change: the report is of the present extractor.
            Self::Update(update) => update.reprocessed.as_ref().map(|reprocessed| &reprocessed.original),
            _ => None,
        }
    }

    /// Returns the IDs of all articles that the write names.
    pub fn ids(&self) -> impl Iterator<Item = &ArticleId> {
        let sources = match self {
            Self::Merge(merge) => &merge.sources[..],
            _ => &[],
        };
        std::iter::once(self.id()).chain(sources)
    }

    /// Returns the idempotency key, to be changed.
    pub(crate) fn request_mut(&mut self) -> Option<&mut RequestKey> {
        match self {
            Self::Ingest(ingest) => ingest.request.as_mut(),
            Self::Update(update) => update.request.as_mut(),
            Self::Transition(transition) => transition.request.as_mut(),
            Self::Merge(merge) => merge.request.as_mut(),
        }
    }

    /// Returns the idempotency key, if its caller sent one. A repeated request gets the response of the first.
    pub fn request(&self) -> Option<&RequestKey> {
        match self {
            Self::Ingest(ingest) => ingest.request.as_ref(),
            Self::Update(update) => update.request.as_ref(),
            Self::Transition(transition) => transition.request.as_ref(),
            Self::Merge(merge) => merge.request.as_ref(),
        }
    }
}

/// Ingested document, cleaned.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// ID of the article if it is new.
    pub id: ArticleId,
    /// True if the client chose the ID. The document then belongs to the article with this ID, whatever its keys.
    pub is_named: bool,
    /// Keys, most reliable first. Those that no article has are added to the article.
    pub keys: Vec<StatedKey>,
    /// Content.
    pub article: CleanArticle,
    /// Version. A document that is older than the last ingested one is [`Outcome::Stale`].
    pub version: SourceVersion,
    /// Idempotency key.
    pub request: Option<RequestKey>,
    /// Source.
    pub from: IngestSource,
    /// Effect on a new article that is a copy of a withdrawn one.
    pub late_copies: LateCopies,
    /// The document as received, if it is to be kept.
    pub original: Option<Original>,
    /// The sender's note about this version: the reason of the revision that it becomes. Empty if there is none.
    pub note: String,
    /// Current time.
    pub time: Timestamp,
}

/// Source of an ingested document. It determines the effect on `embargo_time` and `expire_time` of an existing article.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestSource {
    /// Publisher. A time that is absent from the document, or belongs to an editor, is unchanged.
    Publisher(Authority),
    /// Another store, whose times are copied exactly, with the fields that belong to editors there. A field that
    /// belongs to an editor only in this store is unchanged.
    Copy(EditorFields),
}

/// Effect of a withdrawal that holds for copies on a new article that is one. A copy of a store is not compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LateCopies {
    /// It is rejected.
    #[default]
    Reject,
    /// It is stored as withdrawn: [`Outcome::Held`].
    Hold,
}

/// Authority of the author of a write over readable articles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// May not hide them: a later embargo or an earlier expiry fails with [`super::WriteError::TakedownDenied`].
    Write,
    /// May hide them.
    Admin,
}

/// Idempotency key of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// Request ID from the client, after the method and a newline unless the method takes documents: one ID on two
    /// methods is two requests. Before these, a digest of the caller and a newline, if callers are authenticated.
    pub id: String,
    /// Index of the article in the request, from 0: each item of a syndication feed has its own result.
    pub item: u32,
    /// Digest of the request.
    pub digest: Digest,
}

/// Correction by an editor: the complete new article.
#[derive(Clone, Debug)]
pub struct Update {
    /// ID of the article.
    pub id: ArticleId,
    /// New content.
    pub article: CleanArticle,
    /// Set if the content was extracted again from the kept document, and is no correction.
    pub reprocessed: Option<Box<Reprocessed>>,
    /// Fields that belong to editors from now on, even if their values are unchanged.
    pub editor_fields: EditorFields,
    /// Authority over readable articles.
    pub authority: Authority,
    /// Precondition.
    pub precondition: Precondition,
    /// Reason, for the history.
    pub reason: String,
    /// Idempotency key.
    pub request: Option<RequestKey>,
    /// Current time.
    pub time: Timestamp,
}

/// Repeated extraction of a document.
#[derive(Clone, Debug)]
pub struct Reprocessed {
    /// Fingerprint of the extracted article: the document is known by it when it comes again.
    pub fingerprint: Digest,
    /// The document, with the new report.
    pub original: Original,
}

/// Change of the lifecycle state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// ID of the article; with `key`, the ID that it gets if it is missing.
    pub id: ArticleId,
    /// Key of the article, if it is not given by its ID.
    pub key: Option<Key>,
    /// Article to withdraw or purge if none exists. Without it, the write fails with `NotFound`.
    pub missing: Option<Box<Missing>>,
    /// Kind: `Withdrawn`, `Reinstated`, `Deleted`, `Undeleted` or `Purged`. An article that already has the resulting
    /// state is [`Outcome::Unchanged`], except that deleting a deleted one fails with `NotFound`. A deleted article
    /// can be withdrawn. Deleting or undeleting a withdrawn one, and reinstating a deleted one, fail with
    /// `WrongLifecycle`. An article in any state can be purged: in the same transaction all of its texts and reasons
    /// are erased, and every other write to it fails with `WrongLifecycle` from then on.
    pub kind: ChangeKind,
    /// True for a withdrawal that holds for the copies of the article, also those that come later: see
    /// [`EditorFields::COPIES`]. It changes no copy that exists.
    pub with_copies: bool,
    /// Precondition.
    pub precondition: Precondition,
    /// Reason, for the history.
    pub reason: String,
    /// Idempotency key.
    pub request: Option<RequestKey>,
    /// Current time.
    pub time: Timestamp,
}

/// Article that is withdrawn before it arrives, or purged in the store that it is copied from.
#[derive(Clone, Debug)]
pub struct Missing {
    /// Its addresses and identifiers, without a text.
    pub article: CleanArticle,
    /// Its keys. Documents with one of them are rejected.
    pub keys: Vec<ArticleKey>,
    /// Digest of the text that was erased, of a purged article.
    pub digest: Option<Digest>,
}

/// Merge of articles into one, which gets their keys. All are merged, or none.
#[derive(Clone, Debug)]
pub struct Merge {
    /// ID of the article that stays.
    pub id: ArticleId,
    /// IDs of the articles that are merged into it: different ones. Those that already are, are left as they are.
    pub sources: Vec<ArticleId>,
    /// Precondition on the article that stays.
    pub precondition: Precondition,
    /// Reason, for the history of the sources.
    pub reason: String,
    /// Idempotency key.
    pub request: Option<RequestKey>,
    /// True for a merge that another store has done: the states of the articles do not matter.
    pub is_copy: bool,
    /// Current time.
    pub time: Timestamp,
}

/// Precondition on the stored article. If it does not hold, the write fails with `Conflict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No precondition.
    None,
    /// Required etag.
    Etag(String),
    /// Required revision.
    Revision(i64),
}

/// Outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// New article.
    Created,
    /// New revision.
    Revised,
    /// No change: the article already had the requested state.
    Unchanged,
    /// New article with the text of another.
    Duplicate,
    /// No change: the document is older than the last ingested one.
    Stale,
    /// New article that is withdrawn from its first text on: it is a copy of one that was withdrawn with its copies.
    Held,
}

impl Outcome {
    /// Returns true if the write changed the article.
    pub fn is_change(self) -> bool {
        !matches!(self, Self::Unchanged | Self::Stale)
    }
}

/// Observation about the keys of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNote {
    /// Another key of the document belongs to this article.
    Conflict(ArticleId),
    /// A key belongs to another article, of which the document is no version. The key was ignored.
    Shared(ArticleId),
}

/// Result of a durable write.
#[derive(Clone, Debug)]
pub struct Written {
    /// Article after the write.
    pub record: Arc<Record>,
    /// Outcome.
    pub outcome: Outcome,
    /// The part of the version by which a stale document is older.
    pub stale_part: Option<VersionPart>,
    /// Observations about the keys of a document.
    pub notes: Vec<KeyNote>,
    /// Articles that were merged into this one.
    pub merged: Vec<Arc<Record>>,
    /// The withdrawn article that a held one is a copy of; none in the result of a repeated request.
    pub copy_of: Option<ArticleId>,
}

impl Written {
    /// Returns the result of a write that has nothing more to say.
    pub fn new(record: Arc<Record>, outcome: Outcome) -> Self {
        Self { record, outcome, stale_part: None, notes: Vec::new(), merged: Vec::new(), copy_of: None }
    }
}
