//! Observers of writes. They see every result, also after the caller has left, so that no write goes unobserved.

use std::sync::Arc;

use super::Ingestion;
use super::intake::RejectionContext;
use crate::article::ArticleId;
use crate::store::{StoreError, Write, WriteError, Written};
use crate::telemetry::trace::{current_context, with_context};

/// Callback with the article ID and result of each write.
pub type WriteObserver = Arc<dyn Fn(&ArticleId, &Result<Written, WriteError>) + Send + Sync>;

impl Ingestion {
    /// Returns a copy whose writes are observed.
    pub fn with_observer(&self, observer: WriteObserver) -> Self {
        Self { observer: Some(observer), ..self.clone() }
    }

    /// Applies writes in order. An observed write continues when its caller leaves.
    pub(super) async fn apply_writes(&self, mut writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        writes.iter_mut().for_each(|write| self.scope_request_id(write));
        let documents: Vec<Option<RejectionContext>> = writes.iter().map(RejectionContext::of).collect();
        let results = self.write_observed(writes).await;
        for (document, result) in documents.iter().zip(&results) {
            match (document, result) {
                (Some(document), Err(error)) => document.refused(&self.intake, error),
                (Some(document), Ok(Written { copy_of: Some(copied), .. })) => document.held(&self.intake, copied),
                _ => {}
            }
        }
        results
    }

    async fn write_observed(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let Some(observer) = self.observer.clone() else { return self.store.write(writes).await };
        let ids: Vec<ArticleId> = writes.iter().map(|write| write.id().clone()).collect();
        let (store, count) = (Arc::clone(&self.store), ids.len());
        let writing = async move {
            let results = store.write(writes).await;
            for (id, result) in ids.iter().zip(&results) {
                // A document may belong to another article, by its keys.
                observer(result.as_ref().map_or(id, |written| &written.record.id), result);
            }
            results
        };
        match tokio::spawn(with_context(current_context(), writing)).await {
            Ok(results) => results,
            // The panic hook has logged a panic; otherwise the process ends.
            Err(_ended) => vec![Err(StoreError::Internal.into()); count],
        }
    }
}
