//! The fault test: three servers on one PostgreSQL and one Redis, writers and readers with a checked history, and
//! faults. docs/faults.md explains the test and its output.
//!
//! Settings are environment variables: `DURATION` (20s), `SEED`, `FAULTS` (names of those to draw from), `PAIRS`
//! (percentage of two faults at once), `BOUND` (1s: the servers' staleness bound), `ARTICLES` (480), `UNTIL_VIOLATION`
//! (set: the first violation ends the run).
#![allow(clippy::unwrap_used)] // a panic shows the failed line

mod documents; // documents of the writers
mod faults; // injected faults
mod final_check; // the final check
mod history; // writes, and the reads that they allow
mod proxy; // slow, cut or blocked connections
mod readers;
mod rejected; // documents that must change nothing
mod report; // results by fault
mod side_articles; // articles that are merged or purged
#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod system; // the servers, PostgreSQL and Redis
mod watchers;
mod writers;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use faults::Faults;
use history::History;
use report::Report;
use support::random::Random;
use system::{RECOVERY, SERVERS, System};
use tokio::task::JoinSet;
use watchers::Watcher;
use writers::Writer;

const WRITERS: usize = 6;
const ARTICLES: usize = 480;
const READERS_EACH: usize = 3;
const WATCHERS: usize = 2;

/// Context shared by all tasks.
pub struct Run {
    pub system: Arc<System>,
    pub history: History,
    pub report: Report,
    /// Staleness bound of reads without a stricter requirement.
    pub bound: Duration,
    /// True to end the run at the first violation.
    pub until_violation: bool,
    pub readers_done: AtomicBool,
    pub writers_done: AtomicBool,
    /// Set once no more changes will come.
    pub writers_ended: AtomicBool,
}

impl Run {
    /// Returns true if the run can end.
    pub fn is_over(&self) -> bool {
        self.until_violation && self.report.has_violations()
    }

    /// Reports INTERNAL with details, which is a server's unexpected error. Without details it comes from the
    /// connection.
    pub fn is_defect(&self, status: &tonic::Status) {
        if status.code() == tonic::Code::Internal && !status.details().is_empty() {
            self.report.violation(&format!("a defect: {}", readers::brief(status)));
        }
    }
}

fn main() -> ExitCode {
    // As in the standard test harness: a filter for other tests, or a request for a list, skips this one.
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--nocapture").peekable();
    if args.peek().is_some() && !args.any(|arg| arg == "chaos") {
        return ExitCode::SUCCESS;
    }
    let duration = setting("DURATION").map_or(Duration::from_secs(20), |text| read_duration("DURATION", &text));
    let bound = setting("BOUND").map_or(Duration::from_secs(1), |text| read_duration("BOUND", &text));
    let pairs = setting("PAIRS").map_or(20, |text| text.parse().expect("PAIRS: must be a percentage"));
    let drawn = || u64::from(std::process::id()) ^ jiff::Timestamp::now().as_microsecond() as u64;
    let seed = setting("SEED").map_or_else(drawn, |text| text.parse().expect("SEED: must be a whole number"));
    println!("DURATION={}s SEED={seed} BOUND={}ms", duration.as_secs(), bound.as_millis());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faults = Faults::new(Random::new(seed, 0), setting("FAULTS").as_deref(), pairs);
    let is_ok = runtime.block_on(run(seed, duration, bound, faults));
    // Remaining tasks are abandoned.
    runtime.shutdown_background();
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(seed: u64, duration: Duration, bound: Duration, mut faults: Faults) -> bool {
    let articles = setting("ARTICLES").map_or(ARTICLES, |text| text.parse().expect("ARTICLES: must be a whole number"));
    assert!(articles >= WRITERS, "ARTICLES: must be at least {WRITERS}, one for each writer");
    let run = Arc::new(Run {
        system: System::start(bound, articles).await,
        history: History::new(articles),
        report: Report::new(),
        bound,
        until_violation: setting("UNTIL_VIOLATION").is_some(),
        readers_done: AtomicBool::new(false),
        writers_done: AtomicBool::new(false),
        writers_ended: AtomicBool::new(false),
    });
    let random = |stream: usize| Random::new(seed, 1 + stream as u64);
    let mut beginning = JoinSet::new();
    for at in 0..WRITERS {
        let mut writer = Writer::new(Arc::clone(&run), random(at), (at..articles).step_by(WRITERS));
        beginning.spawn(async move {
            writer.begin().await;
            writer
        });
    }
    let mut writers = JoinSet::new();
    for writer in beginning.join_all().await {
        writers.spawn(writer.write());
    }
    let (mut readers, mut watchers) = (JoinSet::new(), JoinSet::new());
    for at in 0..SERVERS * READERS_EACH {
        readers.spawn(readers::read(Arc::clone(&run), at % SERVERS, random(100 + at)));
    }
    for at in 0..WATCHERS {
        watchers.spawn(Watcher::new(Arc::clone(&run), random(200 + at)).watch());
    }
    let happened = faults.happen(&run, Instant::now() + duration).await;
    run.writers_done.store(true, Ordering::Relaxed);
    let ended = happened.is_ok() && !run.is_over();
    if let Err(what) = happened {
        run.report.unwell(&what);
    }
    // A server that does not return would block the writers forever.
    if ended {
        writers.join_all().await;
        run.writers_ended.store(true, Ordering::Relaxed);
        watchers.join_all().await;
        if run.system.answers_from_redis(Instant::now(), RECOVERY).await.is_none() {
            run.report.unwell("a server does not answer from Redis after all faults ended");
        }
        run.readers_done.store(true, Ordering::Relaxed);
        readers.join_all().await;
        final_check::check(&run).await;
    }
    let is_ok = run.report.print();
    let logs = run.system.end(!is_ok);
    if !is_ok {
        println!("to replay: SEED={seed}; server logs: {}", logs.display());
    }
    is_ok
}

fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Parses `500ms`, `30s`, `3m`, `1h`.
fn read_duration(name: &str, text: &str) -> Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..digits].parse::<u64>().ok();
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    let product = number.and_then(|number| number.checked_mul(millis)).filter(|product| *product > 0);
    Duration::from_millis(
        product.unwrap_or_else(|| panic!("{name}: {text:?} must be a duration such as 500ms, 30s or 3m")),
    )
}
