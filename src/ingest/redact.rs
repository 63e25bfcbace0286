//! Results of writes, without references that their callers may not see.

use jiff::Timestamp;

use super::Ingestion;
use crate::store::{Consistency, Originals, Write, WriteError, Written};

impl Ingestion {
    /// Applies writes in order. No result names an original that cannot be read.
    pub(super) async fn write_redacted(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let results = self.apply_writes(writes).await;
        self.redact_originals(results).await
    }

    /// Removes the names of originals that cannot be read from the results.
    pub(super) async fn redact_originals(
        &self,
        results: Vec<Result<Written, WriteError>>,
    ) -> Vec<Result<Written, WriteError>> {
        let records = results.iter().filter_map(|result| result.as_ref().ok()).map(|written| &*written.record);
        // The writes are done even if this read fails; then no original is named.
        let originals = Originals::of(&*self.store, records, Consistency::Full).await.unwrap_or_default();
        let now = Timestamp::now();
        let redact = |written: Written| Written { record: originals.redact(&written.record, now), ..written };
        results.into_iter().map(|result| result.map(redact)).collect()
    }
}
