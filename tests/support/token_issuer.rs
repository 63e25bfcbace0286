//! Test issuer of tokens: its keys, its key set, and a server for the set.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use data_encoding::BASE64URL_NOPAD as BASE64;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

pub const ISSUER: &str = "https://login.example/";
pub const AUDIENCE: &str = "copydesk";

/// Signing key. The RSA key is in the tree, since generating one takes long; nothing else uses it.
pub enum Signer {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub fn rsa() -> Self {
        Self::Rsa(Box::new(RsaKeyPair::from_der(include_bytes!("test-rsa-key.der")).unwrap()))
    }

    pub fn ec() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self::Ec(EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).unwrap())
    }

    pub fn ed() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap())
    }

    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::Ec(_) => "ES256",
            Self::Ed(_) => "EdDSA",
        }
    }

    /// Returns the public key as a JWK.
    pub fn published(&self, kid: &str) -> Value {
        let encode = |bytes: &[u8]| BASE64.encode(bytes);
        match self {
            Self::Rsa(key) => {
                let public: ring::rsa::PublicKeyComponents<Vec<u8>> = key.public().into();
                let (n, e) = (encode(&public.n), encode(&public.e));
                json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": n, "e": e})
            }
            Self::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "kid": kid, "crv": "P-256", "x": encode(x), "y": encode(y)})
            }
            Self::Ed(key) => {
                json!({"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        }
    }

    pub fn token(&self, kid: &str, claims: &Value) -> String {
        self.sign(&json!({"typ": "JWT", "alg": self.algorithm(), "kid": kid}), claims)
    }

    /// Signs claims with any header, even one of another algorithm.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let random = SystemRandom::new();
        let signature = match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            Self::Ec(key) => key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", BASE64.encode(&signature))
    }
}

pub fn message(header: &Value, claims: &Value) -> String {
    format!("{}.{}", BASE64.encode(header.to_string().as_bytes()), BASE64.encode(claims.to_string().as_bytes()))
}

/// Returns the claims of a token that is valid for an hour, for reading.
pub fn claims() -> Value {
    let now = Timestamp::now().as_second();
    let scope = "openid articles.read";
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "reader-7", "iat": now, "nbf": now, "exp": now + 3_600, "scope": scope
    })
}

/// Returns the same claims with some replaced, or removed if null.
pub fn claims_but(change: Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

pub fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Replaces the key set in a file atomically.
pub fn publish(path: &Path, set: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, set).unwrap();
    std::fs::rename(new, path).unwrap();
}

/// Server of a key set, with a counter of requests.
#[derive(Clone, Default)]
pub struct Site {
    set: Arc<Mutex<String>>,
    requests: Arc<AtomicUsize>,
}

impl Site {
    pub fn publish(&self, set: &str) {
        *self.set.lock().unwrap() = set.to_owned();
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// Serves on a loopback port, with TLS if an acceptor is given. Returns the port.
    pub async fn serve(&self, tls: Option<tokio_rustls::TlsAcceptor>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let site = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (site, tls) = (site.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => site.answer(stream).await,
                        // Clients that do not trust the certificate disconnect.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => site.answer(stream).await,
                            Err(_untrusted) => {}
                        },
                    }
                });
            }
        });
        port
    }

    async fn answer(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => request.push(byte),
                Err(_gone) => return,
            }
        }
        let known = request.starts_with(b"GET /jwks.json?tenant=7 HTTP/1.1\r\n");
        self.requests.fetch_add(1, Ordering::SeqCst);
        let set = self.set.lock().unwrap().clone();
        let (status, body) = if known { ("200 OK", set) } else { ("404 Not Found", String::new()) };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
        // The client may have disconnected.
        let _gone = stream.write_all(answer.as_bytes()).await;
        let _gone = stream.shutdown().await;
    }
}
