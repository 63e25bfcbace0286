//! Validation before the store: only a [`CleanArticle`] can be written.

mod annotations;
mod blocks;
mod media;
mod newsroom;
mod people;
mod rights;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use prost::{DecodeError, Message};

pub(super) use annotations::is_annotation_key;
pub use blocks::table_text;

use super::url::MAX_URL_BYTES;
use super::{
    ArticleId, BodySketch, Digest, Facet, Violations, canonical_url, clean_line, from_proto, host_of, normal_address,
    safe_url, source_name, to_proto, url_host,
};
use crate::proto::{Article, BodyFormat, TimePrecision};

/// Maximum length of a change's reason, in characters.
pub const MAX_REASON_CHARS: usize = 1_000;

/// Maximum sizes of an article's texts.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Maximum length of the headline, in characters.
    pub headline_chars: usize,
    /// Maximum length of the subheadline, in characters.
    pub subheadline_chars: usize,
    /// Maximum size of the body, in bytes.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { headline_chars: 1_000, subheadline_chars: 4_000, body_bytes: 1 << 20 }
    }
}

/// Maximum length of a name or another short text, in characters.
const NAME_CHARS: usize = 256;
const EXTERNAL_ID_BYTES: usize = 512;
/// Maximum offset of a publisher's clock from UTC, in seconds.
const MAX_OFFSET_SECONDS: i64 = 18 * 3_600;

/// An article with normalized text and every field within its limits. Holds the caller's fields only, without those
/// that Copydesk sets.
#[derive(Clone, Debug)]
pub struct CleanArticle {
    article: Article,
    content: Vec<u8>,
    digest: Digest,
    sketch: Option<Arc<BodySketch>>,
}

impl CleanArticle {
    /// Normalizes and validates an article. Errors name the fields within the article: `headline`, `media[2].url`.
    pub fn new(mut article: Article, limits: &Limits) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        if is_rendered(&article) {
            violations.add("body_format", RENDERED);
        }
        forget_what_copydesk_sets(&mut article);
        clean_identity(&mut article, &mut violations);
        words::clean(&mut article, limits, &mut violations);
        people::clean(&mut article, &mut violations);
        rights::clean(&mut article, &mut violations);
        newsroom::clean(&mut article, &mut violations);
        media::clean(&mut article.media, &mut violations);
        blocks::clean(&mut article, &mut violations);
        clean_times(&mut article, &mut violations);
        annotations::clean(&mut article.annotations, &mut violations);
        if article.headline.is_empty() && article.body.is_empty() && violations.0.is_empty() {
            violations.add("body", "must not be empty when there is no headline either");
        }
        let content = article.encode_to_vec();
        violations.or(Self::of(article, content))
    }

    /// Validates an article that has addresses and identifiers, and no text: it was withdrawn before it arrived.
    pub fn without_text(article: Article) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut article = Article {
            url: article.url,
            source: article.source,
            external_id: article.external_id,
            ..Article::default()
        };
        clean_identity(&mut article, &mut violations);
        let content = article.encode_to_vec();
        violations.or(Self::of(article, content))
    }

    /// Returns the article without its text and fields: all that is left of a purged one is its source, and an embargo,
    /// which still hides that it ever existed.
    pub fn erased(source: &str, embargo: Option<Timestamp>) -> Self {
        let article = Article { source: source.to_owned(), embargo_time: embargo.map(to_proto), ..Article::default() };
        let content = article.encode_to_vec();
        Self::of(article, content)
    }

    fn of(article: Article, content: Vec<u8>) -> Self {
        let digest = Digest::of(&article.headline, &article.body);
        let sketch = BodySketch::of(&article.body).map(Arc::new);
        Self { article, content, digest, sketch }
    }

    /// Returns an article with the same headline and body.
    fn with_same_text(&self, article: Article) -> Self {
        Self { content: article.encode_to_vec(), article, digest: self.digest, sketch: self.sketch.clone() }
    }

    /// The article.
    pub fn article(&self) -> &Article {
        &self.article
    }

    /// The article, encoded.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Returns the digest of headline and body.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the sketch of the body, by which copies of it are found. None if the body is too short.
    pub fn sketch(&self) -> Option<&Arc<BodySketch>> {
        self.sketch.as_ref()
    }

    /// Returns the article that a store holds as this content: it was clean when it was stored.
    pub(crate) fn stored(content: &[u8]) -> Result<Self, DecodeError> {
        let article = Article::decode(content)?;
        Ok(Self::of(article, content.to_vec()))
    }

    /// Returns the same article with these times.
    pub(crate) fn with_times(&self, embargo: Option<Timestamp>, expire: Option<Timestamp>) -> Self {
        let (embargo_time, expire_time) = (embargo.map(to_proto), expire.map(to_proto));
        let article = Article { embargo_time, expire_time, ..self.article.clone() };
        self.with_same_text(article)
    }

    /// Returns an article with the identity, times and annotations of another one. Both were clean when stored.
    pub(crate) fn restored(past: Article, current: &Article) -> Self {
        let article = Article {
            source: current.source.clone(),
            url: current.url.clone(),
            host: current.host.clone(),
            external_id: current.external_id.clone(),
            embargo_time: current.embargo_time,
            expire_time: current.expire_time,
            annotations: current.annotations.clone(),
            ..past
        };
        let content = article.encode_to_vec();
        Self::of(article, content)
    }

    /// Returns the same article, merged into another one.
    pub fn merged_into(&self, successor: &ArticleId) -> Self {
        let article = Article { successor: successor.name(), ..self.article.clone() };
        self.with_same_text(article)
    }

    /// Returns the same article with this URL.
    pub(crate) fn with_url(&self, url: &str) -> Self {
        let host = url_host(url).unwrap_or_default();
        let article = Article { url: url.to_owned(), host, ..self.article.clone() };
        self.with_same_text(article)
    }

    /// Returns the same article with these annotations.
    pub(crate) fn with_annotations(&self, annotations: &BTreeMap<String, String>) -> Self {
        let article = Article { annotations: annotations.clone(), ..self.article.clone() };
        self.with_same_text(article)
    }

    /// Returns the digest of every field but `embargo_time`, `expire_time` and `annotations`, which keep their stored
    /// values when a document comes in again without them. Documents with equal fingerprints differ in nothing else,
    /// apart from the spelling of their URL.
    pub fn fingerprint(&self) -> Digest {
        let url = normal_address(&self.article.url).unwrap_or_default();
        let Article { embargo_time, expire_time, annotations, .. } = &self.article;
        if embargo_time.is_none() && expire_time.is_none() && annotations.is_empty() && url.is_empty() {
            return Digest::of_bytes(&self.content);
        }
        let mut article = self.article.clone();
        article.host.clear();
        article.annotations.clear();
        let article = Article { url, embargo_time: None, expire_time: None, ..article };
        Digest::of_bytes(&article.encode_to_vec())
    }

    /// Returns true if the article has a URL that is another spelling of this one.
    pub(crate) fn respells(&self, url: &str) -> bool {
        let own = &self.article.url;
        own != url && normal_address(own).is_ok_and(|own| normal_address(url) == Ok(own))
    }

    /// Returns the properties that list filters match.
    pub fn facets(&self) -> Vec<Facet> {
        Facet::of(&self.article)
    }

    /// Returns the publisher's time of first publication.
    pub fn publish_time(&self) -> Option<Timestamp> {
        time_of(&self.article.publish_time)
    }

    /// Returns the publisher's time of the last change.
    pub fn source_update_time(&self) -> Option<Timestamp> {
        time_of(&self.article.source_update_time)
    }

    /// Returns the time before which the article is unreadable.
    pub fn embargo_time(&self) -> Option<Timestamp> {
        time_of(&self.article.embargo_time)
    }

    /// Returns the time from which the article is unreadable.
    pub fn expire_time(&self) -> Option<Timestamp> {
        time_of(&self.article.expire_time)
    }
}

/// Validated by `clean_times`, so never an error.
fn time_of(time: &Option<prost_types::Timestamp>) -> Option<Timestamp> {
    time.as_ref().and_then(|time| from_proto(time).ok())
}

/// Description of a body that cannot be stored.
pub(super) const RENDERED: &str = "must be BODY_FORMAT_PLAIN or unset: a rendered body cannot be stored";

/// Returns true if an article has a rendered body.
pub(super) fn is_rendered(article: &Article) -> bool {
    !matches!(article.body_format(), BodyFormat::Unspecified | BodyFormat::Plain)
}

pub(super) fn forget_what_copydesk_sets(article: &mut Article) {
    *article = Article {
        name: String::new(),
        uid: String::new(),
        create_time: None,
        update_time: None,
        delete_time: None,
        state: 0,
        revision: 0,
        content_digest: String::new(),
        etag: String::new(),
        change_token: String::new(),
        successor: String::new(),
        host: String::new(),
        purge_time: None,
        body_format: 0,
        story: String::new(),
        ..std::mem::take(article)
    };
}

fn clean_identity(article: &mut Article, violations: &mut Violations) {
    if !article.url.is_empty() {
        match canonical_url(&article.url) {
            Ok(url) => article.url = url,
            Err(expected) => violations.add("url", expected),
        }
    }
    article.host = url_host(&article.url).unwrap_or_default();
    article.source = match article.source.as_str() {
        "" => host_of(&article.url).unwrap_or_default(),
        source => source_name(source),
    };
    check_chars("source", &article.source, NAME_CHARS, violations);
    article.external_id = clean_line(&article.external_id);
    if article.external_id.len() > EXTERNAL_ID_BYTES {
        violations.add("external_id", "must be at most 512 bytes long");
    }
    if !article.external_id.is_empty() && article.source.is_empty() {
        violations.add("source", "is required with an external_id: the publisher's host or name (or give a url)");
    }
}

fn check_chars(field: &str, text: &str, max: usize, violations: &mut Violations) {
    // A text has at most as many characters as bytes, so most need no count.
    if text.len() > max && text.chars().count() > max {
        violations.add(field, format!("must be at most {max} characters long"));
    }
}

/// Cleans one line of text and checks its length.
fn clean_short(field: &str, text: &mut String, max: usize, violations: &mut Violations) {
    *text = clean_line(text);
    check_chars(field, text, max, violations);
}

/// Validates a URL.
fn clean_address(field: &str, url: &mut String, violations: &mut Violations) {
    match safe_url(url) {
        Ok(safe) if safe.len() <= MAX_URL_BYTES => *url = safe,
        Ok(_) => violations.add(field, "must be at most 2,048 bytes long"),
        Err(expected) => violations.add(field, expected),
    }
}

/// Validates a URL that may be absent.
fn clean_optional_address(field: &str, url: &mut String, violations: &mut Violations) {
    if !url.is_empty() {
        clean_address(field, url, violations);
    }
}

fn clean_times(article: &mut Article, violations: &mut Violations) {
    for (field, time) in [
        ("publish_time", &mut article.publish_time),
        ("source_update_time", &mut article.source_update_time),
        ("embargo_time", &mut article.embargo_time),
        ("expire_time", &mut article.expire_time),
    ] {
        if let Some(value) = time {
            match from_proto(value) {
                Ok(checked) => *value = to_proto(checked),
                Err(expected) => violations.add(field, expected),
            }
        }
    }
    if let (Some(embargo), Some(expire)) = (time_of(&article.embargo_time), time_of(&article.expire_time))
        && expire <= embargo
    {
        violations.add("expire_time", "must be later than embargo_time");
    }
    if article.publish_time.is_none() {
        article.publish_time_precision = 0;
        article.publish_utc_offset = None;
    }
    if TimePrecision::try_from(article.publish_time_precision).is_err() {
        violations.add("publish_time_precision", "must be one of the precisions of a time");
    }
    if let Some(offset) = &article.publish_utc_offset
        && (offset.nanos != 0 || offset.seconds % 60 != 0 || offset.seconds.abs() > MAX_OFFSET_SECONDS)
    {
        violations.add("publish_utc_offset", "must be whole minutes, from -18 to 18 hours");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Block, Media};

    fn clean(article: Article) -> Result<CleanArticle, Violations> {
        CleanArticle::new(article, &Limits::default())
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let violations = clean(Article {
            headline: "x".repeat(1_001),
            url: "javascript:alert(1)".into(),
            media: vec![Media { url: "nowhere".into(), ..Media::default() }],
            language_code: "klingon!".into(),
            publish_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 }),
            blocks: vec![Block { content: None }],
            ..Article::default()
        });
        let fields: Vec<_> = violations.expect_err("invalid").0.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["url", "headline", "language_code", "media[0].url", "blocks[0]", "publish_time"]);
    }

    #[test]
    fn the_fingerprint_leaves_out_the_times_that_have_rules_of_their_own() {
        let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
        let plain = clean(Article { body: "b".into(), ..Article::default() }).expect("clean");
        let held = Article { embargo_time: time(10), expire_time: time(20), ..plain.article().clone() };
        let held = clean(held).expect("clean");
        assert_eq!(held.fingerprint(), plain.fingerprint());
        assert_eq!(plain.with_times(held.embargo_time(), held.expire_time()).content(), held.content());
        assert_eq!(
            CleanArticle::stored(held.content()).expect("decodes").with_times(None, None).content(),
            plain.content()
        );
        let other = clean(Article { publish_time: time(10), ..plain.article().clone() }).expect("clean");
        assert_ne!(other.fingerprint(), plain.fingerprint());
    }

    #[test]
    fn what_copydesk_sets_is_not_taken_from_callers() {
        let ours = clean(Article { body: "b".into(), revision: 9, name: "articles/x".into(), ..Article::default() });
        let plain = clean(Article { body: "b".into(), ..Article::default() });
        assert_eq!(ours.expect("clean").fingerprint(), plain.expect("clean").fingerprint());
    }
}
