//! `most-read`: the articles that are read most.

use std::time::Duration;

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::filter::{FilterArgs, ReadArgs};
use super::keys::period;
use super::paging::Paging;
use super::table::Table;
use super::{article_text, json};
use crate::proto::ListMostReadArticlesRequest;

/// Maximum articles per request.
const BATCH: usize = 100;

#[derive(Args)]
pub(super) struct MostReadArgs {
    /// Period that ends now: from 1h to 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = period)]
    period: Duration,
    /// Maximum number of articles
    #[arg(long, default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    read: ReadArgs,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn most_read(args: MostReadArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut request = ListMostReadArticlesRequest {
        period: Some(args.period.try_into().map_err(Failure::failed)?),
        filter: Some(args.filter.filter()),
        read_mask: args.read.fields.mask(),
        view: args.read.fields.view(),
        consistency: args.read.consistency(),
        ..Default::default()
    };
    let mut paging = Paging::new(args.limit, BATCH);
    let mut table = Table::new(["READS", "TIME", "NAME", "HEADLINE"]);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_most_read_articles(request.clone()).await?.into_inner();
        paging.read(page.most_read_articles.len(), page.next_page_token);
        for read in &page.most_read_articles {
            match &read.article {
                Some(_) if args.json => print(&json::line(read).map_err(Failure::failed)?)?,
                Some(article) => {
                    let [time, name, headline] = article_text::entry(article);
                    table.row([read.read_count.to_string(), time, name, headline]);
                }
                None => {}
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no reads are counted of articles that match") }
}
