//! Quality and cost of search: `make bench-search`.
//!
//! `quality` ranks a judged set, beside FTS5 and PostgreSQL. `related` finds the reports of an event. `speed` builds an
//! index of made articles, once, and measures queries, counts and suggestions on it.

mod archive;
mod fts5;
mod judged;
mod made;
mod others;
mod quality;
mod related;
mod replica;
mod speed;
#[path = "../../tests/support/mod.rs"]
mod support; // servers, and PostgreSQL

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use copydesk::search::SearchOptions;

/// Any error ends the benchmark.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Error>;

/// Measures search.
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
    /// Ranks a judged set
    Quality {
        /// Folder with the judged set
        #[arg(long, default_value = "benches/search/judged")]
        set: PathBuf,
    },
    /// Finds the other reports of an event by ListRelatedArticles
    Related {
        /// Folder with the reports
        #[arg(long, default_value = "benches/search/events")]
        set: PathBuf,
    },
    /// Measures an index of made articles
    Speed {
        /// Number of articles
        #[arg(long, default_value_t = 100_000)]
        articles: u64,
        /// Folder of the index, which is used again; a temporary one if absent
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Only the calls whose name contains this text, such as "two words"; for profilers
        #[arg(long, default_value = "", hide_default_value = true)]
        only: String,
        /// Number of calls of each kind
        #[arg(long, default_value_t = 200)]
        calls: usize,
    },
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match &args.part {
            Part::Quality { set } => quality::all(set).await,
            Part::Related { set } => related::all(set).await,
            Part::Speed { articles, dir, only, calls } => {
                let temporary = tempfile::tempdir()?;
                let dir = dir.as_deref().unwrap_or(temporary.path());
                speed::all(*articles, dir, &speed::Calls { only, count: *calls }).await?;
                if only.is_empty() { replica::restored(*articles, dir).await } else { Ok(()) }
            }
        }
    })
}

/// Returns the default settings of a server, with a folder.
pub fn options(dir: &Path) -> SearchOptions {
    SearchOptions {
        dir: dir.to_owned(),
        commit_interval: Duration::from_millis(100),
        memory: 32 << 20,
        snapshots: None,
        concurrency: 2,
        queue: 256,
        queue_wait: Duration::from_secs(60),
    }
}
