//! What a traced call says of itself, by OpenTelemetry's conventions for RPC; and what exports it.

use http::HeaderValue;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use super::ServeError;
use crate::telemetry::Metrics;
use crate::telemetry::trace::{Trace, TraceOptions, Tracer, Value};

/// The tracer that is asked for, and what runs until the token and has told everything then.
pub(super) fn start(
    options: Option<&TraceOptions>,
    metrics: &Metrics,
    stop: CancellationToken,
) -> Result<(Tracer, Option<JoinHandle<()>>), ServeError> {
    let Some(options) = options else { return Ok((Tracer::off(), None)) };
    let started = Tracer::start(options, metrics.traces().clone());
    let (tracer, exporter) = started.map_err(|error| ServeError(format!("otlp-endpoint: {error}")))?;
    Ok((tracer, Some(tokio::spawn(exporter.run(stop)))))
}

/// A traced call has ended. `method` is `package.Service/Method`, or `other`: what callers make up is told to nobody.
pub(super) fn finish(trace: &Trace, method: &str, code: Code, cache: Option<&HeaderValue>) {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut said = vec![("rpc.system", text("grpc")), ("rpc.grpc.status_code", Value::Int(code as i64))];
    if let Some((service, name)) = method.split_once('/') {
        said.extend([("rpc.service", text(service)), ("rpc.method", text(name))]);
    }
    if let Some(layer) = cache.and_then(|layer| layer.to_str().ok()) {
        said.push(("copydesk.cache", text(layer)));
    }
    trace.finish(method, is_failure(code), said);
}

/// What counts as an error of the server: the rest are answers that its caller should expect.
fn is_failure(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}
