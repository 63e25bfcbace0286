//! `demo`: runs the service with sample news and shows ingest, correction, search and withdrawal through its gRPC port.

mod copies;
mod pages;
mod stories;

use std::os::unix::fs::PermissionsExt;

use clap::Args;
use copydesk_client::{Client, Tls};
use tokio::sync::oneshot;
use tokio_stream::StreamExt;

use super::article_text::{self, bold, dim};
use super::connection::Connected;
use super::failure::{Failure, describe, print};
use super::input::Input;
use super::{ingest, serve};
use crate::config::SettingFlags;
use crate::files;
use crate::proto::ingest_articles_response::Result as Answer;
use crate::proto::ingest_result::Result as ItemResult;
use crate::proto::lookup_article_request::Key;
use crate::proto::watch_articles_response::Event;
use crate::proto::{
    Article, Consistency, CutReason, GetArticleRequest, IngestArticleRequest, IngestArticlesResponse, IngestOutcome,
    ListArticlesRequest, LookupArticleRequest, SearchArticlesRequest, UpdateArticleRequest, WatchArticlesRequest,
    WatchArticlesResponse, WithdrawArticleRequest, consistency::Requirement,
};
use crate::server::Server;
use crate::telemetry;
use pages::{CORRECTED, DIRTY, PAGES, WIRE, WITHDRAWN, wire_document};

#[derive(Args)]
pub(super) struct DemoArgs {
    /// Exit at the end of the demo
    #[arg(long)]
    once: bool,
    /// Address for gRPC; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:50051", value_name = "ADDRESS")]
    listen: String,
    /// Address for metrics and probes, or off
    #[arg(long, default_value = "127.0.0.1:9464", value_name = "ADDRESS")]
    http_listen: String,
    /// Directory that keeps the store after the demo; default: a temporary one
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Minimum log level
    #[arg(long, default_value = "warn", value_name = "LEVEL")]
    log_level: String,
}

pub(super) fn run(args: DemoArgs) -> Result<(), Failure> {
    // Temporary directory: each demo starts empty and leaves nothing behind.
    let private = PermissionsExt::from_mode(files::FOLDER_MODE);
    let scratch = tempfile::Builder::new().prefix("copydesk-demo-").permissions(private).tempdir()?;
    let data_dir = args.data_dir.clone().unwrap_or_else(|| scratch.path().display().to_string());
    // Without the environment and a file of settings: those may name a store of production.
    let settings = SettingFlags::default()
        .with("listen", args.listen)
        .with("http-listen", args.http_listen)
        .with("data-dir", &data_dir)
        .with("log-level", args.log_level)
        .load_alone()?;
    telemetry::init(settings.log_format()?, settings.text("log-level"))
        .map_err(|error| Failure::Usage(format!("log-level: {error}")))?;
    let options = settings.server_options()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let stop = serve::stop_signal()?;
        let server = Server::bind(options).await.map_err(|error| {
            Failure::Failed(format!("{error}\n  (to use free ports: --listen 127.0.0.1:0 --http-listen 127.0.0.1:0)"))
        })?;
        let (address, http) = (server.address()?, server.http_address());
        let (end, ended) = oneshot::channel::<()>();
        let mut served = tokio::spawn(server.run(async move { drop(ended.await) }));
        let mut client = Client::connect_with(&address.to_string(), &Tls::default(), None).await?;
        let first = ListArticlesRequest { page_size: 1, ..Default::default() };
        let serving = format!("Copydesk {} is serving on {address} with", env!("CARGO_PKG_VERSION"));
        if client.retrieval.list_articles(first).await?.into_inner().articles.is_empty() {
            print(&format!("{serving} an empty embedded store."))?;
            show(&mut client).await?;
        } else {
            print(&format!("{serving} the store in {data_dir}, which already holds articles: nothing is ingested."))?;
        }
        if args.once {
            drop(end);
        } else {
            commands_to_try(&address.to_string(), http)?;
            print("\nServing until Ctrl-C.")?;
            tokio::select! {
                () = stop => drop(end),
                served = &mut served => return served.map_err(Failure::failed)?.map_err(Failure::failed),
            }
        }
        served.await.map_err(Failure::failed)?.map_err(Failure::failed)
    })
}

async fn show(client: &mut Connected) -> Result<(), Failure> {
    let answers = ingest_pages(client).await?;

    heading("Ingested documents")?;
    for answer in &answers {
        let page = &PAGES[answer.sequence as usize - 1];
        outcome(page.label, answer)?;
    }
    heading("Boilerplate cut from the text dump, with reasons")?;
    cuts(&answers)?;
    heading("Extracted article")?;
    let key = Some(Key::Url(DIRTY.into()));
    let found = client.retrieval.lookup_article(LookupArticleRequest { key, ..Default::default() }).await?.into_inner();
    let article = found.article.unwrap_or_default();
    let paragraphs: Vec<&str> = article.body.split("\n\n").collect();
    let first = paragraphs.first().copied().unwrap_or_default().to_owned();
    let more = format!("… and {} more paragraphs", paragraphs.len().saturating_sub(1));
    print(article_text::whole(&Article { body: first, ..article }).trim_end())?;
    print(&dim(&more))?;

    // The watch must start before the changes.
    let mut watch = client.retrieval.watch_articles(WatchArticlesRequest::default()).await?.into_inner();
    watch.next().await.transpose()?;
    let corrected = correct(client).await?;
    heading("Correction, seen by a watch")?;
    print_change(&mut watch).await?;
    heading("Search, at least as fresh as the correction")?;
    search(client, &corrected.change_token).await?;
    let withdrawn = withdraw(client).await?;
    heading("Withdrawal, seen by a watch and by reads")?;
    print_change(&mut watch).await?;
    not_readable(client, withdrawn).await?;
    heading("Wire item, its correction and its kill")?;
    let killed = wire(client).await?;
    not_readable(client, killed).await?;
    let original = copies::show(client).await?;
    stories::show(client).await?;
    copies::kill(client, original).await
}

async fn not_readable(client: &mut Connected, name: String) -> Result<(), Failure> {
    match client.retrieval.get_article(GetArticleRequest { name, ..Default::default() }).await {
        Ok(_) => Err(Failure::Failed("a withdrawn article is still readable".into())),
        Err(status) => print(&format!("GetArticle: {}", describe(&status))),
    }
}

/// Ingests the items of the wire. Returns the name of their article.
async fn wire(client: &mut Connected) -> Result<String, Failure> {
    let mut name = String::new();
    for (label, item) in WIRE {
        let request = IngestArticleRequest { document: Some(wire_document(item)), ..Default::default() };
        let response = client.ingestion.ingest_article(request).await?.into_inner();
        if let Some(article) = response.clone().into_first().and_then(|ingested| ingested.article) {
            name = article.name;
        }
        outcome(label, &IngestArticlesResponse { sequence: 0, result: Some(Answer::Ingested(response)) })?;
    }
    Ok(name)
}

async fn ingest_pages(client: &Connected) -> Result<Vec<IngestArticlesResponse>, Failure> {
    let mut answers = Vec::new();
    let read = |take: &mut dyn FnMut(Input) -> bool| {
        for page in PAGES {
            take(Input { label: page.url.to_owned(), document: Ok(page.document()) });
        }
    };
    ingest::send(client.clone(), PAGES.len() as u64, false, read, |answer| {
        answers.push(answer.clone());
        Ok(())
    })
    .await?;
    Ok(answers)
}

fn outcome(label: &str, answer: &IngestArticlesResponse) -> Result<(), Failure> {
    let line = |label: &str, outcome: i32, article: Option<&Article>| {
        let outcome = IngestOutcome::try_from(outcome).unwrap_or_default().as_str_name();
        let outcome = outcome.trim_start_matches("INGEST_OUTCOME_");
        print(&format!("{outcome:<10} {label:<33} {}", article.map_or("", |article| &article.headline)))
    };
    match &answer.result {
        Some(Answer::Ingested(ingested)) => ingested.results.iter().try_for_each(|item| match &item.result {
            Some(ItemResult::Ingested(it)) => {
                let label = if item.external_id.is_empty() { label } else { &format!("{label}, {}", item.external_id) };
                line(label, it.outcome, it.article.as_ref())
            }
            Some(ItemResult::Error(status)) => print(&format!("{:<10} {label:<33} {}", "rejected", status.message)),
            None => Ok(()),
        }),
        Some(Answer::Error(status)) => print(&format!("{:<10} {label:<33} {}", "rejected", status.message)),
        None => Ok(()),
    }
}

fn cuts(answers: &[IngestArticlesResponse]) -> Result<(), Failure> {
    let dirty = answers.iter().find(|answer| PAGES[answer.sequence as usize - 1].url == DIRTY);
    let Some(Answer::Ingested(ingested)) = dirty.and_then(|answer| answer.result.clone()) else {
        return Ok(());
    };
    let report = ingested.into_first().and_then(|ingested| ingested.report);
    for cut in report.iter().flat_map(|report| &report.cuts) {
        let reason = cut.reason().as_str_name().trim_start_matches("CUT_REASON_").to_owned();
        let mut text: String = cut.text.replace('\n', " ").chars().take(80).collect();
        if cut.text.chars().count() > 80 {
            text.push('…');
        }
        print(&format!("{reason:<18} {text}"))?;
        debug_assert_ne!(cut.reason(), CutReason::Unspecified);
    }
    Ok(())
}

async fn by_url(client: &mut Connected, url: &str) -> Result<Article, Failure> {
    let request = LookupArticleRequest {
        key: Some(Key::Url(url.to_owned())),
        consistency: Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) }),
        ..Default::default()
    };
    let found = client.retrieval.lookup_article(request).await?.into_inner().article;
    found.ok_or_else(|| Failure::failed("the response contains no article"))
}

async fn correct(client: &mut Connected) -> Result<Article, Failure> {
    let found = by_url(client, CORRECTED).await?;
    let article = Article {
        headline: found.headline.replace("9 percent", "6 percent"),
        body: found.body.replace("9 percent", "6 percent"),
        ..found
    };
    let request = UpdateArticleRequest {
        article: Some(article),
        update_mask: Some(prost_types::FieldMask { paths: vec!["headline".into(), "body".into()] }),
        reason: "the board's release says 6 percent".into(),
        ..Default::default()
    };
    let updated = client.editorial.update_article(request).await?.into_inner().article;
    updated.ok_or_else(|| Failure::failed("the response contains no article"))
}

async fn withdraw(client: &mut Connected) -> Result<String, Failure> {
    let found = by_url(client, WITHDRAWN).await?;
    let request = WithdrawArticleRequest {
        name: found.name.clone(),
        etag: found.etag,
        reason: "the coast guard has withdrawn its statement".into(),
        ..Default::default()
    };
    client.editorial.withdraw_article(request).await?;
    Ok(found.name)
}

async fn search(client: &mut Connected, token: &str) -> Result<(), Failure> {
    let query = "harbour \"6 percent\"".to_owned();
    print(&dim(&format!("query: {query}")))?;
    let fresh = Consistency { requirement: Some(Requirement::AtLeastAsFresh(token.to_owned())) };
    let request = SearchArticlesRequest { query, consistency: Some(fresh), ..Default::default() };
    for result in &client.retrieval.search_articles(request).await?.into_inner().results {
        print(article_text::result(result).trim_end())?;
    }
    Ok(())
}

async fn print_change(watch: &mut tonic::Streaming<WatchArticlesResponse>) -> Result<(), Failure> {
    while let Some(message) = watch.next().await.transpose()? {
        if let Some(Event::Change(change)) = message.event {
            let headline = change.article.map_or("(not readable)".to_owned(), |article| article.headline);
            let kind = article_text::change(change.kind);
            return print(&format!("{kind:<10} {}@{}  {headline}", change.name, change.revision));
        }
    }
    Err(Failure::failed("the watch ended before the change arrived"))
}

fn heading(text: &str) -> Result<(), Failure> {
    print(&format!("\n{}", bold(text)))
}

fn commands_to_try(address: &str, http: Option<std::net::SocketAddr>) -> Result<(), Failure> {
    heading("Commands to try")?;
    let copydesk = std::env::args().next().unwrap_or_else(|| "copydesk".to_owned());
    print(&format!("{copydesk} search --addr http://{address} storm"))?;
    print(&format!("{copydesk} watch --addr http://{address} --from-beginning"))?;
    print(&format!("grpcurl -plaintext {address} list"))?;
    print(&format!(
        "grpcurl -plaintext -d '{{\"query\": \"lighthouse\"}}' {address} copydesk.v1.RetrievalService/SearchArticles"
    ))?;
    match http {
        Some(http) => print(&format!("curl http://{http}/metrics")),
        None => Ok(()),
    }
}
