//! Documents of the writers: editions of an article, under any spelling of any of its addresses.

use copydesk::proto::document::Payload;
use copydesk::proto::{Article, Document};

use crate::history::{self, headline, id};

/// Spellings of an article's address.
pub const SPELLINGS: [&str; 4] = [
    "https://chaos.example/news/",
    "http://m.chaos.example/news/",
    "https://www.chaos.example/amp/news/",
    "https://chaos.example/news/?utm_source=feed",
];

/// Address of a document: the article that had it first, and its spelling.
#[derive(Clone, Copy)]
pub struct Address {
    pub article: usize,
    pub spelling: usize,
}

impl Address {
    pub fn url(self) -> String {
        SPELLINGS[self.spelling % SPELLINGS.len()].replace("news/", &format!("news/{}", self.article))
    }
}

/// Returns an edition of an article, in the order of its source.
pub fn document(article: usize, edition: u32, address: Address) -> Document {
    Document { url: address.url(), ..without_address(article, edition) }
}

/// Returns the first document of an article, which names it.
pub fn first_document(article: usize, edition: u32) -> Document {
    Document { article_id: id(article), ..document(article, edition, Address { article, spelling: 0 }) }
}

/// Returns exactly the text of an edition, at an address that no article has.
pub fn copy_elsewhere(article: usize, edition: u32) -> Document {
    let url = format!("https://chaos.example/elsewhere/{article}-{edition}");
    Document { url, ..without_address(article, edition) }
}

fn without_address(article: usize, edition: u32) -> Document {
    let update_time = prost_types::Timestamp { seconds: 1_700_000_000 + i64::from(edition), nanos: 0 };
    let content = Article {
        source: "chaos.example".into(),
        language_code: "en".into(),
        headline: headline(article, edition),
        body: history::body(article),
        source_update_time: Some(update_time),
        ..Default::default()
    };
    Document { payload: Some(Payload::Article(content)), ..Default::default() }
}
