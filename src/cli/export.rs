//! `export`.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use tonic::{Code, Status};

use super::connection::Connection;
use super::failure::{Failure, describe, print, print_error};
use super::filter::{FieldsArgs, FilterArgs};
use super::json;
use crate::proto::export_articles_response::Item;
use crate::proto::{ExportArticlesRequest, ExportSummary};

/// Initial and maximum backoff before a broken export is resumed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

#[derive(Args)]
pub(super) struct ExportArgs {
    /// Export token to go on after; the first one of an export starts any shard of the same snapshot
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Shard to export, from 0, and number of shards: 0/4
    #[arg(long, value_name = "INDEX/COUNT", value_parser = shard, default_value = "0/1")]
    shard: (i32, i32),
    #[command(flatten)]
    fields: FieldsArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Parses a shard: `0/4`.
fn shard(text: &str) -> Result<(i32, i32), String> {
    let numbers = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    numbers.ok_or_else(|| "must be the index of the shard and the number of shards, such as 0/4".to_owned())
}

/// Prints articles as JSON lines. Resumes from the last token after a failure, as every client should.
pub(super) async fn export(args: ExportArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut request = ExportArticlesRequest {
        filter: Some(args.filter.filter()),
        read_mask: args.fields.mask(),
        view: args.fields.view(),
        body_format: 0,
        export_token: args.token.clone().unwrap_or_default(),
        shard_index: args.shard.0,
        shard_count: args.shard.1,
    };
    // Articles since the last progress message, which a resumed export sends again.
    let mut printed = HashSet::new();
    let mut backoff = RETRY.0;
    loop {
        let status = match client.export_articles(request.clone()).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await.map(|message| message.and_then(|message| message.item)) {
                        Ok(Some(Item::Article(article))) => {
                            if printed.insert(article.name.clone()) {
                                print(&json::line(&article).map_err(Failure::failed)?)?;
                            }
                        }
                        Ok(Some(Item::Progress(progress))) => {
                            backoff = RETRY.0;
                            // The first message of a resumed export has its own token.
                            if progress.export_token != request.export_token {
                                printed.clear();
                                request.export_token = progress.export_token;
                            }
                        }
                        Ok(Some(Item::Summary(summary))) => {
                            summarize(&summary);
                            return Ok(());
                        }
                        Ok(None) => break Status::unavailable("the stream ended before its summary"),
                        Err(status) => break status,
                    }
                }
            }
            Err(status) => status,
        };
        let is_resumable = matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled);
        if !is_resumable || request.export_token.is_empty() {
            return Err(status.into());
        }
        print_error(&format!("{}; resuming", describe(&status)));
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(RETRY.1);
    }
}

fn summarize(summary: &ExportSummary) {
    let (count, token) = (summary.article_count, &summary.change_token);
    eprintln!("exported {count} articles; continue with: copydesk watch --token {token}");
}
