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
    match reads.get_article(get).await {
        Ok(_) => found.push("get"),
        Err(status) => is_plain_not_found(&status, &name),
    }
    let revision = format!("{name}/revisions/{}", article.revision);
    let past =
        GetArticleRevisionRequest { name: revision.clone(), consistency: consistency.clone(), ..Default::default() };
    match reads.get_article_revision(past).await {
        Ok(_) => found.push("revision"),
        Err(status) => is_plain_not_found(&status, &revision),
    }
    let diff =
        DiffArticleRevisionsRequest { name: revision.clone(), consistency: consistency.clone(), ..Default::default() };
    match reads.diff_article_revisions(diff).await {
        Ok(_) => found.push("diff"),
        Err(status) => is_plain_not_found(&status, &revision),
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
    let keys = vec![LookupKey { key: Some(lookup_key::Key::Url(article.url.clone())) }];
    let lookups = BatchLookupArticlesRequest { keys, consistency: consistency.clone(), ..Default::default() };
    let looked_up = reads.batch_lookup_articles(lookups).await.unwrap().into_inner().results.remove(0);
    match looked_up.result.unwrap() {
        lookup_result::Result::Article(_) => found.push("batch lookup"),
        lookup_result::Result::Status(status) => {
            assert_eq!(status.message, format!("{} does not exist", article.url));
            assert!(!format!("{status:?}").contains(&article.uid), "{status:?}");
        }
    }
    let known = GetArticleRequest {
        name: name.clone(),
        unless_etag: article.etag.clone(),
        consistency: consistency.clone(),
        ..Default::default()
    };
    match reads.get_article(known).await {
        Ok(_) => found.push("etag"),
        Err(status) => is_plain_not_found(&status, &name),
    }
    let list = ListArticlesRequest { consistency: consistency.clone(), ..Default::default() };
    if reads.list_articles(list).await.unwrap().into_inner().articles.iter().any(|it| it.name == name) {
        found.push("list");
    }
    // The other articles of these tests have other numbers and tags.
    let number: usize = article.url.rsplit('/').next().unwrap().parse().unwrap();
    let (text, tag) = (format!("\"ferry {number}\""), invented(number).tags.remove(1));
    let filter = Some(ArticleFilter { text: text.clone(), ..Default::default() });
    let list = ListArticlesRequest { filter, consistency: consistency.clone(), ..Default::default() };
    if !reads.list_articles(list).await.unwrap().into_inner().articles.is_empty() {
        found.push("list by text");
    }
    let search = SearchArticlesRequest {
        query: "ferry".into(),
        include_total_size: true,
        consistency: consistency.clone(),
        ..Default::default()
    };
    let answer = reads.search_articles(search).await.unwrap().into_inner();
    assert_eq!(answer.total_size, answer.results.len() as i64);
    if answer.results.iter().any(|it| it.article.as_ref().unwrap().name == name) {
        found.push("search");
    }
    let counts = AggregateArticlesRequest { query: text, consistency: consistency.clone(), ..Default::default() };
    if reads.aggregate_articles(counts).await.unwrap().into_inner().total_size > 0 {
        found.push("count");
    }
    let (field, prefix) = (ValueField::Tag.into(), tag.clone());
    let suggest = SuggestValuesRequest { field, prefix, consistency, ..Default::default() };
    let suggestions = reads.suggest_values(suggest).await.unwrap().into_inner().suggestions;
    if suggestions.iter().any(|it| it.value == tag) {
        found.push("suggestion");
    }
    let revisions = ListArticleRevisionsRequest { parent: name.clone(), ..Default::default() };
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

const EVERY_WAY: [&str; 14] = [
    "get",
    "revision",
    "diff",
    "batch",
    "lookup",
    "batch lookup",
    "etag",
    "list",
    "list by text",
    "search",
    "count",
    "suggestion",
    "revisions",
    "export",
];

#[tokio::test]
async fn embargoed_articles_are_invisible_until_the_embargo_ends() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let mut writes = server.ingestion().await;
    let other = ingest(&mut writes, invented(1)).await.article.unwrap();
    let watch = WatchArticlesRequest::after(other.change_token);
    let mut watch = reads.watch_articles(watch).await.unwrap().into_inner();

    let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(invented(2)) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let held =
        writes.ingest_article(request).await.unwrap().into_inner().into_first().unwrap_or_default().article.unwrap();
    assert_eq!(held.state(), ArticleState::Embargoed);
    assert_eq!(traces(&mut reads, &held, &held.change_token).await, Vec::<&str>::new());
    // A later write: it is the first change of the watch, not the embargoed article.
    let after = ingest(&mut writes, invented(3)).await.article.unwrap();
    assert_eq!(next_change(&mut watch).await.name, after.name);

    // The desk brings the embargo forward, so that the clock has something to open.
    let sooner = Article { embargo_time: in_time(Duration::from_secs(1)), ..invented_as(&held) };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["embargo_time".into()] });
    let request = UpdateArticleRequest { article: Some(sooner), update_mask, ..Default::default() };
    let held = server.editorial().await.update_article(request).await.unwrap().into_inner().article.unwrap();
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
    let request = WatchArticlesRequest { filter, ..WatchArticlesRequest::from_beginning() };
    let mut events = reads.watch_articles(request).await.unwrap().into_inner();
    let mut changes = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => changes.push((change.revision, change.article.map(|article| article.body))),
            Event::Checkpoint(_) => return changes,
            Event::Article(_) | Event::Progress(_) => panic!("no snapshot was requested"),
        }
    }
}

async fn update(
    edits: &mut editorial_service_client::EditorialServiceClient<Channel>,
    new: Article,
    paths: &[&str],
    reason: &str,
) -> Article {
    let update_mask = Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
    let request = UpdateArticleRequest { article: Some(new), update_mask, reason: reason.into(), ..Default::default() };
    edits.update_article(request).await.unwrap().into_inner().article.unwrap()
}

#[tokio::test]
async fn corrections_under_embargo_are_not_disclosed() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    let mut edits = server.editorial().await;
    let draft = Article { body: "The secret name of the harbour.".into(), ..invented(1) };
    let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(draft) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let held =
        writes.ingest_article(request).await.unwrap().into_inner().into_first().unwrap_or_default().article.unwrap();
    let name = held.name;
    let clean = Article { name: name.clone(), body: "The plain name of the harbour.".into(), ..Article::default() };
    update(&mut edits, clean, &["body"], "legal: strike the name").await;
    // Published by an editor, without the word that only the embargoed text had.
    let open = Article { name: name.clone(), ..Article::default() };
    update(&mut edits, open, &["embargo_time"], "released").await;

    let revision_name = |revision: i64| format!("{name}/revisions/{revision}");
    let shown = |revision: i64| GetArticleRevisionRequest { name: revision_name(revision), ..Default::default() };
    for revision in [1, 2] {
        let status = reads.get_article_revision(shown(revision)).await.unwrap_err();
        is_plain_not_found(&status, &revision_name(revision));
    }
    assert!(reads.get_article_revision(shown(3)).await.unwrap().into_inner().revision.unwrap().snapshot.is_some());
    let diff = |base: Option<i64>| DiffArticleRevisionsRequest {
        name: revision_name(3),
        base_revision: base.map(revision_name).unwrap_or_default(),
        ..Default::default()
    };
    // The first public revision has none before it.
    let compared = reads.diff_article_revisions(diff(None)).await.unwrap().into_inner();
    assert_eq!((compared.base_revision.as_str(), compared.paragraphs.len()), ("", 1));
    assert!(!format!("{compared:?}").contains("secret"));
    let status = reads.diff_article_revisions(diff(Some(2))).await.unwrap_err();
    is_plain_not_found(&status, &revision_name(2));
    let revisions = ListArticleRevisionsRequest { parent: name.clone(), ..Default::default() };
    let revisions = reads.list_article_revisions(revisions).await.unwrap().into_inner().revisions;
    let revisions: Vec<_> =
        revisions.iter().map(|it| (it.name.as_str(), it.reason.as_str(), it.changed_fields.len())).collect();
    assert_eq!(revisions, [(revision_name(3).as_str(), "released", 0)]);
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
    update(&mut edits, hidden, &["body", "embargo_time"], "").await;
    assert_eq!(watched(&mut reads, "laundering").await, []);
    assert_eq!(watched(&mut reads, "plain").await, [(4, None)]);
}

#[tokio::test]
async fn articles_withdrawn_under_embargo_are_never_disclosed() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    let mut edits = server.editorial().await;
    for (number, kill) in [(1, true), (2, false)] {
        let document = Document { embargo_time: in_time(Duration::from_secs(3_600)), ..ready(invented(number)) };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        let held = writes
            .ingest_article(request)
            .await
            .unwrap()
            .into_inner()
            .into_first()
            .unwrap_or_default()
            .article
            .unwrap();
        let name = held.name.clone();
        let gone = if kill {
            let request = WithdrawArticleRequest { name, ..Default::default() };
            edits.withdraw_article(request).await.unwrap().into_inner().article
        } else {
            let request = DeleteArticleRequest { name, ..Default::default() };
            edits.delete_article(request).await.unwrap().into_inner().article
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
    let article =
        writes.ingest_article(request).await.unwrap().into_inner().into_first().unwrap_or_default().article.unwrap();
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
