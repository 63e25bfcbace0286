//! Opaque tokens with which clients resume a watch of stories: numbers of memberships.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use super::token::{CHECK_BYTES, check};

/// A number of a membership with the ID of its store, as held by clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchToken {
    /// ID of the change feed, generated when a store is created.
    pub feed: Uuid,
    /// Number of the last membership that was sent; 0 if there was none.
    pub number: u64,
}

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 16 + 8;

impl WatchToken {
    /// Encodes the token for clients.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(BODY_BYTES + CHECK_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(self.feed.as_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        let check = check(&bytes);
        bytes.extend_from_slice(&check);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Decodes a client's token. An error says what is required.
    pub fn decode(text: &str) -> Result<Self, &'static str> {
        const EXPECTED: &str = "must be a watch_token as Copydesk handed it out, unchanged";
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| EXPECTED)?;
        let (body, sum) = bytes.split_at_checked(BODY_BYTES).ok_or(EXPECTED)?;
        if body[0] != VERSION || sum != check(body) {
            return Err(EXPECTED);
        }
        let number = body[17..].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        Ok(Self { feed: Uuid::from_slice(&body[1..17]).map_err(|_| EXPECTED)?, number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::{ChangeToken, Position};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tokens_are_decoded_unless_changed(feed in any::<[u8; 16]>(), number: u64, at in 0..38_usize) {
            let token = WatchToken { feed: Uuid::from_bytes(feed), number };
            let text = token.encode();
            prop_assert_eq!(WatchToken::decode(&text), Ok(token));
            let mut forged = text.into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).expect("ASCII");
            prop_assert_ne!(WatchToken::decode(&forged), Ok(token));
        }

        #[test]
        fn tokens_of_the_change_feed_are_others(feed in any::<[u8; 16]>(), sequence: u64) {
            let feed = Uuid::from_bytes(feed);
            let change = ChangeToken { feed, position: Position::of(sequence) };
            prop_assert!(WatchToken::decode(&change.encode()).is_err());
            let watch = WatchToken { feed, number: sequence };
            prop_assert!(ChangeToken::decode(&watch.encode()).is_err());
        }
    }
}
