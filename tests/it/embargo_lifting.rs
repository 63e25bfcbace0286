//! Documents that are ingested again, and the embargo or expiry of their articles.

use std::time::{Duration, SystemTime};

use copydesk::proto::document::Payload;
use copydesk::proto::editorial_service_client::EditorialServiceClient;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::*;
use tonic::Code;
use tonic::transport::Channel;

use crate::test_server::{TestServer, invented, ready};

const PAGE: &str = include_str!("../../src/cli/demo/pages/lighthouse.html");
const FEED: &str = include_str!("../../src/cli/demo/pages/wire.rss");

type Writes = IngestionServiceClient<Channel>;

/// Each way in which an article comes in; the version is of its words.
#[derive(Clone, Copy, Debug)]
enum Way {
    Article,
    Page,
    FeedItem,
}

fn document(way: Way, version: usize) -> Document {
    let word = format!("version{version}");
    match way {
        Way::Article => ready(Article { subheadline: word, ..invented(1) }),
        Way::Page => {
            let html = PAGE.replace("<p>", &format!("<p>{word} "));
            Document {
                payload: Some(Payload::Html(html)),
                url: "https://herald.example/a".into(),
                // Orders versions that state the same time of change.
                fetch_time: from_now(version as i64 - 10),
                ..Default::default()
            }
        }
        Way::FeedItem => {
            let data = FEED.replace("<title>", &format!("<title>{word} ")).into_bytes();
            let raw = RawPayload::new(data, "application/rss+xml");
            let url = "https://northline.example/coast.rss".into();
            Document { payload: Some(Payload::Raw(raw)), url, ..Default::default() }
        }
    }
}

fn from_now(seconds: i64) -> Option<prost_types::Timestamp> {
    let now = SystemTime::now();
    let time = match u64::try_from(seconds) {
        Ok(later) => now + Duration::from_secs(later),
        Err(_) => now - Duration::from_secs(seconds.unsigned_abs()),
    };
    Some(time.into())
}

/// Returns each article of a document, and its outcome.
async fn send(writes: &mut Writes, document: Document) -> Vec<(Article, IngestOutcome)> {
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let answer = writes.ingest_article(request).await.unwrap().into_inner();
    let items = answer.results.into_iter().map(|item| match item.result {
        Some(ingest_result::Result::Ingested(it)) => (it.article.clone().unwrap(), it.outcome()),
        other => panic!("{other:?}"),
    });
    items.collect()
}

async fn edit(edits: &mut EditorialServiceClient<Channel>, article: Article, path: &str) -> Article {
    let update_mask = Some(prost_types::FieldMask { paths: vec![path.into()] });
    let request = UpdateArticleRequest { article: Some(article), update_mask, ..Default::default() };
    edits.update_article(request).await.unwrap().into_inner().article.unwrap()
}

/// Returns true if a reader gets the article, in a read at least as fresh as its change token.
async fn is_readable(server: &TestServer, article: &Article) -> bool {
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(article.change_token.clone()));
    let consistency = Some(Consistency { requirement });
    let request = GetArticleRequest { name: article.name.clone(), consistency, ..Default::default() };
    match server.retrieval().await.get_article(request).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::NotFound);
            false
        }
    }
}

#[tokio::test]
async fn repeated_ingest_keeps_embargo_and_expiry() {
    for way in [Way::Article, Way::Page, Way::FeedItem] {
        for embargoed in [true, false] {
            let server = TestServer::start().await;
            let mut writes = server.ingestion().await;
            let state = if embargoed { ArticleState::Embargoed } else { ArticleState::Expired };
            let hidden = |version| match embargoed {
                true => Document { embargo_time: from_now(3_600), ..document(way, version) },
                false => Document { expire_time: from_now(-60), ..document(way, version) },
            };
            let first = hidden(1);
            let times = (first.embargo_time, first.expire_time);
            // Without it, it is repeated word for word, and then with other words.
            for (sent, outcome) in [
                (first, IngestOutcome::Created),
                (document(way, 1), IngestOutcome::Unchanged),
                (document(way, 2), IngestOutcome::Revised),
            ] {
                for (article, done) in send(&mut writes, sent).await {
                    assert_eq!((done, article.state()), (outcome, state), "{way:?}");
                    let stands = (article.embargo_time, article.expire_time);
                    let micros =
                        |time: Option<prost_types::Timestamp>| time.map(|time| (time.seconds, time.nanos / 1_000));
                    assert_eq!((micros(stands.0), micros(stands.1)), (micros(times.0), micros(times.1)), "{way:?}");
                    assert!(!is_readable(&server, &article).await, "{way:?}");
                }
            }
            // An explicit value does change it.
            let lifted = match embargoed {
                true => Document { embargo_time: from_now(-60), ..document(way, 2) },
                false => Document { expire_time: from_now(3_600), ..document(way, 2) },
            };
            for (article, done) in send(&mut writes, lifted).await {
                assert_eq!((done, article.state()), (IngestOutcome::Revised, ArticleState::Active), "{way:?}");
                assert!(is_readable(&server, &article).await, "{way:?}");
            }
        }
    }
}

#[tokio::test]
async fn times_set_by_an_editor_are_changed_only_by_editors() {
    for way in [Way::Article, Way::Page, Way::FeedItem] {
        let server = TestServer::start().await;
        let (mut writes, mut edits) = (server.ingestion().await, server.editorial().await);
        let created = send(&mut writes, document(way, 1)).await;
        for (article, _) in &created {
            let held = Article { embargo_time: from_now(3_600), name: article.name.clone(), ..Default::default() };
            assert_eq!(edit(&mut edits, held, "embargo_time").await.state(), ArticleState::Embargoed);
        }
        // One word differs; and a value of the publisher's own.
        for sent in [document(way, 2), Document { embargo_time: from_now(-60), ..document(way, 3) }] {
            for (article, done) in send(&mut writes, sent).await {
                assert_eq!((done, article.state()), (IngestOutcome::Revised, ArticleState::Embargoed), "{way:?}");
                assert!(!is_readable(&server, &article).await, "{way:?}");
            }
        }
        // The publisher does not set an embargo again that an editor has lifted.
        for (article, _) in &created {
            let open = Article { name: article.name.clone(), ..Default::default() };
            assert_eq!(edit(&mut edits, open, "embargo_time").await.state(), ArticleState::Active);
        }
        let sent = Document { embargo_time: from_now(3_600), ..document(way, 4) };
        for (article, done) in send(&mut writes, sent).await {
            assert_eq!((done, article.state()), (IngestOutcome::Revised, ArticleState::Active), "{way:?}");
            assert!(is_readable(&server, &article).await, "{way:?}");
        }
    }
}

/// A page says when it may be shown, in every way that pages have to say it: that is its publisher's advice to others.
#[tokio::test]
async fn page_metadata_sets_no_embargo_and_no_expiry() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let own = "<meta property=\"article:expiration_time\" content=\"2001-01-01T00:00:00Z\">
        <meta name=\"expires\" content=\"2001-01-01T00:00:00Z\"><meta name=\"embargo\" content=\"2999-01-01T00:00:00Z\">
        <script type=\"application/ld+json\">{\"@context\":\"https://schema.org\",\"@type\":\"NewsArticle\",
        \"expires\":\"2001-01-01\",\"embargo_time\":\"2999-01-01\",\"expire_time\":\"2001-01-01\",
        \"datePublished\":\"2026-01-01\"}</script></head>";
    let html = Payload::Html(PAGE.replace("</head>", own));
    let page = Document { payload: Some(html), url: "https://herald.example/a".into(), ..Default::default() };
    let (article, _) = send(&mut writes, page).await.remove(0);
    assert_eq!((article.embargo_time, article.expire_time), (None, None));
    assert!(is_readable(&server, &article).await);
}

#[tokio::test]
async fn contradicting_times_are_rejected_by_field_name() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    send(&mut writes, Document { expire_time: from_now(3_600), ..document(Way::Article, 1) }).await;
    let later = Document { embargo_time: from_now(7_200), ..document(Way::Article, 1) };
    let request = IngestArticleRequest { document: Some(later), ..Default::default() };
    let refused = writes.ingest_article(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let message = refused.message();
    assert!(
        message.contains("embargo_time") && message.contains("expire_time") && message.contains("send both"),
        "{message}"
    );
}
