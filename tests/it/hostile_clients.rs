//! Hostile clients. During each attack another client is served, and the server's memory stays below a bound.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use copydesk::proto::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

use crate::http2_frames::*;
use crate::raw_http2_client::{Ended, Wire, enveloped};
use crate::support::process::Serve;
use crate::test_server::{invented, ready};

const GET: &str = "/copydesk.v1.RetrievalService/GetArticle";
const INGEST: &str = "/copydesk.v1.IngestionService/IngestArticle";
const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const SOON: Duration = Duration::from_secs(120);
/// Minimum number of calls that the other client makes during an attack, or after a short one.
const SERVED: usize = 50;

/// Server process with one article.
struct AttackedServer {
    server: Serve,
    name: String,
    _dir: tempfile::TempDir,
}

impl AttackedServer {
    async fn start(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = std::process::Stdio::null();
        let server = Serve::start(dir.path(), more, log).unwrap();
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
        Self { server, name, _dir: dir }
    }

    /// Runs an attack. `bound` is the maximum growth of memory, in MiB.
    async fn withstands<T>(&self, what: &str, bound: u64, attack: impl Future<Output = T>) -> T {
        let mut client = self.server.client().await.retrieval;
        let get = GetArticleRequest { name: self.name.clone(), ..Default::default() };
        client.get_article(get.clone()).await.unwrap();
        let before = self.server.peak_memory();
        let over = Arc::new(AtomicBool::new(false));
        let other = {
            let over = Arc::clone(&over);
            tokio::spawn(async move {
                let (mut served, mut slowest) = (0, Duration::ZERO);
                while served < SERVED || !over.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match client.get_article(get.clone()).await {
                        Ok(_) => served += 1,
                        // As every client does (clients/service-config.json): a call that is shed is retried when the
                        // server says.
                        Err(status) => {
                            let details = status.get_error_details();
                            let delay = details.retry_info().and_then(|retry| retry.retry_delay);
                            let is_shed = status.code() == Code::ResourceExhausted;
                            let delay = delay.filter(|_| is_shed);
                            tokio::time::sleep(delay.unwrap_or_else(|| panic!("after {served}: {status:?}"))).await;
                        }
                    }
                    slowest = slowest.max(began.elapsed());
                }
                (served, slowest)
            })
        };
        let outcome =
            tokio::time::timeout(SOON, attack).await.unwrap_or_else(|_| panic!("{what}: the attack does not end"));
        over.store(true, Ordering::Relaxed);
        let (served, slowest) = tokio::time::timeout(SOON, other).await.expect("the other client is served").unwrap();
        let grown = self.server.peak_memory().saturating_sub(before) >> 20;
        let before = before >> 20;
        println!("{what}: {before} MiB, peak +{grown} MiB; other client: {served} calls, slowest {slowest:?}");
        assert!(grown <= bound, "{what}: memory grew by {grown} MiB");
        outcome
    }

    async fn connect(&self, settings: &[(u16, u32)]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.server.address).await.unwrap();
        stream.write_all(&opening(settings)).await.unwrap();
        // The server has sent its SETTINGS by then.
        answered(&mut stream).await;
        stream
    }
}

/// Sends until the server accepts no more, and reads its answers. Returns true if it accepted everything.
async fn pour(stream: TcpStream, pieces: impl Iterator<Item = Vec<u8>> + Send + 'static) -> bool {
    let (mut from, mut to) = stream.into_split();
    // An error counts as the end.
    let heard = tokio::spawn(async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await.ok() });
    let mut taken = true;
    for piece in pieces {
        if to.write_all(&piece).await.is_err() {
            taken = false;
            break;
        }
    }
    // Shuts down the sending side, so that the server closes the connection.
    drop(to);
    heard.await.unwrap();
    taken
}

#[tokio::test]
async fn withstands_rapid_resets() {
    let attacked = AttackedServer::start(&[]).await;
    attacked
        .withstands("rapid reset, 4 connections of 50,000", 64, async {
            for _ in 0..4 {
                let stream = attacked.connect(&[]).await;
                let block = headers(GET, &[]);
                let pieces = (0..500).map(move |hundred| {
                    let each = (0..100).map(|number| call_and_reset(id_of(hundred, number), &block));
                    each.collect::<Vec<_>>().concat()
                });
                pour(stream, pieces).await;
            }
        })
        .await;
}

fn call_and_reset(id: u32, block: &[u8]) -> Vec<u8> {
    // CANCEL
    [frame(HEADERS, END_HEADERS, id, block), frame(RST_STREAM, 0, id, &[0, 0, 0, 8])].concat()
}

#[tokio::test]
async fn withstands_endless_headers() {
    let attacked = AttackedServer::start(&[]).await;
    let taken = attacked
        .withstands("CONTINUATION flood of 256 MiB", 32, async {
            let stream = attacked.connect(&[]).await;
            let begin = std::iter::once(frame(HEADERS, 0, 1, &headers(GET, &[])));
            let mut more = vec![0];
            text(&mut more, "x-more");
            text(&mut more, &"y".repeat(16_000));
            let rest = std::iter::repeat_with(move || frame(CONTINUATION, 0, 1, &more)).take(16_384);
            pour(stream, begin.chain(rest)).await
        })
        .await;
    assert!(!taken, "the server accepted the whole flood");
}

#[tokio::test]
async fn withstands_ping_and_settings_floods() {
    let attacked = AttackedServer::start(&[]).await;
    attacked
        .withstands("ping flood, 500,000", 32, async {
            let stream = attacked.connect(&[]).await;
            pour(stream, std::iter::repeat_with(|| frame(PING, 0, 0, b"copydesk").repeat(1_000)).take(500)).await
        })
        .await;
    attacked
        .withstands("SETTINGS flood, 500,000", 32, async {
            let stream = attacked.connect(&[]).await;
            pour(stream, std::iter::repeat_with(|| frame(SETTINGS, 0, 0, &[]).repeat(1_000)).take(500)).await
        })
        .await;
    // With unread answers: the server reads no more until they are sent.
    attacked
        .withstands("ping flood, unread", 32, async {
            let mut stream = attacked.connect(&[]).await;
            let flood = frame(PING, 0, 0, b"copydesk").repeat(1_000);
            let mut taken = 0_u64;
            while let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(2), stream.write_all(&flood)).await {
                taken += 1;
                assert!(taken < 100_000, "the server reads pings for ever while its answers are unread");
            }
        })
        .await;
}

#[tokio::test]
async fn withstands_empty_calls() {
    let attacked = AttackedServer::start(&[]).await;
    attacked
        .withstands("200,000 empty calls", 64, async {
            let stream = attacked.connect(&[]).await;
            let block = headers(GET, &[]);
            let pieces = (0..2_000).map(move |hundred| {
                let each =
                    (0..100).map(|number| frame(HEADERS, END_HEADERS | END_STREAM, id_of(hundred, number), &block));
                each.collect::<Vec<_>>().concat()
            });
            pour(stream, pieces).await
        })
        .await;
}

/// Returns the ID of a stream; each attack opens a hundred at a time.
fn id_of(hundred: u32, number: u32) -> u32 {
    (hundred * 100 + number) * 2 + 1
}

#[tokio::test]
async fn withstands_hpack_bombs() {
    let attacked = AttackedServer::start(&[]).await;
    attacked
        .withstands("HPACK bomb, 100 calls of 40 MiB", 64, async {
            let stream = attacked.connect(&[]).await;
            let pieces = (0..100).map(|number| {
                let mut block = headers(GET, &[]);
                // Added to the table once, and then referenced with one byte each.
                block.push(0x40);
                text(&mut block, "x-bomb");
                text(&mut block, &"b".repeat(3_900));
                block.extend([0x80 | 62].repeat(11_000));
                frame(HEADERS, END_HEADERS | END_STREAM, id_of(0, number), &block)
            });
            pour(stream, pieces).await
        })
        .await;
}

#[tokio::test]
async fn withstands_compression_bombs_and_false_lengths() {
    let attacked = AttackedServer::start(&[]).await;
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..512 {
        bomb.write_all(&[0; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let length = u32::try_from(bomb.len()).unwrap().to_be_bytes();
    let message = Bytes::from([&[1][..], &length, &bomb].concat());
    attacked
        .withstands("6 messages of 0.5 MiB that are 512 MiB", 256, async {
            let wire = Wire::connect(attacked.server.address.parse().unwrap()).await;
            let calls = (0..6).map(|_| wire.send(INGEST, message.clone(), &[("grpc-encoding", "gzip")]));
            for ended in futures::future::join_all(calls).await {
                assert!(matches!(ended, Ended::Status(code) if code == Code::ResourceExhausted as i32), "{ended:?}");
            }
        })
        .await;
    // A plausible length reserves that much memory, of which 1 to 2 MiB become resident.
    for (what, claim, bound) in [("4 GiB", u32::MAX, 64), ("16 MiB, the maximum", 16 << 20, 512)] {
        attacked
            .withstands(&format!("200 messages that claim to have {what}"), bound, async {
                let mut stream = attacked.connect(&[]).await;
                for number in 0..200 {
                    let id = id_of(0, number);
                    let begin = [&[0][..], &u32::to_be_bytes(claim)].concat();
                    let call =
                        [frame(HEADERS, END_HEADERS, id, &headers(INGEST, &[])), frame(DATA, 0, id, &begin)].concat();
                    stream.write_all(&call).await.unwrap();
                }
                // The answer to the last frame shows that all frames have been read.
                answered(&mut stream).await;
            })
            .await;
    }
}

/// Waits for the answer to a PING, which shows that earlier frames have been read.
async fn answered(stream: &mut TcpStream) {
    stream.write_all(&frame(PING, 0, 0, b"are you?")).await.unwrap();
    let answer = frame(PING, 1, 0, b"are you?");
    let mut heard = Vec::new();
    while !heard.windows(answer.len()).any(|bytes| bytes == answer) {
        assert_ne!(
            stream.read_buf(&mut heard).await.unwrap(),
            0,
            "the connection is closed: {:?}",
            String::from_utf8_lossy(&heard[heard.len().saturating_sub(64)..])
        );
    }
}

#[tokio::test]
async fn withstands_unread_responses() {
    let attacked = AttackedServer::start(&[]).await;
    attacked
        .withstands("5,000 lists on 20 connections with a window of 0", 128, async {
            let list = ListArticlesRequest { page_size: 1_000, ..Default::default() };
            let mut streams = Vec::new();
            for _ in 0..20 {
                let mut stream = attacked.connect(&[(4, 0)]).await;
                for number in 0..250 {
                    let id = id_of(0, number);
                    let path = "/copydesk.v1.RetrievalService/ListArticles";
                    let call = [
                        frame(HEADERS, END_HEADERS, id, &headers(path, &[])),
                        frame(DATA, END_STREAM, id, &enveloped(&list)),
                    ];
                    stream.write_all(&call.concat()).await.unwrap();
                }
                answered(&mut stream).await;
                streams.push(stream);
            }
            streams
        })
        .await;
}

/// Reads batches of 2 MiB; all of them would take 1,000 MiB.
#[tokio::test]
async fn withstands_unread_large_responses() {
    let attacked = AttackedServer::start(&[]).await;
    let mut client = attacked.server.client().await;
    let large = Article { body: "The harbour is silting up. ".repeat(38_000), ..invented(2) };
    let request = IngestArticleRequest { document: Some(ready(large)), ..Default::default() };
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
    // From the cache, so that only unread responses take memory.
    while client
        .retrieval
        .get_article(GetArticleRequest { name: name.clone(), ..Default::default() })
        .await
        .unwrap()
        .metadata()
        .get("copydesk-cache")
        .unwrap()
        != "local"
    {}
    attacked
        .withstands("500 batches of 2 MiB on 5 connections, one byte read of each", 256, async {
            let batch = BatchGetArticlesRequest { names: vec![name.clone(), name.clone()], ..Default::default() };
            let mut streams = Vec::new();
            for _ in 0..5 {
                // A window of one byte, so that each response begins.
                let mut stream = attacked.connect(&[(4, 1)]).await;
                for number in 0..100 {
                    let id = id_of(0, number);
                    let path = "/copydesk.v1.RetrievalService/BatchGetArticles";
                    let call = [
                        frame(HEADERS, END_HEADERS, id, &headers(path, &[])),
                        frame(DATA, END_STREAM, id, &enveloped(&batch)),
                    ];
                    stream.write_all(&call.concat()).await.unwrap();
                }
                answered(&mut stream).await;
                streams.push(stream);
            }
            streams
        })
        .await;
}

#[tokio::test]
async fn withstands_slow_clients() {
    let attacked = AttackedServer::start(&["--handshake-timeout", "1s"]).await;
    attacked
        .withstands("500 silent connections, 500 that send a byte now and then, 500 half calls", 128, async {
            let mut held = Vec::new();
            for _ in 0..500 {
                held.push(TcpStream::connect(&attacked.server.address).await.unwrap());
                let mut stream = attacked.connect(&[]).await;
                let call = [frame(HEADERS, END_HEADERS, 1, &headers(INGEST, &[])), frame(DATA, 0, 1, &[0, 0])].concat();
                stream.write_all(&call).await.unwrap();
                held.push(stream);
            }
            let mut slow = Vec::new();
            for _ in 0..500 {
                slow.push(TcpStream::connect(&attacked.server.address).await.unwrap());
            }
            // A byte every 100 ms of a preface that is never complete: each connection is closed in time.
            let byte = |at: usize| [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"[at.min(22)]];
            for at in 0.. {
                let mut open = 0;
                for stream in &mut slow {
                    open += usize::from(at < 22 && stream.write_all(&byte(at)).await.is_ok());
                }
                if open == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            for stream in held.iter_mut().step_by(2) {
                // A reset counts as the end.
                let _ended = stream.read_to_end(&mut Vec::new()).await;
            }
        })
        .await;
}

#[tokio::test]
async fn withstands_unread_reflection_responses() {
    use tonic_reflection::pb::v1;
    let attacked = AttackedServer::start(&[]).await;
    let request = v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(v1::server_reflection_request::MessageRequest::FileContainingSymbol(
            "copydesk.v1.Article".into(),
        )),
    };
    let message = enveloped(&request);
    assert!(message.len() == request.encoded_len() + 5);
    attacked
        .withstands("200 streams of reflection with 400 requests each, unread", 128, async {
            let mut stream = attacked.connect(&[(4, 0)]).await;
            for number in 0..200 {
                let id = id_of(0, number);
                let data = frame(DATA, 0, id, &message.repeat(400));
                let call = [frame(HEADERS, END_HEADERS, id, &headers(REFLECTION, &[])), data].concat();
                stream.write_all(&call).await.unwrap();
            }
            answered(&mut stream).await;
        })
        .await;
}
