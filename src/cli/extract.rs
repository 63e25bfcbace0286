//! `extract`: extraction without a server.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use clap::Args;
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::failure::{Failure, print};
use super::input;
use crate::extract::{Budget, Document, Draft, Extracted, Extraction, Hints, Limits, Payload, Report, extract};

/// Stack size for the recursion of extraction: see `ingest::Workers`.
const STACK_BYTES: usize = 16 << 20;

#[derive(Args)]
pub(super) struct ExtractArgs {
    /// Files, directories, or - for standard input; gzip is decompressed
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// URL of the document; for a single file
    #[arg(long)]
    url: Option<String>,
    /// Content type of the documents; default: detected
    #[arg(long)]
    content_type: Option<String>,
    /// Number of threads; default: one per core
    #[arg(long)]
    threads: Option<usize>,
}

pub(super) fn run(args: &ExtractArgs) -> Result<(), Failure> {
    let files = input::files(&args.files).map_err(Failure::Usage)?;
    if args.url.is_some() && files.len() != 1 {
        return Err(Failure::Usage("--url requires a single file".into()));
    }
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let bar = ProgressBar::new(files.len() as u64);
    let next = AtomicUsize::new(0);
    let (sender, results) = mpsc::sync_channel::<(usize, Vec<Value>)>(threads * 2);
    let mut failed = 0;
    std::thread::scope(|scope| {
        for _ in 0..threads.min(files.len()) {
            let (files, next, sender) = (&files, &next, sender.clone());
            let work = move || {
                while let Some((number, file)) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|n| Some((n, files.get(n)?)))
                {
                    if sender.send((number, lines(file, args))).is_err() {
                        return;
                    }
                }
            };
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work)?;
        }
        drop(sender);
        // Printed in the order of the files.
        let mut pending = std::collections::BTreeMap::new();
        let mut printed = 0;
        for (number, lines) in results {
            pending.insert(number, lines);
            while let Some(lines) = pending.remove(&printed) {
                for line in lines {
                    failed += usize::from(line.get("error").is_some());
                    print(&line.to_string())?;
                }
                printed += 1;
                bar.inc(1);
            }
        }
        Ok::<(), Failure>(())
    })?;
    bar.finish_and_clear();
    if failed > 0 { Err(Failure::Failed(format!("no article extracted from {failed} documents"))) } else { Ok(()) }
}

/// Extracts a file: one line for an article, or one for each item of a feed.
fn lines(file: &Path, args: &ExtractArgs) -> Vec<Value> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let id = name.split('.').next().unwrap_or_default();
    let bytes = match input::bytes(file) {
        Ok(bytes) => bytes,
        Err(error) => return vec![json!({"id": id, "articleBody": "", "error": error})],
    };
    let payload = Payload::Raw { bytes: &bytes, content_type: args.content_type.as_deref() };
    let document = Document { payload, url: args.url.as_deref(), hints: Hints::default() };
    match extract(&document, &Budget::unattended(&Limits::default())) {
        Ok(Extraction::Article(extracted)) => vec![line(id, &extracted)],
        Ok(Extraction::Feed(entries)) => entries
            .iter()
            .map(|entry| match &entry.result {
                Ok(extracted) => line(&entry.external_id, extracted),
                Err(error) => json!({"id": entry.external_id, "articleBody": "", "error": error.to_string()}),
            })
            .collect(),
        Err(error) => vec![json!({"id": id, "articleBody": "", "error": error.to_string()})],
    }
}

fn line(id: &str, Extracted { draft, report }: &Extracted) -> Value {
    let Draft { headline, subheadline, authors, agency, publisher, language, section, tags, body, rights, .. } = draft;
    let dateline = draft.dateline.as_ref().map(|it| json!({"place": it.place, "text": it.text}));
    json!({
        "id": id,
        "articleBody": body,
        "title": headline,
        "authors": authors,
        "date": draft.publish_time.map(|time| time.to_string()),
        "url": draft.url,
        "subheadline": subheadline,
        "dateline": dateline,
        "agency": agency,
        "publisher": publisher,
        "language": language,
        "section": section,
        "tags": tags,
        "rights": rights,
        "updated": draft.update_time.map(|time| time.to_string()),
        "images": draft.media.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
        "links": draft.links.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
        "report": report_json(report),
    })
}

fn report_json(Report { method, charset, confidence, cuts, warnings }: &Report) -> Value {
    let cuts: Vec<Value> = cuts
        .iter()
        .map(|cut| {
            let reason = format!("{:?}", cut.reason);
            json!({"text": cut.text, "reason": reason, "rule": cut.rule, "confidence": cut.confidence})
        })
        .collect();
    json!({"method": method, "charset": charset, "confidence": confidence, "cuts": cuts, "warnings": warnings})
}
