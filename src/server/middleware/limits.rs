//! Limits of calls: concurrency, streams and deadlines.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::AbortOnDropHandle;

use super::call_kind::CallKind;
use super::stream_limit::{StreamPermit, StreamPool};
use crate::grpc::status::{StreamKind, TooMany};
use crate::overload::caller::CallerId;
use crate::overload::concurrency_limit::ConcurrencyLimit;
use crate::telemetry::Metrics;

/// Limits of calls.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// Maximum number of concurrent unary calls of all connections.
    pub max_concurrent_requests: usize,
    /// Scheduling delay of tasks beyond which fewer unary calls are admitted; no adaptation if absent.
    pub max_task_delay: Option<Duration>,
    /// Maximum number of open watches and exports of all connections.
    pub max_concurrent_streams: usize,
    /// Maximum number of open streams of documents of all connections.
    pub max_ingest_streams: usize,
    /// Deadline of unary calls that have none.
    pub default_deadline: Duration,
    /// Maximum deadline of unary calls.
    pub max_deadline: Duration,
    /// Duration beyond which unary calls are logged.
    pub slow: Duration,
}

/// Permit of an admitted call, until it is dropped.
#[derive(Default)]
pub(crate) struct CallPermit {
    _unary: Option<OwnedSemaphorePermit>,
    _stream: Option<StreamPermit>,
}

/// Concurrency limits of calls.
pub(crate) struct CallLimits {
    max_requests: usize,
    requests: Arc<Semaphore>,
    reading: StreamPool,
    ingesting: StreamPool,
    concurrency: Arc<ConcurrencyLimit>,
    _adapting: Option<AbortOnDropHandle<()>>,
}

impl CallLimits {
    pub(crate) fn new(options: &CallOptions, metrics: &Metrics) -> Self {
        let max_requests = options.max_concurrent_requests;
        let requests = Arc::new(Semaphore::new(max_requests));
        let concurrency = ConcurrencyLimit::new(max_requests);
        metrics.calls().limit(max_requests);
        let adapting = options.max_task_delay.map(|delay| {
            let requests = Arc::clone(&requests);
            let in_flight = move || max_requests - requests.available_permits();
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&concurrency).follow(delay, in_flight, metrics.clone())))
        });
        Self {
            max_requests,
            requests,
            reading: StreamPool::new(StreamKind::Reading, options.max_concurrent_streams),
            ingesting: StreamPool::new(StreamKind::Ingesting, options.max_ingest_streams),
            concurrency,
            _adapting: adapting,
        }
    }

    /// Admits a call. `caller` is present if callers are authenticated.
    pub(crate) fn admit(&self, kind: CallKind, caller: Option<CallerId>) -> Result<CallPermit, TooMany> {
        match kind {
            CallKind::Other => Ok(CallPermit::default()),
            CallKind::Unary => Ok(CallPermit { _unary: Some(self.unary()?), _stream: None }),
            CallKind::Stream(kind) => {
                let pool = if kind == StreamKind::Reading { &self.reading } else { &self.ingesting };
                Ok(CallPermit { _unary: None, _stream: Some(pool.open(caller)?) })
            }
        }
    }

    fn unary(&self) -> Result<OwnedSemaphorePermit, TooMany> {
        let in_flight = self.max_requests - self.requests.available_permits();
        if !self.concurrency.admits(in_flight) {
            return Err(TooMany::Calls);
        }
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_none| TooMany::Calls)
    }
}
