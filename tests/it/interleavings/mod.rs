//! Random interleavings of documents, kills, canceled wire items and reinstatements on three replicas, against a model.
//!
//! `make interleavings` runs 10,000. Settings are environment variables: `HISTORIES` (50), `SEED`, and `HISTORY` (the
//! number of the only history to run). See docs/faults.md.

mod draw; // random histories
mod history; // documents, kills and reinstatements of a source
mod model; // model of one source, by the documented rules
mod replicas; // three server processes, and histories that are sent to them
mod search; // check of a history
mod wire_item; // wire items of each format with a status

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use copydesk::proto::IngestOutcome;
use futures::StreamExt;

use model::Response;
use replicas::{REPLICAS, Replicas};
use search::Done;

use history::Op;

const HISTORIES: u64 = 50;
/// Histories that run at the same time.
const CONCURRENT: usize = 12;
/// Histories between two lines about the progress.
const PROGRESS: u64 = 1_000;
/// Maximum number of violations that are printed.
const SHOWN: usize = 5;

/// Numbers of operations, for the report.
#[derive(Default)]
struct Counts {
    documents: AtomicU64,
    stale: AtomicU64,
    rejected: AtomicU64,
    kills: AtomicU64,
    cancellations: AtomicU64,
    reinstatements: AtomicU64,
    /// Histories whose end no order of arrival changes.
    confluent: AtomicU64,
}

impl Counts {
    fn add(&self, done: &[Done]) {
        for one in done {
            let counter = match one.op {
                Op::Ingest(_) => &self.documents,
                Op::Kill(..) => &self.kills,
                Op::Cancel(..) => &self.cancellations,
                Op::Reinstate(_) => &self.reinstatements,
            };
            counter.fetch_add(1, Ordering::Relaxed);
            match one.response {
                Response::Ingested(_, IngestOutcome::Stale) => self.stale.fetch_add(1, Ordering::Relaxed),
                Response::Withdrawn => self.rejected.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
        }
    }
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: must be a whole number")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_interleavings_on_three_replicas_equal_the_model() {
    let drawn = || u64::from(std::process::id()) ^ jiff::Timestamp::now().as_microsecond() as u64;
    // The tests' histories are the same in each run.
    let seed = setting("SEED").unwrap_or_else(|| if std::env::var_os("HISTORIES").is_some() { drawn() } else { 1 });
    let numbers = match setting("HISTORY") {
        Some(only) => only..only + 1,
        None => 0..setting("HISTORIES").unwrap_or(HISTORIES),
    };
    println!("SEED={seed} HISTORIES={}", numbers.end - numbers.start);
    let (replicas, counts, violations) = (Replicas::start().await, Counts::default(), Mutex::new(Vec::new()));
    let (all, checked) = (numbers.clone().count(), AtomicU64::new(0));
    let run = async |number| {
        let before = checked.fetch_add(1, Ordering::Relaxed);
        if before > 0 && before.is_multiple_of(PROGRESS) {
            println!("{before} histories");
        }
        if let Err(violation) = check(&replicas, &counts, seed, number).await {
            let mut violations = violations.lock().unwrap();
            violations.push(number);
            if violations.len() <= SHOWN {
                println!("VIOLATION in history {number}: {violation}");
            }
        }
    };
    futures::stream::iter(numbers).map(run).buffer_unordered(CONCURRENT).collect::<()>().await;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (documents, stale, rejected) = (count(&counts.documents), count(&counts.stale), count(&counts.rejected));
    println!("histories: {all}, of which no order changes the end: {}", count(&counts.confluent));
    println!("documents: {documents}, stale: {stale}, rejected after a kill: {rejected}");
    println!("kills: {}, canceled items: {}", count(&counts.kills), count(&counts.cancellations));
    println!("reinstatements: {}", count(&counts.reinstatements));
    let violations = violations.into_inner().unwrap();
    println!("violations: {}", violations.len());
    assert!(violations.is_empty(), "to replay: SEED={seed}, HISTORY=… of {violations:?}");
}

async fn check(replicas: &Replicas, counts: &Counts, seed: u64, number: u64) -> Result<(), String> {
    let history = draw::history(seed, number, REPLICAS);
    let done = replicas.send(&history).await?;
    let end = replicas.end(&history, &done).await?;
    counts.add(&done);
    counts.confluent.fetch_add(u64::from(history.is_confluent), Ordering::Relaxed);
    search::check(&history, &done, &end).map_err(|violation| {
        let first = done.iter().map(|one| one.sent).min();
        let line = |one: &Done| {
            let at = |time: std::time::Instant| first.map_or(0, |first| (time - first).as_micros());
            let (sent, answered) = (at(one.sent), at(one.answered));
            format!("  {sent} to {answered} µs, replica {}: {:?} → {:?}", one.replica, one.op, one.response)
        };
        let lines: Vec<String> = done.iter().map(line).collect();
        format!("{violation}\n{}\n  at the end: {end:?}", lines.join("\n"))
    })
}
