//! Rate limits of callers.

use std::time::{Duration, Instant};

use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;

use super::{client, desk, key, read, reason, until_read};
use crate::test_server::{invented, ready};

#[tokio::test]
async fn rejections_by_rate_carry_a_retry_delay() {
    let (server, keys) = desk(|options| options.access.as_mut().unwrap().rate = Some("3/h".parse().unwrap())).await;
    let (id, own) = key(&keys, "articles.read", |key| key.rate = "7/h".into()).await;
    let (_, default) = key(&keys, "articles.read", |_| {}).await;
    // Calls do not count until the keys are known.
    let (own, default) = (client(&server, &own).await, client(&server, &default).await);
    until_read(&own, Code::NotFound).await;
    until_read(&default, Code::NotFound).await;
    for (caller, left) in [(&own, 6), (&default, 2)] {
        for call in 0..left {
            assert_eq!(read(caller).await.code(), Code::NotFound, "call {call}");
        }
        let refused = read(caller).await;
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
        let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!(wait > Duration::from_secs(60) && wait <= Duration::from_secs(3_600), "{wait:?}");
        let pushback: u64 =
            refused.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!(u128::from(pushback), wait.as_millis());
    }
    let violations = read(&own).await.get_details_quota_failure().unwrap().violations;
    assert_eq!(violations[0].subject, format!("key:{id}"));
    assert!(violations[0].description.contains("7/h"), "{violations:?}");
}

/// The burst passes at once and the rest at the rate; nothing is refused.
#[tokio::test]
async fn document_streams_are_throttled_not_rejected() {
    const SENT: usize = 50;
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.write", |key| key.rate = "20/s".into()).await;
    let mut feed = client(&server, &text).await;
    until_read(&feed, Code::PermissionDenied).await;
    let requests = (0..SENT).map(|number| IngestArticlesRequest {
        brief: true,
        ..IngestArticlesRequest::of(number as i64, ready(invented(number)))
    });
    let began = Instant::now();
    let answers = feed.ingestion.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    let taken = answers.into_iter().filter(|answer| {
        matches!(answer.as_ref().unwrap().result, Some(ingest_articles_response::Result::Ingested(_)))
    });
    assert_eq!(taken.count(), SENT);
    // 20 at once and 30 more at 20 per second take at least this long.
    assert!(began.elapsed() > Duration::from_millis(1_400), "{:?}", began.elapsed());
}

/// Returns a feed of `items` items.
fn feed(items: usize) -> Document {
    let items: String = (0..items)
        .map(|number| {
            format!(
                "<item><title>Ferry {number} returns</title><link>https://herald.example/feed/{number}</link>\
                 <description>The ferry numbered {number} came back to the harbour on Tuesday.</description></item>"
            )
        })
        .collect();
    let text = format!("<rss version=\"2.0\"><channel><title>Harbour</title>{items}</channel></rss>");
    let raw = RawPayload::new(text, "application/rss+xml");
    Document {
        payload: Some(document::Payload::Raw(raw)),
        url: "https://herald.example/feed.rss".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn each_item_of_a_feed_counts_as_a_document() {
    let (server, keys) = desk(|_| {}).await;
    let (id, text) = key(&keys, "articles.read articles.write", |key| key.rate = "20/h".into()).await;
    let (_, unlimited) = key(&keys, "articles.read", |_| {}).await;
    let (caller, reader) = (client(&server, &text).await, client(&server, &unlimited).await);
    until_read(&reader, Code::NotFound).await;
    until_read(&caller, Code::NotFound).await;
    let ingest = async |items, validate_only| {
        let request = IngestArticleRequest { document: Some(feed(items)), validate_only, ..Default::default() };
        caller.ingestion.clone().ingest_article(request).await
    };
    let stored = async || {
        let full = Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) };
        let request = ListArticlesRequest { consistency: Some(full), ..Default::default() };
        reader.retrieval.clone().list_articles(request).await.unwrap().into_inner().articles.len()
    };
    // 19 are left. Validation takes 12 of them, and ingestion 5.
    ingest(12, true).await.expect("12 items are within the rate");
    let taken = ingest(5, false).await.expect("5 items are within the rate").into_inner();
    assert_eq!(taken.results.len(), 5);
    assert_eq!(stored().await, 5);
    let refused = ingest(3, false).await.expect_err("two documents are left");
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    assert_eq!(refused.get_details_quota_failure().unwrap().violations[0].subject, format!("key:{id}"));
    assert!(refused.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::from_secs(180));
    assert_eq!(stored().await, 5, "items of a refused feed were stored");
    // The refused call has counted as one, too; one is left.
    assert_eq!(read(&caller).await.code(), Code::NotFound);
    assert_eq!(reason(&read(&caller).await), "RATE_LIMITED");
}

/// A feed that exceeds the rate is accepted if the bucket is full, and then owed.
#[tokio::test]
async fn a_feed_above_the_rate_is_accepted_and_owed() {
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.write", |key| key.rate = "20/m".into()).await;
    let caller = client(&server, &text).await;
    let ingest = async |items| {
        let request = IngestArticleRequest { document: Some(feed(items)), ..Default::default() };
        caller.ingestion.clone().ingest_article(request).await
    };
    // Calls do not count until the key is known.
    let taken = async {
        loop {
            match ingest(50).await {
                Ok(taken) => return taken.into_inner(),
                Err(error) => assert_eq!(error.code(), Code::Unauthenticated, "{error:?}"),
            }
        }
    };
    let taken = tokio::time::timeout(Duration::from_secs(60), taken).await.expect("the feed is ingested");
    assert_eq!(taken.results.len(), 50);
    let refused = ingest(1).await.expect_err("the caller owes 30");
    assert_eq!(reason(&refused), "RATE_LIMITED");
    // 31 at 20 a minute, less what has flowed in since.
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(wait <= Duration::from_secs(93), "{wait:?}");
}

/// The feed waits, and so do the documents after it.
#[tokio::test]
async fn feeds_in_a_stream_are_throttled_by_items() {
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.write", |key| key.rate = "20/s".into()).await;
    let mut caller = client(&server, &text).await;
    until_read(&caller, Code::PermissionDenied).await;
    let documents = [feed(50), ready(invented(1))];
    let requests = documents.into_iter().enumerate().map(|(number, document)| IngestArticlesRequest {
        brief: true,
        ..IngestArticlesRequest::of(number as i64, document)
    });
    let began = Instant::now();
    let answers = caller.ingestion.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    let items = |answer: Result<IngestArticlesResponse, tonic::Status>| match answer.unwrap().result {
        Some(ingest_articles_response::Result::Ingested(ingested)) => ingested.results.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(answers.into_iter().map(items).collect::<Vec<_>>(), [50, 1]);
    // 20 at once and 30 more at 20 per second take at least this long.
    assert!(began.elapsed() > Duration::from_millis(1_400), "{:?}", began.elapsed());
}
