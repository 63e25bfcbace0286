//! A set of public keys (JWKS, RFC 7517), as an issuer publishes it.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::access::caller::Standing;

/// The keys of an issuer that are of use here.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

pub(super) struct PublicKey {
    id: Option<String>,
    /// The one algorithm that it is for, whatever a token says.
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
    jwk: Jwk,
    /// Ends those who were let in by it, when it is not among the keys any more.
    pub(super) life: watch::Sender<Standing>,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<PublishedKey>,
}

/// A member of the set. RFC 7517 requires `kty`: without it the document is malformed, not a set of unknown keys.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl KeySet {
    /// Reads a set. Keys that are for something else are left out, so a well-formed set may have no usable key: then no token
    /// is valid.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let published: Published = serde_json::from_slice(json).map_err(|error| format!("is no key set: {error}"))?;
        Ok(Self { keys: published.keys.into_iter().filter_map(public_key).collect() })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Keys that were there before go on, with those who were let in by them; the others end.
    pub(super) fn succeed(&mut self, mut before: Self) {
        for key in &mut self.keys {
            if let Some(at) = before.keys.iter().position(|old| old.jwk == key.jwk) {
                key.life = before.keys.swap_remove(at).life;
            }
        }
        before.end(Standing::Ended);
    }

    pub(super) fn end(self, standing: Standing) {
        for key in self.keys {
            let _unheard = key.life.send(standing);
        }
    }

    /// The key that a token says it is signed with. One that does not say is taken for the only one of its algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        let found = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(found)
    }
}

fn public_key(PublishedKey { kty, mut rest }: PublishedKey) -> Option<PublicKey> {
    rest.insert("kty".into(), kty.into());
    let jwk: Jwk = serde_json::from_value(rest.into()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, called) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|said| said != called) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let id = jwk.common.key_id.clone();
    Some(PublicKey { id, algorithm, key, jwk, life: watch::channel(Standing::Good).0 })
}
