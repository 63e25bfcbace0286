//! The collector of traces.

use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;

use super::Finding;
use crate::telemetry::trace::TraceOptions;

const PART: &str = "collector";
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn look(options: &TraceOptions, findings: &mut Vec<Finding>) {
    const ADVICE: &str =
        "is it up, and is this its gRPC port (4317)? calls go on, and traces are dropped until it is there";
    // Nothing else of the address: it could hold a password.
    let place = Url::parse(&options.endpoint).ok().and_then(|url| {
        let default = if url.scheme() == "https" { 443 } else { 80 };
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default)))
    });
    let Some((host, port)) = place else {
        return findings.push(Finding::problem(PART, "otlp-endpoint has no host", "write http://host:4317"));
    };
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect((host.as_str(), port))).await;
    findings.push(match connected {
        Ok(Ok(_closed)) => Finding::ok(PART, format!("{host}:{port} takes connections")),
        Ok(Err(error)) => Finding::advice(PART, format!("{host}:{port}: {error}"), ADVICE),
        Err(_elapsed) => Finding::advice(PART, format!("{host}:{port} does not answer"), ADVICE),
    });
}
