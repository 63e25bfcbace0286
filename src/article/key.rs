//! Keys of articles: what the outside world calls an article, apart from its name.
//!
//! An article has one name and any number of keys. A store maps each key to one article, and consults this map before
//! it names a new one. See docs/decisions/0031-identity-by-all-keys.md.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Digest, Violations, clean_line, normal_address, source_name};
use crate::proto::ExternalKey;

/// Maximum length of a lookup key, in bytes. A source has at most 256 characters, an external ID 512 bytes.
const MAX_KEY_BYTES: usize = 1_024;

/// Key of an article: a normal address, a publisher's identifier, or a text. The first 128 bits of a SHA-256, so that
/// all keys have one size and none can be forged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 16]);

impl Key {
    /// Returns the key of an address: all its spellings have the same key.
    ///
    /// # Errors
    /// If it is not an absolute `http` or `https` URL. The error says what is required.
    pub fn address(url: &str) -> Result<Self, &'static str> {
        Ok(Self::of("address", &[normal_address(url)?.as_bytes()]))
    }

    /// Returns the key of a publisher's identifier. `source` is case-folded.
    pub fn external(source: &str, external_id: &str) -> Self {
        Self::of("external", &[source.as_bytes(), external_id.as_bytes()])
    }

    /// Returns the key of a publisher's identifier in a request. Errors name the fields of `external`.
    pub fn of_external(external: &ExternalKey) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let source = source_name(&external.source);
        let external_id = clean_line(&external.external_id);
        if source.is_empty() {
            violations.add("external.source", "is required: host or name of the publisher");
        }
        if external_id.is_empty() {
            violations.add("external.external_id", "is required: the publisher's ID of the article");
        }
        for (field, text) in [("external.source", &source), ("external.external_id", &external_id)] {
            if text.len() > MAX_KEY_BYTES {
                violations.add(field, format!("must be at most {MAX_KEY_BYTES} bytes long"));
            }
        }
        violations.or(Self::external(&source, &external_id))
    }

    /// Returns the key of a text, for documents without any other: two publishers' copies of it are two articles, and
    /// one is the duplicate of the other.
    pub fn text(source: &str, digest: &Digest) -> Self {
        Self::of("content", &[source.as_bytes(), &digest.0])
    }

    /// Returns the key for a name that is taken by another article.
    pub(super) fn renamed(self, digest: &Digest) -> Self {
        Self::of("renamed", &[&self.0, &digest.0])
    }

    /// Lengths keep ("ab", "c") and ("a", "bc") apart; the kind keeps keys of different kinds apart.
    fn of(kind: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts.iter().copied()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        Self(std::array::from_fn(|at| hash[at]))
    }

    /// Returns the stored form.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Returns the key with this stored form.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// Key that an article has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArticleKey {
    /// Key.
    pub key: Key,
    /// True for the address of a document of the article and for an identifier that a sender stated; false for what a
    /// document merely claims, such as a canonical address. The next document from that address decides.
    pub is_certain: bool,
}

impl ArticleKey {
    /// Returns the statement that gives an article this key.
    pub fn stated(self) -> StatedKey {
        StatedKey { key: self.key, trust: if self.is_certain { Trust::Certain } else { Trust::IfSimilar } }
    }
}

/// Key that a document states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedKey {
    /// Key.
    pub key: Key,
    /// Reliability.
    pub trust: Trust,
}

/// Reliability of a stated key: what must hold beside it for the document to belong to the article with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trust {
    /// Nothing: the address that the document was fetched from, and the identifier that its sender states.
    Certain,
    /// The article has no other external ID: the link of a feed's item.
    UnlessOtherId,
    /// The headline is equal or the texts are similar: a GUID, a canonical or an alternate address. Sites repeat these
    /// on pages that they do not belong to.
    IfSimilar,
}

impl StatedKey {
    /// Returns the key as the article of the document has it.
    pub fn of_article(self) -> ArticleKey {
        ArticleKey { key: self.key, is_certain: self.trust != Trust::IfSimilar }
    }
}
