//! Answers to writes, as their callers may have them.

use jiff::Timestamp;

use super::Ingestion;
use crate::store::{Consistency, Originals, Write, WriteError, Written};

impl Ingestion {
    /// Writes in the order given. No answer names an original that cannot be read.
    pub(super) async fn write_and_show(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let answers = self.store(writes).await;
        self.shown(answers).await
    }

    /// Returns the answers without the names of originals that cannot be read.
    pub(super) async fn shown(&self, answers: Vec<Result<Written, WriteError>>) -> Vec<Result<Written, WriteError>> {
        let records = answers.iter().filter_map(|answer| answer.as_ref().ok()).map(|written| &*written.record);
        // What was written is done, whether or not the store answers this: then no original is named.
        let originals = Originals::of(&*self.store, records, Consistency::Full).await.unwrap_or_default();
        let now = Timestamp::now();
        let show = |written: Written| Written { record: originals.show(&written.record, now), ..written };
        answers.into_iter().map(|answer| answer.map(show)).collect()
    }
}
