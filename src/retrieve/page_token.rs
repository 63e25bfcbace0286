//! Page tokens: where a page ended, and of which request.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;

use crate::article::{ArticleId, Digest, Position, Violations};
use crate::store::ListCursor;

/// What a token holds. Hand-written Protobuf: it stays out of the API, and old tokens stay readable when fields are added.
#[derive(Clone, PartialEq, Message)]
struct Token {
    /// Of the request, without its page token and page size.
    #[prost(bytes = "vec", tag = "1")]
    request: Vec<u8>,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(int64, tag = "3")]
    sort_micros: i64,
    #[prost(uint64, tag = "4")]
    transaction: u64,
    #[prost(uint64, tag = "5")]
    sequence: u64,
    /// For pages that go on after a count or a revision.
    #[prost(uint64, tag = "6")]
    number: u64,
    /// The newest position of what the pages up to here have shown.
    #[prost(uint64, tag = "7")]
    seen_transaction: u64,
    #[prost(uint64, tag = "8")]
    seen_sequence: u64,
    /// Of all the above, against tokens that were changed.
    #[prost(bytes = "vec", tag = "15")]
    check: Vec<u8>,
}

/// Where the next page of a list begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NextPage {
    /// After this article.
    pub(super) after: ListCursor,
    /// Not older than this.
    pub(super) seen: Position,
}

/// Identifies a request, so that a token is not used with another one.
pub(super) struct RequestDigest([u8; 8]);

impl RequestDigest {
    /// `request` is the message with its page token and page size cleared; `feed` tells the store that is asked from others.
    pub(super) fn of(method: &str, feed: Uuid, request: &impl Message) -> Self {
        let mut bytes = method.as_bytes().to_vec();
        bytes.extend_from_slice(feed.as_bytes());
        request.encode_raw(&mut bytes);
        let digest = Digest::of_bytes(&bytes);
        Self(std::array::from_fn(|at| digest.0[at]))
    }

    pub(super) fn after_article(&self, cursor: ListCursor, seen: Position) -> String {
        self.seal(Token {
            id: cursor.id.as_str().to_owned(),
            sort_micros: cursor.sort_time.as_microsecond(),
            transaction: cursor.position.transaction,
            sequence: cursor.position.sequence,
            seen_transaction: seen.transaction,
            seen_sequence: seen.sequence,
            ..Token::default()
        })
    }

    pub(super) fn after_number(&self, number: u64) -> String {
        self.seal(Token { number, ..Token::default() })
    }

    /// The cursor in a token of this request; none for the first page.
    pub(super) fn article(&self, token: &str) -> Result<Option<NextPage>, Violations> {
        let Some(token) = self.open(token)? else { return Ok(None) };
        let id = token.id.parse::<ArticleId>().map_err(|_| forged())?;
        let sort_time = Timestamp::from_microsecond(token.sort_micros).map_err(|_| forged())?;
        let position = Position { transaction: token.transaction, sequence: token.sequence };
        let seen = Position { transaction: token.seen_transaction, sequence: token.seen_sequence };
        Ok(Some(NextPage { after: ListCursor { id, sort_time, position }, seen }))
    }

    /// The number in a token of this request; none for the first page.
    pub(super) fn number(&self, token: &str) -> Result<Option<u64>, Violations> {
        Ok(self.open(token)?.map(|token| token.number))
    }

    fn seal(&self, mut token: Token) -> String {
        token.request = self.0.to_vec();
        token.check = check(&token);
        BASE64URL_NOPAD.encode(&token.encode_to_vec())
    }

    fn open(&self, text: &str) -> Result<Option<Token>, Violations> {
        if text.is_empty() {
            return Ok(None);
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| forged())?;
        let mut token = Token::decode(bytes.as_slice()).map_err(|_| forged())?;
        let sum = std::mem::take(&mut token.check);
        if sum != check(&token) {
            return Err(forged());
        }
        if token.request != self.0 {
            let right = "must be used with the request that it came from: every other field as it was then";
            return Err(Violations::one("page_token", right));
        }
        Ok(Some(token))
    }
}

/// Not a secret: a token grants nothing that a request without it does not.
fn check(token: &Token) -> Vec<u8> {
    Digest::of_bytes(&token.encode_to_vec()).0[..6].to_vec()
}

fn forged() -> Violations {
    Violations::one("page_token", "must be a next_page_token as Copydesk handed it out, unchanged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_request() {
        let ours = RequestDigest::of("list", Uuid::nil(), &crate::proto::ListArticlesRequest::default());
        let other = RequestDigest::of("search", Uuid::nil(), &crate::proto::ListArticlesRequest::default());
        let token = ours.after_number(7);
        assert_eq!(ours.number(&token), Ok(Some(7)));
        assert!(other.number(&token).is_err());
        assert!(ours.number(&token[..token.len() - 2]).is_err());
        assert!(ours.number("%%%").is_err());
        assert_eq!(ours.number(""), Ok(None));
    }
}
