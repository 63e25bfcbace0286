//! What an API key looks like: `cd_`, ten characters that name it, `_`, the secret, and a checksum of all that.
//!
//! The beginning and the checksum are for scanners that look for leaked keys, and for people who paste half of one. The secret
//! has 256 random bits, so one pass of SHA-256 is enough to keep: there is nothing to guess.

use data_encoding::{Encoding, Specification};
use flate2::Crc;
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// What every key begins with.
pub(super) const PREFIX: &str = "cd_";
const ID: usize = 10;
/// 256 bits, and 32 of a checksum, in Base32.
const SECRET: usize = 52;
const CHECK: usize = 7;
/// How long a key is, in bytes.
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + CHECK;

/// RFC 4648's letters, small.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut letters = Specification::new();
    letters.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    letters.encoding().expect("these are 32 letters")
});

/// The part of a key that names it.
pub(super) type KeyId = [u8; ID];

/// A key that was just made. The only place where its secret stands: it is shown, and forgotten.
pub struct NewKey {
    /// The part that may be shown.
    pub id: String,
    /// All of it.
    pub text: String,
    /// What is kept of its secret.
    pub digest: [u8; 32],
}

/// Makes a key.
///
/// # Errors
/// When the system gives no random numbers.
pub fn make() -> Result<NewKey, ring::error::Unspecified> {
    let mut random = [0; 38];
    SystemRandom::new().fill(&mut random)?;
    let (id, secret) = random.split_at(6);
    let id = BASE32.encode(id);
    let secret = BASE32.encode(secret);
    let begun = format!("{PREFIX}{id}_{secret}");
    let text = format!("{begun}{}", checksum(begun.as_bytes()));
    Ok(NewKey { id, text, digest: Sha256::digest(secret).into() })
}

fn checksum(begun: &[u8]) -> String {
    let mut crc = Crc::new();
    crc.update(begun);
    BASE32.encode(&crc.sum().to_be_bytes())
}

/// Takes a key apart: its name, and the digest of its secret. None when it is none, or not all of it.
pub(super) fn read(text: &[u8]) -> Option<(KeyId, [u8; 32])> {
    if text.len() != LENGTH {
        return None;
    }
    let (begun, check) = text.split_at(LENGTH - CHECK);
    let mut crc = Crc::new();
    crc.update(begun);
    let mut right = [0; CHECK];
    BASE32.encode_mut(&crc.sum().to_be_bytes(), &mut right);
    if right != check {
        return None;
    }
    let id = begun.get(PREFIX.len()..PREFIX.len() + ID)?.try_into().ok()?;
    Some((id, Sha256::digest(&begun[PREFIX.len() + ID + 1..]).into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_made_and_only_whole() {
        let key = make().unwrap();
        assert_eq!((key.id.len(), key.text.len()), (ID, LENGTH));
        let (id, digest) = read(key.text.as_bytes()).unwrap();
        assert_eq!((&id[..], digest), (key.id.as_bytes(), key.digest));
        for at in 0..key.text.len() {
            let mut other = key.text.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            assert!(read(&other).is_none(), "a changed letter at {at}");
            assert!(read(&key.text.as_bytes()[..at]).is_none(), "cut at {at}");
        }
        assert_ne!(make().unwrap().text, key.text);
    }
}
