//! Writers: each owns some articles that no other writer changes. A lost response is requested again from another
//! server, until the outcome of the change is known.
//!
//! A document has a `request_id`, so it can be sent again unchanged. A desk's change has the `etag` of the revision
//! that it changes, so it is applied at most once: an error about the etag on a retry means that it was applied.
//!
//! Only the first document of an article names it. Later ones state another spelling of one of its addresses each time,
//! and half of the withdrawals name it by an address too. After a merge these are the addresses of both articles.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::*;
use tonic::{Code, Request, Status};

use crate::Run;
use crate::documents::{Address, SPELLINGS, document, first_document};
use crate::history::{State, headline, id, name};
use crate::readers::{brief, mask};
use crate::support::random::Random;
use crate::system::SERVERS;

/// Timeout of a response.
const TIMEOUT: Duration = Duration::from_millis(1_500);
/// Longer than any request can stay in a frozen server or behind a black hole and still be applied.
const STALLED: Duration = Duration::from_secs(30);
/// Number of side articles of each writer at the beginning.
const FIRST_SIDES: usize = 8;
/// Number of documents in one stream.
const STREAM: usize = 15;

pub struct Writer {
    pub run: Arc<Run>,
    pub random: Random,
    /// Articles that can be changed: first those that stay, then the side articles.
    pub desks: Vec<Desk>,
    /// Number of articles that stay.
    pub mains: usize,
    pub purged: Vec<Desk>,
}

/// A writer's knowledge of an article.
#[derive(Clone)]
pub struct Desk {
    pub article: usize,
    /// Etag of its newest version; empty if the response with it was lost, and no read shows it.
    pub etag: String,
    /// Time until which it stays readable: a change without an etag may still be in transit, and would undo hiding it.
    pub stays_until: Option<Instant>,
    /// Highest edition so far; after a rollback, the current one is lower.
    pub edition: u32,
    /// Articles whose addresses it has: itself, and those that were merged into it.
    pub addresses: Vec<usize>,
}

impl Desk {
    pub fn new(article: usize) -> Self {
        Self { article, etag: String::new(), stays_until: None, edition: 0, addresses: vec![article] }
    }
}

/// A change, as sent and retried.
pub struct Sent {
    pub kind: ChangeKind,
    pub edition: u32,
    pub revision: i64,
    pub way: Way,
    /// Address that a document or a withdrawal states.
    pub address: Address,
}

/// Way in which a change is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Document,
    Editor,
    /// Back to this revision.
    Rollback(i64),
    /// Into the article of this desk.
    Merge(usize),
}

impl Writer {
    pub fn new(run: Arc<Run>, random: Random, articles: impl Iterator<Item = usize>) -> Self {
        let desks: Vec<Desk> = articles.map(Desk::new).collect();
        Self { run, random, mains: desks.len(), desks, purged: Vec::new() }
    }

    /// Writes the first version of each article, and of a few side articles.
    pub async fn begin(&mut self) {
        for at in 0..self.desks.len() {
            self.change(at, ChangeKind::Created, Way::Document).await;
        }
        for _ in 0..FIRST_SIDES {
            self.create_side_article().await;
        }
    }

    /// Changes articles until the run is over. Returns once the outcome of the last change is known.
    pub async fn write(mut self) {
        while !self.run.writers_done.load(Ordering::Relaxed) {
            match self.random.below(200) {
                0..3 => self.create_side_article().await,
                3..8 => self.merge_side_article().await,
                8..10 => self.purge_side_article().await,
                10..16 => self.ingest_purged().await,
                _ => self.change_any().await,
            }
            tokio::time::sleep(self.random.millis(5, 45)).await;
        }
    }

    async fn change_any(&mut self) {
        use ChangeKind::{Deleted, Reinstated, Revised, Undeleted, Withdrawn};
        let at = self.random.below(self.desks.len());
        let hides = self.desks[at].stays_until.is_none_or(|until| Instant::now() > until);
        match (self.run.history.standing(self.desks[at].article).1, self.random.below(100)) {
            (State::Withdrawn, 0..30) => self.ingest_withdrawn(at).await,
            (State::Withdrawn, _) => self.change(at, Reinstated, Way::Editor).await,
            (State::Deleted, _) => self.change(at, Undeleted, Way::Editor).await,
            (_, 0..10) if hides => self.change(at, Withdrawn, Way::Editor).await,
            (_, 10..18) if hides => self.change(at, Deleted, Way::Editor).await,
            (_, 18..25) => self.stream().await,
            (_, 25..50) => self.change(at, Revised, Way::Document).await,
            (_, 50..55) => self.ingest_late_copy(at).await,
            (_, 55..62) => self.roll_back(at).await,
            _ => self.change(at, Revised, Way::Editor).await,
        }
    }

    pub async fn change(&mut self, at: usize, kind: ChangeKind, way: Way) {
        let sent = self.begin_change(at, kind, way);
        self.settle(at, &sent, 0).await;
    }

    fn begin_change(&mut self, at: usize, kind: ChangeKind, way: Way) -> Sent {
        let address = self.address(at);
        let desk = &mut self.desks[at];
        let edition = match kind {
            ChangeKind::Created | ChangeKind::Revised => {
                desk.edition += 1;
                desk.edition
            }
            _ => self.run.history.standing(desk.article).2,
        };
        let revision = self.run.history.begin(desk.article, kind, edition);
        Sent { kind, edition, revision, way, address }
    }

    /// Draws one of the addresses of an article: often the last that it got.
    pub fn address(&mut self, at: usize) -> Address {
        let addresses = &self.desks[at].addresses;
        let drawn = if self.random.chance(50) { addresses.len() - 1 } else { self.random.below(addresses.len()) };
        Address { article: addresses[drawn], spelling: self.random.below(SPELLINGS.len()) }
    }

    /// Sends it until its outcome is known. `tries` counts earlier attempts.
    pub async fn settle(&mut self, at: usize, sent: &Sent, mut tries: u32) {
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

    fn done(&mut self, at: usize, sent: &Sent, tries: u32, written: &Article) {
        let desk = &mut self.desks[at];
        if desk.etag.is_empty() && sent.way != Way::Document && tries > 0 {
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
        if matches!(sent.kind, ChangeKind::Withdrawn | ChangeKind::Deleted | ChangeKind::Merged | ChangeKind::Purged) {
            return;
        }
        // The store has the contents of the lost response.
        let requirement = Some(consistency::Requirement::FullyConsistent(true));
        let message = GetArticleRequest {
            name: name(article),
            read_mask: mask(&["name", "revision", "etag", "change_token"]),
            consistency: Some(Consistency { requirement }),
            ..Default::default()
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
        let client = self.run.system.client(server);
        let (mut to, mut desk) = (client.ingestion, client.editorial);
        let Desk { article, etag, .. } = self.desks[at].clone();
        let name = name(article);
        let written = match sent.kind {
            _ if sent.way == Way::Document => {
                let (document, request_id) = (Some(sent_document(article, sent)), request_id(article, sent));
                let request = IngestArticleRequest { document, request_id, ..Default::default() };
                to.ingest_article(patient(request)).await?.into_inner().into_first().unwrap_or_default().article
            }
            ChangeKind::Withdrawn => {
                let url = if sent.revision % 2 == 0 { sent.address.url() } else { String::new() };
                let name = if url.is_empty() { name } else { String::new() };
                let request = WithdrawArticleRequest { name, url, etag, ..Default::default() };
                desk.withdraw_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Reinstated => {
                let request = ReinstateArticleRequest { name, etag, ..Default::default() };
                desk.reinstate_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Deleted => {
                let request = DeleteArticleRequest { name, etag, ..Default::default() };
                desk.delete_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Undeleted => {
                let request = UndeleteArticleRequest { name, etag, ..Default::default() };
                desk.undelete_article(patient(request)).await?.into_inner().article
            }
            ChangeKind::Purged => {
                let request = PurgeArticleRequest { name, etag, ..Default::default() };
                desk.purge_article(patient(request)).await?.into_inner().article
            }
            _ => match sent.way {
                Way::Merge(to) => self.send_merge(at, to, server).await?,
                Way::Rollback(past) => {
                    let revision = format!("{name}/revisions/{past}");
                    let request = RollbackArticleRequest { name, revision, etag, ..Default::default() };
                    desk.rollback_article(patient(request)).await?.into_inner().article
                }
                Way::Document | Way::Editor => {
                    let article =
                        Article { name, etag, headline: headline(article, sent.edition), ..Default::default() };
                    let update_mask = mask(&["headline"]);
                    let request = UpdateArticleRequest { article: Some(article), update_mask, ..Default::default() };
                    desk.update_article(patient(request)).await?.into_inner().article
                }
            },
        };
        written.ok_or_else(|| Status::data_loss("an answer without an article"))
    }

    /// Sends several documents on a stream. Those without a response are sent again one by one.
    async fn stream(&mut self) {
        let first = self.random.below(self.desks.len());
        let places = (0..STREAM.min(self.desks.len())).map(|n| (first + n) % self.desks.len());
        let live = |at: &usize| self.run.history.standing(self.desks[*at].article).1 == State::Live;
        let places: Vec<usize> = places.filter(live).collect();
        let mut open: Vec<Option<(usize, Sent)>> = Vec::new();
        for at in places {
            open.push(Some((at, self.begin_change(at, ChangeKind::Revised, Way::Document))));
        }
        let requests: Vec<_> = open
            .iter()
            .flatten()
            .enumerate()
            .map(|(sequence, (at, sent))| {
                let article = self.desks[*at].article;
                let (document, request_id) = (Some(sent_document(article, sent)), request_id(article, sent));
                let request = Some(IngestArticleRequest { document, request_id, ..Default::default() });
                IngestArticlesRequest { sequence: sequence as i64, request, brief: true }
            })
            .collect();
        let mut client = self.run.system.client(self.random.below(SERVERS)).ingestion;
        let streamed = async {
            let mut answers = client.ingest_articles(tokio_stream::iter(requests)).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                if let Some(Answer::Ingested(ingested)) = answer.result
                    && let Some(written) = ingested.into_first().and_then(|ingested| ingested.article)
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

fn sent_document(article: usize, sent: &Sent) -> Document {
    match sent.kind {
        ChangeKind::Created => first_document(article, sent.edition),
        _ => document(article, sent.edition, sent.address),
    }
}

fn request_id(article: usize, sent: &Sent) -> String {
    format!("{}@{}", id(article), sent.revision)
}

/// Returns a request with the timeout of a writer.
pub fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(TIMEOUT);
    request
}
