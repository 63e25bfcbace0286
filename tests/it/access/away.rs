//! While keys cannot be read, nobody knows whether one has been taken back: so none is taken for longer than the bound.

use copydesk::access::AccessOptions;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_types::StatusExt;

use super::{SOON, client, desk, end_of, guarded, key, read, reason, until_read};
use crate::database::Cluster;
use crate::support::TestServer;

#[tokio::test]
async fn a_database_that_does_not_answer_lets_nobody_in_by_key() {
    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let server = TestServer::with(|options| {
        options.store = StoreOptions::Postgres(Box::new(database.options()));
        // The articles may be old: then reads would be answered, if it were not for the keys.
        options.cache.as_mut().unwrap().staleness_bound = SOON * 10;
        guarded(options, None);
    })
    .await;
    let keys = StoreOptions::Postgres(Box::new(database.options())).keys().await.unwrap();
    let (id, text) = key(&keys, "articles.read", |_| {}).await;
    let mut reader = client(&server, &text).await;
    until_read(&reader, Code::NotFound).await;
    let watch = reader.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();

    cluster.freeze();
    let refused = until_read(&reader, Code::Unavailable).await;
    // It is refused for the key, as the store's own outage would be told otherwise.
    let told = async {
        let mut refused = refused;
        while reason(&refused) != "CREDENTIALS_UNAVAILABLE" {
            refused = read(&reader).await;
        }
        refused
    };
    let refused = tokio::time::timeout(SOON, told).await.unwrap();
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let ended = end_of(watch).await;
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "CREDENTIALS_UNAVAILABLE"));
    for _ in 0..100 {
        assert_eq!(reason(&read(&reader).await), "CREDENTIALS_UNAVAILABLE", "once and for all");
    }
    reader.health.check(HealthCheckRequest::default()).await.expect("probes are answered");

    cluster.thaw();
    until_read(&reader, Code::NotFound).await;
    assert!(keys.revoke_key(&id, jiff::Timestamp::now()).await.unwrap());
    until_read(&reader, Code::Unauthenticated).await;
}

#[tokio::test]
async fn a_file_of_keys_that_is_gone_is_not_a_file_without_keys() {
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.read", |_| {}).await;
    let reader = client(&server, &text).await;
    until_read(&reader, Code::NotFound).await;
    let (file, aside) = (server.dir.path().join("keys.db"), server.dir.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    assert_eq!(reason(&until_read(&reader, Code::Unavailable).await), "CREDENTIALS_UNAVAILABLE");
    std::fs::rename(&aside, &file).unwrap();
    until_read(&reader, Code::NotFound).await;
}

/// A bound of nothing would never be kept; what is meant is as short as can be.
#[tokio::test]
async fn the_shortest_bound_lets_callers_in() {
    let (server, keys) = desk(|options| {
        options.access = Some(AccessOptions { staleness_bound: std::time::Duration::ZERO, rate: None, jwt: None });
    })
    .await;
    let (_, text) = key(&keys, "articles.read", |_| {}).await;
    until_read(&client(&server, &text).await, Code::NotFound).await;
}
