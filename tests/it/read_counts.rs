//! Reads that callers report, over the wire: what counts, what is listed, and who sees it.

use std::time::Duration;

use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use copydesk::server::{ServerOptions, StoreOptions};
use jiff::Timestamp;
use tonic::Code;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest, invented};

type Reads = RetrievalServiceClient<Channel>;

/// Maximum time until reads must be listed.
const SOON: Duration = Duration::from_secs(20);

fn reads(article: &str, read_count: i64) -> ArticleReads {
    ArticleReads { article: article.to_owned(), read_count, read_time: None }
}

/// Returns reads of some minutes ago; of a negative number of minutes, in the future.
fn earlier(article: &str, read_count: i64, minutes: i64) -> ArticleReads {
    let seconds = Timestamp::now().as_second() - 60 * minutes;
    ArticleReads { read_time: Some(prost_types::Timestamp { seconds, nanos: 0 }), ..reads(article, read_count) }
}

async fn record(client: &mut Reads, reads: &[ArticleReads]) {
    client.record_reads(RecordReadsRequest { reads: reads.to_vec() }).await.unwrap();
}

async fn list(client: &mut Reads, request: ListMostReadArticlesRequest) -> Vec<(String, i64)> {
    let page = client.list_most_read_articles(request).await.unwrap().into_inner();
    page.most_read_articles.into_iter().map(|read| (read.article.unwrap().name, read.read_count)).collect()
}

/// Waits until these articles are listed.
async fn listed(client: &mut Reads, expected: &[(&str, i64)]) {
    let expected: Vec<(String, i64)> = expected.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    let mut found = Vec::new();
    let reached = async {
        loop {
            found = list(client, ListMostReadArticlesRequest::default()).await;
            if found == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let late = tokio::time::timeout(SOON, reached).await.is_err();
    assert!(!late, "found {found:?}, not {expected:?}");
}

fn hours(hours: i64) -> Option<prost_types::Duration> {
    Some(prost_types::Duration { seconds: hours * 3_600, nanos: 0 })
}

async fn server_with(count: usize) -> (TestServer, Vec<String>) {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let mut names = Vec::new();
    for number in 0..count {
        names.push(ingest(&mut writes, invented(number)).await.article.unwrap().name);
    }
    (server, names)
}

#[tokio::test]
async fn articles_are_listed_by_their_reads() {
    let (server, names) = server_with(4).await;
    let mut client = server.retrieval().await;
    let [a, b, c, _] = &names[..] else { unreachable!() };
    assert_eq!(list(&mut client, ListMostReadArticlesRequest::default()).await, []);
    record(&mut client, &[reads(a, 5), reads(b, 4), reads(c, 1), reads(b, 6)]).await;
    listed(&mut client, &[(b, 10), (a, 5), (c, 1)]).await;
    record(&mut client, &[reads(c, 1_000_000)]).await;
    listed(&mut client, &[(c, 1_000_001), (b, 10), (a, 5)]).await;

    let mut request = ListMostReadArticlesRequest { page_size: 1, ..Default::default() };
    let mut pages = Vec::new();
    loop {
        let page = client.list_most_read_articles(request.clone()).await.unwrap().into_inner();
        pages.extend(page.most_read_articles.into_iter().map(|read| read.article.unwrap()));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    let listed: Vec<&str> = pages.iter().map(|article| article.name.as_str()).collect();
    assert_eq!(listed, [c, b, a]);
    assert!(pages.iter().all(|article| article.body.is_empty() && !article.headline.is_empty()), "the view is BASIC");

    // The tag of articles 0 and 3.
    let filter = ArticleFilter { tags: Some(StringCondition::any_of(["ferry-0".to_owned()])), ..Default::default() };
    let filtered = ListMostReadArticlesRequest { filter: Some(filter), ..Default::default() };
    assert_eq!(list(&mut client, filtered).await, [(a.clone(), 5)]);
    server.until_metric("copydesk_recorded_reads_total 1000016").await;
}

#[tokio::test]
async fn hidden_articles_are_neither_listed_nor_counted() {
    let (server, names) = server_with(3).await;
    let (mut client, mut editorial) = (server.retrieval().await, server.editorial().await);
    let [a, b, c] = &names[..] else { unreachable!() };
    record(&mut client, &[reads(a, 5), reads(b, 10), reads(c, 1)]).await;
    listed(&mut client, &[(b, 10), (a, 5), (c, 1)]).await;
    let request = WithdrawArticleRequest { name: b.clone(), ..Default::default() };
    let token = editorial.withdraw_article(request).await.unwrap().into_inner().article.unwrap().change_token;
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(token));
    let fresh = ListMostReadArticlesRequest { consistency: Some(Consistency { requirement }), ..Default::default() };
    assert_eq!(list(&mut client, fresh).await, [(a.clone(), 5), (c.clone(), 1)]);

    // The answers for hidden, unknown and readable articles are the same.
    record(&mut client, &[reads(b, 100), reads("articles/unknown", 100), reads(c, 1)]).await;
    listed(&mut client, &[(a, 5), (c, 2)]).await;
    let request = ReinstateArticleRequest { name: b.clone(), ..Default::default() };
    editorial.reinstate_article(request).await.unwrap();
    listed(&mut client, &[(b, 10), (a, 5), (c, 2)]).await;

    let request = PurgeArticleRequest { name: b.clone(), ..Default::default() };
    editorial.purge_article(request).await.unwrap();
    listed(&mut client, &[(a, 5), (c, 2)]).await;
}

#[tokio::test]
async fn a_period_has_the_reads_of_its_hours() {
    let (server, names) = server_with(4).await;
    let mut client = server.retrieval().await;
    let [a, b, c, d] = &names[..] else { unreachable!() };
    let day = 24 * 60;
    let sent = [
        reads(a, 1),
        earlier(b, 20, 3 * 60),
        earlier(c, 30, 2 * day),
        // Too old, and by a clock that is a little ahead.
        earlier(d, 40, 8 * day),
        earlier(a, 1, -4),
    ];
    record(&mut client, &sent).await;
    // Earlier hours are read again in turn, one each time.
    listed(&mut client, &[(b, 20), (a, 2)]).await;
    let week = ListMostReadArticlesRequest { period: hours(7 * 24), ..Default::default() };
    let reached = async {
        while list(&mut client, week.clone()).await.len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, reached).await.expect("the reads of two days ago are listed");
    let [b, c, a] = [(b, 20), (c, 30), (a, 2)].map(|(name, count)| (name.clone(), count));
    assert_eq!(list(&mut client, week).await, [c, b, a.clone()]);
    let hour = ListMostReadArticlesRequest { period: hours(1), ..Default::default() };
    assert_eq!(list(&mut client, hour).await, [a]);
}

#[tokio::test]
async fn invalid_reads_name_the_field_and_count_nothing() {
    let (server, names) = server_with(1).await;
    let mut client = server.retrieval().await;
    let valid = || reads(&names[0], 1);
    let nanos = ArticleReads { read_time: Some(prost_types::Timestamp { seconds: 0, nanos: -1 }), ..valid() };
    for (sent, expected) in [
        (vec![], vec!["reads"]),
        (vec![valid(); 1_001], vec!["reads"]),
        (vec![valid(), reads(&names[0], -1)], vec!["reads[1].read_count"]),
        (vec![reads(&names[0], 0), valid()], vec!["reads[0].read_count"]),
        (vec![reads(&names[0], 1_000_001)], vec!["reads[0].read_count"]),
        (
            vec![reads(&names[0], i64::MAX), reads(&names[0], i64::MIN)],
            vec!["reads[0].read_count", "reads[1].read_count"],
        ),
        (vec![valid(), earlier(&names[0], 1, -6)], vec!["reads[1].read_time"]),
        (vec![nanos], vec!["reads[0].read_time"]),
        (vec![reads("x", 0)], vec!["reads[0].article", "reads[0].read_count"]),
        (vec![reads("", 1), reads("articles/A", 1)], vec!["reads[0].article", "reads[1].article"]),
        (vec![reads(&format!("{}/revisions/1", names[0]), 1)], vec!["reads[0].article"]),
    ] {
        let refused = client.record_reads(RecordReadsRequest { reads: sent }).await.unwrap_err();
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, expected.iter().map(|field| (*field).to_owned()).collect())
        );
    }
    record(&mut client, &vec![valid(); 1_000]).await;
    listed(&mut client, &[(&names[0], 1_000)]).await;

    let request = ListMostReadArticlesRequest::default;
    let one_per_story = ArticleFilter { one_per_story: true, ..Default::default() };
    let negative = Some(prost_types::Duration { seconds: -3_600, nanos: 0 });
    for (request, field) in [
        (ListMostReadArticlesRequest { period: hours(0), ..request() }, "period"),
        (ListMostReadArticlesRequest { period: hours(7 * 24 + 1), ..request() }, "period"),
        (ListMostReadArticlesRequest { period: negative, ..request() }, "period"),
        (ListMostReadArticlesRequest { page_size: -1, ..request() }, "page_size"),
        (ListMostReadArticlesRequest { page_token: "x".into(), ..request() }, "page_token"),
        (ListMostReadArticlesRequest { filter: Some(one_per_story), ..request() }, "filter.one_per_story"),
    ] {
        let refused = client.list_most_read_articles(request).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]));
    }
}

#[tokio::test]
async fn a_restart_keeps_counts() {
    let rarely = |options: &mut ServerOptions| options.read_count_interval = Duration::from_secs(3_600);
    let server = TestServer::with(rarely).await;
    let name = ingest(&mut server.ingestion().await, invented(1)).await.article.unwrap().name;
    // Stored at the end.
    record(&mut server.retrieval().await, &[reads(&name, 7)]).await;
    let dir = server.stop().await;
    let server = TestServer::on(dir, rarely).await;
    let mut client = server.retrieval().await;
    assert_eq!(list(&mut client, ListMostReadArticlesRequest::default()).await, [(name, 7)]);
}

async fn replica(database: &Database) -> TestServer {
    TestServer::with(|options| options.store = StoreOptions::Postgres(Box::new(database.options()))).await
}

#[tokio::test]
async fn every_replica_has_the_reads_of_all() {
    let database = Cluster::shared().database().await;
    let (one, other) = (replica(&database).await, replica(&database).await);
    let mut writes = one.ingestion().await;
    let a = ingest(&mut writes, invented(1)).await.article.unwrap().name;
    let b = ingest(&mut writes, invented(2)).await.article.unwrap().name;
    let mut clients = [one.retrieval().await, other.retrieval().await];
    record(&mut clients[0], &[reads(&a, 3), reads(&b, 4)]).await;
    record(&mut clients[1], &[reads(&a, 2)]).await;
    for client in &mut clients {
        listed(client, &[(&a, 5), (&b, 4)]).await;
    }
}
