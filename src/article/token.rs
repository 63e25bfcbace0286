//! Positions in the change feed, and the opaque change tokens that clients hold.

use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// A position in a store's change feed. Later positions are greater.
///
///
/// `transaction` is 0 if commits are totally ordered, which both engines ensure (see docs/decisions/0008). It exists
/// for engines that number transactions before the order of their visibility is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Number of the transaction that wrote the change.
    pub transaction: u64,
    /// Number of the change within the feed.
    pub sequence: u64,
}

impl Position {
    /// Position before every change.
    pub const START: Self = Self { transaction: 0, sequence: 0 };

    /// Creates a position in a feed with totally ordered commits.
    pub const fn of(sequence: u64) -> Self {
        Self { transaction: 0, sequence }
    }
}

/// A position with the ID of its change feed, as held by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeToken {
    /// ID of the feed, generated when a store is created, and copied with it.
    pub feed: Uuid,
    /// Position in the feed.
    pub position: Position,
}

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 16 + 8 + 8;
pub(super) const CHECK_BYTES: usize = 4;

impl ChangeToken {
    /// Encodes the token for clients.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.feed.as_bytes());
        bytes.extend_from_slice(&self.position.transaction.to_be_bytes());
        bytes.extend_from_slice(&self.position.sequence.to_be_bytes());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Decodes a client's token. An error says what is required.
    pub fn decode(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "must be a change_token as Copydesk handed it out, unchanged";
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| EXPECTED)?;
        let (body, sum) = bytes.split_at_checked(BODY_BYTES).ok_or(EXPECTED)?;
        if body[0] != VERSION || sum != check(body) {
            return Err(EXPECTED);
        }
        let number = |at: usize| body[at..at + 8].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(Self {
            feed: Uuid::from_slice(&body[1..17]).map_err(|_| EXPECTED)?,
            position: Position { transaction: number(17), sequence: number(25) },
        })
    }
}

/// Returns a checksum against truncated, mistyped or invented tokens. It is not a secret, since a token grants
/// nothing.
pub(super) fn check(body: &[u8]) -> [u8; CHECK_BYTES] {
    let hash = Sha256::digest(body);
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_goes_out_comes_back(feed in any::<[u8; 16]>(), transaction: u64, sequence: u64, at in 0..49_usize) {
            let token = ChangeToken { feed: Uuid::from_bytes(feed), position: Position { transaction, sequence } };
            let text = token.encode();
            prop_assert_eq!(ChangeToken::decode(&text), Ok(token));
            let mut forged = text.into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            prop_assert_ne!(ChangeToken::decode(&forged), Ok(token));
        }
    }
}
