//! What can be written.

use std::sync::Arc;

use jiff::Timestamp;

use crate::article::{ArticleId, ChangeKind, CleanArticle, Digest, EditorFields, Record};

/// One write.
#[derive(Clone, Debug)]
pub enum Write {
    /// A document that came in.
    Ingest(Box<Ingest>),
    /// A correction.
    Update(Box<Update>),
    /// A change of state.
    Transition(Transition),
}

impl Write {
    /// Which article it is about.
    pub fn id(&self) -> &ArticleId {
        match self {
            Self::Ingest(ingest) => &ingest.id,
            Self::Update(update) => &update.id,
            Self::Transition(transition) => &transition.id,
        }
    }
}

/// A document that came in, clean.
#[derive(Clone, Debug)]
pub struct Ingest {
    /// Which article it is.
    pub id: ArticleId,
    /// What it says.
    pub article: CleanArticle,
    /// For answering a repeated request as the first.
    pub request: Option<RequestKey>,
    /// Where it comes from.
    pub from: IngestSource,
    /// Now.
    pub time: Timestamp,
}

/// Source of an ingested document, which decides what becomes of `embargo_time` and `expire_time` of an article that is
/// there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IngestSource {
    /// A publisher. A time that the document does not have stays as it stands, and so does one that belongs to an
    /// editor.
    Publisher(Authority),
    /// Another store, whose times are taken as they are, with the fields that belong to editors there. A field that
    /// belongs to an editor only in this store stays as it stands.
    Copy(EditorFields),
}

/// Authority of the author of a write over articles that are readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// May not hide them: a later embargo or an earlier expiry is refused with [`super::WriteError::TakedownDenied`].
    Write,
    /// May hide them.
    Admin,
}

/// A request ID, and what was requested with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    /// The client's.
    pub id: String,
    /// Which of the articles that were requested with it: of a feed, each item has its own answer. From 0.
    pub item: u32,
    /// Of the request.
    pub digest: Digest,
}

/// A correction: the whole article as it shall be.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which article.
    pub id: ArticleId,
    /// What it shall say.
    pub article: CleanArticle,
    /// Fields that belong to editors from now on, whether or not their values change.
    pub editor_fields: EditorFields,
    /// Whether it may hide an article that is readable.
    pub authority: Authority,
    /// What must be true of the stored article.
    pub precondition: Precondition,
    /// Why, for the history.
    pub reason: String,
    /// Now.
    pub time: Timestamp,
}

/// A change of state.
#[derive(Clone, Debug)]
pub struct Transition {
    /// Which article.
    pub id: ArticleId,
    /// Which change: `Withdrawn`, `Reinstated`, `Deleted` or `Undeleted`. To withdraw what is withdrawn, reinstate what is
    /// live, and so on, answers [`Outcome::Unchanged`], except that deleting the deleted is `NotFound`. What is deleted can
    /// be withdrawn; deleting or undeleting the withdrawn, and reinstating the deleted, are refused with `State`.
    pub kind: ChangeKind,
    /// What must be true of the stored article.
    pub precondition: Precondition,
    /// Why, for the history.
    pub reason: String,
    /// Now.
    pub time: Timestamp,
}

/// What must be true of the stored article, or the write is refused with `Conflict`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// Nothing.
    None,
    /// Its etag is this.
    Etag(String),
    /// Its revision is this.
    Revision(i64),
}

/// What a write did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A new article.
    Created,
    /// A new revision.
    Revised,
    /// Nothing: it was so already.
    Unchanged,
    /// A new article with the text of another.
    Duplicate,
}

/// A write that is durable.
#[derive(Clone, Debug)]
pub struct Written {
    /// The article after it.
    pub record: Arc<Record>,
    /// What it did.
    pub outcome: Outcome,
}
