//! How much one caller may do.

use std::time::{Duration, Instant};

use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic_types::StatusExt;

use super::{client, desk, key, read, reason, until_read};
use crate::support::{invented, ready};

#[tokio::test]
async fn a_caller_that_has_had_its_share_is_told_when_there_is_more() {
    let (server, keys) = desk(|options| options.access.as_mut().unwrap().rate = Some("3/h".parse().unwrap())).await;
    let (id, own) = key(&keys, "articles.read", |key| key.rate = "7/h".into()).await;
    let (_, default) = key(&keys, "articles.read", |_| {}).await;
    // Refused ones are not counted until the keys are known.
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

/// The first second's worth comes at once, and then as fast as it flows in; nothing of it is refused.
#[tokio::test]
async fn a_stream_of_documents_is_slowed_down_and_not_refused() {
    const SENT: usize = 50;
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.write", |key| key.rate = "20/s".into()).await;
    let mut feed = client(&server, &text).await;
    until_read(&feed, Code::PermissionDenied).await;
    let requests = (0..SENT).map(|number| IngestArticlesRequest {
        sequence: number as i64,
        document: Some(ready(invented(number))),
        brief: true,
        ..Default::default()
    });
    let began = Instant::now();
    let answers = feed.ingestion.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
    let answers: Vec<_> = answers.collect().await;
    let taken = answers.into_iter().filter(|answer| {
        matches!(answer.as_ref().unwrap().result, Some(ingest_articles_response::Result::Ingested(_)))
    });
    assert_eq!(taken.count(), SENT);
    // 20 at once and 30 more at 20 a second: it cannot have been sooner.
    assert!(began.elapsed() > Duration::from_millis(1_400), "{:?}", began.elapsed());
}
