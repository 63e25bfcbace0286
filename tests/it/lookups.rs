//! Batches by name and by key, with a status for each that is not readable; and reads by etag.

use copydesk::proto::*;
use tonic::Code;
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

fn url(url: &str) -> LookupKey {
    LookupKey { key: Some(lookup_key::Key::Url(url.into())) }
}

fn external(source: &str, external_id: &str) -> LookupKey {
    let external = ExternalKey { source: source.into(), external_id: external_id.into() };
    LookupKey { key: Some(lookup_key::Key::External(external)) }
}

/// Returns the ErrorInfo reason and the message of a status.
fn told(status: &tonic_types::Status) -> (i32, String, String) {
    let details = status.details.iter().find(|detail| detail.type_url.ends_with("google.rpc.ErrorInfo")).unwrap();
    let info = <tonic_types::pb::ErrorInfo as prost::Message>::decode(details.value.as_slice()).unwrap();
    assert_eq!(info.domain, "copydesk.dev");
    (status.code, info.reason, status.message.clone())
}

#[tokio::test]
async fn articles_are_looked_up_in_request_order() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let mut edits = server.editorial().await;
    let mut articles = Vec::new();
    for number in 0..5 {
        let article = Article { external_id: format!("h-{number}"), ..invented(number) };
        articles.push(ingest(&mut writes, article).await.article.unwrap());
    }
    let far = Some(prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let document = Document { embargo_time: far, ..ready(invented(5)) };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let held = writes.ingest_article(request).await.unwrap().into_inner().into_first().unwrap().article.unwrap();
    let kill = WithdrawArticleRequest { name: articles[4].name.clone(), ..Default::default() };
    let killed = edits.withdraw_article(kill).await.unwrap().into_inner().article.unwrap();
    let consistency =
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(killed.change_token.clone())) });

    // More keys than are read at once, several of each article.
    let mut keys = vec![url("http://m.herald.example/news/5/"), url("https://herald.example/none"), external("x", "y")];
    for number in (0..5).cycle().take(900) {
        keys.push(match number % 2 {
            0 => url(&format!("https://www.herald.example/news/{number}?utm_source=x#top")),
            _ => external("HERALD.example", &format!("h-{number}")),
        });
    }
    let request = BatchLookupArticlesRequest { keys, consistency: consistency.clone(), ..Default::default() };
    let response = reads.batch_lookup_articles(request.clone()).await.unwrap();
    assert!(["store", "local"].contains(&response.metadata().get("copydesk-cache").unwrap().to_str().unwrap()));
    let results: Vec<_> = response.into_inner().results.into_iter().map(|result| result.result.unwrap()).collect();
    assert_eq!(results.len(), 903);
    let not_found = |result: &lookup_result::Result| match result {
        lookup_result::Result::Status(status) => told(status),
        lookup_result::Result::Article(article) => panic!("{article:?} must not be returned"),
    };
    let (code, never) = (i32::from(Code::NotFound), "ARTICLE_NOT_FOUND".to_owned());
    for (at, text) in ["http://m.herald.example/news/5/", "https://herald.example/none", "x y"].iter().enumerate() {
        assert_eq!(not_found(&results[at]), (code, never.clone(), format!("{text} does not exist")));
    }
    for (at, number) in (3..).zip((0..5).cycle().take(900)) {
        if number == 4 {
            let message = format!("{} was withdrawn", killed.name);
            assert_eq!(not_found(&results[at]), (code, "ARTICLE_WITHDRAWN".to_owned(), message));
            continue;
        }
        let basic = Article { body: String::new(), blocks: vec![], ..articles[number].clone() };
        assert_eq!(results[at], lookup_result::Result::Article(basic));
    }
    // Editors get all articles; the view FULL has the text.
    let full = BatchLookupArticlesRequest { any_state: true, view: ArticleView::Full.into(), ..request };
    let results = reads.batch_lookup_articles(full).await.unwrap().into_inner().results;
    let states = results.iter().take(8).map(|result| match result.result.as_ref().unwrap() {
        lookup_result::Result::Article(article) => {
            assert!(!article.body.is_empty());
            article.state()
        }
        lookup_result::Result::Status(_) => ArticleState::Unspecified,
    });
    use ArticleState::{Active, Embargoed, Unspecified, Withdrawn};
    assert_eq!(
        states.collect::<Vec<_>>(),
        [Embargoed, Unspecified, Unspecified, Active, Active, Active, Active, Withdrawn]
    );

    let names = vec![articles[0].name.clone(), killed.name.clone(), held.name.clone(), "articles/none".into()];
    let batch = BatchGetArticlesRequest { names: names.clone(), consistency, ..Default::default() };
    let batch = reads.batch_get_articles(batch).await.unwrap().into_inner();
    assert_eq!(batch.articles, [articles[0].clone()]);
    let missing: Vec<_> =
        batch.not_found.iter().map(|it| (it.name.clone(), told(it.status.as_ref().unwrap()))).collect();
    let expected = [
        (&names[1], "ARTICLE_WITHDRAWN", format!("{} was withdrawn", killed.name)),
        (&names[2], "ARTICLE_NOT_FOUND", format!("{} does not exist", held.name)),
        (&names[3], "ARTICLE_NOT_FOUND", "articles/none does not exist".to_owned()),
    ];
    assert_eq!(missing, expected.map(|(name, reason, message)| (name.clone(), (code, reason.to_owned(), message))));
}

#[tokio::test]
async fn invalid_keys_are_named() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let good = url("https://herald.example/1");
    for (keys, fields) in [
        (vec![], vec!["keys"]),
        (vec![good.clone(); 1_001], vec!["keys"]),
        (
            vec![good, url("ftp://x"), LookupKey::default(), external("", ""), external(&"s".repeat(2_000), "x")],
            vec![
                "keys[1].url",
                "keys[2].key",
                "keys[3].external.source",
                "keys[3].external.external_id",
                "keys[4].external.source",
            ],
        ),
    ] {
        let request = BatchLookupArticlesRequest { keys, ..Default::default() };
        let refused = reads.batch_lookup_articles(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let named = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(named.into_iter().map(|violation| violation.field).collect::<Vec<_>>(), fields);
    }
}

#[tokio::test]
async fn an_article_with_a_known_etag_is_not_sent_again() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let mut edits = server.editorial().await;
    let article = ingest(&mut writes, invented(1)).await.article.unwrap();
    let get = |etag: &str, token: &str| GetArticleRequest {
        name: article.name.clone(),
        unless_etag: etag.to_owned(),
        consistency: Some(Consistency {
            requirement: Some(consistency::Requirement::AtLeastAsFresh(token.to_owned())),
        }),
        ..Default::default()
    };
    // From the store, and then from the cache.
    let mut layers = Vec::new();
    let cached = async {
        while !layers.contains(&"local".to_owned()) {
            let known = reads.get_article(get(&article.etag, &article.change_token)).await.unwrap();
            layers.push(known.metadata().get("copydesk-cache").unwrap().to_str().unwrap().to_owned());
            assert_eq!(known.into_inner(), GetArticleResponse { article: None, not_modified: true });
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), cached).await.expect("the cache answers");
    let other = reads.get_article(get("1-0.1-0000", &article.change_token)).await.unwrap().into_inner();
    assert_eq!(other, GetArticleResponse { article: Some(article.clone()), not_modified: false });

    let kill = WithdrawArticleRequest { name: article.name.clone(), ..Default::default() };
    let killed = edits.withdraw_article(kill).await.unwrap().into_inner().article.unwrap();
    // An article that is not readable is no unchanged one, not even by its newest etag.
    for etag in [&article.etag, &killed.etag] {
        let gone = reads.get_article(get(etag, &killed.change_token)).await.unwrap_err();
        assert_eq!(gone.get_details_error_info().unwrap().reason, "ARTICLE_WITHDRAWN");
    }
    let editor = GetArticleRequest { any_state: true, ..get(&killed.etag, &killed.change_token) };
    assert!(reads.get_article(editor).await.unwrap().into_inner().not_modified);
}
