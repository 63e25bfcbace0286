//! Deadlines, limits, health, reflection, metrics and graceful stop, which apply to all calls.

use std::time::Duration;

use copydesk::proto::*;
use rusqlite::Connection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_stream::StreamExt;
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::process::Serve;
use crate::test_server::{TestServer, ingest, invented, ready};

/// Holds the store's write lock until dropped; SQLite waits for it up to five seconds.
fn hold_writes(server: &TestServer) -> Connection {
    let connection = Connection::open(server.dir.path().join("articles.db")).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    connection
}

#[tokio::test]
async fn a_call_past_its_deadline_ends_and_its_write_completes() {
    let server = TestServer::start().await;
    let held = hold_writes(&server);
    let mut request = Request::new(IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() });
    request.set_timeout(Duration::from_millis(100));
    let refused = server.ingestion().await.ingest_article(request).await.unwrap_err();
    assert!(matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled), "{refused:?}");
    // The server's own count of the call; the client may have given up first.
    let ended = |code: &str| {
        format!("copydesk_grpc_calls_total{{method=\"copydesk.v1.IngestionService/IngestArticle\",code=\"{code}\"}} 1")
    };
    let (late, cancelled) = (ended("DEADLINE_EXCEEDED"), ended("CANCELLED"));
    let either = async {
        loop {
            let metrics = server.http("/metrics").await;
            if metrics.lines().any(|line| line == late || line == cancelled) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), either).await.expect("the call continues past its deadline");
    drop(held);
    // The write was handed to the store before the deadline, so it completes.
    let mut reads = server.retrieval().await;
    let watch = WatchArticlesRequest::from_beginning();
    let mut watch = reads.watch_articles(watch).await.unwrap().into_inner();
    let article = loop {
        if let Some(watch_articles_response::Event::Change(change)) = watch.next().await.unwrap().unwrap().event {
            break change.article.unwrap();
        }
    };
    assert_eq!((article.revision, article.body.as_str()), (1, invented(1).body.as_str()));
}

#[tokio::test]
async fn the_default_deadline_applies_to_calls_without_one() {
    let server = TestServer::with(|options| options.calls.default_deadline = Duration::from_millis(100)).await;
    let _held = hold_writes(&server);
    let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    let refused = server.ingestion().await.ingest_article(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::DeadlineExceeded);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "DEADLINE_EXCEEDED");
}

#[tokio::test]
async fn excess_calls_are_rejected_at_once_except_health() {
    let server = TestServer::with(|options| options.calls.max_concurrent_requests = 1).await;
    let held = hold_writes(&server);
    let mut writes = server.ingestion().await;
    let first = tokio::spawn(async move {
        let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
        writes.ingest_article(request).await
    });
    server.until_metric("copydesk_grpc_calls_in_flight{method=\"copydesk.v1.IngestionService/IngestArticle\"} 1").await;
    let list = ListArticlesRequest::default();
    let refused = server.retrieval().await.list_articles(list.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let mut health = HealthClient::new(server.channel().await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    drop(held);
    first.await.unwrap().unwrap();
    assert_eq!(server.retrieval().await.list_articles(list).await.unwrap().into_inner().articles.len(), 1);
}

#[tokio::test]
async fn graceful_stop_finishes_calls_in_flight_and_reports_not_serving() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    for service in ["", "copydesk.v1.EditorialService", "copydesk.v1.IngestionService", "copydesk.v1.RetrievalService"]
    {
        let answer = health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let unknown = health.check(HealthCheckRequest { service: "none".into() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(server.http("/readyz").await.ends_with("ready\n"));
    assert!(server.http("/livez").await.ends_with("ok\n"));
    let mut watch = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::Serving);

    let held = hold_writes(&server);
    let mut writes = server.ingestion().await;
    let in_flight = tokio::spawn(async move {
        let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
        writes.ingest_article(request).await
    });
    server.until_metric("copydesk_grpc_calls_in_flight{method=\"copydesk.v1.IngestionService/IngestArticle\"} 1").await;
    let (address, stopped) = (server.address, tokio::spawn(server.stop()));
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(held);
    assert_eq!(in_flight.await.unwrap().unwrap().into_inner().into_first().unwrap().outcome(), IngestOutcome::Created);
    stopped.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is still open");
}

#[tokio::test]
async fn handshakes_time_out_and_idle_connections_stay_open() {
    let server = TestServer::with(|options| options.connections.handshake = Duration::from_millis(200)).await;
    let watch = WatchArticlesRequest::default();
    let mut watch = server.retrieval().await.watch_articles(watch).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    for sent in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let mut silent = tokio::net::TcpStream::connect(server.address).await.unwrap();
        silent.write_all(sent).await.unwrap();
        // The server may send more before it closes the connection, or reset it.
        let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the connection is still open after {sent:?}");
    }
    // The stream's connection is older than both and stays open.
    ingest(&mut server.ingestion().await, invented(1)).await;
    watch.next().await.unwrap().unwrap();
}

#[tokio::test]
async fn reflection_lists_the_services() {
    use tonic_reflection::pb::{v1, v1alpha};
    let server = TestServer::start().await;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::ListServices(String::new())),
    };
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    let Some(v1::server_reflection_response::MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    let names: Vec<&str> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in [
        "copydesk.v1.EditorialService",
        "copydesk.v1.IngestionService",
        "copydesk.v1.RetrievalService",
        "grpc.health.v1.Health",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    let request = v1alpha::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1alpha::server_reflection_request::MessageRequest::FileContainingSymbol(
            "copydesk.v1.Article".into(),
        )),
    };
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
    let answer = answers.next().await.unwrap().unwrap().message_response;
    use v1alpha::server_reflection_response::MessageResponse::FileDescriptorResponse;
    assert!(matches!(answer, Some(FileDescriptorResponse(_))), "{answer:?}");
}

#[tokio::test]
async fn metrics_count_calls_and_outcomes() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let name = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    ingest(&mut writes, invented(1)).await;
    let get = GetArticleRequest { name, ..Default::default() };
    let mut reads = server.retrieval().await;
    for _ in 0..3 {
        reads.get_article(get.clone()).await.unwrap();
    }
    reads.get_article(GetArticleRequest { name: "articles/none".into(), ..get }).await.unwrap_err();
    let method = "method=\"copydesk.v1.RetrievalService/GetArticle\"";
    server.until_metric(&format!("copydesk_grpc_calls_total{{{method},code=\"OK\"}} 3")).await;
    server.until_metric(&format!("copydesk_grpc_calls_total{{{method},code=\"NOT_FOUND\"}} 1")).await;
    server.until_metric("copydesk_ingest_documents_total{outcome=\"created\"} 1").await;
    server.until_metric("copydesk_ingest_documents_total{outcome=\"unchanged\"} 1").await;
    // The cache or the store has answered each read, depending on the cache's follower.
    let answers = |metrics: &str, layer: &str| -> u64 {
        let name = format!("copydesk_cache_answers_total{{layer=\"{layer}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
    };
    let metrics = server.http("/metrics").await;
    assert_eq!(answers(&metrics, "local") + answers(&metrics, "store"), 3, "{metrics}");
    server.until_metric("copydesk_store_writes_total 2").await;
    let all = server.http("/metrics").await;
    for name in
        ["copydesk_grpc_call_duration_seconds_bucket", "copydesk_feed_lag_seconds", "copydesk_search_lag_seconds"]
    {
        assert!(all.contains(name), "{name}");
    }
    assert!(all.trim_end().ends_with("# EOF"), "no EOF mark of OpenMetrics");
}

// Two threads: the client must notice the server's stop while the test waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trace_and_request_id_are_propagated() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--log-format", "json", "--log-level", "debug"]);
    let mut request = Request::new(IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    request.metadata_mut().insert("x-request-id", "desk-7".parse().unwrap());
    let mut client = server.client().await;
    let answer = client.ingestion.ingest_article(request).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "desk-7");
    let name = answer.into_inner().into_first().unwrap().article.unwrap().name;
    let mut request = Request::new(GetArticleRequest { name: name.clone(), ..Default::default() });
    request.metadata_mut().insert("x-request-id", "desk-8".parse().unwrap());
    client.retrieval.get_article(request).await.unwrap();
    let log = server.stop();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let call = lines.iter().find(|line| line["span"]["request_id"] == "desk-7" && line["message"] == "call").unwrap();
    assert_eq!((&call["span"]["traceparent"], &call["rpc.code"]), (&trace.into(), &"OK".into()));
    assert_eq!(call["span"]["rpc.method"], "copydesk.v1.IngestionService/IngestArticle");
    assert!(call["duration_ms"].is_number());
    let get = lines.iter().find(|line| line["span"]["request_id"] == "desk-8" && line["message"] == "call").unwrap();
    assert_eq!((&get["span"]["article"], &get["cache"]), (&name.into(), &"store".into()));
    let body = invented(1).body;
    assert!(!log.contains(body.lines().next().unwrap()), "an article's body is in the log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_call_log_lines_identify_the_call_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    // Every call counts as slow, and the log level is warn.
    let server = Serve::on(dir.path(), &["--log-format", "json", "--log-level", "warn", "--slow-call", "0ms"]);
    let mut client = server.client().await;
    let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    let name = client
        .ingestion
        .ingest_article(request)
        .await
        .unwrap()
        .into_inner()
        .into_first()
        .unwrap_or_default()
        .article
        .unwrap()
        .name;
    let mut request = Request::new(GetArticleRequest { name: name.clone(), ..Default::default() });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.metadata_mut().insert("traceparent", trace.parse().unwrap());
    request.metadata_mut().insert("x-request-id", "desk-9".parse().unwrap());
    client.retrieval.get_article(request).await.unwrap();
    client.retrieval.list_articles(ListArticlesRequest::default()).await.unwrap();
    let log = server.stop();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |method: &str| lines.iter().find(|line| line["span"]["rpc.method"] == method).expect(method);
    let get = of("copydesk.v1.RetrievalService/GetArticle");
    assert_eq!((&get["message"], &get["rpc.code"]), (&"call was slow".into(), &"OK".into()));
    assert_eq!((&get["span"]["traceparent"], &get["span"]["request_id"]), (&trace.into(), &"desk-9".into()));
    assert_eq!(get["span"]["article"], name);
    assert_eq!(of("copydesk.v1.IngestionService/IngestArticle")["span"]["article"], name);
    // The article of one call is not logged for the next.
    assert!(of("copydesk.v1.RetrievalService/ListArticles")["span"]["article"].is_null());
}
