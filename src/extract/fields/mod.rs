//! Fields of an article: byline, dateline, dates, language and metadata.

pub(super) mod agencies;
mod agreement;
mod authors;
pub(super) mod byline;
pub(super) mod credits;
pub(super) mod dateline;
pub(super) mod dates;
pub(super) mod fetched;
pub(super) mod jsonld;
pub(super) mod language;
pub(super) mod meta;
mod name_form;
mod page;
pub(super) mod people;
mod pieces;
mod publish_time;
mod rights;
mod title;
mod visible;
