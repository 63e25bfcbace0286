//! Connections: so many, each used by one caller at a time, and given back only when nothing is left on it.
//!
//! A connection has no state of ours: no prepared statement, no setting, no lock outlives its transaction. So it may lead to
//! pgbouncer in transaction mode, where the next transaction meets another server process.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresOptions;
use super::breaker::Breaker;
use super::error::{answer, is_lost, no_connection};
use super::tls::Tls;
use crate::store::StoreError;
use crate::telemetry::trace::{Kind, Part, Value, span_of};

/// How long the request to stop a statement may take.
const CANCEL: Duration = Duration::from_secs(1);

/// A parameter, with the type that it is sent as.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// So many connections.
pub(super) struct Pool {
    inner: deadpool_postgres::Pool,
    statement_timeout: Duration,
    breaker: Breaker,
    tls: Tls,
    /// Whether the database may be told to remember a statement: where we listen, a connection stays with one of its processes.
    sticky: bool,
    /// Of a standby that is away its breaker tells; here, only of one that refuses us.
    standby: bool,
    /// Whether the last try to get a connection succeeded: an outage is logged when it begins and when it ends.
    reachable: AtomicBool,
}

impl Pool {
    pub(super) fn new(options: &PostgresOptions, size: usize, breaker: &Breaker) -> Result<Self, StoreError> {
        let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(options.config(), options.tls(), config);
        let inner = deadpool_postgres::Pool::builder(manager)
            .max_size(size.max(1))
            .wait_timeout(Some(options.connect_timeout))
            .create_timeout(Some(options.connect_timeout))
            .recycle_timeout(Some(options.connect_timeout))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| {
                tracing::error!(cause = %error, "the pool of connections could not be made");
                StoreError::Internal
            })?;
        let statement_timeout = options.statement_timeout;
        Ok(Self {
            inner,
            statement_timeout,
            breaker: breaker.clone(),
            tls: options.tls(),
            sticky: options.listen,
            standby: options.is_standby(),
            reachable: AtomicBool::new(true),
        })
    }

    /// Does what needs the database. Fails at once while that is away, and as soon as it is: with what was sent, nobody knows.
    pub(super) async fn guard<T, E: From<StoreError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.breaker.guard(work).await
    }

    /// A connection, for a transaction.
    pub(super) async fn connection(&self) -> Result<Connection, StoreError> {
        self.guard(self.take()).await
    }

    async fn take(&self) -> Result<Connection, StoreError> {
        match self.inner.get().await {
            Ok(client) => {
                if !self.reachable.swap(true, Ordering::Relaxed) {
                    tracing::info!("the database answers again");
                }
                Ok(Connection { client: Some(client), tls: self.tls.clone() })
            }
            Err(error) => {
                let crowded = matches!(error, PoolError::Timeout(TimeoutType::Wait));
                if !crowded {
                    self.breaker.suspect();
                }
                let refused = matches!(&error, PoolError::Backend(error) if error.code().is_some());
                if !crowded && (refused || !self.standby) && self.reachable.swap(false, Ordering::Relaxed) {
                    tracing::error!(cause = %error, standby = self.standby, "the database cannot be reached");
                }
                Err(no_connection(&error))
            }
        }
    }

    /// One statement that reads. Asked once more if the connection turns out to be gone: it may have been idle since
    /// before a restart of the database.
    pub(super) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.guard(self.ask(sql, params, false)).await
    }

    /// The same, for the statement that is asked most by far: the database keeps its plan where it can, since planning it takes
    /// longer than doing it. There must be one such statement only. Then whoever mistakes one process's for another's, behind a
    /// pgbouncer that we were not told of, still runs the same.
    pub(super) async fn query_planned(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.guard(self.ask(sql, params, self.sticky)).await
    }

    async fn ask(&self, sql: &str, params: &[Param<'_>], planned: bool) -> Result<Vec<Row>, StoreError> {
        let part = statement(sql);
        let answer = self.ask_untraced(sql, params, planned).await;
        if let (Some(part), Err(_)) = (part, &answer) {
            part.fail();
        }
        answer
    }

    async fn ask_untraced(&self, sql: &str, params: &[Param<'_>], planned: bool) -> Result<Vec<Row>, StoreError> {
        let mut again = true;
        loop {
            let connection = self.take().await?;
            let asked = tokio::time::timeout(self.statement_timeout, connection.read(sql, params, planned)).await;
            match asked {
                Ok(Ok(rows)) => {
                    connection.give_back();
                    return Ok(rows);
                }
                Ok(Err(error)) if is_lost(&error) => {
                    connection.discard();
                    self.breaker.suspect();
                    if !std::mem::take(&mut again) {
                        return Err(answer(&error));
                    }
                }
                Ok(Err(error)) => {
                    connection.give_back();
                    return Err(answer(&error));
                }
                Err(_elapsed) => {
                    tracing::warn!(timeout_ms = self.statement_timeout.as_millis() as u64, "a read took too long");
                    return Err(StoreError::Unavailable("it took too long"));
                }
            }
        }
    }

    /// One statement that writes by itself; not asked twice.
    pub(super) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection().await?;
        let done = self.guard(async {
            let done = tokio::time::timeout(self.statement_timeout, connection.execute_typed(sql, params)).await;
            done.map_err(|_elapsed| StoreError::Unavailable("it took too long"))
        });
        let done = done.await?;
        connection.give_back();
        done.map_err(|error| answer(&error))
    }
}

/// A statement begins; it is recorded if it is a traced call's, with the connection that it waits for. By what it does and where,
/// never with what it is about.
pub(super) fn statement(sql: &str) -> Option<Part> {
    let part = span_of(Kind::Client, || format!("postgres {}", summary(sql)))?;
    part.say("db.system.name", Value::Text("postgresql".into()));
    Some(part)
}

/// What a statement does, and to the first table that it names: `SELECT articles`.
fn summary(sql: &str) -> String {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    let after = sql.split_once("copydesk.").map_or("", |(_, after)| after);
    let table: String = after.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    format!("{verb} {table}").trim_end().to_owned()
}

/// A connection in use. Dropped before it is given back, its statement is stopped, and it is closed: what the next caller
/// gets has nothing on it.
pub(super) struct Connection {
    client: Option<Object>,
    tls: Tls,
}

impl Connection {
    async fn read(&self, sql: &str, params: &[Param<'_>], planned: bool) -> Result<Vec<Row>, tokio_postgres::Error> {
        let Some(client) = self.client.as_ref().filter(|_| planned) else { return self.query_typed(sql, params).await };
        let types: Vec<Type> = params.iter().map(|(_, of)| of.clone()).collect();
        let values: Vec<&(dyn ToSql + Sync)> = params.iter().map(|(value, _)| *value).collect();
        let statement = client.prepare_typed_cached(sql, &types).await?;
        client.query(&statement, &values).await
    }

    /// Nothing is under way on it: others may have it.
    pub(super) fn give_back(mut self) {
        drop(self.client.take());
    }

    /// It is of no use any more.
    pub(super) fn discard(mut self) {
        drop(self.client.take().map(Object::take));
    }
}

impl Deref for Connection {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        self.client.as_ref().expect("it is there until it is given back, which takes self")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (cancel, tls) = (client.cancel_token(), self.tls.clone());
        drop(Object::take(client));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // It may have ended by itself; then there is nothing to stop.
                drop(tokio::time::timeout(CANCEL, cancel.cancel_query(tls)).await);
            });
        }
    }
}
