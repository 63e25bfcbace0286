//! Signature verification with ring: RS256, ES256 and EdDSA only. jsonwebtoken parses tokens, checks claims and calls
//! this.
//!
//! Its own backends would add a second cryptography library; one of them, `rsa`, has an open advisory.

use std::sync::Once;

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature::{self as by, RsaPublicKeyComponents, UnparsedPublicKey};
use signature::Verifier;

/// Accepted algorithms. All are asymmetric, so that only the issuer can sign.
pub(super) const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::InvalidAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(verifier(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Installs the provider for jsonwebtoken in this process.
pub(super) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if another provider is installed; nothing else in this process does so.
        let _installed = PROVIDER.install_default();
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
            // At least 2048 bits: shorter keys can be broken.
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
