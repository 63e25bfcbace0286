//! Servers in this process, on free ports and in their own folders, with clients.

use std::net::SocketAddr;
use std::time::Duration;

use copydesk::access::AuditTarget;
use copydesk::article::Limits;
use copydesk::cache::LocalCacheOptions;
use copydesk::grpc::Compression;
use copydesk::ingest::IngestOptions;
use copydesk::proto::document::Payload;
use copydesk::proto::editorial_service_client::EditorialServiceClient;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{Article, Author, Document, IngestArticleRequest, IngestedArticle};
use copydesk::retrieve::RetrieveLimits;
use copydesk::search::{MIN_MEMORY, SearchOptions};
use copydesk::server::{
    AllowedHosts, CallOptions, ConnectionOptions, Origins, Server, ServerOptions, SourceLimits, StoreOptions,
    WebOptions,
};
use copydesk::store::sqlite::SqliteOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};

/// A server in this process, stopped when dropped.
pub struct TestServer {
    pub address: SocketAddr,
    pub http: SocketAddr,
    pub dir: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<()>>,
}

/// Returns the tests' default options.
pub fn options(dir: &std::path::Path) -> ServerOptions {
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    ServerOptions {
        listen: any,
        http_listen: Some(any),
        store: StoreOptions::Sqlite(SqliteOptions::new(dir)),
        cache: Some(LocalCacheOptions {
            bytes: 16 << 20,
            staleness_bound: Duration::from_secs(1),
            negative_ttl: Duration::from_secs(5),
            poll: Duration::from_millis(100),
        }),
        redis: None,
        search: search_options(&dir.join("search")),
        search_readiness: false,
        stories: false,
        access: None,
        audit_log: AuditTarget::Off,
        insecure: false,
        trace: None,
        consistency_check: None,
        calls: CallOptions {
            max_concurrent_requests: 1_024,
            // Tests share CPUs, and their servers share a runtime with clients.
            max_task_delay: None,
            max_concurrent_streams: 256,
            max_ingest_streams: 256,
            default_deadline: Duration::from_secs(30),
            max_deadline: Duration::from_secs(300),
            slow: Duration::from_secs(60),
        },
        retrieve: RetrieveLimits {
            max_page_size: 1_000,
            max_batch_size: 1_000,
            checkpoint_interval: Duration::from_secs(5),
            progress_articles: 1_000,
            poll: Duration::from_millis(100),
            deleted_keep: None,
            // The index follows the feed within milliseconds, unless the machine is busy.
            staleness_bound: Duration::from_secs(20),
        },
        ingest: IngestOptions { article: Limits::default(), ..IngestOptions::default() },
        sources: SourceLimits::default(),
        read_count_interval: Duration::from_millis(50),
        ingest_workers: 2,
        ingest_queue: 64,
        ingest_call_bytes: 128 << 20,
        max_message_bytes: 16 << 20,
        tls: None,
        connections: ConnectionOptions {
            max: 4_096,
            streams: 256,
            handshake: Duration::from_secs(10),
            keepalive: Some(Duration::from_secs(30)),
            keepalive_timeout: Duration::from_secs(20),
            age: None,
            age_grace: Duration::from_secs(60),
        },
        drain_wait: Duration::ZERO,
        shutdown_grace: Duration::from_secs(5),
        compression: Compression { enabled: true, min_bytes: 1_024 },
        reflection: true,
        web: WebOptions { serve: true, origins: Origins::Same },
        hosts: AllowedHosts::Auto,
    }
}

/// Returns the tests' options of an index in a folder.
pub fn search_options(dir: &std::path::Path) -> SearchOptions {
    SearchOptions {
        dir: dir.to_owned(),
        commit_interval: Duration::from_millis(10),
        memory: MIN_MEMORY,
        snapshots: None,
        concurrency: 2,
        queue: 256,
        // Tests share CPUs.
        queue_wait: Duration::from_secs(30),
    }
}

impl TestServer {
    /// Starts on a new store.
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts on a new store, with other options.
    pub async fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::on(dir, change).await
    }

    /// Starts on an existing store.
    pub async fn on(dir: tempfile::TempDir, change: impl FnOnce(&mut ServerOptions)) -> Self {
        let mut options = options(dir.path());
        change(&mut options);
        let server = Server::bind(options).await.unwrap();
        let address = server.address().unwrap();
        let http = server.http_address().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(async move {
            server.run(async move { drop(stopped.await) }).await.unwrap();
        });
        Self { address, http, dir, stop: Some(stop), served: Some(served) }
    }

    pub fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    pub async fn channel(&self) -> Channel {
        self.endpoint().connect().await.unwrap()
    }

    pub async fn ingestion(&self) -> IngestionServiceClient<Channel> {
        IngestionServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    pub async fn editorial(&self) -> EditorialServiceClient<Channel> {
        EditorialServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    pub async fn retrieval(&self) -> RetrievalServiceClient<Channel> {
        RetrievalServiceClient::new(self.channel().await).max_decoding_message_size(64 << 20)
    }

    /// Returns a response of the metrics port.
    pub async fn http(&self, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(self.http).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    /// Waits until the metrics have this line.
    pub async fn until_metric(&self, line: &str) {
        let found = async {
            while !self.http("/metrics").await.lines().any(|found| found == line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let late = tokio::time::timeout(Duration::from_secs(20), found).await.is_err();
        assert!(!late, "no line {line:?} in\n{}", self.http("/metrics").await);
    }

    /// Stops as after SIGTERM, and waits for the end.
    pub async fn stop(mut self) -> tempfile::TempDir {
        drop(self.stop.take());
        self.served.take().unwrap().await.unwrap();
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }
}

/// Returns a document with a ready article.
pub fn ready(article: Article) -> Document {
    Document { payload: Some(Payload::Article(article)), ..Document::default() }
}

/// Returns an invented article.
pub fn invented(number: usize) -> Article {
    Article {
        url: format!("https://herald.example/news/{number}"),
        headline: format!("Ferry {number} returns to Port Ellery"),
        body: format!(
            "The ferry numbered {number} came back to the harbour on Tuesday.\n\n\
             Its captain said the crossing was calm."
        ),
        language_code: "en".into(),
        authors: vec![Author::named(format!("Writer {}", number % 7))],
        tags: vec!["harbour".into(), format!("ferry-{}", number % 3)],
        section: "Local".into(),
        publish_time: Some(prost_types::Timestamp { seconds: 1_700_000_000 + number as i64, nanos: 0 }),
        ..Article::default()
    }
}

/// Ingests an article.
pub async fn ingest(client: &mut IngestionServiceClient<Channel>, article: Article) -> IngestedArticle {
    let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
    client.ingest_article(request).await.unwrap().into_inner().into_first().unwrap()
}

/// Codec that sends bytes unchanged, for requests that no generated client would send.
#[derive(Clone, Default)]
pub struct RawCodec;

impl tonic::codec::Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl tonic::codec::Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), tonic::Status> {
        bytes::BufMut::put_slice(buffer, &item);
        Ok(())
    }
}

impl tonic::codec::Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Vec<u8>>, tonic::Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length).to_vec()))
    }
}
