//! Background exporter of traces. Traces that the collector does not accept in time are dropped and counted; no call
//! waits for it.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use uuid::Uuid;

use super::recording::Trace;
use super::{FLUSH, TraceError, TraceMetrics, TraceOptions, otlp};

/// Maximum traces per message, and maximum time to wait for a full batch.
const BATCH: usize = 128;
const BATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Timeouts of connecting and of one message.
const CONNECT: Duration = Duration::from_secs(2);
const EXPORT: Duration = Duration::from_secs(5);

/// Sends completed traces to the collector.
pub struct Exporter {
    inbox: mpsc::Receiver<Trace>,
    client: TraceServiceClient<Channel>,
    headers: MetadataMap,
    resource: Resource,
    metrics: TraceMetrics,
    /// True if the last message was accepted. An outage is logged when it begins and when it ends.
    reachable: bool,
}

impl Exporter {
    pub(super) fn new(
        options: &TraceOptions,
        inbox: mpsc::Receiver<Trace>,
        metrics: TraceMetrics,
    ) -> Result<Self, TraceError> {
        let (endpoint, headers) = (endpoint(options)?, headers(options)?);
        let client = TraceServiceClient::new(endpoint.connect_lazy());
        let resource = otlp::resource(&Uuid::new_v4().to_string());
        Ok(Self { inbox, client, headers, resource, metrics, reachable: true })
    }

    /// Exports until `stop`, then flushes queued traces for at most [`FLUSH`].
    pub async fn run(mut self, stop: CancellationToken) {
        let mut waiting = Vec::with_capacity(BATCH);
        let stopped = stop.run_until_cancelled_owned(async {
            while self.receive_batch(&mut waiting).await {
                self.export(&mut waiting).await;
            }
        });
        stopped.await;
        let flush = async {
            loop {
                while waiting.len() < BATCH
                    && let Ok(trace) = self.inbox.try_recv()
                {
                    waiting.push(trace);
                }
                if waiting.is_empty() {
                    return;
                }
                self.export(&mut waiting).await;
            }
        };
        if tokio::time::timeout(FLUSH, flush).await.is_err() {
            tracing::warn!("trace flush timed out at shutdown; remaining traces dropped");
        }
    }

    /// Waits for a full batch, or for [`BATCH_INTERVAL`] after the first trace. False if all senders are gone.
    async fn receive_batch(&mut self, waiting: &mut Vec<Trace>) -> bool {
        if waiting.is_empty() && self.inbox.recv_many(waiting, BATCH).await == 0 {
            return false;
        }
        let more =
            async { while waiting.len() < BATCH && self.inbox.recv_many(waiting, BATCH - waiting.len()).await > 0 {} };
        let _full = tokio::time::timeout(BATCH_INTERVAL, more).await;
        true
    }

    async fn export(&mut self, traces: &mut Vec<Trace>) {
        let spans = traces.iter().map(Trace::len).sum();
        let mut request = tonic::Request::new(otlp::request(&self.resource, traces));
        *request.metadata_mut() = self.headers.clone();
        // A message interrupted by a stop is sent again: collectors deduplicate spans.
        let sent = self.client.export(request).await;
        traces.clear();
        match sent {
            Ok(answer) => {
                let rejected = answer.into_inner().partial_success.map_or(0, |partial| partial.rejected_spans.max(0));
                self.metrics.exported(spans - (rejected as u64).min(spans));
                self.metrics.dropped((rejected as u64).min(spans));
                if !std::mem::replace(&mut self.reachable, true) {
                    tracing::info!("trace collector reachable again");
                }
            }
            Err(status) => {
                self.metrics.dropped(spans);
                if std::mem::replace(&mut self.reachable, false) {
                    // Without its message: a collector may echo the request.
                    tracing::warn!(rpc.code = ?status.code(), "trace export failed; traces are dropped");
                }
            }
        }
    }
}

/// Parses the collector's address.
pub(super) fn endpoint(options: &TraceOptions) -> Result<Endpoint, TraceError> {
    let invalid = || TraceError::Invalid("must be http://host:port or https://host:port".into());
    let endpoint = Endpoint::from_shared(options.endpoint.clone()).map_err(|_| invalid())?;
    let endpoint = endpoint.connect_timeout(CONNECT).timeout(EXPORT);
    // A user and password in the URL would not be sent.
    if endpoint.uri().authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(invalid());
    }
    match endpoint.uri().scheme_str() {
        Some("http") => Ok(endpoint),
        Some("https") => endpoint.tls_config(ClientTlsConfig::new().with_native_roots()).map_err(|_| invalid()),
        _ => Err(invalid()),
    }
}

/// Parses the headers sent to the collector.
pub(super) fn headers(options: &TraceOptions) -> Result<MetadataMap, TraceError> {
    let mut headers = MetadataMap::new();
    for (name, value) in &options.headers {
        let pair = MetadataKey::from_bytes(name.as_bytes()).ok().zip(value.parse().ok());
        let (key, mut value): (_, MetadataValue<Ascii>) = pair.ok_or_else(|| {
            TraceError::Invalid(format!("header {name:?} is invalid; must be an HTTP header name with an ASCII value"))
        })?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}
