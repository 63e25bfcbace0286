//! Circuit breaker of the database. A health check runs all the time on a separate connection, so that no request waits
//! for a timeout while the database is down.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_postgres::{Client, Error};
use tokio_util::task::AbortOnDropHandle;

use super::PostgresOptions;
use super::error::{UNREACHABLE, describe, is_lost};
use crate::store::StoreError;

/// Interval of the health check while the breaker is closed, and while it is open.
const CLOSED_INTERVAL: Duration = Duration::from_millis(250);
const OPEN_INTERVAL: Duration = Duration::from_millis(100);

/// Circuit breaker, open while the database does not answer.
#[derive(Clone)]
pub(super) struct Breaker(Arc<BreakerState>);

struct BreakerState {
    open: watch::Sender<bool>,
    suspected: Notify,
}

impl Breaker {
    /// Creates a closed breaker, and starts the task that checks the database.
    pub(super) fn start(options: &PostgresOptions) -> (Self, AbortOnDropHandle<()>) {
        let breaker = Self(Arc::new(BreakerState { open: watch::Sender::new(false), suspected: Notify::new() }));
        let probe = tokio::spawn(breaker.clone().watch(options.clone()));
        (breaker, AbortOnDropHandle::new(probe))
    }

    pub(super) fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Requests an immediate health check, after a connection failed.
    pub(super) fn suspect(&self) {
        self.0.suspected.notify_one();
    }

    /// Runs work that needs the database. Fails at once while the breaker is open, or when it opens.
    pub(super) async fn guard<T, E: From<StoreError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut open = self.0.open.subscribe();
        tokio::select! {
            biased;
            // The sender outlives this borrow.
            _open = open.wait_for(|open| *open) => Err(UNREACHABLE.into()),
            done = work => done,
        }
    }

    async fn watch(self, options: PostgresOptions) {
        let mut probe = Probe { options, connection: None };
        loop {
            let failure = probe.check().await;
            self.0.open.send_if_modified(|open| {
                let changed = *open != failure.is_some();
                if changed {
                    log_change(&probe.options, failure.as_deref());
                }
                *open = failure.is_some();
                changed
            });
            if failure.is_some() {
                tokio::time::sleep(OPEN_INTERVAL).await;
            } else {
                let _early = tokio::time::timeout(CLOSED_INTERVAL, self.0.suspected.notified()).await;
            }
        }
    }
}

fn log_change(options: &PostgresOptions, failure: Option<&str>) {
    let standby = options.is_standby().then(|| options.address());
    match (standby, failure) {
        (None, Some(error)) => tracing::error!(error, "database unreachable; requests fail at once"),
        (None, None) => tracing::info!("database reachable again"),
        (Some(standby), Some(error)) => {
            tracing::warn!(standby, error, "standby unreachable; reads fall back to the primary");
        }
        (Some(standby), None) => tracing::info!(standby, "standby reachable again"),
    }
}

struct Probe {
    options: PostgresOptions,
    connection: Option<(Client, AbortOnDropHandle<()>)>,
}

impl Probe {
    /// Returns the reason if the database does not answer. A rejected connection is an answer: other connections may
    /// work.
    async fn check(&mut self) -> Option<String> {
        let timed_out = || Some("timed out".to_owned());
        if self.connection.is_some() {
            match self.ping().await {
                Some(Ok(())) => return None,
                // A proxy may have closed the probe's connection.
                Some(Err(_closed)) => {}
                None => return timed_out(),
            }
        }
        match self.options.connect().await {
            Ok((client, connection)) => {
                let driver = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(error = describe(&error), "health check connection failed");
                    }
                });
                self.connection = Some((client, AbortOnDropHandle::new(driver)));
            }
            Err(Some(error)) => return outage(&error),
            Err(None) => return timed_out(),
        }
        match self.ping().await {
            Some(pinged) => pinged.err(),
            None => timed_out(),
        }
    }

    /// Sends a query. None on timeout. A connection that failed is not used again.
    async fn ping(&mut self) -> Option<Result<(), String>> {
        let (client, driver) = self.connection.take()?;
        let pinged = tokio::time::timeout(self.options.connect_timeout, client.simple_query("SELECT 1")).await.ok()?;
        match pinged {
            Ok(_one) => {
                self.connection = Some((client, driver));
                Some(Ok(()))
            }
            Err(error) => Some(outage(&error).map_or(Ok(()), Err)),
        }
    }
}

fn outage(error: &Error) -> Option<String> {
    (error.code().is_none() || is_lost(error)).then(|| describe(error))
}
