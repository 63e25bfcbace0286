//! `ingest`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_stream::wrappers::ReceiverStream;

use super::connection::{Connected, Connection};
use super::failure::{Failure, describe, print_error};
use super::input::{self, Input};
use super::json;
use crate::proto::ingest_articles_response::Result as Answer;
use crate::proto::{IngestArticlesRequest, IngestArticlesResponse, IngestOutcome, ingest_result};

/// Maximum documents read ahead of the stream, whose flow-control windows bound the rest.
const READ_AHEAD: usize = 16;

#[derive(Args)]
pub(super) struct IngestArgs {
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
    /// Print responses as JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn run(args: IngestArgs) -> Result<(), Failure> {
    let files = input::files(&args.files).map_err(Failure::Usage)?;
    if args.url.is_some() && files.len() != 1 {
        return Err(Failure::Usage(
            "--url requires a single file; for several, set `url` of each document in JSON lines".into(),
        ));
    }
    let client = args.connection.open().await?;
    let brief = !args.json;
    let tally = send(
        client,
        files.len() as u64,
        brief,
        move |take| {
            for file in &files {
                let mut more = true;
                input::documents(file, |mut input| {
                    if let Ok(document) = &mut input.document {
                        if document.url.is_empty() {
                            document.url = args.url.clone().unwrap_or_default();
                        }
                        if document.source.is_empty() {
                            document.source = args.source.clone().unwrap_or_default();
                        }
                    }
                    more = take(input);
                    more
                });
                if !more {
                    return;
                }
            }
        },
        |answer| {
            if brief {
                Ok(())
            } else {
                Ok(writeln!(std::io::stdout().lock(), "{}", json::line(answer).map_err(Failure::failed)?)?)
            }
        },
    )
    .await?;
    eprintln!("{tally}");
    match tally.failed {
        0 => Ok(()),
        1 => Err(Failure::Failed("1 document was rejected".to_owned())),
        failed => Err(Failure::Failed(format!("{failed} documents were rejected"))),
    }
}

/// Numbers of documents by outcome.
#[derive(Default)]
pub(super) struct Tally {
    outcomes: BTreeMap<i32, u64>,
    failed: u64,
}

impl Tally {
    fn take(&mut self, label: &str, answer: &IngestArticlesResponse) -> Vec<String> {
        let mut errors = Vec::new();
        match &answer.result {
            Some(Answer::Ingested(ingested)) => {
                for item in &ingested.results {
                    match &item.result {
                        Some(ingest_result::Result::Ingested(it)) => *self.outcomes.entry(it.outcome).or_default() += 1,
                        Some(ingest_result::Result::Error(status)) => {
                            errors.push(format!("{label}: {}: {}", item.external_id, status.message));
                        }
                        None => {}
                    }
                }
            }
            Some(Answer::Error(status)) => {
                let status = tonic::Status::with_details(
                    status.code.into(),
                    status.message.clone(),
                    prost::Message::encode_to_vec(status).into(),
                );
                errors.push(format!("{label}: {}", describe(&status)));
            }
            None => {}
        }
        self.failed += errors.len() as u64;
        errors
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = self.outcomes.iter().map(|(outcome, count)| {
            let name = IngestOutcome::try_from(*outcome).unwrap_or_default().as_str_name();
            format!("{count} {}", name.trim_start_matches("INGEST_OUTCOME_").to_lowercase())
        });
        let failed = (self.failed > 0).then(|| format!("{} rejected", self.failed));
        let words: Vec<String> = words.chain(failed).collect();
        f.write_str(&if words.is_empty() { "no documents found".to_owned() } else { words.join(", ") })
    }
}

/// Sends the documents that `read` produces on one stream, with a progress bar on a terminal.
pub(super) async fn send(
    mut client: Connected,
    files: u64,
    brief: bool,
    read: impl FnOnce(&mut dyn FnMut(Input) -> bool) + Send + 'static,
    mut each: impl FnMut(&IngestArticlesResponse) -> Result<(), Failure>,
) -> Result<Tally, Failure> {
    let bar = bar(files);
    // Labels of the documents without a response, by sequence number.
    let labels: Arc<Mutex<BTreeMap<i64, String>>> = Arc::default();
    let unreadable: Arc<Mutex<Vec<String>>> = Arc::default();
    let (sender, receiver) = tokio::sync::mpsc::channel(READ_AHEAD);
    let reader = {
        let (labels, unreadable, bar) = (Arc::clone(&labels), Arc::clone(&unreadable), bar.clone());
        tokio::task::spawn_blocking(move || {
            let mut sequence = 0;
            read(&mut |Input { label, document }| match document {
                Ok(document) => {
                    sequence += 1;
                    bar.set_length(bar.length().unwrap_or(0).max(sequence as u64));
                    lock(&labels).insert(sequence, label);
                    let request = IngestArticlesRequest { brief, ..IngestArticlesRequest::of(sequence, document) };
                    sender.blocking_send(request).is_ok()
                }
                Err(error) => {
                    lock(&unreadable).push(format!("{label}: {error}"));
                    true
                }
            });
        })
    };
    let mut tally = Tally::default();
    let mut answers = client.ingestion.ingest_articles(ReceiverStream::new(receiver)).await?.into_inner();
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        let answer = tokio::select! {
            answer = answers.message() => answer?,
            _ = &mut interrupted => {
                bar.finish_and_clear();
                return Err(Failure::Failed(format!(
                    "interrupted: {tally}; run the same command again for the rest: what is in is unchanged then"
                )));
            }
        };
        let Some(answer) = answer else { break };
        let label = lock(&labels).remove(&answer.sequence).unwrap_or_default();
        for error in tally.take(&label, &answer) {
            bar.suspend(|| print_error(&error));
        }
        each(&answer)?;
        bar.set_message(tally.to_string());
        bar.inc(1);
    }
    reader.await.map_err(Failure::failed)?;
    for error in lock(&unreadable).drain(..) {
        bar.suspend(|| print_error(&error));
        tally.failed += 1;
    }
    let unanswered = lock(&labels).len();
    bar.finish_and_clear();
    if unanswered > 0 {
        return Err(Failure::Failed(format!("{unanswered} documents have no response: send them again")));
    }
    tracing::debug!(elapsed_ms = bar.elapsed().as_millis(), "documents ingested");
    Ok(tally)
}

fn bar(files: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} documents  {per_sec}  {eta}  {msg}")
        .unwrap_or_else(|_error| ProgressStyle::default_bar());
    ProgressBar::new(files).with_style(style)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
