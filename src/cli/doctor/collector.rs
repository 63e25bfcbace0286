//! Collector of traces.

use std::time::Duration;

use tokio::net::TcpStream;
use url::Url;

use super::Finding;
use crate::telemetry::trace::TraceOptions;

const PART: &str = "collector";
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) async fn check(options: &TraceOptions, findings: &mut Vec<Finding>) {
    const ADVICE: &str =
        "check that it runs and that this is its gRPC port (4317); until then traces are dropped, calls go on";
    // Only host and port: the rest of the URL may contain a password.
    let address = Url::parse(&options.endpoint).ok().and_then(|url| {
        let default = if url.scheme() == "https" { 443 } else { 80 };
        Some((url.host_str()?.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(default)))
    });
    let Some((host, port)) = address else {
        return findings.push(Finding::problem(
            PART,
            "otlp-endpoint has no host",
            "set otlp-endpoint to http://host:4317",
        ));
    };
    let connected = tokio::time::timeout(TIMEOUT, TcpStream::connect((host.as_str(), port))).await;
    findings.push(match connected {
        Ok(Ok(_closed)) => Finding::ok(PART, format!("{host}:{port} accepts connections")),
        Ok(Err(error)) => Finding::advice(PART, format!("{host}:{port}: {error}"), ADVICE),
        Err(_elapsed) => Finding::advice(PART, format!("{host}:{port} does not answer"), ADVICE),
    });
}
