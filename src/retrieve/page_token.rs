//! Page tokens: the position at which a page ended, bound to its request.

use std::cmp::Reverse;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use prost::Message;
use uuid::Uuid;

use super::find::PageStart;
use crate::article::{ArticleId, Digest, Position, StoryId, Violations};
use crate::search::{ResultCursor, Statistics};
use crate::store::ListCursor;
use crate::stories::Rank;

/// Contents of a token. Handwritten Protobuf: it stays out of the API, and old tokens stay readable if fields are
/// added.
#[derive(Clone, PartialEq, Message)]
struct Token {
    /// Digest of the request without its page token and page size.
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
    /// Count or revision after which the next page begins, for paging by number.
    #[prost(uint64, tag = "6")]
    number: u64,
    /// Newest position shown on the pages so far.
    #[prost(uint64, tag = "7")]
    seen_transaction: u64,
    #[prost(uint64, tag = "8")]
    seen_sequence: u64,
    /// Rank of the last result of a search.
    #[prost(uint64, tag = "9")]
    rank: u64,
    /// Time of the first page of a search, in microseconds since 1970.
    #[prost(int64, tag = "10")]
    clock_micros: i64,
    /// Statistics of a search: number of articles, lengths of the fields, and counts of the words.
    #[prost(uint64, repeated, tag = "11")]
    statistics: Vec<u64>,
    /// Words by which related articles are found.
    #[prost(string, repeated, tag = "12")]
    words: Vec<String>,
    /// Checksum of all other fields, to detect modified tokens.
    #[prost(bytes = "vec", tag = "15")]
    check: Vec<u8>,
}

/// Value of `number` in a token of related articles, if the next page begins within the articles of the same story.
const OF_STORY: u64 = 1;

/// Start of the next page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NextPage {
    /// Last article of the previous page.
    pub(super) after: ListCursor,
    /// Minimum position to read at.
    pub(super) seen: Position,
}

/// Start of a page of related articles.
pub(super) struct RelatedStart {
    /// Start of the page of results.
    pub(super) page: PageStart,
    /// Words by which they are found.
    pub(super) words: Vec<String>,
    /// Articles of the same story that the page begins with.
    pub(super) story: StoryPart,
}

/// Articles of the same story that are still to come.
pub(super) enum StoryPart {
    /// All.
    Begin,
    /// Those after one with this time, in microseconds since 1970.
    After(i64, ArticleId),
    /// None.
    End,
}

/// Start of a page of stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoryStart {
    /// Place of the last story of the previous page.
    pub(super) after: Option<Rank>,
    /// Time of the first page.
    pub(super) now: Timestamp,
}

/// Digest of a request, so that a token is valid for that request only.
pub(super) struct RequestDigest([u8; 8]);

impl RequestDigest {
    /// Computes the digest. `request` is the message with its page token and page size cleared; `feed` identifies the
    /// store.
    pub(super) fn of(method: &str, feed: Uuid, request: &impl Message) -> Self {
        let mut bytes = method.as_bytes().to_vec();
        bytes.extend_from_slice(feed.as_bytes());
        request.encode_raw(&mut bytes);
        let digest = Digest::of_bytes(&bytes);
        Self(std::array::from_fn(|at| digest.0[at]))
    }

    /// Returns the digest, for tokens of other kinds.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
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

    /// Reads the cursor of a token of this request; none for the first page.
    pub(super) fn article(&self, token: &str) -> Result<Option<NextPage>, Violations> {
        let Some(token) = self.open(token)? else { return Ok(None) };
        let id = token.id.parse::<ArticleId>().map_err(|_| forged())?;
        let sort_time = Timestamp::from_microsecond(token.sort_micros).map_err(|_| forged())?;
        let position = Position { transaction: token.transaction, sequence: token.sequence };
        let seen = Position { transaction: token.seen_transaction, sequence: token.seen_sequence };
        Ok(Some(NextPage { after: ListCursor { id, sort_time, position }, seen }))
    }

    /// Reads the number of a token of this request; none for the first page.
    pub(super) fn number(&self, token: &str) -> Result<Option<u64>, Violations> {
        Ok(self.open(token)?.map(|token| token.number))
    }

    /// Returns the token of the page of a search that begins here.
    pub(super) fn after_result(&self, start: &PageStart) -> String {
        self.seal(Token::of_result(start))
    }

    /// Returns the token of the page of related articles that begins here.
    pub(super) fn after_related(&self, start: &RelatedStart) -> String {
        let mut token = Token { words: start.words.clone(), ..Token::of_result(&start.page) };
        if let StoryPart::After(time, id) = &start.story {
            (token.number, token.sort_micros, token.id) = (OF_STORY, *time, id.as_str().to_owned());
        }
        self.seal(token)
    }

    /// Reads the start of a page of a search; none for the first page.
    pub(super) fn result(&self, token: &str) -> Result<Option<PageStart>, Violations> {
        self.open(token)?.map(|token| token.as_result()).transpose()
    }

    /// Reads the start of a page of related articles; none for the first page.
    pub(super) fn related(&self, token: &str) -> Result<Option<RelatedStart>, Violations> {
        let Some(token) = self.open(token)? else { return Ok(None) };
        if token.number != OF_STORY {
            return Ok(Some(RelatedStart { page: token.as_result()?, words: token.words, story: StoryPart::End }));
        }
        let story = StoryPart::After(token.sort_micros, token.id.parse().map_err(|_| forged())?);
        let page = Token { id: String::new(), ..token.clone() }.as_result()?;
        Ok(Some(RelatedStart { page, words: token.words, story }))
    }

    /// Returns the token of the page of stories that begins here.
    pub(super) fn after_story(&self, start: StoryStart) -> String {
        let mut token = Token { clock_micros: start.now.as_microsecond(), ..Token::default() };
        if let Some((Reverse(place), story)) = start.after {
            (token.sort_micros, token.id) = (place, story.to_string());
        }
        self.seal(token)
    }

    /// Reads the start of a page of stories; none for the first page.
    pub(super) fn story(&self, token: &str) -> Result<Option<StoryStart>, Violations> {
        let Some(token) = self.open(token)? else { return Ok(None) };
        let story = token.id.parse::<StoryId>().map_err(|_| forged())?;
        let now = Timestamp::from_microsecond(token.clock_micros).map_err(|_| forged())?;
        Ok(Some(StoryStart { after: Some((Reverse(token.sort_micros), story)), now }))
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
            let expected = "belongs to another request; must be used with all other fields unchanged";
            return Err(Violations::one("page_token", expected));
        }
        Ok(Some(token))
    }
}

impl Token {
    fn of_result(start: &PageStart) -> Self {
        let mut token = Token {
            clock_micros: start.now.as_microsecond(),
            seen_transaction: start.seen.transaction,
            seen_sequence: start.seen.sequence,
            ..Token::default()
        };
        if let Some(after) = &start.after {
            token.id = after.id.as_str().to_owned();
            token.rank = after.rank;
        }
        if let Some(statistics) = &start.statistics {
            let all = std::iter::once(statistics.articles).chain(statistics.tokens);
            token.statistics = all.chain(statistics.words.iter().copied()).collect();
        }
        token
    }

    fn as_result(&self) -> Result<PageStart, Violations> {
        let after = match self.id.as_str() {
            "" => None,
            id => Some(ResultCursor { rank: self.rank, id: id.parse().map_err(|_| forged())? }),
        };
        let now = Timestamp::from_microsecond(self.clock_micros).map_err(|_| forged())?;
        let seen = Position { transaction: self.seen_transaction, sequence: self.seen_sequence };
        let statistics = match self.statistics.as_slice() {
            [articles, a, b, c, d, e, f, words @ ..] => {
                Some(Statistics { articles: *articles, tokens: [*a, *b, *c, *d, *e, *f], words: words.to_vec() })
            }
            [] => None,
            _ => return Err(forged()),
        };
        Ok(PageStart { after, statistics, now, seen })
    }
}

/// Computes the checksum. It needs no secret: a token grants nothing that a request without it does not.
fn check(token: &Token) -> Vec<u8> {
    Digest::of_bytes(&token.encode_to_vec()).0[..6].to_vec()
}

fn forged() -> Violations {
    Violations::one("page_token", "must be an unmodified next_page_token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_belong_to_their_request() {
        let list_digest = RequestDigest::of("list", Uuid::nil(), &crate::proto::ListArticlesRequest::default());
        let other = RequestDigest::of("search", Uuid::nil(), &crate::proto::ListArticlesRequest::default());
        let token = list_digest.after_number(7);
        assert_eq!(list_digest.number(&token), Ok(Some(7)));
        assert!(other.number(&token).is_err());
        assert!(list_digest.number(&token[..token.len() - 2]).is_err());
        assert!(list_digest.number("%%%").is_err());
        assert_eq!(list_digest.number(""), Ok(None));
    }
}
