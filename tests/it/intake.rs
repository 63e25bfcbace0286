//! The journal of ingestion: what it notes, and who may read it.

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::TestServer;

const STORY: &str = "<p>The last rope works in the valley will close in spring after its owner failed to find a buyer, \
    ending a trade that has employed families on Cinder Lane for five generations.</p><p>The site's forty workers were \
    told at a meeting on the shop floor, and the union said that it would ask the council to keep the machines.</p>";

fn document(payload: Payload, source: &str, url: &str) -> Document {
    Document { payload: Some(payload), source: source.into(), url: url.into(), ..Document::default() }
}

async fn ingest(server: &TestServer, document: Document) -> Result<IngestArticleResponse, Status> {
    let request = IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() };
    Ok(server.ingestion().await.ingest_article(request).await?.into_inner())
}

async fn events(server: &TestServer, request: ListIngestEventsRequest) -> ListIngestEventsResponse {
    server.editorial().await.list_ingest_events(request).await.unwrap().into_inner()
}

/// Returns the events as kind, source, reason and document, oldest first.
async fn noted(server: &TestServer) -> Vec<(IngestEventKind, String, String, String)> {
    let page = events(server, ListIngestEventsRequest::default()).await;
    let line = |event: IngestEvent| {
        let document = if event.external_id.is_empty() { event.url.clone() } else { event.external_id.clone() };
        (event.kind(), event.source, event.reason, document)
    };
    page.events.into_iter().rev().map(line).collect()
}

#[tokio::test]
async fn rejections_and_warnings_are_noted_and_good_documents_are_not() {
    let server = TestServer::start().await;
    let page = |title: &str| Payload::Html(format!("<html lang=en><h1>{title}</h1>{STORY}"));
    // A page as it should be.
    let url = "https://tarn-valley.example/news/rope-works";
    ingest(&server, document(page("Rope works to close"), "", url)).await.unwrap();
    assert_eq!(noted(&server).await, []);
    // Rejected by extraction, and an item of a feed.
    let empty = "https://tarn-valley.example/empty";
    let nothing = Payload::Html("<nav>Home</nav>".into());
    ingest(&server, document(nothing, "Tarn-Valley.example", empty)).await.unwrap_err();
    let feed = "<rss version=\"2.0\"><channel><title>Post</title><item><guid>r-1</guid><title>Toll to rise</title>\
        <description>The toll on the bridge will rise by a tenth in June, the county said.</description></item>\
        <item><guid>r-2</guid></item></channel></rss>";
    let raw = |data: &str, mime_type: &str| RawPayload::new(data, mime_type);
    let feed = Payload::Raw(raw(feed, "application/rss+xml"));
    ingest(&server, document(feed, "feed.example", "")).await.unwrap();
    // Rejected by the store: the article was withdrawn.
    let withdraw = WithdrawArticleRequest { url: url.into(), ..WithdrawArticleRequest::default() };
    server.editorial().await.withdraw_article(withdraw).await.unwrap();
    ingest(&server, document(page("Rope works to close soon"), "", url)).await.unwrap_err();
    // Ingested with a warning: a foreign canonical address.
    let foreign = format!("<link rel=canonical href=https://other.example/x><h1>Choir wins prize</h1>{STORY}");
    let choir = "https://tarn-valley.example/news/choir";
    ingest(&server, document(Payload::Html(foreign), "", choir)).await.unwrap();
    use IngestEventKind::{Rejected, Warned};
    let expected = [
        (Rejected, "tarn-valley.example", "INVALID_FIELD", empty),
        (Rejected, "feed.example", "INVALID_FIELD", "r-2"),
        (Rejected, "tarn-valley.example", "ARTICLE_WITHDRAWN", url),
        (Warned, "tarn-valley.example", "CANONICAL_URL_IGNORED", choir),
    ];
    let expected = expected.map(|(kind, source, reason, id)| (kind, source.into(), reason.into(), id.into()));
    assert_eq!(noted(&server).await, expected);
    server.until_metric("copydesk_ingest_events_total{source=\"feed.example\",reason=\"INVALID_FIELD\"} 1").await;
    // By kind and source, and in pages.
    let kinds = vec![Warned.into()];
    let warned = events(&server, ListIngestEventsRequest { kinds, ..Default::default() }).await;
    assert_eq!(warned.events.len(), 1);
    assert!(warned.events[0].confidence > 0.5 && warned.events[0].message.contains("canonical"), "{warned:?}");
    let sources = vec!["feed.EXAMPLE".into()];
    assert_eq!(events(&server, ListIngestEventsRequest { sources, ..Default::default() }).await.events.len(), 1);
    let (mut request, mut count) = (ListIngestEventsRequest { page_size: 3, ..Default::default() }, 0);
    loop {
        let page = events(&server, request.clone()).await;
        count += page.events.len();
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(count, 4);
    let invalid = ListIngestEventsRequest { kinds: vec![0], page_token: "x".into(), ..Default::default() };
    let status = server.editorial().await.list_ingest_events(invalid).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let fields: Vec<String> =
        status.get_details_bad_request().unwrap().field_violations.into_iter().map(|it| it.field).collect();
    assert_eq!(fields, ["page_token", "kinds[0]"]);
}

#[tokio::test]
async fn an_event_never_quotes_an_article() {
    let server = TestServer::start().await;
    // The error for the sender quotes the paragraph that the table must be.
    let table = TableBlock { rows: vec![TableRow { cells: vec!["9".into()], ..TableRow::default() }] };
    let article = Article {
        headline: "Results".into(),
        body: "Secret results of the trial".into(),
        blocks: vec![Block { content: Some(block::Content::Table(table)) }],
        ..Article::default()
    };
    let url = "https://tarn-valley.example/results";
    let status = ingest(&server, document(Payload::Article(article), "", url)).await.unwrap_err();
    let details = status.get_details_bad_request().unwrap().field_violations;
    assert!(details.iter().any(|violation| violation.description.contains("Secret")), "{details:?}");
    let page = events(&server, ListIngestEventsRequest::default()).await;
    assert_eq!(page.events.len(), 1, "{page:?}");
    assert!(page.events[0].message.contains("document.article.blocks") && !page.events[0].message.contains("Secret"));
}
