//! Signals, the metrics port, reflection, content types, compression, and the range of times.

use std::time::Duration;

use copydesk::proto::*;
use futures::future::select_all;
use prost_types::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic::codec::CompressionEncoding;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ExtensionRequest, ServerReflectionRequest};

use crate::bad_input::fields;
use crate::raw_http2_client::enveloped;
use crate::support::process::Serve;
use crate::test_server::{TestServer, ingest, invented, ready};

/// Timeout that exceeds every wait here.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_hangup_ends_neither_the_process_nor_a_watch() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &[]);
    let mut client = server.client().await;
    let mut watch = client.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    server.hang_up();
    let document = ready(invented(1));
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    client.ingestion.ingest_article(request).await.unwrap();
    watch.next().await.unwrap().unwrap();
    let log = server.stop();
    assert!(log.contains("SIGHUP"), "{log}");
    assert!(!log.contains('\x1b'), "a log in a file has no colours: {log}");
}

#[tokio::test]
async fn idle_connections_of_the_metrics_port_are_bounded() {
    let server = TestServer::start().await;
    let mut idle = Vec::new();
    for _ in 0..80 {
        idle.push(TcpStream::connect(server.http).await.unwrap());
    }
    // Beyond the maximum, connections are closed.
    let ends = idle.iter_mut().map(|stream| {
        Box::pin(async {
            let mut first = [0];
            stream.read(&mut first).await
        })
    });
    let (ended, _, _) = tokio::time::timeout(SOON, select_all(ends)).await.expect("all 80 connections stay open");
    assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
    drop(idle);
    let served = async {
        let mut text = String::new();
        while !text.contains("200 OK") {
            text.clear();
            let Ok(mut stream) = TcpStream::connect(server.http).await else { continue };
            // A connection beyond the maximum is closed meanwhile.
            let _ = stream.write_all(b"GET /livez HTTP/1.0\r\n\r\n").await;
            let _ = stream.read_to_string(&mut text).await;
        }
    };
    tokio::time::timeout(SOON, served).await.expect("the port serves again");
}

#[tokio::test]
async fn reflection_answers_unknown_symbols_and_goes_on() {
    let server = TestServer::start().await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let ask = |request| ServerReflectionRequest { host: String::new(), message_request: Some(request) };
    let extension = |extension_number| ExtensionRequest {
        containing_type: "google.protobuf.MethodOptions".into(),
        extension_number,
    };
    let symbols = [
        ("no.Such", false),
        ("copydesk.v1.Article", true),
        ("copydesk.v1.Article.headline", true),
        ("copydesk.v1.RetrievalService.GetArticle", true),
        ("copydesk.v1.Article.colour", false),
        ("google.rpc.BadRequest", true),
        ("grpc.health.v1.Health", true),
    ];
    let mut requests: Vec<_> =
        symbols.iter().map(|(name, _)| ask(MessageRequest::FileContainingSymbol((*name).into()))).collect();
    requests.push(ask(MessageRequest::FileByFilename("no.proto".into())));
    requests.push(ask(MessageRequest::FileByFilename("copydesk/v1/article.proto".into())));
    requests.push(ask(MessageRequest::FileContainingExtension(extension(72_295_728))));
    requests.push(ask(MessageRequest::FileContainingExtension(extension(1))));
    requests.push(ask(MessageRequest::ListServices(String::new())));
    let sent = requests.len();
    let answers = client.server_reflection_info(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap().message_response.unwrap()).collect().await;
    assert_eq!(answers.len(), sent);
    let known: Vec<bool> = answers.iter().map(|answer| !matches!(answer, MessageResponse::ErrorResponse(_))).collect();
    let expected: Vec<bool> = symbols.iter().map(|(_, known)| *known).chain([false, true, true, false, true]).collect();
    assert_eq!(known, expected);
    let Some(MessageResponse::ListServicesResponse(services)) = answers.last() else { panic!("{answers:?}") };
    assert!(services.service.iter().any(|service| service.name == "copydesk.v1.EditorialService"), "{services:?}");
}

#[tokio::test]
async fn small_responses_and_those_to_defective_clients_are_not_compressed() {
    let server = TestServer::start().await;
    let mut ingestion = server.ingestion().await;
    let small = ingest(&mut ingestion, invented(1)).await.article.unwrap();
    let long = Article { body: "The harbour is silting up again this year.\n\n".repeat(100), ..invented(2) };
    let long = ingest(&mut ingestion, long).await.article.unwrap();
    let encoding = async |name: &str, agent: Option<&'static str>| {
        let mut endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
        if let Some(agent) = agent {
            endpoint = endpoint.user_agent(agent).unwrap();
        }
        let channel = endpoint.connect().await.unwrap();
        let reads = retrieval_service_client::RetrievalServiceClient::new(channel);
        let mut reads = reads.accept_compressed(CompressionEncoding::Gzip);
        let got = reads.get_article(GetArticleRequest { name: name.into(), ..Default::default() }).await.unwrap();
        got.metadata().get("grpc-encoding").map_or("none".to_owned(), |found| found.to_str().unwrap().to_owned())
    };
    assert_eq!(encoding(&long.name, None).await, "gzip");
    assert_eq!(encoding(&long.name, Some("grpc-python/1.83.0 grpc-c/50.0.0")).await, "none");
    assert_eq!(encoding(&long.name, Some("grpc-python/1.86.0 grpc-c/50.0.0")).await, "gzip");
    // The header names the encoding, but a small message is sent as it is.
    assert_eq!(compressed_flag(&server, &small.name).await, 0);
    assert_eq!(compressed_flag(&server, &long.name).await, 1);
}

#[tokio::test]
async fn the_last_second_of_the_calendar_is_a_time() {
    let server = TestServer::start().await;
    let last = Some(Timestamp { seconds: 253_402_300_799, nanos: 0 });
    let article = Article { expire_time: last, publish_time: last, ..invented(1) };
    let stored = ingest(&mut server.ingestion().await, article).await.article.unwrap();
    assert_eq!((stored.expire_time, stored.publish_time), (last, last));
    let mut reads = server.retrieval().await;
    let filter = Some(ArticleFilter { end_publish_time: last, ..Default::default() });
    reads.list_articles(ListArticlesRequest { filter, ..Default::default() }).await.unwrap();
    let beyond = Some(Timestamp { seconds: 253_402_300_800, nanos: 0 });
    let filter = Some(ArticleFilter { end_publish_time: beyond, ..Default::default() });
    let error = reads.list_articles(ListArticlesRequest { filter, ..Default::default() }).await.unwrap_err();
    assert_eq!(fields(&error), ["filter.end_publish_time"]);
}

#[tokio::test]
async fn content_types_other_than_protobuf_are_refused() {
    let server = TestServer::start().await;
    for (content_type, accepted) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc; charset=utf-8", true),
        ("application/grpc+json", false),
        ("application/grpcx", false),
    ] {
        let stream = TcpStream::connect(server.address).await.unwrap();
        let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post("http://localhost/grpc.health.v1.Health/Check")
            .header("content-type", content_type)
            .header("te", "trailers")
            .body(())
            .unwrap();
        let (answer, mut body) = h2.send_request(request, false).unwrap();
        body.send_data(bytes::Bytes::from_static(&[0, 0, 0, 0, 0]), true).unwrap();
        let status = answer.await.unwrap().status();
        assert_eq!(status == 200, accepted, "{content_type}: {status}");
    }
}

/// Returns the compressed flag of the response to a caller that accepts gzip.
async fn compressed_flag(server: &TestServer, name: &str) -> u8 {
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut h2, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::post("http://localhost/copydesk.v1.RetrievalService/GetArticle")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-accept-encoding", "gzip")
        .body(())
        .unwrap();
    let (answer, mut body) = h2.send_request(request, false).unwrap();
    let get = GetArticleRequest { name: name.into(), ..Default::default() };
    body.send_data(enveloped(&get), true).unwrap();
    let mut received = answer.await.unwrap().into_body();
    received.data().await.unwrap().unwrap()[0]
}
