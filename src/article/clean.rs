//! Validation before the store: only a [`CleanArticle`] can be written.

use jiff::Timestamp;
use prost::{DecodeError, Message};

use super::url::MAX_URL_BYTES;
use super::{
    Digest, Facet, Violations, canonical_url, clean_line, clean_text, fold, from_proto, host_of, normal_address,
    safe_url, to_proto,
};
use crate::proto::{Article, BlockKind, MediaKind};

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

const NAME_CHARS: usize = 256;
const MAX_NAMES: usize = 64;
const MAX_MEDIA: usize = 256;
const MAX_LINKS: usize = 1_024;
const EXTERNAL_ID_BYTES: usize = 512;
const RIGHTS_CHARS: usize = 2_000;

/// An article with normalized text and every field within its limits. Holds the caller's fields only, without those
/// that Copydesk sets.
#[derive(Clone, Debug)]
pub struct CleanArticle {
    article: Article,
    content: Vec<u8>,
    digest: Digest,
}

impl CleanArticle {
    /// Normalizes and validates an article. Errors name the fields within the article: `headline`, `media[2].url`.
    pub fn new(mut article: Article, limits: &Limits) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        forget_what_copydesk_sets(&mut article);
        clean_identity(&mut article, &mut violations);
        clean_words(&mut article, limits, &mut violations);
        clean_blocks(&mut article, &mut violations);
        clean_addresses(&mut article, &mut violations);
        clean_times(&mut article, &mut violations);
        if article.headline.is_empty() && article.body.is_empty() && violations.0.is_empty() {
            violations.add("body", "must not be empty when there is no headline either");
        }
        let digest = Digest::of(&article.headline, &article.body);
        let content = article.encode_to_vec();
        violations.or(Self { article, content, digest })
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
        let (content, digest) = (article.encode_to_vec(), Digest::of("", ""));
        violations.or(Self { article, content, digest })
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

    /// Returns the article that a store holds as this content: it was clean when it was stored.
    pub(crate) fn stored(content: &[u8]) -> Result<Self, DecodeError> {
        let article = Article::decode(content)?;
        let digest = Digest::of(&article.headline, &article.body);
        Ok(Self { article, content: content.to_vec(), digest })
    }

    /// Returns the same article with these times.
    pub(crate) fn with_times(&self, embargo: Option<Timestamp>, expire: Option<Timestamp>) -> Self {
        let (embargo_time, expire_time) = (embargo.map(to_proto), expire.map(to_proto));
        let article = Article { embargo_time, expire_time, ..self.article.clone() };
        Self { content: article.encode_to_vec(), article, digest: self.digest }
    }

    /// Returns the same article with this URL.
    pub(crate) fn with_url(&self, url: &str) -> Self {
        let article = Article { url: url.to_owned(), ..self.article.clone() };
        Self { content: article.encode_to_vec(), article, digest: self.digest }
    }

    /// Returns the digest of every field but `embargo_time` and `expire_time`, which have rules of their own when a
    /// document comes in again. Documents with equal fingerprints differ in nothing else, apart from the spelling of
    /// their URL.
    pub fn fingerprint(&self) -> Digest {
        let url = normal_address(&self.article.url).unwrap_or_default();
        let is_normal = self.article.embargo_time.is_none() && self.article.expire_time.is_none() && url.is_empty();
        if is_normal {
            return Digest::of_bytes(&self.content);
        }
        let article = Article { url, embargo_time: None, expire_time: None, ..self.article.clone() };
        Digest::of_bytes(&article.encode_to_vec())
    }

    /// Returns the fingerprint that versions before keys stored, which depended on the spelling of the URL.
    pub(crate) fn former_fingerprint(&self) -> Digest {
        Digest::of_bytes(&self.with_times(None, None).content)
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
        duplicate_of: String::new(),
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
    article.source = match article.source.as_str() {
        "" => host_of(&article.url).unwrap_or_default(),
        source => fold(source),
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

fn clean_words(article: &mut Article, limits: &Limits, violations: &mut Violations) {
    let lines: [(&str, &mut String, usize); 6] = [
        ("headline", &mut article.headline, limits.headline_chars),
        ("subheadline", &mut article.subheadline, limits.subheadline_chars),
        ("agency", &mut article.agency, NAME_CHARS),
        ("publisher", &mut article.publisher, NAME_CHARS),
        ("section", &mut article.section, NAME_CHARS),
        ("rights", &mut article.rights, RIGHTS_CHARS),
    ];
    for (field, text, max) in lines {
        *text = clean_line(text);
        check_chars(field, text, max, violations);
    }
    clean_names("authors", &mut article.authors, violations);
    clean_names("tags", &mut article.tags, violations);
    if let Some(dateline) = &mut article.dateline {
        for (field, text) in [("dateline.place", &mut dateline.place), ("dateline.text", &mut dateline.text)] {
            *text = clean_line(text);
            check_chars(field, text, NAME_CHARS, violations);
        }
        if dateline.place.is_empty() && dateline.text.is_empty() {
            article.dateline = None;
        }
    }
    if !article.language.is_empty() {
        match language(&article.language) {
            Some(tag) => article.language = tag,
            None => violations.add("language", "must be a BCP 47 tag, such as en, pt-BR or zh-Hant"),
        }
    }
    article.body = clean_text(&article.body);
    if article.body.len() > limits.body_bytes {
        violations.add("body", format!("must be at most {} bytes long", limits.body_bytes));
    }
}

fn check_chars(field: &str, text: &str, max: usize, violations: &mut Violations) {
    // A text has at max as many characters as bytes, so most need no count.
    if text.len() > max && text.chars().count() > max {
        violations.add(field, format!("must be at most {max} characters long"));
    }
}

fn clean_names(field: &str, names: &mut Vec<String>, violations: &mut Violations) {
    for name in names.iter_mut() {
        *name = clean_line(name);
    }
    names.retain(|name| !name.is_empty());
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(fold(name)));
    if names.len() > MAX_NAMES {
        violations.add(field, format!("must be at most {MAX_NAMES}"));
    }
    for (at, name) in names.iter().enumerate() {
        check_chars(&format!("{field}[{at}]"), name, NAME_CHARS, violations);
    }
}

/// Normalizes the case of a BCP 47 tag: `pt-br` becomes `pt-BR`, `zh_hant` becomes `zh-Hant`.
fn language(tag: &str) -> Option<String> {
    let mut out = String::new();
    for (at, part) in tag.trim().split(['-', '_']).enumerate() {
        let alphanumeric = part.bytes().all(|b| b.is_ascii_alphanumeric());
        if !(1..=8).contains(&part.len()) || !alphanumeric || at > 7 {
            return None;
        }
        if at == 0 && !((2..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic())) {
            return None;
        }
        if at > 0 {
            out.push('-');
        }
        let part = part.to_ascii_lowercase();
        match (at, part.len()) {
            (1.., 2) => out.push_str(&part.to_ascii_uppercase()),
            (1.., 4) if part.as_bytes()[0].is_ascii_alphabetic() => {
                out.push_str(&part[..1].to_ascii_uppercase());
                out.push_str(&part[1..]);
            }
            _ => out.push_str(&part),
        }
    }
    Some(out)
}

fn clean_blocks(article: &mut Article, violations: &mut Violations) {
    let paragraphs = if article.body.is_empty() { 0 } else { article.body.matches("\n\n").count() + 1 };
    // Each paragraph is one block; pictures may occur several times.
    if article.blocks.len() > paragraphs + MAX_MEDIA {
        violations.add("blocks", format!("must be at most one a paragraph, and {MAX_MEDIA} pictures"));
        return;
    }
    let mut next = 0;
    for (at, block) in article.blocks.iter_mut().enumerate() {
        let path = |field: &str| format!("blocks[{at}].{field}");
        match BlockKind::try_from(block.kind) {
            Ok(BlockKind::Unspecified) | Err(_) => {
                violations.add(path("kind"), "must be one of the kinds of block");
            }
            Ok(BlockKind::Image) => {
                block.paragraph = 0;
                block.level = 0;
                if usize::try_from(block.media).is_ok_and(|media| media < article.media.len()) {
                    continue;
                }
                violations.add(path("media"), "must be the index of an entry of media");
            }
            Ok(kind) => {
                block.media = 0;
                if kind != BlockKind::Heading {
                    block.level = 0;
                } else if !(1..=6).contains(&block.level) {
                    violations.add(path("level"), "must be from 1 to 6 for a heading");
                }
                if usize::try_from(block.paragraph).ok() != Some(next) {
                    violations.add(
                        path("paragraph"),
                        format!("must be {next}: textual blocks name each paragraph once, in order"),
                    );
                    return;
                }
                next += 1;
            }
        }
    }
    if !article.blocks.is_empty() && next != paragraphs {
        violations
            .add("blocks", format!("must name each of the {paragraphs} paragraphs of body once (they name {next})"));
    }
}

fn clean_addresses(article: &mut Article, violations: &mut Violations) {
    if article.media.len() > MAX_MEDIA {
        violations.add("media", format!("must be at most {MAX_MEDIA}"));
    }
    for (at, media) in article.media.iter_mut().enumerate() {
        clean_address(&format!("media[{at}].url"), &mut media.url, violations);
        if MediaKind::try_from(media.kind).is_err() {
            violations.add(format!("media[{at}].kind"), "must be one of the kinds of media");
        }
        for (field, text) in [("caption", &mut media.caption), ("credit", &mut media.credit)] {
            *text = clean_line(text);
            check_chars(&format!("media[{at}].{field}"), text, RIGHTS_CHARS, violations);
        }
        if media.width < 0 || media.height < 0 {
            violations.add(format!("media[{at}].width"), "width and height must not be negative");
        }
    }
    if article.links.len() > MAX_LINKS {
        violations.add("links", format!("must be at most {MAX_LINKS}"));
    }
    for (at, link) in article.links.iter_mut().enumerate() {
        clean_address(&format!("links[{at}].url"), &mut link.url, violations);
        link.text = clean_line(&link.text);
        check_chars(&format!("links[{at}].text"), &link.text, RIGHTS_CHARS, violations);
    }
}

fn clean_address(field: &str, url: &mut String, violations: &mut Violations) {
    match safe_url(url) {
        Ok(safe) if safe.len() <= MAX_URL_BYTES => *url = safe,
        Ok(_) => violations.add(field, "must be at most 2,048 bytes long"),
        Err(expected) => violations.add(field, expected),
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Block, Link};

    fn clean(article: Article) -> Result<CleanArticle, Violations> {
        CleanArticle::new(article, &Limits::default())
    }

    #[test]
    fn every_field_at_fault_is_named() {
        let violations = clean(Article {
            headline: "x".repeat(1_001),
            url: "javascript:alert(1)".into(),
            links: vec![Link { url: "nowhere".into(), text: String::new() }],
            language: "klingon!".into(),
            publish_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 }),
            blocks: vec![Block { kind: 99, ..Block::default() }],
            ..Article::default()
        });
        let fields: Vec<_> = violations.expect_err("invalid").0.into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["url", "headline", "language", "blocks[0].kind", "links[0].url", "publish_time"]);
    }

    #[test]
    fn languages_are_written_as_usual() {
        for (given, usual) in [("EN", "en"), ("pt_br", "pt-BR"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419")] {
            assert_eq!(language(given).as_deref(), Some(usual));
        }
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
