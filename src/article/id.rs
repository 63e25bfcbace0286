//! Names: `articles/{article}` and `articles/{article}@{revision}`, and how one is derived from what a document is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{Encoding, Specification};
use sha2::{Digest as _, Sha256};

use super::{Digest, Violations};

const COLLECTION: &str = "articles/";
const RIGHT_ID: &str = "must be 1 to 63 characters of a-z, 0-9 and -, and neither begin nor end with -";
const RIGHT_NAME: &str = "must be articles/{article}, where {article} is 1 to 63 characters of a-z, 0-9 and -";

/// The last part of an article's name. Valid by construction; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArticleId(Arc<str>);

impl ArticleId {
    /// The ID as it stands in the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The resource name.
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

/// A name that may ask for a past revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArticleName {
    /// Which article.
    pub id: ArticleId,
    /// Which revision; the newest when absent.
    pub revision: Option<i64>,
}

impl FromStr for ArticleName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        const RIGHT: &str = "must be articles/{article}, or articles/{article}@{revision} with a revision from 1 up";
        let (base, revision) = match name.split_once('@') {
            None => (name, None),
            Some((base, digits)) => {
                // No sign, no leading zero: one revision has one name.
                let revision = digits.parse().ok().filter(|r: &i64| *r > 0 && r.to_string() == digits);
                (base, Some(revision.ok_or(RIGHT)?))
            }
        };
        Ok(Self { id: ArticleId::from_name(base).map_err(|_| RIGHT)?, revision })
    }
}

/// What makes a document the same article each time it comes.
pub struct Identity<'a> {
    /// The client's own name for it.
    pub article_id: &'a str,
    /// The publisher.
    pub source: &'a str,
    /// What the publisher calls it.
    pub external_id: &'a str,
    /// Its canonical address.
    pub url: &'a str,
    /// What it says.
    pub digest: &'a Digest,
}

impl Identity<'_> {
    /// The article's ID: the client's, or else a hash of source and external ID, or else of the URL, or else of source and
    /// content.
    pub fn derive(&self) -> Result<ArticleId, Violations> {
        if !self.article_id.is_empty() {
            return self.article_id.parse().map_err(|right: &str| Violations::one("article_id", right));
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
            // With the source: two publishers' copies of a wire story are two articles, one the other's duplicate.
            part(b"content");
            part(self.source.as_bytes());
            part(&self.digest.0);
        }
        let id = base32().encode(&hash.finalize()[..16]);
        Ok(ArticleId(id.into()))
    }
}

/// Crockford's alphabet: no letter that reads like a digit. 16 bytes make 26 characters.
fn base32() -> &'static Encoding {
    static ENCODING: std::sync::LazyLock<Encoding> = std::sync::LazyLock::new(|| {
        let mut specification = Specification::new();
        specification.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
        specification.encoding().expect("32 different symbols are an encoding")
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
