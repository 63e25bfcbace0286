//! `intake`: lists documents that were rejected, or ingested with a warning or little confidence.

use clap::Args;

use super::article_text::time;
use super::connection::Connection;
use super::failure::{Failure, print};
use super::json;
use super::paging::Paging;
use super::table::Table;
use crate::proto::{IngestEventKind, ListIngestEventsRequest};

/// Maximum number of events per request.
const PAGE: usize = 500;

#[derive(Args)]
#[command(after_help = "Examples:\n  \
    copydesk intake --kind rejected --source herald.example\n  \
    copydesk intake --limit 500 --json | jq -r .reason | sort | uniq -c")]
pub(super) struct IntakeArgs {
    /// Kind of events: rejected, warned or low_confidence; repeatable
    #[arg(long, value_name = "KIND", value_parser = kind)]
    kind: Vec<IngestEventKind>,
    /// Publisher; repeatable
    #[arg(long, value_name = "SOURCE")]
    source: Vec<String>,
    /// Maximum number of events
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Parses a kind: `rejected`.
fn kind(text: &str) -> Result<IngestEventKind, String> {
    let name = format!("INGEST_EVENT_KIND_{}", text.to_ascii_uppercase());
    let known = IngestEventKind::from_str_name(&name).filter(|kind| *kind != IngestEventKind::Unspecified);
    known.ok_or_else(|| "must be rejected, warned or low_confidence".to_owned())
}

pub(super) async fn intake(args: IntakeArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.editorial;
    let kinds = args.kind.iter().map(|kind| i32::from(*kind)).collect();
    let mut request = ListIngestEventsRequest { kinds, sources: args.source, ..ListIngestEventsRequest::default() };
    let mut table = Table::new(["TIME", "REASON", "SOURCE", "DOCUMENT", "DETAILS"]);
    let mut paging = Paging::new(args.limit, PAGE);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_ingest_events(request.clone()).await?.into_inner();
        paging.read(page.events.len(), page.next_page_token);
        for event in page.events {
            if args.json {
                print(&json::line(&event).map_err(Failure::failed)?)?;
                continue;
            }
            let document = if event.external_id.is_empty() { event.url } else { event.external_id };
            table.row([time(event.create_time.as_ref()), event.reason, event.source, document, event.message]);
        }
    }
    if args.json { Ok(()) } else { table.print("no events match") }
}
