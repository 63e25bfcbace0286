//! Edits of articles: request IDs, validation without writing, masks and reasons.

use copydesk::proto::*;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented};

/// The editor's methods that take an article from one state to another, in an order in which each has an effect.
const METHODS: [&str; 5] = ["UpdateArticle", "WithdrawArticle", "ReinstateArticle", "DeleteArticle", "UndeleteArticle"];

/// A call of a method.
#[derive(Clone)]
struct Call<'a> {
    method: &'a str,
    name: &'a str,
    etag: &'a str,
    reason: &'a str,
    request_id: &'a str,
    validate_only: bool,
}

fn call<'a>(method: &'a str, name: &'a str) -> Call<'a> {
    Call { method, name, etag: "", reason: "", request_id: "", validate_only: false }
}

impl TestServer {
    async fn edit(&self, call: Call<'_>) -> Result<Article, Status> {
        let mut edits = self.editorial().await;
        let Call { method, name, etag, reason, request_id, validate_only } = call;
        let (name, etag, request_id) = (name.to_owned(), etag.to_owned(), request_id.to_owned());
        let reason = reason.to_owned();
        let article = match method {
            "UpdateArticle" => {
                let article = Some(Article { name, etag, headline: "Ferry is late".into(), ..Default::default() });
                let request = UpdateArticleRequest { article, update_mask: None, reason, request_id, validate_only };
                edits.update_article(request).await?.into_inner().article
            }
            "WithdrawArticle" => {
                let request =
                    WithdrawArticleRequest { name, etag, reason, request_id, validate_only, ..Default::default() };
                edits.withdraw_article(request).await?.into_inner().article
            }
            "ReinstateArticle" => {
                let request = ReinstateArticleRequest { name, etag, reason, request_id, validate_only };
                edits.reinstate_article(request).await?.into_inner().article
            }
            "DeleteArticle" => {
                let request =
                    DeleteArticleRequest { name, etag, reason, request_id, validate_only, ..Default::default() };
                edits.delete_article(request).await?.into_inner().article
            }
            "UndeleteArticle" => {
                let request = UndeleteArticleRequest { name, etag, reason, request_id, validate_only };
                edits.undelete_article(request).await?.into_inner().article
            }
            other => panic!("no call for {other}"),
        };
        Ok(article.unwrap())
    }

    /// Reads an article in any state.
    async fn current(&self, name: &str) -> Article {
        let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
        let request = GetArticleRequest { name: name.into(), any_state: true, consistency, ..Default::default() };
        self.retrieval().await.get_article(request).await.unwrap().into_inner().article.unwrap()
    }
}

#[tokio::test]
async fn a_repeated_edit_gets_the_first_response() {
    let server = TestServer::start().await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let mut first = Vec::new();
    for method in METHODS {
        // One ID on two methods is two requests.
        let etag = server.current(&name).await.etag;
        let call = Call { etag: &etag, request_id: "r-1", ..call(method, &name) };
        let answer = server.edit(call).await.unwrap();
        first.push((method, etag, answer));
    }
    for (method, etag, answer) in &first {
        let again = Call { etag, request_id: "r-1", ..call(method, &name) };
        assert_eq!(server.edit(again.clone()).await.unwrap(), *answer, "{method}");
        let other = Call { reason: "another", ..again.clone() };
        let refused = server.edit(other).await.unwrap_err();
        assert_eq!(refused.code(), Code::AlreadyExists, "{method}");
        assert_eq!(refused.get_details_error_info().unwrap().reason, "REQUEST_ID_REUSED");
        // Without the ID, the etag is out of date, or the state has been reached.
        let retried = server.edit(Call { request_id: "", ..again }).await;
        let code = retried.as_ref().map_or_else(Status::code, |_| Code::Ok);
        let states = ["ReinstateArticle", "UndeleteArticle"];
        assert_eq!(code, if states.contains(method) { Code::Ok } else { Code::Aborted }, "{method}: {retried:?}");
    }
    assert_eq!(server.current(&name).await.revision, 6);
    for bad in ["ü", "a\nb", &"x".repeat(129)] {
        for method in METHODS {
            let refused = server.edit(Call { request_id: bad, ..call(method, &name) }).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{method}");
            assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "request_id");
        }
    }
}

/// A request that succeeded is answered with its response, also if it would be rejected now.
#[tokio::test]
async fn a_repeated_update_is_not_checked_against_the_newest_revision() {
    let server = TestServer::start().await;
    let mut edits = server.editorial().await;
    let article = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap();
    let time = |text: &str| Some(text.parse::<prost_types::Timestamp>().unwrap());
    let set = |field: &str, new: Article, request_id: &str| UpdateArticleRequest {
        article: Some(Article { name: article.name.clone(), ..new }),
        update_mask: Some(prost_types::FieldMask { paths: vec![field.into()] }),
        request_id: request_id.into(),
        ..Default::default()
    };
    let embargo = Article { embargo_time: time("2001-01-01T00:00:00Z"), ..Default::default() };
    let embargo = set("embargo_time", embargo, "r-1");
    let first = edits.update_article(embargo.clone()).await.unwrap().into_inner();
    let open = set("embargo_time", Article::default(), "");
    edits.update_article(open).await.unwrap();
    let expire = Article { expire_time: time("2000-01-01T00:00:00Z"), ..Default::default() };
    edits.update_article(set("expire_time", expire, "")).await.unwrap();
    // The embargo would end after the expiry now.
    assert_eq!(edits.update_article(embargo.clone()).await.unwrap().into_inner(), first);
    let unknown = UpdateArticleRequest { request_id: "r-2".into(), ..embargo };
    assert_eq!(edits.update_article(unknown).await.unwrap_err().code(), Code::InvalidArgument);
    server.edit(call("WithdrawArticle", &article.name)).await.unwrap();
    let again =
        set("embargo_time", Article { embargo_time: time("2001-01-01T00:00:00Z"), ..Default::default() }, "r-1");
    assert_eq!(edits.update_article(again).await.unwrap().into_inner(), first);
}

#[tokio::test]
async fn validation_answers_the_article_and_writes_nothing() {
    let server = TestServer::start().await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    for method in METHODS {
        let before = server.current(&name).await;
        let checked = Call { validate_only: true, request_id: "r-1", ..call(method, &name) };
        let would_be = server.edit(checked.clone()).await.unwrap();
        assert_eq!(server.current(&name).await, before, "{method}");
        // Everything is checked.
        let stale = server.edit(Call { etag: "1-0.0-0000", ..checked.clone() }).await.unwrap_err();
        assert_eq!(stale.code(), Code::Aborted, "{method}");
        let reason = "x".repeat(1_001);
        let long = server.edit(Call { reason: &reason, ..checked }).await.unwrap_err();
        assert_eq!(long.code(), Code::InvalidArgument, "{method}");
        // Then the same is done.
        let done = server.edit(Call { request_id: "r-1", ..call(method, &name) }).await.unwrap();
        let timeless = |article: Article| Article {
            update_time: None,
            delete_time: None,
            etag: String::new(),
            change_token: String::new(),
            ..article
        };
        assert_eq!(timeless(would_be), timeless(done), "{method}");
    }
    for method in METHODS {
        let missing = Call { validate_only: true, ..call(method, "articles/none") };
        assert_eq!(server.edit(missing).await.unwrap_err().code(), Code::NotFound, "{method}");
    }
    // A kill that would overtake its story.
    let request = WithdrawArticleRequest {
        url: "https://herald.example/later".into(),
        allow_missing: true,
        validate_only: true,
        ..Default::default()
    };
    let killed = server.editorial().await.withdraw_article(request).await.unwrap().into_inner().article.unwrap();
    assert_eq!(killed.state(), ArticleState::Withdrawn);
    let later = Article { url: "https://herald.example/later".into(), ..invented(2) };
    assert_eq!(ingest(&mut server.ingestion().await, later).await.outcome(), IngestOutcome::Created);
}

#[tokio::test]
async fn without_a_mask_the_fields_of_the_article_change() {
    let server = TestServer::start().await;
    let mut edits = server.editorial().await;
    let article = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap();
    let mut update = async |article: Article| -> Result<Article, Status> {
        let request = Request::new(UpdateArticleRequest { article: Some(article), ..Default::default() });
        Ok(edits.update_article(request).await?.into_inner().article.unwrap())
    };
    let new = Article {
        name: article.name.clone(),
        headline: "Ferry is late".into(),
        tags: vec!["late".into()],
        ..Default::default()
    };
    let updated = update(new.clone()).await.unwrap();
    assert_eq!((&updated.headline, &updated.tags, &updated.body), (&new.headline, &new.tags, &article.body));
    // Read, edited and sent back.
    let edited = Article { section: "Harbour".into(), ..updated.clone() };
    let sent_back = update(edited).await.unwrap();
    assert_eq!((sent_back.revision, sent_back.section.as_str()), (3, "Harbour"));
    // Nothing to change.
    let nothing = Article { name: article.name.clone(), ..Default::default() };
    assert_eq!(update(nothing).await.unwrap(), sent_back);
    let moved = Article { name: article.name.clone(), url: "https://herald.example/x".into(), ..Default::default() };
    let refused = update(moved).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "article.url");
}

#[tokio::test]
async fn every_edit_has_a_reason() {
    let server = TestServer::start().await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    for method in METHODS {
        server.edit(Call { reason: &format!("because of {method}"), ..call(method, &name) }).await.unwrap();
    }
    let request = ListArticleRevisionsRequest { parent: name, any_state: true, ..Default::default() };
    let revisions = server.retrieval().await.list_article_revisions(request).await.unwrap().into_inner().revisions;
    let mut reasons: Vec<String> = revisions.into_iter().map(|revision| revision.reason).collect();
    reasons.reverse();
    let expected: Vec<String> = METHODS.iter().map(|method| format!("because of {method}")).collect();
    assert_eq!(reasons[1..], expected);
}

#[tokio::test]
async fn a_rollback_restores_the_content_of_a_revision() {
    let server = TestServer::start().await;
    let mut edits = server.editorial().await;
    let first = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap();
    let name = first.name.clone();
    let time = |text: &str| Some(text.parse::<prost_types::Timestamp>().unwrap());
    let changed = Article {
        headline: "Ferry sinks".into(),
        body: "It sank.".into(),
        tags: vec!["disaster".into()],
        embargo_time: time("2001-01-01T00:00:00Z"),
        annotations: [("desk".to_owned(), "harbour".to_owned())].into(),
        ..first.clone()
    };
    let request = UpdateArticleRequest { article: Some(changed.clone()), ..Default::default() };
    let second = edits.update_article(request).await.unwrap().into_inner().article.unwrap();
    server.edit(call("WithdrawArticle", &name)).await.unwrap();
    let rollback = |revision: i64| RollbackArticleRequest {
        name: name.clone(),
        revision: format!("{name}/revisions/{revision}"),
        reason: "It did not sink.".into(),
        ..Default::default()
    };
    let mut send = async |request: RollbackArticleRequest| -> Result<Article, Status> {
        Ok(edits.rollback_article(request).await?.into_inner().article.unwrap())
    };
    assert_eq!(send(rollback(1)).await.unwrap_err().code(), Code::FailedPrecondition);
    server.edit(call("ReinstateArticle", &name)).await.unwrap();
    let content = |article: Article| Article {
        revision: 0,
        update_time: None,
        etag: String::new(),
        change_token: String::new(),
        ..article
    };
    let (embargo_time, annotations) = (second.embargo_time, second.annotations.clone());
    let expected = Article { embargo_time, annotations, ..first.clone() };
    let would_be = send(RollbackArticleRequest { validate_only: true, ..rollback(1) }).await.unwrap();
    assert_eq!(content(would_be), content(expected.clone()));
    let with_id = RollbackArticleRequest { request_id: "r-1".into(), ..rollback(1) };
    let restored = send(with_id.clone()).await.unwrap();
    assert_eq!((restored.revision, content(restored.clone())), (5, content(expected)));
    // The withdrawal has the text that was current then.
    let again = send(rollback(3)).await.unwrap();
    assert_eq!((again.revision, &again.headline, &again.body), (6, &changed.headline, &changed.body));
    assert_eq!(send(with_id).await.unwrap(), restored);
    // To what it is: nothing to do.
    assert_eq!(send(rollback(6)).await.unwrap(), again);
    // The source document does not undo it.
    assert_eq!(ingest(&mut server.ingestion().await, invented(1)).await.outcome(), IngestOutcome::Unchanged);

    let stale = RollbackArticleRequest { etag: first.etag.clone(), ..rollback(1) };
    assert_eq!(send(stale).await.unwrap_err().code(), Code::Aborted);
    let missing = send(rollback(7)).await.unwrap_err();
    let reason = missing.get_details_error_info().unwrap().reason;
    assert_eq!((missing.code(), reason.as_str()), (Code::NotFound, "REVISION_NOT_FOUND"));
    let none = RollbackArticleRequest {
        name: "articles/none".into(),
        revision: "articles/none/revisions/1".into(),
        ..Default::default()
    };
    assert_eq!(send(none).await.unwrap_err().code(), Code::NotFound);
    for bad in ["", "1", &name, &format!("{name}@1"), &format!("{name}/revisions/0"), "articles/other/revisions/1"] {
        let refused = send(RollbackArticleRequest { revision: bad.into(), ..rollback(1) }).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{bad}");
        assert_eq!(refused.get_details_bad_request().unwrap().field_violations[0].field, "revision", "{bad}");
    }
    // Withdrawn before it arrived: its first revision has no text.
    let url = "https://herald.example/news/2".to_owned();
    let early = WithdrawArticleRequest { url, allow_missing: true, ..Default::default() };
    let early = edits.withdraw_article(early).await.unwrap().into_inner().article.unwrap().name;
    server.edit(call("ReinstateArticle", &early)).await.unwrap();
    ingest(&mut server.ingestion().await, invented(2)).await;
    let revision = format!("{early}/revisions/1");
    let empty = RollbackArticleRequest { name: early, revision, ..Default::default() };
    let refused = edits.rollback_article(empty).await.unwrap_err();
    let reason = refused.get_details_error_info().unwrap().reason;
    assert_eq!((refused.code(), reason.as_str()), (Code::FailedPrecondition, "REVISION_EMPTY"));
}
