//! Canceled wire items: they withdraw the article of the same source with the same ID, in any order of arrival.

use std::path::Path;

use copydesk::proto::document::Payload;
use copydesk::proto::ingest_result::Result as Item;
use copydesk::proto::*;
use tonic::{Code, Status};

use crate::test_server::TestServer;

const SOURCE: &str = "northwire.example";

/// Returns an input of the golden pairs: a wire item, its correction, or its cancellation.
fn item(case: &str, source: &str) -> Document {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(case);
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let input = files.into_iter().find(|path| path.file_stem().is_some_and(|name| name == "input")).unwrap();
    let raw = RawPayload { data: std::fs::read(input).unwrap(), ..RawPayload::default() };
    Document { payload: Some(Payload::Raw(raw)), source: source.into(), ..Document::default() }
}

async fn ingest(server: &TestServer, document: Document) -> Result<IngestedArticle, Status> {
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    let response = server.ingestion().await.ingest_article(request).await?.into_inner();
    match response.results.into_iter().next().unwrap().result.unwrap() {
        Item::Ingested(ingested) => Ok(ingested),
        Item::Error(error) => panic!("{error:?}"),
    }
}

async fn read(server: &TestServer, name: &str) -> Result<Article, Code> {
    let request = GetArticleRequest { name: name.into(), ..GetArticleRequest::default() };
    let response = server.retrieval().await.get_article(request).await;
    response.map(|response| response.into_inner().article.unwrap()).map_err(|status| status.code())
}

#[tokio::test]
async fn a_canceled_item_withdraws_its_article_in_any_order_of_arrival() {
    for order in [
        ["wire-g2", "wire-g2-correction", "wire-g2-kill"],
        ["wire-g2", "wire-g2-kill", "wire-g2-correction"],
        ["wire-g2-kill", "wire-g2", "wire-g2-correction"],
        ["wire-g2-kill", "wire-g2-kill", "wire-g2"],
    ] {
        let server = TestServer::start().await;
        let mut killed = None;
        for case in order {
            let taken = ingest(&server, item(case, SOURCE)).await;
            if case.ends_with("kill") {
                let taken = taken.unwrap();
                assert_eq!(taken.outcome(), IngestOutcome::Withdrawn, "{order:?}");
                let article = taken.article.unwrap();
                assert!(article.body.is_empty() && article.headline.is_empty(), "{article:?}");
                killed = Some(article.name);
            } else if killed.is_some() {
                assert_eq!(taken.unwrap_err().code(), Code::FailedPrecondition, "{order:?}, {case}");
            } else {
                assert!(!taken.unwrap().article.unwrap().body.is_empty());
            }
        }
        assert_eq!(read(&server, &killed.unwrap()).await, Err(Code::NotFound), "{order:?}");
    }
}

#[tokio::test]
async fn a_canceled_item_takes_down_nothing_of_another_source() {
    let server = TestServer::start().await;
    let article = ingest(&server, item("wire-g2", SOURCE)).await.unwrap().article.unwrap();
    ingest(&server, item("wire-g2-kill", "tidewire.example")).await.unwrap();
    assert_eq!(read(&server, &article.name).await.unwrap().headline, article.headline);
    // Without a source or a URL, nobody knows whose item it is.
    let refused = ingest(&server, item("wire-g2-kill", "")).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("document.source"), "{refused:?}");
    assert!(read(&server, &article.name).await.is_ok());
}

#[tokio::test]
async fn a_dry_run_of_a_cancellation_withdraws_nothing() {
    let server = TestServer::start().await;
    let article = ingest(&server, item("wire-g2", SOURCE)).await.unwrap().article.unwrap();
    let request = IngestArticleRequest {
        document: Some(item("wire-g2-kill", SOURCE)),
        validate_only: true,
        ..IngestArticleRequest::default()
    };
    let response = server.ingestion().await.ingest_article(request).await.unwrap().into_inner();
    let Some(Item::Ingested(tried)) = &response.results[0].result else { panic!("{response:?}") };
    assert_eq!(tried.outcome(), IngestOutcome::Withdrawn);
    assert!(read(&server, &article.name).await.is_ok());
}

#[tokio::test]
async fn an_embargoed_item_is_not_readable_before_its_time() {
    let server = TestServer::start().await;
    let article = ingest(&server, item("wire-g2-embargo", SOURCE)).await.unwrap().article.unwrap();
    assert!(article.embargo_time.is_some(), "{article:?}");
}

#[tokio::test]
async fn pages_that_are_no_articles_are_marked_or_rejected_on_request() {
    let teasers: String = (1..40)
        .map(|n| {
            format!("<div class=teaser><h2><a href='/news/{n}'>Harbour story number {n} of the week</a></h2></div>")
        })
        .collect();
    let prose =
        "The harbour pages of the Herald have all the news of boats, tides and captains, every day of the year.";
    let page = format!(
        "<html lang=en><head><title>Harbour news</title><meta property='og:type' content='website'></head><body>\
         <h1>Harbour news</h1><p>{prose}</p>{teasers}</body></html>"
    );
    let server = TestServer::start().await;
    let request = |reject_non_articles| {
        let url = "https://herald.example/category/harbour/".to_owned();
        let document = Document { payload: Some(Payload::Html(page.clone())), url, ..Document::default() };
        IngestArticleRequest { document: Some(document), reject_non_articles, ..IngestArticleRequest::default() }
    };
    let response = server.ingestion().await.ingest_article(request(false)).await.unwrap().into_inner();
    let Some(Item::Ingested(stored)) = &response.results[0].result else { panic!("{response:?}") };
    let report = stored.report.as_ref().unwrap();
    assert_eq!(report.page_kind(), PageKind::Listing, "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.code() == WarningCode::ListingPage), "{report:?}");
    let refused = server.ingestion().await.ingest_article(request(true)).await.unwrap_err();
    assert!(refused.code() == Code::InvalidArgument && refused.message().contains("list of pages"), "{refused:?}");
}

#[tokio::test]
async fn a_rewritten_item_revises_its_article_and_is_reached_by_its_kill() {
    let server = TestServer::start().await;
    let first = ingest(&server, item("wire-g2", SOURCE)).await.unwrap().article.unwrap();
    let rewritten = |document: Document| {
        let Some(Payload::Raw(mut raw)) = document.payload.clone() else { panic!("{document:?}") };
        let text = String::from_utf8(raw.data).unwrap();
        let (head, _) = text.split_once("<p>").unwrap();
        let text = format!(
            "{head}<p>Both ferries will leave on time again, the port said.</p></body></html></inlineXML>\
            </contentSet></newsItem>"
        );
        raw.data = text.replace("Channel to be dredged before winter", "Ferries back on time").into_bytes();
        Document { payload: Some(Payload::Raw(raw)), ..document }
    };
    let second = ingest(&server, rewritten(item("wire-g2-correction", SOURCE))).await.unwrap();
    assert_eq!(second.outcome(), IngestOutcome::Revised);
    let second = second.article.unwrap();
    assert_eq!((&second.name, second.headline.as_str()), (&first.name, "Ferries back on time"));
    ingest(&server, item("wire-g2-kill", SOURCE)).await.unwrap();
    assert_eq!(read(&server, &first.name).await, Err(Code::NotFound));
}

#[tokio::test]
async fn the_note_of_a_correction_is_the_reason_of_its_revision() {
    let server = TestServer::start().await;
    let first = ingest(&server, item("wire-g2", SOURCE)).await.unwrap().article.unwrap();
    let corrected = ingest(&server, item("wire-g2-correction", SOURCE)).await.unwrap();
    assert_eq!(corrected.outcome(), IngestOutcome::Revised);
    let note = corrected.article.unwrap().editor_note;
    assert!(!note.is_empty());
    let request = ListArticleRevisionsRequest { parent: first.name, ..Default::default() };
    let revisions = server.retrieval().await.list_article_revisions(request).await.unwrap().into_inner().revisions;
    let reasons: Vec<&str> = revisions.iter().map(|revision| revision.reason.as_str()).collect();
    assert_eq!(reasons, [note.as_str(), ""]);
}

#[tokio::test]
async fn a_message_of_a_story_and_a_cancellation_needs_no_more_than_its_url() {
    let server = TestServer::start().await;
    let items = ["wire-g2", "wire-g2-kill"].map(|case| {
        let Some(Payload::Raw(raw)) = item(case, "").payload else { panic!("{case}") };
        let text = String::from_utf8(raw.data).unwrap();
        let text = text[text.find("<newsItem").unwrap()..].to_owned();
        if case == "wire-g2" { text.replace(":1\" version", ":2\" version") } else { text }
    });
    let message = format!(
        r#"<newsMessage xmlns="http://iptc.org/std/nar/2006-10-01/"><itemSet>{}</itemSet></newsMessage>"#,
        items.concat()
    );
    let raw = RawPayload::new(message, "application/xml");
    let url = "https://northwire.example/messages/1".to_owned();
    let document = Document { payload: Some(Payload::Raw(raw)), url, ..Document::default() };
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    let results = server.ingestion().await.ingest_article(request).await.unwrap().into_inner().results;
    let outcomes: Vec<IngestOutcome> = results
        .into_iter()
        .map(|result| match result.result.unwrap() {
            Item::Ingested(ingested) => ingested.outcome(),
            Item::Error(error) => panic!("{error:?}"),
        })
        .collect();
    assert_eq!(outcomes, [IngestOutcome::Created, IngestOutcome::Withdrawn]);
}
