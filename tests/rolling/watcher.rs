//! A watcher: the whole feed from its beginning, in order, resumed by token after each broken stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use copydesk::article::ChangeToken;
use copydesk::proto::WatchArticlesRequest;
use copydesk::proto::watch_articles_response::Event;
use copydesk_client::{Client, Retrying};
use tonic::{Code, Status};

use crate::rust_load::mask;
use crate::tally::Tally;

/// Maximum silence of a stream: checkpoints come every 5 seconds.
const SILENCE: Duration = Duration::from_secs(8);
/// Maximum wait for the last changes.
const MAX_WAIT: Duration = Duration::from_secs(60);

pub struct Watcher {
    client: Client<Retrying>,
    tally: Arc<Tally>,
    /// The last position, once known.
    committed: Arc<AtomicU64>,
    token: String,
    at: u64,
    gaps: u64,
    resumed: u64,
}

impl Watcher {
    pub fn new(client: Client<Retrying>, tally: Arc<Tally>, committed: Arc<AtomicU64>) -> Self {
        Self { client, tally, committed, token: String::new(), at: 0, gaps: 0, resumed: 0 }
    }

    /// Follows the feed until every committed change has arrived, or is overdue.
    pub async fn watch(mut self) {
        let mut ending = None;
        loop {
            let outcome = self.follow().await;
            if self.is_through() {
                break;
            }
            if let Err(status) = outcome {
                if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::DataLoss) {
                    self.tally.broken(format!("a watch from {}: {status}", self.at));
                    break;
                }
                self.resumed += 1;
            }
            if self.committed.load(Ordering::Relaxed) > 0
                && ending.get_or_insert_with(Instant::now).elapsed() > MAX_WAIT
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let committed = self.committed.load(Ordering::Relaxed);
        self.tally.watched(self.at, self.gaps + committed.abs_diff(self.at), self.resumed);
    }

    fn is_through(&self) -> bool {
        let committed = self.committed.load(Ordering::Relaxed);
        committed > 0 && self.at >= committed
    }

    async fn follow(&mut self) -> Result<(), Status> {
        let start = match self.token.as_str() {
            "" => WatchArticlesRequest::from_beginning(),
            token => WatchArticlesRequest::after(token),
        };
        let request = WatchArticlesRequest { read_mask: mask(&["headline"]), ..start };
        // The channel has retried a call that fails to open, so it counts as failed.
        let opened = self.client.retrieval.watch_articles(request).await;
        let Some(answer) = self.tally.ended("WatchArticles", opened) else {
            return Err(Status::unavailable("refused"));
        };
        let mut events = answer.into_inner();
        loop {
            let message = tokio::time::timeout(SILENCE, events.message()).await;
            let message = message.map_err(|_| Status::unavailable("it is silent"))??;
            match message.and_then(|message| message.event) {
                Some(Event::Change(change)) => {
                    let at = position(&change.change_token);
                    self.gaps += u64::from(at != self.at + 1);
                    (self.at, self.token) = (at, change.change_token);
                }
                Some(Event::Checkpoint(checkpoint)) => {
                    self.gaps += u64::from(position(&checkpoint.change_token) != self.at);
                    self.token = checkpoint.change_token;
                }
                // Parts of a snapshot, which was not requested.
                Some(Event::Article(_) | Event::Progress(_)) | None => return Err(Status::unavailable("it ended")),
            }
            if self.is_through() {
                return Ok(());
            }
        }
    }
}

/// Returns a token's position; the feed numbers changes from 1, without gaps.
pub fn position(token: &str) -> u64 {
    ChangeToken::decode(token).expect("a token issued by the server").position.sequence
}
