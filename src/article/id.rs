//! Resource names: `articles/{article}` and `articles/{article}/revisions/{revision}`, and IDs derived from a key.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use data_encoding::{Encoding, Specification};

use super::{Digest, Key};

const COLLECTION: &str = "articles/";
const REVISIONS: &str = "/revisions/";
const RIGHT_ID: &str = "must be 1 to 63 characters of a-z, 0-9 and -, and neither begin nor end with -";
const RIGHT_NAME: &str = "must be articles/{article}, where {article} is 1 to 63 characters of a-z, 0-9 and -";
const NO_REVISION: &str = "must be articles/{article}, without a revision: GetArticleRevision reads \
     articles/{article}/revisions/{revision}";

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

    /// Parses the resource name of an article.
    pub fn from_name(name: &str) -> Result<Self, &'static str> {
        let id = name.strip_prefix(COLLECTION).ok_or(RIGHT_NAME)?;
        id.parse().map_err(|_| if id.contains(REVISIONS) || id.contains('@') { NO_REVISION } else { RIGHT_NAME })
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

/// Resource name of a revision: `articles/{article}/revisions/{revision}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionName {
    /// ID of the article.
    pub article: ArticleId,
    /// Revision number, from 1.
    pub revision: i64,
}

impl FromStr for RevisionName {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "must be articles/{article}/revisions/{revision} with a revision number from 1 up";
        let (article, digits) = name.split_once(REVISIONS).ok_or(EXPECTED)?;
        // No sign, no leading zero: each revision has one name.
        let revision = digits.parse().ok().filter(|number: &i64| *number > 0 && number.to_string() == digits);
        let article = ArticleId::from_name(article).map_err(|_| EXPECTED)?;
        Ok(Self { article, revision: revision.ok_or(EXPECTED)? })
    }
}

impl fmt::Display for RevisionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COLLECTION}{}{REVISIONS}{}", self.article, self.revision)
    }
}

/// Crockford's alphabet, without letters that look like digits. 16 bytes make 26 characters.
pub(super) fn base32() -> &'static Encoding {
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
        for bad in ["", "articles/", "articles/-a", "articles/A", "article/a", "articles/a/b"] {
            assert_eq!(ArticleId::from_name(bad), Err(RIGHT_NAME), "{bad}");
        }
        for revision in ["articles/a@1", "articles/a/revisions/1"] {
            assert_eq!(ArticleId::from_name(revision), Err(NO_REVISION), "{revision}");
        }
        for bad in ["", "0", "01", "+1", "-1", "x", "9223372036854775808", "1/revisions/1"] {
            assert!(format!("articles/a/revisions/{bad}").parse::<RevisionName>().is_err(), "{bad}");
        }
        assert!("articles/A/revisions/1".parse::<RevisionName>().is_err());
        for name in ["articles/a-1/revisions/12", "articles/a/revisions/9223372036854775807"] {
            assert_eq!(name.parse::<RevisionName>().map(|name| name.to_string()).as_deref(), Ok(name));
        }
    }
}
