//! Resource names: `articles/{article}` and `articles/{article}@{revision}`, and IDs derived from a document's
//! identity.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{Encoding, Specification};
use sha2::{Digest as _, Sha256};

use super::{Digest, Violations};

const COLLECTION: &str = "articles/";
const RIGHT_ID: &str = "must be 1 to 63 characters of a-z, 0-9 and -, and neither begin nor end with -";
const RIGHT_NAME: &str = "must be articles/{article}, where {article} is 1 to 63 characters of a-z, 0-9 and -";

/// ID of an article, the last part of its name. Valid by construction; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArticleId(Arc<str>);

impl ArticleId {
    /// Returns the ID.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the resource name.
    pub fn name(&self) -> String {
        format!("{COLLECTION}{}", self.0)
    }

    /// Parses a resource name that has no revision.
    pub fn from_name(name: &str) -> Result<Self, &'static str> {
        name.strip_prefix(COLLECTION).ok_or(RIGHT_NAME)?.parse().map_err(|_| RIGHT_NAME)
    }
}

impl FromStr for ArticleId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.into())) } else { Err(RIGHT_ID) }
    }
}

impl fmt::Display for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ArticleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

/// A resource name with an optional past revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleName {
    /// ID of the article.
    pub id: ArticleId,
    /// The requested revision; the newest if absent.
    pub revision: Option<i64>,
}

impl FromStr for ArticleName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be articles/{article}, or articles/{article}@{revision} with a revision from 1 up";
        let (base, revision) = match name.split_once('@') {
            None => (name, None),
            Some((base, digits)) => {
                // No sign, no leading zero: each revision has one name.
                let revision = digits.parse().ok().filter(|r: &i64| *r > 0 && r.to_string() == digits);
                (base, Some(revision.ok_or(EXPECTED)?))
            }
        };
        Ok(Self { id: ArticleId::from_name(base).map_err(|_| EXPECTED)?, revision })
    }
}

/// Identity of a document, equal each time it is ingested.
pub struct Identity<'a> {
    /// ID given by the client.
    pub article_id: &'a str,
    /// The publisher.
    pub source: &'a str,
    /// The publisher's ID.
    pub external_id: &'a str,
    /// Canonical URL.
    pub url: &'a str,
    /// Digest of the text.
    pub digest: &'a Digest,
}

impl Identity<'_> {
    /// Returns the article's ID: the client's, otherwise a hash of source and external ID, of the URL, or of source
    /// and content, in this order.
    pub fn derive(&self) -> Result<ArticleId, Violations> {
        if !self.article_id.is_empty() {
            return self.article_id.parse().map_err(|expected: &str| Violations::one("article_id", expected));
        }
        let mut hash = Sha256::new();
        // Lengths keep ("ab", "c") and ("a", "bc") apart; the leading word keeps the three kinds apart.
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        if !self.external_id.is_empty() {
            part(b"external");
            part(self.source.as_bytes());
            part(self.external_id.as_bytes());
        } else if !self.url.is_empty() {
            part(b"url");
            part(self.url.as_bytes());
        } else {
            // Includes the source: two publishers' copies of a wire story are two articles, and one is the duplicate
            // of the other.
            part(b"content");
            part(self.source.as_bytes());
            part(&self.digest.0);
        }
        let id = base32().encode(&hash.finalize()[..16]);
        Ok(ArticleId(id.into()))
    }
}

/// Crockford's alphabet, without letters that look like digits. 16 bytes make 26 characters.
fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
        specification.encoding().expect("32 different symbols make an encoding")
    });
    &ENCODING
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity<'a>(source: &'a str, external_id: &'a str, url: &'a str) -> ArticleId {
        Identity { article_id: "", source, external_id, url, digest: &Digest([7; 32]) }.derive().expect("derived")
    }

    #[test]
    fn the_strongest_identity_wins() {
        let by_external = identity("a.example", "1", "https://a.example/1");
        assert_eq!(by_external, identity("a.example", "1", "https://a.example/2"));
        assert_ne!(by_external, identity("b.example", "1", "https://a.example/1"));
        assert_ne!(identity("ab", "c", ""), identity("a", "bc", ""));
        assert_ne!(identity("a.example", "", ""), identity("b.example", "", ""));
        assert_eq!(by_external.as_str().len(), 26);
    }

    #[test]
    fn names_are_parsed_strictly() {
        for bad in [
            "",
            "articles/",
            "articles/-a",
            "articles/A",
            "article/a",
            "articles/a/b",
            "articles/a@0",
            "articles/a@01",
            "articles/a@",
        ] {
            assert!(bad.parse::<ArticleName>().is_err(), "{bad}");
        }
        let name: ArticleName = "articles/a-1@12".parse().expect("valid");
        assert_eq!((name.id.as_str(), name.revision), ("a-1", Some(12)));
    }
}
