//! Received documents and the reports of their extraction, as editors get them.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{ArticleId, CleanArticle, Key, Limits, SourceVersion, StatedKey, Trust};
use copydesk::proto::document::Payload;
use copydesk::proto::ingest_result::Result as Item;
use copydesk::proto::*;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Authority, Ingest, IngestSource, LateCopies, Original, OriginalDocument, Store, Write};
use jiff::Timestamp;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::TestServer;

const URL: &str = "https://tarn-valley.example/news/rope-works";

fn page(headline: &str) -> String {
    format!(
        "<html lang=en><title>{headline} | Tarn Valley Post</title><nav><a href=/a>Home</a></nav><h1>{headline}</h1>
         <p>The last rope works in the valley will close in spring after its owner failed to find a buyer, ending a
         trade that has employed families on Cinder Lane for five generations.</p><p>The site's forty workers were told
         at a meeting on the shop floor, and the union said that it would ask the council to keep the machines.</p>"
    )
}

async fn ingest(server: &TestServer, document: Document) -> Vec<String> {
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    let response = server.ingestion().await.ingest_article(request).await.unwrap().into_inner();
    let name = |result: IngestResult| match result.result.unwrap() {
        Item::Ingested(ingested) => ingested.article.unwrap().name,
        Item::Error(error) => panic!("{error:?}"),
    };
    response.results.into_iter().map(name).collect()
}

async fn source(server: &TestServer, name: &str) -> Result<GetArticleSourceResponse, Status> {
    let request = GetArticleSourceRequest { name: name.to_owned() };
    Ok(server.editorial().await.get_article_source(request).await?.into_inner())
}

async fn report(server: &TestServer, name: &str) -> Result<GetExtractionReportResponse, Status> {
    let request = GetExtractionReportRequest { name: name.to_owned() };
    Ok(server.editorial().await.get_extraction_report(request).await?.into_inner())
}

fn reason(status: &Status) -> (Code, String) {
    (status.code(), status.get_details_error_info().map(|info| info.reason).unwrap_or_default())
}

#[tokio::test]
async fn each_kind_of_document_is_returned_as_it_was_received() {
    let server = TestServer::start().await;
    let fetched = prost_types::Timestamp { seconds: 1_790_000_000, nanos: 5 };
    let feed =
        "<rss version=\"2.0\"><channel><title>Post</title><item><guid>r-1</guid><title>Bridge toll to rise</title>
        <description>The toll on the bridge will rise by a tenth in June, the county said.</description></item>
        </channel></rss>";
    let raw = |data: &[u8], mime_type: &str| Payload::Raw(RawPayload::new(data, mime_type));
    let legacy = page("Caf\u{e9} shut").chars().map(|c| c as u8).collect::<Vec<u8>>();
    for (number, (payload, data, mime_type)) in (1..).zip([
        (
            Payload::Html(page("Rope works to close")),
            page("Rope works to close").into_bytes(),
            "text/html; charset=utf-8",
        ),
        (raw(&legacy, "text/html; charset=latin1"), legacy.clone(), "text/html; charset=latin1"),
        (raw(feed.as_bytes(), "application/rss+xml"), feed.as_bytes().to_vec(), "application/rss+xml"),
    ]) {
        let url = format!("{URL}/{number}");
        let document = Document {
            payload: Some(payload),
            url: url.clone(),
            source: "tarn-valley.example".into(),
            fetch_time: Some(fetched),
            ..Document::default()
        };
        for name in ingest(&server, document).await {
            let found = source(&server, &name).await.unwrap();
            assert_eq!((found.data, found.mime_type.as_str()), (data.clone(), mime_type));
            assert_eq!((found.url.as_str(), found.fetch_time), (url.as_str(), Some(fetched)));
            assert!(found.revision.starts_with(&format!("{name}/revisions/")), "{}", found.revision);
            assert!(found.ingest_time.unwrap().seconds > fetched.seconds);
        }
    }
}

#[tokio::test]
async fn each_revision_has_its_document_and_report() {
    let server = TestServer::start().await;
    let document = |headline: &str| Document {
        payload: Some(Payload::Html(page(headline))),
        url: URL.into(),
        ..Document::default()
    };
    let name = ingest(&server, document("Rope works to close")).await.remove(0);
    ingest(&server, document("Rope works to close in spring")).await;
    let article = Some(Article { name: name.clone(), headline: "Rope works closes".into(), ..Article::default() });
    let update = UpdateArticleRequest { article, ..UpdateArticleRequest::default() };
    server.editorial().await.update_article(update).await.unwrap();
    for (asked, revision, headline) in [
        (name.clone(), 2, "Rope works to close in spring"),
        (format!("{name}/revisions/2"), 2, "Rope works to close in spring"),
        (format!("{name}/revisions/1"), 1, "Rope works to close"),
    ] {
        let found = source(&server, &asked).await.unwrap();
        assert_eq!(found.revision, format!("{name}/revisions/{revision}"));
        assert_eq!(found.data, page(headline).into_bytes());
        let found = report(&server, &asked).await.unwrap();
        assert_eq!(found.revision, format!("{name}/revisions/{revision}"));
        let report = found.report.unwrap();
        assert_eq!(report.method(), ExtractionMethod::Html);
        assert!(report.cuts.iter().any(|cut| cut.text.contains("Home")), "{report:?}");
        let fields: Vec<_> = report.fields.iter().map(|field| field.field.as_str()).collect();
        assert!(fields.contains(&"headline"), "{fields:?}");
        assert!(report.extractor_version.starts_with(concat!(env!("CARGO_PKG_VERSION"), "+")), "{report:?}");
    }
    // An editor's revision has none, and neither has one that does not exist.
    for (asked, expected) in [
        (format!("{name}/revisions/3"), "SOURCE_NOT_FOUND"),
        (format!("{name}/revisions/9"), "SOURCE_NOT_FOUND"),
        ("articles/none".to_owned(), "ARTICLE_NOT_FOUND"),
    ] {
        assert_eq!(reason(&source(&server, &asked).await.unwrap_err()), (Code::NotFound, expected.to_owned()));
        assert_eq!(reason(&report(&server, &asked).await.unwrap_err()), (Code::NotFound, expected.to_owned()));
    }
    let status = source(&server, "articles/a/revisions/0").await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "name");
    // A withdrawn article keeps it, a purged one does not.
    let withdraw = WithdrawArticleRequest { name: name.clone(), ..WithdrawArticleRequest::default() };
    server.editorial().await.withdraw_article(withdraw).await.unwrap();
    source(&server, &name).await.unwrap();
    let purge = PurgeArticleRequest { name: name.clone(), ..PurgeArticleRequest::default() };
    server.editorial().await.purge_article(purge).await.unwrap();
    let status = source(&server, &name).await.unwrap_err();
    assert_eq!(reason(&status), (Code::NotFound, "SOURCE_NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn documents_are_kept_for_the_set_time() {
    let server = TestServer::with(|options| options.sources.keep = Duration::from_secs(1)).await;
    let payload = Some(Payload::Html(page("Rope works to close")));
    let name = ingest(&server, Document { payload, url: URL.into(), ..Document::default() }).await.remove(0);
    let evicted = async {
        loop {
            match source(&server, &name).await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                Err(status) => return reason(&status),
            }
        }
    };
    let evicted = tokio::time::timeout(Duration::from_secs(60), evicted).await.expect("the document is still there");
    assert_eq!(evicted, (Code::NotFound, "SOURCE_NOT_FOUND".to_owned()));
    // Without the setting, and for an article that is clean already, none is kept.
    let off = TestServer::with(|options| options.ingest.keep_originals = false).await;
    let payload = Some(Payload::Html(page("Rope works to close")));
    let article = Article { headline: "Tide high".into(), url: URL.into(), ..Article::default() };
    for (server, payload) in [(&off, payload), (&server, Some(Payload::Article(article)))] {
        let name = ingest(server, Document { payload, url: URL.into(), ..Document::default() }).await.remove(0);
        let status = source(server, &name).await.unwrap_err();
        assert_eq!(reason(&status), (Code::NotFound, "SOURCE_NOT_FOUND".to_owned()));
    }
}

/// Writes to the store an article as a former extractor would have made it of a page: with another body, and a report
/// without a version.
async fn put_former(store: &dyn Store, page: &str) -> String {
    let document = Document { payload: Some(Payload::Html(page.into())), url: URL.into(), ..Document::default() };
    let document = Arc::new(OriginalDocument::new(&document.encode_to_vec()));
    let former = Article {
        url: URL.into(),
        headline: "Rope works to close | Tarn Valley Post".into(),
        body: "Home\n\nThe last rope works in the valley will close in spring.".into(),
        ..Article::default()
    };
    let article = CleanArticle::new(former, &Limits::default()).unwrap();
    let key = Key::address(URL).unwrap();
    let time = Timestamp::now();
    let ingest = Ingest {
        id: ArticleId::of_key(&key),
        is_named: false,
        keys: vec![StatedKey { key, trust: Trust::Certain }],
        article,
        version: SourceVersion::arrived(time),
        request: None,
        from: IngestSource::Publisher(Authority::Write),
        late_copies: LateCopies::Reject,
        original: Some(Original::new(document, &ExtractionReport::default().encode_to_vec(), time)),
        note: String::new(),
        time,
    };
    let written = store.write(vec![Write::Ingest(Box::new(ingest))]).await.remove(0).unwrap();
    written.record.id.name()
}

async fn reprocess(
    server: &TestServer,
    name: &str,
    outdated_only: bool,
    validate_only: bool,
) -> Result<ReprocessArticleResponse, Status> {
    let name = name.to_owned();
    let request = ReprocessArticleRequest { name, outdated_only, validate_only, ..Default::default() };
    Ok(server.editorial().await.reprocess_article(request).await?.into_inner())
}

async fn revisions(server: &TestServer, name: &str) -> Vec<ChangeKind> {
    let request = ListArticleRevisionsRequest { parent: name.to_owned(), any_state: true, ..Default::default() };
    let page = server.retrieval().await.list_article_revisions(request).await.unwrap().into_inner();
    page.revisions.iter().map(ArticleRevision::kind).collect()
}

#[tokio::test]
async fn a_former_extraction_is_replaced_and_corrections_stay() {
    let dir = tempfile::tempdir().unwrap();
    let page = page("Rope works to close");
    let name = {
        let store = SqliteStore::open(SqliteOptions::new(dir.path())).unwrap();
        put_former(&store, &page).await
    };
    let server = TestServer::on(dir, |_| {}).await;
    // An editor corrects one field, and the publisher's page is right in the others.
    let article = Article { name: name.clone(), section: "Trade".into(), ..Article::default() };
    let update = UpdateArticleRequest { article: Some(article), ..UpdateArticleRequest::default() };
    server.editorial().await.update_article(update).await.unwrap();
    let tried = reprocess(&server, &name, true, true).await.unwrap();
    assert_eq!(tried.changed_fields, ["headline", "language_code", "body"]);
    assert_eq!(revisions(&server, &name).await, [ChangeKind::Revised, ChangeKind::Created], "a dry run writes nothing");
    let done = reprocess(&server, &name, true, false).await.unwrap();
    assert_eq!(done.changed_fields, tried.changed_fields);
    let article = done.article.unwrap();
    assert_eq!((article.headline.as_str(), article.section.as_str()), ("Rope works to close", "Trade"));
    assert!(article.body.starts_with("The last rope works") && !article.body.contains("Home"), "{}", article.body);
    let kinds = [ChangeKind::Reprocessed, ChangeKind::Revised, ChangeKind::Created];
    assert_eq!(revisions(&server, &name).await, kinds);
    // Its document and the new report are those of the new revision.
    let found = report(&server, &name).await.unwrap();
    assert_eq!(found.revision, format!("{name}/revisions/3"));
    assert_eq!(found.report, done.report);
    assert_eq!(source(&server, &name).await.unwrap().data, page.clone().into_bytes());
    // Extracted by the present version: nothing to do, or nothing changes.
    assert_eq!(reprocess(&server, &name, true, false).await.unwrap().report, None);
    let again = reprocess(&server, &name, false, false).await.unwrap();
    assert_eq!((again.changed_fields.len(), again.report.is_some()), (0, true));
    // The same page is no new document, and the correction stays.
    let document = Document { payload: Some(Payload::Html(page)), url: URL.into(), ..Document::default() };
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    let response = server.ingestion().await.ingest_article(request).await.unwrap().into_inner();
    let ingested = response.into_first().unwrap();
    assert_eq!(ingested.outcome(), IngestOutcome::Unchanged);
    assert_eq!(ingested.article.unwrap().section, "Trade");
    assert_eq!(revisions(&server, &name).await, kinds);
}

#[tokio::test]
async fn each_item_of_a_feed_has_its_part_of_it() {
    let server = TestServer::start().await;
    let item = |id: usize| {
        format!(
            "<item><guid>r-{id}</guid><title>Bridge toll {id} to rise</title><description>The toll on bridge {id} will \
             rise by a tenth in June, the county said on Monday.</description></item>"
        )
    };
    let feed = |items: &[usize]| {
        let items: String = items.iter().map(|id| item(*id)).collect();
        let feed = format!("<rss version=\"2.0\"><channel><title>Post</title>{items}</channel></rss>");
        let raw = RawPayload::new(feed, "application/rss+xml");
        let source = "tarn-valley.example".to_owned();
        Document { payload: Some(Payload::Raw(raw)), source, ..Document::default() }
    };
    let one = ingest(&server, feed(&[1])).await.remove(0);
    let done = reprocess(&server, &one, false, false).await.unwrap();
    assert_eq!(done.changed_fields, Vec::<String>::new());
    assert_eq!(done.article.unwrap().headline, "Bridge toll 1 to rise");
    // The text of another article is not in it: its purge would not find it.
    let names = ingest(&server, feed(&[2, 3])).await;
    for (name, (own, other)) in names.iter().zip([(2, 3), (3, 2)]) {
        let kept = source(&server, name).await.unwrap();
        let text = String::from_utf8(kept.data).unwrap();
        assert!(text.contains(&item(own)) && !text.contains(&format!("r-{other}")), "{text}");
        let done = reprocess(&server, name, false, false).await.unwrap();
        assert_eq!(done.changed_fields, Vec::<String>::new());
        assert_eq!(done.article.unwrap().headline, format!("Bridge toll {own} to rise"));
    }
    // Its items cannot be told apart.
    let mut wide = feed(&[4, 5]);
    if let Some(Payload::Raw(raw)) = &mut wide.payload {
        let text = String::from_utf8(raw.data.clone()).unwrap();
        raw.data = [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    }
    let first = ingest(&server, wide).await.remove(0);
    let status = source(&server, &first).await.unwrap_err();
    assert_eq!(reason(&status), (Code::NotFound, "SOURCE_NOT_FOUND".to_owned()));
    let status = reprocess(&server, &first, false, false).await.unwrap_err();
    assert_eq!(reason(&status), (Code::NotFound, "SOURCE_NOT_FOUND".to_owned()));
    let status = reprocess(&server, "articles/none", false, false).await.unwrap_err();
    assert_eq!(reason(&status), (Code::NotFound, "ARTICLE_NOT_FOUND".to_owned()));
}
