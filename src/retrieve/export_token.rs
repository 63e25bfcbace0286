//! Export tokens: the snapshot of an export, and the article after which it goes on.

use data_encoding::BASE64URL_NOPAD;
use prost::Message;
use uuid::Uuid;

use super::page_token::RequestDigest;
use crate::article::{ArticleId, Digest, Position, Violations};

/// Progress of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ExportPosition {
    /// Position of the snapshot in the change feed.
    pub(super) at: Position,
    /// Last article that was examined; none at the start.
    pub(super) after: Option<ArticleId>,
    /// Number of articles that have been sent.
    pub(super) count: i64,
}

/// Contents of a token. Handwritten Protobuf: it stays out of the API.
#[derive(Clone, PartialEq, Message)]
struct Token {
    #[prost(bytes = "vec", tag = "1")]
    feed: Vec<u8>,
    #[prost(uint64, tag = "2")]
    transaction: u64,
    #[prost(uint64, tag = "3")]
    sequence: u64,
    /// Digest of the request; absent at the start, which all filters and shards can share.
    #[prost(bytes = "vec", tag = "4")]
    request: Vec<u8>,
    #[prost(string, tag = "5")]
    after: String,
    #[prost(int64, tag = "6")]
    count: i64,
    /// First bytes of a hash of the rest.
    #[prost(bytes = "vec", tag = "7")]
    check: Vec<u8>,
}

impl ExportPosition {
    /// Returns the start of an export as of a position.
    pub(super) fn start(at: Position) -> Self {
        Self { at, after: None, count: 0 }
    }

    /// Encodes the token for clients.
    pub(super) fn encode(&self, feed: Uuid, request: &RequestDigest) -> String {
        let mut token = Token {
            feed: feed.as_bytes().to_vec(),
            transaction: self.at.transaction,
            sequence: self.at.sequence,
            request: if self.after.is_some() { request.as_bytes().to_vec() } else { Vec::new() },
            after: self.after.as_ref().map(|id| id.as_str().to_owned()).unwrap_or_default(),
            count: self.count,
            check: Vec::new(),
        };
        token.check = check(&token);
        BASE64URL_NOPAD.encode(&token.encode_to_vec())
    }

    /// Decodes a client's token.
    pub(super) fn decode(text: &str, feed: Uuid, request: &RequestDigest) -> Result<Self, Violations> {
        let wrong = |expected: &str| Violations::one("export_token", expected);
        let forged = || wrong("must be an export_token as Copydesk handed it out, unchanged");
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| forged())?;
        let mut token = Token::decode(bytes.as_slice()).map_err(|_| forged())?;
        let sum = std::mem::take(&mut token.check);
        if sum != check(&token) {
            return Err(forged());
        }
        if token.feed != feed.as_bytes() {
            return Err(wrong("belongs to another store; must be an export_token of this store"));
        }
        let at = Position { transaction: token.transaction, sequence: token.sequence };
        if token.after.is_empty() {
            return Ok(Self::start(at));
        }
        if token.request != request.as_bytes() {
            return Err(wrong("belongs to another request; must be used with the same filter and shard"));
        }
        let after = token.after.parse::<ArticleId>().map_err(|_| forged())?;
        Ok(Self { at, after: Some(after), count: token.count })
    }
}

/// Computes the checksum. It needs no secret: a token grants nothing that a request without it does not.
fn check(token: &Token) -> Vec<u8> {
    Digest::of_bytes(&token.encode_to_vec()).0[..6].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::ExportArticlesRequest;

    #[test]
    fn tokens_return_what_was_encoded_and_belong_to_their_request() {
        let digest = |shard_index| {
            let request = ExportArticlesRequest { shard_index, shard_count: 4, ..ExportArticlesRequest::default() };
            RequestDigest::of("ExportArticles", Uuid::nil(), &request)
        };
        let start = ExportPosition::start(Position::of(7));
        let token = start.encode(Uuid::nil(), &digest(0));
        assert_eq!(ExportPosition::decode(&token, Uuid::nil(), &digest(1)), Ok(start.clone()));
        let later = ExportPosition { after: Some("ferry".parse().expect("the ID should be valid")), count: 3, ..start };
        let token = later.encode(Uuid::nil(), &digest(0));
        assert_eq!(ExportPosition::decode(&token, Uuid::nil(), &digest(0)), Ok(later));
        assert!(ExportPosition::decode(&token, Uuid::nil(), &digest(1)).is_err());
        assert!(ExportPosition::decode(&token, Uuid::from_u128(1), &digest(0)).is_err());
        assert!(ExportPosition::decode(&token[1..], Uuid::nil(), &digest(0)).is_err());
    }
}
