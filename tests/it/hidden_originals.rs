//! Duplicates of articles that are no longer readable: no method names the original, and none hides the duplicate.

use std::collections::BTreeSet;

use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::test_server::{TestServer, ingest, invented, ready};

type Reads = RetrievalServiceClient<Channel>;
type Writes = IngestionServiceClient<Channel>;

fn later(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + seconds, nanos: 0 })
}

fn not_older_than(token: &str) -> Option<Consistency> {
    Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(token.to_owned())) })
}

/// Returns `duplicate_of` of the copy by each way to read, and in each answer to a write.
async fn named(reads: &mut Reads, writes: &mut Writes, copy: &Article, token: &str) -> Vec<(&'static str, String)> {
    let (name, consistency) = (copy.name.clone(), not_older_than(token));
    let mut found = Vec::new();
    let get = GetArticleRequest { name: name.clone(), consistency: consistency.clone(), ..Default::default() };
    let past = GetArticleRequest { name: format!("{name}@1"), ..get.clone() };
    for (way, request) in [("get", get), ("revision", past)] {
        found.push((way, reads.get_article(request).await.unwrap().into_inner().article.unwrap()));
    }
    let request =
        BatchGetArticlesRequest { names: vec![name.clone()], consistency: consistency.clone(), ..Default::default() };
    found.push(("batch", reads.batch_get_articles(request).await.unwrap().into_inner().articles.remove(0)));
    let key = Some(lookup_article_request::Key::Url(copy.url.clone()));
    let request = LookupArticleRequest { key, consistency: consistency.clone(), ..Default::default() };
    found.push(("lookup", reads.lookup_article(request).await.unwrap().into_inner().article.unwrap()));
    let request = ListArticlesRequest { consistency: consistency.clone(), ..Default::default() };
    let listed = reads.list_articles(request).await.unwrap().into_inner().articles;
    found.extend(listed.into_iter().filter(|it| it.name == name).map(|it| ("list", it)));
    let request = SearchArticlesRequest { query: "ferry".into(), consistency, ..Default::default() };
    let hits = reads.search_articles(request).await.unwrap().into_inner().results;
    found.extend(hits.into_iter().filter_map(|hit| hit.article).filter(|it| it.name == name).map(|it| ("search", it)));
    for (way, articles) in [("export", export(reads, false).await), ("watch", watch(reads, false).await)] {
        found.extend(articles.into_iter().filter(|it| it.name == name).map(|it| (way, it)));
    }
    for validate_only in [true, false] {
        let sent = ready(Article { duplicate_of: String::new(), ..copy.clone() });
        let request = IngestArticleRequest { document: Some(sent), validate_only, ..Default::default() };
        found.push(("ingest", writes.ingest_article(request).await.unwrap().into_inner().article.unwrap()));
    }
    let update = UpdateArticleRequest {
        article: Some(Article { name: name.clone(), section: copy.section.clone(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["section".into()] }),
        ..Default::default()
    };
    found.push(("update", writes.update_article(update).await.unwrap().into_inner().article.unwrap()));
    let ways: BTreeSet<&str> = found.iter().map(|(way, _)| *way).collect();
    assert_eq!(ways.len(), 10, "{ways:?}");
    found.into_iter().map(|(way, article)| (way, article.duplicate_of)).collect()
}

fn filter(exclude_duplicates: bool) -> Option<ArticleFilter> {
    exclude_duplicates.then(|| ArticleFilter { exclude_duplicates, ..Default::default() })
}

async fn export(reads: &mut Reads, exclude: bool) -> Vec<Article> {
    let request = ExportArticlesRequest { filter: filter(exclude), ..Default::default() };
    let mut items = reads.export_articles(request).await.unwrap().into_inner();
    let mut articles = Vec::new();
    while let Some(item) = items.next().await {
        if let Some(export_articles_response::Item::Article(article)) = item.unwrap().item {
            articles.push(article);
        }
    }
    articles
}

/// Returns the contents of the change feed from its beginning up to now.
async fn watch(reads: &mut Reads, exclude: bool) -> Vec<Article> {
    let request = WatchArticlesRequest { from_beginning: true, filter: filter(exclude), ..Default::default() };
    let mut events = reads.watch_articles(request).await.unwrap().into_inner();
    let mut articles = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => articles.extend(change.article),
            Event::Checkpoint(_) => return articles,
        }
    }
}

/// The ways that show an article though duplicates are to be left out.
async fn ways_that_show(reads: &mut Reads, name: &str, token: &str) -> Vec<&'static str> {
    let consistency = not_older_than(token);
    let request = ListArticlesRequest { filter: filter(true), consistency: consistency.clone(), ..Default::default() };
    let list = reads.list_articles(request).await.unwrap().into_inner().articles;
    let query = "ferry".into();
    let request = SearchArticlesRequest { query, filter: filter(true), consistency, ..Default::default() };
    let search = reads.search_articles(request).await.unwrap().into_inner().results;
    let search = search.into_iter().filter_map(|hit| hit.article).collect();
    let (exported, watched) = (export(reads, true).await, watch(reads, true).await);
    let all = [("list", list), ("search", search), ("export", exported), ("watch", watched)];
    all.into_iter().filter(|(_, found)| found.iter().any(|it| it.name == name)).map(|(way, _)| way).collect()
}

async fn set(writes: &mut Writes, new: Article, path: &str) -> Article {
    let update_mask = Some(prost_types::FieldMask { paths: vec![path.into()] });
    let request = UpdateArticleRequest { article: Some(new), update_mask, ..Default::default() };
    writes.update_article(request).await.unwrap().into_inner().article.unwrap()
}

/// Hides an article, or shows it again; each way has its own.
async fn turn(writes: &mut Writes, way: &str, name: &str, hide: bool) -> Article {
    let name = name.to_owned();
    let timed =
        |embargo_time, expire_time| Article { name: name.clone(), embargo_time, expire_time, ..Default::default() };
    match (way, hide) {
        ("embargoed", true) => set(writes, timed(later(3_600), None), "embargo_time").await,
        ("embargoed", false) => set(writes, timed(None, None), "embargo_time").await,
        ("expired", true) => set(writes, timed(None, later(-60)), "expire_time").await,
        ("expired", false) => set(writes, timed(None, None), "expire_time").await,
        ("withdrawn", true) => {
            let request = WithdrawArticleRequest { name, ..Default::default() };
            writes.withdraw_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("withdrawn", false) => {
            let request = ReinstateArticleRequest { name, ..Default::default() };
            writes.reinstate_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("deleted", true) => {
            let request = DeleteArticleRequest { name, ..Default::default() };
            writes.delete_article(request).await.unwrap().into_inner().article.unwrap()
        }
        ("deleted", false) => {
            let request = UndeleteArticleRequest { name, ..Default::default() };
            writes.undelete_article(request).await.unwrap().into_inner().article.unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn unreadable_originals_are_not_disclosed_and_hide_no_copy() {
    let server = TestServer::start().await;
    let (mut reads, mut writes) = (server.retrieval().await, server.ingestion().await);
    for (number, way) in ["embargoed", "withdrawn", "deleted", "expired"].into_iter().enumerate() {
        let original = ingest(&mut writes, invented(number)).await.article.unwrap();
        let copied = Article { url: format!("https://mirror.example/{number}"), ..invented(number) };
        let copy = ingest(&mut writes, copied).await;
        assert_eq!(copy.outcome(), IngestOutcome::Duplicate);
        let copy = copy.article.unwrap();
        let mut token = copy.change_token.clone();
        // There and back: nothing of it is kept by a cache.
        for hide in [false, true, false] {
            if hide || token != copy.change_token {
                token = turn(&mut writes, way, &original.name, hide).await.change_token;
            }
            let expected = if hide { "" } else { &original.name };
            for (method, actual) in named(&mut reads, &mut writes, &copy, &token).await {
                assert_eq!(actual, expected, "{method} of a copy whose original is {way}: {hide}");
            }
            let shown = ways_that_show(&mut reads, &copy.name, &token).await;
            let all = ["list", "search", "export", "watch"];
            assert_eq!(shown, if hide { &all[..] } else { &[] }, "{way}: {hide}");
        }
        // The following checks start without these.
        for name in [&copy.name, &original.name] {
            turn(&mut writes, "withdrawn", name, true).await;
        }
    }
}
