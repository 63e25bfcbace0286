//! The rolling restart test: three replicas with PostgreSQL and Redis behind HAProxy, nginx and clients that balance by themselves,
//! under a steady load from Rust and Go. Each replica is restarted in turn; then one is killed, and one frozen. What it does and
//! promises, and what it found, is in docs/operations.md, "Deploying".
//!
//! Run by `make rolling`, which builds the Go client first. Settings are environment variables: `BALANCERS` (of `haproxy nginx
//! client`; none: there is nothing to do), `DURATION` (30s, for each of them), `LOGS` (a folder for what everybody logs).
#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

mod balancer; // what stands in front of the replicas
#[allow(dead_code)] // what other tests need of it
#[path = "../it/database.rs"]
mod database;
mod fleet; // the replicas, and what they stand on
mod go; // the load from Go
mod load; // the load from Rust
#[allow(dead_code)] // what other tests need of it
#[path = "../it/process.rs"]
mod process;
#[allow(dead_code)] // what other tests need of it
#[path = "../it/redis_server.rs"]
mod redis_server;
mod tally; // what was called, and what failed
mod trial; // what is done to the replicas
mod watcher;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use balancer::{Balancer, Kind};
use fleet::Fleet;
use go::GoLoad;
use load::Load;
use tally::Tally;

fn main() -> ExitCode {
    let Some(names) = setting("BALANCERS") else {
        println!("no BALANCERS to stand in front of replicas: see `make rolling`");
        return ExitCode::SUCCESS;
    };
    let named = |name: &str| Kind::named(name).unwrap_or_else(|| panic!("BALANCERS: there is no {name:?}"));
    let kinds: Vec<Kind> = names.split([' ', ',']).filter(|name| !name.is_empty()).map(named).collect();
    let duration = setting("DURATION").map_or(Duration::from_secs(30), |text| read_duration(&text));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut right = true;
    let (mut calls, mut failed, mut gaps) = (0, 0, 0);
    for kind in kinds {
        let tally = runtime.block_on(run(kind, duration));
        println!("--- behind {}, {} s", kind.name(), duration.as_secs());
        right &= tally.print();
        calls += tally.calls();
        failed += tally.failed_in_restarts();
        gaps += tally.gaps();
    }
    runtime.shutdown_background();
    println!("--- all\ncalls: {calls}\nfailed calls: {failed}\nwatch gaps: {gaps}");
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(kind: Kind, duration: Duration) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let mut fleet = Fleet::start().await;
    let balancer = Balancer::start(kind, &fleet);
    balancer.answers().await;
    let mut load = Load::start(&balancer.addresses, &tally).await;
    let mut go = GoLoad::start(&balancer.addresses, &tally);
    trial::happen(&mut fleet, &tally, duration).await;
    load.stop().await;
    go.stop_calls().await;
    // What was committed, by the word of the store.
    let committed = load::committed(&fleet.address(0)).await;
    load.finish(committed).await;
    go.finish(committed).await;
    drop(balancer);
    fleet.stop_all().await;
    tally
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// `30s`, `5m`, `1h`.
fn read_duration(text: &str) -> Duration {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let factor = match &text[digits.len()..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().map(|number| number * factor).filter(|seconds| *seconds > 0);
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("DURATION: must be like 30s or 5m, and is {text:?}")))
}
