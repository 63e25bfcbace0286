//! Watchers: the whole feed from its beginning, in order and without a gap, resumed after each broken stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::{ArticleChange, WatchArticlesRequest};
use tonic::{Code, Status};

use crate::Run;
use crate::history::{number, position};
use crate::readers::{brief, mask};
use crate::support::random::Random;
use crate::system::SERVERS;

/// Maximum silence of a stream: checkpoints come every 5 seconds.
const SILENCE: Duration = Duration::from_secs(8);

pub struct Watcher {
    run: Arc<Run>,
    random: Random,
    /// Token of the last message; empty before the first.
    token: String,
    at: u64,
    /// Newest revision by article.
    revisions: Vec<i64>,
}

impl Watcher {
    pub fn new(run: Arc<Run>, random: Random) -> Self {
        let revisions = vec![0; run.history.articles()];
        Self { run, random, token: String::new(), at: 0, revisions }
    }

    /// Follows the feed until the run is over and everything has been seen. Changes not seen after a minute without
    /// messages are lost.
    pub async fn watch(mut self) {
        let mut news = Instant::now();
        loop {
            let before = self.at;
            let broken = self.follow().await.err();
            if self.at != before {
                news = Instant::now();
            }
            if self.run.writers_ended.load(Ordering::Relaxed) && (self.is_through() || news.elapsed().as_secs() > 60) {
                return self.finish();
            }
            if let Some(status) = broken {
                if matches!(status.code(), Code::OutOfRange | Code::InvalidArgument | Code::DataLoss) {
                    return self.run.report.violation(&format!("a watch from {}: {}", self.at, brief(&status)));
                }
                self.run.is_defect(&status);
                self.run.report.resumed.fetch_add(1, Ordering::Relaxed);
            }
            tokio::time::sleep(self.random.millis(10, 100)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), Status> {
        let mut client = self.run.system.client(self.random.below(SERVERS));
        let start = match self.token.as_str() {
            "" => WatchArticlesRequest::from_beginning(),
            token => WatchArticlesRequest::after(token),
        };
        let request = WatchArticlesRequest { read_mask: mask(&["headline"]), ..start };
        let late = |_| Status::unavailable("it is silent");
        let opened = tokio::time::timeout(SILENCE, client.retrieval.watch_articles(request));
        let mut stream = opened.await.map_err(late)??.into_inner();
        loop {
            let message = tokio::time::timeout(SILENCE, stream.message()).await.map_err(late)??;
            match message.and_then(|message| message.event) {
                Some(Event::Change(change)) => self.change(&change),
                Some(Event::Checkpoint(checkpoint)) => {
                    let at = position(&checkpoint.change_token);
                    if at != self.at {
                        let what = format!("a watch got a checkpoint at {at} after changes up to {}", self.at);
                        self.run.report.violation(&what);
                    }
                    self.token = checkpoint.change_token;
                    if self.run.writers_ended.load(Ordering::Relaxed) && self.is_through() {
                        return Ok(());
                    }
                }
                // Parts of a snapshot, which was not requested.
                Some(Event::Article(_) | Event::Progress(_)) | None => return Ok(()),
            }
        }
    }

    fn change(&mut self, change: &ArticleChange) {
        let report = &self.run.report;
        report.changes.fetch_add(1, Ordering::Relaxed);
        let at = position(&change.change_token);
        if at != self.at + 1 {
            report.violation(&format!("a watch got change {at} after {}", self.at));
        }
        (self.at, self.token) = (at, change.change_token.clone());
        let Some(article) = number(&change.name) else {
            return report.violation(&format!("a watch got unknown {}", change.name));
        };
        if article >= self.run.history.articles() {
            return report.violation(&format!("a watch got unknown {}", change.name));
        }
        if article >= self.revisions.len() {
            self.revisions.resize(article + 1, 0);
        }
        let previous = std::mem::replace(&mut self.revisions[article], change.revision);
        if change.revision != previous + 1 {
            report.violation(&format!("a watch got {}@{} after {previous}", change.name, change.revision));
        }
        let headline = change.article.as_ref().map(|article| article.headline.as_str());
        if let Err(violation) = self.run.history.check_change(article, change.revision, change.kind, headline) {
            report.violation(&format!("a watch: {violation}"));
        }
    }

    fn is_through(&self) -> bool {
        (0..self.run.history.articles()).all(|article| self.seen(article) >= self.run.history.standing(article).0)
    }

    fn seen(&self, article: usize) -> i64 {
        self.revisions.get(article).copied().unwrap_or(0)
    }

    fn finish(&self) {
        for article in 0..self.run.history.articles() {
            let (seen, newest) = (self.seen(article), self.run.history.standing(article).0);
            if seen < newest {
                self.run.report.lost(&format!("article {article}: {newest} is written, the feed has up to {seen}"));
            }
        }
    }
}
