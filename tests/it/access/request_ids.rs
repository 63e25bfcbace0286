//! A request ID belongs to its caller.

use copydesk::proto::*;
use tonic::Code;

use super::{client, desk, key, until_read};
use crate::test_server::{invented, ready};

#[tokio::test]
async fn two_callers_may_use_one_request_id() {
    let (server, keys) = desk(|_| {}).await;
    let mut names = Vec::new();
    for number in 1..=2 {
        let (_, text) = key(&keys, "articles.write articles.read", |_| {}).await;
        let mut caller = client(&server, &text).await;
        // The server has read the new key.
        until_read(&caller, Code::NotFound).await;
        let document = Some(ready(invented(number)));
        let request = IngestArticleRequest { document, request_id: "1".into(), ..Default::default() };
        let mut send = async || {
            let answered = caller.ingestion.ingest_article(request.clone()).await.unwrap().into_inner();
            answered.into_first().unwrap()
        };
        let (first, again) = (send().await, send().await);
        assert_eq!(first, again, "the second call gets the response of the first");
        names.push(first.article.unwrap().name);
    }
    assert_ne!(names[0], names[1]);
}
