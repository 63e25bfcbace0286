//! `get`, `list` and `search`.

use std::time::Duration;

use clap::Args;

use super::connection::Connection;
use super::failure::{Failure, print, print_note};
use super::filter::{FilterArgs, QueryArgs, ReadArgs, StateArgs};
use super::keys::period;
use super::paging::Paging;
use super::table::Table;
use super::target::full_name;
use super::{article_text, json};
use crate::proto::lookup_article_request::Key;
use crate::proto::{
    Article, BatchGetArticlesRequest, BodyFormat, ExternalKey, GetArticleRequest, GetArticleRevisionRequest,
    ListArticlesRequest, LookupArticleRequest, Recency, SearchArticlesRequest,
};

/// Maximum names or articles per request.
const BATCH: usize = 100;

#[derive(Args)]
pub(super) struct GetArgs {
    /// Article names, {article} or articles/{article}
    #[arg(required_unless_present_any = ["url", "external_id"])]
    names: Vec<String>,
    /// URL of the article
    #[arg(long, conflicts_with_all = ["names", "external_id"])]
    url: Option<String>,
    /// Publisher's ID of the article; requires --source
    #[arg(long, requires = "source", conflicts_with = "names")]
    external_id: Option<String>,
    /// Publisher's host or name; requires --external-id
    #[arg(long, requires = "external_id")]
    source: Option<String>,
    /// Revision of one article: print the article as of this revision
    #[arg(long, conflicts_with_all = ["url", "external_id"], value_parser = clap::value_parser!(i64).range(1..))]
    revision: Option<i64>,
    /// Also read articles that are not readable, such as withdrawn ones; requires the scope articles.edit
    #[arg(long)]
    any_state: bool,
    /// Format of the body: plain, markdown or html
    #[arg(long, value_name = "FORMAT", value_parser = body_format)]
    body_format: Option<BodyFormat>,
    #[command(flatten)]
    read: ReadArgs,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

/// Parses a format of a body: `markdown`.
fn body_format(text: &str) -> Result<BodyFormat, String> {
    let name = format!("BODY_FORMAT_{}", text.to_ascii_uppercase());
    BodyFormat::from_str_name(&name).ok_or_else(|| "must be plain, markdown or html".into())
}

pub(super) async fn get(args: GetArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let (consistency, any_state) = (args.read.consistency(), args.any_state);
    let (read_mask, view) = (args.read.fields.mask(), args.read.fields.view());
    let body_format = args.body_format.unwrap_or_default().into();
    let external = args.external_id.clone().zip(args.source.clone());
    let external = external.map(|(external_id, source)| Key::External(ExternalKey { source, external_id }));
    if let Some(key) = args.url.clone().map(Key::Url).or(external) {
        let request = LookupArticleRequest { key: Some(key), read_mask, consistency, any_state, view, body_format };
        return show(args.json, client.lookup_article(request).await?.into_inner().article);
    }
    if let Some(url) = args.names.iter().find(|name| name.contains("://")) {
        return Err(Failure::Usage(format!("{url} is a URL, not a name: use --url {url}")));
    }
    let names: Vec<String> = args.names.iter().map(|name| full_name(name)).collect();
    if let Some(revision) = args.revision {
        let [name] = names.as_slice() else {
            return Err(Failure::Usage("--revision requires exactly one article name".into()));
        };
        let name = format!("{name}/revisions/{revision}");
        let request =
            GetArticleRevisionRequest { name: name.clone(), read_mask, consistency, any_state, view, body_format };
        let found = client.get_article_revision(request).await?.into_inner().revision;
        let snapshot = found.and_then(|revision| revision.snapshot);
        let snapshot = snapshot.ok_or_else(|| {
            Failure::Failed(format!("the article was not readable as of {name}; --any-state reads it as an editor"))
        })?;
        return show(args.json, [snapshot]);
    }
    if let [name] = names.as_slice() {
        let unless_etag = String::new();
        let request =
            GetArticleRequest { name: name.clone(), read_mask, consistency, any_state, view, unless_etag, body_format };
        return show(args.json, client.get_article(request).await?.into_inner().article);
    }
    let mut missing = Vec::new();
    for names in names.chunks(BATCH) {
        let (read_mask, consistency) = (read_mask.clone(), consistency.clone());
        let request =
            BatchGetArticlesRequest { names: names.to_vec(), read_mask, consistency, any_state, view, body_format };
        let response = client.batch_get_articles(request).await?.into_inner();
        show(args.json, response.articles)?;
        missing.extend(response.not_found.into_iter().map(|missing| match missing.status {
            Some(status) => status.message,
            None => missing.name,
        }));
    }
    if missing.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("not found: {}", missing.join("; ")))) }
}

#[derive(Args)]
pub(super) struct ListArgs {
    /// Full-text query, as in `search`
    #[arg(long, value_name = "QUERY", default_value = "", hide_default_value = true)]
    text: String,
    #[command(flatten)]
    states: StateArgs,
    /// Order: publish_time, create_time or update_time, followed by " asc" or " desc"
    #[arg(long, default_value = "publish_time desc")]
    order_by: String,
    /// Maximum number of articles
    #[arg(long, default_value_t = 50)]
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

pub(super) async fn list(args: ListArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut filter = args.filter.filter();
    filter.text.clone_from(&args.text);
    filter.states = args.states.states();
    let mut request = ListArticlesRequest {
        order_by: args.order_by.clone(),
        filter: Some(filter),
        read_mask: args.read.fields.mask(),
        view: args.read.fields.view(),
        consistency: args.read.consistency(),
        ..Default::default()
    };
    let mut paging = Paging::new(args.limit, BATCH);
    let mut table = Table::new(["TIME", "NAME", "HEADLINE"]);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.list_articles(request.clone()).await?.into_inner();
        paging.read(page.articles.len(), page.next_page_token);
        for article in &page.articles {
            if args.json {
                print(&json::line(article).map_err(Failure::failed)?)?;
            } else {
                table.row(article_text::entry(article));
            }
        }
    }
    if args.json { Ok(()) } else { table.print("no articles match") }
}

#[derive(Args)]
pub(super) struct SearchArgs {
    /// Query: words that must all occur, "phrases", prefix*, -exclusions, OR, brackets, headline:word; quote phrases,
    /// brackets and asterisks for the shell
    #[arg(required = true)]
    query: Vec<String>,
    #[command(flatten)]
    language_and_fields: QueryArgs,
    /// Order: relevance, or publish_time, create_time or update_time, followed by " asc" or " desc"
    #[arg(long, default_value = "relevance")]
    order_by: String,
    /// Age at which recency has half of its influence on relevance: 12h or 90d; default: 14d
    #[arg(long, value_name = "TIME", value_parser = period)]
    half_life: Option<Duration>,
    /// Influence of recency on relevance for a new article, 0 (none) to 100; default: 1
    #[arg(long, value_name = "WEIGHT")]
    recency_weight: Option<f32>,
    /// Also print the number of all matching articles, on standard error
    #[arg(long)]
    total: bool,
    /// Maximum number of results
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

pub(super) async fn search(args: SearchArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut filter = args.filter.filter();
    filter.states = args.states.states();
    let half_life = args.half_life.map(prost_types::Duration::try_from).transpose().map_err(Failure::failed)?;
    let recency = Recency { half_life, weight: args.recency_weight };
    let mut request = SearchArticlesRequest {
        query: args.query.join(" ").trim().to_owned(),
        filter: Some(filter),
        read_mask: args.read.fields.mask(),
        view: args.read.fields.view(),
        consistency: args.read.consistency(),
        language_code: args.language_and_fields.language_code(),
        order_by: args.order_by.clone(),
        recency: (recency != Recency::default()).then_some(recency),
        fields: args.language_and_fields.fields(),
        include_total_size: args.total,
        ..Default::default()
    };
    let mut paging = Paging::new(args.limit, BATCH);
    let (mut found, mut total) = (0, None);
    while paging.next(&mut request.page_size, &mut request.page_token) {
        let page = client.search_articles(request.clone()).await?.into_inner();
        paging.read(page.results.len(), page.next_page_token);
        found += page.results.len();
        total.get_or_insert(page.total_size);
        for result in &page.results {
            print(&if args.json {
                json::line(result).map_err(Failure::failed)?
            } else {
                article_text::result(result)
            })?;
        }
    }
    match total.filter(|_| args.total) {
        Some(1) => print_note("1 article matches"),
        Some(total) if total > 0 => print_note(&format!("{total} articles match")),
        _ if found == 0 => print_note("no articles match"),
        _ => {}
    }
    Ok(())
}

fn show(as_json: bool, articles: impl IntoIterator<Item = Article>) -> Result<(), Failure> {
    for article in articles {
        print(&if as_json { json::line(&article).map_err(Failure::failed)? } else { article_text::whole(&article) })?;
    }
    Ok(())
}
