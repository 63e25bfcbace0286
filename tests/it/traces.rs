//! Traces, as received by a collector.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use copydesk::cache::RedisOptions;
use copydesk::proto::{GetArticleRequest, IngestArticleRequest};
use copydesk::server::StoreOptions;
use copydesk::telemetry::trace::TraceOptions;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::support::database::Cluster;
use crate::support::process::Serve;
use crate::support::redis_server::RedisServer;
use crate::test_server::{TestServer, invented, ready};

const PARENT: &str = "00f067aa0ba902b7";

/// Collector of the exported spans.
#[derive(Clone, Default)]
struct Collector {
    received: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    keys: Arc<Mutex<Vec<String>>>,
    came: Arc<Notify>,
    /// True to never answer.
    hangs: bool,
    /// Number of spans rejected of each message.
    rejected_spans: i64,
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        let key = request.metadata().get("api-key").map(|key| key.to_str().unwrap().to_owned());
        self.keys.lock().unwrap().extend(key);
        self.received.lock().unwrap().push(request.into_inner());
        self.came.notify_waiters();
        let partial = ExportTracePartialSuccess { rejected_spans: self.rejected_spans, ..Default::default() };
        Ok(Response::new(ExportTraceServiceResponse { partial_success: Some(partial) }))
    }
}

impl Collector {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(self.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(served);
        address
    }

    fn spans(&self) -> Vec<Span> {
        let received = self.received.lock().unwrap();
        let scopes = received.iter().flat_map(|request| &request.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    fn of(&self, trace: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| hex(&span.trace_id) == trace).collect()
    }

    /// Waits for the spans of a trace, which arrive together.
    async fn until(&self, trace: &str) -> Vec<Span> {
        let come = async {
            loop {
                let more = self.came.notified();
                let spans = self.of(trace);
                if !spans.is_empty() {
                    return spans;
                }
                more.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), come).await.expect("the trace comes")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn traced(endpoint: SocketAddr, sample: f64) -> Option<TraceOptions> {
    let headers = vec![("api-key".to_owned(), "hunter2".to_owned())];
    Some(TraceOptions { endpoint: format!("http://{endpoint}"), headers, sample })
}

/// Returns a request that is part of this trace.
fn within<T>(trace: &str, sampled: bool, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let flags = if sampled { "01" } else { "00" };
    request.metadata_mut().insert("traceparent", format!("00-{trace}-{PARENT}-{flags}").parse().unwrap());
    request
}

fn get(name: &str) -> GetArticleRequest {
    GetArticleRequest { name: name.to_owned(), ..Default::default() }
}

/// Returns the parent's name of the only span with this name.
fn parent_of<'a>(spans: &'a [Span], name: &str) -> &'a str {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name.starts_with(name)).collect();
    assert_eq!(found.len(), 1, "{name} in {:?}", names(spans));
    spans.iter().find(|span| span.span_id == found[0].parent_span_id).map_or("", |parent| parent.name.as_str())
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| span.name.as_str()).collect()
}

fn said(span: &Span, key: &str) -> Option<Value> {
    span.attributes.iter().find(|said| said.key == key)?.value.clone()?.value
}

const GET: &str = "copydesk.v1.RetrievalService/GetArticle";

#[tokio::test(flavor = "multi_thread")]
async fn traces_follow_a_call_through_redis_and_the_database() {
    const WRITTEN: &str = "0af7651916cd43dd8448eb211c80319c";
    const UNSAMPLED: &str = "1af7651916cd43dd8448eb211c80319c";
    const MISSED: &str = "2af7651916cd43dd8448eb211c80319c";
    const HIT: &str = "3af7651916cd43dd8448eb211c80319c";
    let collector = Collector::default();
    let address = collector.start().await;
    let database = Cluster::shared().database().await;
    let server = TestServer::with(|options| {
        options.store = StoreOptions::Postgres(Box::new(database.options()));
        options.redis = Some(RedisOptions::new(&RedisServer::shared().url()).unwrap());
        options.trace = traced(address, 0.0);
    })
    .await;
    server.until_metric("copydesk_redis_breaker_open 0").await;
    let (mut ingestion, mut retrieval) = (server.ingestion().await, server.retrieval().await);
    let document = invented(1);
    let ingest = IngestArticleRequest { document: Some(ready(document.clone())), ..Default::default() };
    let written = ingestion
        .ingest_article(within(WRITTEN, true, ingest))
        .await
        .unwrap()
        .into_inner()
        .into_first()
        .unwrap_or_default()
        .article
        .unwrap();
    retrieval.get_article(within(UNSAMPLED, false, get("articles/none"))).await.unwrap_err();
    retrieval.get_article(get("articles/none")).await.unwrap_err();
    retrieval.get_article(within(MISSED, true, get(&written.name))).await.unwrap();
    retrieval.get_article(within(HIT, true, get(&written.name))).await.unwrap();

    let hit = collector.until(HIT).await;
    assert_eq!(names(&hit), [GET, "cache.local"]);
    let missed = collector.until(MISSED).await;
    let call = missed.iter().find(|span| span.name == GET).unwrap();
    assert_eq!(hex(&call.parent_span_id), PARENT);
    assert_eq!(said(call, "rpc.system"), Some(Value::StringValue("grpc".into())));
    assert_eq!(said(call, "rpc.service"), Some(Value::StringValue("copydesk.v1.RetrievalService".into())));
    assert_eq!(said(call, "rpc.method"), Some(Value::StringValue("GetArticle".into())));
    assert_eq!(said(call, "rpc.grpc.status_code"), Some(Value::IntValue(0)));
    assert_eq!(parent_of(&missed, "cache.local"), GET);
    let lookups = missed.iter().filter(|span| span.name.starts_with("redis ")).collect::<Vec<_>>();
    assert!(!lookups.is_empty(), "{:?}", names(&missed));
    for span in lookups {
        assert_eq!(said(span, "db.system.name"), Some(Value::StringValue("redis".into())));
        assert_eq!(parent_of(std::slice::from_ref(span), "redis "), "", "its parent is in another trace");
        assert!(missed.iter().any(|parent| parent.span_id == span.parent_span_id && parent.name == "cache.local"));
    }
    assert_eq!(parent_of(&missed, "store.get"), "cache.local");
    assert_eq!(parent_of(&missed, "postgres SELECT articles"), "store.get");
    for span in &missed {
        assert!(call.start_time_unix_nano <= span.start_time_unix_nano, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
        assert!(span.end_time_unix_nano <= call.end_time_unix_nano, "{}", span.name);
    }
    let wrote = collector.until(WRITTEN).await;
    assert_eq!(parent_of(&wrote, "store.write"), "copydesk.v1.IngestionService/IngestArticle");
    assert_eq!(parent_of(&wrote, "store.commit"), "store.write");
    assert_eq!(parent_of(&wrote, "postgres store and commit"), "store.commit");
    assert_eq!(parent_of(&wrote, "redis INVALIDATE"), "copydesk.v1.IngestionService/IngestArticle");

    // Ordered by the end of the calls.
    let calls: Vec<String> =
        collector.spans().iter().filter(|span| span.name.contains('/')).map(|span| hex(&span.trace_id)).collect();
    assert_eq!(calls, [WRITTEN, MISSED, HIT], "only sampled calls");
    let received = format!("{:?}", collector.received.lock().unwrap());
    let name = written.name.strip_prefix("articles/").unwrap();
    for secret in [name, "Ferry", "captain", "herald.example", "hunter2", &database.url] {
        assert!(!received.contains(secret), "{secret}");
    }
    for resource in ["service.name", "service.instance.id", "service.version"] {
        assert!(received.contains(resource), "{resource}");
    }
    let documented = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).unwrap();
    for span in collector.spans().iter().filter(|span| !span.name.contains('/')) {
        let written = documented.contains(&format!("`{}`", span.name)) || span.name.starts_with("postgres SELECT ");
        assert!(written, "docs/operations.md must describe the span {}", span.name);
    }
    assert!(collector.keys.lock().unwrap().iter().all(|key| key == "hunter2"));

    let metrics = server.http("/metrics").await;
    let example = format!("# {{trace_id=\"{HIT}\"}}");
    assert!(metrics.contains(&example), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sampled_root_spans_are_exported_before_the_stop() {
    let collector = Collector::default();
    let address = collector.start().await;
    let server = TestServer::with(|options| options.trace = traced(address, 1.0)).await;
    let mut retrieval = server.retrieval().await;
    retrieval.get_article(get("articles/none")).await.unwrap_err();
    server.stop().await;
    let spans = collector.spans();
    let call = spans.iter().find(|span| span.name == GET).expect("exported before the server has stopped");
    assert!(call.parent_span_id.is_empty());
    assert_eq!(said(call, "rpc.grpc.status_code"), Some(Value::IntValue(5)), "{call:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_collector_fails_no_call() {
    let collector = Collector { hangs: true, ..Collector::default() };
    let address = collector.start().await;
    let server = TestServer::with(|options| options.trace = traced(address, 1.0)).await;
    let mut ingestion = server.ingestion().await;
    let name = crate::test_server::ingest(&mut ingestion, invented(1)).await.article.unwrap().name;
    // More spans than fit in the queue and a message.
    let retrieval = server.retrieval().await;
    for _ in 0..30 {
        let calls = (0..50).map(|_| {
            let mut retrieval = retrieval.clone();
            let request = get(&name);
            async move { retrieval.get_article(request).await }
        });
        for answer in futures::future::join_all(calls).await {
            answer.unwrap();
        }
    }
    let dropped = |metrics: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix("copydesk_trace_spans_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    let metrics = server.http("/metrics").await;
    assert!(dropped(&metrics) > 0, "{metrics}");
    assert!(metrics.contains("copydesk_trace_spans_exported_total 0\n"), "{metrics}");
    let stopped = tokio::time::timeout(Duration::from_secs(60), server.stop()).await;
    assert!(stopped.is_ok(), "unsent spans are dropped");
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_that_a_collector_rejects_are_counted_as_dropped() {
    let collector = Collector { rejected_spans: 1, ..Collector::default() };
    let address = collector.start().await;
    let server = TestServer::with(|options| options.trace = traced(address, 0.0)).await;
    const TRACE: &str = "5bf92f3577b34da6a3ce929d0e0e4736";
    server.retrieval().await.get_article(within(TRACE, true, get("articles/none"))).await.unwrap_err();
    let received = collector.until(TRACE).await.len();
    assert!(received > 1);
    server.until_metric("copydesk_trace_spans_dropped_total 1").await;
    let exported = format!("copydesk_trace_spans_exported_total {}\n", received - 1);
    let metrics = server.http("/metrics").await;
    assert!(metrics.contains(&exported), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_line_of_a_slow_traced_call_has_its_durations() {
    let dir = tempfile::tempdir().unwrap();
    // No collector: the recorded spans are still logged.
    let flags =
        ["--otlp-endpoint", "http://127.0.0.1:1", "--trace-sample", "0", "--slow-call", "0ms", "--log-format", "json"];
    let server = Serve::on(dir.path(), &flags);
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut client = server.client().await;
    let document = Some(ready(invented(1)));
    let request = within(TRACE, true, IngestArticleRequest { document, ..Default::default() });
    client.ingestion.ingest_article(request).await.unwrap();
    client.retrieval.get_article(get("articles/none")).await.unwrap_err();
    drop(client);
    let log = server.stop();
    let lines = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let slow: Vec<_> = lines.filter(|line| line["message"] == "call was slow").collect();
    assert_eq!(slow.len(), 2, "{log}");
    assert_eq!(slow[0]["span"]["trace_id"], TRACE, "{log}");
    let parts = slow[0]["parts"].as_str().unwrap();
    assert!(parts.starts_with("store.write ") && parts.contains("store.commit "), "{parts}");
    assert!(slow[1].get("parts").is_none() && slow[1]["span"].get("trace_id").is_none(), "{log}");
}
