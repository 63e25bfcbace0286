//! The domain: what an article is, what it is called, when it may be read, and where in the feed it stands.
//!
//! An article has one shape, that of `proto/`: what is stored, cached and sent is the encoded message, so a read neither
//! decodes nor encodes it. This room holds what the message cannot say of itself.

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
