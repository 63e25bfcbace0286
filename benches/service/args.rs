//! Command line of the benchmark.

use std::path::PathBuf;

use clap::Parser;

/// Measures the service beside a bare tonic server.
#[derive(Debug, Parser)]
pub struct Args {
    /// Number of ready articles to ingest, which the reads then read
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub articles: u64,
    /// Number of calls of the hot get in a round
    #[arg(long, default_value_t = 20_000)]
    pub calls: usize,
    /// Number of rounds of the hot get, for the floor and the service each
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rounds: u64,
    /// Number of connections of the client
    #[arg(long, default_value_t = 2)]
    pub connections: usize,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 16)]
    pub in_flight: usize,
    /// Number of pages to ingest as HTML
    #[arg(long, default_value_t = 1_000)]
    pub pages: usize,
    /// Ingest the .html and .html.gz files of this folder repeatedly, instead of invented pages
    #[arg(long)]
    pub corpus: Option<PathBuf>,
    /// Compare a get among 10,000 articles with one among many; nothing else (takes long)
    #[arg(long)]
    pub large: bool,
    /// Number of articles of the large store
    #[arg(long, default_value_t = 1_000_000)]
    pub large_articles: u64,
    /// Run on PostgreSQL and Redis instead: these parts, or all of them
    #[arg(long, num_args = 0.., default_missing_value = "all")]
    #[arg(value_parser = ["reads", "ingest", "scale", "trouble", "all"])]
    pub replicated: Vec<String>,
    /// Measure compression of entries in Redis; nothing else
    #[arg(long)]
    pub entries: bool,
    /// Send five times as many calls as the capacity; nothing else
    #[arg(long)]
    pub overload: bool,
    /// Measure the cost of authentication; nothing else
    #[arg(long)]
    pub guarded: bool,
    /// Extract documents that are made to be expensive; nothing else
    #[arg(long)]
    pub hostile: bool,
    /// Extract one of the expensive documents: its name and size
    #[arg(long, hide = true, num_args = 2)]
    pub hostile_case: Vec<String>,
    /// The server to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_copydesk"))]
    pub server: PathBuf,
    /// Folder for the stores; beside the build if absent
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Run as the floor: serve the article in this file
    #[arg(long, hide = true)]
    pub floor: Option<PathBuf>,
    /// Run as the hand-rolled service, on this Redis and this database
    #[arg(long, hide = true, num_args = 2)]
    pub aside: Vec<String>,
    /// Flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Args {
    /// Returns true if a part of the replicated benchmark is requested.
    pub fn wants(&self, part: &str) -> bool {
        self.replicated.iter().any(|requested| requested == part || requested == "all")
    }
}
