//! Which advisory locks there are. All of them end with their transaction; those of other programs have other classes.

use crate::article::{ArticleId, Digest};
use crate::store::Write;

use super::rows::hash;

/// "Copy": the first number of all our locks.
pub(super) const CLASS: i32 = 0x436f_7079;
/// Held by whoever brings the schema up to date.
pub(super) const MIGRATE: i32 = -1;
/// Held by whoever fills the search index.
pub(super) const INDEX: i32 = -2;
/// Held by whoever forgets old changes.
pub(super) const TRIM: i32 = -3;

/// How many locks articles share. All locks of a database server stand in one table with room for some thousands, which a
/// large group would fill if every article had its own. Two small writes meet by chance in one of 60 cases, and then one waits
/// for the other's commit.
const BUCKETS: u64 = 512;

/// The locks of a group of writes, in the order in which everybody takes them: of its articles, also those that do not exist
/// yet; of its texts, so that twins are seen; and of its requests, so that each is done once.
pub(super) fn of_writes<'a>(writes: impl Iterator<Item = &'a Write>) -> Vec<i32> {
    let mut buckets = Vec::new();
    for write in writes {
        buckets.push(bucket(b"id", write.id().as_str().as_bytes()));
        if let Some(digest) = new_digest(write) {
            buckets.push(bucket(b"digest", &digest.0));
        }
        if let Write::Ingest(ingest) = write
            && let Some(request) = &ingest.request
        {
            buckets.push(bucket(b"request", request.id.as_bytes()));
        }
    }
    in_order(buckets)
}

/// The locks of articles.
pub(super) fn of_articles<'a>(ids: impl Iterator<Item = &'a ArticleId>) -> Vec<i32> {
    in_order(ids.map(|id| bucket(b"id", id.as_str().as_bytes())).collect())
}

/// What an article will say, if a write changes that.
pub(super) fn new_digest(write: &Write) -> Option<Digest> {
    match write {
        Write::Ingest(ingest) => Some(ingest.article.digest()),
        Write::Update(update) => Some(update.article.digest()),
        Write::Transition(_) => None,
    }
}

fn bucket(kind: &[u8], name: &[u8]) -> i32 {
    // Less than BUCKETS, so it fits.
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
        let ids: Vec<ArticleId> = (0..2_000).map(|n| format!("a-{n}").parse().expect("an ID")).collect();
        let forward = of_articles(ids.iter());
        assert_eq!(forward, of_articles(ids.iter().rev()));
        assert!(forward.is_sorted() && forward.len() <= BUCKETS as usize);
        assert!(forward.iter().all(|bucket| *bucket >= 0), "none is one of the others' numbers");
    }
}
