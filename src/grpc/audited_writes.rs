//! Writes of a service, recorded in the audit log with their caller.

use std::sync::Arc;

use tonic::Request;

use crate::access::{Audit, AuditSource, Caller, Scope};
use crate::ingest::Ingestion;
use crate::store::{Authority, StoreError, WriteError, Written};
use crate::stories::{EditedStory, StoryEdit, StoryEditError};

/// Caller of a write, and its source for the audit log.
#[derive(Clone, Default)]
pub(super) struct WriteContext {
    /// Source for the audit log. Validation changes nothing, so it is not recorded.
    source: AuditSource,
    caller: Option<Arc<Caller>>,
}

impl WriteContext {
    /// Records the result of an editor's decision about stories in the audit log.
    pub(super) fn story_edited(&self, edit: &StoryEdit, result: &Result<EditedStory, StoryEditError>) {
        let done = match edit {
            StoryEdit::Move { .. } => "MOVED",
            StoryEdit::Merge { .. } => "MERGED",
        };
        let (outcome, now_in) = match result {
            Ok(edited) => (if edited.is_changed { done } else { "UNCHANGED" }, Some(edited.story.name())),
            // A retry may report UNCHANGED, so the first attempt has to be recorded.
            Err(StoryEditError::Store(StoreError::Unavailable(_) | StoreError::Internal)) => ("UNKNOWN", None),
            Err(_refused) => return,
        };
        match edit {
            StoryEdit::Move { articles, .. } => {
                articles.iter().for_each(|id| self.source.moved(outcome, &id.name(), now_in.as_deref()));
            }
            StoryEdit::Merge { story, source } => self.source.merged(outcome, &story.name(), &source.name()),
        }
    }
}

/// Writes of one service.
pub(super) struct AuditedWrites {
    /// Full name of the service.
    service: &'static str,
    ingestion: Ingestion,
    audit: Audit,
}

impl AuditedWrites {
    /// Creates the writes of a service.
    pub(super) fn new(service: &'static str, ingestion: Ingestion, audit: Audit) -> Self {
        Self { service, ingestion, audit }
    }

    /// Returns the ingestion without a caller.
    pub(super) fn ingestion(&self) -> Ingestion {
        self.ingestion.clone()
    }

    /// Returns the context of a request.
    pub(super) fn context<T>(&self, method: &str, request: &Request<T>, validate_only: bool) -> WriteContext {
        let caller = request.extensions().get::<Arc<Caller>>();
        let source = match validate_only {
            true => AuditSource::default(),
            false => self.audit.source(&format!("/{}/{method}", self.service), caller, request.metadata().as_ref()),
        };
        WriteContext { source, caller: caller.cloned() }
    }

    /// Returns an ingestion with the request IDs of a caller, whose writes are recorded in the audit log under the name
    /// that `done` returns.
    pub(super) fn observed(
        &self,
        WriteContext { source, caller }: WriteContext,
        done: impl Fn(&Written) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Ingestion {
        let ingestion = match caller {
            Some(caller) => self.ingestion.with_caller(&caller.id),
            None => self.ingestion.clone(),
        };
        if !source.is_enabled() {
            return ingestion;
        }
        ingestion.with_observer(Arc::new(move |id, written| match written {
            Ok(written) => {
                if let Some(done) = done(written) {
                    source.changed(done, &id.name(), written.record.revision);
                    for merged in &written.merged {
                        source.changed(done, &merged.id.name(), merged.revision);
                    }
                }
            }
            // A retry may report UNCHANGED, so the first attempt has to be recorded.
            Err(WriteError::Store(StoreError::Unavailable(_) | StoreError::Internal)) => source.unknown(&id.name()),
            Err(WriteError::TakedownDenied { .. }) => source.denied(&id.name()),
            Err(_refused) => {}
        }))
    }
}

/// Returns the authority of a request's caller. Where callers are not told apart, each may do everything.
pub(super) fn authority<T>(request: &Request<T>) -> Authority {
    match request.extensions().get::<Arc<Caller>>() {
        Some(caller) if !caller.may(Scope::Edit) && !caller.may(Scope::Admin) => Authority::Write,
        _ => Authority::Admin,
    }
}
