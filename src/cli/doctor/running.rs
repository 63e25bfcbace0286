//! A server that runs with these settings: what its metrics say.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Finding;
use crate::server::ServerOptions;

const PART: &str = "server";
const PATIENCE: Duration = Duration::from_secs(2);
/// How much is read: a server's metrics are a tenth of that.
const MOST: u64 = 4 << 20;
/// How far search may be behind, in seconds.
const SEARCH: f64 = 60.0;

/// The metrics of the server at `http-listen`, if one of ours is there.
pub(super) async fn metrics(options: &ServerOptions) -> Option<String> {
    let mut address = options.http_listen?;
    if address.ip().is_unspecified() {
        let loopback = if address.is_ipv4() { "127.0.0.1" } else { "::1" };
        address.set_ip(loopback.parse().ok()?);
    }
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await?;
        let mut text = String::new();
        stream.take(MOST).read_to_string(&mut text).await.map(|_| text)
    };
    let text = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    text.contains("# TYPE copydesk_feed_lag_seconds").then_some(text)
}

pub(super) fn look(metrics: &str, options: &ServerOptions, findings: &mut Vec<Finding>) {
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0)
    };
    let feed = value("copydesk_feed_lag_seconds");
    let found = format!("it runs; its cache is {feed:.1} s behind the feed");
    let bound = options.cache.as_ref().map_or(1.0, |cache| cache.staleness_bound.as_secs_f64());
    findings.push(match feed > bound {
        true => Finding::problem(PART, found, "reads go to the store: see CopydeskFeedLag in docs/operations.md"),
        false => Finding::ok(PART, found),
    });
    let search = value("copydesk_search_lag_seconds");
    if search > SEARCH {
        let found = format!("search is {search:.0} s behind");
        findings.push(Finding::advice(PART, found, "see CopydeskSearchLag in docs/operations.md"));
    }
    let mut problem = |name: &str, found: &str, alert: &str| {
        if value(name) > 0.0 {
            findings.push(Finding::problem(PART, found, format!("see {alert} in docs/operations.md")));
        }
    };
    problem("copydesk_store_breaker_open", "it does not reach PostgreSQL", "CopydeskStoreAway");
    problem("copydesk_redis_breaker_open", "it does not use Redis", "CopydeskRedisAway");
    problem("copydesk_audit_violations_total", "its caches have answered what was too old", "CopydeskStaleAnswers");
    problem("copydesk_panics_total", "calls have panicked", "CopydeskPanics");
}
