//! TLS for callers, with test certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use copydesk::proto::*;
use copydesk::server::TlsOptions;
use copydesk_client::{Client, ConnectError, Tls};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_stream::StreamExt;
use tonic_health::pb::HealthCheckRequest;

use crate::support::certificates::CertificateAuthority;
use crate::support::process::run;
use crate::test_server::{TestServer, invented, ready};

const SOON: Duration = Duration::from_secs(60);

/// Starts a server with a certificate for `localhost` of this authority.
async fn server(authority: &CertificateAuthority, dir: &Path, callers: Option<&CertificateAuthority>) -> TestServer {
    authority.write_server_certificate(dir);
    let client_ca = callers.map(|callers| {
        let path = dir.join("callers.pem");
        std::fs::write(&path, &callers.pem).unwrap();
        path
    });
    let tls = TlsOptions { cert: dir.join("server.crt"), key: dir.join("server.key"), client_ca };
    TestServer::with(|options| {
        options.tls = Some(tls);
        options.shutdown_grace = Duration::from_secs(3_600);
    })
    .await
}

fn address(server: &TestServer) -> String {
    format!("https://localhost:{}", server.address.port())
}

/// Connects and makes one call.
async fn call(server: &TestServer, tls: &Tls) -> Result<(), String> {
    let mut client = Client::connect_with(&address(server), tls, None).await.map_err(|error| match error {
        ConnectError::Unreachable { cause, .. } => format!("{cause:?}"),
        other => other.to_string(),
    })?;
    client.health.check(HealthCheckRequest::default()).await.map(drop).map_err(|status| format!("{status:?}"))
}

/// Opens a connection with these TLS versions and ALPN protocols.
async fn raw(
    server: &TestServer,
    authority: &CertificateAuthority,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn clients_that_trust_the_certificate_are_served() {
    let (authority, dir) = (CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), None).await;
    call(&server, &Tls::default().ca(&authority.pem)).await.unwrap();
    let untrusted = call(&server, &Tls::default().ca(CertificateAuthority::new().pem)).await.unwrap_err();
    assert!(untrusted.contains("InvalidCertificate"), "{untrusted}");
    // The certificate is for a name, not for the address.
    let by_address = format!("https://{}", server.address);
    assert!(Client::connect_with(&by_address, &Tls::default().ca(&authority.pem), None).await.is_err());
    // The server does not accept plaintext: the connection or the first call fails.
    if let Ok(mut plain) = Client::connect(&server.address.to_string()).await {
        plain.health.check(HealthCheckRequest::default()).await.unwrap_err();
    }
    // Failures of the wrong authority, the wrong name, and the plaintext connection.
    server.until_metric("copydesk_tls_handshakes_failed_total 3").await;
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_supported_with_alpn() {
    let (authority, dir) = (CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), None).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (offered, agreed) in [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"][..], "http/1.1")] {
            let stream = raw(&server, &authority, &[version], offered).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.alpn_protocol(), Some(agreed.as_bytes()), "{offered:?}");
        }
    }
    assert!(raw(&server, &authority, rustls::ALL_VERSIONS, &["spdy/3"]).await.is_err());
}

#[tokio::test]
async fn mutual_tls_requires_a_valid_client_certificate() {
    let (authority, callers, dir) =
        (CertificateAuthority::new(), CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), Some(&callers)).await;
    let tls = Tls::default().ca(&authority.pem);
    let shown = |(cert, key): (String, String)| tls.clone().identity(cert, key);
    call(&server, &shown(callers.issue("desk", |_| {}))).await.unwrap();
    let none = call(&server, &tls).await.unwrap_err();
    assert!(none.contains("CertificateRequired"), "{none}");
    let ended = |params: &mut rcgen::CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    };
    let expired = call(&server, &shown(callers.issue("desk", ended))).await.unwrap_err();
    assert!(expired.contains("CertificateExpired"), "{expired}");
    let foreign = call(&server, &shown(authority.issue("desk", |_| {}))).await.unwrap_err();
    assert!(foreign.contains("UnknownCA") || foreign.contains("DecryptError"), "{foreign}");
    server.until_metric("copydesk_tls_handshakes_failed_total 3").await;
}

#[tokio::test]
async fn new_certificates_are_reloaded_and_invalid_ones_are_ignored() {
    let (old, new, dir) = (CertificateAuthority::new(), CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&old, dir.path(), None).await;
    let mut before = Client::connect_with(&address(&server), &Tls::default().ca(&old.pem), None).await.unwrap();
    let mut watch = before.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    watch.next().await.unwrap().unwrap();
    // The first half of a change: the key does not match the certificate.
    let (cert, key) = new.issue("localhost", |params| params.not_after = rcgen::date_time_ymd(2031, 3, 4));
    std::fs::write(dir.path().join("server.crt"), cert).unwrap();
    server.until_metric("copydesk_tls_reloads_failed_total 1").await;
    call(&server, &Tls::default().ca(&old.pem)).await.unwrap();
    // The second half.
    std::fs::write(dir.path().join("server.key"), key).unwrap();
    server.until_metric("copydesk_tls_certificate_end_timestamp_seconds 1930348800").await;
    call(&server, &Tls::default().ca(&new.pem)).await.unwrap();
    call(&server, &Tls::default().ca(&old.pem)).await.unwrap_err();
    // Open connections stay open.
    let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    before.ingestion.ingest_article(request).await.unwrap();
    watch.next().await.unwrap().unwrap();
    std::fs::write(dir.path().join("server.crt"), "no certificate").unwrap();
    server.until_metric("copydesk_tls_reloads_failed_total 2").await;
    call(&server, &Tls::default().ca(&new.pem)).await.unwrap();
}

#[tokio::test]
async fn an_incomplete_handshake_blocks_no_other_client() {
    let (authority, dir) = (CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), None).await;
    let mut halves = Vec::new();
    for _ in 0..20 {
        let mut half = TcpStream::connect(server.address).await.unwrap();
        // The beginning of a ClientHello of 512 bytes.
        half.write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc").await.unwrap();
        halves.push(half);
    }
    server.until_metric("copydesk_connections 20").await;
    call(&server, &Tls::default().ca(&authority.pem)).await.unwrap();
    tokio::time::timeout(SOON, server.stop()).await.expect("the stop does not wait for handshakes");
}

#[tokio::test]
async fn a_slow_handshake_times_out() {
    let (authority, dir) = (CertificateAuthority::new(), tempfile::tempdir().unwrap());
    authority.write_server_certificate(dir.path());
    let tls = TlsOptions { cert: dir.path().join("server.crt"), key: dir.path().join("server.key"), client_ca: None };
    let server = TestServer::with(|options| {
        options.tls = Some(tls);
        options.connections.handshake = Duration::from_millis(200);
    })
    .await;
    // A silent connection, and one that is silent after the handshake.
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut made = raw(&server, &authority, rustls::ALL_VERSIONS, &["h2"]).await.unwrap();
    tokio::time::timeout(SOON, silent.read_to_end(&mut Vec::new())).await.expect("the connection is closed").unwrap();
    // The connection closes without close_notify, which rustls reports as an error.
    let _ended = tokio::time::timeout(SOON, made.read_to_end(&mut Vec::new())).await.expect("the connection is closed");
    server.until_metric("copydesk_connections 0").await;
}

#[tokio::test]
async fn browsers_are_served_over_tls() {
    let (authority, dir) = (CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), None).await;
    let mut stream = raw(&server, &authority, rustls::ALL_VERSIONS, &["http/1.1"]).await.unwrap();
    let request = "POST /grpc.health.v1.Health/Check HTTP/1.1\r\nhost: localhost\r\n\
                   content-type: application/grpc-web\r\ncontent-length: 5\r\nconnection: close\r\n\r\n\0\0\0\0\0";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ended = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("grpc-status:0"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_support_tls() {
    let (authority, callers, dir) =
        (CertificateAuthority::new(), CertificateAuthority::new(), tempfile::tempdir().unwrap());
    let server = server(&authority, dir.path(), Some(&callers)).await;
    let (ca, cert, key) = (dir.path().join("ca.pem"), dir.path().join("desk.crt"), dir.path().join("desk.key"));
    let (desk, desk_key) = callers.issue("desk", |_| {});
    std::fs::write(&ca, &authority.pem).unwrap();
    std::fs::write(&cert, desk).unwrap();
    std::fs::write(&key, desk_key).unwrap();
    let [ca, cert, key] = [ca, cert, key].map(|path| path.to_str().unwrap().to_owned());
    let address = address(&server);
    let health = |more: &[&str]| run(&[&["health", "--addr", &address], more].concat());
    let (code, shown, errors) = health(&["--ca", &ca, "--client-cert", &cert, "--client-key", &key]);
    assert_eq!((code, shown.as_str()), (0, "SERVING\n"), "{errors}");
    // No client certificate, no trusted CA, and a missing file.
    for more in [&["--ca", &ca][..], &["--client-cert", &cert, "--client-key", &key], &["--ca", "/none"]] {
        let (code, _, errors) = health(more);
        assert_ne!(code, 0, "{more:?}: {errors}");
    }
}

#[test]
fn invalid_certificate_files_fail_the_start_by_setting_name() {
    let dir = tempfile::tempdir().unwrap();
    let (authority, other) = (CertificateAuthority::new(), dir.path().join("other"));
    authority.write_server_certificate(dir.path());
    std::fs::create_dir(&other).unwrap();
    authority.write_server_certificate(&other);
    std::fs::write(dir.path().join("empty"), "").unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (cert, key, other_key, empty, none) =
        (path("server.crt"), path("server.key"), path("other/server.key"), path("empty"), path("none"));
    let config = |args: &[&str]| run(&[&["config"], args].concat());
    let (code, _, errors) = config(&["--tls-cert", &cert, "--tls-key", &key]);
    assert_eq!(code, 0, "{errors}");
    for (setting, args) in [
        ("tls-cert", &["--tls-cert", &none, "--tls-key", &key][..]),
        ("tls-cert", &["--tls-cert", &empty, "--tls-key", &key]),
        ("tls-key", &["--tls-cert", &cert]),
        ("tls-key", &["--tls-key", &key]),
        ("tls-key", &["--tls-cert", &cert, "--tls-key", &empty]),
        ("tls-key", &["--tls-cert", &cert, "--tls-key", &other_key]),
        ("tls-client-ca", &["--tls-client-ca", &cert]),
        ("tls-client-ca", &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &empty]),
    ] {
        let (code, _, errors) = config(args);
        assert_ne!(code, 0, "{args:?}");
        assert!(errors.contains(&format!("{setting} = ")), "{args:?}: {errors}");
    }
}
