//! Wake-ups after commits: immediate for this process, by LISTEN for other replicas. They are hints: readers that must
//! be sure query the change feed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::poll_fn;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Error};
use tokio_util::task::AbortOnDropHandle;

use super::PostgresOptions;
use super::error::describe;
use super::rows::position;
use crate::article::Position;

/// Delay before listening again after the connection was lost.
const RECONNECT: Duration = Duration::from_secs(1);

/// Channel of wake-ups with the feed's latest known position.
#[derive(Clone)]
pub(super) struct Wake(Arc<watch::Sender<Position>>);

impl Wake {
    /// Creates a channel with the feed's current head.
    pub(super) fn new(head: Position) -> Self {
        Self(Arc::new(watch::Sender::new(head)))
    }

    /// Announces that the feed has reached at least `head`.
    pub(super) fn announce(&self, head: Position) {
        self.0.send_if_modified(|known| {
            let advanced = head > *known;
            *known = head.max(*known);
            advanced
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// Announces other replicas' commits until the handle is dropped. Uses a separate connection. While it is down,
    /// followers poll, and listening is retried.
    pub(super) fn listen(&self, options: &PostgresOptions) -> AbortOnDropHandle<()> {
        let (wake, options) = (self.clone(), options.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            // Each outage is logged once, when it begins.
            let mut logged = false;
            loop {
                let ended = wake.listen_once(&options, &mut logged).await;
                if !std::mem::replace(&mut logged, true) {
                    let error =
                        ended.err().flatten().map_or_else(|| "connection closed".into(), |error| describe(&error));
                    tracing::warn!(error, "LISTEN connection failed; followers poll the change feed");
                }
                tokio::time::sleep(RECONNECT).await;
            }
        }))
    }

    async fn listen_once(&self, options: &PostgresOptions, logged: &mut bool) -> Result<(), Option<Error>> {
        let (client, mut connection) = options.connect().await?;
        let mut messages = poll_fn(move |context| connection.poll_message(context));
        let receive = async {
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(notification) = message.map_err(Some)?
                    && let Ok(sequence) = notification.payload().parse()
                {
                    self.announce(position(sequence));
                }
            }
            Ok(())
        };
        let listen = async {
            client.batch_execute("LISTEN copydesk_feed").await.map_err(Some)?;
            *logged = false;
            std::future::pending().await
        };
        tokio::select! {
            ended = receive => ended,
            failed = listen => failed,
        }
    }
}
