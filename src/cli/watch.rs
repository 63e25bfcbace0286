//! `watch` and `export`.

use std::time::Duration;

use clap::Args;
use tonic::Code;

use super::connection::Connection;
use super::failure::{Failure, describe, print, print_error};
use super::filter::{FilterArgs, mask};
use super::{article_text, json};
use crate::proto::export_articles_response::Item;
use crate::proto::watch_articles_response::Event;
use crate::proto::{ExportArticlesRequest, WatchArticlesRequest};

/// Initial and maximum backoff before a broken watch is resumed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Args)]
pub(super) struct WatchArgs {
    /// Change token to start after; default: now
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Start at the beginning of the change feed
    #[arg(long, conflicts_with = "token")]
    from_beginning: bool,
    /// Number of changes after which to stop
    #[arg(long, value_name = "CHANGES")]
    limit: Option<u64>,
    /// Comma-separated fields to return: headline,body,dateline.place
    #[arg(long, value_name = "MASK")]
    fields: Option<String>,
    /// Print JSON lines, including checkpoints
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Prints changes. Resumes from the last token after a failure, as every client should.
pub(super) async fn watch(args: WatchArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut request = WatchArticlesRequest {
        change_token: args.token.clone().unwrap_or_default(),
        filter: Some(args.filter.filter()),
        read_mask: mask(args.fields.as_deref()),
        from_beginning: args.from_beginning,
    };
    let mut remaining = args.limit.unwrap_or(u64::MAX);
    let mut backoff = RETRY.0;
    while remaining > 0 {
        let broken = match client.watch_articles(request.clone()).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            backoff = RETRY.0;
                            match &message.event {
                                Some(Event::Change(change)) => {
                                    request.change_token.clone_from(&change.change_token);
                                    remaining -= 1;
                                }
                                Some(Event::Checkpoint(checkpoint)) => {
                                    request.change_token.clone_from(&checkpoint.change_token);
                                }
                                None => {}
                            }
                            request.from_beginning &= request.change_token.is_empty();
                            show(args.json, &message)?;
                            if remaining == 0 {
                                return Ok(());
                            }
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        if let Some(status) = broken {
            if !matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) {
                return Err(status.into());
            }
            print_error(&format!("{}; retrying", describe(&status)));
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(RETRY.1);
    }
    Ok(())
}

fn show(as_json: bool, message: &crate::proto::WatchArticlesResponse) -> Result<(), Failure> {
    if as_json {
        return print(&json::line(message).map_err(Failure::failed)?);
    }
    match &message.event {
        Some(Event::Change(change)) => {
            let headline = change.article.as_ref().map_or("(not readable)", |article| &article.headline);
            let kind = article_text::change(change.kind);
            print(&format!("{kind:<10}  {}@{}  {headline}", change.name, change.revision))
        }
        Some(Event::Checkpoint(_)) | None => Ok(()),
    }
}

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Comma-separated fields to return: headline,body,dateline.place
    #[arg(long, value_name = "MASK")]
    fields: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let filter = Some(args.filter.filter());
    let request = ExportArticlesRequest { filter, read_mask: mask(args.fields.as_deref()) };
    let mut stream = client.export_articles(request).await?.into_inner();
    while let Some(message) = stream.message().await? {
        match message.item {
            Some(Item::Article(article)) => print(&json::line(&article).map_err(Failure::failed)?)?,
            Some(Item::Summary(summary)) => {
                let count = summary.article_count;
                eprintln!("exported {count} articles; continue with: copydesk watch --token {}", summary.change_token);
                return Ok(());
            }
            None => {}
        }
    }
    Err(Failure::Failed("export is incomplete: the stream ended before its summary".into()))
}
