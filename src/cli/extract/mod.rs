//! `extract`: extraction without a server.

mod benchmark;
mod explained;
mod table;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::failure::{Failure, describe, print, print_error};
use super::input::{self, Input};
use super::{article_text, json};
use crate::grpc::status;
use crate::ingest::{Contents, IngestError, IngestOptions, preview};
use crate::proto::IngestedArticle;
use crate::proto::document::Payload;

/// Stack size for the recursion of extraction: see `ingest::Workers`.
const STACK_BYTES: usize = 16 << 20;

#[derive(Args)]
pub(super) struct ExtractArgs {
    /// Files, directories, or - for stdin: .html, .txt, .xml, .rss, .jsonl (one object a line), .json (the same, or
    /// ninjs, schema.org or JSON Feed), also .gz
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// URL of the document; for a single file
    #[arg(long)]
    url: Option<String>,
    /// Publisher's host or name, for documents without a source
    #[arg(long)]
    source: Option<String>,
    /// Media type of pages, texts and feeds; default: by the file's extension, then detected
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Print the text of the page with what was cut, and the reasons
    #[arg(long, conflicts_with = "format")]
    explain: bool,
    /// Output: text for people, json with the messages of the API (one line per article), benchmark with the field
    /// names of article-extraction-benchmark, or table with a row per article; default: text on a terminal, otherwise
    /// json
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Number of threads; default: one per core
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Benchmark,
    Table,
}

/// Output for a file.
#[derive(Default)]
struct Output {
    /// Text of standard output.
    shown: Vec<String>,
    /// Errors, each with its label.
    errors: Vec<String>,
    /// Number of documents without an article.
    failed: usize,
}

pub(super) fn run(args: &ExtractArgs) -> Result<(), Failure> {
    let files = input::files(&args.files).map_err(Failure::Usage)?;
    if args.url.is_some() && files.len() != 1 {
        return Err(Failure::Usage("--url requires a single file".into()));
    }
    let format = args.format.unwrap_or(match std::io::stdout().is_terminal() || args.explain {
        true => Format::Text,
        false => Format::Json,
    });
    let extract = |file: &Path| match format {
        Format::Benchmark => benchmark::lines(file, args.url.as_deref(), args.content_type.as_deref()),
        Format::Table => table::rows(file, args.url.as_deref(), args.content_type.as_deref()),
        format => documents(file, args, format),
    };
    if format == Format::Table {
        print(table::HEAD)?;
    }
    let mut failed = 0;
    in_order(&files, args.threads, extract, |output| {
        failed += output.failed + output.errors.len();
        output.errors.iter().for_each(|error| print_error(error));
        output.shown.iter().try_for_each(|text| print(text))
    })?;
    match failed {
        0 => Ok(()),
        1 => Err(Failure::Failed("no article extracted from 1 document".to_owned())),
        failed => Err(Failure::Failed(format!("no article extracted from {failed} documents"))),
    }
}

/// Extracts files on several threads, and takes the outputs in the order of the files.
fn in_order(
    files: &[PathBuf],
    threads: Option<usize>,
    extract: impl Fn(&Path) -> Output + Sync,
    mut take: impl FnMut(Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let threads = threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let bar = ProgressBar::new(files.len() as u64);
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::sync_channel::<(usize, Output)>(threads * 2);
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            let (next, sender, extract) = (&next, sender.clone(), &extract);
            let work = move || {
                while let Some((number, file)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, files.get(n)?)))
                {
                    if sender.send((number, extract(file))).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        }
        drop(sender);
        let mut pending = std::collections::BTreeMap::new();
        let mut taken = 0;
        for (number, output) in results {
            pending.insert(number, output);
            while let Some(output) = pending.remove(&taken) {
                bar.suspend(|| take(output))?;
                taken += 1;
                bar.inc(1);
            }
        }
        Ok::<(), Failure>(())
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// Extracts the documents of a file as `ingest` sends them.
fn documents(file: &Path, args: &ExtractArgs, format: Format) -> Output {
    let mut output = Output::default();
    let options = IngestOptions::default();
    input::documents(file, |Input { label, document }| {
        let mut document = match document {
            Ok(document) => document,
            Err(error) => {
                output.errors.push(format!("{label}: {error}"));
                return true;
            }
        };
        if document.url.is_empty() {
            document.url = args.url.clone().unwrap_or_default();
        }
        if document.source.is_empty() {
            document.source = args.source.clone().unwrap_or_default();
        }
        if let (Some(Payload::Raw(raw)), Some(content_type)) = (&mut document.payload, &args.content_type) {
            raw.mime_type.clone_from(content_type);
        }
        let page = if args.explain { explained::visible_text(&document) } else { String::new() };
        let mut one = |label: &str, extracted: Result<IngestedArticle, IngestError>| match extracted
            .map_err(|error| describe(&status::ingest(&error)))
        {
            Ok(extracted) => match shown(&extracted, &page, args.explain, format) {
                Ok(text) => output.shown.push(text),
                Err(error) => output.errors.push(format!("{label}: {error}")),
            },
            Err(error) => output.errors.push(format!("{label}: {error}")),
        };
        match preview(document, &options) {
            Ok(Contents::Article(extracted)) => one(&label, Ok(extracted)),
            Ok(Contents::Feed(items)) => {
                items.into_iter().for_each(|(external_id, item)| one(&format!("{label}, {external_id}"), item));
            }
            Err(error) => one(&label, Err(error)),
        }
        true
    });
    output
}

fn shown(extracted: &IngestedArticle, page: &str, explain: bool, format: Format) -> Result<String, String> {
    if format == Format::Json {
        return json::line(extracted).map_err(|error| error.to_string());
    }
    let article = extracted.article.clone().unwrap_or_default();
    let report = extracted.report.clone().unwrap_or_default();
    Ok(if explain { explained::page(&article, &report, page) } else { article_text::whole(&article) })
}
