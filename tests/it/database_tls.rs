//! A PostgreSQL that speaks TLS, with certificates of the tests' own.

use std::path::Path;

use copydesk::store::postgres::{OpenError, PostgresOptions, PostgresStore};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::conformance::fixtures::{at, get, ingest, titled, write};
use crate::database::{Cluster, Database};
use crate::process::{Serve, run};

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

    /// Puts a certificate for `localhost` where a server looks for it.
    fn vouch(&self, data: &Path) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &self.0).unwrap();
        std::fs::write(data.join("server.crt"), certificate.pem()).unwrap();
        std::fs::write(data.join("server.key"), key.serialize_pem()).unwrap();
    }
}

/// The URL of a database by another name of its host.
fn url(database: &Database, host: &str, mode: &str) -> String {
    format!("{}?sslmode={mode}", database.url.replacen("127.0.0.1", host, 1))
}

#[tokio::test]
async fn tls_is_spoken_as_asked_and_who_answers_is_looked_at() {
    let authority = Authority::new();
    let cluster = Cluster::start_encrypted(|data| authority.vouch(data));
    let database = cluster.database_without_template().await;
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    std::fs::write(&ca, &authority.1).unwrap();
    std::fs::write(&other, Authority::new().1).unwrap();

    for mode in ["require", "verify-ca", "verify-full"] {
        let trusting =
            |host: &str, ca: Option<&Path>| PostgresOptions::trusting(&url(&database, host, mode), ca).unwrap();
        let store: std::sync::Arc<dyn copydesk::store::Store> =
            std::sync::Arc::new(PostgresStore::open(trusting("localhost", Some(&ca))).await.unwrap());
        write(&store, ingest(mode, titled("1"), at(0))).await.unwrap();
        assert!(get(&store, mode).await.is_some());
        assert_eq!(connections(&database, false).await, 0, "{mode}: all are encrypted");
        // The pools', the probe's, and the one that listens.
        assert!(connections(&database, true).await >= 3, "{mode}");
        // The wrong name, the wrong authority, and the system's, which do not know it.
        for wrong in
            [trusting("127.0.0.1", Some(&ca)), trusting("localhost", Some(&other)), trusting("localhost", None)]
        {
            let refused = PostgresStore::open(wrong).await.err().unwrap();
            assert!(matches!(&refused, OpenError::Refused { cause, .. } if cause.contains("certificate")), "{refused}");
        }
    }
    // Encrypted, whoever answers; and not.
    for (mode, encrypted) in [("prefer", true), ("disable", false)] {
        let before = connections(&database, encrypted).await;
        let options = PostgresOptions::new(&url(&database, "127.0.0.1", mode)).unwrap();
        let _store = PostgresStore::open(options).await.unwrap();
        assert!(connections(&database, encrypted).await > before, "{mode}");
    }
}

#[tokio::test]
async fn a_server_without_tls_will_not_do_where_it_is_required() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, Authority::new().1).unwrap();
    let options = PostgresOptions::trusting(&url(&database, "localhost", "require"), Some(&ca)).unwrap();
    let refused = PostgresStore::open(options).await.err().unwrap().to_string();
    assert!(refused.contains("does not support TLS"), "{refused}");
    PostgresStore::open(PostgresOptions::new(&url(&database, "127.0.0.1", "prefer")).unwrap()).await.unwrap();
}

#[test]
fn the_command_is_told_whom_to_trust() {
    let authority = Authority::new();
    let cluster = Cluster::start_encrypted(|data| authority.vouch(data));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(cluster.database_without_template());
    let dir = tempfile::tempdir().unwrap();
    let (ca, none) = (dir.path().join("ca.pem"), dir.path().join("none.pem"));
    std::fs::write(&ca, &authority.1).unwrap();
    std::fs::write(&none, "nothing of that kind").unwrap();
    let (ca, none) = (ca.to_str().unwrap(), none.to_str().unwrap());
    let store = url(&database, "localhost", "verify-full");
    Serve::on(dir.path(), &["--store", &store, "--store-ca", ca]).stop();
    for (store, ca, told) in [
        (store.as_str(), none, "no certificate"),
        (store.as_str(), "/none/there", "/none/there"),
        (&url(&database, "localhost", "prefer"), ca, "sslmode=require"),
        ("sqlite", ca, "no use otherwise"),
    ] {
        let (code, _, errors) = run(&["migrate", "--store", store, "--store-ca", ca]);
        assert!(code != 0 && errors.contains(told), "{errors}");
    }
}

/// How many of our connections there are that are encrypted, or not.
async fn connections(database: &Database, encrypted: bool) -> i64 {
    let ours = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE datname = current_database() AND application_name = 'copydesk' AND ssl = $1";
    database.client().await.query_one(ours, &[&encrypted]).await.unwrap().get(0)
}
