//! Tokens of an issuer: accepted algorithms, required claims, and changes of keys.

use std::path::Path;
use std::sync::Arc;

use copydesk::access::{JwksSource, JwtOptions};
use copydesk::proto::*;
use data_encoding::BASE64URL_NOPAD as BASE64;
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::{client, desk, end_of, guarded, key, read, reason, until, until_read};
use crate::support::certificates::CertificateAuthority;
use crate::support::token_issuer::{AUDIENCE, ISSUER, Signer, Site, claims, claims_but, message, publish, set};
use crate::test_server::TestServer;

fn jwt(keys: &str, ca: Option<&Path>) -> JwtOptions {
    let keys = JwksSource::new(keys, ca).unwrap();
    JwtOptions { issuer: ISSUER.into(), audience: AUDIENCE.into(), keys, max_lifetime: None }
}

async fn server(keys: &str, ca: Option<&Path>) -> TestServer {
    TestServer::with(|options| guarded(options, Some(jwt(keys, ca)))).await
}

async fn outcome(server: &TestServer, token: &str) -> (Code, String) {
    let status = read(&client(server, token).await).await;
    (status.code(), reason(&status))
}

#[tokio::test]
async fn accepts_tokens_of_three_algorithms_with_their_scopes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let signers = [Signer::rsa(), Signer::ec(), Signer::ed()];
    let mut keys: Vec<Value> = signers.iter().map(|signer| signer.published(signer.algorithm())).collect();
    // Unsupported keys of an issuer are ignored.
    keys.push(json!({"kty": "EC", "crv": "P-521", "kid": "other", "x": "AA", "y": "AA"}));
    keys.push(json!({"kty": "something new", "kid": "newer"}));
    let mut encrypting = signers[0].published("for-encryption");
    encrypting["use"] = "enc".into();
    keys.push(encrypting);
    publish(&file, &set(&keys));
    let server = server(file.to_str().unwrap(), None).await;
    let found = (Code::NotFound, "ARTICLE_NOT_FOUND".to_owned());
    for signer in &signers {
        let kid = signer.algorithm();
        assert_eq!(outcome(&server, &signer.token(kid, &claims())).await, found, "{kid}");
        // The only key of its algorithm needs no `kid`.
        let unnamed = signer.sign(&json!({"alg": kid}), &claims());
        assert_eq!(outcome(&server, &unnamed).await, found, "{kid} without kid");
        let again = signer.token(kid, &claims());
        for _ in 0..3 {
            assert_eq!(outcome(&server, &again).await, found, "{kid} again");
        }
    }
    // Two keys with one `kid`, and tokens that name none: each key is tried.
    let (one, other) = (Signer::ec(), Signer::ec());
    publish(&file, &set(&[one.published("shared"), other.published("shared"), signers[1].published("ES256")]));
    for signer in [&one, &other] {
        let token = signer.sign(&json!({"alg": "ES256", "kid": "shared"}), &claims());
        until_read(&client(&server, &token).await, Code::NotFound).await;
        assert_eq!(outcome(&server, &signer.sign(&json!({"alg": "ES256"}), &claims())).await, found);
    }
    let forged = Signer::ec().sign(&json!({"alg": "ES256", "kid": "shared"}), &claims());
    assert_eq!(outcome(&server, &forged).await.0, Code::Unauthenticated);
    publish(&file, &set(&keys));
    until_read(&client(&server, &signers[0].token("RS256", &claims())).await, Code::NotFound).await;
    let scopes = [
        (json!({"scope": "articles.read"}), Code::NotFound),
        (json!({"scope": null, "scp": ["articles.read"]}), Code::NotFound),
        (json!({"scope": null, "scp": "openid articles.read"}), Code::NotFound),
        (json!({"scope": "openid", "permissions": ["articles.read", "articles.write"]}), Code::NotFound),
        (json!({"aud": ["other", AUDIENCE]}), Code::NotFound),
        (json!({"scope": "articles.write articles.admin"}), Code::PermissionDenied),
        (json!({"scope": "articles.readers xarticles.read"}), Code::PermissionDenied),
        (json!({"scope": null}), Code::PermissionDenied),
    ];
    for (change, code) in scopes {
        let token = signers[1].token("ES256", &claims_but(change.clone()));
        assert_eq!(outcome(&server, &token).await.0, code, "{change}");
    }
    // A key that is published for encryption verifies no token.
    let token = signers[0].sign(&json!({"alg": "RS256", "kid": "for-encryption"}), &claims());
    assert_ne!(outcome(&server, &token).await.0, Code::NotFound);
    // API keys are accepted besides tokens.
    let own = copydesk::server::StoreOptions::Sqlite(copydesk::store::sqlite::SqliteOptions::new(server.dir.path()));
    let (_, text) = key(&own.keys().await.unwrap(), "articles.read", |_| {}).await;
    until_read(&client(&server, &text).await, Code::NotFound).await;
}

#[tokio::test]
async fn rejects_forged_tokens_and_tokens_for_other_audiences() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let (rsa, ec, stranger) = (Signer::rsa(), Signer::ec(), Signer::ec());
    let published = rsa.published("rsa");
    publish(&file, &set(&[published.clone(), ec.published("ec")]));
    let server = server(file.to_str().unwrap(), None).await;
    let now = Timestamp::now().as_second();
    let good = ec.token("ec", &claims());
    assert_eq!(outcome(&server, &good).await.0, Code::NotFound);

    // The public key, in several forms, used as a shared secret.
    let hmac = |secret: &[u8], algorithm: &str| {
        let message = message(&json!({"alg": algorithm, "kid": "rsa"}), &claims());
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
        format!("{message}.{}", BASE64.encode(ring::hmac::sign(&key, message.as_bytes()).as_ref()))
    };
    let n = published["n"].as_str().unwrap();
    let unsigned = |algorithm: &str| format!("{}.", message(&json!({"alg": algorithm, "kid": "ec"}), &claims()));
    let [head, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let forged_body =
        BASE64.encode(claims_but(json!({"scope": "articles.admin articles.read"})).to_string().as_bytes());
    let mut other_signature = BASE64.decode(signature.as_bytes()).unwrap();
    other_signature[40] ^= 1;
    let forged = [
        ("none", unsigned("none")),
        ("None", unsigned("None")),
        ("no signature", unsigned("ES256")),
        ("HS256 by the modulus", hmac(&BASE64.decode(n.as_bytes()).unwrap(), "HS256")),
        ("HS256 by its text", hmac(n.as_bytes(), "HS256")),
        ("HS256 by the set", hmac(published.to_string().as_bytes(), "HS256")),
        ("HMAC called RS256", hmac(n.as_bytes(), "RS256")),
        ("RS512, which is not accepted", rsa.sign(&json!({"alg": "RS512", "kid": "rsa"}), &claims())),
        ("PS256, which is not accepted", rsa.sign(&json!({"alg": "PS256", "kid": "rsa"}), &claims())),
        ("another algorithm than the key's", ec.sign(&json!({"alg": "RS256", "kid": "ec"}), &claims())),
        ("another's key", stranger.token("ec", &claims())),
        (
            "its own key in the header",
            stranger.sign(&json!({"alg": "ES256", "kid": "ec", "jwk": stranger.published("ec")}), &claims()),
        ),
        ("another body", format!("{head}.{forged_body}.{signature}")),
        ("another signature", format!("{head}.{body}.{}", BASE64.encode(&other_signature))),
        ("no signature at all", format!("{head}.{body}")),
        ("four parts", format!("{good}.x")),
        (
            "an unsupported critical extension",
            ec.sign(&json!({"alg": "ES256", "kid": "ec", "crit": ["b64"], "b64": false}), &claims()),
        ),
        ("a header that is not JSON", format!("{}.{body}.{signature}", BASE64.encode(b"{"))),
    ];
    let claims = [
        ("another audience", json!({"aud": "billing"})),
        ("no audience", json!({"aud": null})),
        ("another issuer", json!({"iss": "https://login.example.evil/"})),
        ("no issuer", json!({"iss": null})),
        ("no expiry", json!({"exp": null})),
        ("an expiry that is not a time", json!({"exp": "tomorrow"})),
        ("not valid yet", json!({"nbf": now + 3_600})),
        ("no subject", json!({"sub": null})),
        ("an empty subject", json!({"sub": ""})),
        ("a subject that is too long", json!({"sub": "x".repeat(1_000)})),
    ];
    let claimed = claims.map(|(what, change)| (what, ec.token("ec", &claims_but(change))));
    for (what, token) in forged.into_iter().chain(claimed) {
        let refused = (Code::Unauthenticated, "CREDENTIAL_INVALID".to_owned());
        assert_eq!(outcome(&server, &token).await, refused, "{what}");
    }
    let expired = ec.token("ec", &claims_but(json!({"exp": now - 3_600})));
    assert_eq!(outcome(&server, &expired).await, (Code::Unauthenticated, "CREDENTIAL_EXPIRED".into()));
    // Small clock skew is tolerated.
    for change in [json!({"exp": now - 1}), json!({"nbf": now + 5})] {
        assert_eq!(outcome(&server, &ec.token("ec", &claims_but(change.clone()))).await.0, Code::NotFound, "{change}");
    }
    // Without an issuer, no token is accepted.
    let (server, _) = desk(|_| {}).await;
    assert_eq!(outcome(&server, &good).await.0, Code::Unauthenticated);
}

#[tokio::test]
async fn a_changed_key_file_is_reloaded() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let (old, stays, new) = (Signer::ec(), Signer::ed(), Signer::ec());
    publish(&file, &set(&[old.published("old"), stays.published("stays")]));
    let server = server(file.to_str().unwrap(), None).await;
    let mut by_old = client(&server, &old.token("old", &claims())).await;
    let mut by_staying = client(&server, &stays.token("stays", &claims())).await;
    let by_new = client(&server, &new.token("new", &claims())).await;
    assert_eq!(read(&by_old).await.code(), Code::NotFound);
    assert_ne!(read(&by_new).await.code(), Code::NotFound);
    let watch = by_old.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    let from_beginning = WatchArticlesRequest::from_beginning();
    let mut other_watch = by_staying.retrieval.watch_articles(from_beginning).await.unwrap().into_inner();

    // A malformed set does not count as an empty one.
    publish(&file, "{");
    publish(&file, &set(&[stays.published("stays"), new.published("new")]));
    until_read(&by_new, Code::NotFound).await;
    assert_eq!(reason(&until_read(&by_old, Code::Unauthenticated).await), "CREDENTIAL_INVALID");
    assert_eq!(reason(&end_of(watch).await), "CREDENTIAL_INVALID");
    assert_eq!(read(&by_staying).await.code(), Code::NotFound);
    other_watch.message().await.unwrap().expect("the watch continues");

    publish(&file, &set(&[old.published("old")]));
    until_read(&by_old, Code::NotFound).await;
}

#[tokio::test]
async fn an_empty_key_set_revokes_every_token() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let signer = Signer::ec();
    let published = set(&[signer.published("a")]);
    publish(&file, &published);
    let server = server(file.to_str().unwrap(), None).await;
    let mut reader = client(&server, &signer.token("a", &claims())).await;
    for empty in [set(&[]), set(&[json!({"kty": "oct", "k": "c2VjcmV0"})])] {
        until_read(&reader, Code::NotFound).await;
        let watch = reader.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
        publish(&file, &empty);
        assert_eq!(reason(&until_read(&reader, Code::Unauthenticated).await), "CREDENTIAL_INVALID", "{empty}");
        assert_eq!(reason(&end_of(watch).await), "CREDENTIAL_INVALID", "{empty}");
        publish(&file, &published);
    }
    until_read(&reader, Code::NotFound).await;
}

#[tokio::test]
async fn rejects_tokens_beyond_the_maximum_lifetime() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let signer = Signer::ed();
    publish(&file, &set(&[signer.published("a")]));
    let limited = |max_lifetime| {
        let options = JwtOptions { max_lifetime, ..jwt(file.to_str().unwrap(), None) };
        TestServer::with(|server| guarded(server, Some(options)))
    };
    let hour = limited(Some(std::time::Duration::from_secs(3_600))).await;
    let any = limited(None).await;
    let now = Timestamp::now().as_second();
    let token = |change: Value| signer.token("a", &claims_but(change));
    for short in [json!({}), json!({"iat": null, "nbf": null, "exp": now + 3_500})] {
        assert_eq!(outcome(&hour, &token(short.clone())).await.0, Code::NotFound, "{short}");
    }
    let refused = (Code::Unauthenticated, "CREDENTIAL_LIFETIME".to_owned());
    for long in [
        json!({"iat": now, "exp": now + 3_700}),
        json!({"iat": now - 7_200, "exp": now + 600}),
        json!({"iat": null, "exp": now + 7_200}),
        json!({"iat": now + 86_400, "exp": now + 90_000}),
    ] {
        let token = token(long.clone());
        // The second call must not be served from the cache of tokens.
        for _ in 0..2 {
            assert_eq!(outcome(&hour, &token).await, refused, "{long}");
        }
        assert_eq!(outcome(&any, &token).await.0, Code::NotFound, "{long}");
    }
    // Only holders of a genuine token get this reason.
    let forged = Signer::ed().token("a", &claims_but(json!({"exp": now + 7_200})));
    assert_eq!(outcome(&hour, &forged).await, (Code::Unauthenticated, "CREDENTIAL_INVALID".into()));
}

#[tokio::test]
async fn expiry_of_a_token_ends_its_streams() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwks.json");
    let signer = Signer::ed();
    publish(&file, &set(&[signer.published("a")]));
    let server = server(file.to_str().unwrap(), None).await;
    // The leeway for clock skew is 30 s.
    let exp = Timestamp::now().as_second() - 27;
    let mut reader = client(&server, &signer.token("a", &claims_but(json!({ "exp": exp })))).await;
    let watch = reader.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    assert_eq!(reason(&end_of(watch).await), "CREDENTIAL_EXPIRED");
    assert_eq!(reason(&read(&reader).await), "CREDENTIAL_EXPIRED");
}

#[tokio::test]
async fn key_sets_are_fetched_and_refetches_are_rate_limited() {
    let authority = CertificateAuthority::new();
    let dir = tempfile::tempdir().unwrap();
    authority.write_server_certificate(dir.path());
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, &authority.pem).unwrap();
    let chain = vec![CertificateDer::from_pem_file(dir.path().join("server.crt")).unwrap()];
    let private = PrivateKeyDer::from_pem_file(dir.path().join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(chain, private).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));

    let (first, second) = (Signer::ec(), Signer::ec());
    let site = Site::default();
    site.publish(&set(&[first.published("first")]));
    let port = site.serve(Some(acceptor)).await;
    let url = format!("https://localhost:{port}/jwks.json?tenant=7");
    let server = server(&url, Some(&ca)).await;
    assert_eq!(outcome(&server, &first.token("first", &claims())).await.0, Code::NotFound);

    // Tokens with invented keys do not cause a request each.
    let made_up = client(&server, &second.token("made up", &claims())).await;
    for _ in 0..100 {
        assert!(matches!(read(&made_up).await.code(), Code::Unauthenticated | Code::Unavailable));
    }
    assert!(site.requests() <= 3, "{} requests", site.requests());
    // The first token that names a new key causes a read, once some seconds have passed since the last one.
    site.publish(&set(&[first.published("first"), second.published("second")]));
    until_read(&client(&server, &second.token("second", &claims())).await, Code::NotFound).await;
    assert!(site.requests() <= 5, "{} requests", site.requests());

    // A key server without a trusted certificate is not used, so tokens cannot be checked.
    let stranger = dir.path().join("stranger.pem");
    std::fs::write(&stranger, CertificateAuthority::new().pem).unwrap();
    let other = TestServer::with(|options| guarded(options, Some(jwt(&url, Some(&stranger))))).await;
    let refused = read(&client(&other, &first.token("first", &claims())).await).await;
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unavailable, "CREDENTIALS_UNAVAILABLE"));
    assert!(refused.get_details_retry_info().is_some());
}

#[tokio::test]
async fn an_issuer_that_starts_later_is_found() {
    let site = Site::default();
    site.publish("not yet");
    let port = site.serve(None).await;
    let server = server(&format!("http://127.0.0.1:{port}/jwks.json?tenant=7"), None).await;
    let signer = Signer::ed();
    let reader = client(&server, &signer.token("a", &claims())).await;
    assert_eq!(reason(&read(&reader).await), "CREDENTIALS_UNAVAILABLE");
    site.publish(&set(&[signer.published("a")]));
    until("the token is accepted", async || read(&reader).await.code() == Code::NotFound).await;
}
