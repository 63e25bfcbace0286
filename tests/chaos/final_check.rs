//! The final check: no fault is left, and every acknowledged write must be on every server.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use copydesk::proto::consistency::Requirement;
use copydesk::proto::*;
use copydesk_client::Client;

use crate::Run;
use crate::history::{Change, Promise, Seen, State, digest, name};
use crate::readers::{brief, hidden, mask, request};
use crate::system::SERVERS;

pub async fn check(run: &Arc<Run>) {
    // The staleness bound must pass before every server shows the last write.
    tokio::time::sleep(run.bound + Duration::from_millis(1)).await;
    let each = async |server| {
        for article in 0..run.history.articles() {
            for fully_consistent in [false, true] {
                standing(run, server, article, fully_consistent).await;
            }
        }
    };
    futures::future::join_all((0..SERVERS).map(each)).await;
    futures::future::join_all((0..SERVERS).map(|server| indexed(run, server))).await;
    // Revisions of hidden articles are not readable, so these are restored first.
    let mut client = run.system.client(0);
    for article in 0..run.history.articles() {
        reveal(run, &mut client, article).await;
    }
    tokio::time::sleep(run.bound + Duration::from_millis(1)).await;
    let each = async |server| {
        let mut client = run.system.client(server);
        for article in 0..run.history.articles() {
            revisions(run, &mut client, article).await;
        }
    };
    futures::future::join_all((0..SERVERS).map(each)).await;
}

/// Checks that exactly the newest version is read.
async fn standing(run: &Run, server: usize, article: usize, fully_consistent: bool) {
    let requirement = Some(Requirement::FullyConsistent(fully_consistent));
    let message = GetArticleRequest {
        name: name(article),
        read_mask: mask(&["name", "revision", "headline"]),
        consistency: Some(Consistency { requirement }),
        ..Default::default()
    };
    let promise = Promise { start: Instant::now(), bound: Duration::ZERO, position: None };
    let checked = match run.system.client(server).retrieval.get_article(request(message)).await {
        Ok(answer) => {
            let found = answer.into_inner().article.unwrap_or_default();
            run.history.check(article, &Seen::Article { revision: found.revision, headline: &found.headline }, promise)
        }
        Err(status) => match hidden(&status) {
            Some(state) => run.history.check(article, &Seen::Hidden(Some(state)), promise),
            None => Err(format!("{}: {}", name(article), brief(&status))),
        },
    };
    run.report.reads.fetch_add(1, Ordering::Relaxed);
    if let Err(violation) = checked {
        run.report.lost(&format!("at the end, server {server}: {violation}"));
    }
}

/// Checks that a search finds exactly the readable articles, each once.
async fn indexed(run: &Run, server: usize) {
    let live = |article: &usize| run.history.standing(*article).1 == State::Live;
    let expected: BTreeSet<String> = (0..run.history.articles()).filter(live).map(name).collect();
    let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) });
    let mut client = run.system.client(server);
    let mut message = SearchArticlesRequest {
        query: "ferry".into(),
        page_size: 100,
        include_total_size: true,
        read_mask: mask(&["name"]),
        consistency,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = match client.retrieval.search_articles(request(message.clone())).await {
            Ok(page) => page.into_inner(),
            Err(status) => return run.report.violation(&format!("search on server {server}: {}", brief(&status))),
        };
        if page.total_size != expected.len() as i64 {
            run.report.violation(&format!(
                "server {server} counts {}, not {} articles",
                page.total_size,
                expected.len()
            ));
        }
        found.extend(page.results.into_iter().filter_map(|result| Some(result.article?.name)));
        message.page_token = page.next_page_token;
        if message.page_token.is_empty() {
            break;
        }
    }
    run.report.reads.fetch_add(found.len() as u64, Ordering::Relaxed);
    let distinct: BTreeSet<String> = found.iter().cloned().collect();
    if distinct.len() != found.len() || distinct != expected {
        let wrong: Vec<&String> = distinct.symmetric_difference(&expected).take(5).collect();
        run.report.violation(&format!("server {server} finds {} of {}: {wrong:?}", found.len(), expected.len()));
    }
}

async fn reveal(run: &Run, client: &mut Client, article: usize) {
    let (_, state, edition) = run.history.standing(article);
    let (name, etag) = (name(article), String::new());
    let written = match state {
        State::Absent | State::Live | State::Merged | State::Purged => return,
        State::Withdrawn => {
            run.history.begin(article, ChangeKind::Reinstated, edition);
            let message = ReinstateArticleRequest { name, etag, ..Default::default() };
            client.editorial.reinstate_article(request(message)).await.map(|answer| answer.into_inner().article)
        }
        State::Deleted => {
            run.history.begin(article, ChangeKind::Undeleted, edition);
            let message = UndeleteArticleRequest { name, etag, ..Default::default() };
            client.editorial.undelete_article(request(message)).await.map(|answer| answer.into_inner().article)
        }
    };
    match written {
        Ok(article_now) => run.history.answered(article, article_now.map(|it| it.change_token).as_deref()),
        Err(status) => run.report.violation(&format!("article {article} cannot be brought back: {}", brief(&status))),
    }
}

/// Checks each change, with its kind and the article's text after it.
async fn revisions(run: &Run, client: &mut Client, article: usize) {
    let changes = run.history.changes(article);
    let is_purged = run.history.standing(article).1 == State::Purged;
    let mut next = changes.len();
    let mut page_token = String::new();
    loop {
        // Those of merged and purged articles are for editors only.
        let message =
            ListArticleRevisionsRequest { parent: name(article), page_size: 1_000, page_token, any_state: true };
        let page = match client.retrieval.list_article_revisions(request(message)).await {
            Ok(page) => page.into_inner(),
            Err(status) => return run.report.lost(&format!("revisions of {}: {}", name(article), brief(&status))),
        };
        for found in &page.revisions {
            let is_next = found.name == format!("{}/revisions/{next}", name(article));
            let is_expected = next > 0 && is_next && is(article, changes[next - 1], found, is_purged);
            if !is_expected {
                return run.report.lost(&format!("{}@{next} is in the revisions as {found:?}", name(article)));
            }
            next -= 1;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    if next > 0 {
        run.report.lost(&format!("{}: revisions up to {next} are gone", name(article)));
    }
}

/// Returns true if a revision is this change. A purge has erased the texts of the revisions, but not their kinds.
fn is(article: usize, change: Change, found: &ArticleRevision, is_purged: bool) -> bool {
    let has_text = found.content_digest == digest(article, change.edition);
    found.kind == change.kind as i32 && (is_purged || has_text)
}
