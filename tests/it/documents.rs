//! Pages, dumps and feeds through the service: their articles and extraction reports.

use std::io::Write;

use copydesk::proto::document::Payload;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::*;
use flate2::{Compression, write::GzEncoder};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::test_server::TestServer;

const DUMP: &str = include_str!("../../src/cli/demo/pages/ferry-talks.txt");
const PAGE: &str = include_str!("../../src/cli/demo/pages/lighthouse.html");
const FEED: &str = include_str!("../../src/cli/demo/pages/wire.rss");

type Writes = IngestionServiceClient<Channel>;

async fn take_all(client: &mut Writes, document: Document) -> Result<IngestArticleResponse, Status> {
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    client.ingest_article(request).await.map(tonic::Response::into_inner)
}

/// Ingests a document that is one article.
async fn take(client: &mut Writes, document: Document) -> Result<IngestedArticle, Status> {
    take_all(client, document).await.map(|response| response.into_first().unwrap())
}

fn raw(data: impl Into<Vec<u8>>, content_type: &str) -> Document {
    let raw = RawPayload::new(data, content_type);
    Document { payload: Some(Payload::Raw(raw)), ..Document::default() }
}

#[tokio::test]
async fn a_text_dump_is_cleaned_and_the_report_lists_removed_text() {
    let server = TestServer::start().await;
    let document = Document { payload: Some(Payload::Text(DUMP.into())), ..Document::default() };
    let answer = take(&mut server.ingestion().await, document).await.unwrap();
    let (article, report) = (answer.article.unwrap(), answer.report.unwrap());
    assert_eq!(article.headline, "Ardell-Norvik ferry dispute unlikely to be settled this week – Marsh");
    assert_eq!((article.publisher.as_str(), article.language_code.as_str()), ("TideWire.Net", "en"));
    let paragraphs: Vec<&str> = article.body.split("\n\n").collect();
    assert_eq!(paragraphs.len(), 7);
    assert!(paragraphs[0].starts_with("The dispute over the night ferry"), "{}", paragraphs[0]);
    assert!(paragraphs[6].ends_with("published by the harbour board."), "{}", paragraphs[6]);
    let cut =
        |reason: CutReason| report.cuts.iter().filter(move |cut| cut.reason() == reason).map(|cut| cut.text.as_str());
    assert_eq!(cut(CutReason::RepeatedHeadline).count(), 1);
    assert_eq!(cut(CutReason::Dateline).collect::<Vec<_>>(), ["TideWire.Net"]);
    assert_eq!(cut(CutReason::Rule).collect::<Vec<_>>(), ["---"]);
    let teasers: Vec<&str> = cut(CutReason::Teasers).map(str::trim).collect();
    assert_eq!((teasers.len(), teasers[0], teasers[5]), (6, "Top stories", "Partner news"));
    // Every word of the dump is in the article or in the report.
    let kept = format!(
        "{} {} {}",
        article.headline,
        article.body,
        report.cuts.iter().map(|cut| format!("{} ", cut.text)).collect::<String>()
    );
    for word in DUMP.split_whitespace().filter(|word| word.chars().any(char::is_alphanumeric)) {
        assert!(kept.contains(word), "{word:?} is neither in the article nor in the report");
    }
}

#[tokio::test]
async fn the_charset_of_a_page_is_detected() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let story = "НОВООЗЕРСК, 14 октября. Разводной мост через пролив откроют для движения на две недели раньше срока, \
        сообщил в среду начальник строительства. По его словам, испытания прошли без замечаний.";
    let page = |charset: &str| {
        format!(
            "<html><head><meta charset={charset}><title>Мост откроют раньше</title></head><body><article>\
            <h1>Мост откроют раньше</h1><p>{story}</p><p>{story}</p></article></body></html>"
        )
    };
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(page("utf-16").encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let encode = |encoding: &'static encoding_rs::Encoding, text: &str| encoding.encode(text).0.into_owned();
    let cases = [
        (
            "declared by the header",
            encode(encoding_rs::WINDOWS_1251, &page("none")),
            "text/html; charset=windows-1251",
            "windows-1251",
        ),
        ("declared by the page", encode(encoding_rs::WINDOWS_1251, &page("windows-1251")), "text/html", "windows-1251"),
        ("not declared", encode(encoding_rs::WINDOWS_1251, &page("none")), "", "windows-1251"),
        ("a byte order mark", utf16, "", "UTF-16LE"),
        ("UTF-8 with a wrong header", page("utf-8").into_bytes(), "text/html; charset=windows-1251", "UTF-8"),
    ];
    for (number, (case, bytes, content_type, expected)) in cases.into_iter().enumerate() {
        let document = Document { url: format!("https://zaliv.example/{number}"), ..raw(bytes, content_type) };
        let answer = take(&mut client, document).await.unwrap();
        let article = answer.article.unwrap();
        assert!(article.body.contains("испытания прошли без замечаний"), "{case}: {}", article.body);
        assert_eq!(
            (article.headline.as_str(), article.language_code.as_str()),
            ("Мост откроют раньше", "ru"),
            "{case}"
        );
        assert_eq!(answer.report.unwrap().charset.to_lowercase(), expected.to_lowercase(), "{case}");
    }
    // East Asian charsets, declared by the header.
    for (encoding, text) in [
        (
            encoding_rs::SHIFT_JIS,
            "灯台は来年の春も消されないことになったと港湾局が月曜日に発表した。署名は八千四百人に上った。",
        ),
        (encoding_rs::GBK, "港务局周一决定，明年春天不会关闭海角上的灯塔，此前有八千四百人在请愿书上签名。"),
    ] {
        let page = format!("<html><body><article><h1>灯</h1><p>{}</p></article></body></html>", text.repeat(3));
        let content_type = format!("text/html; charset={}", encoding.name());
        let article = take(&mut client, raw(encode(encoding, &page), &content_type)).await.unwrap().article.unwrap();
        assert!(article.body.contains(text), "{}: {}", encoding.name(), article.body);
    }
}

#[tokio::test]
async fn gzip_is_decompressed() {
    let server = TestServer::start().await;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(PAGE.as_bytes()).unwrap();
    let document = raw(encoder.finish().unwrap(), "text/html");
    let article = take(&mut server.ingestion().await, document).await.unwrap().article.unwrap();
    assert_eq!(article.url, "https://herald.example/local/lighthouse-stays-lit");
    assert_eq!((article.section.as_str(), article.publisher.as_str()), ("Local", "The Lowmouth Herald"));
    assert_eq!(article.media[0].url, "https://herald.example/img/lighthouse-1200.jpg");
}

#[tokio::test]
async fn each_item_of_a_feed_becomes_an_article() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let feed = || Document { url: "https://northline.example/coast.rss".into(), ..raw(FEED, "") };
    let answer = take_all(&mut client, feed()).await.unwrap();
    assert_eq!(answer.results.len(), 2);
    let articles: Vec<Article> = answer
        .results
        .iter()
        .map(|item| match &item.result {
            Some(ingest_result::Result::Ingested(it)) => {
                assert_eq!(it.outcome(), IngestOutcome::Created);
                it.article.clone().unwrap()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(articles[0].external_id, "northline-20261016-1");
    assert_eq!(articles[0].url, "https://northline.example/coast/crab-season");
    assert_eq!(
        (articles[0].authors.as_slice(), articles[0].tags.as_slice()),
        (&[Author::named("Jonas Pell")][..], &["Fisheries".to_owned()][..])
    );
    assert_eq!(articles[1].publish_time.unwrap().seconds, 1_792_132_200);
    assert_eq!(articles[1].body.split("\n\n").count(), 3);
    for item in take_all(&mut client, feed()).await.unwrap().results {
        let Some(ingest_result::Result::Ingested(it)) = item.result else { panic!("{item:?}") };
        assert_eq!(it.outcome(), IngestOutcome::Unchanged);
    }
}

#[tokio::test]
async fn sender_metadata_wins_and_duplicates_are_reported() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let hints = DocumentHints {
        authors: vec![Author::named("Someone Else")],
        section: "Coast".into(),
        tags: vec!["sent".into()],
        publisher: "The Other Paper".into(),
        ..DocumentHints::default()
    };
    let html = |url: &str, hints: Option<DocumentHints>| Document {
        payload: Some(Payload::Html(PAGE.replace("herald.example", "other.example"))),
        url: url.into(),
        hints,
        ..Document::default()
    };
    let first = take(&mut client, html("https://other.example/a", Some(hints))).await.unwrap().article.unwrap();
    assert_eq!((first.authors[0].name.as_str(), first.section.as_str()), ("Someone Else", "Coast"));
    assert_eq!(first.publisher, "The Other Paper");
    assert!(
        first.tags.contains(&"sent".to_owned()) && first.tags.contains(&"lighthouse".to_owned()),
        "{:?}",
        first.tags
    );
    let other = Document { payload: Some(Payload::Html(PAGE.into())), ..Document::default() };
    let twin = take(&mut client, other).await.unwrap();
    assert_eq!(twin.outcome(), IngestOutcome::Duplicate);
    assert_eq!(twin.article.unwrap().content_digest, first.content_digest);
}

#[tokio::test]
async fn requests_are_idempotent_and_validate_only_writes_nothing() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let request = |text: &str, request_id: &str, validate_only: bool| IngestArticleRequest {
        document: Some(Document { payload: Some(Payload::Text(text.into())), ..Document::default() }),
        request_id: request_id.into(),
        validate_only,
        ..Default::default()
    };
    let tried = client.ingest_article(request(DUMP, "", true)).await.unwrap().into_inner().into_first().unwrap();
    assert_eq!(tried.outcome(), IngestOutcome::Created);
    let first = client.ingest_article(request(DUMP, "r-1", false)).await.unwrap().into_inner().into_first().unwrap();
    let again = client.ingest_article(request(DUMP, "r-1", false)).await.unwrap().into_inner().into_first().unwrap();
    assert_eq!((first.outcome(), again.outcome()), (IngestOutcome::Created, IngestOutcome::Created));
    assert_eq!(first.article.unwrap().revision, again.article.unwrap().revision);
    let other = client.ingest_article(request(&DUMP.replace("ferry", "boat"), "r-1", false)).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
}

/// Returns a feed in a charset. Each item has only a title, the given link and a description.
fn plain_feed(encoding: &str, items: &[(&str, &str)]) -> Vec<u8> {
    let items: String = items
        .iter()
        .map(|(title, link)| {
            format!("<item><title>{title}</title>{link}<description>Текст о мосте здесь.</description></item>")
        })
        .collect();
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"{encoding}\"?>\
         <rss version=\"2.0\"><channel><title>Лента</title>{items}</channel></rss>"
    );
    let encoding = encoding_rs::Encoding::for_label(encoding.as_bytes()).unwrap();
    if encoding == encoding_rs::UTF_16LE {
        return [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    }
    encoding.encode(&text).0.into_owned()
}

fn headlines(answer: &IngestArticleResponse) -> Vec<(IngestOutcome, String)> {
    let items = answer.results.iter().map(|item| match item.result.as_ref().unwrap() {
        ingest_result::Result::Ingested(it) => (it.outcome(), it.article.as_ref().unwrap().headline.clone()),
        ingest_result::Result::Error(status) => panic!("{status:?}"),
    });
    items.collect()
}

#[tokio::test]
async fn the_charset_of_a_feed_is_detected() {
    let server = TestServer::start().await;
    for encoding in ["windows-1251", "koi8-r", "utf-16le", "utf-8"] {
        let title = format!("Мост открыт, {encoding}");
        let answer =
            take_all(&mut server.ingestion().await, raw(plain_feed(encoding, &[(&title, "")]), "")).await.unwrap();
        assert_eq!(headlines(&answer), [(IngestOutcome::Created, title)]);
    }
}

#[tokio::test]
async fn items_without_an_id_keep_their_identity() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let link = "<link>https://lenta.example/most</link>";
    let feed = |title: &str| raw(plain_feed("utf-8", &[(title, link), ("Без ссылки", "")]), "application/rss+xml");
    let feed = |title: &str| Document { source: "lenta.example".into(), ..feed(title) };
    let first = take_all(&mut client, feed("Мост закрыт")).await.unwrap();
    assert!(headlines(&first).iter().all(|(outcome, _)| *outcome == IngestOutcome::Created));
    let again = take_all(&mut client, feed("Мост закрыт")).await.unwrap();
    assert!(headlines(&again).iter().all(|(outcome, _)| *outcome == IngestOutcome::Unchanged), "{again:?}");
    // Another headline corrects the same article.
    let corrected = take_all(&mut client, feed("Мост открыт")).await.unwrap();
    assert_eq!(headlines(&corrected)[0], (IngestOutcome::Revised, "Мост открыт".to_owned()));
}

#[tokio::test]
async fn a_repeated_feed_returns_the_same_response_for_each_item() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let guid = "<guid>same</guid>";
    let feed = Document {
        source: "lenta.example".into(),
        ..raw(plain_feed("utf-8", &[("Один", guid), ("Два", guid), ("Три", "<guid>other</guid>")]), "")
    };
    let request =
        IngestArticleRequest { document: Some(feed), request_id: "feed-1".into(), ..IngestArticleRequest::default() };
    let first = client.ingest_article(request.clone()).await.unwrap().into_inner();
    let expected = [(IngestOutcome::Created, "Один"), (IngestOutcome::Revised, "Два"), (IngestOutcome::Created, "Три")];
    assert_eq!(headlines(&first), expected.map(|(outcome, headline)| (outcome, headline.to_owned())));
    let again = client.ingest_article(request.clone()).await.unwrap().into_inner();
    assert_eq!(again, first);
    // The request ID covers the whole feed: no other document can use it.
    let other = IngestArticleRequest {
        document: Some(Document { payload: Some(Payload::Text(DUMP.into())), ..Document::default() }),
        ..request
    };
    assert_eq!(client.ingest_article(other).await.unwrap_err().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn page_boilerplate_is_reported_and_the_url_is_validated() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let url = "https://herald.example/news/lighthouse";
    let page = |head: &str| Document {
        payload: Some(Payload::Html(PAGE.replace("<head>", &format!("<head>{head}")))),
        url: url.into(),
        ..Document::default()
    };
    let answer = take(&mut client, page("")).await.unwrap();
    let report = answer.report.unwrap();
    let article = answer.article.unwrap();
    // Every visible word of the page is in the article or in the report.
    let mut kept = format!("{} {} {}", article.headline, article.subheadline, article.body);
    kept.extend(article.media.iter().map(|media| format!(" {} {}", media.caption, media.credit)));
    kept.extend(report.cuts.iter().map(|cut| format!(" {}", cut.text)));
    let shown = PAGE.split_once("<body").unwrap().1;
    let pieces = shown.split('<').skip(1).filter_map(|piece| piece.split_once('>'));
    let text: Vec<&str> = pieces.filter(|(tag, _)| !tag.starts_with("script")).map(|(_, text)| text).collect();
    let text = text.join(" ");
    for word in text.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic)) {
        assert!(kept.contains(word), "{word:?} is neither in the article nor in the report");
    }
    for (number, (head, believed)) in [
        ("<link rel=canonical href='https://www.herald.example/news/the-lighthouse'>", "the-lighthouse"),
        ("<link rel=canonical href='https://herald.example/'>", "local/lighthouse-stays-lit"),
        ("<link rel=canonical href='https://example/news/x'>", "news/lighthouse"),
        ("<link rel=canonical href='https://other.example/news/x'>", "news/lighthouse"),
    ]
    .into_iter()
    .enumerate()
    {
        // Orders the pages, which state the same time of change.
        let fetch_time = Some(prost_types::Timestamp { seconds: 1_700_000_000 + number as i64, nanos: 0 });
        let document = Document { fetch_time, ..page(head) };
        let document = match document.payload {
            Some(Payload::Html(html)) => Document {
                payload: Some(Payload::Html(html.replace("https://lowmouth-herald.example/news/lighthouse", "#"))),
                ..document
            },
            _ => document,
        };
        let article = take(&mut client, document).await.unwrap().article.unwrap();
        assert!(article.url.ends_with(believed), "{head}: {}", article.url);
    }
}

#[tokio::test]
async fn a_stated_format_replaces_detection() {
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let stated = |data: &str, format: i32| {
        let raw = RawPayload { format, ..RawPayload::new(data, "") };
        Document { payload: Some(Payload::Raw(raw)), source: "northwire.example".into(), ..Document::default() }
    };
    let story = "The harbour board of Port Ellery agreed on Monday to dredge the northern channel before the winter.";
    // Nothing in it shows that it is ninjs: it has no ID.
    let item = format!(r#"{{"type": "text", "headline": "Channel to be dredged", "body_text": "{story}"}}"#);
    assert_eq!(take(&mut client, stated(&item, 0)).await.unwrap_err().code(), Code::InvalidArgument);
    let article = take(&mut client, stated(&item, DocumentFormat::Ninjs.into())).await.unwrap().article.unwrap();
    assert_eq!(article.body, story);
    // Front matter is text if the sender says so.
    let text = format!("---\ntitle: Channel\n---\n\nChannel to be dredged\n\n{story}\n");
    let report = take(&mut client, stated(&text, DocumentFormat::Text.into())).await.unwrap().report.unwrap();
    assert_eq!(report.method(), ExtractionMethod::Text);
    for (data, format, expected) in [
        (item.as_str(), DocumentFormat::NewsmlG2.into(), "document.raw.data: must be"),
        (item.as_str(), DocumentFormat::SchemaOrg.into(), "document.raw.data: must be"),
        (text.as_str(), DocumentFormat::Ninjs.into(), "document.raw.data: must be"),
        (text.as_str(), 99, "document.raw.format: must be one of the document formats"),
    ] {
        let error = take(&mut client, stated(data, format)).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{format}: {error:?}");
        assert!(error.message().contains(expected), "{format}: {}", error.message());
    }
}
