//! A Redis that speaks TLS, with certificates of the tests' own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::cache::{RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Store};

use crate::authority::Authority;
use crate::conformance::fixtures::{at, id, ingest, titled, write};
use crate::process::run;
use crate::redis_server::{RedisServer, free_port};

/// A server with a certificate for `localhost`, and the port where it speaks TLS.
fn server(authority: &Authority, dir: &Path) -> (RedisServer, u16) {
    authority.vouch(dir);
    std::fs::write(dir.join("ca.pem"), &authority.pem).unwrap();
    let (port, dir) = (free_port(), dir.display());
    let config = format!(
        "tls-port {port}\ntls-cert-file {dir}/server.crt\ntls-key-file {dir}/server.key\n\
         tls-ca-cert-file {dir}/ca.pem\ntls-auth-clients no"
    );
    (RedisServer::configured(&config), port)
}

#[tokio::test]
async fn tls_is_spoken_and_who_answers_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    let (_redis, port) = server(&Authority::new(), dir.path());
    std::fs::write(&other, Authority::new().pem).unwrap();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path().join("store"))).unwrap());
    write(&store, ingest("a", titled("edition 1"), at(0))).await.unwrap();
    let cache = |host: &str, ca: &Path| {
        let options = RedisOptions::trusting(&format!("rediss://{host}:{port}"), Some(ca)).unwrap();
        RedisCache::new(Arc::clone(&store), options)
    };
    // The wrong name, and the wrong authority. They have all the time that the right one takes, and more.
    let wrong = [cache("127.0.0.1", &ca), cache("localhost", &other)];
    let right = cache("localhost", &ca);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let fetched = right.get(&[id("a")], Consistency::Bounded).await.unwrap().remove(0);
        if fetched.from == Layer::Redis {
            break;
        }
        assert!(Instant::now() < until, "{:?}", right.stats());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for wrong in &wrong {
        assert!(wrong.stats().breaker_open);
        assert_eq!(wrong.get(&[id("a")], Consistency::Bounded).await.unwrap().remove(0).from, Layer::Store);
    }
}

#[test]
fn what_is_no_certificate_is_refused_at_the_start() {
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
