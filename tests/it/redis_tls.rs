//! Redis with TLS and the tests' certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::cache::{RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Store};
use copydesk::telemetry::RedisMetrics;

use crate::conformance::fixtures::{at, id, ingest, titled, write};
use crate::redis_nodes::RedisCluster;
use crate::support::certificates::CertificateAuthority;
use crate::support::process::run;
use crate::support::redis_server::{RedisServer, free_port};

/// Returns the configuration for a certificate for `localhost`, and the TLS port.
fn config(authority: &CertificateAuthority, dir: &Path) -> (String, u16) {
    authority.write_server_certificate(dir);
    std::fs::write(dir.join("ca.pem"), &authority.pem).unwrap();
    let (port, dir) = (free_port(), dir.display());
    let config = format!(
        "tls-port {port}\ntls-cert-file {dir}/server.crt\ntls-key-file {dir}/server.key\n\
         tls-ca-cert-file {dir}/ca.pem\ntls-auth-clients no"
    );
    (config, port)
}

/// Reads until Redis answers.
async fn cached(cache: &RedisCache) {
    let until = Instant::now() + Duration::from_secs(20);
    while cache.get(&[id("a")], Consistency::Bounded).await.unwrap().remove(0).from != Layer::Redis {
        assert!(Instant::now() < until, "{:?}", cache.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn tls_is_used_and_the_server_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    let (config, port) = config(&CertificateAuthority::new(), dir.path());
    let _redis = RedisServer::configured(&config);
    std::fs::write(&other, CertificateAuthority::new().pem).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path().join("store"))).unwrap());
    write(&store, ingest("a", titled("edition 1"), at(0))).await.unwrap();
    let cache = |host: &str, ca: &Path| {
        let options = RedisOptions::trusting(&format!("rediss://{host}:{port}"), Some(ca)).unwrap();
        RedisCache::new(Arc::clone(&store), options, RedisMetrics::default())
    };
    // A wrong name, and a wrong CA. They get more time than the valid one takes.
    let rejected = [cache("127.0.0.1", &ca), cache("localhost", &other)];
    let accepted = cache("localhost", &ca);
    cached(&accepted).await;
    for cache in &rejected {
        assert_eq!(cache.metrics().breaker_open.get(), 1);
        assert_eq!(cache.get(&[id("a")], Consistency::Bounded).await.unwrap().remove(0).from, Layer::Store);
    }
}

/// Its nodes announce their addresses, and must present a certificate for them.
#[tokio::test]
async fn cluster_nodes_are_reached_by_tls_at_announced_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let (config, port) = config(&CertificateAuthority::new(), dir.path());
    let config = format!(
        "{config}\ntls-cluster yes\ncluster-announce-hostname localhost\ncluster-preferred-endpoint-type hostname"
    );
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path().join("store"))).unwrap());
    write(&store, ingest("a", titled("edition 1"), at(0))).await.unwrap();
    let cluster = RedisCluster::configured(1, 0, &config);
    let url = format!("rediss-cluster://localhost:{port}");
    let options = RedisOptions::trusting(&url, Some(&dir.path().join("ca.pem"))).unwrap();
    let cache = RedisCache::new(Arc::clone(&store), options, RedisMetrics::default());
    cached(&cache).await;
    // It announces a name that its certificate does not have.
    cluster.nodes[0].ask::<()>(&["CONFIG", "SET", "cluster-announce-hostname", "127.0.0.1"]);
    let until = Instant::now() + Duration::from_secs(20);
    while cache.metrics().breaker_open.get() == 0 {
        assert!(Instant::now() < until, "{:?}", cache.metrics());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(cache.get(&[id("a")], Consistency::Bounded).await.unwrap().remove(0).from, Layer::Store);
}

#[test]
fn invalid_ca_files_fail_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = dir.path().join("missing.pem");
    for (cache, ca) in [("rediss://localhost", &empty), ("rediss://localhost", &missing), ("redis://localhost", &empty)]
    {
        let (code, _, errors) = run(&["config", "--cache", cache, "--cache-ca", ca.to_str().unwrap()]);
        assert_ne!(code, 0);
        assert!(errors.contains("cache-ca"), "{errors}");
    }
}
