//! Cost of extracting documents that are made to be expensive: `make bench-hostile`.
//!
//! Each document is extracted by its own process, to measure its own peak of memory.

use std::process::Command;
use std::time::Duration;

use copydesk::extract::{Budget, Document, Hints, Limits, Payload, extract};
use nix::time::{ClockId, clock_gettime};

use crate::Result;
use crate::support::hostile_documents::cases;

/// Sizes of documents, in bytes.
const SIZES: [usize; 3] = [2_000_000, 4_000_000, 8_000_000];
/// Number of the most expensive documents that are printed.
const PRINTED: usize = 15;
/// Stack size of the server's extraction threads. Extraction recurses by depth.
const STACK_BYTES: usize = 16 << 20;

struct Row {
    name: &'static str,
    bytes: usize,
    cost: Cost,
}

/// Cost of a document.
struct Cost {
    cpu: Duration,
    peak_mib: u64,
    steps: u64,
    outcome: String,
}

/// Extracts every kind of document at each size, and prints the most expensive.
pub fn all() -> Result<()> {
    let program = std::env::current_exe()?;
    let mut rows = Vec::new();
    for case in cases() {
        for bytes in SIZES {
            let output = Command::new(&program).args(["--hostile-case", case.name, &bytes.to_string()]).output()?;
            let text = String::from_utf8(output.stdout)?;
            let cost =
                Cost::parse(&text).ok_or_else(|| format!("{} of {bytes} bytes: {:?}", case.name, output.status))?;
            rows.push(Row { name: case.name, bytes, cost });
        }
    }
    println!("{} documents of {SIZES:?} bytes\n", rows.len());
    println!(
        "| document | bytes | CPU s | ns a byte | peak MiB | steps a byte | outcome |\n\
         |---|---:|---:|---:|---:|---:|---|"
    );
    print(&mut rows, "most CPU time", |row| row.cost.cpu.as_millis() as u64);
    print(&mut rows, "most CPU time for its size", |row| (row.cost.cpu.as_nanos() / row.bytes as u128) as u64);
    print(&mut rows, "most memory", |row| row.cost.peak_mib);
    // Growth of the work when the size doubles.
    let growth = |[small, large]: &[&Row; 2]| large.cost.steps as f64 / small.cost.steps.max(1) as f64;
    if let Some(pair) = pairs(&rows).max_by(|one, other| growth(one).total_cmp(&growth(other))) {
        println!("\nTwice the size: at most {:.2} times the steps ({}).", growth(&pair), pair[0].name);
    }
    Ok(())
}

/// Returns pairs of rows of one document, the second twice the size of the first.
fn pairs(rows: &[Row]) -> impl Iterator<Item = [&Row; 2]> {
    rows.iter().flat_map(move |small| {
        let twice = move |large: &&Row| large.name == small.name && large.bytes == 2 * small.bytes;
        rows.iter().find(twice).map(|large| [small, large])
    })
}

fn print(rows: &mut [Row], by: &str, key: impl Fn(&Row) -> u64) {
    rows.sort_by_key(|row| std::cmp::Reverse(key(row)));
    println!("| *{by}* | | | | | | |");
    for Row { name, bytes, cost } in rows.iter().take(PRINTED) {
        let Cost { cpu, peak_mib, steps, outcome } = cost;
        let (nanos, per_byte) = (cpu.as_nanos() as f64 / *bytes as f64, *steps as f64 / *bytes as f64);
        println!(
            "| {name} | {bytes} | {:.2} | {nanos:.0} | {peak_mib} | {per_byte:.2} | {outcome} |",
            cpu.as_secs_f64()
        );
    }
}

impl Cost {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.trim().splitn(4, ' ');
        Some(Self {
            cpu: Duration::from_micros(words.next()?.parse().ok()?),
            peak_mib: words.next()?.parse().ok()?,
            steps: words.next()?.parse().ok()?,
            outcome: words.next()?.to_owned(),
        })
    }
}

/// Extracts one document, and prints its cost.
pub fn one(name: &str, bytes: usize) -> Result<()> {
    let case = cases().into_iter().find(|case| case.name == name).ok_or("there is no such document")?;
    let document = case.document(bytes);
    let extracting = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let payload = Payload::Raw { bytes: document.as_bytes(), content_type: None };
        let started = cpu_time();
        let extracted = extract(&Document { payload, url: None, hints: Hints::default() }, &budget);
        let cpu = cpu_time().saturating_sub(started);
        (cpu, budget.steps(), extracted.map_or_else(|error| error.to_string(), |_| "extracted".to_owned()))
    })?;
    let (cpu, steps, outcome) = extracting.join().map_err(|_| "extraction panicked")?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of memory")?;
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    println!("{} {} {steps} {outcome}", cpu.as_micros(), peak >> 10);
    Ok(())
}

fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
