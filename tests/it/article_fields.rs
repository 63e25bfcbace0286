//! Structure and metadata of articles, as extracted and as sent.

use copydesk::proto::block::Content;
use copydesk::proto::document::Payload;
use copydesk::proto::*;
use prost_types::{Duration, FieldMask};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

const PAGE: &str = r#"<html lang="en"><head><title>Ferry fares fall</title>
<meta property="og:title" content="Ferry fares fall">
<meta name="tdm-reservation" content="1"><meta name="copyright" content="© 2026 The Ellery Herald">
<link rel="license" href="/licence">
<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Ferry fares fall",
 "datePublished": "2026-11-24T09:30:00+01:00", "isAccessibleForFree": "False",
 "copyrightHolder": {"@type": "Organization", "name": "Ellery Press"}, "author": {"name": "Ida Quill"}}</script>
</head><body><article><h1>Ferry fares fall</h1><p class="byline">By Ida Quill in Port Ellery</p>
<p>The fares of the northern ferry fall in spring, the <a href="/harbour">harbour  authority</a> said on Tuesday, and
<strong>every</strong> passenger pays a third less than in the year before, <em>children included</em>.</p>
<p>The authority expects more passengers than in any year since the bridge was closed, and will add a second boat for
the months of summer, when the queues at the pier are longest and the wind is kind.</p>
<table><tr><th>Line</th><th>Fare</th></tr><tr><td>North</td><td>4.20</td></tr>
<tr><td>South</td><td>3.10</td></tr></table>
<p>Tickets for the new season are sold at the pier from Monday, and the old ones stay valid until the end of the year,
as the authority said in its notice to the passengers of all of its lines.</p></article></body></html>"#;

async fn extracted(server: &TestServer, page: &str) -> Article {
    let document = Document {
        payload: Some(Payload::Html(page.into())),
        url: "https://herald.example/news/fares".into(),
        ..Document::default()
    };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    server
        .ingestion()
        .await
        .ingest_article(request)
        .await
        .unwrap()
        .into_inner()
        .into_first()
        .unwrap_or_default()
        .article
        .unwrap()
}

#[tokio::test]
async fn a_page_keeps_its_structure_and_metadata() {
    let server = TestServer::start().await;
    let article = extracted(&server, PAGE).await;
    assert_eq!((article.source.as_str(), article.host.as_str()), ("herald.example", "herald.example"));
    assert_eq!(article.byline, "By Ida Quill in Port Ellery");
    assert_eq!(article.authors, [Author::named("Ida Quill")]);
    let rights = Rights {
        notice: "© 2026 The Ellery Herald".into(),
        holder: "Ellery Press".into(),
        usage_terms: String::new(),
        license_uri: "https://herald.example/licence".into(),
        data_mining: DataMining::Reserved.into(),
        access: Access::Restricted.into(),
    };
    assert_eq!(article.rights, Some(rights));
    assert_eq!(article.publish_time_precision(), TimePrecision::Second);
    assert_eq!(article.publish_utc_offset, Some(Duration { seconds: 3_600, nanos: 0 }));
    let paragraphs: Vec<&str> = article.body.split("\n\n").collect();
    assert_eq!(paragraphs.len(), 4, "{}", article.body);
    assert_eq!(paragraphs[2], "Line | Fare\nNorth | 4.20\nSouth | 3.10");
    let Some(Content::Text(first)) = &article.blocks[0].content else { panic!("{:?}", article.blocks) };
    let formats: Vec<(&str, &str, Emphasis)> =
        first.spans.iter().map(|span| (span.text.as_str(), span.url.as_str(), span.emphasis())).collect();
    assert_eq!(formats[1], ("harbour authority", "https://herald.example/harbour", Emphasis::Unspecified));
    assert_eq!(formats[3], ("every", "", Emphasis::Strong));
    assert_eq!(formats[5], ("children included", "", Emphasis::Stressed));
    assert_eq!(formats.iter().map(|(text, ..)| *text).collect::<String>(), paragraphs[0]);
    let Some(Content::Table(table)) = &article.blocks[2].content else { panic!("{:?}", article.blocks) };
    assert_eq!(table.rows.iter().map(|row| row.header).collect::<Vec<_>>(), [true, false, false]);
}

#[tokio::test]
async fn the_precision_of_the_publish_time_is_stated() {
    let server = TestServer::start().await;
    for (stated, precision, offset) in [
        ("2026-11-24T09:30:00Z", TimePrecision::Second, Some(0)),
        ("2026-11-24T09:30:00-0500", TimePrecision::Second, Some(-18_000)),
        ("2026-11-24 09:30:00", TimePrecision::ZoneAssumed, None),
        ("2026-11-24", TimePrecision::Day, None),
        ("24 November 2026", TimePrecision::Day, None),
    ] {
        let article = extracted(&server, &PAGE.replace("2026-11-24T09:30:00+01:00", stated)).await;
        assert_eq!(article.publish_time_precision(), precision, "{stated}");
        assert_eq!(article.publish_utc_offset.map(|offset| offset.seconds), offset, "{stated}");
        assert_eq!(
            article.publish_time.is_some_and(|time| time.seconds % 86_400 == 0),
            precision == TimePrecision::Day
        );
    }
}

#[tokio::test]
async fn annotations_stay_until_a_document_has_others() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let with = |annotations: &[(&str, &str)]| Article {
        annotations: annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..invented(1)
    };
    let send = async |client: &mut _, article: Article| {
        let response = ingest(client, article).await;
        (response.outcome(), response.article.unwrap())
    };
    let (created, first) = send(&mut client, with(&[("desk", "coast"), ("example.org/priority", "3")])).await;
    assert_eq!((created, first.annotations.len()), (IngestOutcome::Created, 2));
    let (repeated, same) = send(&mut client, invented(1)).await;
    assert_eq!((repeated, &same), (IngestOutcome::Unchanged, &first));
    let (revised, second) = send(&mut client, Article { body: "Other words.".into(), ..invented(1) }).await;
    assert_eq!((revised, &second.annotations), (IngestOutcome::Revised, &first.annotations));
    let (annotated, third) =
        send(&mut client, Article { body: "Other words.".into(), ..with(&[("desk", "city")]) }).await;
    assert_eq!((annotated, third.annotations.len()), (IngestOutcome::Revised, 1));
    assert_eq!(third.content_digest, second.content_digest);
    // Those of the document are merged over those of its article.
    let document = Document {
        annotations: [("desk".to_owned(), "night".to_owned())].into(),
        ..ready(Article { body: "Other words.".into(), ..with(&[("desk", "city"), ("shift", "2")]) })
    };
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let merged =
        client.ingest_article(request).await.unwrap().into_inner().into_first().unwrap_or_default().article.unwrap();
    let merged: Vec<(&str, &str)> = merged.annotations.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(merged, [("desk", "night"), ("shift", "2")]);
    // An editor can remove them.
    let update = UpdateArticleRequest {
        article: Some(Article { name: third.name.clone(), ..Article::default() }),
        update_mask: Some(FieldMask { paths: vec!["annotations".into()] }),
        ..Default::default()
    };
    let cleared = server.editorial().await.update_article(update).await.unwrap().into_inner().article.unwrap();
    assert!(cleared.annotations.is_empty());
}

#[tokio::test]
async fn the_body_is_rendered_in_the_requested_format() {
    let server = TestServer::start().await;
    let article = extracted(&server, PAGE).await;
    let mut reads = server.retrieval().await;
    let get = |body_format: BodyFormat, paths: &[&str]| GetArticleRequest {
        name: article.name.clone(),
        body_format: body_format.into(),
        read_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    let markdown = reads.get_article(get(BodyFormat::Markdown, &["body"])).await.unwrap().into_inner().article.unwrap();
    assert!(
        markdown.body.contains("the [harbour authority](<https://herald.example/harbour>) said"),
        "{}",
        markdown.body
    );
    assert!(markdown.body.contains("| Line | Fare |\n| --- | --- |\n| North | 4.20 |"), "{}", markdown.body);
    let expected =
        Article { body: markdown.body.clone(), body_format: BodyFormat::Markdown.into(), ..Article::default() };
    assert_eq!(markdown, expected, "the mask selects the fields");
    let html = reads.get_article(get(BodyFormat::Html, &[])).await.unwrap().into_inner().article.unwrap();
    assert!(html.body.contains("<strong>every</strong> passenger"), "{}", html.body);
    assert_eq!(Article { body: article.body.clone(), body_format: 0, ..html.clone() }, article);
    let unread = reads.get_article(get(BodyFormat::Html, &["headline"])).await.unwrap().into_inner().article.unwrap();
    assert_eq!(unread, Article { headline: article.headline.clone(), ..Article::default() });
    // A rendered body cannot be stored.
    let update = UpdateArticleRequest {
        article: Some(html.clone()),
        update_mask: Some(FieldMask { paths: vec!["body".into()] }),
        ..Default::default()
    };
    let refused = server.editorial().await.update_article(update).await.unwrap_err();
    let violations = refused.get_error_details().bad_request().unwrap().field_violations.clone();
    assert_eq!(violations[0].field, "article.body_format");
    let request = IngestArticleRequest { document: Some(ready(html)), ..Default::default() };
    let refused = server.ingestion().await.ingest_article(request).await.unwrap_err();
    let violations = refused.get_error_details().bad_request().unwrap().field_violations.clone();
    assert_eq!(violations[0].field, "document.article.body_format");
}

#[tokio::test]
async fn a_stream_validates_documents_without_writing_them() {
    use tokio_stream::StreamExt;
    let server = TestServer::start().await;
    let request = |validate_only| IngestArticleRequest {
        document: Some(ready(invented(1))),
        validate_only,
        ..Default::default()
    };
    let requests = [(0, true), (1, true), (2, false), (3, true)].map(|(sequence, validate_only)| {
        let request = Some(request(validate_only));
        IngestArticlesRequest { sequence, request, ..Default::default() }
    });
    let mut outcomes = Vec::new();
    // One at a time, so that each sees those before it.
    for sent in requests {
        let mut client = server.ingestion().await;
        let mut answers = client.ingest_articles(tokio_stream::once(sent)).await.unwrap().into_inner();
        let answer = answers.next().await.unwrap().unwrap();
        let Some(ingest_articles_response::Result::Ingested(ingested)) = answer.result else { panic!("{answer:?}") };
        outcomes.push((answer.sequence, ingested.into_first().unwrap().outcome()));
    }
    let (created, unchanged) = (IngestOutcome::Created, IngestOutcome::Unchanged);
    assert_eq!(outcomes, [(0, created), (1, created), (2, created), (3, unchanged)]);
}
