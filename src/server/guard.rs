//! Who may call: asked before a call takes anybody's place, and again while it lasts.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::Request;
use tonic::Status;
use tonic::body::Body;

use super::hosts::{HostRules, Misdirected};
use crate::access::{Access, Audit, Caller, Needs, Refusal, Scope, needs};
use crate::grpc::status;
use crate::telemetry::Metrics;

/// Lets calls in, and notes what it refuses.
pub(super) struct Guard {
    /// None when everybody may do everything.
    pub(super) access: Option<Access>,
    pub(super) hosts: HostRules,
    pub(super) audit: Audit,
    pub(super) metrics: Metrics,
}

impl Guard {
    /// Whose a call is, as far as that matters.
    pub(super) fn admit(&self, request: &mut Request<Body>, now: Instant) -> Result<Option<Arc<Caller>>, Status> {
        let path = request.uri().path();
        // Balancers ask for health by names of their own, and it tells no page anything.
        if needs(path) != Some(Needs::Nothing) {
            self.hosts.check(request).map_err(|why| self.misdirected(why))?;
        }
        let Some(access) = &self.access else { return Ok(None) };
        match access.admit(path, request.headers(), now) {
            Ok(caller) => {
                // Handlers of writes say who wrote; to carry it costs, and nobody else asks.
                if let Some(caller) = &caller
                    && changes(path)
                {
                    request.extensions_mut().insert(Arc::clone(caller));
                }
                Ok(caller)
            }
            Err(refused) => {
                self.metrics.refused(refused.refusal.label());
                // Only of those who are known: anybody could fill the audit log otherwise.
                if matches!(refused.refusal, Refusal::Lacks(_)) && changes(path) {
                    self.audit.of(path, refused.caller.as_ref(), request.headers()).refused();
                }
                Err(status::access(&refused.refusal))
            }
        }
    }

    fn misdirected(&self, why: Misdirected) -> Status {
        self.metrics.refused(why.label());
        match why {
            Misdirected::Host => status::host_not_allowed(),
            Misdirected::Origin => status::origin_not_allowed(),
        }
    }
}

fn changes(path: &str) -> bool {
    matches!(needs(path), Some(Needs::Scope(Scope::Write | Scope::Admin)))
}

/// A call that lasts, as long as its credential is good.
pub(super) struct Tenure {
    caller: Arc<Caller>,
    metrics: Metrics,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Tenure {
    pub(super) fn new(caller: Arc<Caller>, metrics: Metrics) -> Self {
        let ended = ended(Arc::clone(&caller));
        Self { caller, metrics, ended }
    }

    /// Ready when it is not good any more.
    pub(super) fn poll_lost(&mut self, context: &mut Context<'_>) -> Poll<Status> {
        loop {
            if let Err(refusal) = self.caller.check(Instant::now()) {
                self.metrics.refused(refusal.label());
                return Poll::Ready(status::access(&refusal));
            }
            match self.ended.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                // By one clock; `check` goes by the other.
                Poll::Ready(()) => self.ended = ended(Arc::clone(&self.caller)),
            }
        }
    }
}

fn ended(caller: Arc<Caller>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move { caller.ended().await })
}
