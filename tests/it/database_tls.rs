//! PostgreSQL with TLS and the tests' certificates.

use std::path::Path;
use std::time::Duration;

use copydesk::store::postgres::{OpenError, PostgresOptions, PostgresStore};

use crate::conformance::fixtures::{at, get, ingest, titled, write};
use crate::support::certificates::CertificateAuthority;
use crate::support::database::{Cluster, Database};
use crate::support::process::{Serve, run};

/// Returns the URL of a database with another host name.
fn url(database: &Database, host: &str, mode: &str) -> String {
    format!("{}?sslmode={mode}&application_name={mode}", database.url.replacen("127.0.0.1", host, 1))
}

#[tokio::test]
async fn tls_follows_sslmode_and_verifies_the_server() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::start_encrypted(|data| authority.write_server_certificate(data));
    let database = cluster.database_without_template().await;
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    std::fs::write(&ca, &authority.pem).unwrap();
    std::fs::write(&other, CertificateAuthority::new().pem).unwrap();

    for mode in ["require", "verify-ca", "verify-full"] {
        let trusting =
            |host: &str, ca: Option<&Path>| PostgresOptions::trusting(&url(&database, host, mode), ca).unwrap();
        let store: std::sync::Arc<dyn copydesk::store::Store> =
            std::sync::Arc::new(PostgresStore::open(trusting("localhost", Some(&ca))).await.unwrap());
        write(&store, ingest(mode, titled("1"), at(0))).await.unwrap();
        assert!(get(&store, mode).await.is_some());
        // Connections of the pools, the probe and the listener.
        connected(&database, mode, true, 3).await;
        // A wrong name, a wrong CA, and the system's CAs, which did not sign it.
        for rejected in
            [trusting("127.0.0.1", Some(&ca)), trusting("localhost", Some(&other)), trusting("localhost", None)]
        {
            let refused = PostgresStore::open(rejected).await.err().unwrap();
            assert!(matches!(&refused, OpenError::Refused { cause, .. } if cause.contains("certificate")), "{refused}");
        }
    }
    // With any certificate, and without encryption.
    for (mode, encrypted) in [("prefer", true), ("disable", false)] {
        let options = PostgresOptions::new(&url(&database, "127.0.0.1", mode)).unwrap();
        let _store = PostgresStore::open(options).await.unwrap();
        connected(&database, mode, encrypted, 1).await;
    }
}

#[tokio::test]
async fn rejects_a_plaintext_server_when_tls_is_required() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, CertificateAuthority::new().pem).unwrap();
    let options = PostgresOptions::trusting(&url(&database, "localhost", "require"), Some(&ca)).unwrap();
    let refused = PostgresStore::open(options).await.err().unwrap().to_string();
    assert!(refused.contains("does not support TLS"), "{refused}");
    PostgresStore::open(PostgresOptions::new(&url(&database, "127.0.0.1", "prefer")).unwrap()).await.unwrap();
}

#[test]
fn store_ca_is_validated_and_used() {
    let authority = CertificateAuthority::new();
    let cluster = Cluster::start_encrypted(|data| authority.write_server_certificate(data));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(cluster.database_without_template());
    let dir = tempfile::tempdir().unwrap();
    let (ca, none) = (dir.path().join("ca.pem"), dir.path().join("none.pem"));
    std::fs::write(&ca, &authority.pem).unwrap();
    std::fs::write(&none, "nothing of that kind").unwrap();
    let (ca, none) = (ca.to_str().unwrap(), none.to_str().unwrap());
    let store = url(&database, "localhost", "verify-full");
    Serve::on(dir.path(), &["--store", &store, "--store-ca", ca]).stop();
    for (store, ca, expected) in [
        (store.as_str(), none, "no certificate"),
        (store.as_str(), "/none/there", "/none/there"),
        (&url(&database, "localhost", "prefer"), ca, "sslmode=require"),
        ("sqlite", ca, "must be a postgres:// URL"),
    ] {
        let (code, _, errors) = run(&["migrate", "--store", store, "--store-ca", ca]);
        assert!(code != 0 && errors.contains(expected), "{errors}");
    }
}

/// Waits until a store that was opened in this mode has `count` connections, all encrypted or none.
async fn connected(database: &Database, mode: &str, encrypted: bool, count: i64) {
    let client = database.client().await;
    let ours = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
        WHERE datname = current_database() AND application_name = $1";
    let reached = async {
        loop {
            let row = client.query_one(ours, &[&mode]).await.unwrap();
            let (all, hidden): (i64, i64) = (row.get(0), row.get(1));
            assert_eq!(hidden, if encrypted { all } else { 0 }, "{mode}");
            if all >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect(mode);
}
