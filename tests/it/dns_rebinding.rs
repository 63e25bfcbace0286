//! DNS rebinding, and pages of other origins: both are refused.

use std::net::SocketAddr;

use bytes::Bytes;
use copydesk::proto::*;
use http::Version;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw_http2_client::enveloped;
use crate::test_server::{TestServer, ingest, invented};

const DELETE: &str = "/copydesk.v1.EditorialService/DeleteArticle";
const LIST: &str = "/copydesk.v1.RetrievalService/ListArticles";
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const GRPC: &str = "application/grpc";

/// Outcome of a call: the HTTP status, and the gRPC status if there is one.
type Outcome = (u16, Option<i32>);

const DONE: Outcome = (200, Some(0));
const DENIED: Outcome = (200, Some(7));

/// Calls over HTTP/2 with this `:authority`, if any, and these headers.
async fn call(
    address: SocketAddr,
    authority: Option<&str>,
    path: &str,
    message: &impl Message,
    headers: &[(&str, &str)],
) -> Outcome {
    let (requests, connection) = h2::client::handshake(TcpStream::connect(address).await.unwrap()).await.unwrap();
    tokio::spawn(connection);
    let mut request = match authority {
        Some(authority) => http::Request::post(format!("http://{authority}{path}")),
        // Without an authority, h2 sends only requests of version HTTP/1.1.
        None => http::Request::post(path).version(Version::HTTP_11),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let (response, mut body) = requests.ready().await.unwrap().send_request(request, false).unwrap();
    // The call may be refused before all of it is sent.
    let _refused = body.send_data(enveloped(message), true);
    let response = response.await.unwrap();
    let status = response.status().as_u16();
    let code =
        |headers: &http::HeaderMap| headers.get("grpc-status").map(|code| code.to_str().unwrap().parse().unwrap());
    if let Some(code) = code(response.headers()) {
        return (status, Some(code));
    }
    let mut body = response.into_body();
    while let Some(piece) = body.data().await {
        let piece: Bytes = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
    }
    (status, body.trailers().await.unwrap().as_ref().and_then(code))
}

async fn grpc(address: SocketAddr, authority: &str, message: &DeleteArticleRequest) -> Outcome {
    call(address, Some(authority), DELETE, message, &[("content-type", GRPC)]).await
}

/// Calls by gRPC-Web over HTTP/1.1 with this target and these header lines.
async fn web(address: SocketAddr, target: &str, message: &impl Message, lines: &[&str]) -> String {
    let body = enveloped(message);
    let mut head =
        format!("POST {target} HTTP/1.1\r\nconnection: close\r\ncontent-type: application/grpc-web+proto\r\n");
    lines.iter().for_each(|line| head += &format!("{line}\r\n"));
    head += &format!("content-length: {}\r\n\r\n", body.len());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn is_denied(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 200") && answer.contains("grpc-status: 7\r\n")
}

/// Returns host names that no local caller uses: those of pages, and lookalikes of local names.
fn names_of_pages(port: u16) -> Vec<String> {
    [
        "evil.example",
        "EVIL.example.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evillocalhost",
        "2130706433",
        "0x7f000001",
        "127.1",
        "127.0.0.1.",
    ]
    .map(|name| format!("{name}:{port}"))
    .into_iter()
    .chain([
        "evil.example".to_owned(),
        format!("localhost:{port}@evil.example"),
        format!("evil.example@localhost:{port}"),
    ])
    .collect()
}

#[tokio::test]
async fn rejects_writes_of_pages_after_dns_rebinding() {
    let server = TestServer::start().await;
    let (address, port) = (server.address, server.address.port());
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let delete = DeleteArticleRequest { name: name.clone(), ..Default::default() };
    for host in names_of_pages(port) {
        // The browser takes the called host for the page's origin.
        let origin = format!("origin: http://{host}");
        let answer = web(address, DELETE, &delete, &[&format!("host: {host}"), &origin]).await;
        // Invalid authorities are invalid HTTP, too.
        assert!(is_denied(&answer) || answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
        let answer = web(address, LIST, &ListArticlesRequest::default(), &[&format!("host: {host}")]).await;
        assert!(is_denied(&answer) || answer.starts_with("HTTP/1.1 400"), "{host}: {answer}");
        if format!("http://{host}/").parse::<http::Uri>().is_ok() {
            assert_eq!(grpc(address, &host, &delete).await, DENIED, "{host}");
        }
        // An allowed authority does not make another Host allowed.
        let headers = [("content-type", GRPC), ("host", host.as_str())];
        assert_eq!(call(address, Some("localhost"), DELETE, &delete, &headers).await, DENIED, "{host}");
    }
    let absolute = format!("http://evil.example:{port}{DELETE}");
    assert!(is_denied(&web(address, &absolute, &delete, &["host: localhost"]).await));
    let absolute = format!("http://localhost:{port}{DELETE}");
    assert!(is_denied(&web(address, &absolute, &delete, &["host: evil.example"]).await));
    // No Host, two, and an empty one.
    for lines in [&[][..], &["host: localhost", "host: evil.example"], &["host:"]] {
        let answer = web(address, DELETE, &delete, lines).await;
        assert!(is_denied(&answer) || answer.starts_with("HTTP/1.1 400"), "{lines:?}: {answer}");
    }
    assert_eq!(call(address, None, DELETE, &delete, &[("content-type", GRPC)]).await, DENIED);
    // Clients that do not speak gRPC get an HTTP error status.
    let plain = [("content-type", "text/plain")];
    assert_eq!(call(address, Some("evil.example"), DELETE, &delete, &plain).await, (403, Some(7)));
    // Load balancers request health under their own host names.
    let health = tonic_health::pb::HealthCheckRequest::default();
    assert_eq!(call(address, Some("copydesk"), HEALTH, &health, &[("content-type", GRPC)]).await, DONE);
    // The article still exists, and callers with allowed names can delete it.
    let get = GetArticleRequest { name: name.clone(), ..Default::default() };
    server.retrieval().await.get_article(get).await.expect("the article is not deleted");
    let restore = UndeleteArticleRequest { name, ..Default::default() };
    for host in ["localhost", "LOCALHOST.", "desk.localhost", "127.0.0.1", "[::1]", "[0:0::1]"] {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            assert_eq!(grpc(address, &host, &delete).await, DONE, "{host}");
            server.editorial().await.undelete_article(restore.clone()).await.unwrap();
            let answer = web(address, DELETE, &delete, &[&format!("host: {host}")]).await;
            assert!(answer.contains("grpc-status:0") || answer.contains("grpc-status: 0"), "{host}: {answer}");
            server.editorial().await.undelete_article(restore.clone()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn accepts_only_configured_host_names() {
    let list = ListArticlesRequest::default();
    let server = TestServer::with(|options| options.hosts = "copydesk,desk.internal".parse().unwrap()).await;
    for (host, expected) in [
        ("copydesk", DONE),
        ("Desk.Internal.:8080", DONE),
        ("localhost", DONE),
        ("evil.example", DENIED),
        ("copydesk.evil.example", DENIED),
    ] {
        assert_eq!(call(server.address, Some(host), LIST, &list, &[("content-type", GRPC)]).await, expected, "{host}");
    }
    let server = TestServer::with(|options| options.hosts = "*".parse().unwrap()).await;
    assert_eq!(call(server.address, Some("any.example"), LIST, &list, &[("content-type", GRPC)]).await, DONE);
    // A server that others can reach may have unknown names.
    let server = TestServer::with(|options| {
        options.listen = "0.0.0.0:0".parse().unwrap();
        options.insecure = true;
    })
    .await;
    let here = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    assert_eq!(call(here, Some("any.example"), LIST, &list, &[("content-type", GRPC)]).await, DONE);
    // With authentication, pages fail for lack of a credential, under any host name.
    let server = TestServer::with(|options| {
        let staleness_bound = std::time::Duration::from_secs(1);
        options.access = Some(copydesk::access::AccessOptions { staleness_bound, rate: None, jwt: None });
    })
    .await;
    let unauthenticated = (200, Some(16));
    let headers = [("content-type", GRPC), ("origin", "https://other.example")];
    assert_eq!(call(server.address, Some("any.example"), LIST, &list, &headers).await, unauthenticated);
}

#[tokio::test]
async fn rejects_writes_of_pages_of_other_origins() {
    let origin_of = |server: &TestServer| format!("http://127.0.0.1:{}", server.address.port());
    let server = TestServer::with(|options| options.web.origins = "https://desk.example".parse().unwrap()).await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let delete = DeleteArticleRequest { name: name.clone(), ..Default::default() };
    let authority = server.address.to_string();
    for origin in [
        "https://evil.example",
        "null",
        "https://desk.example:444",
        "http://desk.example",
        "https://127.0.0.1.evil.example",
    ] {
        let headers = [("content-type", GRPC), ("origin", origin)];
        assert_eq!(call(server.address, Some(&authority), DELETE, &delete, &headers).await, DENIED, "{origin}");
        let lines = [format!("host: {authority}"), format!("origin: {origin}")];
        let answer = web(server.address, DELETE, &delete, &[&lines[0], &lines[1]]).await;
        assert!(is_denied(&answer), "{origin}: {answer}");
    }
    server
        .retrieval()
        .await
        .get_article(GetArticleRequest { name: name.clone(), ..Default::default() })
        .await
        .expect("the article is not deleted");
    for origin in ["https://desk.example".to_owned(), origin_of(&server)] {
        let headers = [("content-type", GRPC), ("origin", origin.as_str())];
        assert_eq!(call(server.address, Some(&authority), DELETE, &delete, &headers).await, DONE, "{origin}");
        let restore = UndeleteArticleRequest { name: name.clone(), ..Default::default() };
        server.editorial().await.undelete_article(restore).await.unwrap();
    }
    let server = TestServer::with(|options| options.web.origins = "*".parse().unwrap()).await;
    let headers = [("content-type", GRPC), ("origin", "https://evil.example")];
    let list = ListArticlesRequest::default();
    assert_eq!(call(server.address, Some("localhost"), LIST, &list, &headers).await, DONE);
}
