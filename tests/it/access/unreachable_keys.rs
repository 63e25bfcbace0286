//! Unreadable keys: a revocation may be unknown, so no key is accepted for longer than the bound.

use copydesk::access::{AccessOptions, JwksSource, JwtOptions};
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use super::{SOON, client, desk, end_of, guarded, key, read, reason, until, until_read};
use crate::support::database::Cluster;
use crate::support::token_issuer::{AUDIENCE, ISSUER, Signer, claims, publish, set};
use crate::test_server::TestServer;

#[tokio::test]
async fn rejects_keys_while_the_database_does_not_answer() {
    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let server = TestServer::with(|options| {
        options.store = StoreOptions::Postgres(Box::new(database.options()));
        // A long staleness bound of articles: only the keys prevent reads.
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
    // The reason must become that of the credential, not that of the store's outage.
    let reached = async {
        let mut refused = refused;
        while reason(&refused) != "CREDENTIALS_UNAVAILABLE" {
            refused = read(&reader).await;
        }
        refused
    };
    let refused = tokio::time::timeout(SOON, reached).await.unwrap();
    assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
    let ended = end_of(watch).await;
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unavailable, "CREDENTIALS_UNAVAILABLE"));
    for _ in 0..100 {
        assert_eq!(reason(&read(&reader).await), "CREDENTIALS_UNAVAILABLE", "the reason changed");
    }
    reader.health.check(HealthCheckRequest::default()).await.expect("probes are answered");

    cluster.thaw();
    until_read(&reader, Code::NotFound).await;
    assert!(keys.revoke_key(&id, jiff::Timestamp::now()).await.unwrap());
    until_read(&reader, Code::Unauthenticated).await;
}

#[tokio::test]
async fn a_missing_key_file_is_not_treated_as_empty() {
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "articles.read", |_| {}).await;
    let reader = client(&server, &text).await;
    until_read(&reader, Code::NotFound).await;
    let (file, moved) = (server.dir.path().join("keys.db"), server.dir.path().join("moved"));
    std::fs::rename(&file, &moved).unwrap();
    assert_eq!(reason(&until_read(&reader, Code::Unavailable).await), "CREDENTIALS_UNAVAILABLE");
    std::fs::rename(&moved, &file).unwrap();
    until_read(&reader, Code::NotFound).await;
}

/// A bound of zero cannot be kept, and means the shortest possible one.
#[tokio::test]
async fn a_revocation_bound_of_zero_accepts_valid_keys() {
    let (server, keys) = desk(|options| {
        options.access = Some(AccessOptions { staleness_bound: std::time::Duration::ZERO, rate: None, jwt: None });
    })
    .await;
    let (_, text) = key(&keys, "articles.read", |_| {}).await;
    until_read(&client(&server, &text).await, Code::NotFound).await;
}

/// Returns the readiness, on which both ports must agree.
async fn is_ready(server: &TestServer) -> bool {
    let mut health = HealthClient::new(server.channel().await);
    let mut status = async |service: &str| {
        health.check(HealthCheckRequest { service: service.into() }).await.unwrap().into_inner().status()
    };
    // The server is live in any case.
    assert_eq!(status("").await, ServingStatus::Serving);
    assert!(server.http("/livez").await.starts_with("HTTP/1.0 200"));
    let before = server.http("/readyz").await;
    let mut by_grpc = Vec::new();
    for service in ["RetrievalService", "IngestionService", "EditorialService"] {
        by_grpc.push(status(&format!("copydesk.v1.{service}")).await == ServingStatus::Serving);
    }
    let by_http = server.http("/readyz").await;
    if before.lines().last() == by_http.lines().last() {
        assert_eq!(by_grpc, [by_http.ends_with("\nready\n"); 3], "{by_http}");
    }
    assert!(by_http.ends_with("\nready\n") || by_http.ends_with("credentials cannot be checked\n"), "{by_http}");
    by_http.starts_with("HTTP/1.0 200")
}

#[tokio::test]
async fn a_server_is_not_ready_while_its_keys_cannot_be_read() {
    let (server, _) = desk(|_| {}).await;
    assert!(is_ready(&server).await, "not ready with an empty set of keys");
    let (file, moved) = (server.dir.path().join("keys.db"), server.dir.path().join("moved"));
    std::fs::rename(&file, &moved).unwrap();
    until("the server is not ready", async || !is_ready(&server).await).await;
    std::fs::rename(&moved, &file).unwrap();
    until("the server is ready", async || is_ready(&server).await).await;
}

#[tokio::test]
async fn a_server_is_not_ready_before_it_has_read_the_keys_of_its_issuer() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let keys = JwksSource::new(file.to_str().unwrap(), None).unwrap();
    let options = JwtOptions { issuer: ISSUER.into(), audience: AUDIENCE.into(), keys, max_lifetime: None };
    let server = TestServer::with(|server| guarded(server, Some(options))).await;
    assert!(!is_ready(&server).await, "ready before the key set was read");
    let signer = Signer::ed();
    publish(&file, &set(&[signer.published("a")]));
    until("the server is ready", async || is_ready(&server).await).await;
    assert_eq!(read(&client(&server, &signer.token("a", &claims())).await).await.code(), Code::NotFound);
    // Keys that were read once are trusted for a while; an empty set is valid, too.
    publish(&file, &set(&[]));
    until_read(&client(&server, &signer.token("a", &claims())).await, Code::Unauthenticated).await;
    assert!(is_ready(&server).await);
}
