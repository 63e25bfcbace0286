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
/// Lock of the trimming of old changes.
pub(super) const TRIM: i32 = -3;
/// Lock of the removal of purged texts from files.
pub(super) const ERASE: i32 = -4;
/// Lock of withdrawals that hold for copies. Documents share it: each is written before such a withdrawal, and is found
/// by it, or after it, and finds it.
const WITHDRAWAL: i32 = -5;

/// Number of lock buckets that articles share. A database server's lock table has room for some thousands, and a large
/// group would fill it with one lock per article. Two small writes collide in one of 60 cases; then one waits for the
/// other's commit.
const BUCKETS: u64 = 512;

/// Locks of a transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks {
    /// Statement that takes the lock of withdrawals, if it is needed. It is the first one in the global lock order.
    pub(super) withdrawal: Option<String>,
    /// Buckets, in the global lock order.
    pub(super) buckets: Vec<i32>,
}

impl Locks {
    /// Returns the locks of a group of writes and of `more` articles.
    pub(super) fn of_writes<'a>(writes: impl Iterator<Item = &'a Write> + Clone, more: &BTreeSet<ArticleId>) -> Self {
        Self { withdrawal: withdrawal(writes.clone()), buckets: buckets(writes, more) }
    }

    /// Returns the locks of articles.
    pub(super) fn of_articles<'a>(ids: impl Iterator<Item = &'a ArticleId>) -> Self {
        Self { withdrawal: None, buckets: in_order(ids.map(of_article).collect()) }
    }

    /// Returns true if the transaction has the lock of an article.
    pub(super) fn has(&self, id: &ArticleId) -> bool {
        self.buckets.binary_search(&of_article(id)).is_ok()
    }
}

fn withdrawal<'a>(writes: impl Iterator<Item = &'a Write>) -> Option<String> {
    let mut function = None;
    for write in writes {
        match write {
            Write::Transition(transition) if transition.with_copies => function = Some("pg_advisory_xact_lock"),
            Write::Ingest(_) => function = function.or(Some("pg_advisory_xact_lock_shared")),
            Write::Update(_) | Write::Transition(_) | Write::Merge(_) => {}
        }
    }
    function.map(|function| format!("SELECT {function}({CLASS}, {WITHDRAWAL})"))
}

/// Returns the buckets of a group of writes: of its articles, even those that do not exist yet,
/// and of `more` articles; of its keys, so that documents with a common key end as one article; of its texts, so that
/// duplicates are detected; and of its request IDs, so that each request is applied once.
fn buckets<'a>(writes: impl Iterator<Item = &'a Write>, more: &BTreeSet<ArticleId>) -> Vec<i32> {
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

/// Returns the bucket of an article.
fn of_article(id: &ArticleId) -> i32 {
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
        let forward = Locks::of_articles(ids.iter()).buckets;
        assert_eq!(forward, Locks::of_articles(ids.iter().rev()).buckets);
        assert!(forward.is_sorted() && forward.len() <= BUCKETS as usize);
        assert!(forward.iter().all(|bucket| *bucket >= 0), "no bucket should have the number of another lock");
    }
}
