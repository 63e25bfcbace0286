//! What can be written.

use std::sync::Arc;

use jiff::Timestamp;

use crate::article::{ArticleId, ChangeKind, CleanArticle, Digest, Record};

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
    /// Now.
    pub time: Timestamp,
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
