//! Connection pool. Each connection is used by one task at a time, and returned only when no statement is pending on
//! it.
//!
//! Connections are stateless: no prepared statement, setting or lock outlives its transaction. So they work through
//! pgbouncer in transaction mode, where each transaction may run in another server process.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime, TimeoutType};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::PostgresOptions;
use super::breaker::Breaker;
use super::error::{is_lost, is_unprepared, no_connection, store_error};
use super::tls::Tls;
use crate::store::StoreError;
use crate::telemetry::trace::{SpanGuard, SpanKind, Value, span_of};

/// Timeout of the request to cancel a statement.
const CANCEL: Duration = Duration::from_secs(1);

/// Parameter with its PostgreSQL type.
pub(super) type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// Connection pool with a circuit breaker.
pub(super) struct Pool {
    inner: deadpool_postgres::Pool,
    statement_timeout: Duration,
    breaker: Breaker,
    tls: Tls,
    /// True if prepared statements may be used: where we listen, a connection stays with one server process.
    can_prepare: bool,
    /// True for a standby: its breaker logs outages, and only rejected connections are logged here.
    standby: bool,
    /// True if the last attempt to get a connection succeeded. An outage is logged when it begins and when it ends.
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
                tracing::error!(%error, "connection pool creation failed");
                StoreError::Internal
            })?;
        let statement_timeout = options.statement_timeout;
        Ok(Self {
            inner,
            statement_timeout,
            breaker: breaker.clone(),
            tls: options.tls(),
            can_prepare: options.listen,
            standby: options.is_standby(),
            reachable: AtomicBool::new(true),
        })
    }

    /// Runs work that needs the database. Fails at once while the circuit breaker is open, or when it opens; the
    /// outcome of a statement already sent is then unknown.
    pub(super) async fn guard<T, E: From<StoreError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        self.breaker.guard(work).await
    }

    /// Returns the maximum duration of a statement.
    pub(super) fn statement_timeout(&self) -> Duration {
        self.statement_timeout
    }

    /// Returns a connection for a transaction.
    pub(super) async fn connection(&self) -> Result<Connection, StoreError> {
        self.guard(self.checkout()).await
    }

    async fn checkout(&self) -> Result<Connection, StoreError> {
        match self.inner.get().await {
            Ok(client) => {
                if !self.reachable.swap(true, Ordering::Relaxed) {
                    tracing::info!("database reachable again");
                }
                Ok(Connection { client: Some(client), tls: self.tls.clone() })
            }
            Err(error) => {
                let exhausted = matches!(error, PoolError::Timeout(TimeoutType::Wait));
                if !exhausted {
                    self.breaker.suspect();
                }
                let rejected = matches!(&error, PoolError::Backend(error) if error.code().is_some());
                if !exhausted && (rejected || !self.standby) && self.reachable.swap(false, Ordering::Relaxed) {
                    tracing::error!(%error, standby = self.standby, "database unreachable");
                }
                Err(no_connection(&error))
            }
        }
    }

    /// Runs one read statement. Retries once if the connection was lost: it may have been idle since before a restart
    /// of the database.
    pub(super) async fn query(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.guard(self.run(sql, params, false)).await
    }

    /// Same as [`Self::query`], for the most frequent statement: it is prepared where possible, since planning takes
    /// longer than execution. Only one statement may use this. Behind a pgbouncer that is not configured here, a mix-up
    /// of server processes then still runs the same statement.
    pub(super) async fn query_planned(&self, sql: &str, params: &[Param<'_>]) -> Result<Vec<Row>, StoreError> {
        self.guard(self.run(sql, params, self.can_prepare)).await
    }

    async fn run(&self, sql: &str, params: &[Param<'_>], planned: bool) -> Result<Vec<Row>, StoreError> {
        let span = statement(sql);
        let answer = self.run_untraced(sql, params, planned).await;
        if let (Some(span), Err(_)) = (span, &answer) {
            span.fail();
        }
        answer
    }

    async fn run_untraced(&self, sql: &str, params: &[Param<'_>], planned: bool) -> Result<Vec<Row>, StoreError> {
        let mut may_retry = true;
        loop {
            let connection = self.checkout().await?;
            let planned = planned && may_retry;
            let read = tokio::time::timeout(self.statement_timeout, connection.read(sql, params, planned)).await;
            match read {
                Ok(Ok(rows)) => {
                    connection.release();
                    return Ok(rows);
                }
                Ok(Err(error)) if is_lost(&error) => {
                    connection.discard();
                    self.breaker.suspect();
                    if !std::mem::take(&mut may_retry) {
                        return Err(store_error(&error));
                    }
                }
                // Prepared in another server process, or deallocated. The next attempt does without; later calls
                // prepare it again.
                Ok(Err(error)) if planned && is_unprepared(&error) && std::mem::take(&mut may_retry) => {
                    connection.forget_prepared();
                    connection.release();
                }
                Ok(Err(error)) => {
                    connection.release();
                    return Err(store_error(&error));
                }
                Err(_elapsed) => {
                    tracing::warn!(timeout_ms = self.statement_timeout.as_millis() as u64, "read timed out");
                    return Err(StoreError::Unavailable("it took too long"));
                }
            }
        }
    }

    /// Runs one write statement outside a transaction, without a retry.
    pub(super) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
        let connection = self.connection().await?;
        let done = self.guard(async {
            let done = tokio::time::timeout(self.statement_timeout, connection.execute_typed(sql, params)).await;
            done.map_err(|_elapsed| StoreError::Unavailable("it took too long"))
        });
        let done = done.await?;
        connection.release();
        done.map_err(|error| store_error(&error))
    }
}

/// Starts the span of a statement, including the wait for a connection, if the call is traced. The span names verb and
/// table, never values.
pub(super) fn statement(sql: &str) -> Option<SpanGuard> {
    let span = span_of(SpanKind::Client, || format!("postgres {}", summary(sql)))?;
    span.set_attribute("db.system.name", Value::Text("postgresql".into()));
    Some(span)
}

/// Returns the verb of a statement and the first table that it names: `SELECT articles`.
fn summary(sql: &str) -> String {
    let verb = sql.split_whitespace().next().unwrap_or_default();
    let after = sql.split_once("copydesk.").map_or("", |(_, after)| after);
    let table: String = after.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect();
    format!("{verb} {table}").trim_end().to_owned()
}

/// Connection in use. If it is dropped before [`Self::give_back`], its statement is cancelled and it is closed, so that
/// the pool never reuses a connection with a pending statement.
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

    /// Forgets the prepared statements, which the session no longer has.
    fn forget_prepared(&self) {
        if let Some(client) = &self.client {
            client.statement_cache.clear();
        }
    }

    /// Returns the connection to the pool; no statement may be pending.
    pub(super) fn release(mut self) {
        drop(self.client.take());
    }

    /// Closes a broken connection.
    pub(super) fn discard(mut self) {
        drop(self.client.take().map(Object::take));
    }
}

impl Deref for Connection {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &Self::Target {
        self.client.as_ref().expect("the client is present until `give_back`, which takes self")
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let (cancel, tls) = (client.cancel_token(), self.tls.clone());
        drop(Object::take(client));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // The statement may already have ended; then cancelling has no effect.
                drop(tokio::time::timeout(CANCEL, cancel.cancel_query(tls)).await);
            });
        }
    }
}
