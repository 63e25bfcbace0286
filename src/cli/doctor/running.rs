//! Metrics of a server that runs with these settings.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Finding;
use crate::server::ServerOptions;

const PART: &str = "server";
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum size of the metrics, ten times the usual size.
const MAX_BYTES: u64 = 4 << 20;
/// Maximum search lag, in seconds.
const MAX_SEARCH_LAG: f64 = 60.0;

/// Returns the metrics of the copydesk server at `http-listen`, if one answers.
pub(super) async fn metrics(options: &ServerOptions) -> Option<String> {
    let mut address = options.http_listen?;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
        address.set_ip(loopback.parse().ok()?);
    }
    let response = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.take(MAX_BYTES).read_to_string(&mut text).await.map(|_| text)
    };
    let text = tokio::time::timeout(TIMEOUT, response).await.ok()?.ok()?;
    text.contains("# TYPE copydesk_feed_lag_seconds").then_some(text)
}

pub(super) fn check(metrics: &str, options: &ServerOptions, findings: &mut Vec<Finding>) {
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let feed = value("copydesk_feed_lag_seconds");
    let found = format!("running; its cache is {feed:.1} s behind the change feed");
    let bound = options.cache.as_ref().map_or(1.0, |cache| cache.staleness_bound.as_secs_f64());
    findings.push(match feed > bound {
        true => Finding::problem(
            PART,
            found,
            "see CopydeskFeedLag in docs/operations.md; until it catches up, reads go to the store",
        ),
        false => Finding::ok(PART, found),
    });
    let search = value("copydesk_search_lag_seconds");
    if search > MAX_SEARCH_LAG {
        let found = format!("its search index is {search:.0} s behind the change feed");
        findings.push(Finding::advice(PART, found, "see CopydeskSearchLag in docs/operations.md"));
    }
    let mut problem = |name: &str, found: &str, alert: &str| {
        if value(name) > 0.0 {
            findings.push(Finding::problem(PART, found, format!("see {alert} in docs/operations.md")));
        }
    };
    problem("copydesk_store_breaker_open", "it cannot reach PostgreSQL", "CopydeskStoreAway");
    problem("copydesk_redis_breaker_open", "it has disabled Redis", "CopydeskRedisAway");
    problem(
        "copydesk_consistency_check_violations_total",
        "its caches have returned stale reads",
        "CopydeskStaleAnswers",
    );
    problem("copydesk_panics_total", "calls have panicked", "CopydeskPanics");
}
