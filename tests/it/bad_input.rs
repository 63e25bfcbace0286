//! Invalid input: each gets a status that names the field, the service continues, and nothing is lost.

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::test_server::{TestServer, ingest, invented, ready};

/// Returns the fields that a refusal names.
pub fn fields(status: &Status) -> Vec<String> {
    let details = status.get_error_details();
    let bad = details.bad_request().unwrap_or_else(|| panic!("no field violations in {status:?}"));
    assert!(bad.field_violations.iter().all(|v| !v.description.is_empty()), "{status:?}");
    bad.field_violations.iter().map(|v| v.field.clone()).collect()
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap_or_else(|| panic!("no reason in {status:?}")).reason.clone()
}

/// Returns a block of the text `Fares`, linked.
fn text_block(kind: i32, url: &str) -> Block {
    let spans = vec![Span { text: "Fares".into(), url: url.into(), ..Span::default() }];
    Block { content: Some(block::Content::Text(TextBlock { kind, heading_level: 0, spans })) }
}

async fn refused(server: &TestServer, document: Document) -> Status {
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let refusal = server.ingestion().await.ingest_article(request).await.expect_err("refused");
    assert_eq!(refusal.code(), Code::InvalidArgument, "{refusal:?}");
    refusal
}

async fn accepted(server: &TestServer, document: Document) -> IngestedArticle {
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    server.ingestion().await.ingest_article(request).await.expect("accepted").into_inner().into_first().unwrap()
}

fn raw(data: impl Into<Vec<u8>>, content_type: &str) -> Document {
    let payload = Payload::Raw(RawPayload::new(data, content_type));
    Document { payload: Some(payload), ..Document::default() }
}

fn html(page: impl Into<String>) -> Document {
    Document { payload: Some(Payload::Html(page.into())), ..Document::default() }
}

/// Checks that the service still ingests and returns articles.
async fn still_serves(server: &TestServer) {
    let name = ingest(&mut server.ingestion().await, invented(4_711)).await.article.unwrap().name;
    server.retrieval().await.get_article(GetArticleRequest { name, ..Default::default() }).await.unwrap();
}

const PARAGRAPH: &str = "The harbour council of Port Ellery agreed on Monday to dredge the northern channel before the \
    winter, after two ferries ran aground in one week and the owners of the larger one asked who would pay for it.";

fn page(body: &str) -> String {
    format!(
        "<html><head><title>Council to dredge channel</title></head><body><article><h1>Council to dredge channel</h1>\
         <p>{PARAGRAPH}</p>{body}<p>{PARAGRAPH} That was the second time.</p><p>{PARAGRAPH} A third is feared.</p>\
         </article></body></html>"
    )
}

#[tokio::test]
async fn rejects_empty_input() {
    let server = TestServer::start().await;
    let none = server.ingestion().await.ingest_article(IngestArticleRequest::default()).await.expect_err("refused");
    assert_eq!(fields(&none), ["document"]);
    assert_eq!(fields(&refused(&server, Document::default()).await), ["document.payload"]);
    let text = Document { payload: Some(Payload::Text(" \n ".into())), ..Document::default() };
    assert_eq!(fields(&refused(&server, text).await), ["document.text"]);
    assert_eq!(fields(&refused(&server, html("")).await), ["document.html"]);
    assert_eq!(fields(&refused(&server, raw("", "")).await), ["document.raw.data"]);
    assert_eq!(fields(&refused(&server, ready(Article::default())).await), ["document.article.body"]);
    still_serves(&server).await;
}

#[tokio::test]
async fn rejects_oversized_input() {
    let server = TestServer::start().await;
    let request = IngestArticleRequest { document: Some(raw(vec![b'a'; 100 << 20], "")), ..Default::default() };
    let refusal = server.ingestion().await.ingest_article(request).await.expect_err("refused");
    assert_eq!((refusal.code(), fields(&refusal)), (Code::ResourceExhausted, vec!["request".to_string()]));
    // Channels that retry this code must not do so here.
    assert_eq!(refusal.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1");
    assert_eq!(fields(&refused(&server, raw(vec![b'a'; 9 << 20], "text/plain")).await), ["document.raw.data"]);
    let headline = Article { headline: "x".repeat(1 << 20), body: "b".into(), ..Article::default() };
    assert_eq!(fields(&refused(&server, ready(headline)).await), ["document.article.headline"]);
    let long = format!("<html><head><title>{}</title></head><body>{}</body></html>", "x".repeat(1 << 20), page(""));
    let request = IngestArticleRequest { document: Some(html(long)), ..Default::default() };
    if let Ok(answer) = server.ingestion().await.ingest_article(request).await {
        assert!(answer.into_inner().into_first().unwrap_or_default().article.unwrap().headline.len() <= 4_000);
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn rejects_binary_noise_and_invalid_utf8() {
    let server = TestServer::start().await;
    let noise: Vec<u8> = (0..50_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_eq!(fields(&refused(&server, raw(noise, "")).await), ["document.raw.data"]);
    // Invalid UTF-8 in a string field.
    let mut message = prost::Message::encode_to_vec(&IngestArticleRequest {
        document: Some(Document { url: "https://xx".into(), ..Document::default() }),
        ..Default::default()
    });
    let at = message.windows(2).position(|two| two == b"xx").unwrap();
    message[at] = 0xFF;
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/copydesk.v1.IngestionService/IngestArticle");
    let codec = crate::test_server::RawCodec;
    let refusal = grpc.unary(tonic::Request::new(message), path, codec).await.expect_err("refused");
    assert_eq!((refusal.code(), fields(&refusal)), (Code::InvalidArgument, vec!["request".to_string()]));
    // A few invalid bytes in a page do not spoil the article.
    let mut broken = page("").into_bytes();
    let at = broken.windows(5).position(|five| five == b"ferri").unwrap();
    broken[at] = 0xFF;
    let article = accepted(&server, raw(broken, "text/html; charset=utf-8")).await;
    assert!(article.article.unwrap().body.contains("dredge the northern channel"));
    still_serves(&server).await;
}

#[tokio::test]
async fn wrong_charset_declarations_are_handled() {
    let server = TestServer::start().await;
    let text = page("<p>Gouverneur Émile Précourt a dit à l’hôtel que « ça » suffirait — très bien, déjà.</p>");
    for declared in ["text/html; charset=windows-1251", "text/html; charset=shift_jis", "text/html; charset=no-such"] {
        let answer = accepted(&server, raw(text.clone(), declared)).await;
        assert!(answer.article.unwrap().body.contains("Émile Précourt a dit à l’hôtel"), "{declared}");
        assert!(!answer.report.unwrap().warnings.is_empty(), "{declared}");
    }
}

#[tokio::test]
async fn invisible_characters_are_removed() {
    let server = TestServer::start().await;
    let dirty = "Port\u{0}\u{7} El\u{202E}le\u{2066}ry\u{FEFF}";
    let article = Article {
        headline: dirty.into(),
        body: format!("{dirty}\u{8}\n\n{dirty}"),
        authors: vec![Author::named(dirty)],
        tags: vec![dirty.into()],
        ..Article::default()
    };
    let clean = accepted(&server, ready(article)).await.article.unwrap();
    assert_eq!((clean.headline.as_str(), clean.body.as_str()), ("Port Ellery", "Port Ellery\n\nPort Ellery"));
    assert_eq!((clean.authors, clean.tags), (vec![Author::named("Port Ellery")], vec!["Port Ellery".to_string()]));
    let page = accepted(
        &server,
        html(page("<p>A \u{202E}line \u{1}that was turned\u{202C} about in the harbour today, they said.</p>")),
    )
    .await;
    assert!(page.article.unwrap().body.contains("A line that was turned about"));
}

#[tokio::test]
async fn rejects_or_bounds_hostile_pages() {
    let server = TestServer::start().await;
    let nested = format!("{}{PARAGRAPH}{}", "<div>".repeat(100_000), "</div>".repeat(100_000));
    let attributes: String = (0..1_000_000).map(|n| format!(" a{n}")).collect();
    for (what, document) in [
        ("nested", html(nested)),
        ("attributes", html(page(&format!("<p{attributes}>x</p>")))),
        ("nothing", html("<html><body><nav><a href=/a>Home</a> <a href=/b>News</a></nav></body></html>")),
    ] {
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        match server.ingestion().await.ingest_article(request).await {
            Ok(answer) => assert!(what != "nothing", "{answer:?}"),
            Err(refusal) => assert!(fields(&refusal)[0].starts_with("document.html"), "{what}: {refusal:?}"),
        }
    }
    let entities = "<?xml version=\"1.0\"?><!DOCTYPE r [<!ENTITY a \"aaaaaaaaaaaaaaaaaaaa\">\
        <!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">\
        <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;&d;&d;\">]>\
        <rss version=\"2.0\"><channel><title>t</title>\
        <item><title>&e;</title><description>&e;&e;</description></item></channel></rss>";
    let request = IngestArticleRequest { document: Some(raw(entities, "application/rss+xml")), ..Default::default() };
    match server.ingestion().await.ingest_article(request).await {
        Ok(answer) => assert!(prost::Message::encoded_len(&answer.into_inner()) < 100_000),
        Err(refusal) => assert_eq!(fields(&refusal), ["document.raw.data"]),
    }
    still_serves(&server).await;
}

#[tokio::test]
async fn rejects_compression_bombs() {
    use std::io::Write;
    let server = TestServer::start().await;
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..200 {
        bomb.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert_eq!(fields(&refused(&server, raw(bomb, "")).await), ["document.raw.data"]);
    // The same with gRPC's compression: the limit applies after decompression.
    let request = IngestArticleRequest { document: Some(raw(vec![b'a'; 100 << 20], "")), ..Default::default() };
    let client = server.ingestion().await.send_compressed(tonic::codec::CompressionEncoding::Gzip);
    let refusal = { client }.ingest_article(request).await.expect_err("refused");
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    still_serves(&server).await;
}

#[tokio::test]
async fn rejects_dates_urls_and_enums_out_of_range() {
    let server = TestServer::start().await;
    let year_0 = Some(prost_types::Timestamp { seconds: -62_167_219_200, nanos: 0 });
    let year_99999 = Some(prost_types::Timestamp { seconds: 3_093_527_980_800, nanos: 0 });
    let article = Article {
        publish_time: year_0,
        source_update_time: year_99999,
        url: "javascript:alert(1)".into(),
        media: vec![Media { kind: 99, url: "data:text/html,x".into(), ..Media::default() }],
        blocks: vec![text_block(-5, "vbscript:x")],
        authors: vec![Author {
            name: "Ida Quill".into(),
            uri: "file:///etc/passwd".into(),
            kind: 7,
            ..Author::default()
        }],
        subjects: vec![Subject { scheme: "medtop".into(), ..Subject::default() }],
        rights: Some(Rights { license_uri: "nowhere".into(), data_mining: 9, access: 9, ..Rights::default() }),
        publish_time_precision: 12,
        annotations: [("not a key".to_owned(), String::new())].into(),
        ..invented(1)
    };
    let named = fields(&refused(&server, ready(article)).await);
    for field in [
        "publish_time",
        "source_update_time",
        "url",
        "media[0].kind",
        "media[0].url",
        "blocks[0].text.kind",
        "blocks[0].text.spans[0].url",
        "authors[0].uri",
        "authors[0].kind",
        "subjects[0].name",
        "rights.license_uri",
        "rights.data_mining",
        "rights.access",
        "publish_time_precision",
        "annotations",
    ] {
        assert!(named.contains(&format!("document.article.{field}")), "{field} is not among {named:?}");
    }
    let credentials = Article {
        url: "https://editor:hunter2@herald.example/news/7".into(),
        body: "Fares".into(),
        blocks: vec![text_block(TextKind::Paragraph.into(), "https://u:p@herald.example/")],
        ..invented(1)
    };
    let answer = accepted(&server, ready(credentials)).await.article.unwrap();
    assert_eq!(answer.url, "https://herald.example/news/7");
    assert_eq!(answer.blocks, [text_block(TextKind::Paragraph.into(), "https://herald.example/")]);
    let years = "<p><time datetime=\"0000-01-01\">then</time><time datetime=\"99999-01-01\">when</time></p>";
    let dated = accepted(&server, html(page(years))).await.article.unwrap();
    assert!(dated.publish_time.is_none_or(|time| (0..4_102_444_800).contains(&time.seconds)), "{dated:?}");
}

#[tokio::test]
async fn markup_is_never_returned() {
    let server = TestServer::start().await;
    let evil = "<p onclick=\"x()\">Read <a href=\"javascript:steal()\">this</a> or \
        <a href=\"https://herald.example/next\">the next story</a> of the harbour, which is longer than one might \
        think.</p><script>alert('owned')</script><style>p{}</style><iframe src=\"javascript:y()\"></iframe>\
        <img src=\"javascript:z()\" alt=\"\">";
    let answer = accepted(&server, Document { url: "https://herald.example/1".into(), ..html(page(evil)) }).await;
    let shown = format!("{:?}", answer.article.unwrap());
    for bad in ["javascript:", "alert(", "<script", "<p", "onclick", "p{}"] {
        assert!(!shown.contains(bad), "{bad} in {shown}");
    }
}

#[tokio::test]
async fn injection_strings_are_plain_text() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let article = ingest(&mut writes, invented(1)).await.article.unwrap();
    for evil in [
        "'; DROP TABLE articles; --",
        "\" OR 1=1 --",
        "body:* NEAR(a b) ^x + {headline}",
        "%_\\' UNION SELECT 1",
        "\u{0}';",
        "../../etc/passwd",
        "${jndi:ldap://x}",
    ] {
        let s = evil.to_owned();
        let filled = Article {
            source: s.clone(),
            external_id: s.clone(),
            headline: s.clone(),
            subheadline: s.clone(),
            authors: vec![Author::named(s.clone())],
            agency: s.clone(),
            publisher: s.clone(),
            section: s.clone(),
            tags: vec![s.clone()],
            body: s.clone(),
            rights: Some(Rights { notice: s.clone(), ..Rights::default() }),
            dateline: Some(Dateline { place: s.clone(), text: s.clone() }),
            ..Article::default()
        };
        let stored = ingest(&mut writes, filled).await.article.unwrap();
        let filter = ArticleFilter {
            tags: Some(StringCondition::any_of([s.clone()])),
            authors: Some(StringCondition::all_of([s.clone()])),
            sources: Some(StringCondition::any_of([s.clone()])),
            ..Default::default()
        };
        let list = ListArticlesRequest { filter: Some(filter), ..Default::default() };
        let listed = reads.list_articles(list).await.unwrap().into_inner().articles;
        assert_eq!(listed.len(), 1, "{evil}");
        assert_eq!(listed[0].headline, stored.headline);
        let search = SearchArticlesRequest { query: s.clone(), ..Default::default() };
        if let Err(refusal) = reads.search_articles(search).await {
            assert_eq!(fields(&refusal), ["query"], "{evil}");
        }
        let get = GetArticleRequest { name: format!("articles/{s}"), ..Default::default() };
        assert_eq!(fields(&reads.get_article(get).await.unwrap_err()), ["name"], "{evil}");
        let order = ListArticlesRequest { order_by: s.clone(), ..Default::default() };
        assert_eq!(fields(&reads.list_articles(order).await.unwrap_err()), ["order_by"], "{evil}");
        let key = lookup_article_request::Key::External(ExternalKey { source: s.clone(), external_id: s.clone() });
        let found = reads.lookup_article(LookupArticleRequest { key: Some(key), ..Default::default() }).await.unwrap();
        assert_eq!(found.into_inner().article.unwrap().name, stored.name, "{evil}");
    }
    reads.get_article(GetArticleRequest { name: article.name, ..Default::default() }).await.unwrap();
}

#[tokio::test]
async fn rejects_invalid_tokens_masks_and_sizes() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    for n in 0..3 {
        ingest(&mut writes, invented(n)).await;
    }
    let list = ListArticlesRequest { page_size: 1, ..Default::default() };
    let token = reads.list_articles(list.clone()).await.unwrap().into_inner().next_page_token;
    let mut forged = token.clone();
    forged.replace_range(4..5, if &token[4..5] == "A" { "B" } else { "A" });
    for request in [
        ListArticlesRequest { page_token: forged, ..list.clone() },
        ListArticlesRequest { page_token: "x".into(), ..list.clone() },
        ListArticlesRequest { page_token: token.clone(), order_by: "create_time".into(), ..list.clone() },
    ] {
        assert_eq!(fields(&reads.list_articles(request).await.unwrap_err()), ["page_token"]);
    }
    let search = SearchArticlesRequest { query: "ferry".into(), page_token: token, ..Default::default() };
    assert_eq!(fields(&reads.search_articles(search).await.unwrap_err()), ["page_token"]);
    let mask = Some(prost_types::FieldMask { paths: vec!["body".into(), "no.such".into()] });
    let get = GetArticleRequest { name: "articles/x".into(), read_mask: mask.clone(), ..Default::default() };
    assert_eq!(fields(&reads.get_article(get).await.unwrap_err()), ["read_mask.paths[1]"]);
    let negative = ListArticlesRequest { page_size: -1, read_mask: mask, ..Default::default() };
    assert_eq!(fields(&reads.list_articles(negative).await.unwrap_err()), ["page_size", "read_mask.paths[1]"]);
    for names in [vec![], vec!["articles/x".to_string(); 1_001]] {
        let batch = BatchGetArticlesRequest { names, ..Default::default() };
        assert_eq!(fields(&reads.batch_get_articles(batch).await.unwrap_err()), ["names"]);
    }
    let watch = WatchArticlesRequest::after("nonsense");
    assert_eq!(fields(&reads.watch_articles(watch).await.unwrap_err()), ["change_token"]);
    let elsewhere = TestServer::start().await;
    let token = ingest(&mut elsewhere.ingestion().await, invented(1)).await.article.unwrap().change_token;
    let fresh = Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(token)) };
    let get = GetArticleRequest { name: "articles/x".into(), consistency: Some(fresh), ..Default::default() };
    assert_eq!(fields(&reads.get_article(get).await.unwrap_err()), ["consistency.at_least_as_fresh"]);
}

#[tokio::test]
async fn repeated_requests_are_idempotent_and_one_racing_writer_wins() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let request =
        |n| IngestArticleRequest { document: Some(ready(invented(n))), request_id: "r-1".into(), ..Default::default() };
    let first = writes.ingest_article(request(1)).await.unwrap().into_inner().into_first().unwrap();
    let again = writes.ingest_article(request(1)).await.unwrap().into_inner().into_first().unwrap();
    assert_eq!((again.outcome(), again.article.clone()), (IngestOutcome::Created, first.article.clone()));
    let reused = writes.ingest_article(request(2)).await.unwrap_err();
    assert_eq!((reused.code(), fields(&reused)), (Code::AlreadyExists, vec!["request_id".to_string()]));

    let article = first.article.unwrap();
    let edits = server.editorial().await;
    let races = (0..8).map(|n| {
        let mut edits = edits.clone();
        let update = UpdateArticleRequest {
            article: Some(Article { headline: format!("Headline {n}"), ..article.clone() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["headline".into()] }),
            ..Default::default()
        };
        tokio::spawn(async move { edits.update_article(update).await })
    });
    let mut won = 0;
    for race in races.collect::<Vec<_>>() {
        match race.await.unwrap() {
            Ok(_) => won += 1,
            Err(lost) => assert_eq!((lost.code(), reason(&lost)), (Code::Aborted, "ETAG_MISMATCH".to_string())),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn one_bad_document_ends_no_stream() {
    let server = TestServer::start().await;
    let documents = [ready(invented(1)), Document::default(), html(""), ready(invented(2))];
    let requests = documents.into_iter().enumerate().map(|(n, document)| IngestArticlesRequest::of(n as i64, document));
    let answers = server.ingestion().await.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.map(|answer| answer.unwrap()).collect().await;
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| match answer.result.as_ref().unwrap() {
            ingest_articles_response::Result::Ingested(_) => 0,
            ingest_articles_response::Result::Error(status) => {
                assert!(!status.details.is_empty());
                status.code
            }
        })
        .collect();
    assert_eq!(codes, [0, 3, 3, 0]);
}

#[tokio::test]
async fn a_client_that_stops_reading_blocks_no_other() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let watch = WatchArticlesRequest::from_beginning();
    let mut slow = server.retrieval().await.watch_articles(watch).await.unwrap().into_inner();
    let body = "Word after word of the harbour. ".repeat(1_000);
    for n in 0..300 {
        ingest(&mut writes, Article { body: format!("{n} {body}"), ..invented(n) }).await;
    }
    still_serves(&server).await;
    // The client reads on and has missed nothing.
    let mut seen = 0;
    while seen < 301 {
        if let Some(watch_articles_response::Event::Change(_)) = slow.next().await.unwrap().unwrap().event {
            seen += 1;
        }
    }
}

#[tokio::test]
async fn a_full_store_rejects_writes_and_serves_reads() {
    let server = TestServer::with(|options| {
        if let StoreOptions::Sqlite(sqlite) = &mut options.store {
            sqlite.max_bytes = Some(1 << 20);
        }
    })
    .await;
    let mut writes = server.ingestion().await;
    let mut answered = Vec::new();
    let refusal = loop {
        let article = Article { body: "Word after word. ".repeat(500), ..invented(answered.len()) };
        let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
        match writes.ingest_article(request).await {
            Ok(answer) => answered.push(answer.into_inner().into_first().unwrap_or_default().article.unwrap().name),
            Err(refusal) => break refusal,
        }
        assert!(answered.len() < 10_000, "the store exceeds its maximum size");
    };
    assert_eq!((refusal.code(), reason(&refusal)), (Code::ResourceExhausted, "STORE_FULL".to_string()));
    assert_eq!(refusal.metadata().get("grpc-retry-pushback-ms").unwrap(), "-1");
    let batch = BatchGetArticlesRequest { names: answered.clone(), ..Default::default() };
    let found = server.retrieval().await.batch_get_articles(batch).await.unwrap().into_inner();
    assert_eq!(found.articles.len(), answered.len());
}

/// Checks that a status fits into headers of 8 KiB in all, the usual limit of clients in other languages.
fn fits_in_headers(status: &Status) {
    let details = status.details().len().div_ceil(3) * 4;
    assert!(details + 3 * status.message().len() < 8_000, "{} bytes: {status:?}", details + status.message().len());
}

#[tokio::test]
async fn error_details_of_many_violations_are_bounded() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let paths = |count: usize| Some(prost_types::FieldMask { paths: (0..count).map(|n| format!("no.{n}")).collect() });
    for count in [10, 200, 200_000] {
        let get = GetArticleRequest { name: "articles/x".into(), read_mask: paths(count), ..Default::default() };
        let status = reads.get_article(get).await.unwrap_err();
        fits_in_headers(&status);
        assert!(fields(&status)[0].starts_with("read_mask.paths"));
    }
    let names = (0..1_000).map(|n| format!("Not a name {n}")).collect();
    let batch = BatchGetArticlesRequest { names, ..Default::default() };
    let status = reads.batch_get_articles(batch).await.unwrap_err();
    fits_in_headers(&status);
    assert_eq!(fields(&status)[0], "names[0]");
    let media = vec![Media { url: "javascript:x".into(), ..Media::default() }; 1_000];
    fits_in_headers(&refused(&server, ready(Article { media, ..invented(1) })).await);
    let blocks = vec![Block::default(); 1_000_000];
    assert_eq!(fields(&refused(&server, ready(Article { blocks, ..invented(1) })).await), ["document.article.blocks"]);
    let long = ExternalKey { source: "s".repeat(100_000), external_id: "x".repeat(100_000) };
    let key = Some(lookup_article_request::Key::External(long));
    let status = reads.lookup_article(LookupArticleRequest { key, ..Default::default() }).await.unwrap_err();
    fits_in_headers(&status);
    assert_eq!(fields(&status), ["external.source", "external.external_id"]);
    // Repeats of a path count as one.
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    let update = UpdateArticleRequest {
        article: Some(Article { name, body: "b".repeat(1 << 20), ..Article::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["body".into(); 200_000] }),
        ..Default::default()
    };
    let status = server.editorial().await.update_article(update).await.unwrap_err();
    assert_eq!(fields(&status), ["update_mask.paths"]);
}

#[tokio::test]
async fn an_invalid_message_in_a_stream_is_rejected() {
    let server = TestServer::start().await;
    let large = raw(vec![b'a'; 17 << 20], "text/plain");
    for (bad, code) in [(Some(large), Code::ResourceExhausted), (None, Code::InvalidArgument)] {
        let mut messages: Vec<Vec<u8>> = (0..3)
            .map(|n| {
                let document = Some(ready(invented(n)));
                let request = Some(IngestArticleRequest { document, ..Default::default() });
                let request = IngestArticlesRequest { sequence: n as i64, request, brief: true };
                prost::Message::encode_to_vec(&request)
            })
            .collect();
        messages.push(match bad {
            Some(document) => prost::Message::encode_to_vec(&IngestArticlesRequest::of(0, document)),
            None => vec![0xFF; 7],
        });
        let mut grpc = tonic::client::Grpc::new(server.channel().await);
        grpc.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/copydesk.v1.IngestionService/IngestArticles");
        let request = tonic::Request::new(tokio_stream::iter(messages));
        let mut answers = grpc.streaming(request, path, crate::test_server::RawCodec).await.unwrap().into_inner();
        // Earlier messages get responses; then the stream ends with the error.
        for _ in 0..3 {
            answers.message().await.unwrap().unwrap();
        }
        let status = answers.message().await.unwrap_err();
        assert_eq!((status.code(), fields(&status)), (code, vec!["request".to_string()]), "{status:?}");
    }
    still_serves(&server).await;
}
