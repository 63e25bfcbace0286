//! The results, as plain text.

use std::fmt;

use crate::Result;
use crate::args::Args;
use crate::load::Measured;
use crate::process::Process;

/// Results in the order of measurement.
pub struct Table {
    head: String,
    rows: Vec<[String; 5]>,
    facts: Vec<(String, String)>,
}

impl Table {
    pub fn new(args: &Args) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let head = format!(
            "copydesk {}, {cores} cores shared by server and client, {} connections with {} calls in flight each",
            env!("CARGO_PKG_VERSION"),
            args.connections,
            args.in_flight,
        );
        Self { head, rows: Vec::new(), facts: Vec::new() }
    }

    /// Adds one measurement.
    pub fn row(&mut self, what: &str, measured: &Measured) {
        let micros = |share| format!("{:.0}", measured.quantile(share).as_secs_f64() * 1e6);
        self.rows.push([
            what.to_owned(),
            format!("{:.0}", measured.rate()),
            format!("{:.1}", measured.cpu_micros()),
            micros(0.5),
            micros(0.99),
        ]);
    }

    /// Adds two alternating measurements: the median of each, and of the ratios of the second to the first.
    pub fn compare(&mut self, first: &str, second: &str, base: &[Measured], ours: &[Measured]) {
        let p50 = |one: &Measured| one.quantile(0.5).as_secs_f64() * 1e6;
        let p99 = |one: &Measured| one.quantile(0.99).as_secs_f64() * 1e6;
        let of: [&dyn Fn(&Measured) -> f64; 4] = [&Measured::rate, &Measured::cpu_micros, &p50, &p99];
        for (what, rounds) in [(first, base), (second, ours)] {
            let figures = of.map(|figure| median(rounds.iter().map(figure)));
            let [rate, cpu, p50, p99] = figures;
            let cells = [format!("{rate:.0}"), format!("{cpu:.1}"), format!("{p50:.0}"), format!("{p99:.0}")];
            let [rate, cpu, p50, p99] = cells;
            let row = [what.to_owned(), rate, cpu, p50, p99];
            // A baseline of several comparisons is listed once.
            if !self.rows.contains(&row) {
                self.rows.push(row);
            }
        }
        let ratios = of.map(|figure| median(ours.iter().zip(base).map(|(ours, base)| figure(ours) / figure(base))));
        let [rate, cpu, p50, p99] = ratios.map(|ratio| format!("x {ratio:.2}"));
        self.rows.push([format!("  ratio, median of {} pairs", base.len()), rate, cpu, p50, p99]);
    }

    /// Returns the calls a second of a row.
    pub fn rate(&self, row: usize) -> Option<f64> {
        self.rows.get(row)?[1].parse().ok()
    }

    /// Adds a single value.
    pub fn fact(&mut self, what: &str, value: String) {
        self.facts.push((what.to_owned(), value));
    }

    /// Adds the current memory of a process.
    pub fn memory(&mut self, what: &str, process: &Process) -> Result<()> {
        self.fact(what, format!("{:.1} MiB", process.kib("VmRSS:")? as f64 / 1024.0));
        Ok(())
    }

    /// Adds the peak memory of a process.
    pub fn peak(&mut self, what: &str, process: &Process) -> Result<()> {
        self.fact(what, format!("{:.1} MiB", process.kib("VmHWM:")? as f64 / 1024.0));
        Ok(())
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.head)?;
        writeln!(f, "{:<40} {:>10} {:>12} {:>9} {:>9}", "", "per second", "server CPU", "p50", "p99")?;
        writeln!(f, "{:<40} {:>10} {:>12} {:>9} {:>9}", "", "", "µs each", "µs", "µs")?;
        for [what, rate, cpu, p50, p99] in &self.rows {
            writeln!(f, "{what:<40} {rate:>10} {cpu:>12} {p50:>9} {p99:>9}")?;
        }
        writeln!(f)?;
        for (what, value) in &self.facts {
            writeln!(f, "{what:<40} {value}")?;
        }
        Ok(())
    }
}
