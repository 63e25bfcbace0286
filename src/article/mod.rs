//! The domain model: articles, their names, their visibility over time, and their positions in the change feed.
//!
//! An article has one shape, that of `proto/`. It is stored, cached and sent as the encoded message, so a read neither
//! decodes nor encodes it. This module holds everything that the message does not express.

mod clean;
mod diff;
mod editor;
mod encoded;
mod filter;
mod id;
mod mask;
mod query;
mod record;
mod text;
mod time;
mod token;
mod url;
mod violation;

pub use clean::{CleanArticle, Limits, MAX_REASON_CHARS};
pub use diff::changed_fields;
pub use editor::EditorFields;
pub use encoded::EncodedArticle;
pub use filter::{Facet, FacetKind, Filter};
pub use id::{ArticleId, ArticleName, Identity};
pub use mask::{ReadMask, UpdateMask};
pub use query::{Query, tokens};
pub use record::{ChangeKind, Digest, Lifecycle, Record, RecordParts, Unreadable};
pub use text::{clean_line, clean_text, fold, invisible};
pub use time::{from_proto, to_proto};
pub use token::{ChangeToken, Position};
pub use url::{canonical_url, host_of, resolve_url, safe_url};
pub use violation::{Violation, Violations};
