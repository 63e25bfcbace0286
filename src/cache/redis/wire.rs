//! One connection to Redis, on which nothing takes longer than it may.

use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Script, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use super::options::Address;
use super::scripts;
use super::tls::Tls;
use crate::telemetry::trace::{self, Kind, Part, span};

/// How long connecting may take, with everything that is said first.
const CONNECT: Duration = Duration::from_millis(300);
/// How long a call may take in all: with a claim that is waited for (20 ms), a read that Redis fails is held up 60 ms. The
/// driver's own timeout does not cover every wait of its, and would only be a second timer for each call.
const CALL: Duration = Duration::from_millis(40);
/// How much longer for each further question of one round trip: an article of 20 kB takes 160 µs at 1 Gbit/s.
const EACH: Duration = Duration::from_micros(200);
/// How much of that is left for an answer that has come while this process did not run.
const LAST: Duration = Duration::from_millis(5);

/// Why Redis did not answer as it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error("it did not answer in time")]
    Late,
    #[error("the connection failed")]
    Lost,
    /// It answers, and cannot be used: it is a replica, is loading, or does not know us.
    #[error("it refuses: {0}")]
    Refused(String),
}

/// What runs within Redis.
#[derive(Clone, Copy)]
pub(super) enum Step {
    GetLease,
    Fill,
    Refresh,
    Invalidate,
    Open,
    Mark,
    Close,
}

impl Step {
    fn script(self) -> &'static Script {
        static SCRIPTS: LazyLock<[Script; 7]> = LazyLock::new(|| {
            use Step::{Close, Fill, GetLease, Invalidate, Mark, Open, Refresh};
            [GetLease, Fill, Refresh, Invalidate, Open, Mark, Close].map(|step| Script::new(step.source()))
        });
        &SCRIPTS[self as usize]
    }

    /// As traces call it.
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

/// A step on a key.
pub(super) struct Call {
    pub(super) step: Step,
    pub(super) key: String,
    pub(super) args: Vec<Vec<u8>>,
}

/// A connection. It is never mended: who needs another opens one, and looks anew whom it leads to.
#[derive(Clone)]
pub(super) struct Wire {
    connection: MultiplexedConnection,
    /// What carries questions and answers; a server that has stopped would keep it.
    driver: Arc<AbortOnDropHandle<()>>,
}

impl Wire {
    pub(super) async fn open(to: &Address, login: &RedisConnectionInfo, tls: Option<&Tls>) -> Result<Self, Trouble> {
        let opening = async {
            let stream = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(|_| Trouble::Lost)?;
            stream.set_nodelay(true).map_err(|_| Trouble::Lost)?;
            match tls {
                None => Self::on(stream, login).await,
                Some(tls) => match tls.connect(&to.host, stream).await {
                    Ok(stream) => Self::on(stream, login).await,
                    // It says what is wrong with whose certificate, and nothing that is secret.
                    Err(error) => Err(Trouble::Refused(format!("TLS: {error}"))),
                },
            }
        };
        tokio::time::timeout(CONNECT, opening).await.unwrap_or(Err(Trouble::Late))
    }

    async fn on<S>(stream: S, login: &RedisConnectionInfo) -> Result<Self, Trouble>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(1_024);
        let opened = MultiplexedConnection::new_with_config(login, stream, config).await;
        let (connection, driver) = opened.map_err(|error| trouble(&error))?;
        let driver = Arc::new(AbortOnDropHandle::new(tokio::spawn(gathering(driver))));
        Ok(Self { connection, driver })
    }

    /// Ends the connection. Whoever waits for an answer is told that it is lost.
    pub(super) fn end(&self) {
        self.driver.abort();
    }

    /// What one key holds. By far the most frequent call: it spares what a pipeline of one would cost.
    pub(super) async fn get(&self, key: &str) -> Result<Value, Trouble> {
        let mut command = Cmd::with_capacity(2, key.len() + 3);
        command.arg("GET").arg(key);
        let mut connection = self.connection.clone();
        let part = asking("redis GET", 1);
        let answer = match in_time(1, connection.send_packed_command(&command)).await {
            Some(Ok(answer)) => match code(&answer).filter(|code| unusable(code)) {
                Some(code) => Err(Trouble::Refused(code.to_owned())),
                None => Ok(answer),
            },
            Some(Err(error)) => Err(trouble(&error)),
            None => Err(Trouble::Late),
        };
        answered(part, answer)
    }

    /// What several keys hold, in one round trip.
    pub(super) async fn get_all(&self, keys: impl Iterator<Item = String>) -> Result<Vec<Value>, Trouble> {
        let mut pipeline = Pipeline::with_capacity(keys.size_hint().0);
        for key in keys {
            pipeline.cmd("GET").arg(key);
        }
        let part = asking("redis GET", pipeline.len());
        answered(part, self.ask(&pipeline).await)
    }

    /// One round trip. An answer may be an error of its own, which stops no other.
    pub(super) async fn ask(&self, pipeline: &Pipeline) -> Result<Vec<Value>, Trouble> {
        let count = pipeline.len();
        let mut connection = self.connection.clone();
        let answers = match in_time(count, connection.send_packed_commands(pipeline, 0, count)).await {
            Some(Ok(answers)) => answers,
            Some(Err(error)) => return Err(trouble(&error)),
            None => return Err(Trouble::Late),
        };
        if answers.len() != count {
            return Err(Trouble::Lost);
        }
        match answers.iter().find_map(|answer| code(answer).filter(|code| unusable(code))) {
            Some(code) => Err(Trouble::Refused(code.to_owned())),
            None => Ok(answers),
        }
    }

    /// Runs steps, in one round trip; a Redis that does not know them yet is told them in a second.
    pub(super) async fn run(&self, calls: &[Call]) -> Result<Vec<Value>, Trouble> {
        let part = calls.first().and_then(|call| asking(call.step.span(), calls.len()));
        answered(part, self.run_steps(calls).await)
    }

    async fn run_steps(&self, calls: &[Call]) -> Result<Vec<Value>, Trouble> {
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for call in calls {
            call.put(&mut pipeline);
        }
        let mut answers = self.ask(&pipeline).await?;
        let unknown: Vec<usize> = (0..answers.len()).filter(|at| is_unknown(&answers[*at])).collect();
        if !unknown.is_empty() {
            let mut pipeline = Pipeline::with_capacity(unknown.len());
            for at in &unknown {
                calls[*at].put_whole(&mut pipeline);
            }
            for (at, answer) in unknown.into_iter().zip(self.ask(&pipeline).await?) {
                answers[at] = answer;
            }
        }
        Ok(answers)
    }

    /// Runs one step and then asks, in one round trip: what is answered was so after the step. The step's answer is first.
    pub(super) async fn run_then(&self, call: &Call, then: impl Fn(&mut Pipeline)) -> Result<Vec<Value>, Trouble> {
        let mut pipeline = Pipeline::new();
        call.put(&mut pipeline);
        then(&mut pipeline);
        let answers = self.ask(&pipeline).await?;
        if !answers.first().is_some_and(is_unknown) {
            return Ok(answers);
        }
        pipeline.clear();
        call.put_whole(&mut pipeline);
        then(&mut pipeline);
        self.ask(&pipeline).await
    }
}

/// A question to Redis begins; it is recorded if it is a traced call's.
fn asking(name: &'static str, questions: usize) -> Option<Part> {
    let part = span(Kind::Client, name)?;
    part.say("db.system.name", trace::Value::Text("redis".into()));
    if questions > 1 {
        part.say("db.operation.batch.size", trace::Value::Int(i64::try_from(questions).unwrap_or(i64::MAX)));
    }
    Some(part)
}

fn answered<T>(part: Option<Part>, answer: Result<T, Trouble>) -> Result<T, Trouble> {
    if let (Some(part), Err(_)) = (part, &answer) {
        part.fail();
    }
    answer
}

/// What so many questions are answered within [`CALL`] and what the further ones add. A processor that others keep busy makes the time pass before what has arrived is looked at:
/// then the timer's end is seen first, and the answer a moment later.
async fn in_time<T>(questions: usize, asked: impl Future<Output = T>) -> Option<T> {
    let patience = CALL - LAST + EACH * u32::try_from(questions.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut asked = std::pin::pin!(asked);
    if let Ok(answer) = tokio::time::timeout(patience, asked.as_mut()).await {
        return Some(answer);
    }
    tokio::time::timeout(LAST, asked).await.ok()
}

/// Lets whatever else is ready go first each time there is something to do, so that questions of several callers are sent
/// together: to send them is most of what they cost. Left to itself, the driver sends each on its own (0.9 system calls a
/// read, measured).
fn gathering(driver: impl Future<Output = ()>) -> impl Future<Output = ()> {
    let mut driver = Box::pin(driver);
    let mut waited = false;
    std::future::poll_fn(move |context| {
        waited = !waited;
        if waited {
            // Behind all others that are to be polled on this thread.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        driver.as_mut().poll(context)
    })
}

impl Call {
    /// By the script's hash, which Redis may not know.
    fn put(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("EVALSHA").arg(self.step.script().get_hash()).arg(1).arg(&self.key).arg(&self.args);
    }

    fn put_whole(&self, pipeline: &mut Pipeline) {
        pipeline.cmd("EVAL").arg(self.step.source()).arg(1).arg(&self.key).arg(&self.args);
    }
}

fn is_unknown(answer: &Value) -> bool {
    code(answer) == Some("NOSCRIPT")
}

/// The code of an answer that is an error.
pub(super) fn code(answer: &Value) -> Option<&str> {
    match answer {
        Value::ServerError(error) => Some(error.code()),
        _ => None,
    }
}

/// An answer that is text.
pub(super) fn text(answer: &Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::VerbatimString { text, .. } => Some(text.clone()),
        _ => None,
    }
}

/// Whether an error says that this server is not the one to ask.
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

/// Without the driver's words, which may show what was sent.
fn trouble(error: &::redis::RedisError) -> Trouble {
    match error.code() {
        _ if error.is_timeout() => Trouble::Late,
        Some(code) => Trouble::Refused(code.to_owned()),
        None if error.is_io_error() || error.is_connection_dropped() => Trouble::Lost,
        None => Trouble::Refused(error.category().to_owned()),
    }
}
