//! The rolling restart test: three replicas with PostgreSQL and Redis behind HAProxy, nginx and clients that balance
//! themselves, under a steady load from Rust and Go. Each replica is restarted in turn; then one is killed, and one
//! frozen. docs/operations.md, "Deploying", has its promises and findings.
//!
//! Run by `make rolling`, which builds the Go client first. Settings are environment variables: `BALANCERS` (of
//! `haproxy nginx client`; none skips the test), `DURATION` (30s, for each of them), `LOGS` (a folder for all logs).
#![allow(clippy::unwrap_used)] // a panic shows the failed line

mod balancer; // load balancers
mod disruptions; // restarts, kill and freeze
mod fleet; // the replicas, PostgreSQL and Redis
mod go_load; // the load from Go
mod rust_load; // the load from Rust
#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod tally; // calls and failures
mod watcher;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use balancer::{Balancer, Kind};
use fleet::Fleet;
use go_load::GoLoad;
use rust_load::Load;
use tally::Tally;

fn main() -> ExitCode {
    let Some(names) = setting("BALANCERS") else {
        println!("BALANCERS is not set; see `make rolling`");
        return ExitCode::SUCCESS;
    };
    let named = |name: &str| Kind::named(name).unwrap_or_else(|| panic!("BALANCERS: unknown balancer {name:?}"));
    let kinds: Vec<Kind> = names.split([' ', ',']).filter(|name| !name.is_empty()).map(named).collect();
    let duration = setting("DURATION").map_or(Duration::from_secs(30), |text| read_duration(&text));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut is_ok = true;
    let (mut calls, mut failed, mut gaps) = (0, 0, 0);
    for kind in kinds {
        let tally = runtime.block_on(run(kind, duration));
        println!("--- behind {}, {} s", kind.name(), duration.as_secs());
        is_ok &= tally.print();
        calls += tally.calls();
        failed += tally.failed_in_restarts();
        gaps += tally.gaps();
    }
    runtime.shutdown_background();
    println!("--- all\ncalls: {calls}\nfailed calls: {failed}\nwatch gaps: {gaps}");
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(kind: Kind, duration: Duration) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let mut fleet = Fleet::start().await;
    let balancer = Balancer::start(kind, &fleet);
    balancer.answers().await;
    let mut load = Load::start(&balancer.addresses, &tally).await;
    let mut go = GoLoad::start(&balancer.addresses, &tally);
    disruptions::happen(&mut fleet, &tally, duration).await;
    load.stop().await;
    go.stop_calls().await;
    // The committed changes, as read from the store.
    let committed = rust_load::committed(&fleet.address(0)).await;
    load.finish(committed).await;
    go.finish(committed).await;
    drop(balancer);
    fleet.stop_all().await;
    tally
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Parses `30s`, `5m`, `1h`.
fn read_duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().map(|number| number * factor).filter(|seconds| *seconds > 0);
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("DURATION: {text:?} must be a duration such as 30s or 5m")))
}
