//! A copy of all articles into another store, whichever engine either is.

use super::{Ingest, IngestSource, Outcome, Precondition, Store, StoreError, Transition, Write, WriteError};
use crate::article::{ChangeKind, CleanArticle, EditorFields, Lifecycle, Limits, Record};

/// How many articles are written at a time.
const BATCH: usize = 500;
/// How many refusals are told one by one.
const TOLD: usize = 100;
/// What is stored has been within its limits.
const LIMITS: Limits = Limits { headline_chars: usize::MAX, subheadline_chars: usize::MAX, body_bytes: usize::MAX };

/// What was copied.
#[derive(Debug, Default)]
pub struct Copied {
    /// Articles that are in the copy now.
    pub articles: u64,
    /// How many of them were there already.
    pub unchanged: u64,
    /// What was refused, and why; of many only the first.
    pub refused: Vec<String>,
    /// How many were refused.
    pub count: u64,
}

/// Copies each article as it is now, held back, withdrawn or deleted ones as such: so that what was killed stays killed. Past
/// revisions, request IDs and change tokens stay behind. What is in the copy already and says the same is left as it is.
///
/// # Errors
/// When one of the stores does not answer; then it may be begun again.
pub async fn copy(from: &dyn Store, to: &dyn Store) -> Result<Copied, StoreError> {
    let at = from.head().await?;
    let mut copied = Copied::default();
    let mut after = None;
    loop {
        let page = from.snapshot(at, after.as_ref(), BATCH).await?;
        let records: Vec<(&Record, EditorFields)> =
            page.iter().map(|(record, standing)| (&**record, standing.editor_fields)).collect();
        let stored = store(to, &records, &mut copied).await?;
        set_aside(to, &stored, &mut copied).await?;
        match page.last() {
            Some((last, _)) if page.len() == BATCH => after = Some(last.id.clone()),
            _ => return Ok(copied),
        }
    }
}

/// Answers with those that are there now.
async fn store<'a>(
    to: &dyn Store,
    records: &[(&'a Record, EditorFields)],
    copied: &mut Copied,
) -> Result<Vec<&'a Record>, StoreError> {
    let (mut taken, mut writes) = (Vec::new(), Vec::new());
    for (record, editor_fields) in records {
        let article = record.decode().map_err(|_broken| StoreError::Damaged)?;
        match CleanArticle::new(article, &LIMITS) {
            Ok(article) => {
                let (id, from, time) = (record.id.clone(), IngestSource::Copy(*editor_fields), record.create_time);
                let ingest = Ingest { id, article, request: None, from, time };
                taken.push(*record);
                writes.push(Write::Ingest(Box::new(ingest)));
            }
            Err(wrong) => copied.refuse(record, &format!("{wrong:?}")),
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
            // As far as it goes, it has been copied before.
            Err(WriteError::State { lifecycle, .. }) if lifecycle == record.lifecycle => {
                copied.articles += 1;
                copied.unchanged += 1;
            }
            Err(WriteError::Store(error)) => return Err(error),
            Err(refused) => copied.refuse(record, &refused.to_string()),
        }
    }
    Ok(stored)
}

/// Withdraws and deletes what is withdrawn or deleted.
async fn set_aside(to: &dyn Store, stored: &[&Record], copied: &mut Copied) -> Result<(), StoreError> {
    let kind = |record: &Record| match record.lifecycle {
        Lifecycle::Live => None,
        Lifecycle::Withdrawn => Some(ChangeKind::Withdrawn),
        Lifecycle::Deleted => Some(ChangeKind::Deleted),
    };
    let (records, writes): (Vec<&Record>, Vec<Write>) = stored
        .iter()
        .filter_map(|record| {
            let kind = kind(record)?;
            let transition = Transition {
                id: record.id.clone(),
                kind,
                precondition: Precondition::None,
                reason: "As it was in the store that was copied.".into(),
                time: record.update_time,
            };
            Some((*record, Write::Transition(transition)))
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

impl Copied {
    fn refuse(&mut self, record: &Record, why: &str) {
        self.count += 1;
        if self.refused.len() < TOLD {
            self.refused.push(format!("{}: {why}", record.id.name()));
        }
    }
}
