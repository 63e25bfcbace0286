//! Originals of duplicates. `duplicate_of` is what was true when a text was written; since then the original may have
//! been hidden, and then its name is no longer for readers. That is decided at each read, so no cache has to forget a
//! duplicate when its original changes.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;

use super::{Consistency, Store, StoreError};
use crate::article::{ArticleId, Record, RecordParts};

/// Maximum number of originals that one read of the store brings: their texts are in memory until they have been looked
/// at.
const BATCH: usize = 64;

/// The originals of some duplicates, as they stand.
#[derive(Clone, Debug, Default)]
pub struct Originals(HashMap<ArticleId, RecordParts>);

impl Originals {
    /// Looks up the originals of those records that are duplicates. Reads nothing if none is one.
    ///
    /// # Errors
    /// When the store does not answer. [`Originals::default`] then stands for originals of which none may be named.
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

    /// Returns a record as it may be shown at `now`: without `duplicate_of` if that names an article that cannot be
    /// read then, or one that was not looked up.
    #[must_use]
    pub fn show(&self, record: &Arc<Record>, now: Timestamp) -> Arc<Record> {
        let named = |id| self.0.get(id).is_some_and(|original| original.unreadable(now).is_none());
        match &record.duplicate_of {
            Some(id) if !named(id) => Arc::new(record.without_duplicate_of()),
            _ => Arc::clone(record),
        }
    }
}
