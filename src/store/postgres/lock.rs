//! Advisory locks. All are transaction-scoped; other programs use other classes.

use std::collections::BTreeSet;

use crate::article::{ArticleId, Digest};
use crate::store::Write;
use crate::store::identity::keys_of_write;

use super::rows::hash;

/// "Copy": first key of all our locks.
pub(super) const CLASS: i32 = 0x436f_7079;
/// Lock of schema migrations.
pub(super) const MIGRATE: i32 = -1;
/// Lock of the search indexer.
pub(super) const INDEX: i32 = -2;
/// Lock of the trimming of old changes.
pub(super) const TRIM: i32 = -3;
/// Lock of the removal of purged texts from files.
pub(super) const ERASE: i32 = -4;

/// Number of lock buckets that articles share. A database server's lock table has room for some thousands, and a large
/// group would fill it with one lock per article. Two small writes collide in one of 60 cases; then one waits for the
/// other's commit.
const BUCKETS: u64 = 512;

/// Returns the locks of a group of writes in the global lock order: of its articles, even those that do not exist yet,
/// and of `more` articles; of its keys, so that documents with a common key end as one article; of its texts, so that
/// duplicates are detected; and of its request IDs, so that each request is applied once.
pub(super) fn of_writes<'a>(writes: impl Iterator<Item = &'a Write>, more: &BTreeSet<ArticleId>) -> Vec<i32> {
    let mut buckets: Vec<i32> = more.iter().map(of_article).collect();
    for write in writes {
        buckets.extend(write.ids().map(of_article));
        buckets.extend(keys_of_write(write).iter().map(|key| bucket(b"key", key.as_bytes())));
        if let Some(digest) = new_digest(write) {
            buckets.push(bucket(b"digest", &digest.0));
        }
        if let Some(request) = write.request() {
            buckets.push(bucket(b"request", request.id.as_bytes()));
        }
    }
    in_order(buckets)
}

/// Returns the locks of articles in the global lock order.
pub(super) fn of_articles<'a>(ids: impl Iterator<Item = &'a ArticleId>) -> Vec<i32> {
    in_order(ids.map(of_article).collect())
}

/// Returns the lock of an article.
pub(super) fn of_article(id: &ArticleId) -> i32 {
    bucket(b"id", id.as_str().as_bytes())
}

/// Returns the digest of an article's new text, if the write changes it.
pub(super) fn new_digest(write: &Write) -> Option<Digest> {
    match write {
        Write::Ingest(ingest) => Some(ingest.article.digest()),
        Write::Update(update) => Some(update.article.digest()),
        Write::Transition(_) | Write::Merge(_) => None,
    }
}

fn bucket(kind: &[u8], name: &[u8]) -> i32 {
    // Below BUCKETS, so it fits.
    (hash(&[kind, b" ", name]).cast_unsigned() % BUCKETS) as i32
}

fn in_order(mut buckets: Vec<i32>) -> Vec<i32> {
    buckets.sort_unstable();
    buckets.dedup();
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_takes_them_in_one_order() {
        let ids: Vec<ArticleId> =
            (0..2_000).map(|n| format!("a-{n}").parse().expect("the ID should be valid")).collect();
        let forward = of_articles(ids.iter());
        assert_eq!(forward, of_articles(ids.iter().rev()));
        assert!(forward.is_sorted() && forward.len() <= BUCKETS as usize);
        assert!(forward.iter().all(|bucket| *bucket >= 0), "no bucket should have the number of another lock");
    }
}
