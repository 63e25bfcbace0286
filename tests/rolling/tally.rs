//! Counts of calls and failures, by phase.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use tonic::Status;

/// Phase of the test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Replicas are restarted in turn; also before the first and after the last restart.
    Restarts,
    /// One replica is killed and started again.
    Kill,
    /// One replica is frozen and thawed.
    Freeze,
}

const PHASES: [Phase; 3] = [Phase::Restarts, Phase::Kill, Phase::Freeze];

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::Restarts => "restarts",
            Self::Kill => "kill",
            Self::Freeze => "freeze",
        }
    }
}

/// Key of equal failures: phase; client and method; code and message.
type Alike = (Phase, String, String);

#[derive(Default)]
pub struct Tally {
    phase: AtomicU8,
    calls: [AtomicU64; PHASES.len()],
    by_method: Mutex<BTreeMap<String, u64>>,
    failures: Mutex<BTreeMap<Alike, u64>>,
    gaps: AtomicU64,
    resumed: AtomicU64,
    changes: AtomicU64,
    resent: AtomicU64,
    restarts: AtomicU64,
    /// Events for the report, and broken promises.
    notes: Mutex<Vec<String>>,
    broken: Mutex<Vec<String>>,
}

impl Tally {
    pub fn begin(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    fn phase(&self) -> Phase {
        PHASES[usize::from(self.phase.load(Ordering::Relaxed))]
    }

    /// Counts calls that ended, successful or not.
    pub fn called(&self, client: &str, method: &str, times: u64) {
        self.calls[self.phase() as usize].fetch_add(times, Ordering::Relaxed);
        *self.by_method.lock().unwrap().entry(format!("{client} {method}")).or_default() += times;
    }

    pub fn failed(&self, client: &str, method: &str, code: &str, message: &str) {
        let alike = (self.phase(), format!("{client} {method}"), format!("{code}: {message}"));
        *self.failures.lock().unwrap().entry(alike).or_default() += 1;
    }

    /// Counts a call from Rust with its outcome.
    pub fn ended<T>(&self, method: &str, outcome: Result<T, Status>) -> Option<T> {
        self.called("rust", method, 1);
        outcome
            .inspect_err(|status| self.failed("rust", method, &format!("{:?}", status.code()), status.message()))
            .ok()
    }

    pub fn watched(&self, changes: u64, gaps: u64, resumed: u64) {
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.gaps.fetch_add(gaps, Ordering::Relaxed);
        self.resumed.fetch_add(resumed, Ordering::Relaxed);
    }

    /// Counts a stream that was cut, whose unanswered documents are sent again.
    pub fn resent(&self) {
        self.resent.fetch_add(1, Ordering::Relaxed);
    }

    pub fn restarted(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub fn note(&self, what: String) {
        self.notes.lock().unwrap().push(what);
    }

    /// Adds a broken promise.
    pub fn broken(&self, what: String) {
        self.broken.lock().unwrap().push(what);
    }

    pub fn calls(&self) -> u64 {
        self.calls.iter().map(|calls| calls.load(Ordering::Relaxed)).sum()
    }

    fn failed_in(&self, phase: Phase) -> u64 {
        self.failures.lock().unwrap().iter().filter(|((when, ..), _)| *when == phase).map(|(_, times)| times).sum()
    }

    pub fn failed_in_restarts(&self) -> u64 {
        self.failed_in(Phase::Restarts)
    }

    pub fn gaps(&self) -> u64 {
        self.gaps.load(Ordering::Relaxed)
    }

    /// Prints everything. Returns true if every promise was kept.
    pub fn print(&self) -> bool {
        for (method, times) in &*self.by_method.lock().unwrap() {
            println!("  {times:>9} {method}");
        }
        for note in &*self.notes.lock().unwrap() {
            println!("  {note}");
        }
        for ((phase, method, what), times) in &*self.failures.lock().unwrap() {
            println!("  FAILED {times} during {}: {method}: {what}", phase.name());
        }
        for what in &*self.broken.lock().unwrap() {
            println!("  BROKEN {what}");
        }
        let in_phase = |phase: Phase| self.calls[phase as usize].load(Ordering::Relaxed);
        println!("calls: {}", self.calls());
        println!("restarts: {}, with {} calls", self.restarts.load(Ordering::Relaxed), in_phase(Phase::Restarts));
        println!("failed calls: {}", self.failed_in_restarts());
        for phase in [Phase::Kill, Phase::Freeze] {
            println!("failed calls, {}: {} of {}", phase.name(), self.failed_in(phase), in_phase(phase));
        }
        let (changes, resumed) = (self.changes.load(Ordering::Relaxed), self.resumed.load(Ordering::Relaxed));
        println!("watch gaps: {}, in {changes} changes received; watches resumed {resumed} times", self.gaps());
        println!("streams of documents resumed: {}", self.resent.load(Ordering::Relaxed));
        self.failed_in_restarts() == 0 && self.gaps() == 0 && self.broken.lock().unwrap().is_empty()
    }
}
