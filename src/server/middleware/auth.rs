//! Access checks: before a call takes a permit, and repeatedly while a stream is open.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Request;
use tonic::Status;
use tonic::body::Body;

use super::hosts::{HostRules, Misdirected};
use crate::access::{Access, Audit, AuthError, Caller, Requirement, Scope, needs};
use crate::grpc::status;
use crate::telemetry::Metrics;

/// Admits calls, and records refusals in metrics and the audit log.
pub(crate) struct Guard {
    /// None without authentication.
    pub(crate) access: Option<Access>,
    pub(crate) hosts: HostRules,
    pub(crate) audit: Audit,
    pub(crate) metrics: Metrics,
}

impl Guard {
    /// Admits a call and returns its caller, if callers are authenticated.
    pub(crate) fn admit(&self, request: &mut Request<Body>, now: Instant) -> Result<Option<Arc<Caller>>, Status> {
        let path = request.uri().path();
        // Load balancers request health under their own host names, and it reveals nothing to web pages.
        if needs(path) != Some(Requirement::Nothing) {
            self.hosts.check(request).map_err(|why| self.misdirected(why))?;
        }
        let Some(access) = &self.access else { return Ok(None) };
        match access.admit(path, request.headers(), now) {
            Ok(caller) => {
                // Only handlers of writes use the caller, for the audit log, and reads of editors; passing it on has a
                // cost.
                if let Some(caller) = &caller
                    && (changes(path) || caller.may(Scope::Edit))
                {
                    request.extensions_mut().insert(Arc::clone(caller));
                }
                Ok(caller)
            }
            Err(refused) => {
                self.metrics.calls().refused(refused.refusal.label());
                // Only refusals of known callers: anyone could fill the audit log otherwise.
                if matches!(refused.refusal, AuthError::MissingScope(_)) && changes(path) {
                    self.audit.source(path, refused.caller.as_ref(), request.headers()).refused();
                }
                Err(status::access(&refused.refusal))
            }
        }
    }

    fn misdirected(&self, why: Misdirected) -> Status {
        self.metrics.calls().refused(why.label());
        match why {
            Misdirected::Host => status::host_not_allowed(),
            Misdirected::Origin => status::origin_not_allowed(),
        }
    }
}

fn changes(path: &str) -> bool {
    matches!(needs(path), Some(Requirement::Scope(scopes)) if !scopes.contains(&Scope::Read))
}

/// Watch on the credential of a stream.
pub(crate) struct CredentialWatch {
    caller: Arc<Caller>,
    metrics: Metrics,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl CredentialWatch {
    pub(crate) fn new(caller: Arc<Caller>, metrics: Metrics) -> Self {
        let ended = ended(Arc::clone(&caller));
        Self { caller, metrics, ended }
    }

    /// Completes with the status to end the stream with, once the credential is no longer valid.
    pub(crate) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        loop {
            if let Err(refusal) = self.caller.check(Instant::now()) {
                self.metrics.calls().refused(refusal.label());
                return Poll::Ready(status::access(&refusal));
            }
            match self.ended.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                // The timer uses the monotonic clock, `check` the system clock.
                Poll::Ready(()) => self.ended = ended(Arc::clone(&self.caller)),
            }
        }
    }
}

fn ended(caller: Arc<Caller>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { caller.ended().await })
}
