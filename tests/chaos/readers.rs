//! Readers: one article, several, lists, searches; on every server, with every kind of consistency. Each article in a
//! response is checked as a read.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use copydesk::proto::consistency::Requirement;
use copydesk::proto::{
    Article, BatchGetArticlesRequest, Consistency, GetArticleRequest, ListArticlesRequest, SearchArticlesRequest,
};
use copydesk_client::Client;
use prost_types::FieldMask;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

use crate::Run;
use crate::history::{Promise, Seen, State, name, number};
use crate::support::random::Random;

/// Deadline of a read.
const DEADLINE: Duration = Duration::from_secs(10);
/// Number of articles in a batch.
const BATCH: usize = 50;

/// Reads from one server until the run is over.
pub async fn read(run: Arc<Run>, server: usize, mut random: Random) {
    while !run.readers_done.load(Ordering::Relaxed) {
        let client = run.system.client(server);
        let (consistency, promised) = draw(&run, &mut random);
        let promise = Promise { start: Instant::now(), ..promised };
        let once = Once { run: &run, server, consistency, promise };
        let answered = match random.below(100) {
            0..63 => once.get(client, random.below(run.history.articles())).await,
            63..96 => once.batch(client, &mut random).await,
            96..98 => once.list(client).await,
            _ => once.search(client).await,
        };
        // A dead server refuses immediately, and would otherwise get most calls.
        tokio::time::sleep(if answered { random.millis(1, 5) } else { random.millis(10, 30) }).await;
    }
}

fn draw(run: &Run, random: &mut Random) -> (Option<Consistency>, Promise) {
    let promise = Promise { start: Instant::now(), bound: run.bound, position: None };
    let consistency = |requirement| Some(Consistency { requirement: Some(requirement) });
    match (random.below(100), run.history.token()) {
        (0..25, Some((token, position))) => {
            (consistency(Requirement::AtLeastAsFresh(token)), Promise { position: Some(position), ..promise })
        }
        (25..32, _) => (consistency(Requirement::FullyConsistent(true)), Promise { bound: Duration::ZERO, ..promise }),
        _ => (None, promise),
    }
}

struct Once<'a> {
    run: &'a Run,
    server: usize,
    consistency: Option<Consistency>,
    promise: Promise,
}

impl Once<'_> {
    /// Gets one article. Returns true if the call was answered; so do the others.
    async fn get(&self, mut client: Client, article: usize) -> bool {
        let read_mask = mask(&["name", "revision", "headline"]);
        let message = GetArticleRequest {
            name: name(article),
            read_mask,
            consistency: self.consistency.clone(),
            ..Default::default()
        };
        match client.retrieval.get_article(request(message)).await {
            Ok(answer) => {
                let from = layer(&answer);
                self.run.system.answered_from(self.server, from.as_deref());
                self.run.report.read(self.promise.start, 1, None);
                self.article(answer.get_ref().article.as_ref(), from.as_deref());
            }
            Err(status) => match hidden(&status) {
                Some(state) => {
                    self.run.report.read(self.promise.start, 1, None);
                    self.check(article, &Seen::Hidden(Some(state)), None);
                    self.check_successor(article, &status);
                }
                None => return self.failed(&status),
            },
        }
        true
    }

    async fn batch(&self, mut client: Client, random: &mut Random) -> bool {
        let count = self.run.history.articles();
        let first = random.below(count);
        let wanted: Vec<usize> = (0..BATCH.min(count)).map(|n| (first + n) % count).collect();
        let message = BatchGetArticlesRequest {
            names: wanted.iter().map(|article| name(*article)).collect(),
            read_mask: mask(&["name", "revision", "headline"]),
            consistency: self.consistency.clone(),
            ..Default::default()
        };
        match client.retrieval.batch_get_articles(request(message)).await {
            Ok(answer) => {
                let from = layer(&answer);
                let answer = answer.into_inner();
                self.run.report.read(self.promise.start, wanted.len() as u64, None);
                let found = answer.articles.iter().map(|article| article.name.as_str());
                let returned: HashSet<&str> = found.chain(answer.not_found.iter().map(|it| it.name.as_str())).collect();
                if returned.len() != wanted.len()
                    || !wanted.iter().all(|article| returned.contains(name(*article).as_str()))
                {
                    self.run.report.violation("a batch response differs from its request");
                }
                answer.articles.iter().for_each(|article| self.article(Some(article), from.as_deref()));
                for article in answer.not_found.iter().filter_map(|it| number(&it.name)) {
                    self.check(article, &Seen::Hidden(None), from.as_deref());
                }
            }
            Err(status) => return self.failed(&status),
        }
        true
    }

    /// Lists articles. A list is read from the store, so it meets any consistency; articles missing from it are not
    /// checked.
    async fn list(&self, mut client: Client) -> bool {
        let message = ListArticlesRequest {
            page_size: 50,
            order_by: "update_time desc".into(),
            read_mask: mask(&["name", "revision", "headline"]),
            consistency: self.consistency.clone(),
            ..Default::default()
        };
        match client.retrieval.list_articles(request(message)).await {
            Ok(answer) => {
                let articles = answer.into_inner().articles;
                self.run.report.read(self.promise.start, articles.len() as u64, None);
                articles.iter().for_each(|article| self.article(Some(article), Some("a list")));
            }
            Err(status) => return self.failed(&status),
        }
        true
    }

    /// Searches for the newest articles. What the index finds is read like any article, so it meets any consistency;
    /// articles missing from the results are not checked.
    async fn search(&self, mut client: Client) -> bool {
        let message = SearchArticlesRequest {
            query: "ferry".into(),
            page_size: 50,
            order_by: "update_time desc".into(),
            read_mask: mask(&["name", "revision", "headline"]),
            consistency: self.consistency.clone(),
            ..Default::default()
        };
        match client.retrieval.search_articles(request(message)).await {
            Ok(answer) => {
                let results = answer.into_inner().results;
                self.run.report.read(self.promise.start, results.len() as u64, None);
                results.iter().for_each(|result| self.article(result.article.as_ref(), Some("a search")));
                true
            }
            // Its index follows the feed, and a server that starts has none.
            Err(status) if status.get_details_error_info().is_some_and(|info| info.reason == "INDEX_LATE") => false,
            Err(status) => self.failed(&status),
        }
    }

    fn article(&self, article: Option<&Article>, from: Option<&str>) {
        match article.and_then(|article| Some((number(&article.name)?, article))) {
            Some((number, article)) => {
                self.check(number, &Seen::Article { revision: article.revision, headline: &article.headline }, from);
            }
            None => self.run.report.violation("an answer is of no article"),
        }
    }

    fn check(&self, article: usize, seen: &Seen<'_>, from: Option<&str>) {
        if let Err(violation) = self.run.history.check(article, seen, self.promise) {
            let requested = match (self.promise.position, self.promise.bound) {
                (Some(position), _) => format!("at least {position}"),
                (None, Duration::ZERO) => "fully consistent".into(),
                (None, _) => "bounded".into(),
            };
            let from = from.unwrap_or("unknown");
            self.run.report.violation(&format!("server {}, {requested}, from {from}: {violation}", self.server));
        }
    }

    /// Checks that the article that a merged one leads to is one into which it was merged.
    fn check_successor(&self, article: usize, status: &Status) {
        let info = status.get_details_error_info();
        let Some(successor) = info.and_then(|info| info.metadata.get("successor").cloned()) else { return };
        if !number(&successor).is_some_and(|successor| self.run.history.is_heir(article, successor)) {
            self.run.report.violation(&format!("{} leads to {successor}", name(article)));
        }
    }

    fn failed(&self, status: &Status) -> bool {
        self.run.report.read(self.promise.start, 0, Some(brief(status)));
        self.run.is_defect(status);
        false
    }
}

/// Returns the state if a read found an article hidden.
pub fn hidden(status: &Status) -> Option<State> {
    if status.code() != Code::NotFound {
        return None;
    }
    match status.get_details_error_info()?.reason.as_str() {
        "ARTICLE_NOT_FOUND" => Some(State::Absent),
        "ARTICLE_WITHDRAWN" => Some(State::Withdrawn),
        "ARTICLE_DELETED" => Some(State::Deleted),
        "ARTICLE_MERGED" => Some(State::Merged),
        "ARTICLE_PURGED" => Some(State::Purged),
        _ => None,
    }
}

pub fn request<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(DEADLINE);
    request
}

pub fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn layer<T>(answer: &Response<T>) -> Option<String> {
    Some(answer.metadata().get("copydesk-cache")?.to_str().ok()?.to_owned())
}

/// Formats a status without its details.
pub fn brief(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
