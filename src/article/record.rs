//! One article at one revision, ready to be served.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{ArticleId, ChangeToken, EncodedArticle, to_proto};
use crate::proto::{Article, ArticleState};

/// SHA-256 over headline, a blank line, and body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the digest of an article's text.
    pub fn of(headline: &str, body: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(headline.as_bytes());
        hash.update(b"\n\n");
        hash.update(body.as_bytes());
        Self(hash.finalize().into())
    }

    /// Parses a `content_digest`. An error says what is required.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "must be a content_digest: sha256: and 64 hexadecimal digits";
        let digits = text.strip_prefix("sha256:").ok_or(EXPECTED)?;
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).map_err(|_| EXPECTED)?;
        bytes.try_into().map(Self).map_err(|_| EXPECTED)
    }

    /// Returns the digest of bytes.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Editorial state of an article. Embargo and expiry are not included, since they depend on the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Published, or scheduled.
    Live,
    /// Killed.
    Withdrawn,
    /// Soft-deleted.
    Deleted,
    /// Not ingested yet: withdrawn before it arrived, then reinstated. It has a name and keys, and no text.
    Expected,
    /// Merged into another article, its successor, which has its keys. Final.
    Merged,
    /// Erased: only its name, source, keys and the digest of its text are left. Final.
    Purged,
}

/// Reason why an article cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Under embargo. Readers get the same answer as for a missing article.
    Embargoed,
    /// Killed.
    Withdrawn,
    /// Deleted.
    Deleted,
    /// Past its expire time.
    Expired,
    /// Not ingested yet. Readers get the same answer as for a missing article.
    Expected,
    /// Merged into another article.
    Merged,
    /// Erased.
    Purged,
}

/// Kind of a change in the change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Ingested for the first time.
    Created,
    /// Ingested with other content, or corrected.
    Revised,
    /// Killed.
    Withdrawn,
    /// Kill revoked.
    Reinstated,
    /// Soft-deleted.
    Deleted,
    /// Deletion revoked.
    Undeleted,
    /// Its embargo ended.
    Opened,
    /// Its expire time passed.
    Expired,
    /// Merged into another article.
    Merged,
    /// Erased.
    Purged,
    /// Extracted again from the kept document, with other content.
    Reprocessed,
}

/// The fields of a record.
#[derive(Clone, Debug)]
pub struct RecordParts {
    /// ID of the article.
    pub id: ArticleId,
    /// Globally unique ID.
    pub uid: Uuid,
    /// Revision number, from 1, incremented by each change.
    pub revision: i64,
    /// Editorial state.
    pub lifecycle: Lifecycle,
    /// Change token of this revision.
    pub token: ChangeToken,
    /// Time of first ingestion.
    pub create_time: Timestamp,
    /// Time at which this revision was written.
    pub update_time: Timestamp,
    /// Time of deletion, while deleted.
    pub delete_time: Option<Timestamp>,
    /// The publisher's time of first publication.
    pub publish_time: Option<Timestamp>,
    /// Time before which it is unreadable.
    pub embargo_time: Option<Timestamp>,
    /// Time from which it is unreadable.
    pub expire_time: Option<Timestamp>,
    /// Digest of its text.
    pub digest: Digest,
}

/// One article at one revision: its fields and its wire format.
#[derive(Clone, Debug)]
pub struct Record {
    parts: RecordParts,
    /// The content followed by the fields that Copydesk sets: in Protobuf, concatenating encodings merges messages.
    encoded: EncodedArticle,
    content_len: usize,
}

impl Record {
    /// Combines the fields with an encoded [`super::CleanArticle`].
    pub fn new(parts: RecordParts, content: &[u8]) -> Self {
        let encoded = join(&parts, content, ArticleState::Active, None);
        Self { parts, encoded, content_len: content.len() }
    }

    /// Creates a record from the result of [`Self::encoded`] for the same fields, and the length of its content.
    /// Spares the concatenation.
    pub(crate) fn of_encoded(parts: RecordParts, encoded: Bytes, content_len: usize) -> Option<Self> {
        let encoded = EncodedArticle::new(encoded);
        (content_len <= encoded.as_bytes().len()).then_some(Self { parts, encoded, content_len })
    }

    /// Returns the wire format of the readable article, and the length of its content.
    pub(crate) fn encoded(&self) -> (&Bytes, usize) {
        (self.encoded.as_bytes(), self.content_len)
    }

    /// Returns the encoded content, unchanged.
    pub fn content(&self) -> Bytes {
        self.encoded.as_bytes().slice(..self.content_len)
    }

    /// Returns the article for readers, if it is readable at `now`. An embargo hides everything else, such as the
    /// withdrawal of an article that was never public.
    pub fn readable(&self, now: Timestamp) -> Result<&EncodedArticle, Unreadable> {
        match self.parts.unreadable(now) {
            None => Ok(&self.encoded),
            Some(_) if self.parts.embargo_time.is_some_and(|time| now < time) => Err(Unreadable::Embargoed),
            Some(why) => Err(why),
        }
    }

    /// Returns the article for its editors, in any state at `now`. Deleted articles are purged after `keep`.
    pub fn for_editor(&self, now: Timestamp, keep: Option<Duration>) -> EncodedArticle {
        match self.parts.unreadable(now) {
            None => self.encoded.clone(),
            Some(why) => {
                let purge_time = self.parts.delete_time.zip(keep).and_then(|(time, keep)| time.checked_add(keep).ok());
                join(&self.parts, &self.content(), why.state(), purge_time)
            }
        }
    }

    /// Returns true if the article has no text: it was withdrawn before it arrived.
    pub fn is_empty(&self) -> bool {
        self.parts.digest == Digest::of("", "")
    }

    /// Returns the article that this one was merged into, which may have been merged in turn.
    pub fn successor(&self) -> Option<ArticleId> {
        if self.parts.lifecycle != Lifecycle::Merged {
            return None;
        }
        ArticleId::from_name(&self.decode().ok()?.successor).ok()
    }

    /// Decodes the article, as readers see it.
    pub fn decode(&self) -> Result<Article, prost::DecodeError> {
        Article::decode(self.encoded.as_bytes().clone())
    }

    /// Approximate size in memory, in bytes. A record that was read from Redis keeps its whole cache entry.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.encoded.as_bytes().len() + 256
    }
}

impl std::ops::Deref for Record {
    type Target = RecordParts;

    fn deref(&self) -> &RecordParts {
        &self.parts
    }
}

impl RecordParts {
    /// Returns the time that lists sort by: the publish time, otherwise the create time.
    pub fn sort_time(&self) -> Timestamp {
        self.publish_time.unwrap_or(self.create_time)
    }

    /// Returns the reason why the article cannot be read at `now`.
    pub fn unreadable(&self, now: Timestamp) -> Option<Unreadable> {
        match self.lifecycle {
            Lifecycle::Withdrawn => Some(Unreadable::Withdrawn),
            Lifecycle::Deleted => Some(Unreadable::Deleted),
            Lifecycle::Expected => Some(Unreadable::Expected),
            Lifecycle::Merged => Some(Unreadable::Merged),
            Lifecycle::Purged => Some(Unreadable::Purged),
            Lifecycle::Live if self.embargo_time.is_some_and(|time| now < time) => Some(Unreadable::Embargoed),
            Lifecycle::Live if self.expire_time.is_some_and(|time| now >= time) => Some(Unreadable::Expired),
            Lifecycle::Live => None,
        }
    }

    /// Returns the state at `now`.
    pub fn state(&self, now: Timestamp) -> ArticleState {
        self.unreadable(now).map_or(ArticleState::Active, Unreadable::state)
    }

    /// Returns true if this revision was under embargo when it was written. It never becomes public, because the end
    /// of the embargo creates a revision.
    pub fn was_embargoed(&self) -> bool {
        self.embargo_time.is_some_and(|time| self.update_time < time)
    }

    /// Returns the etag, which changes with every revision and differs between stores.
    pub fn etag(&self) -> String {
        let position = self.token.position;
        let feed = self.token.feed.as_bytes();
        format!(
            "{:x}-{:x}.{:x}-{:02x}{:02x}",
            self.revision, position.transaction, position.sequence, feed[14], feed[15]
        )
    }
}

impl Unreadable {
    fn state(self) -> ArticleState {
        match self {
            Self::Embargoed => ArticleState::Embargoed,
            Self::Withdrawn => ArticleState::Withdrawn,
            Self::Deleted => ArticleState::Deleted,
            Self::Expired => ArticleState::Expired,
            Self::Expected => ArticleState::Expected,
            Self::Merged => ArticleState::Merged,
            Self::Purged => ArticleState::Purged,
        }
    }
}

fn join(parts: &RecordParts, content: &[u8], state: ArticleState, purge_time: Option<Timestamp>) -> EncodedArticle {
    let set_by_copydesk = Article {
        name: parts.id.name(),
        uid: parts.uid.to_string(),
        create_time: Some(to_proto(parts.create_time)),
        update_time: Some(to_proto(parts.update_time)),
        delete_time: parts.delete_time.map(to_proto),
        purge_time: purge_time.map(to_proto),
        state: state.into(),
        revision: parts.revision,
        content_digest: parts.digest.to_string(),
        etag: parts.etag(),
        change_token: parts.token.encode(),
        ..Article::default()
    };
    let mut bytes = Vec::with_capacity(content.len() + set_by_copydesk.encoded_len());
    bytes.extend_from_slice(content);
    set_by_copydesk.encode_raw(&mut bytes);
    EncodedArticle::new(bytes.into())
}
