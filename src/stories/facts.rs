//! Facts about an article for grouping, counting and ranking. They are stored with its membership.

use jiff::Timestamp;
use prost::Message;

use crate::article::{BodySketch, Record, fold};
use crate::proto::Article;

/// Version of the encoding. A change of the features of texts needs a new one: articles with an older one keep their
/// story, and other articles are not compared with them.
pub(super) const VERSION: u32 = 1;
/// Maximum length of a name, in bytes.
const MAX_NAME: usize = 200;

/// Facts about an article.
#[derive(Clone, PartialEq, Message)]
pub struct Facts {
    /// Version of the encoding.
    #[prost(uint32, tag = "1")]
    pub version: u32,
    /// Its publish time, or its create time if that is earlier or there is no other; in microseconds since 1970.
    #[prost(sint64, tag = "2")]
    pub time: i64,
    /// True if it is readable.
    #[prost(bool, tag = "3")]
    pub is_readable: bool,
    /// Its source, folded.
    #[prost(string, tag = "4")]
    pub source: String,
    /// News agency that supplied it, folded; empty if there is none.
    #[prost(string, tag = "5")]
    pub agency: String,
    /// Language (BCP 47).
    #[prost(string, tag = "6")]
    pub language: String,
    /// Section, folded.
    #[prost(string, tag = "7")]
    pub section: String,
    /// Urgency, from 1 (most urgent) to 9; 0 if it is not stated.
    #[prost(uint32, tag = "8")]
    pub urgency: u32,
    /// Number by which grouping knows the article: ascending in the order in which articles are grouped.
    #[prost(uint64, tag = "9")]
    pub number: u64,
    /// Number by which grouping knows its story.
    #[prost(uint64, tag = "10")]
    pub story: u64,
    /// Number of the article of the story that had its text first: its own, unless it is a copy.
    #[prost(uint64, tag = "11")]
    pub text: u64,
    /// Digest of headline and body.
    #[prost(bytes = "vec", tag = "12")]
    pub digest: Vec<u8>,
    /// Features of the text; empty while the article is not in the window.
    #[prost(bytes = "vec", tag = "13")]
    pub features: Vec<u8>,
    /// Sketch of the body, if it is long enough for one.
    #[prost(bytes = "vec", tag = "14")]
    pub sketch: Vec<u8>,
}

impl Facts {
    /// Returns the facts about an article, without its features and its story.
    pub fn of(record: &Record, article: &Article, now: Timestamp) -> Self {
        let created = record.create_time;
        let time = record.publish_time.map_or(created, |published| published.min(created));
        let short = |mut text: String| {
            let end = (0..=MAX_NAME.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            text.truncate(end);
            text
        };
        let name = |text: &str| short(fold(text));
        Self {
            version: VERSION,
            time: time.as_microsecond(),
            // The clock of the replica that has ended an embargo may be ahead of this one's.
            is_readable: record.readable(now.max(record.update_time)).is_ok(),
            source: name(&article.source),
            agency: name(&article.agency),
            language: short(article.language_code.clone()),
            section: name(&article.section),
            urgency: u32::try_from(article.urgency).unwrap_or(0).min(9),
            digest: record.digest.0.to_vec(),
            sketch: BodySketch::of(&article.body).map_or_else(Vec::new, |sketch| sketch.encode()),
            ..Self::default()
        }
    }

    /// Encodes the facts for the store.
    pub fn encoded(&self) -> Vec<u8> {
        self.encode_to_vec()
    }

    /// Decodes facts. None for those of another version.
    pub fn decoded(report: &[u8]) -> Option<Self> {
        Self::decode(report).ok().filter(|facts| facts.version == VERSION)
    }

    /// Returns the sketch of the body.
    pub fn body_sketch(&self) -> Option<BodySketch> {
        BodySketch::decode(&self.sketch)
    }

    /// Returns true if the agency has published it itself: the name of its source, or the first label of its host, is
    /// the agency's name, or begins with it if that has at least 4 letters.
    pub fn is_of_agency(&self) -> bool {
        let letters = |text: &str| text.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>();
        let label = self.source.strip_prefix("www.").unwrap_or(&self.source).split('.').next().unwrap_or_default();
        let (source, agency) = (letters(label), letters(&self.agency));
        let is_long = agency.chars().nth(3).is_some();
        !agency.is_empty() && (source == agency || (is_long && source.starts_with(&agency)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(source: &str, agency: &str) -> Facts {
        Facts { version: VERSION, source: fold(source), agency: fold(agency), ..Facts::default() }
    }

    #[test]
    fn an_agency_is_known_by_its_name() {
        assert!(facts("northline.example", "Northline").is_of_agency());
        assert!(facts("North Line News", "NORTH-LINE").is_of_agency());
        assert!(facts("ap.example", "AP").is_of_agency());
        assert!(!facts("apple.example", "AP").is_of_agency());
        assert!(!facts("herald.example", "–").is_of_agency());
        assert!(!facts("herald.example", "Northline").is_of_agency());
        assert!(!facts("herald.example", "").is_of_agency());
    }

    #[test]
    fn facts_of_another_version_are_not_read() {
        let known = facts("herald.example", "");
        assert_eq!(Facts::decoded(&known.encoded()), Some(known.clone()));
        assert_eq!(Facts::decoded(&Facts { version: VERSION + 1, ..known }.encoded()), None);
        assert_eq!(Facts::decoded(&[]), None, "an emptied report");
    }
}
