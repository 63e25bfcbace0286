//! A Redis that speaks TLS, with certificates of the tests' own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::cache::{RedisCache, RedisOptions};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Consistency, Layer, Store};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::conformance::fixtures::{at, id, ingest, titled, write};
use crate::process::run;
use crate::redis_server::{RedisServer, free_port};

/// An authority that vouches for a server by its name, and not by its address.
struct Authority(Issuer<'static, KeyPair>, String);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self(Issuer::new(params, key), certificate)
    }

    /// A server with a certificate for `localhost`, and the port where it speaks TLS.
    fn vouch(&self, dir: &Path) -> (RedisServer, u16) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &self.0).unwrap();
        std::fs::write(dir.join("server.crt"), certificate.pem()).unwrap();
        std::fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
        std::fs::write(dir.join("ca.pem"), &self.1).unwrap();
        let (port, dir) = (free_port(), dir.display());
        let config = format!(
            "tls-port {port}\ntls-cert-file {dir}/server.crt\ntls-key-file {dir}/server.key\n\
             tls-ca-cert-file {dir}/ca.pem\ntls-auth-clients no"
        );
        (RedisServer::configured(&config), port)
    }
}

#[tokio::test]
async fn tls_is_spoken_and_who_answers_is_looked_at() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    let (_redis, port) = Authority::new().vouch(dir.path());
    std::fs::write(&other, Authority::new().1).unwrap();
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
