//! Writes and their results.

use std::sync::Arc;

use jiff::Timestamp;

use crate::article::{ArticleId, ChangeKind, CleanArticle, Digest, EditorFields, Record};

/// Write.
#[derive(Clone, Debug)]
pub enum Write {
    /// Ingested document.
    Ingest(Box<Ingest>),
    /// Correction by an editor.
    Update(Box<Update>),
    /// Change of the lifecycle state.
    Transition(Transition),
}

impl Write {
    /// Returns the ID of the article.
    pub fn id(&self) -> &ArticleId {
        match self {
            Self::Ingest(ingest) => &ingest.id,
            Self::Update(update) => &update.id,
            Self::Transition(transition) => &transition.id,
        }
    }
}

/// Ingested document, cleaned.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// ID of the article.
    pub id: ArticleId,
    /// Content.
    pub article: CleanArticle,
    /// Idempotency key: a repeated request gets the response of the first.
    pub request: Option<RequestKey>,
    /// Source.
    pub from: IngestSource,
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
    /// Request ID from the client.
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
    /// Fields that belong to editors from now on, even if their values are unchanged.
    pub editor_fields: EditorFields,
    /// Authority over readable articles.
    pub authority: Authority,
    /// Precondition.
    pub precondition: Precondition,
    /// Reason, for the history.
    pub reason: String,
    /// Current time.
    pub time: Timestamp,
}

/// Change of the lifecycle state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// ID of the article.
    pub id: ArticleId,
    /// Kind: `Withdrawn`, `Reinstated`, `Deleted` or `Undeleted`. An article that already has the resulting state is
    /// [`Outcome::Unchanged`], except that deleting a deleted one fails with `NotFound`. A deleted article can be
    /// withdrawn. Deleting or undeleting a withdrawn one, and reinstating a deleted one, fail with `State`.
    pub kind: ChangeKind,
    /// Precondition.
    pub precondition: Precondition,
    /// Reason, for the history.
    pub reason: String,
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
}

/// Result of a durable write.
#[derive(Clone, Debug)]
pub struct Written {
    /// Article after the write.
    pub record: Arc<Record>,
    /// Outcome.
    pub outcome: Outcome,
}
