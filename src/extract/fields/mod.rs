//! Fields of an article: byline, dateline, dates, language and metadata.

pub(super) mod agencies;
pub(super) mod byline;
pub(super) mod dateline;
pub(super) mod dates;
pub(super) mod jsonld;
pub(super) mod language;
pub(super) mod meta;
