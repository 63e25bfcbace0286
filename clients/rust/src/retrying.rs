//! Channel with timeouts and retries by method, which gRPC libraries of other languages provide through a service
//! config.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep};
use tonic::body::Body;
use tonic::transport::Error;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::grpc_timeout::timeout;
use crate::policy::{self, MethodConfig, RetryPolicy};
use crate::replicas::Replicas;

/// Maximum size of a request that is retried, since it must be kept until it is answered. Larger requests are sent
/// once.
const MAX_RETRY_BYTES: usize = 1 << 20;

/// Channel with timeouts and retries by method.
#[derive(Clone, Debug)]
pub struct Retrying {
    replicas: Replicas,
}

impl Retrying {
    pub(crate) fn new(replicas: Replicas) -> Self {
        Self { replicas }
    }
}

impl Service<Request<Body>> for Retrying {
    type Response = Response<Body>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Each attempt waits for its own connection, since the replica may differ.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let replicas = self.replicas.clone();
        match policy::of(request.uri().path()) {
            None => Box::pin(async move { attempt(&replicas, request).await }),
            Some(config) => Box::pin(under_policy(replicas, request, config)),
        }
    }
}

async fn attempt(replicas: &Replicas, request: Request<Body>) -> Result<Response<Body>, Error> {
    let mut channel = replicas.next();
    channel.ready().await?.call(request).await
}

async fn under_policy(
    replicas: Replicas,
    mut request: Request<Body>,
    config: &MethodConfig,
) -> Result<Response<Body>, Error> {
    let requested = timeout(request.headers());
    let timeout = [requested, config.timeout].into_iter().flatten().min();
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    set_timeout(request.headers_mut(), deadline);
    let Some(policy) = &config.retry_policy else { return in_time(deadline, attempt(&replicas, request)).await };

    let (parts, body) = request.into_parts();
    // Fails only if the caller's message cannot be encoded.
    let message = match body.collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(status) => return Ok(status.into_http()),
    };
    let attempts = if message.len() > MAX_RETRY_BYTES { 1 } else { policy.max_attempts };
    let mut attempt_number = 1;
    loop {
        let mut request = Request::from_parts(parts.clone(), Body::new(Full::new(message.clone())));
        if attempt_number > 1 {
            request.headers_mut().insert("grpc-previous-rpc-attempts", HeaderValue::from(attempt_number - 1));
            set_timeout(request.headers_mut(), deadline);
        }
        let outcome = in_time(deadline, attempt(&replicas, request)).await;
        let delay = policy.backoff(attempt_number, jitter());
        let has_time = deadline.is_none_or(|deadline| Instant::now() + delay < deadline);
        if attempt_number == attempts || !has_time || !is_retryable(policy, &outcome) {
            return outcome;
        }
        tokio::time::sleep(delay).await;
        attempt_number += 1;
    }
}

/// Ends an attempt at the deadline; tonic itself would report CANCELLED.
async fn in_time(
    deadline: Option<Instant>,
    attempt: impl Future<Output = Result<Response<Body>, Error>>,
) -> Result<Response<Body>, Error> {
    let Some(deadline) = deadline else { return attempt.await };
    let exceeded = || Ok(deadline_exceeded().into_http());
    match tokio::time::timeout_at(deadline, attempt).await {
        Ok(Err(_)) if Instant::now() >= deadline => exceeded(),
        Ok(Ok(response)) => {
            let sleep = Box::pin(tokio::time::sleep_until(deadline));
            Ok(response.map(|body| Body::new(Timed { body, sleep })))
        }
        Ok(outcome) => outcome,
        Err(_elapsed) => exceeded(),
    }
}

/// Response body that also ends at the deadline.
struct Timed {
    body: Body,
    sleep: Pin<Box<Sleep>>,
}

impl http_body::Body for Timed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => self.sleep.as_mut().poll(context).map(|()| Some(Err(deadline_exceeded()))),
            ready => ready,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

fn deadline_exceeded() -> Status {
    Status::deadline_exceeded("the call's deadline has passed")
}

/// Returns true if a retry may have another outcome. A response that has begun is final.
fn is_retryable(policy: &RetryPolicy, outcome: &Result<Response<Body>, Error>) -> bool {
    match outcome {
        Err(_unreachable) => policy.retries(Code::Unavailable),
        Ok(response) => {
            let header = |name: &str| response.headers().get(name);
            let code = header("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
            let refused = header("grpc-retry-pushback-ms").is_some_and(|delay| delay.as_bytes().starts_with(b"-"));
            code.is_some_and(|code| policy.retries(code)) && !refused
        }
    }
}

/// Sends the remaining time to the server.
fn set_timeout(headers: &mut HeaderMap, deadline: Option<Instant>) {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        // 2 ms more than the remaining time: tonic also applies this header, and would otherwise end the attempt first,
        // with another code than DEADLINE_EXCEEDED. The protocol allows 8 digits: in milliseconds, more than a day.
        let text = format!("{}m", (left.as_millis() + 2).min(99_999_999));
        headers.insert("grpc-timeout", HeaderValue::try_from(text).expect("digits and a unit are valid"));
    }
}

/// Returns a random number from 0 to 1, so that clients that failed together do not retry together.
fn jitter() -> f64 {
    let random = RandomState::new().hash_one(());
    (random >> 11) as f64 / (1_u64 << 53) as f64
}
