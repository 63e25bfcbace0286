//! Signatures, by ring: RS256, ES256 and EdDSA, and no others. jsonwebtoken reads tokens and checks claims, and asks for this.
//!
//! Its own backends would bring a second library of cryptography; and one of them, `rsa`, has an open advisory.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{self as by, RsaPublicKeyComponents, UnparsedPublicKey};
use signature::Verifier;

/// What tokens may be signed with: by a key that only their issuer has.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(verifier(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes it what jsonwebtoken uses in this process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's in this process would have to know the same algorithms; there is nobody else.
        let _another = PROVIDER.install_default();
    });
}

struct ByRing {
    algorithm: Algorithm,
    key: Key,
}

enum Key {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Other(UnparsedPublicKey<Vec<u8>>),
}

fn verifier(algorithm: Algorithm, key: &DecodingKey) -> Result<ByRing, Error> {
    let bytes = || key.try_get_as_bytes().map(<[u8]>::to_vec);
    let key = match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => Key::Rsa { n: n.clone(), e: e.clone() },
        (Algorithm::ES256, _) => Key::Other(UnparsedPublicKey::new(&by::ECDSA_P256_SHA256_FIXED, bytes()?)),
        (Algorithm::EdDSA, _) => Key::Other(UnparsedPublicKey::new(&by::ED25519, bytes()?)),
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(ByRing { algorithm, key })
}

impl Verifier<Vec<u8>> for ByRing {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match &self.key {
            // From 2048 bits on: shorter ones can be broken.
            Key::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.verify(&by::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Key::Other(key) => key.verify(message, signature),
        };
        verified.map_err(|_unspecified| signature::Error::new())
    }
}

impl JwtVerifier for ByRing {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
