//! More reads than the store's limit, and more pages than can be extracted: the excess is refused at once, and nothing
//! else.

use std::time::Duration;

use copydesk::proto::document::Payload;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use futures::future::join_all;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::raw_http2_client::{Wire, enveloped, status};
use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest, invented, ready};

const INGEST: &str = "/copydesk.v1.IngestionService/IngestArticle";
/// Timeout that exceeds every wait here.
const SOON: Duration = Duration::from_secs(60);

/// Starts a server with two connections for reads and a queue of two.
async fn start(database: &Database) -> TestServer {
    let mut store = database.options();
    (store.connections, store.read_queue, store.read_wait) = (2, 2, Duration::from_secs(600));
    let server = TestServer::with(|options| {
        options.store = StoreOptions::Postgres(Box::new(store));
        // The cache stays trusted during the test.
        options.cache.as_mut().unwrap().staleness_bound = Duration::from_secs(600);
    })
    .await;
    // The search index reads the store until it is built.
    let query = SearchArticlesRequest { query: "ferry".into(), ..Default::default() };
    while server.retrieval().await.search_articles(query.clone()).await.is_err() {}
    server
}

fn get(name: &str) -> GetArticleRequest {
    GetArticleRequest { name: name.to_owned(), ..Default::default() }
}

/// Returns a page of `paragraphs` paragraphs.
fn page(number: i64, paragraphs: usize) -> Document {
    let paragraph = |day: usize| {
        format!(
            "<p>On day {day} the harbour council agreed to dredge channel {day} before the winter, and Mayor Ida Quill \
             said that the works would cost {day} crowns.</p>\n"
        )
    };
    let text: String = (1..=paragraphs).map(paragraph).collect();
    let html = format!("<html><body><article><h1>Dredging</h1>{text}</article></body></html>");
    Document {
        payload: Some(Payload::Html(html)),
        url: format!("https://herald.example/{number}"),
        ..Default::default()
    }
}

/// Returns a page that takes long to extract.
fn long_page(number: i64) -> Document {
    page(number, 4_000)
}

#[tokio::test]
async fn only_reads_beyond_the_queue_limit_are_rejected() {
    let database = Cluster::shared().database().await;
    let server = start(&database).await;
    let (mut writes, reads) = (server.ingestion().await, server.retrieval().await);
    let mut names = Vec::new();
    for number in 0..6 {
        names.push(ingest(&mut writes, invented(number)).await.article.unwrap().name);
    }
    // In the cache once its follower has caught up.
    let cached = async {
        while reads.clone().get_article(get(&names[5])).await.unwrap().metadata().get("copydesk-cache").unwrap()
            != "local"
        {}
    };
    tokio::time::timeout(Duration::from_secs(20), cached).await.expect("the article is cached");

    let held = database.client().await;
    held.batch_execute("BEGIN; LOCK TABLE copydesk.texts").await.unwrap();
    let spawn = |name: &String| {
        let (mut reads, request) = (reads.clone(), get(name));
        tokio::spawn(async move { reads.get_article(request).await })
    };
    let patient: Vec<_> = names[..4].iter().map(spawn).collect();
    server.until_metric("copydesk_store_reads_in_flight 2").await;
    server.until_metric("copydesk_store_reads_waiting 2").await;

    let refused = reads.clone().get_article(get(&names[4])).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    server.until_metric("copydesk_store_reads_shed_total 1").await;
    // Cache hits, health and writes are not refused.
    reads.clone().get_article(get(&names[5])).await.unwrap();
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: "copydesk.v1.RetrievalService".into() };
    assert_eq!(health.check(request).await.unwrap().into_inner().status(), ServingStatus::Serving);
    let mut corrections = server.editorial().await;
    let article = Article { name: names[5].clone(), headline: "Corrected".into(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["headline".into()] });
    let correction = UpdateArticleRequest { article: Some(article), update_mask, ..Default::default() };
    let corrected = tokio::spawn(async move { corrections.update_article(correction).await });
    let ingested = tokio::spawn(async move {
        let request = IngestArticleRequest { document: Some(ready(invented(9))), ..Default::default() };
        writes.ingest_article(request).await
    });
    // The correction's own read has been refused and is retried.
    let shed = |metrics: String| -> u64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix("copydesk_store_reads_shed_total "));
        line.unwrap().parse().unwrap()
    };
    while shed(server.http("/metrics").await) < 3 {}

    held.batch_execute("ROLLBACK").await.unwrap();
    corrected.await.unwrap().unwrap();
    ingested.await.unwrap().unwrap();
    for answered in join_all(patient).await {
        answered.unwrap().unwrap();
    }
    server.until_metric("copydesk_store_reads_in_flight 0").await;
}

/// Further pages are refused at once during an extraction; those of a stream wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_beyond_the_queue_limit_are_rejected_except_in_streams() {
    const CALLS: usize = 32;
    const STREAMED: i64 = 8;
    let server = TestServer::with(|options| (options.ingest_workers, options.ingest_queue) = (1, 1)).await;
    let (writes, reads) = (server.ingestion().await, server.retrieval().await);
    let name = ingest(&mut writes.clone(), invented(1)).await.article.unwrap().name;
    // Extracting it takes longer than the arrival of all pages.
    let page = |number: i64| Some(long_page(number));
    let call = |number: usize| {
        let (mut writes, document) = (writes.clone(), page(number as i64));
        async move {
            let request = IngestArticleRequest { document, validate_only: true, ..Default::default() };
            writes.ingest_article(request).await
        }
    };
    let answers = join_all((0..CALLS).map(call)).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!((1..CALLS).contains(&refused.len()), "{} of {CALLS} were refused", refused.len());
    for refused in &refused {
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
        assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    }
    // Calls that need no extraction are served while a stream's pages are extracted.
    let documents: Vec<_> = (0..STREAMED)
        .map(|sequence| IngestArticlesRequest {
            brief: true,
            ..IngestArticlesRequest::of(sequence, long_page(sequence))
        })
        .collect();
    let mut streamed = writes.clone().ingest_articles(futures::stream::iter(documents)).await.unwrap().into_inner();
    reads.clone().get_article(get(&name)).await.unwrap();
    ingest(&mut writes.clone(), invented(2)).await;
    for sequence in 0..STREAMED {
        let answer = streamed.message().await.unwrap().expect("all pages get a response");
        assert_eq!(answer.sequence, sequence);
        assert!(matches!(answer.result, Some(ingest_articles_response::Result::Ingested(_))), "{answer:?}");
    }
    call(CALLS).await.expect("extraction has room again");
}

/// A page is refused before all of it is sent. Ready articles are ingested meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_excess_page_is_rejected_before_it_is_received() {
    const BEGINNING: usize = 1_000;
    let server = TestServer::with(|options| (options.ingest_workers, options.ingest_queue) = (1, 1)).await;
    let writes = server.ingestion().await;
    let request =
        |document| IngestArticleRequest { document: Some(document), validate_only: true, ..Default::default() };
    let (page, article) = (enveloped(&request(long_page(0))), enveloped(&request(ready(invented(1)))));
    let documents = (1..40).map(|sequence| IngestArticlesRequest {
        brief: true,
        ..IngestArticlesRequest::of(sequence, long_page(sequence))
    });
    let streamed = writes.clone().ingest_articles(futures::stream::iter(documents.collect::<Vec<_>>())).await;
    let mut streamed = streamed.unwrap().into_inner();
    assert!(streamed.message().await.unwrap().is_some());
    // A page that begins to arrive between two of the stream's is admitted, and its rest is awaited; another one is
    // begun then.
    let wire = Wire::connect(server.address).await;
    let refused = async {
        loop {
            let (answer, _rest) = wire.half(INGEST, &page[..BEGINNING]).await;
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(100), status(answer)).await {
                return answer.unwrap();
            }
        }
    };
    let refused = tokio::time::timeout(SOON, refused).await.expect("an incomplete page is refused");
    assert_eq!(refused, Code::ResourceExhausted as i32);

    let (answer, mut rest) = wire.half(INGEST, &article[..20]).await;
    rest.send_data(article.slice(20..), true).unwrap();
    assert_eq!(status(answer).await.unwrap(), Code::Ok as i32);
    assert!(streamed.message().await.unwrap().is_some(), "the stream's pages are no longer extracted");
}

/// A single page is ingested under any load of streams.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_pages_leave_capacity_for_unary_calls() {
    const STREAMED: i64 = 60;
    let server = TestServer::with(|options| (options.ingest_workers, options.ingest_queue) = (1, 8)).await;
    let writes = server.ingestion().await;
    let page = |number: i64| page(number, 100);
    let mut streams = Vec::new();
    for stream in 0..3 {
        let requests: Vec<_> = (0..STREAMED)
            .map(|sequence| IngestArticlesRequest {
                brief: true,
                ..IngestArticlesRequest::of(sequence, page(stream * STREAMED + sequence))
            })
            .collect();
        let answers = writes.clone().ingest_articles(futures::stream::iter(requests)).await.unwrap();
        streams.push(answers.into_inner());
    }
    // From now on the streams have more pages waiting than the queue holds.
    for stream in &mut streams {
        assert!(stream.message().await.unwrap().is_some());
    }
    for number in 0..10 {
        let request = IngestArticleRequest { document: Some(page(-1 - number)), ..Default::default() };
        writes.clone().ingest_article(request).await.expect("the queue has room for calls");
    }
    for mut stream in streams {
        let mut answered = 1;
        while let Some(answer) = stream.message().await.unwrap() {
            assert!(matches!(answer.result, Some(ingest_articles_response::Result::Ingested(_))), "{answer:?}");
            answered += 1;
        }
        assert_eq!(answered, STREAMED);
    }
}

/// The limit falls by the load of the processors, not by the latency of calls: the test makes none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_concurrency_limit_falls_while_processors_are_overloaded() {
    let server = TestServer::with(|options| options.calls.max_task_delay = Some(Duration::from_millis(5))).await;
    let hogs: Vec<_> = (0..16)
        .map(|_| {
            tokio::spawn(async {
                loop {
                    std::thread::sleep(Duration::from_millis(5));
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    server.until_metric("copydesk_grpc_calls_limit 32").await;
    hogs.iter().for_each(tokio::task::JoinHandle::abort);
    server.until_metric("copydesk_grpc_calls_limit 1024").await;
    server.retrieval().await.list_articles(ListArticlesRequest::default()).await.unwrap();
}

#[tokio::test]
async fn lists_leave_a_slot_for_single_article_reads() {
    let database = Cluster::shared().database().await;
    let server = start(&database).await;
    let (mut writes, reads) = (server.ingestion().await, server.retrieval().await);
    let name = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    // Lists by author need this table, single articles do not.
    let held = database.client().await;
    held.batch_execute("BEGIN; LOCK TABLE copydesk.facets").await.unwrap();
    let filter = Some(ArticleFilter { authors: Some(StringCondition::any_of(["Writer 1"])), ..Default::default() });
    let list = ListArticlesRequest { filter, ..Default::default() };
    let spawn = |_| {
        let (mut reads, request) = (reads.clone(), list.clone());
        tokio::spawn(async move { reads.list_articles(request).await })
    };
    let lists: Vec<_> = (0..3).map(spawn).collect();
    server.until_metric("copydesk_store_reads_in_flight 1").await;
    server.until_metric("copydesk_store_reads_waiting 2").await;
    reads.clone().get_article(get(&name)).await.unwrap();
    let refused = reads.clone().list_articles(list.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    held.batch_execute("ROLLBACK").await.unwrap();
    for answered in join_all(lists).await {
        assert_eq!(answered.unwrap().unwrap().into_inner().articles.len(), 1);
    }
}

#[tokio::test]
async fn concurrent_reads_of_one_article_are_coalesced() {
    let database = Cluster::shared().database().await;
    let server = start(&database).await;
    let (mut writes, reads) = (server.ingestion().await, server.retrieval().await);
    let name = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    // Reads bypass the cache until it is trusted.
    let cached = async {
        while reads.clone().get_article(get(&name)).await.unwrap().metadata().get("copydesk-cache").unwrap() != "local"
        {
        }
    };
    tokio::time::timeout(Duration::from_secs(20), cached).await.expect("the article is cached");
    let cold = ingest(&mut writes, invented(2)).await.article.unwrap().name;
    let held = database.client().await;
    held.batch_execute("BEGIN; LOCK TABLE copydesk.texts").await.unwrap();
    let spawn = |_| {
        let (mut reads, request) = (reads.clone(), get(&cold));
        tokio::spawn(async move { reads.get_article(request).await })
    };
    let readers: Vec<_> = (0..100).map(spawn).collect();
    server.until_metric("copydesk_grpc_calls_in_flight{method=\"copydesk.v1.RetrievalService/GetArticle\"} 100").await;
    server.until_metric("copydesk_store_reads_in_flight 1").await;
    held.batch_execute("ROLLBACK").await.unwrap();
    for answered in join_all(readers).await {
        answered.unwrap().unwrap();
    }
    server.until_metric("copydesk_store_reads_shed_total 0").await;
}

/// Streams whose clients do not read are ended, since they hold memory that all streams share.
#[tokio::test]
async fn unread_streams_are_ended_and_others_continue() {
    const UNREAD: Duration = Duration::from_millis(200);
    let server = TestServer::with(|options| {
        options.ingest.stream_bytes = 1 << 20;
        options.ingest.unread = UNREAD;
    })
    .await;
    let large = |number: usize| {
        let article = Article { body: "The harbour is silting up. ".repeat(4_000), ..invented(number) };
        IngestArticlesRequest::of(number as i64, ready(article))
    };
    let mut unread = Vec::new();
    for client in 0..4 {
        // Small windows, so that the connection buffers little.
        let endpoint = server.endpoint().initial_stream_window_size(65_535).initial_connection_window_size(65_535);
        let channel = endpoint.connect().await.unwrap();
        let mut writes = IngestionServiceClient::new(channel).max_decoding_message_size(64 << 20);
        let documents = futures::stream::iter((0..400).map(move |number| large(client * 400 + number)));
        unread.push(writes.ingest_articles(documents).await.unwrap().into_inner());
    }
    let method = "method=\"copydesk.v1.IngestionService/IngestArticles\"";
    server.until_metric(&format!("copydesk_grpc_calls_in_flight{{{method}}} 4")).await;
    let mut answers =
        server.ingestion().await.ingest_articles(tokio_stream::once(large(9_999))).await.unwrap().into_inner();
    let answer = tokio::time::timeout(Duration::from_secs(60), answers.message())
        .await
        .expect("the other client's document gets a response");
    assert!(matches!(answer.unwrap().unwrap().result, Some(ingest_articles_response::Result::Ingested(_))));
    let read = unread.into_iter().map(|mut answers| async move {
        // Slow reads: more unread responses accumulate than the server keeps.
        loop {
            tokio::time::sleep(UNREAD * 2).await;
            match answers.message().await {
                Ok(answer) => assert!(answer.is_some(), "the stream ended with OK"),
                Err(refused) => break refused,
            }
        }
    });
    for refused in join_all(read).await {
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "ANSWERS_UNREAD");
    }
}
