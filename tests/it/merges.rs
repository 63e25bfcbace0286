//! Merges of articles into one, as editors and readers see them.

use copydesk::access::AuditTarget;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

/// Ingests some articles. Returns them.
async fn articles(server: &TestServer, count: usize) -> Vec<Article> {
    let mut writes = server.ingestion().await;
    let mut articles = Vec::new();
    for number in 0..count {
        articles.push(ingest(&mut writes, invented(number)).await.article.unwrap());
    }
    articles
}

fn merge(to: &Article, sources: &[&Article]) -> MergeArticlesRequest {
    let source_articles = sources.iter().map(|source| source.name.clone()).collect();
    MergeArticlesRequest { name: to.name.clone(), source_articles, reason: "one story".into(), ..Default::default() }
}

async fn send(server: &TestServer, request: MergeArticlesRequest) -> Result<Article, Status> {
    Ok(server.editorial().await.merge_articles(request).await?.into_inner().article.unwrap())
}

/// Reads an article as readers do, or in any state.
async fn read(server: &TestServer, name: &str, any_state: bool) -> Result<Article, Status> {
    let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    let request = GetArticleRequest { name: name.into(), any_state, consistency, ..Default::default() };
    Ok(server.retrieval().await.get_article(request).await?.into_inner().article.unwrap())
}

/// Returns the reason of a status, and the successor that it names.
fn named(status: &Status) -> (String, Option<String>) {
    let info = status.get_details_error_info().unwrap();
    (info.reason, info.metadata.get("successor").cloned())
}

fn of_merge(successor: Option<&Article>) -> (String, Option<String>) {
    ("ARTICLE_MERGED".to_owned(), successor.map(|successor| successor.name.clone()))
}

#[tokio::test]
async fn merged_articles_lead_to_the_one_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let server = TestServer::with(|options| options.audit_log = AuditTarget::File(path.clone())).await;
    let articles = articles(&server, 4).await;
    let [a, b, c, d] = &articles[..] else { unreachable!("four") };
    let start = d.change_token.clone();
    let checked = MergeArticlesRequest { validate_only: true, ..merge(b, &[a]) };
    assert_eq!(send(&server, checked).await.unwrap(), *b);
    assert_eq!(read(&server, &a.name, false).await.unwrap(), *a);

    let request = MergeArticlesRequest { request_id: "r-1".into(), etag: b.etag.clone(), ..merge(b, &[a]) };
    assert_eq!(send(&server, request.clone()).await.unwrap(), *b);
    assert_eq!(send(&server, request.clone()).await.unwrap(), *b);
    let other = MergeArticlesRequest { reason: "another".into(), ..request };
    assert_eq!(send(&server, other).await.unwrap_err().code(), Code::AlreadyExists);
    let gone = read(&server, &a.name, false).await.unwrap_err();
    assert_eq!((gone.code(), named(&gone)), (Code::NotFound, of_merge(Some(b))));
    let merged = read(&server, &a.name, true).await.unwrap();
    assert_eq!((merged.state(), &merged.successor, &merged.headline), (ArticleState::Merged, &b.name, &a.headline));
    let filter = Some(ArticleFilter { states: vec![ArticleState::Merged.into()], ..Default::default() });
    let list = ListArticlesRequest { filter, ..Default::default() };
    let listed = server.retrieval().await.list_articles(list).await.unwrap().into_inner().articles;
    assert_eq!(listed.iter().map(|listed| &listed.name).collect::<Vec<_>>(), [&a.name]);
    // Its address leads to the one that stays, and its documents revise that one.
    let key = Some(lookup_article_request::Key::Url(a.url.clone()));
    let lookup = LookupArticleRequest { key, ..Default::default() };
    let found = server.retrieval().await.lookup_article(lookup).await.unwrap().into_inner().article.unwrap();
    assert_eq!(found.name, b.name);
    let later = Article { headline: "Ferry 0, corrected".into(), ..invented(0) };
    let revised = ingest(&mut server.ingestion().await, later).await;
    assert_eq!((revised.outcome(), &revised.article.unwrap().name), (IngestOutcome::Revised, &b.name));
    // Watchers learn that it is gone.
    let watch = WatchArticlesRequest::after(start);
    let mut events = server.retrieval().await.watch_articles(watch).await.unwrap().into_inner();
    let Some(Event::Change(change)) = events.next().await.unwrap().unwrap().event else { panic!("no change") };
    assert_eq!((change.kind(), &change.name, change.article), (ChangeKind::Merged, &a.name, None));

    // In turn: both lead to the last.
    send(&server, merge(c, &[b])).await.unwrap();
    for name in [&a.name, &b.name] {
        assert_eq!(named(&read(&server, name, false).await.unwrap_err()), of_merge(Some(c)));
    }
    // Readers learn nothing of a successor that they cannot read.
    let request = WithdrawArticleRequest { url: a.url.clone(), ..Default::default() };
    let killed = server.editorial().await.withdraw_article(request).await.unwrap().into_inner().article.unwrap();
    assert_eq!((killed.name, killed.state), (c.name.clone(), ArticleState::Withdrawn.into()));
    assert_eq!(named(&read(&server, &a.name, false).await.unwrap_err()), of_merge(None));
    for number in 0..3 {
        let again = Article { headline: format!("Again {number}"), ..invented(number) };
        let request = IngestArticleRequest { document: Some(ready(again)), ..Default::default() };
        let refused = server.ingestion().await.ingest_article(request).await.unwrap_err();
        assert_eq!((refused.code(), named(&refused).0.as_str()), (Code::FailedPrecondition, "ARTICLE_WITHDRAWN"));
    }
    server.stop().await;
    let log = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let merges = lines.iter().filter(|line| line["outcome"] == "MERGED").map(|line| line["article"].clone());
    // With the repeated request, whose response had been lost for all that the log knows.
    assert_eq!(merges.collect::<Vec<_>>(), [&b.name, &a.name, &b.name, &c.name, &b.name].map(String::as_str));
}

#[tokio::test]
async fn what_cannot_be_merged_is_named() {
    let server = TestServer::start().await;
    let articles = articles(&server, 6).await;
    let [a, b, c, d, e, f] = &articles[..] else { unreachable!("six") };
    let names = |names: &[&str]| MergeArticlesRequest {
        source_articles: names.iter().map(|name| (*name).to_owned()).collect(),
        ..merge(a, &[])
    };
    let many: Vec<String> = (0..101).map(|number| format!("articles/x-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for (request, field) in [
        (MergeArticlesRequest { name: "a".into(), ..merge(a, &[b]) }, "name"),
        (merge(a, &[]), "source_articles"),
        (names(&many), "source_articles"),
        (names(&[&b.name, "b"]), "source_articles[1]"),
        (merge(a, &[b, a]), "source_articles[1]"),
        (merge(a, &[b, c, b]), "source_articles[2]"),
        (MergeArticlesRequest { reason: "x".repeat(1_001), ..merge(a, &[b]) }, "reason"),
        (MergeArticlesRequest { request_id: "ü".into(), ..merge(a, &[b]) }, "request_id"),
    ] {
        let refused = send(&server, request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}: {refused:?}");
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let mut edits = server.editorial().await;
    let withdraw = WithdrawArticleRequest { name: c.name.clone(), ..Default::default() };
    edits.withdraw_article(withdraw).await.unwrap();
    let delete = DeleteArticleRequest { name: d.name.clone(), ..Default::default() };
    edits.delete_article(delete).await.unwrap();
    let url = "https://herald.example/early".to_owned();
    let early = WithdrawArticleRequest { url, allow_missing: true, ..Default::default() };
    let early = edits.withdraw_article(early).await.unwrap().into_inner().article.unwrap();
    let expect = ReinstateArticleRequest { name: early.name.clone(), ..Default::default() };
    edits.reinstate_article(expect).await.unwrap();
    let none = Article { name: "articles/none".into(), ..Default::default() };
    let refused = async |to: &Article, source: &Article| {
        let status = send(&server, merge(to, &[b, source])).await.unwrap_err();
        let about = status.get_details_resource_info().unwrap().resource_name;
        (status.code(), named(&status).0, about)
    };
    let precondition = Code::FailedPrecondition;
    for (article, code, reason) in [
        (&none, Code::NotFound, "ARTICLE_NOT_FOUND"),
        (c, precondition, "ARTICLE_WITHDRAWN"),
        (d, precondition, "ARTICLE_DELETED"),
        (&early, precondition, "ARTICLE_EXPECTED"),
    ] {
        let expected = (code, reason.to_owned(), article.name.clone());
        assert_eq!(refused(a, article).await, expected);
        assert_eq!(refused(article, a).await, expected);
    }
    // What has been merged names the last article that it leads to.
    send(&server, merge(e, &[b])).await.unwrap();
    send(&server, merge(f, &[e])).await.unwrap();
    assert_eq!(send(&server, merge(e, &[b])).await.map_err(|status| named(&status)), Err(of_merge(Some(f))));
    for (to, source, about) in [(b, a, b), (a, b, b), (f, b, b), (b, f, b)] {
        let status = send(&server, merge(to, &[source])).await.unwrap_err();
        assert_eq!((status.code(), named(&status)), (precondition, of_merge(Some(f))), "{}", status.message());
        assert_eq!(status.get_details_resource_info().unwrap().resource_name, about.name);
    }
    // Repeated, it changes nothing.
    assert_eq!(send(&server, merge(f, &[e])).await.unwrap().etag, f.etag);
    let update =
        UpdateArticleRequest { article: Some(Article { name: b.name.clone(), ..invented(9) }), ..Default::default() };
    let update =
        UpdateArticleRequest { article: update.article.map(|it| Article { url: String::new(), ..it }), ..update };
    let refused = edits.update_article(update).await.unwrap_err();
    assert_eq!((refused.code(), named(&refused)), (precondition, of_merge(Some(f))));
    let document = Some(Document { article_id: b.name["articles/".len()..].into(), ..ready(invented(9)) });
    let request = IngestArticleRequest { document, ..Default::default() };
    let refused = server.ingestion().await.ingest_article(request).await.unwrap_err();
    assert_eq!((refused.code(), named(&refused)), (precondition, of_merge(Some(f))));
}
