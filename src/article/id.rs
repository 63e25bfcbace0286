//! Resource names: `articles/{article}` and `articles/{article}@{revision}`, and IDs derived from a key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{Encoding, Specification};

use super::{Digest, Key};

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

    /// Returns the ID of a new article, derived from the first key that its document states.
    pub fn of_key(key: &Key) -> Self {
        Self(base32().encode(key.as_bytes()).into())
    }

    /// Returns the ID of a new article if another one has the ID of its key: they share the key, and are not versions
    /// of one text.
    pub fn of_shared_key(key: &Key, digest: &Digest) -> Self {
        Self::of_key(&key.renamed(digest))
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

    #[test]
    fn ids_are_derived_from_keys() {
        let key = Key::external("a.example", "1");
        let id = ArticleId::of_key(&key);
        assert_eq!(id, ArticleId::of_key(&Key::external("a.example", "1")));
        assert_eq!(id.as_str().len(), 26);
        assert_ne!(id, ArticleId::of_key(&Key::external("b.example", "1")));
        assert_ne!(Key::external("ab", "c"), Key::external("a", "bc"));
        assert_ne!(id, ArticleId::of_shared_key(&key, &Digest([7; 32])));
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
