//! Whether the database answers at all. It is asked all the time, on a connection of its own; so while it is away, nobody
//! finds that out by waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_postgres::{Client, Error};
use tokio_util::task::AbortOnDropHandle;

use super::PostgresOptions;
use super::error::{AWAY, is_lost, told};
use crate::store::StoreError;

/// How often it is asked while it answers, and while it does not.
const EVERY: Duration = Duration::from_millis(250);
const AGAIN: Duration = Duration::from_millis(100);

/// Open while the database is away.
#[derive(Clone)]
pub(super) struct Breaker(Arc<State>);

struct State {
    open: watch::Sender<bool>,
    suspected: Notify,
}

impl Breaker {
    /// Closed, until the task that comes with it finds otherwise.
    pub(super) fn start(options: &PostgresOptions) -> (Self, AbortOnDropHandle<()>) {
        let breaker = Self(Arc::new(State { open: watch::Sender::new(false), suspected: Notify::new() }));
        let probe = tokio::spawn(breaker.clone().watch(options.clone()));
        (breaker, AbortOnDropHandle::new(probe))
    }

    pub(super) fn is_open(&self) -> bool {
        *self.0.open.borrow()
    }

    /// Somebody's connection failed: it is asked now, and not when its time comes.
    pub(super) fn suspect(&self) {
        self.0.suspected.notify_one();
    }

    /// Does what needs the database. Fails at once while that is away, and as soon as it is.
    pub(super) async fn guard<T, E: From<StoreError>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut open = self.0.open.subscribe();
        tokio::select! {
            biased;
            // The sender lives as long as this borrows it.
            _open = open.wait_for(|open| *open) => Err(AWAY.into()),
            done = work => done,
        }
    }

    async fn watch(self, options: PostgresOptions) {
        let mut probe = Probe { options, connection: None };
        loop {
            let away = probe.finds_it_away().await;
            self.0.open.send_if_modified(|open| {
                let changed = *open != away.is_some();
                if changed {
                    tell(&probe.options, away.as_deref());
                }
                *open = away.is_some();
                changed
            });
            if away.is_some() {
                tokio::time::sleep(AGAIN).await;
            } else {
                let _early = tokio::time::timeout(EVERY, self.0.suspected.notified()).await;
            }
        }
    }
}

fn tell(options: &PostgresOptions, away: Option<&str>) {
    let place = options.is_standby().then(|| options.place());
    match (place, away) {
        (None, Some(cause)) => tracing::error!(cause, "the database is away; what needs it fails at once"),
        (None, None) => tracing::info!("the database answers again"),
        (Some(place), Some(cause)) => tracing::warn!(place, cause, "a standby is away; the primary answers for it"),
        (Some(place), None) => tracing::info!(place, "a standby answers again"),
    }
}

struct Probe {
    options: PostgresOptions,
    connection: Option<(Client, AbortOnDropHandle<()>)>,
}

impl Probe {
    /// Why the database is away, if it is. One that refuses us a connection is not: others may have theirs.
    async fn finds_it_away(&mut self) -> Option<String> {
        let silent = || Some("it does not answer".to_owned());
        if self.connection.is_some() {
            match self.asks().await {
                Some(Ok(())) => return None,
                // Its own connection may have been closed by whoever stands in between.
                Some(Err(_closed)) => {}
                None => return silent(),
            }
        }
        match self.options.connect().await {
            Ok((client, connection)) => {
                let driven = tokio::spawn(async move {
                    if let Err(error) = connection.await {
                        tracing::debug!(cause = told(&error), "the probe's connection failed");
                    }
                });
                self.connection = Some((client, AbortOnDropHandle::new(driven)));
            }
            Err(Some(error)) => return away(&error),
            Err(None) => return silent(),
        }
        match self.asks().await {
            Some(asked) => asked.err(),
            None => silent(),
        }
    }

    /// None when there is no answer in time. A connection on which something failed is not asked again.
    async fn asks(&mut self) -> Option<Result<(), String>> {
        let (client, driven) = self.connection.take()?;
        let asked = tokio::time::timeout(self.options.connect_timeout, client.simple_query("SELECT 1")).await.ok()?;
        match asked {
            Ok(_one) => {
                self.connection = Some((client, driven));
                Some(Ok(()))
            }
            Err(error) => Some(away(&error).map_or(Ok(()), Err)),
        }
    }
}

fn away(error: &Error) -> Option<String> {
    (error.code().is_none() || is_lost(error)).then(|| told(error))
}
