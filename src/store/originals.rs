//! Originals of duplicates. `duplicate_of` was computed when the text was written; the original may have been hidden
//! since, and then readers must not see its name. Each read decides that, so a change of the original does not have to
//! invalidate its duplicates in caches.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{Consistency, Store, StoreError};
use crate::article::{ArticleId, Record, RecordParts};

/// Maximum number of originals per read of the store: their texts stay in memory until they are checked.
const BATCH: usize = 64;

/// Current state of the originals of some duplicates.
#[derive(Clone, Debug, Default)]
pub struct Originals(HashMap<ArticleId, RecordParts>);

impl Originals {
    /// Looks up the originals of the records that are duplicates. Reads nothing if there are none.
    ///
    /// # Errors
    /// If the store does not answer. The caller may use [`Originals::default`] then, which names no original.
    pub fn of<'a, 's>(
        store: &'s dyn Store,
        records: impl IntoIterator<Item = &'a Record>,
        consistency: Consistency,
    ) -> BoxFuture<'s, Result<Self, StoreError>> {
        let ids: BTreeSet<&ArticleId> = records.into_iter().filter_map(|record| record.duplicate_of.as_ref()).collect();
        let ids: Vec<ArticleId> = ids.into_iter().cloned().collect();
        Box::pin(async move {
            let mut originals = HashMap::with_capacity(ids.len());
            for ids in ids.chunks(BATCH) {
                let found = store.get(ids, consistency).await?.into_iter().filter_map(|fetched| fetched.record);
                originals.extend(found.map(|original| (original.id.clone(), RecordParts::clone(&original))));
            }
            Ok(Self(originals))
        })
    }

    /// Returns a record as readers may see it at `now`: without `duplicate_of` if that article is unreadable then, or
    /// was not looked up.
    #[must_use]
    pub fn redact(&self, record: &Arc<Record>, now: Timestamp) -> Arc<Record> {
        let named = |id| self.0.get(id).is_some_and(|original| original.unreadable(now).is_none());
        match &record.duplicate_of {
            Some(id) if !named(id) => Arc::new(record.without_duplicate_of()),
            _ => Arc::clone(record),
        }
    }
}
