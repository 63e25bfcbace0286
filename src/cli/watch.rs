//! `watch`.

use std::io::IsTerminal;

use clap::Args;
use jiff::Timestamp;

use super::connection::Connection;
use super::failure::{Failure, print, print_note};
use super::filter::{FieldsArgs, FilterArgs, time};
use super::resume::Backoff;
use super::{article_text, json, watch_stories};
use crate::article::to_proto;
use crate::proto::watch_articles_request::Start;
use crate::proto::watch_articles_response::Event;
use crate::proto::watch_stories_request::Start as StoryStart;
use crate::proto::{ChangeKind, WatchArticlesRequest};

#[derive(Args)]
pub(super) struct WatchArgs {
    /// Token to start after: a change token, or with --stories a watch token; default: now
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Start at the beginning of the change feed, or with --stories with the stories of all articles
    #[arg(long, conflicts_with = "token")]
    from_beginning: bool,
    /// Time to start at: 2026-11-24 or 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with_all = ["token", "from_beginning"])]
    since: Option<Timestamp>,
    /// Print the readable articles first, then the changes since
    #[arg(long, conflicts_with_all = ["token", "from_beginning", "since"])]
    snapshot_first: bool,
    /// Kind of changes, such as withdrawn; repeatable; default: all
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<ChangeKind>,
    /// Print the story of each article that joins, leaves or changes stories, instead of changes of articles
    #[arg(long, conflicts_with_all = ["since", "snapshot_first", "kind", "FieldsArgs", "FilterArgs"])]
    stories: bool,
    /// Number of changes after which to stop
    #[arg(long, value_name = "CHANGES")]
    limit: Option<u64>,
    #[command(flatten)]
    fields: FieldsArgs,
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
    let client = args.connection.open().await?;
    if std::io::stderr().is_terminal() && !args.json {
        print_note("waiting for changes; Ctrl-C ends");
    }
    if args.stories {
        let beginning = args.from_beginning.then_some(StoryStart::Beginning(true));
        let start = args.token.map(StoryStart::WatchToken).or(beginning);
        return watch_stories::watch(client, start, args.limit, args.json).await;
    }
    let mut client = client.retrieval;
    let start = match (&args.token, args.since) {
        (Some(token), _) => Some(Start::ChangeToken(token.clone())),
        (None, Some(time)) => Some(Start::StartTime(to_proto(time))),
        (None, None) => args.from_beginning.then_some(Start::Beginning(true)),
    };
    let mut request = WatchArticlesRequest {
        start,
        filter: Some(args.filter.filter()),
        read_mask: args.fields.mask(),
        view: args.fields.view(),
        kinds: args.kind.iter().map(|kind| i32::from(*kind)).collect(),
        snapshot_first: args.snapshot_first,
        body_format: 0,
    };
    let mut remaining = args.limit.unwrap_or(u64::MAX);
    let mut backoff = Backoff::new();
    while remaining > 0 {
        let broken = match client.watch_articles(request.clone()).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            backoff.reset();
                            if let Some(start) = message.event.as_ref().and_then(resume_after) {
                                request.start = Some(start);
                                request.snapshot_first = false;
                            }
                            remaining -= u64::from(matches!(message.event, Some(Event::Change(_))));
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
        backoff.wait(broken).await?;
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
        Some(Event::Article(article)) => print(&format!("{:<10}  {}  {}", "article", article.name, article.headline)),
        Some(Event::Checkpoint(_) | Event::Progress(_)) | None => Ok(()),
    }
}

/// Returns the start of the rest of a watch after a message, if it has a token.
fn resume_after(event: &Event) -> Option<Start> {
    match event {
        Event::Change(change) => Some(Start::ChangeToken(change.change_token.clone())),
        Event::Checkpoint(checkpoint) => Some(Start::ChangeToken(checkpoint.change_token.clone())),
        Event::Progress(progress) => Some(Start::ExportToken(progress.export_token.clone())),
        Event::Article(_) => None,
    }
}

/// Parses a kind of change: `withdrawn`.
fn kind(text: &str) -> Result<ChangeKind, String> {
    let name = format!("CHANGE_KIND_{}", text.to_ascii_uppercase());
    let known = ChangeKind::from_str_name(&name).filter(|kind| *kind != ChangeKind::Unspecified);
    known.ok_or_else(|| "must be a kind of change, such as created, revised, withdrawn or deleted".to_owned())
}
