//! Five times as many calls as the server's capacity: `make bench-overload`. The server has one core and its clients
//! the other, so that the clients' cost does not reduce its capacity.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::proto::document::Payload;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{Document, IngestArticleRequest, SearchArticlesRequest};
use futures::FutureExt;
use futures::future::BoxFuture;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::Result;
use crate::args::Args;
use crate::articles::{Articles, Random, mid_word};
use crate::load::{Measured, run};
use crate::process::Process;
use crate::table::Table;
use crate::writes;

const ARTICLES: u64 = 50_000;
const SERVER_CORE: usize = 0;
const CALLERS_CORE: usize = 1;
const TIMES: f64 = 5.0;
/// Duration of the measurement of capacity, and of the overload.
const CAPACITY: Duration = Duration::from_secs(3);
const OVERLOAD: Duration = Duration::from_secs(6);
/// Warm-up, not counted: until limits have been found.
const BEGINNING: Duration = Duration::from_secs(2);
/// One connection carries 256 concurrent calls; further calls wait in the client.
const CONNECTIONS: usize = 32;

type Call = Arc<dyn Fn(Channel, usize) -> BoxFuture<'static, std::result::Result<(), Status>> + Send + Sync>;

pub async fn all(args: &Args, dir: &Path) -> Result<()> {
    let moved =
        Command::new("taskset").args(["-acp", &CALLERS_CORE.to_string(), &std::process::id().to_string()]).output()?;
    if !moved.status.success() {
        return Err(format!("taskset: {}", String::from_utf8_lossy(&moved.stderr)).into());
    }
    let mut table = Table::new(args);
    let dir = dir.to_string_lossy();
    let server = Process::pinned(args, SERVER_CORE, &[("data-dir", &dir), ("log-level", "error")])?;
    writes::ready(&server, args, ARTICLES, &mut Table::new(args)).await?;
    for (what, call) in calls() {
        one(&server, what, call, &mut table).await?;
    }
    table.peak("memory, at its peak", &server)?;
    server.stop()?;
    println!("\n{table}");
    Ok(())
}

/// Calls that cost a server much more than rejecting them does, and than making them costs the client. The one core of
/// the clients cannot make five times the capacity of cheaper calls.
fn calls() -> Vec<(&'static str, Call)> {
    let search = |words: usize| {
        move |channel, number: usize| {
            let mut random = Random::new(number as u64 + 7);
            let query = (0..words).map(|_| mid_word(&mut random)).collect::<Vec<_>>().join(" ");
            let request = SearchArticlesRequest { query, ..Default::default() };
            async move { retrieval(channel).search_articles(request).await.map(drop) }.boxed()
        }
    };
    let pages = Arc::new(Articles::new());
    let page = move |channel, number: usize| {
        let document = Document {
            payload: Some(Payload::Html(pages.page(number))),
            url: format!("https://herald.example/pages/{number}"),
            ..Default::default()
        };
        let request = IngestArticleRequest { document: Some(document), validate_only: true, ..Default::default() };
        async move { IngestionServiceClient::new(channel).ingest_article(request).await.map(drop) }.boxed()
    };
    vec![
        ("search, one word", Arc::new(search(1))),
        ("search, two words", Arc::new(search(2))),
        ("a page, to be looked at", Arc::new(page)),
    ]
}

fn retrieval(channel: Channel) -> RetrievalServiceClient<Channel> {
    RetrievalServiceClient::new(channel).max_decoding_message_size(64 << 20)
}

async fn one(server: &Process, what: &str, call: Call, table: &mut Table) -> Result<()> {
    eprintln!("{what}");
    idle(server).await?;
    let channels = server.channels(CONNECTIONS).await?;
    // Enough concurrency to keep the server busy, and a first round to find the number of calls.
    let (some, each) = (&channels[..4], 8);
    let calling = || {
        let call = Arc::clone(&call);
        move |channel, number| call(channel, number)
    };
    let first = run(server, some, each, 300, calling()).await?;
    let count = (first.rate() * CAPACITY.as_secs_f64()) as usize;
    let capacity = run(server, some, each, count.max(300), calling()).await?;
    let overload = flood(&channels, capacity.rate() * TIMES, &call).await?;
    table.row(&format!("{what}: at capacity"), &capacity);
    table.row(&format!("  at {TIMES} times as many, those answered"), &overload.answered);
    let ratio = |of: f64, to: f64| format!("{:.2}", of / to);
    table.fact(
        &format!("{what}: goodput, p99, refused"),
        format!(
            "x {}, x {}, {:.0} %, other errors {}",
            ratio(overload.answered.rate(), capacity.rate()),
            ratio(overload.answered.quantile(0.99).as_secs_f64(), capacity.quantile(0.99).as_secs_f64()),
            100.0 * overload.refused as f64 / overload.sent.max(1) as f64,
            overload.failed,
        ),
    );
    // Calls still in flight belong to this measurement.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}

/// Waits until the server's background work is done: the search index is optimized once it has caught up, which would
/// reduce the measured capacity.
async fn idle(server: &Process) -> Result<()> {
    const LOOK: Duration = Duration::from_millis(500);
    loop {
        let before = server.cpu()?;
        tokio::time::sleep(LOOK).await;
        if server.cpu()? - before < LOOK / 50 {
            return Ok(());
        }
    }
}

struct Overload {
    answered: Measured,
    sent: usize,
    refused: usize,
    failed: usize,
}

/// Makes calls at a fixed rate, independent of earlier ones. Latencies are measured from the time a call was due.
async fn flood(channels: &[Channel], rate: f64, call: &Call) -> Result<Overload> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    let total = (rate * OVERLOAD.as_secs_f64()) as usize;
    for number in 0..total {
        let due = began + Duration::from_secs_f64(number as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        let (channel, call) = (channels[number % channels.len()].clone(), Arc::clone(call));
        tasks.spawn(async move {
            let answer = call(channel, number).await;
            (due, Instant::now(), answer.map_err(|status| status.code()))
        });
    }
    let counted = began + BEGINNING..began + OVERLOAD;
    let mut overload = Overload {
        answered: Measured::new(Duration::ZERO, Duration::ZERO, Vec::new()),
        sent: 0,
        refused: 0,
        failed: 0,
    };
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        let (due, ended, answer) = task?;
        if !counted.contains(&ended) {
            continue;
        }
        overload.sent += 1;
        match answer {
            Ok(()) => latencies.push(ended - due),
            Err(Code::ResourceExhausted) => overload.refused += 1,
            Err(_other) => overload.failed += 1,
        }
    }
    overload.answered = Measured::new(OVERLOAD - BEGINNING, Duration::ZERO, latencies);
    Ok(overload)
}
