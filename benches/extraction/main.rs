//! Extraction measured on labelled pages: `cargo bench --bench extraction -- score CORPUS`, and the features of their
//! blocks to train from: `cargo bench --bench extraction -- blocks FOLDER`; `lines FOLDER` for those of text dumps.
//!
//! A corpus is a folder of sets: `SET/html/ID.html.gz` and `SET/truth.json`, an object of labels by ID.

mod score;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};
use copydesk::extract::{
    BLOCK_FEATURES, Budget, Document, Extracted, Extraction, Hints, Limits, Payload, Precision, extract,
    line_feature_names, line_features, page_blocks,
};
use rustix::time::{ClockId, clock_gettime};
use score::{Page, Table};
use serde_json::{Value, json};

/// Any error ends the benchmark.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures extraction.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
    /// Flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print scores for each set of a corpus, by language, and its worst pages
    Score {
        /// Folder with `SET/html` and `SET/truth.json`
        corpus: PathBuf,
        /// Number of worst pages to print for each set
        #[arg(long, default_value_t = 10)]
        worst: usize,
    },
    /// Print the blocks of the pages in a folder with their features, one page on a line
    Blocks {
        /// Folder with `ID.html.gz`
        folder: PathBuf,
    },
    /// Print the lines of the text dumps in a folder with their features, one dump on a line
    Lines {
        /// Folder with `ID.txt`
        folder: PathBuf,
    },
}

fn main() -> Result<()> {
    // Pages may be nested as deeply as the limits allow.
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(|| match Args::parse().command {
        Command::Score { corpus, worst } => print_scores(&corpus, worst),
        Command::Blocks { folder } => print_blocks(&folder),
        Command::Lines { folder } => print_lines(&folder),
    })?;
    thread.join().map_err(|_| "the benchmark panicked")?
}

fn print_blocks(folder: &Path) -> Result<()> {
    println!("{}", json!({"features": BLOCK_FEATURES}));
    for (id, file) in files(folder)? {
        match page_blocks(&std::fs::read(file)?) {
            Ok(blocks) => println!("{}", json!({"id": id, "url": blocks.url, "blocks": blocks.rows})),
            Err(error) => eprintln!("{id}: {error}"),
        }
    }
    Ok(())
}

fn print_lines(folder: &Path) -> Result<()> {
    println!("{}", json!({"names": line_feature_names()}));
    for (id, file) in files(folder)? {
        let (lines, features): (Vec<_>, Vec<_>) = line_features(&std::fs::read_to_string(file)?).into_iter().unzip();
        println!("{}", json!({"id": id.trim_end_matches(".txt"), "lines": lines, "features": features}));
    }
    Ok(())
}

fn print_scores(corpus: &Path, worst: usize) -> Result<()> {
    let mut sets: Vec<PathBuf> = std::fs::read_dir(corpus)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    sets.retain(|set| set.join("truth.json").exists());
    sets.sort();
    println!("{}", Table::HEADER);
    for set in sets {
        let name = set.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let truth: BTreeMap<String, Value> = serde_json::from_slice(&std::fs::read(set.join("truth.json"))?)?;
        let (mut pages, mut time) = (Vec::new(), Duration::ZERO);
        for (id, file) in files(&set.join("html"))? {
            let Some(label) = truth.get(&id) else { continue };
            let bytes = std::fs::read(file)?;
            let start = cpu_time();
            let found = article(&bytes);
            time += cpu_time() - start;
            pages.push(Page::new(id, label, found.as_ref().map(prediction)));
        }
        let all: Vec<&Page> = pages.iter().collect();
        println!("{}  {:>7.0}", Table::of(&all).line(&name), pages.len() as f64 / time.as_secs_f64());
        let mut languages = BTreeMap::<&str, Vec<&Page>>::new();
        pages.iter().for_each(|page| languages.entry(page.language.as_str()).or_default().push(page));
        for (language, pages) in languages.iter().filter(|(_, pages)| pages.len() >= 3) {
            println!("{}", Table::of(pages).line(&format!("  {language}")));
        }
        let mut by_score = all;
        by_score.sort_by(|a, b| a.f1().total_cmp(&b.f1()));
        for page in by_score.into_iter().take(worst) {
            println!(
                "  worst: {} F1 {:.3}, precision {:.3}, recall {:.3}",
                page.id,
                page.f1(),
                page.precision,
                page.recall
            );
        }
    }
    Ok(())
}

/// Returns the pages of a folder by their IDs.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name.split(".html").next().unwrap_or_default().to_owned(), path);
    }
    Ok(files)
}

fn article(bytes: &[u8]) -> Option<Extracted> {
    let document = Document { payload: Payload::Raw { bytes, content_type: None }, url: None, hints: Hints::default() };
    match extract(&document, &Budget::unattended(&Limits::default())) {
        Ok(Extraction::Article(found)) => Some(*found),
        _ => None,
    }
}

fn prediction(found: &Extracted) -> score::Prediction {
    let draft = &found.draft;
    score::Prediction {
        body: draft.body.clone(),
        title: draft.headline.clone(),
        // The labels count a credited agency or newspaper as an author.
        authors: draft.authors.iter().map(|author| &author.name).chain(&draft.credited).cloned().collect(),
        date: draft.publish_time.map_or_else(String::new, |stated| {
            let offset = if let Precision::Second(Some(offset)) = stated.precision { offset } else { 0 };
            let local = stated.time.as_second().saturating_add(offset.into());
            jiff::Timestamp::from_second(local).map_or_else(|_| String::new(), |time| time.to_string()[..10].to_owned())
        }),
        language: draft.language.clone(),
    }
}

/// Returns the CPU time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
