//! Errors of extraction.

use super::kind::PageKind;
use super::wire_fields::Withdrawal;

/// Reason why no article could be extracted from a document. The message says what is required.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExtractError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {limit} bytes, decompressed")]
    TooLarge { limit: usize },
    #[error("must be text: a page, plain text, a feed or a wire item; this is binary")]
    NotText,
    #[error(
        "must be text/html, text/plain, application/rss+xml, application/atom+xml or another \
         XML, JSON or text type, not {0:?}"
    )]
    ContentType(String),
    #[error("must be gzip that can be read to its end")]
    BadGzip,
    #[error("must not nest elements deeper than {limit}")]
    TooDeep { limit: usize },
    #[error("must have at most {limit} elements")]
    TooManyElements { limit: usize },
    #[error("must have at most {limit} attributes on one element")]
    TooManyAttributes { limit: usize },
    #[error("too complex: more than {max} {limit}; send a smaller or simpler document")]
    TooComplex { limit: &'static str, max: u64 },
    /// The caller disconnected, or its deadline passed: nobody reads this.
    #[error("extraction was abandoned: nobody waits for its result")]
    Abandoned,
    #[error("no article found: must have a paragraph of running text")]
    NoArticle,
    #[error("no article found: this is a {}", .kind.name())]
    NotAnArticle { kind: PageKind },
    #[error("must be a JSON Feed that can be parsed")]
    BadFeed,
    #[error("must be whole: the feed was cut off within this entry; fetch it again")]
    CutOff,
    #[error("must be a feed of at most {limit} entries; send it in parts")]
    TooManyEntries { limit: usize },
    #[error("must be a feed with at least one entry")]
    EmptyFeed,
    #[error("must be a format that carries articles, not {recognised}; accepted are {accepted}")]
    UnknownFormat { recognised: String, accepted: &'static str },
    #[error("must be well-formed {format}: {problem}")]
    Malformed { format: &'static str, problem: String },
    #[error("must be an item with a text; this is {kind}")]
    NotAStory { kind: String },
    #[error("{field} must be {required}, not {value:?}")]
    BadField { field: &'static str, required: &'static str, value: String },
    #[error("must state {field}, {reason}")]
    MissingField { field: &'static str, reason: &'static str },
    #[error("another item of this document has the ID {id:?} and is newer or comes first")]
    RepeatedItem { id: String },
    /// No fault of the document: it takes an article back. See [`Withdrawal`].
    #[error("no article: {0}")]
    Withdrawn(Box<Withdrawal>),
}

impl ExtractError {
    /// Returns true if the fault is in the Content-Type rather than in the bytes.
    pub fn is_about_content_type(&self) -> bool {
        matches!(self, Self::ContentType(_))
    }
}
