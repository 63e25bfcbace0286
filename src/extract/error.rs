//! Errors of extraction.

/// Reason why no article could be extracted from a document. The message says what is required.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ExtractError {
    #[error("must not be empty")]
    Empty,
    #[error("must be at most {limit} bytes, decompressed")]
    TooLarge { limit: usize },
    #[error("must be text: HTML, plain text, RSS or Atom; this is binary")]
    NotText,
    #[error(
        "must be text/html, text/plain, application/rss+xml, application/atom+xml or another \
         XML or text type, not {0:?}"
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
    #[error("must hold an article: at least a paragraph of running text")]
    NoArticle,
    #[error("must be a well-formed RSS or Atom feed")]
    BadFeed,
    #[error("must be a feed of at most {limit} entries; send it in parts")]
    TooManyEntries { limit: usize },
    #[error("must be a feed with at least one entry")]
    EmptyFeed,
}

impl ExtractError {
    /// Returns true if the fault is in the Content-Type rather than in the bytes.
    pub fn is_about_content_type(&self) -> bool {
        matches!(self, Self::ContentType(_))
    }
}
