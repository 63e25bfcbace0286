//! Results by fault: number of occurrences, reads, failures, latencies.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Label of the time between faults.
pub const CALM: &str = "none";

/// Maximum number of problems that are printed.
const SHOWN: usize = 20;

pub struct Report {
    phases: Mutex<Vec<Phase>>,
    rows: Mutex<BTreeMap<&'static str, Row>>,
    pub reads: AtomicU64,
    pub writes: AtomicU64,
    pub repeated: AtomicU64,
    pub changes: AtomicU64,
    pub resumed: AtomicU64,
    pub kills: AtomicU64,
    pub rollbacks: AtomicU64,
    pub merges: AtomicU64,
    pub purges: AtomicU64,
    /// Documents that were rejected because their article is withdrawn or purged.
    pub rejected: AtomicU64,
    violations: AtomicU64,
    lost: AtomicU64,
    /// Reads that failed while only Redis was faulty.
    unexcused: AtomicU64,
    /// Components that did not recover in time.
    unwell: AtomicU64,
    shown: AtomicU64,
}

/// A period with a set of faults.
struct Phase {
    began: Instant,
    label: &'static str,
    /// True if a read may fail in it.
    excuses: bool,
}

#[derive(Default)]
struct Row {
    times: u64,
    lasted: Duration,
    calls: u64,
    reads: u64,
    failed: u64,
    latency: Latency,
    /// Times until every server answered from Redis again.
    returned: Vec<Duration>,
    given_up: u64,
}

impl Report {
    pub fn new() -> Self {
        let phases = vec![Phase { began: Instant::now(), label: CALM, excuses: false }];
        let zero = || AtomicU64::new(0);
        Self {
            phases: Mutex::new(phases),
            rows: Mutex::default(),
            reads: zero(),
            writes: zero(),
            repeated: zero(),
            changes: zero(),
            resumed: zero(),
            kills: zero(),
            rollbacks: zero(),
            merges: zero(),
            purges: zero(),
            rejected: zero(),
            violations: zero(),
            lost: zero(),
            unexcused: zero(),
            unwell: zero(),
            shown: zero(),
        }
    }

    /// Begins a phase.
    pub fn enter(&self, label: &'static str, excuses: bool) {
        let mut phases = self.phases.lock().unwrap();
        let last = phases.last().expect("at least one phase");
        let mut rows = self.rows.lock().unwrap();
        rows.entry(last.label).or_default().lasted += last.began.elapsed();
        rows.entry(label).or_default().times += 1;
        phases.push(Phase { began: Instant::now(), label, excuses });
    }

    /// Records the time until every server answered from Redis again, if it was reached.
    pub fn returned(&self, label: &'static str, after: Option<Duration>) {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(label).or_default();
        match after {
            Some(after) => row.returned.push(after),
            None => row.given_up += 1,
        }
    }

    /// Records a call that began at `start` and read `articles` articles. It belongs to the phase in which it began
    /// or, if it failed, to the first phase during the call that excuses failures.
    pub fn read(&self, start: Instant, articles: u64, failure: Option<String>) {
        let took = start.elapsed();
        let (label, excused) = {
            let phases = self.phases.lock().unwrap();
            let first = phases.iter().rposition(|phase| phase.began <= start).unwrap_or(0);
            match phases[first..].iter().find(|phase| phase.excuses) {
                Some(phase) if failure.is_some() => (phase.label, true),
                _ => (phases[first].label, false),
            }
        };
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(label).or_default();
        row.calls += 1;
        row.latency.add(took);
        match failure {
            None => row.reads += articles,
            Some(_) => row.failed += 1,
        }
        drop(rows);
        match failure {
            None => drop(self.reads.fetch_add(articles, Ordering::Relaxed)),
            Some(why) if !excused => {
                self.unexcused.fetch_add(1, Ordering::Relaxed);
                self.show(&format!("a read failed (fault: {label}) after {took:.1?}: {why}"));
            }
            Some(_) => {}
        }
    }

    pub fn violation(&self, what: &str) {
        self.violations.fetch_add(1, Ordering::Relaxed);
        self.show(&format!("VIOLATION (fault: {}): {what}", self.label()));
    }

    pub fn unwell(&self, what: &str) {
        self.unwell.fetch_add(1, Ordering::Relaxed);
        self.show(&format!("NOT WELL AGAIN: {what}"));
    }

    pub fn has_violations(&self) -> bool {
        self.violations.load(Ordering::Relaxed) > 0
    }

    pub fn lost(&self, what: &str) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        self.show(&format!("LOST: {what}"));
    }

    fn label(&self) -> &'static str {
        self.phases.lock().unwrap().last().map_or(CALM, |phase| phase.label)
    }

    fn show(&self, what: &str) {
        match self.shown.fetch_add(1, Ordering::Relaxed) as usize {
            0..SHOWN => println!("{what}"),
            SHOWN => println!("… and more"),
            _ => {}
        }
    }
}

impl Report {
    /// Prints everything. Returns true if there are no violations.
    pub fn print(&self) -> bool {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.enter(CALM, false);
        println!();
        println!("{TITLE}");
        for (label, row) in &*self.rows.lock().unwrap() {
            println!("{}", row.line(label));
        }
        println!();
        println!(
            "writes answered: {}, repeated until their outcome was known: {}",
            read(&self.writes),
            read(&self.repeated)
        );
        let (rollbacks, merges, purges) = (read(&self.rollbacks), read(&self.merges), read(&self.purges));
        println!(
            "rollbacks: {rollbacks}, merges: {merges}, purges: {purges}, documents rejected after kills and purges: {}",
            read(&self.rejected)
        );
        println!("changes watched: {}, watches resumed: {}", read(&self.changes), read(&self.resumed));
        println!("kills: {}", read(&self.kills));
        println!("reads failed without a fault that may fail them: {}", read(&self.unexcused));
        println!("reads checked: {}", read(&self.reads));
        println!("violations: {}", read(&self.violations));
        println!("lost writes: {}", read(&self.lost));
        [&self.unexcused, &self.unwell, &self.violations, &self.lost].into_iter().all(|counter| read(counter) == 0)
    }
}

const TITLE: &str = "fault                         times    secs     calls       reads  failed  \
                     p50 ms   p99 ms   max ms  Redis again after";

impl Row {
    fn line(&self, label: &str) -> String {
        let [p50, p99] = [0.5, 0.99].map(|share| millis(self.latency.quantile(share)));
        let max = millis(self.latency.max);
        let Self { times, calls, reads, failed, .. } = self;
        let secs = self.lasted.as_secs_f64();
        let mut line =
            format!("{label:<28}{times:>7}{secs:>8.1}{calls:>10}{reads:>12}{failed:>8}{p50:>8.2}{p99:>9.2}{max:>9.1}");
        if let (Some(first), Some(last)) = (self.returned.iter().min(), self.returned.iter().max()) {
            let _infallible = write!(line, "  {:.0} to {:.0} ms", millis(*first), millis(*last));
        }
        if self.given_up > 0 {
            let _infallible = write!(line, "  not in 3 s: {}", self.given_up);
        }
        line
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Histogram of latencies, in steps of a twelfth.
struct Latency {
    counts: Vec<u64>,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; 320], max: Duration::ZERO }
    }
}

/// Number of steps in which a time doubles.
const STEPS: f64 = 8.0;

impl Latency {
    fn add(&mut self, took: Duration) {
        let step = (took.as_micros().max(1) as f64).log2() * STEPS;
        let last = self.counts.len() - 1;
        self.counts[(step as usize).min(last)] += 1;
        self.max = self.max.max(took);
    }

    fn quantile(&self, share: f64) -> Duration {
        let mut left = (self.counts.iter().sum::<u64>() as f64 * share).ceil() as u64;
        for (step, count) in self.counts.iter().enumerate() {
            if *count >= left {
                let micros = ((step + 1) as f64 / STEPS).exp2();
                return Duration::from_secs_f64(micros / 1e6).min(self.max);
            }
            left -= count;
        }
        self.max
    }
}
