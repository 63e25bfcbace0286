//! Our own client over several replicas: calls that it retries, and calls that it does not.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use copydesk::proto::{Article, GetArticleRequest, IngestArticleRequest, ListArticlesRequest, WatchArticlesRequest};
use copydesk_client::{Client, Retrying};
use tonic::{Code, Request};

use crate::support::observing_proxy::ObservingProxy;
use crate::support::redis_server::free_port;
use crate::test_server::{TestServer, ingest, invented, ready};

fn balanced(addresses: &[String]) -> Client<Retrying> {
    Client::balanced(addresses).unwrap()
}

#[tokio::test]
async fn rejected_reads_are_retried() {
    let server = TestServer::start().await;
    let article = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap();
    let proxy = ObservingProxy::start(&server.address.to_string(), 2).await;
    let request = GetArticleRequest { name: article.name.clone(), ..Default::default() };
    let answer = balanced(&[proxy.address()]).retrieval.get_article(request).await.unwrap();
    assert_eq!(answer.metadata().get("witness-attempts").unwrap(), "3");
    assert_eq!(answer.into_inner().article.unwrap().name, article.name);
}

#[tokio::test]
async fn permanent_errors_are_not_retried() {
    let server = TestServer::with(|options| options.max_message_bytes = 64 << 10).await;
    let proxy = ObservingProxy::start(&server.address.to_string(), 0).await;
    let large = Article { body: "word ".repeat(30_000), ..invented(1) };
    let request = IngestArticleRequest { document: Some(ready(large)), ..Default::default() };
    let refusal = balanced(&[proxy.address()]).ingestion.ingest_article(request).await.unwrap_err();
    assert_eq!((refusal.code(), proxy.seen().calls), (Code::ResourceExhausted, 1));
}

#[tokio::test]
async fn unreachable_replicas_are_skipped() {
    let server = TestServer::start().await;
    let mut client = balanced(&[format!("127.0.0.1:{}", free_port()), server.address.to_string()]);
    for _ in 0..20 {
        client.retrieval.list_articles(ListArticlesRequest::default()).await.unwrap();
    }
}

/// While it still accepts calls: no call should fail to detect the stop.
#[tokio::test]
async fn replicas_that_announce_a_stop_are_not_called() {
    let stopping = TestServer::with(|options| options.drain_wait = Duration::from_secs(60)).await;
    let staying = TestServer::start().await;
    let at_stopping = ObservingProxy::start(&stopping.address.to_string(), 0).await;
    let at_staying = ObservingProxy::start(&staying.address.to_string(), 0).await;
    let mut client = balanced(&[at_stopping.address(), at_staying.address()]);
    let mut called = async |of: &ObservingProxy| {
        let before = of.seen().calls;
        for _ in 0..10 {
            client.retrieval.list_articles(ListArticlesRequest::default()).await.unwrap();
        }
        of.seen().calls - before
    };
    let until = Instant::now() + Duration::from_secs(30);
    while called(&at_stopping).await != 5 {
        assert!(Instant::now() < until, "calls are not balanced");
    }
    let stopped = tokio::spawn(stopping.stop());
    while called(&at_stopping).await != 0 {
        assert!(Instant::now() < until, "a stopping replica is still called");
    }
    assert_eq!(called(&at_staying).await, 10);
    stopped.abort();
}

#[tokio::test]
async fn an_expired_deadline_is_reported_as_deadline_exceeded() {
    // It accepts connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = balanced(&[silent.local_addr().unwrap().to_string()]);
    let mut request = Request::new(GetArticleRequest { name: "articles/a".into(), ..Default::default() });
    request.set_timeout(Duration::from_millis(200));
    assert_eq!(client.retrieval.get_article(request).await.unwrap_err().code(), Code::DeadlineExceeded);
}

/// A stream that has begun, and would last longer.
#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let server = TestServer::start().await;
    let mut request = Request::new(WatchArticlesRequest::default());
    request.set_timeout(Duration::from_millis(300));
    let mut events =
        balanced(&[server.address.to_string()]).retrieval.watch_articles(request).await.unwrap().into_inner();
    let ended = loop {
        match events.message().await {
            Ok(event) => assert!(event.is_some(), "a watch does not end before its deadline"),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::DeadlineExceeded);
}
