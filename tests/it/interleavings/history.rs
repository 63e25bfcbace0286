//! Histories: the documents, kills, canceled items and reinstatements of a source, and their requests.

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use prost_types::Timestamp;

use super::wire_item::{WireFormat, WireItem};

/// Number of stories of a source, with different texts.
pub const STORIES: usize = 2;
/// Number of spellings of an address.
pub const SPELLINGS: usize = 6;
/// Time of the earliest version, in seconds since the epoch. All are in the past.
const EPOCH: i64 = 1_700_000_000;

/// A key of an article of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Page(usize),
    Alternate(usize),
    External(usize),
    Guid(usize),
    /// Address of a section, which documents of all stories claim as canonical.
    Section,
    /// Address at which exactly the text of a story appears again.
    Copy(usize),
}

impl Key {
    pub fn all() -> impl Iterator<Item = Self> {
        let of_story =
            |story| [Self::Page, Self::Alternate, Self::External, Self::Guid, Self::Copy].map(|key| key(story));
        (0..STORIES).flat_map(of_story).chain([Self::Section])
    }

    /// Returns the address in a spelling; none for an identifier.
    pub fn address(self, host: &str, spelling: usize) -> Option<String> {
        let path = match self {
            Self::Page(story) => format!("news/page-{story}"),
            Self::Alternate(story) => format!("sea/alternate-{story}"),
            Self::Section => "harbour/section".into(),
            Self::Copy(story) => format!("wire/copy-{story}"),
            Self::External(_) | Self::Guid(_) => return None,
        };
        Some(match spelling % SPELLINGS {
            0 => format!("https://{host}/{path}"),
            1 => format!("http://m.{host}/{path}"),
            2 => format!("https://www.{host}/amp/{path}"),
            3 => format!("https://{host}/{path}/?utm_source=feed"),
            4 => format!("https://amp.{host}/{path}"),
            _ => format!("https://{host}/{path}#top"),
        })
    }

    /// Returns the publisher's identifier; none for an address.
    pub fn external(self, host: &str) -> Option<ExternalKey> {
        let external_id = match self {
            Self::External(story) => format!("x-{story}"),
            Self::Guid(story) => format!("guid-{story}"),
            _ => return None,
        };
        Some(ExternalKey { source: host.into(), external_id })
    }

    pub fn lookup(self, host: &str) -> LookupKey {
        let address = self.address(host, 0).map(lookup_key::Key::Url);
        LookupKey { key: address.or_else(|| self.external(host).map(lookup_key::Key::External)) }
    }
}

/// Headline and body: an edition of a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    pub story: usize,
    pub edition: usize,
}

impl Text {
    pub fn headline(self, host: &str) -> String {
        let subject = ["Channel to be dredged", "Lighthouse to stay lit"][self.story];
        format!("{subject} at {host}, edition {}", self.edition)
    }

    /// Returns a body of fewer words than near-duplicates have: all histories share one store, and only an equal
    /// headline, which has the source, makes two of their articles copies.
    pub fn body(self) -> String {
        let story = [
            "The harbour board of Port Ardell agreed on Monday to dredge the channel.",
            "Keeper Ann Reed said the lamp of Norvik would be changed in May.",
        ][self.story];
        format!("{story} This was report {} of the day.", self.edition)
    }
}

/// Version that a document states. Equal versions are of the same text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Time of the last change, in seconds since [`EPOCH`].
    pub updated: Option<i64>,
    pub number: i64,
    /// Time of fetch, in the same unit.
    pub fetched: Option<i64>,
}

/// Statements of a document about its article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A structured article, with the address that it was fetched from and the one that it claims, each with its
    /// spelling.
    Article { fetched: Option<(Key, usize)>, claimed: Option<(Key, usize)>, states_external_id: bool },
    /// The item of a feed, with its link and its GUID.
    Item { link: (Key, usize) },
    /// An item of a wire, with the identifier alone.
    Wire { format: WireFormat },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Doc {
    pub text: Text,
    pub version: Version,
    pub form: Form,
}

impl Doc {
    /// Returns the keys that the document states.
    pub fn keys(&self) -> Vec<Key> {
        match self.form {
            Form::Article { fetched, claimed, states_external_id } => {
                let external = states_external_id.then_some(Key::External(self.text.story));
                fetched.map(|it| it.0).into_iter().chain(external).chain(claimed.map(|it| it.0)).collect()
            }
            Form::Item { link } => vec![link.0, Key::Guid(self.text.story)],
            Form::Wire { .. } => vec![Key::External(self.text.story)],
        }
    }

    pub fn document(&self, host: &str) -> Document {
        let time = |second: i64| Timestamp { seconds: EPOCH + second, nanos: 0 };
        let address =
            |key: Option<(Key, usize)>| key.and_then(|(key, spelling)| key.address(host, spelling)).unwrap_or_default();
        let document = Document {
            source: host.into(),
            fetch_time: self.version.fetched.map(time),
            source_version: self.version.number,
            ..Document::default()
        };
        match self.form {
            Form::Article { fetched, claimed, states_external_id } => {
                let external = Key::External(self.text.story).external(host).filter(|_| states_external_id);
                let article = Article {
                    headline: self.text.headline(host),
                    body: self.text.body(),
                    url: address(claimed),
                    language_code: "en".into(),
                    source_update_time: self.version.updated.map(time),
                    ..Article::default()
                };
                Document {
                    payload: Some(Payload::Article(article)),
                    url: address(fetched),
                    external_id: external.map(|it| it.external_id).unwrap_or_default(),
                    ..document
                }
            }
            Form::Item { link } => {
                let data = self.feed(host, &address(Some(link))).into_bytes();
                let raw = RawPayload::new(data, "application/atom+xml");
                Document { payload: Some(Payload::Raw(raw)), url: format!("https://{host}/feed"), ..document }
            }
            Form::Wire { format } => {
                let updated = self.version.updated.map(iso_time);
                let raw = wire_item(format, host, self.text, updated, false);
                Document { payload: Some(Payload::Raw(raw)), ..document }
            }
        }
    }

    fn feed(&self, host: &str, link: &str) -> String {
        let guid = Key::Guid(self.text.story).external(host).expect("an identifier").external_id;
        let (headline, body) = (self.text.headline(host), self.text.body());
        let updated = self.version.updated.map(|second| format!("<updated>{}</updated>", iso_time(second)));
        format!(
            r#"<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom" xml:lang="en"><title>The Herald</title>
            <id>feed</id><entry><title>{headline}</title><link href="{link}"/><id>{guid}</id>{}
            <content type="html">&lt;p&gt;{body}&lt;/p&gt;</content></entry></feed>"#,
            updated.unwrap_or_default()
        )
    }
}

/// Returns a canceled item of a story, in the shape in which the wire sent the story.
pub fn cancellation(format: WireFormat, host: &str, story: usize) -> Document {
    let raw = wire_item(format, host, Text { story, edition: 0 }, None, true);
    Document { payload: Some(Payload::Raw(raw)), source: host.into(), ..Document::default() }
}

fn wire_item(format: WireFormat, host: &str, text: Text, updated: Option<String>, is_canceled: bool) -> RawPayload {
    let id = Key::External(text.story).external(host).expect("an identifier").external_id;
    let (headline, body) = (text.headline(host), text.body());
    format.payload(&WireItem { id: &id, headline: &headline, body: &body, updated, is_canceled })
}

fn iso_time(second: i64) -> String {
    jiff::Timestamp::from_second(EPOCH + second).expect("a time").to_string()
}

/// Article that an editor names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One of the articles whose names earlier rounds returned, by an index.
    Known(usize),
    Name(String),
    /// A key; an address in a spelling.
    Key(Key, usize),
}

#[derive(Clone, Debug)]
pub enum Op {
    Ingest(Doc),
    /// A canceled wire item of this story.
    Cancel(WireFormat, usize),
    /// With `allow_missing`.
    Kill(Target, bool),
    Reinstate(Target),
}

/// Operations that are sent concurrently, or one after the other. Each has the number of its replica.
#[derive(Clone, Debug)]
pub struct Round {
    pub is_concurrent: bool,
    pub ops: Vec<(Op, usize)>,
}

#[derive(Clone, Debug)]
pub struct History {
    pub host: String,
    /// True if there are only documents, and those of a story have a key in common: every order of arrival ends with
    /// the same article.
    pub is_confluent: bool,
    pub rounds: Vec<Round>,
}
