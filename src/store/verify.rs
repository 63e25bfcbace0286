//! Verification of a store's integrity: every text matches its digest, the feed has no gaps, each article equals its
//! last change, and has the keys that it states; every kept document matches its digest.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use prost::Message;
use sha2::{Digest as _, Sha256};

use super::identity::keys_of;
use super::{Change, Consistency, SnapshotQuery, Store, StoreError, Visibility};
use crate::article::{ArticleId, ChangeKind, Digest, EditorFields, Lifecycle, Position, Record, Unreadable};
use crate::proto::Article;

/// Changes or articles per read.
const BATCH: usize = 200;
/// Maximum number of problems that are described.
const MAX_DESCRIBED: usize = 100;

/// Result of a verification.
#[derive(Debug, Default)]
pub struct Verified {
    /// Number of articles in any state.
    pub articles: u64,
    /// Number of articles that are readable, embargoed, withdrawn, deleted, expired, expected, merged and purged.
    pub states: [u64; 8],
    /// Number of changes read.
    pub changes: u64,
    /// Start of the verified part of the feed; later than its beginning if old changes were trimmed.
    pub from: Position,
    /// End of the verified part of the feed.
    pub to: Position,
    /// Digest of all articles in any state: equal in stores with the same content.
    pub digest: Total,
    /// Digest of the readable articles.
    pub readable: Total,
    /// Descriptions of the first problems.
    pub problems: Vec<String>,
    /// Number of problems.
    pub count: u64,
}

/// Digest of many articles, independent of their order: the XOR of the SHA-256 of each one's name, state, fields that
/// belong to editors, and content. It detects copies that differ; it is not secure against chosen texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total([u8; 32]);

impl Total {
    fn add(&mut self, record: &Record, editor_fields: EditorFields) {
        let mut hash = Sha256::new();
        hash.update(record.id.as_str().as_bytes());
        // Editor fields and lifecycle fit into half a byte each.
        hash.update([0, record.lifecycle as u8 | editor_fields.bits() << 4]);
        hash.update(record.content());
        self.0.iter_mut().zip(hash.finalize()).for_each(|(sum, byte)| *sum ^= byte);
    }
}

impl std::fmt::Display for Total {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// State of an article after its last change in the feed.
struct LastChange {
    revision: i64,
    digest: Digest,
    lifecycle: Lifecycle,
}

/// Verifies a whole store. Concurrent writes are allowed; later changes are not verified.
///
/// # Errors
/// If the store does not answer. Wrong data is not an error but a problem in the result.
pub async fn verify(store: &dyn Store) -> Result<Verified, StoreError> {
    let mut found = Verified { to: store.head().await?, ..Verified::default() };
    found.from = oldest_position(store, found.to).await?;
    let mut last_changes = HashMap::new();
    verify_feed(store, &mut found, &mut last_changes).await?;
    verify_articles(store, &mut found, last_changes).await?;
    Ok(found)
}

/// Returns the oldest position from which the feed can be read.
async fn oldest_position(store: &dyn Store, head: Position) -> Result<Position, StoreError> {
    let reaches = async |at: u64| match store.changes(Position::of(at), 1).await {
        Ok(_) => Ok(true),
        Err(StoreError::Trimmed) => Ok(false),
        Err(error) => Err(error),
    };
    let (mut trimmed, mut kept) = (0, 0);
    if !reaches(0).await? {
        kept = head.sequence;
        while kept - trimmed > 1 {
            let middle = trimmed + (kept - trimmed) / 2;
            if reaches(middle).await? { kept = middle } else { trimmed = middle }
        }
    }
    Ok(Position::of(kept))
}

async fn verify_feed(
    store: &dyn Store,
    found: &mut Verified,
    last_changes: &mut HashMap<ArticleId, LastChange>,
) -> Result<(), StoreError> {
    let (mut at, to) = (found.from, found.to);
    while at < to {
        let changes = store.changes(at, BATCH).await?;
        if changes.is_empty() {
            found.problem(format!("feed ends at {}, but its head is {}", at.sequence, to.sequence));
            return Ok(());
        }
        for change in changes.into_iter().filter(|change| change.position <= to) {
            found.changes += 1;
            if change.position.sequence != at.sequence + 1 {
                found.problem(format!(
                    "gap in the feed: change {} is followed by {}",
                    at.sequence, change.position.sequence
                ));
            }
            at = change.position;
            found.verify_change(&change, last_changes);
        }
    }
    Ok(())
}

/// Verifies the articles, as of the same position.
async fn verify_articles(
    store: &dyn Store,
    found: &mut Verified,
    mut last_changes: HashMap<ArticleId, LastChange>,
) -> Result<(), StoreError> {
    let whole = found.from == Position::START;
    let mut after = None;
    loop {
        let page = store.snapshot(&SnapshotQuery::of_all(found.to, after, BATCH)).await?;
        verify_keys(store, found, &page).await?;
        verify_originals(store, found, &page).await?;
        for (record, standing) in &page {
            found.verify_article(record, *standing, last_changes.remove(&record.id), whole);
        }
        match page.last() {
            Some((last, _)) if page.len() == BATCH => after = Some(last.id.clone()),
            _ => break,
        }
    }
    for id in last_changes.keys() {
        found.problem(format!("{}: missing, although the feed has changes of it", id.name()));
    }
    Ok(())
}

/// Verifies the keys of articles: each address and identifier that an article states leads to it, or to another article
/// with the same key; a merged one has no keys, and a successor.
async fn verify_keys(
    store: &dyn Store,
    found: &mut Verified,
    page: &[(Arc<Record>, Visibility)],
) -> Result<(), StoreError> {
    let ids: Vec<ArticleId> = page.iter().map(|(record, _)| record.id.clone()).collect();
    for ((record, now), own) in page.iter().zip(store.keys_of(&ids, Consistency::Full).await?) {
        let name = record.id.name();
        // Its state may have changed since the position that is verified.
        if now.lifecycle == Lifecycle::Merged {
            if !own.is_empty() {
                found.problem(format!("{name}: has {} keys, although it was merged", own.len()));
            }
            if let Some(successor) = record.successor()
                && store
                    .get(std::slice::from_ref(&successor), Consistency::Full)
                    .await?
                    .iter()
                    .all(|it| it.record.is_none())
            {
                found.problem(format!("{name}: was merged into {}, which is missing", successor.name()));
            }
            continue;
        }
        // The text is verified elsewhere.
        let Ok(article) = record.decode() else { continue };
        for stated in keys_of(&article.url, &article.source, &article.external_id) {
            let is_own = own.iter().any(|key| key.key == stated.key);
            if !is_own && store.lookup(&[stated.key], Consistency::Full).await?.iter().all(Option::is_none) {
                found.problem(format!("{name}: no article has the key {:?} of its URL or external ID", stated.key));
            }
        }
    }
    Ok(())
}

/// Verifies the documents from which articles were extracted. A purged article has none.
async fn verify_originals(
    store: &dyn Store,
    found: &mut Verified,
    page: &[(Arc<Record>, Visibility)],
) -> Result<(), StoreError> {
    for (record, now) in page {
        let name = record.id.name();
        match store.original(&record.id, None).await {
            Ok(None) => {}
            Ok(Some(_)) if now.lifecycle == Lifecycle::Purged => {
                found.problem(format!("{name}: still has a document, although the article was purged"));
            }
            Ok(Some(original)) if original.is_intact() => {}
            Ok(Some(_)) | Err(StoreError::Damaged) => found.problem(format!("{name}: the kept document is damaged")),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Verified {
    fn problem(&mut self, problem: String) {
        self.count += 1;
        if self.problems.len() < MAX_DESCRIBED {
            self.problems.push(problem);
        }
    }

    fn verify_change(&mut self, change: &Change, last_changes: &mut HashMap<ArticleId, LastChange>) {
        let record = &change.record;
        let name = record.id.name();
        self.verify_text(record, change.now);
        let before = last_changes.get(&record.id).map(|last| last.revision);
        let next = before.map_or(1, |revision| revision + 1);
        // The first change of an article may have any revision if the feed was trimmed.
        if record.revision != next && (before.is_some() || self.from == Position::START) {
            self.problem(format!("{name}: revision is {}, must be {next}", record.revision));
        }
        let lifecycle = match change.kind {
            ChangeKind::Withdrawn => Lifecycle::Withdrawn,
            ChangeKind::Deleted => Lifecycle::Deleted,
            ChangeKind::Purged => Lifecycle::Purged,
            ChangeKind::Reinstated if record.is_empty() => Lifecycle::Expected,
            ChangeKind::Merged => Lifecycle::Merged,
            _ => Lifecycle::Live,
        };
        if record.lifecycle != lifecycle {
            self.problem(format!(
                "{name}@{}: state is {:?}, must be {lifecycle:?} after a change of kind {:?}",
                record.revision, record.lifecycle, change.kind
            ));
        }
        let last = LastChange { revision: record.revision, digest: record.digest, lifecycle: record.lifecycle };
        last_changes.insert(record.id.clone(), last);
    }

    fn verify_article(&mut self, record: &Record, standing: Visibility, last: Option<LastChange>, whole: bool) {
        self.articles += 1;
        self.verify_text(record, standing);
        let same = last.as_ref().map_or(!whole, |last| {
            (last.revision, last.digest, last.lifecycle) == (record.revision, record.digest, record.lifecycle)
        });
        if !same {
            let revision = last.map_or_else(|| "no revision".to_owned(), |last| format!("revision {}", last.revision));
            self.problem(format!(
                "{}: differs at revision {} from its last change in the feed, which has {revision}",
                record.id.name(),
                record.revision
            ));
        }
        let state = match record.unreadable(Timestamp::now()) {
            None => 0,
            Some(Unreadable::Embargoed) => 1,
            Some(Unreadable::Withdrawn) => 2,
            Some(Unreadable::Deleted) => 3,
            Some(Unreadable::Expired) => 4,
            Some(Unreadable::Expected) => 5,
            Some(Unreadable::Merged) => 6,
            Some(Unreadable::Purged) => 7,
        };
        self.states[state] += 1;
        self.digest.add(record, standing.editor_fields);
        if state == 0 && standing.readable(Timestamp::now()) {
            self.readable.add(record, standing.editor_fields);
        }
    }

    /// Recomputes the digest of a text. Of a purged article, no revision may have a text.
    fn verify_text(&mut self, record: &Record, now: Visibility) {
        let name = || format!("{}@{}", record.id.name(), record.revision);
        match record.decode() {
            Ok(article) if now.lifecycle == Lifecycle::Purged => {
                let erased =
                    Article { source: article.source, embargo_time: article.embargo_time, ..Article::default() };
                if record.content() != erased.encode_to_vec() {
                    self.problem(format!("{}: still has content, although the article was purged", name()));
                }
            }
            Ok(article) if Digest::of(&article.headline, &article.body) == record.digest => {}
            Ok(_) => self.problem(format!("{}: text does not match its digest", name())),
            Err(error) => self.problem(format!("{}: text cannot be decoded: {error}", name())),
        }
    }
}
