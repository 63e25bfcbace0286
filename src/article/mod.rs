//! The domain model: articles, their names, their visibility over time, and their positions in the change feed.
//!
//! An article has one shape, that of `proto/`. It is stored, cached and sent as the encoded message, so a read neither
//! decodes nor encodes it. This module holds everything that the message does not express.

mod address;
mod analysis;
mod body_diff;
mod clean;
mod diff;
mod editor;
mod encoded;
mod facet;
mod filter;
mod id;
mod key;
mod mask;
mod query;
mod read_mask;
mod record;
mod render;
mod similarity;
mod sketch;
mod story_id;
mod text;
mod time;
mod token;
mod url;
mod version;
mod violation;
mod watch_token;
mod words;

pub use analysis::{Analysis, Form, Language, Token, is_alternate};
pub use clean::{CleanArticle, Limits, MAX_REASON_CHARS, table_text};
pub use diff::{changed_fields, field_diffs, paragraph_diffs};
pub use editor::EditorFields;
pub use encoded::EncodedArticle;
pub use facet::{Facet, FacetKind};
pub use filter::{Filter, TimeRange};
pub use id::{ArticleId, RevisionName};
pub use key::{ArticleKey, Key, StatedKey, Trust};
pub use mask::UpdateMask;
pub use query::{FieldSet, Highlights, Leaf, Node, Query, TextField, Words, occurrences};
pub use read_mask::ReadMask;
pub use record::{ChangeKind, Digest, Lifecycle, Record, RecordParts, Unreadable};
pub use similarity::are_versions;
pub use sketch::{BodySketch, CopyKind, Resemblance};
pub use story_id::StoryId;
pub use text::{clean_line, clean_line_parts, clean_text, clean_text_parts, fold, invisible};
pub use time::{from_proto, from_proto_duration, to_proto};
pub use token::{ChangeToken, Position};
pub use url::{canonical_url, host_of, normal_address, resolve_url, safe_url, same_domain, source_name, url_host};
pub use version::{MAX_AHEAD, SourceVersion, VersionPart};
pub use violation::{Violation, Violations};
pub use watch_token::WatchToken;
pub use words::tokens;
