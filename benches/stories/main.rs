//! Quality and cost of stories: `make bench-stories`.
//!
//! `quality` groups the reports of judged events, in the order of their times and in shuffled ones. `cost` groups made
//! articles, and computes the top stories of them.

mod cost;
mod quality;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Any error ends the benchmark.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures stories.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    part: Part,
    /// Flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Groups the reports of judged events
    Quality {
        /// Folder with the reports
        #[arg(long, default_value = "benches/search/events")]
        set: PathBuf,
        /// Folder with articles that are grouped before, so that words and names are known
        #[arg(long, default_value = "benches/search/judged")]
        before: PathBuf,
    },
    /// Groups made articles
    Cost {
        /// Number of articles, within a day
        #[arg(long, default_value_t = 100_000)]
        articles: u64,
    },
}

fn main() -> Result<()> {
    match Args::parse().part {
        Part::Quality { set, before } => quality::all(&set, &before),
        Part::Cost { articles } => cost::all(articles),
    }
}
