//! News of commits: of this process's own at once, of other replicas' by LISTEN. A hint: whoever must be sure asks the feed.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::poll_fn;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Error};
use tokio_util::task::AbortOnDropHandle;

use super::PostgresOptions;
use super::error::told;
use super::rows::position;
use crate::article::Position;

/// How long to wait before listening again, when the connection was lost.
const AGAIN: Duration = Duration::from_secs(1);

/// Where news is announced and waited for.
#[derive(Clone)]
pub(super) struct Wake(Arc<watch::Sender<Position>>);

impl Wake {
    /// The feed has come so far.
    pub(super) fn new(head: Position) -> Self {
        Self(Arc::new(watch::Sender::new(head)))
    }

    /// The feed has come so far, or further.
    pub(super) fn announce(&self, head: Position) {
        self.0.send_if_modified(|known| {
            let news = head > *known;
            *known = head.max(*known);
            news
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.0.subscribe()
    }

    /// Announces what other replicas commit, until it is dropped. Uses a connection of its own, which may fail: then what is
    /// news is found by asking, and listening is tried again.
    pub(super) fn listen(&self, options: &PostgresOptions) -> AbortOnDropHandle<()> {
        let (wake, options) = (self.clone(), options.clone());
        AbortOnDropHandle::new(tokio::spawn(async move {
            // An outage is logged when it begins.
            let mut known = false;
            loop {
                let ended = wake.listen_once(&options, &mut known).await;
                if !std::mem::replace(&mut known, true) {
                    let cause =
                        ended.err().flatten().map_or_else(|| "the connection has ended".into(), |error| told(&error));
                    tracing::warn!(cause, "not listening for commits; followers ask by themselves");
                }
                tokio::time::sleep(AGAIN).await;
            }
        }))
    }

    async fn listen_once(&self, options: &PostgresOptions, known: &mut bool) -> Result<(), Option<Error>> {
        let (client, mut connection) = options.connect().await?;
        let mut messages = poll_fn(move |context| connection.poll_message(context));
        let hear = async {
            while let Some(message) = messages.next().await {
                if let AsyncMessage::Notification(news) = message.map_err(Some)?
                    && let Ok(sequence) = news.payload().parse()
                {
                    self.announce(position(sequence));
                }
            }
            Ok(())
        };
        let ask = async {
            client.batch_execute("LISTEN copydesk_feed").await.map_err(Some)?;
            *known = false;
            std::future::pending().await
        };
        tokio::select! {
            ended = hear => ended,
            failed = ask => failed,
        }
    }
}
