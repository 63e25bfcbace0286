//! Copy of all articles into another store, between any two engines.

use std::sync::Arc;

use super::{
    Consistency, Ingest, IngestSource, LateCopies, Merge, Missing, Original, Outcome, Precondition, SnapshotQuery,
    Store, StoreError, Transition, Visibility, Write, WriteError,
};
use crate::article::{ArticleId, ArticleKey, ChangeKind, CleanArticle, Lifecycle, Limits, Record};

/// Reason of changes that the source store has made.
const REASON: &str = "As it was in the store that was copied.";
/// Articles per batch of writes. Their documents are in memory.
const BATCH: usize = 100;
/// Maximum number of rejections that are described.
const MAX_DESCRIBED: usize = 100;
/// No limits: stored articles were within the limits of their time.
const LIMITS: Limits = Limits { headline_chars: usize::MAX, subheadline_chars: usize::MAX, body_bytes: usize::MAX };

/// Result of a copy.
#[derive(Debug, Default)]
pub struct Copied {
    /// Number of articles in the copy.
    pub articles: u64,
    /// Number of them that the copy already had.
    pub unchanged: u64,
    /// First rejected articles, with reasons.
    pub refused: Vec<String>,
    /// Number of rejected articles.
    pub count: u64,
}

/// Copies the current revision of each article, with its keys, and the version and the original of its last document.
/// Embargoed, withdrawn and deleted ones keep their state, so a killed article stays killed. Past revisions, request
/// IDs and change tokens are not copied. An article that the copy already has with the same content is unchanged.
///
/// # Errors
/// If one of the stores does not answer. The copy can then be restarted.
pub async fn copy(from: &dyn Store, to: &dyn Store) -> Result<Copied, StoreError> {
    let at = from.head().await?;
    let mut copied = Copied::default();
    let (mut after, mut merges) = (None, Vec::new());
    loop {
        let page = from.snapshot(&SnapshotQuery::of_all(at, after, BATCH)).await?;
        merges.extend(page.iter().filter_map(|(record, _)| merge(record)));
        let ids: Vec<ArticleId> = page.iter().map(|(record, _)| record.id.clone()).collect();
        let keys = from.keys_of(&ids, Consistency::Full).await?;
        let originals = originals(from, &page).await?;
        let stored = store(to, &page, keys, originals, &mut copied).await?;
        set_aside(to, &stored, &mut copied).await?;
        match page.last() {
            Some((last, _)) if page.len() == BATCH => after = Some(last.id.clone()),
            _ => break,
        }
    }
    // An article may be merged into a later one, so all have to be there.
    while !merges.is_empty() {
        let rest = merges.split_off(merges.len().min(BATCH));
        for answer in to.write(std::mem::replace(&mut merges, rest)).await {
            match answer {
                Ok(_) => {}
                Err(WriteError::Store(error)) => return Err(error),
                Err(refused) => copied.refuse_because(&refused.to_string()),
            }
        }
    }
    Ok(copied)
}

/// Returns the merge of an article that the source store has merged. Its keys are those of its successor there.
fn merge(record: &Record) -> Option<Write> {
    let merge = Merge {
        id: record.successor()?,
        sources: vec![record.id.clone()],
        precondition: Precondition::None,
        reason: REASON.into(),
        request: None,
        is_copy: true,
        time: record.update_time,
    };
    Some(Write::Merge(Box::new(merge)))
}

/// Returns the documents from which articles were extracted.
async fn originals(from: &dyn Store, page: &[(Arc<Record>, Visibility)]) -> Result<Vec<Option<Original>>, StoreError> {
    let mut originals = Vec::with_capacity(page.len());
    for (record, _) in page {
        let original = from.original(&record.id, None).await?;
        // After a correction, the copy has one revision, by which the correction cannot be told from the extraction.
        let original = original.filter(|original| original.first_revision == record.revision);
        originals.push(original.map(|original| original.with_report(&original.report)));
    }
    Ok(originals)
}

/// Writes a batch. Returns the records that the copy now contains.
async fn store<'a>(
    to: &dyn Store,
    page: &'a [(Arc<Record>, Visibility)],
    keys: Vec<Vec<ArticleKey>>,
    originals: Vec<Option<Original>>,
    copied: &mut Copied,
) -> Result<Vec<&'a Record>, StoreError> {
    let (mut taken, mut writes) = (Vec::new(), Vec::new());
    for (((record, standing), keys), original) in page.iter().zip(keys).zip(originals) {
        if record.is_empty() || record.lifecycle == Lifecycle::Purged {
            if is_copied(to, record).await? {
                (copied.articles, copied.unchanged) = (copied.articles + 1, copied.unchanged + 1);
                continue;
            }
            taken.push(&**record);
            writes.push(Write::Transition(missing(record, keys)?));
            continue;
        }
        let article = record.decode().map_err(|_broken| StoreError::Damaged)?;
        match CleanArticle::new(article, &LIMITS) {
            Ok(article) => {
                let ingest = Ingest {
                    id: record.id.clone(),
                    is_named: true,
                    keys: keys.into_iter().map(ArticleKey::stated).collect(),
                    article,
                    version: standing.version,
                    request: None,
                    from: IngestSource::Copy(standing.editor_fields),
                    late_copies: LateCopies::Reject,
                    original,
                    note: String::new(),
                    time: record.create_time,
                };
                taken.push(&**record);
                writes.push(Write::Ingest(Box::new(ingest)));
            }
            Err(violations) => copied.refuse(record, &format!("{violations:?}")),
        }
    }
    let mut stored = Vec::new();
    for (record, answer) in taken.into_iter().zip(to.write(writes).await) {
        match answer {
            Ok(written) => {
                copied.articles += 1;
                copied.unchanged += u64::from(written.outcome == Outcome::Unchanged);
                stored.push(record);
            }
            // An earlier run has copied it and set its state.
            Err(WriteError::WrongLifecycle { lifecycle, .. }) if lifecycle == record.lifecycle => {
                copied.articles += 1;
                copied.unchanged += 1;
            }
            Err(WriteError::Merged { .. }) if record.lifecycle == Lifecycle::Merged => {
                copied.articles += 1;
                copied.unchanged += 1;
            }
            Err(WriteError::Store(error)) => return Err(error),
            Err(refused) => copied.refuse(record, &refused.to_string()),
        }
    }
    Ok(stored)
}

/// Withdraws and deletes the articles that are withdrawn or deleted in the source.
async fn set_aside(to: &dyn Store, stored: &[&Record], copied: &mut Copied) -> Result<(), StoreError> {
    let kind = |record: &Record| match record.lifecycle {
        // The state in which they were written; merged when all articles have been copied.
        Lifecycle::Live | Lifecycle::Merged | Lifecycle::Purged => None,
        // Written as withdrawn.
        Lifecycle::Expected => Some(ChangeKind::Reinstated),
        Lifecycle::Withdrawn => Some(ChangeKind::Withdrawn),
        Lifecycle::Deleted => Some(ChangeKind::Deleted),
    };
    let (records, writes): (Vec<&Record>, Vec<Write>) = stored
        .iter()
        .filter_map(|record| {
            let kind = kind(record)?;
            Some((*record, Write::Transition(transition(record, kind))))
        })
        .unzip();
    for (record, answer) in records.into_iter().zip(to.write(writes).await) {
        match answer {
            Ok(_) => {}
            Err(WriteError::Store(error)) => return Err(error),
            Err(refused) => copied.refuse(record, &refused.to_string()),
        }
    }
    Ok(())
}

fn transition(record: &Record, kind: ChangeKind) -> Transition {
    Transition {
        id: record.id.clone(),
        key: None,
        missing: None,
        kind,
        with_copies: false,
        precondition: Precondition::None,
        reason: REASON.into(),
        request: None,
        time: record.update_time,
    }
}

/// Returns true if the copy has an article in the state that it has in the source.
async fn is_copied(to: &dyn Store, record: &Record) -> Result<bool, StoreError> {
    let found = to.get(std::slice::from_ref(&record.id), Consistency::Full).await?;
    let states = found.into_iter().filter_map(|fetched| fetched.record).map(|copy| copy.lifecycle);
    Ok(states.last() == Some(record.lifecycle))
}

/// Returns the write of an article that was withdrawn before it arrived, or purged.
fn missing(record: &Record, keys: Vec<ArticleKey>) -> Result<Transition, StoreError> {
    let article = CleanArticle::stored(&record.content()).map_err(|_broken| StoreError::Damaged)?;
    let (kind, digest) = match record.lifecycle {
        Lifecycle::Purged => (ChangeKind::Purged, Some(record.digest)),
        _ => (ChangeKind::Withdrawn, None),
    };
    let missing = Some(Box::new(Missing { article, keys, digest }));
    Ok(Transition { missing, time: record.create_time, ..transition(record, kind) })
}

impl Copied {
    fn refuse(&mut self, record: &Record, reason: &str) {
        self.refuse_because(&format!("{}: {reason}", record.id.name()));
    }

    fn refuse_because(&mut self, description: &str) {
        self.count += 1;
        if self.refused.len() < MAX_DESCRIBED {
            self.refused.push(description.to_owned());
        }
    }
}
