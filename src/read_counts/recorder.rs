//! Reads that are not stored yet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::article::ArticleId;
use crate::store::{HourlyReads, Store, StoreError};
use crate::telemetry::ReadCountMetrics;

/// Maximum number of articles and hours whose reads wait to be stored, about 10 MB. They are stored early from half of
/// it on; what does not fit is lost.
const MAX_PENDING: usize = 50_000;
/// Maximum number of counts that are changed in one transaction.
const BATCH: usize = 2_000;
/// Maximum sum of an article and hour, so that sums of sums cannot overflow.
const MAX_SUM: u64 = 1_000_000_000_000;

/// Sums by article and hour.
type Sums = HashMap<(ArticleId, i64), u64>;

/// Reads of this replica that are not stored yet.
pub(super) struct Recorder {
    sums: Mutex<Sums>,
    /// Held while sums are stored.
    storing: tokio::sync::Mutex<()>,
    filled: Notify,
    metrics: ReadCountMetrics,
}

impl Recorder {
    pub(super) fn new(metrics: ReadCountMetrics) -> Self {
        Self { sums: Mutex::default(), storing: tokio::sync::Mutex::default(), filled: Notify::new(), metrics }
    }

    pub(super) fn record(&self, reads: impl IntoIterator<Item = HourlyReads>) {
        let mut sums = self.lock();
        for reads in reads {
            self.metrics.recorded(reads.count);
            self.add(&mut sums, reads);
        }
        if sums.len() >= MAX_PENDING / 2 {
            self.filled.notify_one();
        }
    }

    fn add(&self, sums: &mut Sums, HourlyReads { article, hour, count }: HourlyReads) {
        let has_room = sums.len() < MAX_PENDING;
        match sums.entry((article, hour)) {
            std::collections::hash_map::Entry::Occupied(mut sum) => {
                *sum.get_mut() = sum.get().saturating_add(count).min(MAX_SUM);
            }
            std::collections::hash_map::Entry::Vacant(vacant) if has_room => {
                vacant.insert(count.min(MAX_SUM));
            }
            std::collections::hash_map::Entry::Vacant(_) => self.metrics.lost(count),
        }
    }

    /// Waits until half of the room is used.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    pub(super) async fn flush(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _storing = self.storing.lock().await;
        let sums = std::mem::take(&mut *self.lock());
        let of_sum = |((article, hour), count)| HourlyReads { article, hour, count };
        let reads: Vec<HourlyReads> = sums.into_iter().map(of_sum).collect();
        for (number, batch) in reads.chunks(BATCH).enumerate() {
            if let Err(error) = store.add_reads(batch.to_vec(), Timestamp::now()).await {
                let mut sums = self.lock();
                reads[number * BATCH..].iter().for_each(|reads| self.add(&mut sums, reads.clone()));
                return Err(error);
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(article: &str, hour: i64, count: u64) -> HourlyReads {
        HourlyReads { article: article.parse().unwrap(), hour, count }
    }

    #[test]
    fn reads_are_summed_within_bounds() {
        let recorder = Recorder::new(ReadCountMetrics::default());
        recorder.record([reads("a", 1, 2), reads("a", 2, 5), reads("a", 1, 3), reads("b", 1, u64::MAX)]);
        let sum = |article: &str, hour| recorder.lock().get(&(article.parse().unwrap(), hour)).copied();
        assert_eq!((sum("a", 1), sum("a", 2), sum("b", 1)), (Some(5), Some(5), Some(MAX_SUM)));
        recorder.record((0..MAX_PENDING).map(|number| reads(&format!("c-{number}"), 1, 1)));
        assert_eq!(recorder.lock().len(), MAX_PENDING);
        recorder.record([reads("a", 1, 1), reads("d", 1, 1)]);
        assert_eq!((sum("a", 1), sum("d", 1)), (Some(6), None), "only a new article finds no room");
    }
}
