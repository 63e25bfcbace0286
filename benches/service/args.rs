//! What a run of the benchmark can be told.

use std::path::PathBuf;

use clap::Parser;

/// Measures the service beside a bare tonic server.
#[derive(Debug, Parser)]
pub struct Args {
    /// Ready articles to ingest, which the reads then read
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=10_000_000))]
    pub articles: u64,
    /// Calls of the hot get in a round
    #[arg(long, default_value_t = 20_000)]
    pub calls: usize,
    /// Rounds of the hot get, of the floor and of the service each
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub rounds: u64,
    /// Connections of the client
    #[arg(long, default_value_t = 2)]
    pub connections: usize,
    /// Calls in flight on each connection
    #[arg(long, default_value_t = 16)]
    pub in_flight: usize,
    /// Pages to ingest as HTML
    #[arg(long, default_value_t = 1_000)]
    pub pages: usize,
    /// Ingest the .html and .html.gz files of this folder, over and over, instead of invented pages
    #[arg(long)]
    pub corpus: Option<PathBuf>,
    /// Compare a get among 10,000 articles with one among many, instead of all else (takes long)
    #[arg(long)]
    pub large: bool,
    /// How many are many
    #[arg(long, default_value_t = 1_000_000)]
    pub large_articles: u64,
    /// On PostgreSQL and Redis instead: these parts, or all of them
    #[arg(long, num_args = 0.., value_parser = ["reads", "ingest", "scale", "trouble", "all"], default_missing_value = "all")]
    pub replicated: Vec<String>,
    /// What compression would do for entries in Redis, instead of all else
    #[arg(long)]
    pub entries: bool,
    /// Five times as many calls as can be answered, instead of all else
    #[arg(long)]
    pub overload: bool,
    /// What it costs to tell callers apart, instead of all else
    #[arg(long)]
    pub guarded: bool,
    /// Documents that are made to be expensive, instead of all else
    #[arg(long)]
    pub hostile: bool,
    /// Extract one of these documents: its name and size
    #[arg(long, hide = true, num_args = 2)]
    pub hostile_case: Vec<String>,
    /// The server to measure
    #[arg(long, default_value = env!("CARGO_BIN_EXE_copydesk"))]
    pub server: PathBuf,
    /// Where to make the stores; beside the build when absent
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Be the floor: serve the article in this file
    #[arg(long, hide = true)]
    pub floor: Option<PathBuf>,
    /// Be the hand-rolled service, on this Redis and this database
    #[arg(long, hide = true, num_args = 2)]
    pub aside: Vec<String>,
    /// What `cargo bench` says to every benchmark
    #[arg(long, hide = true)]
    pub bench: bool,
}

impl Args {
    /// Whether a part of the replicated benchmark is asked for.
    pub fn wants(&self, part: &str) -> bool {
        self.replicated.iter().any(|asked| asked == part || asked == "all")
    }
}
