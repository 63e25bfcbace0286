//! Merges of articles into one.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::edit::{precondition, reason};
use super::{IngestError, Ingestion, RequestId};
use crate::article::{ArticleId, Record, Violations};
use crate::proto::MergeArticlesRequest;
use crate::store::{Consistency, Merge, StoreError, Write, WriteError, Written, last_successor};

/// Maximum number of articles that are merged in one call.
const MAX_SOURCES: usize = 100;

impl Ingestion {
    /// Merges articles into one. Returns that one.
    pub async fn merge(
        &self,
        request: &MergeArticlesRequest,
        request_id: RequestId<'_>,
    ) -> Result<Arc<Record>, IngestError> {
        let mut violations = Violations::default();
        let id = ArticleId::from_name(&request.name).map_err(|expected| violations.add("name", expected)).ok();
        let sources = sources(request, &mut violations);
        let reason = reason(&request.reason, &mut violations);
        let key = request_id.key().map_err(|inner| violations.0.extend(inner.0)).unwrap_or_default();
        let (Some(id), true) = (id, violations.0.is_empty()) else { return Err(violations.into()) };
        let merge = Merge {
            id,
            sources,
            precondition: precondition(&request.etag),
            reason,
            request: key,
            is_copy: false,
            time: Timestamp::now(),
        };
        Ok(self.apply(Write::Merge(Box::new(merge)), request.validate_only).await?.record)
    }

    /// Applies writes in order. Errors name the last successors of merged articles.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let results = self.apply_writes(writes).await;
        self.with_last_successors(results).await
    }

    /// Returns the result that a write would have, without applying it.
    pub(super) async fn dry_run_of(&self, mut write: Write) -> Result<Written, WriteError> {
        self.scope_request_id(&mut write);
        let results = vec![self.store.dry_run(write).await];
        self.with_last_successors(results).await.pop().unwrap_or(Err(StoreError::Internal.into()))
    }

    /// Replaces the successors in errors by the last ones.
    async fn with_last_successors(
        &self,
        mut results: Vec<Result<Written, WriteError>>,
    ) -> Vec<Result<Written, WriteError>> {
        for result in &mut results {
            let Err(WriteError::Merged { id, successor }) = result else { continue };
            // The direct successor is named if this read fails.
            let Ok(found) = self.store.get(std::slice::from_ref(id), Consistency::Full).await else { continue };
            let Some(merged) = found.into_iter().find_map(|fetched| fetched.record) else { continue };
            if let Ok(Some(last)) = last_successor(&*self.store, &merged, Consistency::Full).await {
                successor.clone_from(&last.id);
            }
        }
        results
    }
}

fn sources(request: &MergeArticlesRequest, violations: &mut Violations) -> Vec<ArticleId> {
    let names = &request.source_articles;
    if names.is_empty() || names.len() > MAX_SOURCES {
        violations.add("source_articles", format!("must be 1 to {MAX_SOURCES} names"));
    }
    let mut seen = BTreeSet::new();
    let mut sources = Vec::new();
    for (at, name) in names.iter().enumerate().take(MAX_SOURCES) {
        let field = format!("source_articles[{at}]");
        match ArticleId::from_name(name) {
            _ if *name == request.name => violations.add(field, "must be another article than the one that stays"),
            _ if !seen.insert(name) => violations.add(field, "must not be named twice"),
            Ok(id) => sources.push(id),
            Err(expected) => violations.add(field, expected),
        }
    }
    sources
}
