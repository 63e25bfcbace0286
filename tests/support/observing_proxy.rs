//! A gRPC proxy that observes a client's channel, and reports to the client in response metadata: the number of
//! attempts of a call, and compression of messages on the wire. On request it rejects the first attempts of
//! `GetArticle`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, Full};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tower::{Service, ServiceExt};

const GET: &str = "/copydesk.v1.RetrievalService/GetArticle";
/// Methods whose responses have the report: their messages are small, and are buffered whole.
const REPORTED: [&str; 2] = [GET, "/copydesk.v1.RetrievalService/BatchGetArticles"];
/// Metadata that gRPC adds to a retried call.
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// Stops when dropped.
pub struct ObservingProxy {
    address: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// Observed calls.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Calls of our own services.
    pub calls: u64,
    /// Health watches of channels that balance by health.
    pub health_watches: u64,
}

struct Shared {
    to: Channel,
    /// Number of attempts of GET to reject.
    refusals: u64,
    gets: AtomicU64,
    calls: AtomicU64,
    health_watches: AtomicU64,
}

impl ObservingProxy {
    pub async fn start(to: &str, refusals: u64) -> Self {
        let to = Endpoint::from_shared(format!("http://{to}")).unwrap().connect().await.unwrap();
        let shared = Arc::new(Shared {
            to,
            refusals,
            gets: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            health_watches: AtomicU64::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            let server = Server::builder().add_routes(Routes::from(router));
            server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
        });
        Self { address, shared, serving }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    pub fn seen(&self) -> Seen {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Seen { calls: read(&self.shared.calls), health_watches: read(&self.shared.health_watches) }
    }
}

impl Drop for ObservingProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/grpc.health.v1.Health/Watch" => drop(shared.health_watches.fetch_add(1, Ordering::Relaxed)),
        path if path.starts_with("/copydesk.v1.") => drop(shared.calls.fetch_add(1, Ordering::Relaxed)),
        _ => {}
    }
    let mut attempts = 1;
    if path == GET && shared.refusals > 0 {
        attempts = shared.gets.fetch_add(1, Ordering::Relaxed) + 1;
        if attempts <= shared.refusals {
            return Status::unavailable("the proxy refuses at first").into_http();
        }
        let said = request.headers().get(PREVIOUS_ATTEMPTS).and_then(|value| value.to_str().ok());
        if said != Some(shared.refusals.to_string().as_str()) {
            let problem = format!("attempt {attempts} has {PREVIOUS_ATTEMPTS} {said:?}: it is not the channel's own");
            return Status::failed_precondition(problem).into_http();
        }
    }
    let is_reported = REPORTED.contains(&path.as_str());
    let passed =
        if is_reported { reported_call(&shared, request, attempts).await } else { call(&shared, request).await };
    passed.unwrap_or_else(|problem| Status::unknown(format!("the proxy cannot pass it on: {problem}")).into_http())
}

async fn call(shared: &Shared, request: Request) -> Result<Response<Body>, String> {
    let mut to = shared.to.clone();
    let ready = to.ready().await.map_err(|error| error.to_string())?;
    ready.call(request.map(Body::new)).await.map_err(|error| error.to_string())
}

async fn reported_call(shared: &Shared, request: Request, attempts: u64) -> Result<Response<Body>, String> {
    let (parts, body) = request.into_parts();
    let message = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
    let sent = encoding(&parts.headers, &message);
    let request = Request::from_parts(parts, axum::body::Body::from(message));

    let response = call(shared, request).await?;
    if response.headers().contains_key("grpc-status") {
        // An error, and nothing after it.
        return Ok(response);
    }
    let (mut parts, body) = response.into_parts();
    let collected = body.collect().await.map_err(|error| error.to_string())?;
    let trailers = collected.trailers().cloned();
    let message = collected.to_bytes();
    let answered = encoding(&parts.headers, &message);
    parts.headers.insert("witness-attempts", attempts.into());
    parts.headers.insert("witness-request-encoding", sent);
    parts.headers.insert("witness-response-encoding", answered);
    let body = Full::new(message).with_trailers(std::future::ready(trailers.map(Ok)));
    Ok(Response::from_parts(parts, Body::new(body)))
}

/// Returns the compression of a message. Its first byte is 1 if it is compressed; a header names the algorithm.
fn encoding(headers: &HeaderMap, message: &[u8]) -> HeaderValue {
    let none = HeaderValue::from_static("none");
    if message.first() == Some(&1) { headers.get("grpc-encoding").cloned().unwrap_or(none) } else { none }
}
