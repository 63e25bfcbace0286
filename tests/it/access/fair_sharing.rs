//! Fair sharing: the load of one caller does not cause refusals of others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use copydesk::proto::*;
use copydesk::server::StoreOptions;
use futures::future::join_all;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Connected, SOON, client, desk, guarded, key, reason, until_read};
use crate::support::database::Cluster;
use crate::test_server::{TestServer, invented, ready};

/// Maximum number of distinct words in a query.
const WORDS: usize = 64;

fn word(number: usize) -> String {
    format!("w{number}")
}

/// Returns the most expensive search: the maximum number of words, each of which is in every article.
fn dearest() -> SearchArticlesRequest {
    let words: Vec<String> = (0..WORDS).map(word).collect();
    SearchArticlesRequest { query: words.join(" OR "), ..Default::default() }
}

async fn search(caller: &Connected, request: SearchArticlesRequest) -> Result<SearchArticlesResponse, Status> {
    Ok(caller.retrieval.clone().search_articles(request).await?.into_inner())
}

async fn list(caller: &Connected, filter: Option<ArticleFilter>) -> Result<ListArticlesResponse, Status> {
    let request = ListArticlesRequest { page_size: 5, filter, ..Default::default() };
    Ok(caller.retrieval.clone().list_articles(request).await?.into_inner())
}

async fn fill(writer: &Connected, articles: usize) {
    let words: Vec<String> = (0..WORDS).map(word).collect();
    let documents: Vec<_> = (0..articles)
        .map(|number| {
            let article = Article { body: words.join(" "), ..invented(number) };
            IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(0, ready(article)) }
        })
        .collect();
    let mut answers =
        writer.ingestion.clone().ingest_articles(futures::stream::iter(documents)).await.unwrap().into_inner();
    while let Some(answer) = answers.message().await.unwrap() {
        assert!(matches!(answer.result, Some(ingest_articles_response::Result::Ingested(_))), "{answer:?}");
    }
}

/// Waits until the index has all written articles.
async fn until_indexed(caller: &Connected, articles: usize) {
    let indexed = async {
        loop {
            let request = SearchArticlesRequest { query: word(0), page_size: 100, ..Default::default() };
            if search(caller, request).await.is_ok_and(|found| found.results.len() == articles.min(100)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, indexed).await.expect("the articles are indexed");
}

/// One key runs ten loops of the most expensive search while other keys list and search.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn continuous_searches_of_one_caller_cause_no_rejection_of_others() {
    const ROUNDS: usize = 20;
    let (server, keys) = desk(|options| {
        let StoreOptions::Sqlite(store) = &mut options.store else { panic!("the store is not the embedded one") };
        // The queue holds fewer reads than one caller has in flight. No read is refused for waiting too long.
        (store.readers, store.read_queue, store.read_wait) = (4, 4, Duration::from_secs(600));
        (options.search.queue, options.search.queue_wait) = (4, Duration::from_secs(600));
    })
    .await;
    let mut callers = Vec::new();
    for _ in 0..4 {
        let (_, text) = key(&keys, "articles.read articles.write", |_| {}).await;
        callers.push(client(&server, &text).await);
    }
    for caller in &callers {
        until_read(caller, Code::NotFound).await;
    }
    let greedy = callers.remove(0);
    fill(&greedy, 300).await;
    until_indexed(&greedy, 300).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (answered, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let loops: Vec<_> = (0..10)
        .map(|_| {
            let (greedy, stop) = (greedy.clone(), Arc::clone(&stop));
            let (answered, refused) = (Arc::clone(&answered), Arc::clone(&refused));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    match search(&greedy, dearest()).await {
                        Ok(_) => answered.fetch_add(1, Ordering::Relaxed),
                        Err(error) => {
                            assert_eq!(
                                (error.code(), reason(&error).as_str()),
                                (Code::ResourceExhausted, "OVERLOADED")
                            );
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            })
        })
        .collect();
    super::until("the greedy caller is refused", async || refused.load(Ordering::Relaxed) > 0).await;
    let others = callers.iter().map(|caller| async {
        let mut refused = 0;
        for round in 0..ROUNDS {
            let answer = match round % 3 {
                0 => list(caller, None).await.map(drop),
                1 => search(caller, dearest()).await.map(drop),
                _ => list(caller, Some(ArticleFilter { text: word(round), ..Default::default() })).await.map(drop),
            };
            refused += usize::from(answer.is_err());
        }
        refused
    });
    let others = join_all(others).await;
    assert_eq!(others, [0, 0, 0], "refused calls of {ROUNDS} per caller");
    let before = answered.load(Ordering::Relaxed);
    super::until("the greedy caller is served again", async || answered.load(Ordering::Relaxed) > before).await;
    stop.store(true, Ordering::Relaxed);
    for task in loops {
        task.await.unwrap();
    }
}

/// One key's lists hold every read slot of the store and do not end. Another key's lists are still served.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_slots_are_reclaimed_for_another_caller() {
    let database = Cluster::shared().database().await;
    let mut store = database.options();
    (store.connections, store.read_queue, store.read_wait) = (4, 8, Duration::from_secs(2));
    // Exceeds the time for which the lock below is held.
    store.statement_timeout = Duration::from_secs(600);
    let keys = StoreOptions::Postgres(Box::new(store.clone())).keys().await.unwrap();
    let server = TestServer::with(|options| {
        guarded(options, None);
        options.store = StoreOptions::Postgres(Box::new(store));
    })
    .await;
    let mut callers = Vec::new();
    for _ in 0..2 {
        let (_, text) = key(&keys, "articles.read articles.write", |_| {}).await;
        callers.push(client(&server, &text).await);
    }
    let [greedy, other] = &callers[..] else { unreachable!() };
    until_read(greedy, Code::NotFound).await;
    until_read(other, Code::NotFound).await;
    fill(greedy, 1).await;
    until_indexed(greedy, 1).await;
    // Lists by author need this table, others do not.
    let held = database.client().await;
    held.batch_execute("BEGIN; LOCK TABLE copydesk.facets").await.unwrap();
    let filter = ArticleFilter { authors: Some(StringCondition::any_of(["Writer 0"])), ..Default::default() };
    let lists: Vec<_> = (0..3)
        .map(|_| {
            let (greedy, filter) = (greedy.clone(), filter.clone());
            tokio::spawn(async move { list(&greedy, Some(filter)).await })
        })
        .collect();
    server.until_metric("copydesk_store_reads_in_flight 3").await;
    for _ in 0..3 {
        let found = list(other, None).await;
        assert_eq!(found.expect("the other caller gets a slot").articles.len(), 1);
    }
    held.batch_execute("ROLLBACK").await.unwrap();
    let answers: Vec<_> = join_all(lists).await.into_iter().map(Result::unwrap).collect();
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 1, "expected one cancelled list: {answers:?}");
    assert_eq!((refused[0].code(), reason(refused[0]).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
}

async fn watch(caller: &Connected) -> Result<tonic::Streaming<WatchArticlesResponse>, Status> {
    Ok(caller.retrieval.clone().watch_articles(WatchArticlesRequest::default()).await?.into_inner())
}

/// Ingests one document by a stream. Returns its response.
async fn stream_one(caller: &Connected, number: usize) -> Result<IngestArticlesResponse, Status> {
    let request = IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(0, ready(invented(number))) };
    let mut answers = caller.ingestion.clone().ingest_articles(tokio_stream::once(request)).await?.into_inner();
    Ok(answers.message().await?.expect("the document gets a response"))
}

/// One key opens as many watches as it gets. Other keys still watch, export and ingest.
#[tokio::test]
async fn watches_of_one_caller_leave_streams_for_other_callers() {
    const STREAMS: usize = 8;
    let (server, keys) = desk(|options| {
        (options.calls.max_concurrent_streams, options.calls.max_ingest_streams) = (STREAMS, 2);
    })
    .await;
    let mut callers = Vec::new();
    for scopes in ["articles.read", "articles.read", "articles.write"] {
        let (_, text) = key(&keys, scopes, |_| {}).await;
        callers.push(client(&server, &text).await);
    }
    let [greedy, other, writer] = &callers[..] else { unreachable!() };
    until_read(greedy, Code::NotFound).await;
    until_read(other, Code::NotFound).await;
    until_read(writer, Code::PermissionDenied).await;
    let mut open = Vec::new();
    let refused = loop {
        match watch(greedy).await {
            Ok(watch) => open.push(watch),
            Err(refused) => break refused,
        }
    };
    assert_eq!(open.len(), STREAMS / 2);
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
    assert!(refused.message().contains("this caller") && refused.message().contains("max-concurrent-streams"));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let others = watch(other).await.expect("another caller has its share");
    let mut export =
        other.retrieval.clone().export_articles(ExportArticlesRequest::default()).await.unwrap().into_inner();
    while export.message().await.unwrap().is_some() {}
    // Reading streams use none of the ingesting streams.
    for number in 0..3 {
        let answer = stream_one(writer, number).await.expect("documents come in");
        assert!(matches!(answer.result, Some(ingest_articles_response::Result::Ingested(_))), "{answer:?}");
    }
    drop((open, others));
    let again = async { while watch(greedy).await.is_err() {} };
    tokio::time::timeout(SOON, again).await.expect("closed streams are released");
}

/// Without authentication, all calls may come from one gateway: it may use a whole pool, but the pools are separate.
#[tokio::test]
async fn without_authentication_watches_and_ingest_streams_have_separate_pools() {
    let server = TestServer::with(|options| {
        (options.calls.max_concurrent_streams, options.calls.max_ingest_streams) = (4, 1);
    })
    .await;
    let gateway = Connected::connect_with(&server.address.to_string(), &Default::default(), None).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(watch(&gateway).await.expect("a gateway may have all"));
    }
    let refused = watch(&gateway).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("max-concurrent-streams"), "{refused:?}");
    stream_one(&gateway, 1).await.expect("documents come in");
    // A stream of documents that stays open.
    let (send, documents) = tokio::sync::mpsc::channel::<IngestArticlesRequest>(1);
    let documents = tokio_stream::wrappers::ReceiverStream::new(documents);
    let held = gateway.ingestion.clone().ingest_articles(documents).await.unwrap();
    let refused = stream_one(&gateway, 2).await.unwrap_err();
    assert!(refused.message().contains("max-ingest-streams"), "{refused:?}");
    drop((open, send));
    watch(&gateway).await.expect("streams of documents take none of the watches");
    drop(held);
}
