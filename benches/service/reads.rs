//! Reads.

use std::sync::Arc;
use std::time::Duration;

use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{BatchGetArticlesRequest, GetArticleRequest, ListArticlesRequest, SearchArticlesRequest};
use tonic::transport::Channel;

use crate::Result;
use crate::args::Args;
use crate::articles::{Random, mid_word};
use crate::load::{Measured, run};
use crate::process::Process;
use crate::table::Table;

const PAGE: i32 = 50;
/// Number of the far page of a list.
const FAR: usize = 1_000;

/// Gets the articles of the requests in turn.
pub async fn get(
    server: &Process,
    channels: &[Channel],
    args: &Args,
    calls: usize,
    requests: &[GetArticleRequest],
) -> Result<Measured> {
    let requests: Arc<[GetArticleRequest]> = requests.into();
    run(server, channels, args.in_flight, calls, move |channel, number| {
        let request = requests[number % requests.len()].clone();
        async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
    })
    .await
}

/// Measures all reads except the hot get.
pub async fn all(server: &Process, args: &Args, names: &[String], table: &mut Table) -> Result<()> {
    spread(server, args, names, "get, any article", table).await?;
    batch(server, args, names, table).await?;
    list(server, args, table).await?;
    search(server, args, table).await
}

/// Gets random articles from the whole store. Returns the 99th percentile.
pub async fn spread(
    server: &Process,
    args: &Args,
    names: &[String],
    what: &str,
    table: &mut Table,
) -> Result<Duration> {
    eprintln!("{what}");
    let mut random = Random::new(1);
    let requests: Vec<GetArticleRequest> = (0..args.calls)
        .map(|_| GetArticleRequest { name: names[random.below(names.len())].clone(), ..Default::default() })
        .collect();
    let channels = server.channels(args.connections).await?;
    let measured = get(server, &channels, args, args.calls, &requests).await?;
    table.row(what, &measured);
    Ok(measured.quantile(0.99))
}

async fn batch(server: &Process, args: &Args, names: &[String], table: &mut Table) -> Result<()> {
    eprintln!("batches of 100");
    let mut random = Random::new(2);
    // A working set that fits in the cache, like a front page's.
    let hot: Vec<&String> = (0..2_000).map(|_| &names[random.below(names.len())]).collect();
    let requests: Arc<[BatchGetArticlesRequest]> = (0..64)
        .map(|_| BatchGetArticlesRequest {
            names: (0..100).map(|_| hot[random.below(hot.len())].clone()).collect(),
            ..Default::default()
        })
        .collect();
    let call = move |channel, number: usize| {
        let request = requests[number % requests.len()].clone();
        async move { client(channel).batch_get_articles(request).await.map(drop) }
    };
    let channels = server.channels(args.connections).await?;
    run(server, &channels, args.in_flight, 200, call.clone()).await?;
    let measured = run(server, &channels, args.in_flight, 2_000, call).await?;
    table.row("batch get of 100, hot", &measured);
    Ok(())
}

async fn list(server: &Process, args: &Args, table: &mut Table) -> Result<()> {
    let far = FAR.min(args.articles as usize / PAGE as usize);
    eprintln!("lists: page 1 and page {far}");
    let channels = server.channels(args.connections).await?;
    let mut first = client(channels[0].clone());
    let mut token = String::new();
    for _ in 1..far {
        let request = ListArticlesRequest { page_size: PAGE, page_token: token, ..Default::default() };
        token = first.list_articles(request).await?.into_inner().next_page_token;
    }
    let pages = [String::new(), token];
    let (mut near_rounds, mut far_rounds) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        for (token, rounds) in pages.iter().zip([&mut near_rounds, &mut far_rounds]) {
            let request = ListArticlesRequest { page_size: PAGE, page_token: token.clone(), ..Default::default() };
            let call = move |channel, _| {
                let request = request.clone();
                async move { client(channel).list_articles(request).await.map(drop) }
            };
            rounds.push(run(server, &channels, args.in_flight, 500, call).await?);
        }
    }
    table.compare("list of 50, page 1", &format!("list of 50, page {far}"), &near_rounds, &far_rounds);
    Ok(())
}

async fn search(server: &Process, args: &Args, table: &mut Table) -> Result<()> {
    eprintln!("searches");
    let channels = server.channels(args.connections).await?;
    for (what, words) in [("search, one word", 1), ("search, two words", 2)] {
        let call = move |channel, number: usize| {
            let mut random = Random::new(number as u64 + 7);
            let query = (0..words).map(|_| mid_word(&mut random)).collect::<Vec<_>>().join(" ");
            let request = SearchArticlesRequest { query, ..Default::default() };
            async move { client(channel).search_articles(request).await.map(drop) }
        };
        let measured = run(server, &channels, args.in_flight, 1_000, call).await?;
        table.row(what, &measured);
    }
    Ok(())
}

fn client(channel: Channel) -> RetrievalServiceClient<Channel> {
    RetrievalServiceClient::new(channel).max_decoding_message_size(64 << 20)
}
