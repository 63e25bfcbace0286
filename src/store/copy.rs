//! Copy of all articles into another store, between any two engines.

use super::{Ingest, IngestSource, Outcome, Precondition, Store, StoreError, Transition, Write, WriteError};
use crate::article::{ChangeKind, CleanArticle, EditorFields, Lifecycle, Limits, Record};

/// Articles per batch of writes.
const BATCH: usize = 500;
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

/// Copies the current revision of each article. Embargoed, withdrawn and deleted ones keep their state, so a killed
/// article stays killed. Past revisions, request IDs and change tokens are not copied. An article that the copy already
/// has with the same content is unchanged.
///
/// # Errors
/// If one of the stores does not answer. The copy can then be restarted.
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

/// Writes a batch. Returns the records that the copy now contains.
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
            Err(WriteError::Store(error)) => return Err(error),
            Err(refused) => copied.refuse(record, &refused.to_string()),
        }
    }
    Ok(stored)
}

/// Withdraws and deletes the articles that are withdrawn or deleted in the source.
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
    fn refuse(&mut self, record: &Record, reason: &str) {
        self.count += 1;
        if self.refused.len() < MAX_DESCRIBED {
            self.refused.push(format!("{}: {reason}", record.id.name()));
        }
    }
}
