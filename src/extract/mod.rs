//! Extraction of articles: bytes in, an article and a report of the cuts out. Uses no network, no disk, and no clock
//! except that of its own CPU time.

mod boilerplate;
mod bounded_parser;
mod budget;
mod document;
mod draft;
mod error;
mod fields;
mod formats;
mod line;
mod phrases;
mod pipeline;
mod report;

pub use budget::Budget;
pub use document::{Document, Hints, Limits, Payload};
pub use draft::{Block, BlockKind, Dateline, Draft, Extracted, Extraction, FeedEntry, Link, Media, MediaKind};
pub use error::ExtractError;
pub use formats::charset::{gzip_size, is_gzip};
pub use formats::extract;
pub use report::{Cut, CutReason, Report};
