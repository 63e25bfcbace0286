//! Embargo and expiry: hidden articles are not disclosed, and due transitions publish and expire them.

use std::time::{Duration, SystemTime};

use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

fn in_time(from_now: Duration) -> Option<prost_types::Timestamp> {
    Some((SystemTime::now() + from_now).into())
}

async fn next_change(watch: &mut Streaming<WatchArticlesResponse>) -> ArticleChange {
    loop {
        if let Some(Event::Change(change)) = watch.next().await.unwrap().unwrap().event {
            return change;
        }
    }
}

/// Checks that an error does not disclose the article: it has only the name from the request.
fn is_plain_not_found(status: &Status, requested: &str) {
    assert_eq!((status.code(), status.message()), (Code::NotFound, format!("{requested} does not exist").as_str()));
    assert_eq!(status.get_details_error_info().unwrap().reason, "ARTICLE_NOT_FOUND");
    assert_eq!(status.get_details_resource_info().unwrap().resource_name, requested);
}

/// Returns the methods that disclose an article, of all that could.
async fn traces(reads: &mut RetrievalServiceClient<Channel>, article: &Article, token: &str) -> Vec<&'static str> {
    let consistency =
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(token.to_owned())) });
    let mut found = Vec::new();
    let name = article.name.clone();
    let get = GetArticleRequest { name: name.clone(), consistency: consistency.clone(), ..Default::default() };
    let past = GetArticleRequest { name: format!("{name}@{}", article.revision), ..get.clone() };
    for (way, request) in [("get", get), ("revision", past)] {
        match reads.get_article(request.clone()).await {
            Ok(_) => found.push(way),
            Err(status) => is_plain_not_found(&status, &request.name),
        }
    }
    let names = vec![name.clone()];
    let batch = BatchGetArticlesRequest { names, consistency: consistency.clone(), ..Default::default() };
    if !reads.batch_get_articles(batch).await.unwrap().into_inner().articles.is_empty() {
        found.push("batch");
    }
    let key = Some(lookup_article_request::Key::Url(article.url.clone()));
    match reads.lookup_article(LookupArticleRequest { key, ..Default::default() }).await {
        Ok(_) => found.push("lookup"),
        Err(status) => is_plain_not_found(&status, &article.url),
    }
    let list = ListArticlesRequest { consistency: consistency.clone(), ..Default::default() };
    if reads.list_articles(list).await.unwrap().into_inner().articles.iter().any(|it| it.name == name) {
        found.push("list");
    }
    let search = SearchArticlesRequest { query: "ferry".into(), consistency, ..Default::default() };
    let results = reads.search_articles(search).await.unwrap().into_inner().results;
    if results.iter().any(|it| it.article.as_ref().unwrap().name == name) {
        found.push("search");
    }
    let revisions = ListArticleRevisionsRequest { name: name.clone(), ..Default::default() };
    if reads.list_article_revisions(revisions).await.is_ok() {
        found.push("revisions");
    }
    let mut export = reads.export_articles(ExportArticlesRequest::default()).await.unwrap().into_inner();
    while let Some(item) = export.next().await {
        if let Some(export_articles_response::Item::Article(it)) = item.unwrap().item
            && it.name == name
        {
            found.push("export");
        }
    }
    found
}

const EVERY_WAY: [&str; 8] = ["get", "revision", "batch", "lookup", "list", "search", "revisions", "export"];

#[tokio::test]
async fn embargoed_articles_are_invisible_until_the_embargo_ends() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let mut writes = server.ingestion().await;
    let other = ingest(&mut writes, invented(1)).await.article.unwrap();
    let watch = WatchArticlesRequest { change_token: other.change_token, ..Default::default() };
    let mut watch = reads.watch_articles(watch).await.unwrap().into_inner();

    let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(invented(2)) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let held = writes.ingest_article(request).await.unwrap().into_inner().article.unwrap();
    assert_eq!(held.state(), ArticleState::Embargoed);
    assert_eq!(traces(&mut reads, &held, &held.change_token).await, Vec::<&str>::new());
    // A later write: it is the first change of the watch, not the embargoed article.
    let after = ingest(&mut writes, invented(3)).await.article.unwrap();
    assert_eq!(next_change(&mut watch).await.name, after.name);

    // The desk brings the embargo forward, so that the clock has something to open.
    let sooner = Article { embargo_time: in_time(Duration::from_secs(1)), ..invented_as(&held) };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["embargo_time".into()] });
    let request = UpdateArticleRequest { article: Some(sooner), update_mask, ..Default::default() };
    let held = writes.update_article(request).await.unwrap().into_inner().article.unwrap();
    let opened = next_change(&mut watch).await;
    assert_eq!((opened.name.as_str(), opened.kind()), (held.name.as_str(), ChangeKind::Opened));
    assert!(SystemTime::now() >= SystemTime::try_from(held.embargo_time.unwrap()).unwrap(), "it opened too early");
    assert_eq!(opened.article.unwrap().state(), ArticleState::Active);
    let shown = Article { revision: opened.revision, ..invented_as(&held) };
    let found = traces(&mut reads, &shown, &opened.change_token).await;
    assert_eq!(found, EVERY_WAY);
}

/// The feed from its beginning, up to now: name, revision, and the body if one is shown.
async fn watched(reads: &mut RetrievalServiceClient<Channel>, text: &str) -> Vec<(i64, Option<String>)> {
    let filter = (!text.is_empty()).then(|| ArticleFilter { text: text.into(), ..Default::default() });
    let request = WatchArticlesRequest { from_beginning: true, filter, ..Default::default() };
    let mut events = reads.watch_articles(request).await.unwrap().into_inner();
    let mut changes = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => changes.push((change.revision, change.article.map(|article| article.body))),
            Event::Checkpoint(_) => return changes,
        }
    }
}

async fn update(
    writes: &mut ingestion_service_client::IngestionServiceClient<Channel>,
    new: Article,
    paths: &[&str],
    reason: &str,
) -> Article {
    let update_mask = Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let request = UpdateArticleRequest { article: Some(new), update_mask, reason: reason.into() };
    writes.update_article(request).await.unwrap().into_inner().article.unwrap()
}

#[tokio::test]
async fn corrections_under_embargo_are_not_disclosed() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    let draft = Article { body: "The secret name of the harbour.".into(), ..invented(1) };
    let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(draft) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let held = writes.ingest_article(request).await.unwrap().into_inner().article.unwrap();
    let name = held.name;
    let clean = Article { name: name.clone(), body: "The plain name of the harbour.".into(), ..Article::default() };
    update(&mut writes, clean, &["body"], "legal: strike the name").await;
    // Published by an editor, without the word that only the embargoed text had.
    let open = Article { name: name.clone(), ..Article::default() };
    update(&mut writes, open, &["embargo_time"], "released").await;

    let shown = |revision: i64| GetArticleRequest { name: format!("{name}@{revision}"), ..Default::default() };
    for revision in [1, 2] {
        let status = reads.get_article(shown(revision)).await.unwrap_err();
        is_plain_not_found(&status, &format!("{name}@{revision}"));
    }
    reads.get_article(shown(3)).await.unwrap();
    let revisions = ListArticleRevisionsRequest { name: name.clone(), ..Default::default() };
    let revisions = reads.list_article_revisions(revisions).await.unwrap().into_inner().revisions;
    let revisions: Vec<_> =
        revisions.iter().map(|it| (it.revision, it.reason.as_str(), it.changed_fields.len())).collect();
    assert_eq!(revisions, [(3, "released", 0)]);
    assert_eq!(watched(&mut reads, "").await, [(3, Some("The plain name of the harbour.".to_owned()))]);
    // A filter does not disclose the earlier text either.
    assert_eq!(watched(&mut reads, "secret").await, []);
    assert_eq!(watched(&mut reads, "plain").await.len(), 1);

    // A new embargo with a new text: the removal is announced to clients that could see the article.
    let hidden = Article {
        name: name.clone(),
        body: "The laundering of the harbour.".into(),
        embargo_time: in_time(Duration::from_secs(3_600)),
        ..Article::default()
    };
    update(&mut writes, hidden, &["body", "embargo_time"], "").await;
    assert_eq!(watched(&mut reads, "laundering").await, []);
    assert_eq!(watched(&mut reads, "plain").await, [(4, None)]);
}

#[tokio::test]
async fn articles_withdrawn_under_embargo_are_never_disclosed() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    for (number, kill) in [(1, true), (2, false)] {
        let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(invented(number)) };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        let held = writes.ingest_article(request).await.unwrap().into_inner().article.unwrap();
        let name = held.name.clone();
        let gone = if kill {
            let request = WithdrawArticleRequest { name, ..Default::default() };
            writes.withdraw_article(request).await.unwrap().into_inner().article
        } else {
            let request = DeleteArticleRequest { name, ..Default::default() };
            writes.delete_article(request).await.unwrap().into_inner().article
        };
        // Editors see its state; readers see nothing.
        assert_ne!(gone.as_ref().unwrap().state(), ArticleState::Embargoed);
        assert_eq!(traces(&mut reads, &held, &gone.unwrap().change_token).await, Vec::<&str>::new());
    }
    assert_eq!(watched(&mut reads, "").await, []);
}

fn invented_as(article: &Article) -> Article {
    Article { name: article.name.clone(), url: article.url.clone(), ..Article::default() }
}

#[tokio::test]
async fn expired_articles_leave_every_read_and_watchers_are_notified() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    let mut watch = reads.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    let document = Document { expire_time: in_time(Duration::from_secs(2)), ..ready(invented(2)) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let article = writes.ingest_article(request).await.unwrap().into_inner().article.unwrap();
    let get = GetArticleRequest { name: article.name.clone(), ..Default::default() };
    // Twice: the second is from the cache, which must not outlive the article. A machine that is slow enough may find
    // it expired already, which is correct too, but not before its time.
    for _ in 0..2 {
        if reads.get_article(get.clone()).await.is_err() {
            assert!(SystemTime::now() >= SystemTime::try_from(article.expire_time.unwrap()).unwrap(), "gone too early");
        }
    }
    assert_eq!(next_change(&mut watch).await.kind(), ChangeKind::Created);
    let expired = next_change(&mut watch).await;
    assert_eq!((expired.kind(), expired.article), (ChangeKind::Expired, None));
    let gone = reads.get_article(get).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    assert_eq!(gone.get_details_error_info().unwrap().reason, "ARTICLE_EXPIRED");
    let list = reads.list_articles(ListArticlesRequest::default()).await.unwrap().into_inner();
    assert!(list.articles.is_empty());
}
