//! Purges of articles over the wire, and of deleted articles by the server.

use std::time::Duration;

use copydesk::proto::*;
use futures::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|info| info.reason).unwrap_or_default()
}

fn purge(name: &str) -> PurgeArticleRequest {
    PurgeArticleRequest { name: name.into(), ..Default::default() }
}

/// Returns the article as its editors see it.
async fn seen(server: &TestServer, name: &str) -> Article {
    let request = GetArticleRequest { name: name.into(), any_state: true, ..Default::default() };
    server.retrieval().await.get_article(request).await.unwrap().into_inner().article.unwrap()
}

#[tokio::test]
async fn a_purged_article_is_gone_for_readers_and_refused_to_publishers() {
    let server = TestServer::start().await;
    let mut ingestion = server.ingestion().await;
    let mut editorial = server.editorial().await;
    let first = ingest(&mut ingestion, invented(1)).await.article.unwrap();
    let corrected = Article { name: first.name.clone(), headline: "Ferry is late".into(), ..Default::default() };
    let request = UpdateArticleRequest { article: Some(corrected), reason: "It is.".into(), ..Default::default() };
    let before = editorial.update_article(request).await.unwrap().into_inner().article.unwrap();
    // What is invalid, stale or only validated changes nothing.
    for (request, code) in [
        (PurgeArticleRequest { name: "x".into(), ..Default::default() }, Code::InvalidArgument),
        (PurgeArticleRequest { reason: "x".repeat(1_001), ..purge(&first.name) }, Code::InvalidArgument),
        (purge("articles/none"), Code::NotFound),
        (PurgeArticleRequest { etag: first.etag.clone(), ..purge(&first.name) }, Code::Aborted),
    ] {
        assert_eq!(editorial.purge_article(request.clone()).await.unwrap_err().code(), code, "{request:?}");
    }
    let validated = PurgeArticleRequest { validate_only: true, ..purge(&first.name) };
    let validated = editorial.purge_article(validated).await.unwrap().into_inner().article.unwrap();
    assert_eq!((validated.state(), validated.headline.as_str()), (ArticleState::Purged, ""));
    assert_eq!(seen(&server, &first.name).await.headline, "Ferry is late");
    let request = PurgeArticleRequest {
        etag: before.etag.clone(),
        reason: "Court order 7".into(),
        request_id: "p-1".into(),
        ..purge(&first.name)
    };
    let left = editorial.purge_article(request.clone()).await.unwrap().into_inner().article.unwrap();
    let expected = Article {
        name: first.name.clone(),
        uid: first.uid.clone(),
        source: first.source.clone(),
        content_digest: before.content_digest.clone(),
        create_time: first.create_time,
        update_time: left.update_time,
        state: ArticleState::Purged.into(),
        revision: 3,
        etag: left.etag.clone(),
        change_token: left.change_token.clone(),
        ..Default::default()
    };
    assert_eq!(left, expected);
    assert_eq!(seen(&server, &first.name).await, left);
    assert_eq!(editorial.purge_article(request).await.unwrap().into_inner().article.unwrap(), left, "a retry");
    let again = PurgeArticleRequest { etag: first.etag.clone(), ..purge(&first.name) };
    assert_eq!(editorial.purge_article(again).await.unwrap().into_inner().article.unwrap(), left);
    // Readers.
    let mut retrieval = server.retrieval().await;
    let consistency =
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(left.change_token.clone())) });
    let request = GetArticleRequest { name: first.name.clone(), consistency, ..Default::default() };
    let gone = retrieval.get_article(request).await.unwrap_err();
    assert_eq!((gone.code(), reason(&gone).as_str()), (Code::NotFound, "ARTICLE_PURGED"));
    let time = gone.get_details_error_info().unwrap().metadata["time"].parse::<jiff::Timestamp>().unwrap();
    assert_eq!(left.update_time.unwrap().seconds, time.as_second());
    let request = ListArticleRevisionsRequest { parent: first.name.clone(), any_state: true, ..Default::default() };
    let revisions = retrieval.list_article_revisions(request).await.unwrap().into_inner().revisions;
    let reasons: Vec<_> = revisions.iter().map(|revision| (revision.kind(), revision.reason.as_str())).collect();
    let history = [ChangeKind::Purged, ChangeKind::Revised, ChangeKind::Created];
    assert_eq!(reasons, history.map(|kind| (kind, if kind == ChangeKind::Purged { "Court order 7" } else { "" })));
    // Publishers and editors.
    let refused = |status: Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ARTICLE_PURGED"), "{status}");
    };
    for article in [
        Article { headline: "Another".into(), url: invented(1).url.replace("https://", "http://www."), ..invented(2) },
        Article { url: "https://herald.example/other".into(), ..invented(1) },
        Article { url: "https://herald.example/late".into(), headline: "Ferry is late".into(), ..invented(1) },
    ] {
        let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
        refused(ingestion.ingest_article(request).await.unwrap_err());
    }
    let name = first.name.clone();
    let article = Some(Article { name: name.clone(), section: "Sea".into(), ..Default::default() });
    refused(editorial.update_article(UpdateArticleRequest { article, ..Default::default() }).await.unwrap_err());
    let revision = format!("{name}/revisions/1");
    let request = RollbackArticleRequest { name: name.clone(), revision, ..Default::default() };
    refused(editorial.rollback_article(request).await.unwrap_err());
    let request = WithdrawArticleRequest { name: name.clone(), ..Default::default() };
    refused(editorial.withdraw_article(request).await.unwrap_err());
    let request = WithdrawArticleRequest { url: invented(1).url, allow_missing: true, ..Default::default() };
    refused(editorial.withdraw_article(request).await.unwrap_err());
    let request = ReinstateArticleRequest { name: name.clone(), ..Default::default() };
    refused(editorial.reinstate_article(request).await.unwrap_err());
    let request = DeleteArticleRequest { name: name.clone(), ..Default::default() };
    refused(editorial.delete_article(request).await.unwrap_err());
    refused(editorial.undelete_article(UndeleteArticleRequest { name, ..Default::default() }).await.unwrap_err());
}

/// Enough articles that an export has to read the store again after its first messages.
const ARTICLES: usize = 400;

#[tokio::test]
async fn a_purge_during_an_export_and_a_watch_ends_neither_and_shows_no_text() {
    let server = TestServer::start().await;
    let mut ingestion = server.ingestion().await;
    let mut names = Vec::new();
    for number in 0..ARTICLES {
        let body = "The crossing was calm. ".repeat(400);
        names.push(ingest(&mut ingestion, Article { body, ..invented(number) }).await.article.unwrap().name);
    }
    let mut retrieval = server.retrieval().await;
    let mut export = retrieval.export_articles(ExportArticlesRequest::default()).await.unwrap().into_inner();
    let filter = Some(ArticleFilter { tags: Some(StringCondition::any_of(["ferry-1"])), ..Default::default() });
    let watch = WatchArticlesRequest { filter, ..Default::default() };
    let mut watch = retrieval.watch_articles(watch).await.unwrap().into_inner();
    let checkpoint = watch.next().await.unwrap().unwrap();
    assert!(matches!(checkpoint.event, Some(watch_articles_response::Event::Checkpoint(_))));
    let mut exported = vec![export.next().await.unwrap().unwrap()];
    let victim = names.last().unwrap();
    let left = server.editorial().await.purge_article(purge(victim)).await.unwrap().into_inner().article.unwrap();
    while let Some(message) = export.next().await {
        exported.push(message.unwrap());
    }
    let articles: Vec<Article> = exported
        .into_iter()
        .filter_map(|message| match message.item.unwrap() {
            export_articles_response::Item::Article(article) => Some(article),
            export_articles_response::Item::Summary(_) | export_articles_response::Item::Progress(_) => None,
        })
        .collect();
    assert_eq!(articles.len(), ARTICLES - 1);
    assert!(articles.iter().all(|article| article.name != *victim && !article.body.is_empty()));
    // The watch gets the change, whatever its filter, and has no text.
    let changed = loop {
        let watch_articles_response::Event::Change(change) = watch.next().await.unwrap().unwrap().event.unwrap() else {
            continue;
        };
        break change;
    };
    assert_eq!((changed.name.as_str(), changed.kind(), &changed.article), (victim.as_str(), ChangeKind::Purged, &None));
    // So is a watch from the beginning.
    let request =
        WatchArticlesRequest { start: Some(watch_articles_request::Start::Beginning(true)), ..Default::default() };
    let mut history = retrieval.watch_articles(request).await.unwrap().into_inner();
    loop {
        let Some(watch_articles_response::Event::Change(change)) = history.next().await.unwrap().unwrap().event else {
            continue;
        };
        assert_eq!(change.article.is_none(), change.name == *victim, "{}", change.name);
        if change.change_token == left.change_token {
            break;
        }
    }
}

#[tokio::test]
async fn deleted_articles_are_purged_after_their_time() {
    let dir = tempfile::tempdir().unwrap();
    let long = Duration::from_secs(30 * 86_400);
    let server = TestServer::on(dir, |options| options.retrieve.deleted_keep = Some(long)).await;
    let mut ingestion = server.ingestion().await;
    let mut editorial = server.editorial().await;
    let mut names = Vec::new();
    for number in 0..3 {
        names.push(ingest(&mut ingestion, invented(number)).await.article.unwrap().name);
    }
    for name in &names[..2] {
        let request = DeleteArticleRequest { name: name.clone(), ..Default::default() };
        let deleted = editorial.delete_article(request).await.unwrap().into_inner().article.unwrap();
        let (delete, purge) = (deleted.delete_time.unwrap(), deleted.purge_time.unwrap());
        assert_eq!((purge.seconds - delete.seconds, purge.nanos), (30 * 86_400, delete.nanos));
        assert_eq!(seen(&server, name).await.purge_time, deleted.purge_time);
    }
    editorial.undelete_article(UndeleteArticleRequest { name: names[1].clone(), ..Default::default() }).await.unwrap();
    assert_eq!(seen(&server, &names[1]).await.purge_time, None);
    // A restart with a shorter time.
    let dir = server.stop().await;
    let server = TestServer::on(dir, |options| options.retrieve.deleted_keep = Some(Duration::from_millis(1))).await;
    let purged = async {
        while seen(&server, &names[0]).await.state() != ArticleState::Purged {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), purged).await.expect("purged");
    for name in &names[1..] {
        assert_eq!(seen(&server, name).await.state(), ArticleState::Active);
    }
}
