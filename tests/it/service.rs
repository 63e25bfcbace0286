//! Basic case of each method.

use std::time::Duration;

use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::test_server::{TestServer, ingest, invented, ready};

#[tokio::test]
async fn an_ingested_article_is_returned() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let first = ingest(&mut writes, invented(1)).await;
    assert_eq!(first.outcome(), IngestOutcome::Created);
    let article = first.article.unwrap();
    assert_eq!(ingest(&mut writes, invented(1)).await.outcome(), IngestOutcome::Unchanged);

    let get = GetArticleRequest { name: article.name.clone(), ..Default::default() };
    let answer = reads.get_article(get.clone()).await.unwrap();
    assert_eq!(answer.metadata().get("copydesk-cache").unwrap(), "store");
    assert_eq!(answer.into_inner().article.as_ref(), Some(&article));
    // Served by the cache once its follower has caught up, which a busy machine may delay.
    let local = async {
        loop {
            let again = reads.get_article(get.clone()).await.unwrap();
            let from = again.metadata().get("copydesk-cache").unwrap().clone();
            assert_eq!(again.into_inner().article.as_ref(), Some(&article));
            if from == "local" {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), local).await.expect("the cache answers");

    let lookup = lookup_article_request::Key::Url("https://herald.example/news/1?utm_source=x#top".into());
    let found = reads.lookup_article(LookupArticleRequest { key: Some(lookup), ..Default::default() }).await.unwrap();
    assert_eq!(found.into_inner().article.as_ref(), Some(&article));

    let names = vec![article.name.clone(), "articles/none".into(), article.name.clone()];
    let batch = reads.batch_get_articles(BatchGetArticlesRequest { names, ..Default::default() }).await.unwrap();
    let batch = batch.into_inner();
    assert_eq!((batch.articles.len(), batch.not_found.len()), (2, 1));
    assert_eq!(batch.not_found[0].name, "articles/none");
}

#[tokio::test]
async fn corrections_and_withdrawals_are_in_the_history() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let mut edits = server.editorial().await;
    let article = ingest(&mut writes, invented(1)).await.article.unwrap();
    let corrected = UpdateArticleRequest {
        article: Some(Article {
            name: article.name.clone(),
            etag: article.etag.clone(),
            headline: "Ferry 1 returns late".into(),
            ..Article::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["headline".into()] }),
        reason: "It was late.".into(),
        ..Default::default()
    };
    let second = edits.update_article(corrected.clone()).await.unwrap().into_inner().article.unwrap();
    assert_eq!((second.revision, second.headline.as_str()), (2, "Ferry 1 returns late"));
    assert_eq!(edits.update_article(corrected).await.unwrap_err().code(), Code::Aborted);
    // Ingesting the original page again does not undo the correction.
    assert_eq!(ingest(&mut writes, invented(1)).await.outcome(), IngestOutcome::Unchanged);

    let past = GetArticleRevisionRequest { name: format!("{}/revisions/1", article.name), ..Default::default() };
    let past = reads.get_article_revision(past).await.unwrap().into_inner().revision.unwrap();
    assert_eq!(past.snapshot.unwrap().headline, article.headline);
    let history = ListArticleRevisionsRequest { parent: article.name.clone(), ..Default::default() };
    let history = reads.list_article_revisions(history).await.unwrap().into_inner().revisions;
    assert_eq!(history[0].changed_fields, ["headline"]);
    assert_eq!((history[0].reason.as_str(), history[1].kind()), ("It was late.", ChangeKind::Created));

    let kill = WithdrawArticleRequest { name: article.name.clone(), ..Default::default() };
    let killed = edits.withdraw_article(kill).await.unwrap().into_inner().article.unwrap();
    assert_eq!(killed.state(), ArticleState::Withdrawn);
    let get = GetArticleRequest { name: article.name.clone(), ..Default::default() };
    assert_eq!(reads.get_article(get.clone()).await.unwrap_err().code(), Code::NotFound);
    let again = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    assert_eq!(writes.ingest_article(again).await.unwrap_err().code(), Code::FailedPrecondition);
    let reinstate = ReinstateArticleRequest { name: article.name.clone(), ..Default::default() };
    edits.reinstate_article(reinstate).await.unwrap();
    assert_eq!(reads.get_article(get).await.unwrap().into_inner().article.unwrap().revision, 4);
}

#[tokio::test]
async fn lists_searches_watches_and_exports_return_the_article() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let requests = (0..30)
        .map(|n| IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(n, ready(invented(n as usize))) });
    let answers = writes.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap()).collect().await;
    assert_eq!(answers.iter().map(|answer| answer.sequence).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
    let Some(ingest_articles_response::Result::Ingested(last)) = &answers[29].result else { panic!("{answers:?}") };
    let token = last.clone().into_first().unwrap().article.unwrap().change_token;

    let filter = ArticleFilter { tags: Some(StringCondition::any_of(["FERRY-1"])), ..Default::default() };
    let mut list = ListArticlesRequest { page_size: 4, filter: Some(filter.clone()), ..Default::default() };
    let mut listed = Vec::new();
    loop {
        let page = reads.list_articles(list.clone()).await.unwrap().into_inner();
        listed.extend(page.articles.into_iter().map(|article| article.url));
        list.page_token = page.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (0..10).rev().map(|n| format!("https://herald.example/news/{}", 3 * n + 1)).collect();
    assert_eq!(listed, expected);

    let fresh = Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(token.clone())) };
    let search =
        SearchArticlesRequest { query: "\"ferry 7\" captain".into(), consistency: Some(fresh), ..Default::default() };
    let found = reads.search_articles(search).await.unwrap().into_inner();
    assert_eq!(found.results[0].article.as_ref().unwrap().url, "https://herald.example/news/7");
    let matched = |parts: &[TextPart]| -> Vec<String> {
        parts.iter().filter(|part| part.matched).map(|part| part.text.clone()).collect()
    };
    assert_eq!(matched(&found.results[0].headline), ["Ferry 7"]);
    assert_eq!(matched(&found.results[0].snippet), ["captain"]);
    let snippet: String = found.results[0].snippet.iter().map(|part| part.text.as_str()).collect();
    assert_eq!(
        snippet,
        "The ferry numbered 7 came back to the harbour on Tuesday. Its captain said the crossing was calm."
    );

    let mut export = reads.export_articles(ExportArticlesRequest::default()).await.unwrap().into_inner();
    let mut summary = None;
    while let Some(item) = export.next().await {
        if let Some(export_articles_response::Item::Summary(end)) = item.unwrap().item {
            summary = Some(end);
        }
    }
    let summary = summary.unwrap();
    assert_eq!((summary.article_count, summary.change_token.clone()), (30, token));

    let watch = WatchArticlesRequest::after(summary.change_token);
    let mut watch = reads.watch_articles(watch).await.unwrap().into_inner();
    ingest(&mut writes, invented(99)).await;
    let change = loop {
        if let Some(watch_articles_response::Event::Change(change)) = watch.next().await.unwrap().unwrap().event {
            break change;
        }
    };
    assert_eq!(
        (change.kind(), change.article.unwrap().url.as_str()),
        (ChangeKind::Created, "https://herald.example/news/99")
    );
    server.stop().await;
    let mut last = Ok(None);
    while let Ok(Some(_)) | Ok(None) = last {
        last = watch.message().await;
        if matches!(last, Ok(None)) {
            panic!("the stream ended without a status");
        }
    }
    assert_eq!(last.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn lists_by_text_honour_the_requested_consistency() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    for number in 0..20 {
        let article = Article { body: format!("The word is word{number}x."), ..invented(number) };
        let token = ingest(&mut writes, article).await.article.unwrap().change_token;
        for requirement in
            [consistency::Requirement::AtLeastAsFresh(token.clone()), consistency::Requirement::FullyConsistent(true)]
        {
            let request = ListArticlesRequest {
                filter: Some(ArticleFilter { text: format!("word{number}x"), ..Default::default() }),
                consistency: Some(Consistency { requirement: Some(requirement) }),
                ..Default::default()
            };
            assert_eq!(reads.list_articles(request).await.unwrap().into_inner().articles.len(), 1);
        }
    }
}

#[tokio::test]
async fn concurrent_corrections_without_an_etag_all_succeed() {
    let server = TestServer::start().await;
    let edits = server.editorial().await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let corrections = (0..60).map(|number| {
        let (mut edits, name) = (edits.clone(), name.clone());
        let request = UpdateArticleRequest {
            article: Some(Article { name, headline: format!("Edition {number}"), ..Article::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["headline".into()] }),
            ..Default::default()
        };
        tokio::spawn(async move { edits.update_article(request).await })
    });
    for correction in corrections.collect::<Vec<_>>() {
        correction.await.unwrap().unwrap();
    }
    let last = format!("{name}/revisions/61");
    let request = ListArticleRevisionsRequest { parent: name, ..Default::default() };
    let revisions = server.retrieval().await.list_article_revisions(request).await.unwrap().into_inner();
    assert_eq!((revisions.revisions.len(), &revisions.revisions[0].name), (50, &last));
}
