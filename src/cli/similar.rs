//! `related` and `copies`: articles on the subject of an article, and with its text.

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::filter::{FilterArgs, ReadArgs, StateArgs};
use super::paging::Paging;
use super::table::Table;
use super::target::{Target, full_name};
use super::{article_text, json};
use crate::proto::{CopyKind, ListArticleCopiesRequest, ListRelatedArticlesRequest};

/// Maximum related articles per request.
const RELATED_BATCH: usize = 50;
/// Maximum copies per request.
const COPIES_BATCH: usize = 100;

#[derive(Args)]
pub(super) struct RelatedArgs {
    /// Article name, {article} or articles/{article}
    name: String,
    /// Maximum number of articles
    #[arg(long, default_value_t = 10)]
    limit: usize,
    #[command(flatten)]
    states: StateArgs,
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

pub(super) async fn related(args: RelatedArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut filter = args.filter.filter();
    filter.states = args.states.states();
    let mut request = ListRelatedArticlesRequest {
        name: full_name(&args.name),
        filter: Some(filter),
        read_mask: args.read.fields.mask(),
        view: args.read.fields.view(),
        consistency: args.read.consistency(),
        ..Default::default()
    };
    let mut paging = Paging::new(args.limit, RELATED_BATCH);
    let mut table = Table::new(["TIME", "NAME", "HEADLINE"]);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_related_articles(request.clone()).await?.into_inner();
        paging.read(page.related_articles.len(), page.next_page_token);
        for related in &page.related_articles {
            match &related.article {
                Some(_) if args.json => print(&json::line(related).map_err(Failure::failed)?)?,
                Some(article) => table.row(article_text::entry(article)),
                None => {}
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no related articles") }
}

#[derive(Args)]
pub(super) struct CopiesArgs {
    #[command(flatten)]
    target: Target,
    /// Maximum number of copies
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Copies in every state, of an article in any state; requires the scope articles.edit
    #[arg(long)]
    any_state: bool,
    #[command(flatten)]
    read: ReadArgs,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) async fn copies(args: CopiesArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?;
    let name = args.target.resolve(&mut client).await?;
    let mut request = ListArticleCopiesRequest {
        name,
        read_mask: args.read.fields.mask(),
        view: args.read.fields.view(),
        consistency: args.read.consistency(),
        any_state: args.any_state,
        ..Default::default()
    };
    let mut paging = Paging::new(args.limit, COPIES_BATCH);
    let mut table = Table::new(["TIME", "NAME", "COPY", "SHARED", "HEADLINE"]);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.retrieval.list_article_copies(request.clone()).await?.into_inner();
        paging.read(page.copies.len(), page.next_page_token);
        for copy in &page.copies {
            match &copy.article {
                Some(_) if args.json => print(&json::line(copy).map_err(Failure::failed)?)?,
                Some(article) => {
                    let [time, name, headline] = article_text::entry(article);
                    let shared = format!("{:.2}", copy.similarity);
                    table.row([time, name, copy_kind(copy.kind()).to_owned(), shared, headline]);
                }
                None => {}
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no copies") }
}

/// Returns a kind of copy as the commands print it.
pub(super) fn copy_kind(kind: CopyKind) -> &'static str {
    match kind {
        CopyKind::Unspecified => "",
        CopyKind::Exact => "exact",
        CopyKind::Near => "near",
        CopyKind::Contains => "contains it",
        CopyKind::Contained => "part of it",
    }
}
