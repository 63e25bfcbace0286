//! Format of API keys: `cd_`, an ID of ten characters, `_`, the secret, and a checksum of all that.
//!
//! The prefix and the checksum serve scanners for leaked keys and detect incomplete keys. The secret has 256 random
//! bits, so one pass of SHA-256 suffices for its stored digest: guessing is infeasible.

use data_encoding::{Encoding, Specification};
use flate2::Crc;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// Prefix of every key.
pub(super) const PREFIX: &str = "cd_";
const ID: usize = 10;
/// Length of 256 bits in Base32.
const SECRET: usize = 52;
/// Length of a checksum of 32 bits in Base32.
const CHECK: usize = 7;
/// Length of a key, in bytes.
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + CHECK;

/// Base32 of RFC 4648 in lower case.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut letters = Specification::new();
    letters.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    letters.encoding().expect("the alphabet has 32 symbols")
});

/// ID of a key.
pub(super) type KeyId = [u8; ID];

/// New key. The only place that holds the secret: it is shown once and not stored.
pub struct NewKey {
    /// ID, which is not secret.
    pub id: String,
    /// The whole key.
    pub text: String,
    /// SHA-256 of the secret.
    pub digest: [u8; 32],
}

/// Creates a key.
///
/// # Errors
/// Returns an error if the system provides no random numbers.
pub fn generate_key() -> Result<NewKey, ring::error::Unspecified> {
    let mut random = [0; 38];
    SystemRandom::new().fill(&mut random)?;
    let (id, secret) = random.split_at(6);
    let id = BASE32.encode(id);
    let secret = BASE32.encode(secret);
    let body = format!("{PREFIX}{id}_{secret}");
    let text = format!("{body}{}", checksum(body.as_bytes()));
    Ok(NewKey { id, text, digest: Sha256::digest(secret).into() })
}

fn checksum(body: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(body);
    BASE32.encode(&crc.sum().to_be_bytes())
}

/// Parses a key into its ID and the digest of its secret. Returns none for a malformed or incomplete key.
pub(super) fn read(text: &[u8]) -> Option<(KeyId, [u8; 32])> {
    if text.len() != LENGTH {
        return None;
    }
    let (body, check) = text.split_at(LENGTH - CHECK);
    let mut crc = Crc::new();
    crc.update(body);
    let mut expected = [0; CHECK];
    BASE32.encode_mut(&crc.sum().to_be_bytes(), &mut expected);
    if expected != check {
        return None;
    }
    let id = body.get(PREFIX.len()..PREFIX.len() + ID)?.try_into().ok()?;
    Some((id, Sha256::digest(&body[PREFIX.len() + ID + 1..]).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_only_whole() {
        let key = generate_key().unwrap();
        assert_eq!((key.id.len(), key.text.len()), (ID, LENGTH));
        let (id, digest) = read(key.text.as_bytes()).unwrap();
        assert_eq!((&id[..], digest), (key.id.as_bytes(), key.digest));
        for at in 0..key.text.len() {
            let mut other = key.text.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            assert!(read(&other).is_none(), "accepted with a changed letter at {at}");
            assert!(read(&key.text.as_bytes()[..at]).is_none(), "accepted when cut at {at}");
        }
        assert_ne!(generate_key().unwrap().text, key.text);
    }
}
