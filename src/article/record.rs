//! One article at one revision, ready to be served.

use std::fmt;

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
    /// The digest of an article's text.
    pub fn of(headline: &str, body: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(headline.as_bytes());
        hash.update(b"\n\n");
        hash.update(body.as_bytes());
        Self(hash.finalize().into())
    }

    /// The digest of bytes.
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

/// What has been done with an article. Embargo and expiry are not here: the clock does those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// Published, or to be.
    Live,
    /// Killed.
    Withdrawn,
    /// Deleted softly.
    Deleted,
}

/// Why an article cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its time has not come. Readers are told no more than if it did not exist.
    Embargoed,
    /// It was killed.
    Withdrawn,
    /// It was deleted.
    Deleted,
    /// Its time is over.
    Expired,
}

/// What changed at a position of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// Ingested for the first time.
    Created,
    /// Ingested with other content, or corrected.
    Revised,
    /// Killed.
    Withdrawn,
    /// The kill taken back.
    Reinstated,
    /// Deleted softly.
    Deleted,
    /// The deletion taken back.
    Undeleted,
    /// Its embargo ended.
    Opened,
    /// Its time ended.
    Expired,
}

/// What a record is made of.
#[derive(Clone, Debug)]
pub struct RecordParts {
    /// The last part of the name.
    pub id: ArticleId,
    /// Unique for ever.
    pub uid: Uuid,
    /// From 1, one more for each change.
    pub revision: i64,
    /// What has been done with it.
    pub lifecycle: Lifecycle,
    /// Where in which feed this revision was written.
    pub token: ChangeToken,
    /// When it was first ingested.
    pub create_time: Timestamp,
    /// When this revision was written.
    pub update_time: Timestamp,
    /// When it was deleted, while it is.
    pub delete_time: Option<Timestamp>,
    /// When its publisher first published it, if it said.
    pub publish_time: Option<Timestamp>,
    /// Unreadable before.
    pub embargo_time: Option<Timestamp>,
    /// Unreadable from then on.
    pub expire_time: Option<Timestamp>,
    /// Of its text.
    pub digest: Digest,
    /// An earlier article of another identity with the same text.
    pub duplicate_of: Option<ArticleId>,
}

/// One article at one revision: its parts, and the whole as it is on the wire.
#[derive(Clone, Debug)]
pub struct Record {
    parts: RecordParts,
    /// The content, and after it what Copydesk sets: in Protobuf, joining encodings joins messages.
    encoded: EncodedArticle,
    content_len: usize,
}

impl Record {
    /// Joins the parts to an encoded [`super::CleanArticle`].
    pub fn new(parts: RecordParts, content: &[u8]) -> Self {
        let encoded = join(&parts, content, ArticleState::Active);
        Self { parts, encoded, content_len: content.len() }
    }

    /// What [`Self::encoded`] gave of a record with the same parts, and how much of it is the content: spares joining them.
    pub(crate) fn of_encoded(parts: RecordParts, encoded: Bytes, content_len: usize) -> Option<Self> {
        let encoded = EncodedArticle::new(encoded);
        (content_len <= encoded.as_bytes().len()).then_some(Self { parts, encoded, content_len })
    }

    /// The whole as it is on the wire while it can be read, and how much of it is the content.
    pub(crate) fn encoded(&self) -> (&Bytes, usize) {
        (self.encoded.as_bytes(), self.content_len)
    }

    /// The encoded content, as it was given.
    pub fn content(&self) -> Bytes {
        self.encoded.as_bytes().slice(..self.content_len)
    }

    /// The article for readers, if they may have it at `now`. While there is an embargo that is all they may learn: not that
    /// an article was withdrawn of which nobody knew.
    pub fn readable(&self, now: Timestamp) -> Result<&EncodedArticle, Unreadable> {
        match self.parts.unreadable(now) {
            None => Ok(&self.encoded),
            Some(_) if self.parts.embargo_time.is_some_and(|time| now < time) => Err(Unreadable::Embargoed),
            Some(why) => Err(why),
        }
    }

    /// The article for its editors, in whatever state it is at `now`.
    pub fn for_editor(&self, now: Timestamp) -> EncodedArticle {
        match self.parts.unreadable(now) {
            None => self.encoded.clone(),
            Some(why) => join(&self.parts, &self.content(), why.state()),
        }
    }

    /// Returns the same record without the name of its original.
    #[must_use]
    pub fn without_duplicate_of(&self) -> Self {
        Self::new(RecordParts { duplicate_of: None, ..self.parts.clone() }, &self.content())
    }

    /// The article decoded, as readers see it.
    pub fn decode(&self) -> Result<Article, prost::DecodeError> {
        Article::decode(self.encoded.as_bytes().clone())
    }

    /// About how many bytes of memory this takes. One that was read from Redis keeps the whole entry that it came in.
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
    /// Its time in lists: when it was published, or else created.
    pub fn sort_time(&self) -> Timestamp {
        self.publish_time.unwrap_or(self.create_time)
    }

    /// Why the article cannot be read at `now`, if it cannot.
    pub fn unreadable(&self, now: Timestamp) -> Option<Unreadable> {
        match self.lifecycle {
            Lifecycle::Withdrawn => Some(Unreadable::Withdrawn),
            Lifecycle::Deleted => Some(Unreadable::Deleted),
            Lifecycle::Live if self.embargo_time.is_some_and(|time| now < time) => Some(Unreadable::Embargoed),
            Lifecycle::Live if self.expire_time.is_some_and(|time| now >= time) => Some(Unreadable::Expired),
            Lifecycle::Live => None,
        }
    }

    /// Whether nobody could read this revision when it was written, because it was under embargo. It never becomes public:
    /// when the embargo ends, the change that tells so is a revision of its own.
    pub fn was_held(&self) -> bool {
        self.embargo_time.is_some_and(|time| self.update_time < time)
    }

    /// Changes with every revision, and differs between stores.
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
        }
    }
}

fn join(parts: &RecordParts, content: &[u8], state: ArticleState) -> EncodedArticle {
    let set_by_copydesk = Article {
        name: parts.id.name(),
        uid: parts.uid.to_string(),
        create_time: Some(to_proto(parts.create_time)),
        update_time: Some(to_proto(parts.update_time)),
        delete_time: parts.delete_time.map(to_proto),
        state: state.into(),
        revision: parts.revision,
        content_digest: parts.digest.to_string(),
        etag: parts.etag(),
        change_token: parts.token.encode(),
        duplicate_of: parts.duplicate_of.as_ref().map(ArticleId::name).unwrap_or_default(),
        ..Article::default()
    };
    let mut bytes = Vec::with_capacity(content.len() + set_by_copydesk.encoded_len());
    bytes.extend_from_slice(content);
    set_by_copydesk.encode_raw(&mut bytes);
    EncodedArticle::new(bytes.into())
}
