//! The query language of search.
//!
//! Copydesk splits text into words itself (`words`), and the store's index gets only those words. Index results and
//! [`Query::matches`] (for watching, without an index) therefore cannot differ.

use super::words::{self, tokens};
use super::{Violations, clean_line};
use crate::proto::Article;

/// Maximum number of words and phrases in one query.
const MAX_TERMS: usize = 64;
/// Maximum length of a query, in characters.
const MAX_CHARS: usize = 1_000;

/// Consecutive words.
pub type Phrase = Vec<String>;

/// A query. At least one phrase of every group must occur, and no exclusion may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    groups: Vec<Vec<Phrase>>,
    excluded: Vec<Phrase>,
}

impl Query {
    /// Parses words, "phrases", -exclusions and OR. Errors name the field `field`.
    pub fn parse(text: &str, field: &str) -> Result<Self, Violations> {
        if text.chars().count() > MAX_CHARS {
            return Err(Violations::one(field, "must be at most 1,000 characters long"));
        }
        let text = clean_line(text);
        let mut query = Self { groups: Vec::new(), excluded: Vec::new() };
        let mut joined = false;
        let mut count = 0;
        for (excluded, quoted, word) in terms(&text) {
            if !quoted && !excluded && word == "OR" {
                joined = !query.groups.is_empty();
                continue;
            }
            let phrase: Phrase = tokens(word).map(|(_, token)| token).collect();
            if phrase.is_empty() {
                continue;
            }
            count += phrase.len();
            if excluded {
                push_new(&mut query.excluded, phrase);
            } else if joined && let Some(group) = query.groups.last_mut() {
                push_new(group, phrase);
            } else {
                query.groups.push(vec![phrase]);
            }
            joined = false;
        }
        if query.groups.is_empty() {
            return Err(Violations::one(field, "must have at least one word that is not excluded"));
        }
        if count > MAX_TERMS {
            return Err(Violations::one(field, "must have at most 64 words"));
        }
        query.drop_repeated_groups();
        Ok(query)
    }

    /// Drops every group that has the same phrases as an earlier one. A group is a set: the order of its phrases does
    /// not matter.
    fn drop_repeated_groups(&mut self) {
        let same = |one: &[Phrase], other: &[Phrase]| {
            // Neither has a phrase twice, so equal lengths and one inclusion make them equal.
            one.len() == other.len() && one.iter().all(|phrase| other.contains(phrase))
        };
        let mut kept: Vec<Vec<Phrase>> = Vec::with_capacity(self.groups.len());
        for group in std::mem::take(&mut self.groups) {
            if !kept.iter().any(|other| same(other, &group)) {
                kept.push(group);
            }
        }
        self.groups = kept;
    }

    /// Number of words that an engine looks up for this query: those of all its phrases, repeated ones not counted.
    /// From 1 to 64.
    pub fn cost(&self) -> usize {
        self.phrases().chain(&self.excluded).map(Vec::len).sum()
    }

    /// Returns the groups, each of which must occur.
    pub fn groups(&self) -> &[Vec<Phrase>] {
        &self.groups
    }

    /// Returns the phrases that must not occur.
    pub fn excluded(&self) -> &[Phrase] {
        &self.excluded
    }

    /// Returns every phrase that may be highlighted.
    pub fn phrases(&self) -> impl Iterator<Item = &Phrase> {
        self.groups.iter().flatten()
    }

    /// Returns true if an article matches.
    pub fn matches(&self, article: &Article) -> bool {
        let fields = Self::fields(article).map(|text| -> Phrase { text.split(' ').map(str::to_owned).collect() });
        let occurs = |phrase: &Phrase| {
            fields.iter().any(|words| words.windows(phrase.len()).any(|window| window == phrase.as_slice()))
        };
        self.groups.iter().all(|group| group.iter().any(occurs)) && !self.excluded.iter().any(occurs)
    }

    /// Returns the searchable fields of an article, as words separated by spaces: headline; subheadline and body;
    /// names.
    pub fn fields(article: &Article) -> [String; 3] {
        let authors = article.authors.iter().map(|author| &author.name);
        let subjects = article.subjects.iter().map(|subject| &subject.name);
        let names = authors.chain(&article.tags).chain(subjects);
        let mut names = names.fold(String::new(), |all, name| all + name + "\n");
        let place = article.dateline.as_ref().map_or("", |dateline| dateline.place.as_str());
        for name in [article.agency.as_str(), &article.publisher, &article.section, place] {
            names.push_str(name);
            names.push('\n');
        }
        [
            spaced([article.headline.as_str()]),
            spaced([article.subheadline.as_str(), article.body.as_str()]),
            spaced([names.as_str()]),
        ]
    }
}

/// Adds a phrase unless it is there already: a repeated one changes neither the matches nor, this way, the scores and
/// the cost.
fn push_new(phrases: &mut Vec<Phrase>, phrase: Phrase) {
    if !phrases.contains(&phrase) {
        phrases.push(phrase);
    }
}

fn spaced<const N: usize>(texts: [&str; N]) -> String {
    let mut out = String::with_capacity(texts.iter().map(|text| text.len() + 1).sum());
    for text in texts {
        let mut at = 0;
        loop {
            let before = out.len();
            if before > 0 {
                out.push(' ');
            }
            if words::next_token(text, &mut at, &mut out).is_none() {
                out.truncate(before);
                break;
            }
        }
    }
    out
}

/// Returns the parts of a query: true if excluded, true if quoted, and the text.
fn terms(text: &str) -> impl Iterator<Item = (bool, bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '(', ')']);
        let (excluded, start) = match rest.strip_prefix('-') {
            Some(after) => (true, after.trim_start_matches(['(', ')'])),
            None => (false, rest),
        };
        if start.is_empty() {
            return None;
        }
        if let Some(quoted) = start.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            rest = quoted.get(end + 1..).unwrap_or("");
            return Some((excluded, true, &quoted[..end]));
        }
        let end = start.find([' ', '"', '(', ')']).unwrap_or(start.len());
        rest = &start[end..];
        Some((excluded, false, &start[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(body: &str) -> Article {
        Article { headline: "A Título".into(), body: body.into(), ..Article::default() }
    }

    fn matches(query: &str, body: &str) -> bool {
        Query::parse(query, "query").expect("valid").matches(&article(body))
    }

    #[test]
    fn queries_mean_what_they_say() {
        assert!(matches("titulo Éclair", "an eclair"));
        assert!(matches("\"missile defense\" -sport", "The missile-defense dispute"));
        assert!(!matches("\"missile defense\" -sport", "missile defense, sport"));
        assert!(!matches("\"defense missile\"", "missile defense"));
        assert!(matches("x OR defense", "missile defense"));
        assert!(matches("东京", "在东京举行") && !matches("京东", "在东京举行"));
        assert!(matches("(a OR b) body:x* ", "b body x"));
        assert!(Query::parse("-only", "query").is_err());
        assert!(Query::parse(" \" ' ; -- ", "query").is_err());
    }

    #[test]
    fn repeated_phrases_groups_and_exclusions_are_dropped() {
        let parse = |text: &str| Query::parse(text, "query").expect("valid");
        for (repeated, once) in [
            ("ferry Ferry FERRY", "ferry"),
            ("\"port ellery\" port-ellery", "port-ellery"),
            ("a OR b OR a", "a OR b"),
            ("a OR b b OR a c", "a OR b c"),
            ("a -b -b -\"b\"", "a -b"),
        ] {
            assert_eq!(parse(repeated), parse(once), "{repeated}");
        }
        assert_eq!(parse(&"ferry ".repeat(64)).cost(), 1);
        assert_eq!(parse("a OR \"b c\" -d").cost(), 4);
        // Different sets of phrases are different groups.
        assert_eq!(parse("a a OR b").groups().len(), 2);
        assert!(Query::parse(&"ferry ".repeat(65), "query").is_err(), "the limit counts words as they are written");
    }

    proptest::proptest! {
        /// A query of terms with repetitions is the query of each term once.
        #[test]
        fn repetition_changes_no_query(picks in proptest::collection::vec(0_usize..7, 1..20)) {
            const TERMS: [&str; 7] = ["a", "b", "\"a b\"", "a OR b", "b OR a", "-c", "-\"c d\""];
            // The fifth is the fourth, spelled differently.
            let written = |picks: &[usize]| picks.iter().map(|pick| TERMS[*pick]).collect::<Vec<_>>().join(" ");
            let mut once: Vec<usize> = Vec::new();
            for pick in &picks {
                let same = if *pick == 4 { 3 } else { *pick };
                if !once.contains(&same) {
                    once.push(same);
                }
            }
            let shape = |query: Query| {
                let mut groups: Vec<Vec<Phrase>> = query.groups().to_vec();
                groups.iter_mut().for_each(|group| group.sort());
                (groups, query.excluded().to_vec())
            };
            let parse = |text: String| Query::parse(&text, "query").map(shape);
            proptest::prop_assert_eq!(parse(written(&picks)), parse(written(&once)));
        }
    }
}
