//! Extraction of articles: bytes in, an article and a report of the cuts out. Uses no network, no disk, and no clock
//! except that of its own CPU time.

mod body;
mod boilerplate;
mod bounded_parser;
mod budget;
mod data_file;
mod document;
mod draft;
mod error;
mod fields;
mod formats;
mod kind;
mod line;
mod node_text;
mod page_kind;
mod phrases;
mod pipeline;
mod provenance;
mod report;
mod stated_time;
mod trees;
mod wire_fields;

pub use budget::Budget;
pub use document::{Document, DocumentFormat, Hints, Limits, Payload};
pub use draft::{
    Author, AuthorKind, Block, Dateline, Draft, Embed, Emphasis, Extracted, Extraction, FeedEntry, Format, Media,
    MediaKind, Rights, Row, Span, TextKind,
};
pub use error::ExtractError;
pub use formats::charset::{gzip_size, is_gzip};
pub use formats::text::{line_feature_names, line_features};
pub use formats::{BLOCK_FEATURES, Blocks, extract, is_article_json, page_blocks, visible_text};
pub use kind::PageKind;
pub use provenance::{Provenance, Source};
pub use report::{Cut, CutReason, Method, Report, Warning, WarningCode};
pub use stated_time::{Precision, StatedTime};
pub use wire_fields::{ItemLink, PubStatus, Signal, Subject, SubjectKind, WireFields, Withdrawal};
