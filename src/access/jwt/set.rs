//! An issuer's set of public keys (JWKS, RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;

use crate::access::caller::CredentialState;

/// Maximum number of keys that a token is verified with. Issuers have two or three.
const MAX_CANDIDATES: usize = 8;

/// Usable keys of an issuer.
#[derive(Default)]
pub(super) struct KeySet {
    keys: Vec<PublicKey>,
}

pub(super) struct PublicKey {
    id: Option<String>,
    /// The only algorithm that it may verify, whatever a token says.
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
    jwk: Jwk,
    /// Ends the streams of its callers once it is no longer published.
    pub(super) state: watch::Sender<CredentialState>,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<PublishedKey>,
}

/// Member of a set. RFC 7517 requires `kty`: a document without it is malformed, not a set of unknown keys.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl KeySet {
    /// Parses a set. Unsupported keys are skipped, so a well-formed set may have no usable key; no token is valid then.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        let published: Published =
            serde_json::from_slice(json).map_err(|error| format!("not a JSON Web Key Set: {error}"))?;
        Ok(Self { keys: published.keys.into_iter().filter_map(public_key).collect() })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Keeps the streams of keys that are in both sets; ends those of removed keys.
    pub(super) fn replace(&mut self, mut previous: Self) {
        for key in &mut self.keys {
            if let Some(at) = previous.keys.iter().position(|old| old.jwk == key.jwk) {
                key.state = previous.keys.swap_remove(at).state;
            }
        }
        previous.end(CredentialState::Revoked);
    }

    pub(super) fn end(self, state: CredentialState) {
        for key in self.keys {
            let _no_receiver = key.state.send(state);
        }
    }

    /// Returns the keys that may have signed a token: those with the ID that it names, or all if it names none; at most
    /// [`MAX_CANDIDATES`], since each costs a verification.
    pub(super) fn candidates(&self, id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        let matches =
            move |key: &&PublicKey| key.algorithm == algorithm && id.is_none_or(|id| key.id.as_deref() == Some(id));
        self.keys.iter().filter(matches).take(MAX_CANDIDATES)
    }
}

fn public_key(PublishedKey { kty, mut rest }: PublishedKey) -> Option<PublicKey> {
    rest.insert("kty".into(), kty.into());
    let jwk: Jwk = serde_json::from_value(rest.into()).ok()?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let (algorithm, name) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|declared| declared != name) {
        return None;
    }
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let id = jwk.common.key_id.clone();
    Some(PublicKey { id, algorithm, key, jwk, state: watch::channel(CredentialState::Valid).0 })
}
