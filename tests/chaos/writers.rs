//! Writers: each owns some articles that no other writer changes. A lost response is requested again from another
//! server, until the outcome of the change is known.
//!
//! A document has a `request_id`, so it can be sent again unchanged. A desk's change has the `etag` of the revision
//! that it changes, so it is applied at most once: an error about the etag on a retry means that it was applied.
//!
//! Only the first document of an article names it. Later ones state another spelling of its address each time, and half
//! of the withdrawals name it by its address too. Late copies of an old edition, and documents of withdrawn articles,
//! must change nothing.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use copydesk::proto::document::Payload;
use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::*;
use tonic::{Code, Request, Status};

use crate::Run;
use crate::history::{self, State, headline, id, name};
use crate::random::Random;
use crate::readers::{brief, mask};
use crate::system::SERVERS;

/// Timeout of a response.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// Longer than any request can stay in a frozen server or behind a black hole and still be applied.
const STALLED: Duration = Duration::from_secs(30);
/// Number of documents in one stream.
const STREAM: usize = 15;

pub struct Writer {
    run: Arc<Run>,
    random: Random,
    desks: Vec<Desk>,
}

/// A writer's knowledge of an article.
#[derive(Clone)]
struct Desk {
    article: usize,
    /// Etag of its newest version; empty if the response with it was lost, and no read shows it.
    etag: String,
    /// Time until which it stays readable: a change without an etag may still be in transit, and would undo hiding it.
    stays_until: Option<Instant>,
}

/// A change, as sent and retried.
struct Sent {
    kind: ChangeKind,
    edition: u32,
    revision: i64,
    /// True for an ingested document, false for a desk's change.
    ingest: bool,
}

impl Writer {
    pub fn new(run: Arc<Run>, random: Random, articles: impl Iterator<Item = usize>) -> Self {
        let desks = articles.map(|article| Desk { article, etag: String::new(), stays_until: None }).collect();
        Self { run, random, desks }
    }

    /// Writes the first version of each article.
    pub async fn begin(&mut self) {
        for at in 0..self.desks.len() {
            self.change(at, ChangeKind::Created, true).await;
        }
    }

    /// Changes articles until the run is over. Returns once the outcome of the last change is known.
    pub async fn write(mut self) {
        while !self.run.writers_done.load(Ordering::Relaxed) {
            let at = self.random.below(self.desks.len());
            let hides = self.desks[at].stays_until.is_none_or(|until| Instant::now() > until);
            match (self.run.history.standing(self.desks[at].article).1, self.random.below(100)) {
                (State::Withdrawn, 0..30) => self.ingest_withdrawn(at).await,
                (State::Live, 50..55) => self.ingest_late_copy(at).await,
                (State::Withdrawn, _) => self.change(at, ChangeKind::Reinstated, false).await,
                (State::Deleted, _) => self.change(at, ChangeKind::Undeleted, false).await,
                (State::Live, 0..10) if hides => self.change(at, ChangeKind::Withdrawn, false).await,
                (State::Live, 10..18) if hides => self.change(at, ChangeKind::Deleted, false).await,
                (State::Live, 18..25) => self.stream().await,
                (State::Live, 25..50) => self.change(at, ChangeKind::Revised, true).await,
                (State::Live, _) => self.change(at, ChangeKind::Revised, false).await,
            }
            tokio::time::sleep(self.random.millis(5, 45)).await;
        }
    }

    async fn change(&mut self, at: usize, kind: ChangeKind, ingest: bool) {
        let sent = self.begin_change(at, kind, ingest);
        self.settle(at, &sent, 0).await;
    }

    fn begin_change(&self, at: usize, kind: ChangeKind, ingest: bool) -> Sent {
        let article = self.desks[at].article;
        let edition = match kind {
            ChangeKind::Created => 1,
            ChangeKind::Revised => self.run.history.standing(article).2 + 1,
            _ => self.run.history.standing(article).2,
        };
        Sent { kind, edition, revision: self.run.history.begin(article, kind, edition), ingest }
    }

    /// Sends it until its outcome is known. `tries` counts earlier attempts.
    async fn settle(&mut self, at: usize, sent: &Sent, mut tries: u32) {
        let run = Arc::clone(&self.run);
        let mut server = self.random.below(SERVERS);
        loop {
            match self.send(at, sent, server).await {
                Ok(written) => return self.done(at, sent, tries, &written),
                Err(status) => match status.code() {
                    // The first attempt succeeded: the etag is no longer the newest, or the article is deleted
                    // already.
                    Code::Aborted if tries > 0 => return self.done_unseen(at, sent).await,
                    Code::NotFound if tries > 0 && sent.kind == ChangeKind::Deleted => {
                        return self.done_unseen(at, sent).await;
                    }
                    Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::Cancelled
                    | Code::Unknown
                    | Code::Internal
                    | Code::ResourceExhausted => run.is_defect(&status),
                    _ => {
                        let article = name(self.desks[at].article);
                        let status = brief(&status);
                        run.report.violation(&format!("{article}: {:?} was refused: {status}", sent.kind));
                        return run.history.answered(self.desks[at].article, None);
                    }
                },
            }
            if tries == 0 {
                run.report.repeated.fetch_add(1, Ordering::Relaxed);
            }
            tries += 1;
            server = (server + 1) % SERVERS;
            tokio::time::sleep(self.random.millis(5, 30)).await;
        }
    }

    /// Sends a copy of the article from before its first edition: it is stale.
    async fn ingest_late_copy(&mut self, at: usize) {
        let document = document(self.desks[at].article, 0, self.random.below(SPELLINGS.len()));
        match self.ingest_once(at, document).await {
            Ok(answer) if answer.outcome() == IngestOutcome::Stale => {}
            Ok(answer) => self.violation(at, &format!("a late copy was {:?}", answer.outcome())),
            Err(status) => self.is_refused(at, &status, None),
        }
    }

    /// Sends a newer document of a withdrawn article, which is rejected under each of its keys.
    async fn ingest_withdrawn(&mut self, at: usize) {
        let article = self.desks[at].article;
        let edition = self.run.history.standing(article).2 + 1;
        let document = document(article, edition, self.random.below(SPELLINGS.len()));
        match self.ingest_once(at, document).await {
            Ok(answer) => self.violation(at, &format!("a withdrawn article was {:?}", answer.outcome())),
            Err(status) => self.is_refused(at, &status, Some(Code::FailedPrecondition)),
        }
    }

    async fn ingest_once(&self, at: usize, document: Document) -> Result<IngestArticleResponse, Status> {
        let mut to = self.run.system.client(self.desks[at].article % SERVERS).ingestion;
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        to.ingest_article(patient(request)).await.map(tonic::Response::into_inner)
    }

    /// Checks that a document was rejected for the expected reason, or by a fault.
    fn is_refused(&self, at: usize, status: &Status, expected: Option<Code>) {
        match status.code() {
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Unknown
            | Code::Internal
            | Code::ResourceExhausted => self.run.is_defect(status),
            code if Some(code) == expected => {}
            _ => self.violation(at, &brief(status)),
        }
    }

    fn violation(&self, at: usize, what: &str) {
        self.run.report.violation(&format!("{}: {what}", name(self.desks[at].article)));
    }

    fn done(&mut self, at: usize, sent: &Sent, tries: u32, written: &Article) {
        let desk = &mut self.desks[at];
        if desk.etag.is_empty() && !sent.ingest && tries > 0 {
            desk.stays_until = Some(Instant::now() + STALLED);
        }
        desk.etag.clone_from(&written.etag);
        self.run.history.answered(desk.article, Some(&written.change_token));
        self.run.report.writes.fetch_add(1, Ordering::Relaxed);
        if written.revision != sent.revision {
            let (article, expected) = (name(desk.article), sent.revision);
            self.run.report.violation(&format!("{article}: revision {expected} was answered as {}", written.revision));
        }
    }

    /// Handles a change that was applied, but whose response was lost.
    async fn done_unseen(&mut self, at: usize, sent: &Sent) {
        let article = self.desks[at].article;
        self.run.history.answered(article, None);
        self.run.report.writes.fetch_add(1, Ordering::Relaxed);
        self.desks[at].etag.clear();
        if matches!(sent.kind, ChangeKind::Withdrawn | ChangeKind::Deleted) {
            return;
        }
        // The store has the contents of the lost response.
        let requirement = Some(consistency::Requirement::FullyConsistent(true));
        let message = GetArticleRequest {
            name: name(article),
            read_mask: mask(&["name", "revision", "etag", "change_token"]),
            consistency: Some(Consistency { requirement }),
            any_state: false,
        };
        loop {
            let mut client = self.run.system.client(self.random.below(SERVERS));
            match client.retrieval.get_article(patient(message.clone())).await {
                Ok(answer) => {
                    let found = answer.into_inner().article.unwrap_or_default();
                    if found.revision != sent.revision {
                        let (name, expected) = (name(article), sent.revision);
                        let what =
                            format!("{name}: revision {expected} was said to be done, and is {}", found.revision);
                        self.run.report.violation(&what);
                    }
                    self.run.history.answered(article, Some(&found.change_token));
                    self.desks[at].etag = found.etag;
                    return;
                }
                Err(status) if status.code() == Code::NotFound => {
                    return self.run.report.violation(&format!("{}: {}", name(article), brief(&status)));
                }
                Err(_) => tokio::time::sleep(self.random.millis(5, 30)).await,
            }
        }
    }

    async fn send(&self, at: usize, sent: &Sent, server: usize) -> Result<Article, Status> {
        let mut to = self.run.system.client(server).ingestion;
        let Desk { article, etag, .. } = self.desks[at].clone();
        let name = name(article);
        let written = match sent.kind {
            _ if sent.ingest => {
                let (document, request_id) = (Some(sent_document(article, sent)), request_id(article, sent));
                let request = IngestArticleRequest { document, request_id, validate_only: false };
                to.ingest_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Withdrawn => {
                let url = if sent.revision % 2 == 0 { spelled(article, sent.revision as usize) } else { String::new() };
                let name = if url.is_empty() { name } else { String::new() };
                let request = WithdrawArticleRequest { name, url, etag, ..Default::default() };
                to.withdraw_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Reinstated => {
                let request = ReinstateArticleRequest { name, etag, ..Default::default() };
                to.reinstate_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Deleted => {
                let request = DeleteArticleRequest { name, etag, allow_missing: false };
                to.delete_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Undeleted => {
                let request = UndeleteArticleRequest { name, etag };
                to.undelete_article(patient(request)).await?.into_inner().article
            }
            _ => {
                let article = Article { name, etag, headline: headline(article, sent.edition), ..Default::default() };
                let update_mask = mask(&["headline"]);
                let request = UpdateArticleRequest { article: Some(article), update_mask, ..Default::default() };
                to.update_article(patient(request)).await?.into_inner().article
            }
        };
        written.ok_or_else(|| Status::data_loss("an answer without an article"))
    }

    /// Sends several documents on a stream. Those without a response are sent again one by one.
    async fn stream(&mut self) {
        let first = self.random.below(self.desks.len());
        let places = (0..STREAM.min(self.desks.len())).map(|n| (first + n) % self.desks.len());
        let live = |at: &usize| self.run.history.standing(self.desks[*at].article).1 == State::Live;
        let places: Vec<usize> = places.filter(live).collect();
        let mut open: Vec<Option<(usize, Sent)>> =
            places.iter().map(|at| Some((*at, self.begin_change(*at, ChangeKind::Revised, true)))).collect();
        let requests: Vec<_> = open
            .iter()
            .flatten()
            .enumerate()
            .map(|(sequence, (at, sent))| {
                let article = self.desks[*at].article;
                let (document, request_id) = (Some(sent_document(article, sent)), request_id(article, sent));
                IngestArticlesRequest { sequence: sequence as i64, document, request_id, brief: true }
            })
            .collect();
        let mut client = self.run.system.client(self.random.below(SERVERS)).ingestion;
        let streamed = async {
            let mut answers = client.ingest_articles(tokio_stream::iter(requests)).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                if let Some(Answer::Ingested(IngestArticleResponse { article: Some(written), .. })) = answer.result
                    && let Some((at, sent)) = open[answer.sequence as usize].take()
                {
                    self.done(at, &sent, 0, &written);
                }
            }
            Ok::<(), Status>(())
        };
        // Documents without a response are sent again, even if the stream ended early or timed out.
        let _whole = tokio::time::timeout(TIMEOUT, streamed).await;
        for (at, sent) in open.into_iter().flatten() {
            self.run.report.repeated.fetch_add(1, Ordering::Relaxed);
            self.settle(at, &sent, 1).await;
        }
    }
}

/// Spellings of an article's address.
const SPELLINGS: [&str; 4] = [
    "https://chaos.example/news/",
    "http://m.chaos.example/news/",
    "https://www.chaos.example/amp/news/",
    "https://chaos.example/news/?utm_source=feed",
];

fn spelled(article: usize, spelling: usize) -> String {
    SPELLINGS[spelling % SPELLINGS.len()].replace("news/", &format!("news/{article}"))
}

/// Returns an edition of an article, in the order of its source.
fn document(article: usize, edition: u32, spelling: usize) -> Document {
    let update_time = prost_types::Timestamp { seconds: 1_700_000_000 + i64::from(edition), nanos: 0 };
    let content = Article {
        source: "chaos.example".into(),
        language: "en".into(),
        headline: headline(article, edition),
        body: history::body(article),
        source_update_time: Some(update_time),
        ..Default::default()
    };
    Document { payload: Some(Payload::Article(content)), url: spelled(article, spelling), ..Default::default() }
}

fn sent_document(article: usize, sent: &Sent) -> Document {
    let document = document(article, sent.edition, sent.revision as usize);
    let article_id = if sent.kind == ChangeKind::Created { id(article) } else { String::new() };
    Document { article_id, ..document }
}

fn request_id(article: usize, sent: &Sent) -> String {
    format!("{}@{}", id(article), sent.revision)
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}
