//! Names of stories: `stories/{story}`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::ArticleId;
use super::id::base32;

const COLLECTION: &str = "stories/";
const RIGHT_NAME: &str = "must be stories/{story}, as Copydesk returned it";
/// Makes IDs of stories differ from other hashes of IDs.
const PREFIX: &[u8] = b"story ";

/// Makes IDs of stories that an editor has divided from another one differ from other hashes.
const DIVIDED: &[u8] = b"divided story ";

/// ID of a story, the last part of its name: a hash of the ID of the article that founded it, or of the story and the
/// articles that an editor has divided from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoryId(Uuid);

impl StoryId {
    /// Returns the ID of a story that an article founds: the first is `round` 0.
    pub fn founded_by(article: &ArticleId, round: u8) -> Self {
        Self(Uuid::from_u128(xxh3_128(&[PREFIX, &[round], article.as_str().as_bytes()].concat())))
    }

    /// Returns the ID of the story that some articles of a story become when an editor divides them from it.
    pub fn divided_from(story: Self, articles: &BTreeSet<ArticleId>) -> Self {
        let mut bytes = [DIVIDED, story.0.as_bytes()].concat();
        for article in articles {
            bytes.extend_from_slice(article.as_str().as_bytes());
            // IDs contain none.
            bytes.push(b'\n');
        }
        Self(Uuid::from_u128(xxh3_128(&bytes)))
    }

    /// Returns the resource name.
    pub fn name(&self) -> String {
        format!("{COLLECTION}{self}")
    }

    /// Parses a resource name.
    pub fn from_name(name: &str) -> Result<Self, &'static str> {
        name.strip_prefix(COLLECTION).ok_or(RIGHT_NAME)?.parse()
    }

    /// Returns the value that a store keeps.
    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for StoryId {
    fn from(stored: Uuid) -> Self {
        Self(stored)
    }
}

impl FromStr for StoryId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = base32().decode(text.as_bytes()).map_err(|_| RIGHT_NAME)?;
        bytes.try_into().map(|bytes| Self(Uuid::from_bytes(bytes))).map_err(|_| RIGHT_NAME)
    }
}

impl fmt::Display for StoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32().encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for StoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let article: ArticleId = "ferry".parse().unwrap();
        let story = StoryId::founded_by(&article, 0);
        assert_eq!(StoryId::from_name(&story.name()), Ok(story));
        assert_ne!(story, StoryId::founded_by(&article, 1));
        assert_ne!(story, StoryId::founded_by(&"tram".parse().unwrap(), 0));
        let divided =
            |names: &[&str]| StoryId::divided_from(story, &names.iter().map(|name| name.parse().unwrap()).collect());
        assert_eq!(divided(&["tram", "ferry"]), divided(&["ferry", "tram"]));
        assert!(![story, divided(&["tram"])].contains(&divided(&["tram", "ferry"])));
        for wrong in ["stories/", "stories/ferry", "articles/ferry", "stories/0123456789abcdefghjkmnpqrU"] {
            assert_eq!(StoryId::from_name(wrong), Err(RIGHT_NAME), "{wrong}");
        }
    }
}
