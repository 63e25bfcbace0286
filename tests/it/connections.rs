//! Lifecycle of connections: opening, age, refusal and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::http2_frames::{DATA, END_HEADERS, END_STREAM, HEADERS, frame, headers, opening};
use crate::raw_http2_client::{Ended, Wire, enveloped, status};
use crate::test_server::{TestServer, ingest, invented};

const GET: &str = "/copydesk.v1.RetrievalService/GetArticle";
/// Timeout that exceeds every wait here, and is far shorter than the grace times that must not be waited for.
const SOON: Duration = Duration::from_secs(60);
const LONG: Duration = Duration::from_secs(3_600);

/// Waits for the next checkpoint of a watch. Returns its token.
async fn checkpoint(watch: &mut tonic::Streaming<WatchArticlesResponse>) -> String {
    loop {
        let event = watch.next().await.unwrap().unwrap().event;
        if let Some(watch_articles_response::Event::Checkpoint(checkpoint)) = event {
            return checkpoint.change_token;
        }
    }
}

/// Calls continuously on several connections until each accepts no more calls. Returns the counter of calls and the
/// tasks.
async fn call_without_pause(
    server: &TestServer,
    name: &str,
    connections: usize,
) -> (Arc<AtomicUsize>, tokio::task::JoinSet<()>) {
    let answered = Arc::new(AtomicUsize::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let wire = Wire::connect(server.address).await;
        for _ in 0..8 {
            let (wire, answered) = (wire.clone(), Arc::clone(&answered));
            let request = GetArticleRequest { name: name.to_owned(), ..Default::default() };
            callers.spawn(async move {
                loop {
                    match wire.call(GET, &request, &[]).await {
                        Ended::Status(0) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Ended::NotSent | Ended::NotTaken => return,
                        Ended::Broken(error) => panic!("a sent call is lost: {error}"),
                        other @ Ended::Status(_) => panic!("a call failed: {other:?}"),
                    }
                }
            });
        }
    }
    (answered, callers)
}

async fn all(mut callers: tokio::task::JoinSet<()>) {
    let ended = async {
        while let Some(caller) = callers.join_next().await {
            caller.unwrap();
        }
    };
    tokio::time::timeout(SOON, ended).await.expect("all connections end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_during_a_graceful_stop() {
    let server = TestServer::with(|options| options.drain_wait = Duration::from_millis(500)).await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let (answered, callers) = call_without_pause(&server, &name, 4).await;
    while answered.load(Ordering::Relaxed) < 1_000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let stopped = tokio::spawn(server.stop());
    all(callers).await;
    stopped.await.unwrap();
    println!("{} calls, none lost", answered.load(Ordering::Relaxed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_at_the_maximum_connection_age() {
    let server = TestServer::with(|options| options.connections.age = Some(Duration::from_millis(50))).await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    for _ in 0..10 {
        let (_, callers) = call_without_pause(&server, &name, 2).await;
        all(callers).await;
    }
    let aged = server
        .http("/metrics")
        .await
        .lines()
        .find_map(|line| line.strip_prefix("copydesk_connections_aged_total ").map(str::to_owned));
    assert!(aged.unwrap().parse::<u32>().unwrap() >= 20);
}

#[tokio::test]
async fn a_stop_is_announced_before_connections_end() {
    let server = TestServer::with(|options| options.drain_wait = Duration::from_secs(3)).await;
    let mut writes = server.ingestion().await;
    let name = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    let mut health =
        HealthClient::new(server.channel().await).watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(health.next().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let mut reads = server.retrieval().await;
    let mut watch = reads.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    checkpoint(&mut watch).await;
    let (address, http) = (server.address, server.http);
    let stopped = tokio::spawn(server.stop());
    assert_eq!(health.next().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    // Clients that have not noticed the stop are served, on open and on new connections.
    reads.get_article(GetArticleRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    let mut ready = TcpStream::connect(http).await.unwrap();
    ready.write_all(b"GET /readyz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut text = String::new();
    ready.read_to_string(&mut text).await.unwrap();
    assert!(text.starts_with("HTTP/1.0 503"), "{text}");
    let get = GetArticleRequest { name, ..Default::default() };
    assert!(matches!(Wire::connect(address).await.call(GET, &get, &[]).await, Ended::Status(0)));
    ingest(&mut writes, invented(2)).await;
    // The watch gets changes from after the announcement of the stop; then it ends with a status.
    let change = watch.next().await.unwrap().unwrap();
    assert!(matches!(change.event, Some(watch_articles_response::Event::Change(_))), "{change:?}");
    let end = loop {
        if let Err(end) = watch.next().await.unwrap() {
            break end;
        }
    };
    assert_eq!((end.code(), end.get_details_error_info().unwrap().reason.as_str()), (Code::Unavailable, "STOPPING"));
    stopped.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err(), "the port is still open");
}

/// Models a proxy that does not follow health: it connects just before the port closes and calls just after.
#[tokio::test]
async fn calls_on_connections_opened_before_a_stop_are_served() {
    // One success suffices: a slow machine may exceed the grace time of a second.
    for attempt in 1.. {
        let server = TestServer::start().await;
        let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
        let address = server.address;
        let mut caller = TcpStream::connect(address).await.unwrap();
        let stopped = tokio::spawn(server.stop());
        while TcpStream::connect(address).await.is_ok() {}
        let message = enveloped(&GetArticleRequest { name: name.clone(), ..Default::default() });
        let call =
            [opening(&[]), frame(HEADERS, END_HEADERS, 1, &headers(GET, &[])), frame(DATA, END_STREAM, 1, &message)];
        let mut answer = Vec::new();
        let has_come = |answer: &[u8]| answer.windows(name.len()).any(|bytes| bytes == name.as_bytes());
        if caller.write_all(&call.concat()).await.is_ok() {
            while !has_come(&answer) && caller.read_buf(&mut answer).await.is_ok_and(|read| read > 0) {}
        }
        drop(caller);
        stopped.await.unwrap();
        if has_come(&answer) {
            return;
        }
        assert!(attempt < 10, "only {} bytes were received", answer.len());
    }
}

#[tokio::test]
async fn calls_that_wait_for_their_client_do_not_delay_a_stop() {
    let server = TestServer::with(|options| options.shutdown_grace = LONG).await;
    // A silent connection, and one with half of the HTTP/2 preface.
    let silent = TcpStream::connect(server.address).await.unwrap();
    let mut half = TcpStream::connect(server.address).await.unwrap();
    half.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap();
    // Calls with half of the message, and with half of its prefix.
    let wire = Wire::connect(server.address).await;
    let (message, _rest) = wire.half(GET, b"\0\0\0\0\x09abc").await;
    let (envelope, _rest) = wire.half("/copydesk.v1.IngestionService/IngestArticle", b"\0\0").await;
    // Streams with idle callers.
    let wire = Wire::connect(server.address).await;
    let (reflection, _rest) = wire.half("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", b"").await;
    let (ingest, _rest) = wire.half("/copydesk.v1.IngestionService/IngestArticles", b"").await;
    server.until_metric("copydesk_connections 4").await;
    for (method, count) in [
        ("copydesk.v1.RetrievalService/GetArticle", 1),
        ("copydesk.v1.IngestionService/IngestArticle", 1),
        ("copydesk.v1.IngestionService/IngestArticles", 1),
        ("other", 1),
    ] {
        server.until_metric(&format!("copydesk_grpc_calls_in_flight{{method=\"{method}\"}} {count}")).await;
    }
    tokio::time::timeout(SOON, server.stop()).await.expect("the stop waits for nothing");
    let unavailable = Code::Unavailable as i32;
    assert_eq!(status(message).await.unwrap(), unavailable);
    assert_eq!(status(envelope).await.unwrap(), unavailable);
    assert_eq!(status(ingest).await.unwrap(), unavailable);
    assert_eq!(status(reflection).await.unwrap(), 0);
    drop((silent, half));
}

#[tokio::test]
async fn streams_of_an_aged_connection_resume_on_another() {
    let server = TestServer::with(|options| {
        options.connections.age = Some(Duration::from_millis(100));
        options.connections.age_grace = Duration::from_millis(100);
        options.retrieve.checkpoint_interval = Duration::from_millis(100);
    })
    .await;
    let mut seen = 0;
    let mut token = String::new();
    let mut ended = 0;
    for number in 1..=5 {
        ingest(&mut server.ingestion().await, invented(number)).await;
    }
    while ended < 3 {
        let request = match token.as_str() {
            "" => WatchArticlesRequest::from_beginning(),
            token => WatchArticlesRequest::after(token),
        };
        let mut watch = server.retrieval().await.watch_articles(request).await.unwrap().into_inner();
        let end = loop {
            match watch.next().await.unwrap() {
                Ok(event) => match event.event.unwrap() {
                    watch_articles_response::Event::Change(change) => {
                        seen += 1;
                        token = change.change_token;
                    }
                    watch_articles_response::Event::Checkpoint(checkpoint) => token = checkpoint.change_token,
                    other => panic!("{other:?}"),
                },
                Err(end) => break end,
            }
        };
        assert_eq!(end.code(), Code::Unavailable, "{end:?}");
        assert!(end.get_details_retry_info().unwrap().retry_delay.is_some());
        ended += 1;
    }
    assert_eq!(seen, 5, "each change is seen once");
    // The connections end, too.
    server.until_metric("copydesk_connections 0").await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let server = TestServer::with(|options| options.connections.max = 2).await;
    let wire = Wire::connect(server.address).await;
    let second = TcpStream::connect(server.address).await.unwrap();
    server.until_metric("copydesk_connections 2").await;
    let mut third = TcpStream::connect(server.address).await.unwrap();
    let closed = tokio::time::timeout(SOON, third.read_to_end(&mut Vec::new())).await;
    assert!(closed.is_ok(), "the third connection is open");
    server.until_metric("copydesk_connections_refused_total 1").await;
    // Open connections are served; closing one makes room.
    let get = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    assert!(matches!(wire.call(GET, &get, &[]).await, Ended::Status(5)));
    drop(second);
    server.until_metric("copydesk_connections 1").await;
    assert!(matches!(Wire::connect(server.address).await.call(GET, &get, &[]).await, Ended::Status(5)));
}

#[tokio::test]
async fn keepalive_closes_unresponsive_connections_and_pings_are_answered() {
    let server = TestServer::with(|options| {
        options.connections.keepalive = Some(Duration::from_millis(200));
        options.connections.keepalive_timeout = Duration::from_millis(200);
    })
    .await;
    let mut deaf = TcpStream::connect(server.address).await.unwrap();
    // The preface, empty SETTINGS, and a PING.
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x08\x06\0\0\0\0\0copydesk")
        .await
        .unwrap();
    let mut heard = Vec::new();
    tokio::time::timeout(SOON, deaf.read_to_end(&mut heard)).await.expect("the connection is closed").unwrap();
    let answer = b"\0\0\x08\x06\x01\0\0\0\0copydesk";
    assert!(heard.windows(answer.len()).any(|bytes| bytes == answer), "no answer to a ping in {heard:?}");
    let ping = b"\0\0\x08\x06\0\0\0\0\0";
    assert!(heard.windows(ping.len()).any(|bytes| bytes == ping), "no ping in {heard:?}");
    // A connection that answers pings outlives the timeout.
    let wire = Wire::connect(server.address).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let get = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    assert!(matches!(wire.call(GET, &get, &[]).await, Ended::Status(5)));
}

#[tokio::test]
async fn rejects_expired_deadlines_on_arrival() {
    let server = TestServer::start().await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let wire = Wire::connect(server.address).await;
    let get = GetArticleRequest { name, ..Default::default() };
    for spent in ["0m", "0S", "1n", "999n"] {
        let ended = wire.call(GET, &get, &[("grpc-timeout", spent)]).await;
        assert!(matches!(ended, Ended::Status(code) if code == Code::DeadlineExceeded as i32), "{spent}: {ended:?}");
    }
    // The article was not read for them.
    let metrics = server.http("/metrics").await;
    for layer in ["local", "store"] {
        let none = format!("copydesk_cache_answers_total{{layer=\"{layer}\"}} 0");
        assert!(metrics.lines().any(|line| line == none), "{metrics}");
    }
    assert!(matches!(wire.call(GET, &get, &[("grpc-timeout", "20S")]).await, Ended::Status(0)));
}

#[tokio::test]
async fn health_watch_follows_the_protocol() {
    let server = TestServer::start().await;
    let mut health = HealthClient::new(server.channel().await);
    let request = HealthCheckRequest { service: "none".into() };
    let mut watch = health.watch(request).await.unwrap().into_inner();
    assert_eq!(watch.next().await.unwrap().unwrap().status(), ServingStatus::ServiceUnknown);
    // The watch stays open until its connection ends, and then ends with OK.
    let stopped = tokio::spawn(server.stop());
    assert!(watch.next().await.is_none());
    stopped.await.unwrap();
}

/// Refused documents get a status, and the connection stays open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejecting_documents_ends_no_connection() {
    const CALLS: usize = 1_000;
    const AT_ONCE: usize = 200;
    let server = TestServer::with(|options| options.calls.max_concurrent_requests = 0).await;
    let writes = server.ingestion().await;
    let text = "The harbour council agreed on Monday to dredge the northern channel.\n".repeat(4_000);
    let call = |number: usize| {
        let (mut writes, url) = (writes.clone(), format!("https://herald.example/{number}"));
        let document = Document { payload: Some(Payload::Text(text.clone())), url, ..Default::default() };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        async move { writes.ingest_article(request).await }
    };
    let calls = futures::stream::iter((0..CALLS).map(call));
    let answers: Vec<_> = futures::StreamExt::buffer_unordered(calls, AT_ONCE).collect().await;
    for answer in answers {
        let refused = answer.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    }
}
