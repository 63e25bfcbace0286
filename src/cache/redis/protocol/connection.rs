//! One connection to Redis, with a timeout on every call.

use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Script, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::scripts;
use crate::cache::redis::options::Address;
use crate::cache::redis::tls::Tls;
use crate::telemetry::trace::{self, SpanGuard, SpanKind, span};

/// Timeout of connecting, including the handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(300);
/// Timeout of a call. Together with the wait for another reader's fill (20 ms), a failing Redis delays a read by 60 ms.
/// The driver's own timeout does not cover all of its waits, and would add a second timer to each call.
const CALL_TIMEOUT: Duration = Duration::from_millis(40);
/// Additional timeout for each further command of a round trip: an article of 20 kB takes 160 µs at 1 Gbit/s.
const PER_COMMAND: Duration = Duration::from_micros(200);
/// Part of the timeout reserved for a response that arrived while this process was not scheduled.
const LATE_RESPONSE: Duration = Duration::from_millis(5);

/// Error of a call to Redis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::cache::redis) enum RedisError {
    #[error("timed out")]
    TimedOut,
    #[error("the connection failed")]
    Lost,
    /// The server answers but is unusable: it is a replica, is loading, or rejects our credentials.
    #[error("server unusable: {0}")]
    Refused(String),
}

/// Script that runs within Redis.
#[derive(Clone, Copy)]
pub(in crate::cache::redis) enum ScriptCall {
    GetLease,
    Fill,
    Refresh,
    Invalidate,
    Open,
    Mark,
    Close,
}

impl ScriptCall {
    fn script(self) -> &'static Script {
        static SCRIPTS: LazyLock<[Script; 7]> = LazyLock::new(|| {
            use ScriptCall::{Close, Fill, GetLease, Invalidate, Mark, Open, Refresh};
            [GetLease, Fill, Refresh, Invalidate, Open, Mark, Close].map(|script| Script::new(script.source()))
        });
        &SCRIPTS[self as usize]
    }

    /// Returns the span name in traces.
    fn span(self) -> &'static str {
        match self {
            Self::GetLease => "redis GETLEASE",
            Self::Fill => "redis FILL",
            Self::Refresh => "redis REFRESH",
            Self::Invalidate => "redis INVALIDATE",
            Self::Open => "redis OPEN",
            Self::Mark => "redis MARK",
            Self::Close => "redis CLOSE",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::GetLease => scripts::GETLEASE,
            Self::Fill => scripts::FILL,
            Self::Refresh => scripts::REFRESH,
            Self::Invalidate => scripts::INVALIDATE,
            Self::Open => scripts::OPEN,
            Self::Mark => scripts::MARK,
            Self::Close => scripts::CLOSE,
        }
    }
}

/// Call of a script on a key.
pub(in crate::cache::redis) struct Call {
    pub(in crate::cache::redis) script: ScriptCall,
    pub(in crate::cache::redis) key: String,
    pub(in crate::cache::redis) args: Vec<Vec<u8>>,
}

/// Connection that is never reestablished: a new one is opened instead, and its server is identified again.
#[derive(Clone)]
pub(in crate::cache::redis) struct Connection {
    connection: MultiplexedConnection,
    /// Driver task, aborted on drop: an unresponsive server would keep it alive.
    driver: Arc<AbortOnDropHandle<()>>,
}

impl Connection {
    pub(in crate::cache::redis) async fn open(
        address: &Address,
        login: &RedisConnectionInfo,
        tls: Option<&Tls>,
    ) -> Result<Self, RedisError> {
        let opening = async {
            let stream =
                TcpStream::connect((address.host.as_str(), address.port)).await.map_err(|_| RedisError::Lost)?;
            stream.set_nodelay(true).map_err(|_| RedisError::Lost)?;
            match tls {
                None => Self::over_stream(stream, login).await,
                Some(tls) => match tls.connect(&address.host, stream).await {
                    Ok(stream) => Self::over_stream(stream, login).await,
                    // The error describes the certificate problem and contains no secret.
                    Err(error) => Err(RedisError::Refused(format!("TLS: {error}"))),
                },
            }
        };
        tokio::time::timeout(CONNECT_TIMEOUT, opening).await.unwrap_or(Err(RedisError::TimedOut))
    }

    async fn over_stream<S>(stream: S, login: &RedisConnectionInfo) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(1_024);
        let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| convert_error(&error))?;
        let driver = Arc::new(AbortOnDropHandle::new(tokio::spawn(coalescing(driver))));
        Ok(Self { connection, driver })
    }

    /// Closes the connection. Pending calls fail with `Lost`.
    pub(in crate::cache::redis) fn end(&self) {
        self.driver.abort();
    }

    /// Reads one key. This is by far the most frequent call, so it avoids the cost of a pipeline.
    pub(in crate::cache::redis) async fn get(&self, key: &str) -> Result<Value, RedisError> {
        let mut command = Cmd::with_capacity(2, key.len() + 3);
        command.arg("GET").arg(key);
        let mut connection = self.connection.clone();
        let span = start_span("redis GET", 1);
        let answer = match with_timeout(1, connection.send_packed_command(&command)).await {
            Some(Ok(answer)) => match code(&answer).filter(|code| unusable(code)) {
                Some(code) => Err(RedisError::Refused(code.to_owned())),
                None => Ok(answer),
            },
            Some(Err(error)) => Err(convert_error(&error)),
            None => Err(RedisError::TimedOut),
        };
        end_span(span, answer)
    }

    /// Reads several keys in one round trip.
    pub(in crate::cache::redis) async fn get_all(
        &self,
        keys: impl Iterator<Item = String>,
    ) -> Result<Vec<Value>, RedisError> {
        let mut pipeline = Pipeline::with_capacity(keys.size_hint().0);
        for key in keys {
            pipeline.cmd("GET").arg(key);
        }
        let span = start_span("redis GET", pipeline.len());
        end_span(span, self.send(&pipeline).await)
    }

    /// Sends a pipeline in one round trip. A single command may return an error without affecting the others.
    pub(in crate::cache::redis) async fn send(&self, pipeline: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let count = pipeline.len();
        let mut connection = self.connection.clone();
        let answers = match with_timeout(count, connection.send_packed_commands(pipeline, 0, count)).await {
            Some(Ok(answers)) => answers,
            Some(Err(error)) => return Err(convert_error(&error)),
            None => return Err(RedisError::TimedOut),
        };
        if answers.len() != count {
            return Err(RedisError::Lost);
        }
        match answers.iter().find_map(|answer| code(answer).filter(|code| unusable(code))) {
            Some(code) => Err(RedisError::Refused(code.to_owned())),
            None => Ok(answers),
        }
    }

    /// Runs scripts in one round trip. Scripts that Redis does not know yet are sent in a second one.
    pub(in crate::cache::redis) async fn run(&self, calls: &[Call]) -> Result<Vec<Value>, RedisError> {
        let span = calls.first().and_then(|call| start_span(call.script.span(), calls.len()));
        end_span(span, self.run_scripts(calls).await)
    }

    async fn run_scripts(&self, calls: &[Call]) -> Result<Vec<Value>, RedisError> {
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for call in calls {
            call.add_by_hash(&mut pipeline);
        }
        let mut answers = self.send(&pipeline).await?;
        let unknown: Vec<usize> = (0..answers.len()).filter(|at| is_unknown(&answers[*at])).collect();
        if !unknown.is_empty() {
            let mut pipeline = Pipeline::with_capacity(unknown.len());
            for at in &unknown {
                calls[*at].add_with_source(&mut pipeline);
            }
            for (at, answer) in unknown.into_iter().zip(self.send(&pipeline).await?) {
                answers[at] = answer;
            }
        }
        Ok(answers)
    }

    /// Runs a script and then further commands in one round trip. The script's response comes first.
    pub(in crate::cache::redis) async fn run_then(
        &self,
        call: &Call,
        then: impl Fn(&mut Pipeline),
    ) -> Result<Vec<Value>, RedisError> {
        let mut pipeline = Pipeline::new();
        call.add_by_hash(&mut pipeline);
        then(&mut pipeline);
        let answers = self.send(&pipeline).await?;
        if !answers.first().is_some_and(is_unknown) {
            return Ok(answers);
        }
        pipeline.clear();
        call.add_with_source(&mut pipeline);
        then(&mut pipeline);
        self.send(&pipeline).await
    }
}

/// Starts the span of a call to Redis, if the request is traced.
fn start_span(name: &'static str, commands: usize) -> Option<SpanGuard> {
    let span = span(SpanKind::Client, name)?;
    span.set_attribute("db.system.name", trace::Value::Text("redis".into()));
    if commands > 1 {
        span.set_attribute("db.operation.batch.size", trace::Value::Int(i64::try_from(commands).unwrap_or(i64::MAX)));
    }
    Some(span)
}

fn end_span<T>(span: Option<SpanGuard>, answer: Result<T, RedisError>) -> Result<T, RedisError> {
    if let (Some(span), Err(_)) = (span, &answer) {
        span.fail();
    }
    answer
}

/// Applies the timeout of a call: [`CALL_TIMEOUT`], and [`PER_COMMAND`] for every further command. On a busy host the
/// timer may fire before an arrived response is polled, so the last part of the timeout is a second wait.
async fn with_timeout<T>(commands: usize, response: impl Future<Output = T>) -> Option<T> {
    let timeout =
        CALL_TIMEOUT - LATE_RESPONSE + PER_COMMAND * u32::try_from(commands.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut response = std::pin::pin!(response);
    if let Ok(answer) = tokio::time::timeout(timeout, response.as_mut()).await {
        return Some(answer);
    }
    tokio::time::timeout(LATE_RESPONSE, response).await.ok()
}

/// Yields once before each poll of the driver, so that commands of several requests are sent together: sending
/// dominates their cost. Without it, the driver sends each command separately (0.9 system calls a read, measured).
fn coalescing(driver: impl Future<Output = ()>) -> impl Future<Output = ()> {
    let mut driver = Box::pin(driver);
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        yielded = !yielded;
        if yielded {
            // Queued behind all tasks that are ready on this thread.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        driver.as_mut().poll(context)
    })
}

impl Call {
    /// Adds the call by the script's hash, which Redis may not know.
    fn add_by_hash(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("EVALSHA").arg(self.script.script().get_hash()).arg(1).arg(&self.key).arg(&self.args);
    }

    fn add_with_source(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("EVAL").arg(self.script.source()).arg(1).arg(&self.key).arg(&self.args);
    }
}

fn is_unknown(answer: &Value) -> bool {
    code(answer) == Some("NOSCRIPT")
}

/// Returns the code of an error response.
pub(in crate::cache::redis) fn code(answer: &Value) -> Option<&str> {
    match answer {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    }
}

/// Returns the text of a string response.
pub(in crate::cache::redis) fn text(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// Returns true if an error code means that this server is unusable.
fn unusable(code: &str) -> bool {
    matches!(
        code,
        "READONLY"
            | "MASTERDOWN"
            | "LOADING"
            | "BUSY"
            | "MISCONF"
            | "NOREPLICAS"
            | "NOAUTH"
            | "NOPERM"
            | "WRONGPASS"
            | "MOVED"
            | "ASK"
            | "CLUSTERDOWN"
            | "TRYAGAIN"
    )
}

/// Converts a driver error, without its message, which may contain request data.
fn convert_error(error: &::redis::RedisError) -> RedisError {
    match error.code() {
        _ if error.is_timeout() => RedisError::TimedOut,
        Some(code) => RedisError::Refused(code.to_owned()),
        None if error.is_io_error() || error.is_connection_dropped() => RedisError::Lost,
        None => RedisError::Refused(error.category().to_owned()),
    }
}

/// Formats a duration as an argument of a script, in milliseconds.
pub(in crate::cache::redis) fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into_bytes()
}
