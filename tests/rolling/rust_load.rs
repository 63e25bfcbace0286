//! Steady load from Rust, by `copydesk_client`: reads, writes, streams of documents, watches.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use copydesk::proto::document::Payload;
use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use copydesk_client::{Client, Retrying};
use prost_types::FieldMask;
use tokio::task::JoinSet;
use tonic::{Code, Request, Status};

use crate::tally::Tally;
use crate::watcher::{Watcher, position};

const READERS: usize = 6;
const WRITERS: usize = 2;
const WATCHERS: usize = 2;
/// Number of articles to read: `articles/rolling-0`, …, also from Go.
pub const ARTICLES: usize = 200;
/// Number of documents in one stream.
const STREAM: i64 = 20;
/// Attempts, as in the service config for single calls.
const ATTEMPTS: u32 = 4;
const BACKOFF: Duration = Duration::from_millis(100);
/// Deadlines.
const READ: Duration = Duration::from_secs(2);
const WRITE: Duration = Duration::from_secs(5);
/// Pause between two calls of one caller: the machine's cores are for the servers too.
const PAUSE: Duration = Duration::from_millis(2);

pub struct Load {
    callers: JoinSet<()>,
    watchers: JoinSet<()>,
    stopped: Arc<AtomicBool>,
    committed: Arc<AtomicU64>,
}

/// A client that calls repeatedly.
struct Caller {
    client: Client<Retrying>,
    tally: Arc<Tally>,
    stopped: Arc<AtomicBool>,
    number: usize,
}

impl Load {
    pub async fn start(addresses: &[String], tally: &Arc<Tally>) -> Self {
        let (stopped, committed) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (mut callers, mut watchers) = (JoinSet::new(), JoinSet::new());
        let caller = |number| Caller {
            // One client for each caller, as in separate programs.
            client: Client::balanced(addresses).unwrap(),
            tally: Arc::clone(tally),
            stopped: Arc::clone(&stopped),
            number,
        };
        for article in 0..ARTICLES {
            caller(0).ingest(format!("rolling-{article}"), 0).await;
        }
        for number in 0..READERS {
            callers.spawn(caller(number).read());
        }
        for number in 0..WRITERS {
            callers.spawn(caller(number).write());
        }
        callers.spawn(caller(0).stream());
        for _ in 0..WATCHERS {
            let client = Client::balanced(addresses).unwrap();
            watchers.spawn(Watcher::new(client, Arc::clone(tally), Arc::clone(&committed)).watch());
        }
        Self { callers, watchers, stopped, committed }
    }

    /// Ends all calls except watches.
    pub async fn stop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }

    /// Ends watches once they have reached the last change.
    pub async fn finish(mut self, committed: u64) {
        self.committed.store(committed, Ordering::Relaxed);
        while let Some(ended) = self.watchers.join_next().await {
            ended.unwrap();
        }
    }
}

impl Caller {
    async fn goes_on(&self) -> bool {
        tokio::time::sleep(PAUSE).await;
        !self.stopped.load(Ordering::Relaxed)
    }

    async fn read(mut self) {
        let mut at = self.number * 31;
        while self.goes_on().await {
            at += 1;
            let name = |at: usize| format!("articles/rolling-{}", at % ARTICLES);
            let retrieval = &mut self.client.retrieval;
            match at % 10 {
                0 => {
                    let names = (at..at + 10).map(name).collect();
                    let request = BatchGetArticlesRequest { names, ..Default::default() };
                    let outcome = retrieval.batch_get_articles(with_timeout(request, READ)).await;
                    self.tally.ended("BatchGetArticles", outcome);
                }
                1 => {
                    let request =
                        ListArticlesRequest { page_size: 10, read_mask: mask(&["headline"]), ..Default::default() };
                    let outcome = retrieval.list_articles(with_timeout(request, READ)).await;
                    self.tally.ended("ListArticles", outcome);
                }
                _ => {
                    let request = GetArticleRequest { name: name(at), ..Default::default() };
                    let outcome = retrieval.get_article(with_timeout(request, READ)).await;
                    self.tally.ended("GetArticle", outcome);
                }
            }
        }
    }

    /// Writes documents, which the channel retries, and corrections, which it does not.
    async fn write(mut self) {
        let mut edition = 0;
        while self.goes_on().await {
            edition += 1;
            let article = (edition as usize * WRITERS + self.number) % ARTICLES;
            if edition % 2 == 0 {
                self.ingest(format!("rolling-{article}"), edition).await;
                continue;
            }
            let name = format!("articles/rolling-{article}");
            let article = Article { name, headline: headline(edition), ..Default::default() };
            let request =
                UpdateArticleRequest { article: Some(article), update_mask: mask(&["headline"]), ..Default::default() };
            let outcome = self.client.editorial.update_article(with_timeout(request, WRITE)).await;
            self.tally.ended("UpdateArticle", outcome);
        }
    }

    async fn ingest(&mut self, id: String, edition: u64) {
        let request_id = format!("{id}@{edition}");
        let request = IngestArticleRequest { document: Some(document(id, edition)), request_id, ..Default::default() };
        let outcome = self.client.ingestion.ingest_article(with_timeout(request, WRITE)).await;
        self.tally.ended("IngestArticle", outcome);
    }

    async fn stream(mut self) {
        let mut edition = 0;
        while self.goes_on().await {
            edition += 1;
            let outcome = self.stream_once(edition).await;
            self.tally.ended("IngestArticles", outcome);
            tokio::time::sleep(PAUSE * 10).await;
        }
    }

    /// Sends a stream until every document is answered. If a stream ends with UNAVAILABLE, its unanswered documents
    /// are sent again with their request IDs, as often as the channel would retry a call.
    async fn stream_once(&mut self, edition: u64) -> Result<(), Status> {
        let mut open: BTreeSet<i64> = (0..STREAM).collect();
        for _ in 1..ATTEMPTS {
            match self.stream_open(edition, &mut open).await {
                Err(status) if status.code() == Code::Unavailable => self.tally.resent(),
                outcome => return outcome,
            }
            tokio::time::sleep(BACKOFF).await;
        }
        self.stream_open(edition, &mut open).await
    }

    async fn stream_open(&mut self, edition: u64, open: &mut BTreeSet<i64>) -> Result<(), Status> {
        let requests = open.iter().map(|sequence| {
            let id = format!("streamed-{sequence}");
            let request_id = format!("{id}@{edition}");
            let document = Some(document(id, edition));
            let request = Some(IngestArticleRequest { document, request_id, ..Default::default() });
            IngestArticlesRequest { sequence: *sequence, request, brief: true }
        });
        let requests: Vec<_> = requests.collect();
        let streamed = async {
            let mut answers = self.client.ingestion.ingest_articles(tokio_stream::iter(requests)).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                match answer.result {
                    Some(Answer::Ingested(_)) => drop(open.remove(&answer.sequence)),
                    Some(Answer::Error(status)) => return Err(Status::new(Code::from(status.code), status.message)),
                    None => {}
                }
            }
            let missing = || Status::data_loss(format!("{} of {STREAM} documents were not answered", open.len()));
            if open.is_empty() { Ok(()) } else { Err(missing()) }
        };
        let late = |_| Status::deadline_exceeded("the stream does not end");
        tokio::time::timeout(WRITE, streamed).await.map_err(late)?
    }
}

/// Returns the last position of the feed.
pub async fn committed(address: &str) -> u64 {
    let mut client = Client::connect(address).await.unwrap();
    let request = WatchArticlesRequest { read_mask: mask(&["name"]), ..WatchArticlesRequest::from_beginning() };
    let mut events = client.retrieval.watch_articles(request).await.unwrap().into_inner();
    let mut changes = 0;
    loop {
        match events.message().await.unwrap().unwrap().event.unwrap() {
            Event::Change(_) => changes += 1,
            Event::Checkpoint(checkpoint) if changes > 0 => {
                assert_eq!(position(&checkpoint.change_token), changes, "the feed has no gaps");
                return changes;
            }
            Event::Checkpoint(_) | Event::Article(_) | Event::Progress(_) => {}
        }
    }
}

fn document(id: String, edition: u64) -> Document {
    let content = Article {
        source: "rolling.example".into(),
        language_code: "en".into(),
        headline: headline(edition),
        body: "The ferry to Lowmouth sails again on Thursday, the harbour board said.".into(),
        ..Default::default()
    };
    Document { payload: Some(Payload::Article(content)), article_id: id, ..Default::default() }
}

fn headline(edition: u64) -> String {
    format!("Ferry sails again, edition {edition}")
}

fn with_timeout<T>(message: T, timeout: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(timeout);
    request
}

pub fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}
