//! gRPC-Web as browsers use it: HTTP/1.1 with trailers in the body.

use std::net::SocketAddr;

use copydesk::proto::*;
use copydesk::server::Origins;
use http::header::{CONTENT_TYPE, HeaderValue};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::body::Body;
use tower::{Service, ServiceExt};

use crate::test_server::{TestServer, ingest, invented, ready};

const GET: &str = "/copydesk.v1.RetrievalService/GetArticle";

/// Response: the head, and the frames of the body (flag and content).
struct Answer {
    head: String,
    frames: Vec<(u8, Vec<u8>)>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim())
    }

    fn trailers(&self) -> String {
        let (flag, trailers) = self.frames.last().expect("a trailers frame");
        assert_eq!(*flag, 0x80, "trailers are last");
        String::from_utf8(trailers.clone()).unwrap()
    }

    fn messages<M: Message + Default>(&self) -> Vec<M> {
        let messages = self.frames.iter().filter(|(flag, _)| *flag == 0);
        messages.map(|(_, bytes)| M::decode(&bytes[..]).unwrap()).collect()
    }
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        head += &format!("{header}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("an HTTP/1.1 answer");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut body = bytes[end + 4..].to_vec();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = unchunked(&body);
    }
    let mut frames = Vec::new();
    let mut rest = &body[..];
    while let [flag, a, b, c, d, tail @ ..] = rest {
        let (frame, tail) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
        frames.push((*flag, frame.to_vec()));
        rest = tail;
    }
    Answer { head, frames }
}

fn unchunked(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

async fn call(server: &TestServer, path: &str, message: impl Message, headers: &[&str]) -> Answer {
    let message = message.encode_to_vec();
    let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
    let headers = [&["content-type: application/grpc-web+proto", "x-grpc-web: 1"], headers].concat();
    ask(server.address, "POST", path, &headers, &framed).await
}

async fn preflight(server: &TestServer, origin: &str) -> Answer {
    let headers = [
        &format!("origin: {origin}"),
        "access-control-request-method: POST",
        "access-control-request-headers: content-type,x-grpc-web",
    ];
    ask(server.address, "OPTIONS", GET, &headers, b"").await
}

#[tokio::test]
async fn web_pages_receive_articles_errors_and_streams() {
    let server = TestServer::start().await;
    let article = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap();
    let got = call(&server, GET, GetArticleRequest { name: article.name.clone(), ..Default::default() }, &[]).await;
    assert!(got.head.starts_with("HTTP/1.1 200"), "{}", got.head);
    assert_eq!(got.header("content-type"), Some("application/grpc-web+proto"));
    assert!(got.header("copydesk-cache").is_some(), "{}", got.head);
    assert_eq!(got.messages::<GetArticleResponse>()[0].article.as_ref().unwrap().headline, invented(1).headline);
    assert!(got.trailers().contains("grpc-status:0"), "{}", got.trailers());

    let missing =
        call(&server, GET, GetArticleRequest { name: "articles/none".into(), ..Default::default() }, &[]).await;
    let status = missing.header("grpc-status").map_or_else(|| missing.trailers(), str::to_owned);
    assert!(status.ends_with('5') || status.contains("grpc-status:5"), "{status}");

    ingest(&mut server.ingestion().await, invented(2)).await;
    let path = "/copydesk.v1.RetrievalService/ExportArticles";
    let exported = call(&server, path, ExportArticlesRequest::default(), &[]).await;
    let articles = exported.messages::<ExportArticlesResponse>();
    assert!(articles.len() >= 2, "{} messages", articles.len());
}

#[tokio::test]
async fn only_configured_origins_may_call() {
    let header = "access-control-allow-origin";
    let server = TestServer::start().await;
    assert_eq!(preflight(&server, "https://desk.example").await.header(header), None, "off by default");
    let request = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    let called = call(&server, GET, request.clone(), &["origin: https://desk.example"]).await;
    assert_eq!(called.header(header), None);

    let server = TestServer::with(|options| {
        options.web.origins = "https://desk.example,https://app.example:8443".parse().unwrap();
    })
    .await;
    let allowed = preflight(&server, "https://app.example:8443").await;
    assert!(allowed.head.starts_with("HTTP/1.1 200"), "{}", allowed.head);
    assert_eq!(allowed.header(header), Some("https://app.example:8443"));
    assert!(allowed.header("access-control-allow-headers").unwrap().contains("x-grpc-web"), "{}", allowed.head);
    assert_eq!(preflight(&server, "https://evil.example").await.header(header), None);
    let called = call(&server, GET, request, &["origin: https://desk.example"]).await;
    assert_eq!(called.header(header), Some("https://desk.example"));
    let exposed = called.header("access-control-expose-headers").unwrap().to_owned();
    assert!(exposed.contains("grpc-status") && exposed.contains("copydesk-cache"), "{exposed}");

    let server = TestServer::with(|options| options.web.origins = Origins::All).await;
    assert_eq!(preflight(&server, "https://any.example").await.header(header), Some("*"));
}

/// Requests that any page may send without a preflight are refused; through a proxy they arrive over HTTP/2.
#[tokio::test]
async fn requests_without_a_grpc_content_type_are_rejected() {
    let server = TestServer::start().await;
    let mut channel = server.channel().await;
    let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    let message = request.encode_to_vec();
    let framed = [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat();
    let mut ask = async |content_type: Option<&'static str>| {
        let body = Body::new(http_body_util::Full::from(framed.clone()));
        let mut request = http::Request::post("/copydesk.v1.IngestionService/IngestArticle").body(body).unwrap();
        if let Some(content_type) = content_type {
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        channel.ready().await.unwrap().call(request).await.unwrap()
    };
    for simple in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("multipart/form-data")] {
        let answer = ask(simple).await;
        assert_eq!(answer.status(), 415, "{simple:?}");
        assert_eq!(answer.headers()["grpc-status"], "3", "{simple:?}");
    }
    let full = Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) };
    let listed = async || {
        let request = ListArticlesRequest { consistency: Some(full.clone()), ..Default::default() };
        server.retrieval().await.list_articles(request).await.unwrap().into_inner().articles.len()
    };
    assert_eq!(listed().await, 0);
    assert_eq!(ask(Some("application/grpc+proto")).await.status(), 200);
    assert_eq!(listed().await, 1);
}

/// A browser sends a preflight without the credential, and then calls with it.
#[tokio::test]
async fn web_pages_call_with_a_credential() {
    let server = TestServer::with(|options| {
        options.web.origins = "https://desk.example".parse().unwrap();
        let staleness_bound = std::time::Duration::from_secs(1);
        options.access = Some(copydesk::access::AccessOptions { staleness_bound, rate: None, jwt: None });
    })
    .await;
    let store = copydesk::store::sqlite::SqliteOptions::new(server.dir.path());
    let keys = copydesk::server::StoreOptions::Sqlite(store).keys().await.unwrap();
    let key = copydesk::access::generate_key().unwrap();
    let stored = copydesk::store::StoredKey {
        id: key.id,
        name: String::new(),
        digest: key.digest,
        scopes: "articles.read".into(),
        rate: String::new(),
        created: jiff::Timestamp::now(),
        expires: None,
        revoked: None,
    };
    keys.add_key(stored).await.unwrap();

    let headers = [
        "origin: https://desk.example",
        "access-control-request-method: POST",
        "access-control-request-headers: authorization,content-type,x-grpc-web",
    ];
    let preflight = ask(server.address, "OPTIONS", GET, &headers, b"").await;
    assert!(preflight.head.starts_with("HTTP/1.1 200"), "{}", preflight.head);
    let allowed = preflight.header("access-control-allow-headers").unwrap();
    for header in ["authorization", "traceparent", "tracestate", "baggage"] {
        assert!(allowed.contains(header), "{header}: {}", preflight.head);
    }
    // Browsers send cookies for any page, but this credential only if the page knows it.
    assert_eq!(preflight.header("access-control-allow-credentials"), None);

    let request = GetArticleRequest { name: "articles/none".into(), ..Default::default() };
    let origin = "origin: https://desk.example";
    let without = call(&server, GET, request.clone(), &[origin]).await;
    assert_eq!(without.header("grpc-status"), Some("16"), "{}", without.head);
    assert_eq!(
        without.header("access-control-allow-origin"),
        Some("https://desk.example"),
        "the page cannot read the error"
    );
    let credential = format!("authorization: Bearer {}", key.text);
    let taken = async {
        while call(&server, GET, request.clone(), &[origin, &credential]).await.header("grpc-status") != Some("5") {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), taken).await.expect("the page's call is admitted");
}

#[tokio::test]
async fn only_http2_is_accepted_when_grpc_web_is_off() {
    let server = TestServer::with(|options| options.web.serve = false).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: desk.example\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    // The connection is closed or reset.
    let _ = stream.read_to_end(&mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP/1.1"), "{}", String::from_utf8_lossy(&bytes));
    assert!(server.retrieval().await.get_article(GetArticleRequest::default()).await.is_err(), "gRPC is still served");
}
