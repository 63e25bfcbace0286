//! Attributes of traced calls, by OpenTelemetry's conventions for RPC, and the start of their export.

use http::HeaderValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::server::ServeError;
use crate::telemetry::Metrics;
use crate::telemetry::trace::{Trace, TraceOptions, Tracer, Value};

/// Starts the configured tracer. Returns it with its exporter, which flushes and ends when the token is cancelled.
pub(crate) fn start(
    options: Option<&TraceOptions>,
    metrics: &Metrics,
    stop: CancellationToken,
) -> Result<(Tracer, Option<JoinHandle<()>>), ServeError> {
    let Some(options) = options else { return Ok((Tracer::off(), None)) };
    let started = Tracer::start(options, metrics.traces().clone());
    let (tracer, exporter) = started.map_err(|error| ServeError(format!("otlp-endpoint: {error}")))?;
    Ok((tracer, Some(tokio::spawn(exporter.run(stop)))))
}

/// Finishes the trace of a call. `method` is `package.Service/Method`, or `other`: invented method names are not
/// exported.
pub(crate) fn finish(trace: &Trace, method: &str, code: Code, cache: Option<&HeaderValue>) {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut attributes = vec![("rpc.system", text("grpc")), ("rpc.grpc.status_code", Value::Int(code as i64))];
    if let Some((service, name)) = method.split_once('/') {
        attributes.extend([("rpc.service", text(service)), ("rpc.method", text(name))]);
    }
    if let Some(layer) = cache.and_then(|layer| layer.to_str().ok()) {
        attributes.push(("copydesk.cache", text(layer)));
    }
    trace.finish(method, is_failure(code), attributes);
}

/// Returns true for errors of the server. Callers should expect the other codes.
fn is_failure(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}
