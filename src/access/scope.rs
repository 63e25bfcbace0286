//! What a credential is good for, and what each method needs. The one table of it: whatever is not in it is refused.

use std::fmt;
use std::str::FromStr;

/// What a credential may be good for. None implies another: a key has those that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// To read articles: all of `RetrievalService`.
    Read,
    /// To bring articles in, and to correct them.
    Write,
    /// To decide whether an article is there for its readers: withdraw, reinstate, delete, undelete. Apart from writing, since
    /// whatever brings articles in runs unattended, and must not be able to take down the rest. For the same reason a
    /// write that would hide a readable article by its embargo or expiry needs it besides `Write` (`store::Authority`).
    Admin,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// As it stands in keys and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "articles.read",
            Self::Write => "articles.write",
            Self::Admin => "articles.admin",
        }
    }
}

/// What one credential is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Whether it is among them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// With one more.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Those that are ours, of words that may mean something to others.
    pub fn among<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let ours = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        words.into_iter().filter_map(ours).fold(Self::default(), Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

/// Parted by commas or spaces, at least one, and each known.
impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let right = || "must be some of articles.read, articles.write, articles.admin, parted by commas".to_owned();
        let words: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty()).collect();
        let known = |word: &&str| Scopes::among([*word]) != Self::default();
        if words.is_empty() || !words.iter().all(known) { Err(right()) } else { Ok(Self::among(words)) }
    }
}

/// What a method asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: probes have no credential.
    Nothing,
    /// Any valid credential.
    Credential,
    /// One with this scope.
    Scope(Scope),
}

/// What a method needs, by its path; none for a method that is not known, which nobody may call.
pub fn needs(path: &str) -> Option<Needs> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    Some(match (service, method) {
        (
            "copydesk.v1.RetrievalService",
            "GetArticle"
            | "BatchGetArticles"
            | "LookupArticle"
            | "ListArticles"
            | "SearchArticles"
            | "ListArticleRevisions"
            | "WatchArticles"
            | "ExportArticles",
        ) => Needs::Scope(Scope::Read),
        ("copydesk.v1.IngestionService", "IngestArticle" | "IngestArticles" | "UpdateArticle") => {
            Needs::Scope(Scope::Write)
        }
        (
            "copydesk.v1.IngestionService",
            "WithdrawArticle" | "ReinstateArticle" | "DeleteArticle" | "UndeleteArticle",
        ) => Needs::Scope(Scope::Admin),
        ("grpc.health.v1.Health", _) => Needs::Nothing,
        // What is served is no secret to those who may call it, and nobody else's business.
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => Needs::Credential,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_strictly_from_people_and_leniently_from_tokens() {
        let two: Scopes = "articles.read, articles.admin".parse().unwrap();
        assert_eq!(two.to_string(), "articles.read articles.admin");
        assert!(two.has(Scope::Read) && !two.has(Scope::Write) && two.has(Scope::Admin));
        for wrong in ["", " , ", "articles.reed", "articles.read,openid", "*"] {
            assert!(wrong.parse::<Scopes>().is_err(), "{wrong}");
        }
        assert_eq!(Scopes::among(["openid", "articles.write"]), Scopes::default().with(Scope::Write));
    }
}
