//! Entries: binary format, and lifetime (TTL with jitter, early refresh). Bytes that this version would not write are
//! not an entry.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::article::{ArticleId, ChangeToken, Digest, Lifecycle, Position, Record, RecordParts};
use crate::random::{self, jittered};

/// Format version of an entry after its head. An entry of another version is a miss, so the version may be changed
/// freely. It must be changed whenever the fields of an article change.
const FORMAT: u8 = 4;
/// Average lead time of the refresh of an entry that is read once in this time, in milliseconds.
const EARLY_MS: u32 = 1_000;
const HEAD_BYTES: usize = 41;
const CHECK_AT: usize = HEAD_BYTES + 1;
const CHECK_BYTES: usize = 8;
const BODY_AT: usize = CHECK_AT + CHECK_BYTES;

/// Returns the lifetime of a new entry: the TTL ± 10 %, so that entries filled together do not expire together.
pub(in crate::cache::redis) fn entry_lifetime(ttl: Duration) -> Duration {
    jittered(ttl)
}

/// Decoded value of a key.
#[derive(Debug)]
pub(in crate::cache::redis) enum CacheEntry {
    /// Article, or negative entry.
    Found(Option<Arc<Record>>, ExpiresAt),
    /// Absent or invalidated: nothing to serve.
    Absent,
    /// Value that this version did not write, or that is damaged.
    Foreign,
}

/// Expiry of an entry, in milliseconds since 1970 by the clock of the replica that filled it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cache::redis) struct ExpiresAt(pub(in crate::cache::redis) i64);

impl ExpiresAt {
    /// Expiry of an entry that is never refreshed early.
    const NEVER: Self = Self(i64::MAX);

    /// Returns the end of a lifetime that begins now.
    pub(in crate::cache::redis) fn after(lifetime: Duration) -> Self {
        Self(now().saturating_add(i64::try_from(lifetime.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns true if a reader should refresh the entry (XFetch, VLDB 2015). The probability rises towards the expiry,
    /// so that one of many readers refreshes it some seconds before, and few readers cause no needless refresh. A wrong
    /// clock makes the refresh early or late, never an entry wrong.
    pub(in crate::cache::redis) fn should_refresh(self) -> bool {
        let left = self.0.saturating_sub(now());
        left < i64::from(EARLY_MS) * 20 && (left as f64) < f64::from(EARLY_MS) * -random::unit().ln()
    }
}

fn now() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Formats a position as 40 digits that sort like positions.
pub(in crate::cache::redis) fn digits(position: Position) -> String {
    format!("{:020}{:020}", position.transaction, position.sequence)
}

/// Parses the output of `digits`.
pub(in crate::cache::redis) fn position(digits: &str) -> Option<Position> {
    let (transaction, sequence) = digits.split_at_checked(20)?;
    Some(Position { transaction: transaction.parse().ok()?, sequence: sequence.parse().ok()? })
}

/// Encodes an article, or a negative entry if there is none.
pub(in crate::cache::redis) fn encode(id: &ArticleId, record: Option<&Record>, expires_at: ExpiresAt) -> Vec<u8> {
    let Some(record) = record else { return format!("n{}", digits(Position::START)).into_bytes() };
    let body = Body::of(record, expires_at);
    let mut entry = Vec::with_capacity(BODY_AT + body.encoded_len());
    entry.push(b'v');
    entry.extend_from_slice(digits(record.token.position).as_bytes());
    entry.push(FORMAT);
    entry.extend_from_slice(&[0; CHECK_BYTES]);
    body.encode_raw(&mut entry);
    let check = check(id, &entry[..HEAD_BYTES], &entry[BODY_AT..]);
    entry[CHECK_AT..BODY_AT].copy_from_slice(&check);
    entry
}

/// Decodes an entry of an article in a change feed, without copying the article's content.
pub(in crate::cache::redis) fn decode(id: &ArticleId, feed: Uuid, entry: Bytes) -> CacheEntry {
    match entry.first() {
        Some(b'v') => match value(id, feed, &entry) {
            Some((record, expires_at)) => CacheEntry::Found(Some(Arc::new(record)), expires_at),
            None => CacheEntry::Foreign,
        },
        Some(b'n') if entry == encode(id, None, ExpiresAt::NEVER) => CacheEntry::Found(None, ExpiresAt::NEVER),
        Some(b'i') if entry.len() == 89 => CacheEntry::Absent,
        _ => CacheEntry::Foreign,
    }
}

fn value(id: &ArticleId, feed: Uuid, entry: &Bytes) -> Option<(Record, ExpiresAt)> {
    let (head, rest) = entry.split_at_checked(HEAD_BYTES)?;
    let (format, rest) = rest.split_first()?;
    let (sum, body) = rest.split_at_checked(CHECK_BYTES)?;
    if *format != FORMAT || sum != check(id, head, body) {
        return None;
    }
    let body = Body::decode(entry.slice(BODY_AT..)).ok()?;
    let at = position(std::str::from_utf8(&head[1..]).ok()?)?;
    let record = body.record(id, ChangeToken { feed, position: at })?;
    (feed.as_bytes()[..] == body.feed).then_some((record, ExpiresAt(body.expires_at)))
}

/// Computes the checksum that detects truncated, changed and misplaced entries. Redis is trusted, so it need not resist
/// tampering: on every read, this hash costs a tenth of SHA-256.
fn check(id: &ArticleId, head: &[u8], body: &[u8]) -> [u8; CHECK_BYTES] {
    let key = xxh3_64(id.as_str().as_bytes());
    xxh3_64_with_seed(body, xxh3_64_with_seed(head, key)).to_be_bytes()
}

#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(bytes = "bytes", tag = "1")]
    feed: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    uid: Bytes,
    #[prost(int64, tag = "3")]
    revision: i64,
    #[prost(uint32, tag = "4")]
    lifecycle: u32,
    #[prost(sint64, tag = "5")]
    create_time: i64,
    #[prost(sint64, tag = "6")]
    update_time: i64,
    #[prost(sint64, optional, tag = "7")]
    delete_time: Option<i64>,
    #[prost(sint64, optional, tag = "8")]
    publish_time: Option<i64>,
    #[prost(sint64, optional, tag = "9")]
    embargo_time: Option<i64>,
    #[prost(sint64, optional, tag = "10")]
    expire_time: Option<i64>,
    #[prost(bytes = "bytes", tag = "11")]
    digest: Bytes,
    /// Article as sent to readers, so that a hit need not encode it again.
    #[prost(bytes = "bytes", tag = "12")]
    encoded: Bytes,
    #[prost(uint64, tag = "13")]
    content_len: u64,
    #[prost(int64, tag = "14")]
    expires_at: i64,
}

impl Body {
    fn of(record: &Record, expires_at: ExpiresAt) -> Self {
        let (encoded, content_len) = record.encoded();
        Self {
            feed: Bytes::copy_from_slice(record.token.feed.as_bytes()),
            uid: Bytes::copy_from_slice(record.uid.as_bytes()),
            revision: record.revision,
            lifecycle: match record.lifecycle {
                Lifecycle::Live => 0,
                Lifecycle::Withdrawn => 1,
                Lifecycle::Deleted => 2,
                Lifecycle::Expected => 3,
                Lifecycle::Purged => 4,
                Lifecycle::Merged => 5,
            },
            create_time: record.create_time.as_microsecond(),
            update_time: record.update_time.as_microsecond(),
            delete_time: record.delete_time.map(Timestamp::as_microsecond),
            publish_time: record.publish_time.map(Timestamp::as_microsecond),
            embargo_time: record.embargo_time.map(Timestamp::as_microsecond),
            expire_time: record.expire_time.map(Timestamp::as_microsecond),
            digest: Bytes::copy_from_slice(&record.digest.0),
            encoded: encoded.clone(),
            content_len: content_len as u64,
            expires_at: expires_at.0,
        }
    }

    fn record(&self, id: &ArticleId, token: ChangeToken) -> Option<Record> {
        let time = |micros: i64| Timestamp::from_microsecond(micros).ok();
        let optional = |micros: Option<i64>| micros.map(Timestamp::from_microsecond).transpose().ok();
        let parts = RecordParts {
            id: id.clone(),
            uid: Uuid::from_slice(&self.uid).ok()?,
            revision: self.revision,
            lifecycle: match self.lifecycle {
                0 => Lifecycle::Live,
                1 => Lifecycle::Withdrawn,
                2 => Lifecycle::Deleted,
                3 => Lifecycle::Expected,
                4 => Lifecycle::Purged,
                5 => Lifecycle::Merged,
                _ => return None,
            },
            token,
            create_time: time(self.create_time)?,
            update_time: time(self.update_time)?,
            delete_time: optional(self.delete_time)?,
            publish_time: optional(self.publish_time)?,
            embargo_time: optional(self.embargo_time)?,
            expire_time: optional(self.expire_time)?,
            digest: Digest(self.digest[..].try_into().ok()?),
        };
        Record::of_encoded(parts, self.encoded.clone(), self.content_len.try_into().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(id: &ArticleId, feed: Uuid) -> Record {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let parts = RecordParts {
            id: id.clone(),
            uid: Uuid::now_v7(),
            revision: 3,
            lifecycle: Lifecycle::Withdrawn,
            token: ChangeToken { feed, position: Position { transaction: 2, sequence: 900 } },
            create_time: at(1_000),
            update_time: at(-2_000),
            delete_time: None,
            publish_time: Some(at(0)),
            embargo_time: Some(at(3_000)),
            expire_time: None,
            digest: Digest::of("headline", "body"),
        };
        Record::new(parts, b"\x22\x05Ferry")
    }

    #[test]
    fn lifetimes_vary_by_at_most_ten_percent() {
        let ttl = Duration::from_secs(1_000);
        let lifetimes: Vec<u64> = (0..200).map(|_| entry_lifetime(ttl).as_secs()).collect();
        assert!(lifetimes.iter().all(|seconds| (900..=1_100).contains(seconds)), "{lifetimes:?}");
        assert!(lifetimes.iter().any(|seconds| *seconds != lifetimes[0]), "no jitter");
    }

    #[test]
    fn what_is_put_in_comes_out_and_nothing_else() {
        let (id, feed): (ArticleId, Uuid) = ("ferry-1".parse().unwrap(), Uuid::now_v7());
        let record = record(&id, feed);
        let expires_at = ExpiresAt::after(Duration::from_secs(60));
        let entry = encode(&id, Some(&record), expires_at);
        let decode = |id: &ArticleId, feed, entry: &[u8]| decode(id, feed, Bytes::copy_from_slice(entry));
        let CacheEntry::Found(Some(read), until) = decode(&id, feed, &entry) else { panic!() };
        assert_eq!(until, expires_at);
        assert_eq!(format!("{:?}", *read), format!("{record:?}"));
        for at in 0..entry.len() {
            let mut changed = entry.clone();
            changed[at] ^= 1;
            assert!(matches!(decode(&id, feed, &changed), CacheEntry::Foreign), "byte {at} changed");
            assert!(matches!(decode(&id, feed, &entry[..at]), CacheEntry::Foreign), "cut at {at}");
        }
        let other = "ferry-2".parse().unwrap();
        assert!(matches!(decode(&other, feed, &entry), CacheEntry::Foreign), "entry of another article");
        assert!(matches!(decode(&id, Uuid::now_v7(), &entry), CacheEntry::Foreign), "entry of another store");
        assert!(matches!(decode(&id, feed, &encode(&id, None, expires_at)), CacheEntry::Found(None, _)));
        assert!(matches!(decode(&id, feed, b"n"), CacheEntry::Foreign));
    }

    #[test]
    fn an_entry_is_fetched_anew_near_its_end() {
        let near = |left: i64| (0..1_000).filter(|_| ExpiresAt(now() + left).should_refresh()).count();
        assert_eq!(near(3_600_000), 0);
        assert_eq!(near(-1_000), 1_000, "an expired entry is always refreshed");
        // Probabilities are 1/e^5 and 1/e: a failure by chance is less likely than one in a billion.
        assert!(near(i64::from(EARLY_MS) * 5) < 100);
        assert!((200..600).contains(&near(i64::from(EARLY_MS))));
        assert!(!ExpiresAt::NEVER.should_refresh());
    }

    #[test]
    fn digits_keep_the_order() {
        let low = Position { transaction: 0, sequence: u64::MAX };
        let high = Position { transaction: 1, sequence: 0 };
        assert!(digits(low) < digits(high));
        assert_eq!(position(&digits(low)), Some(low));
        assert_eq!(position("1"), None);
    }
}
