//! Scopes, and the table of what each method requires. Methods that are not in the table are refused.

use std::fmt;
use std::str::FromStr;

/// Permission of a credential. No scope implies another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reading articles: all of `RetrievalService` except RecordReads.
    Read,
    /// Ingesting articles.
    Write,
    /// Correcting, withdrawing, reinstating, deleting and undeleting articles, and reading them in every state.
    /// Separate from writing, since ingestion runs unattended and must not be able to take down articles. For the same
    /// reason a document that would hide a readable article by its embargo or expiry requires it besides `Write`
    /// (`store::Authority`).
    Edit,
    /// Withdrawing, reinstating, deleting and undeleting articles, as `Edit`: keys from before `Edit` keep their
    /// permissions.
    Admin,
    /// Reporting reads, which changes the order of lists that others see, and nothing else: for sites and apps, whose
    /// keys are easily stolen.
    RecordReads,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Edit, Self::Admin, Self::RecordReads];

    /// Returns its name in keys and tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "articles.read",
            Self::Write => "articles.write",
            Self::Edit => "articles.edit",
            Self::Admin => "articles.admin",
            Self::RecordReads => "articles.record_reads",
        }
    }
}

/// Set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Returns true if the set contains a scope.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & 1 << scope as u8 != 0
    }

    /// Returns the set with one scope added.
    #[must_use]
    pub fn with(self, scope: Scope) -> Self {
        Self(self.0 | 1 << scope as u8)
    }

    /// Returns the known scopes among words; other words are ignored.
    pub fn among<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let known = |word: &str| Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        words.into_iter().filter_map(known).fold(Self::default(), Self::with)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

/// Parses known scopes, at least one, separated by commas or spaces.
impl FromStr for Scopes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            "must be a comma-separated list of articles.read, articles.write, articles.edit, articles.admin and \
             articles.record_reads"
                .to_owned()
        };
        let words: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty()).collect();
        let known = |word: &&str| Scopes::among([*word]) != Self::default();
        if words.is_empty() || !words.iter().all(known) { Err(expected()) } else { Ok(Self::among(words)) }
    }
}

/// Requirement of a method for its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// None: probes have no credential.
    Nothing,
    /// Any valid credential.
    Credential,
    /// A credential with one of these scopes.
    Scope(&'static [Scope]),
}

/// Returns the requirement of a method by its path; none for an unknown method, which nobody may call.
pub fn needs(path: &str) -> Option<Requirement> {
    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    Some(match (service, method) {
        (
            "copydesk.v1.RetrievalService",
            "GetArticle"
            | "BatchGetArticles"
            | "LookupArticle"
            | "BatchLookupArticles"
            | "ListArticles"
            | "SearchArticles"
            | "AggregateArticles"
            | "SuggestValues"
            | "ListRelatedArticles"
            | "ListArticleCopies"
            | "GetStory"
            | "ListStoryArticles"
            | "ListStories"
            | "ListTopStories"
            | "ListMostReadArticles"
            | "WatchStories"
            | "ListArticleRevisions"
            | "GetArticleRevision"
            | "DiffArticleRevisions"
            | "WatchArticles"
            | "ExportArticles",
        ) => Requirement::Scope(&[Scope::Read]),
        ("copydesk.v1.RetrievalService", "RecordReads") => Requirement::Scope(&[Scope::RecordReads]),
        ("copydesk.v1.IngestionService", "IngestArticle" | "IngestArticles") => Requirement::Scope(&[Scope::Write]),
        (
            "copydesk.v1.EditorialService",
            "UpdateArticle"
            | "RollbackArticle"
            | "MergeArticles"
            | "MoveStoryArticles"
            | "MergeStories"
            | "GetArticleSource"
            | "ListIngestEvents"
            | "ReprocessArticle"
            | "GetExtractionReport",
        ) => Requirement::Scope(&[Scope::Edit]),
        ("copydesk.v1.EditorialService", "PurgeArticle") => Requirement::Scope(&[Scope::Admin]),
        (
            "copydesk.v1.EditorialService",
            "WithdrawArticle" | "ReinstateArticle" | "DeleteArticle" | "UndeleteArticle",
        ) => Requirement::Scope(&[Scope::Edit, Scope::Admin]),
        ("grpc.health.v1.Health", _) => Requirement::Nothing,
        // Every caller may list the services; others may not.
        ("grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection", _) => {
            Requirement::Credential
        }
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
        for invalid in ["", " , ", "articles.reed", "articles.read,openid", "*"] {
            assert!(invalid.parse::<Scopes>().is_err(), "{invalid}");
        }
        assert_eq!(Scopes::among(["openid", "articles.write"]), Scopes::default().with(Scope::Write));
    }
}
