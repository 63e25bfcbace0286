//! The query language of search: words, "phrases", `word*`, `-exclusions`, `OR`, brackets, and `field:`.
//!
//! The search index evaluates a query by its terms, and [`Query::matches`] evaluates it on one article, for watches.
//! Both use one analysis (`article::analysis`) and one comparison of positions ([`occurrences`]).

mod fields;
mod matches;
mod parse;

use super::Violations;
use super::analysis::{Form, Language};

pub use fields::{FieldSet, TextField};
pub use matches::{Highlights, occurrences};

/// Node of a query.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    /// Word, phrase or prefix that occurs in a field.
    Leaf(Leaf),
    /// All must match. Only here may a child be [`Node::Not`]; at least one is none.
    All(Vec<Node>),
    /// One must match.
    Any(Vec<Node>),
    /// At least this number must match.
    AtLeast(usize, Vec<Node>),
    /// Must not match.
    Not(Box<Node>),
}

/// Condition on words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf {
    /// Fields in which it may occur.
    pub fields: FieldSet,
    /// Words.
    pub words: Words,
}

/// Words of a leaf.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Words {
    /// A word in any of its forms; the first is the exact one. Written without spaces, it may be several words.
    Forms(Vec<Form>),
    /// Words in this order, with at most `slop` others between them in all.
    Phrase {
        /// The words as they are written.
        form: Form,
        /// Maximum number of other words.
        slop: u32,
    },
    /// Words that begin with this, in their folded form.
    Prefix(String),
}

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    root: Node,
    languages: Vec<Language>,
}

impl Query {
    /// Parses a query. Errors name the field `field` and the position in the text. Stems are those of the query's
    /// language: the detected one, or all that are written in its scripts.
    pub fn parse(text: &str, field: &str) -> Result<Self, Violations> {
        Self::parse_in(text, field, None, FieldSet::default())
    }

    /// Parses a query in a language, if it is given, that searches these fields.
    pub fn parse_in(text: &str, field: &str, language: Option<&str>, fields: FieldSet) -> Result<Self, Violations> {
        let languages = match language {
            Some(code) => Language::of_code(code).into_iter().collect(),
            None => Language::candidates(text),
        };
        let root = parse::parse(text, field, &languages, fields)?;
        Ok(Self { root, languages })
    }

    /// Returns a query for articles that have at least some of these words, in any of their forms.
    pub fn at_least(least: usize, words: &[String], language: Option<Language>, fields: FieldSet) -> Self {
        let languages: Vec<Language> = language.into_iter().collect();
        let forms = words.iter().map(|word| Form::all(word, &languages)).filter(|forms| !forms.is_empty());
        let leaves = forms.map(|forms| Node::Leaf(Leaf { fields, words: Words::Forms(forms) }));
        Self { root: Node::AtLeast(least, leaves.collect()), languages }
    }

    /// Returns the root: what must match.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Returns the languages of the stems.
    pub fn languages(&self) -> &[Language] {
        &self.languages
    }

    /// Returns the leaves that are not excluded, in the order of the query.
    pub fn leaves(&self) -> Vec<&Leaf> {
        fn collect<'n>(node: &'n Node, leaves: &mut Vec<&'n Leaf>) {
            match node {
                Node::Leaf(leaf) => leaves.push(leaf),
                Node::All(nodes) | Node::Any(nodes) | Node::AtLeast(_, nodes) => {
                    nodes.iter().for_each(|node| collect(node, leaves));
                }
                Node::Not(_) => {}
            }
        }
        let mut leaves = Vec::new();
        collect(&self.root, &mut leaves);
        leaves
    }

    /// Returns the number of words that are looked up for this query, from 1 to 64; repeated ones are not counted.
    pub fn cost(&self) -> usize {
        self.root.cost()
    }
}

impl Node {
    fn cost(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.words.cost(),
            Self::All(nodes) | Self::Any(nodes) | Self::AtLeast(_, nodes) => nodes.iter().map(Self::cost).sum(),
            Self::Not(node) => node.cost(),
        }
    }
}

impl Words {
    fn cost(&self) -> usize {
        match self {
            Self::Forms(forms) => forms.first().map_or(0, |exact| exact.terms.len()),
            Self::Phrase { form, .. } => form.terms.len(),
            Self::Prefix(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Query {
        Query::parse(text, "query").unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn error(text: &str) -> String {
        Query::parse(text, "query").expect_err(text).to_string()
    }

    #[test]
    fn repeated_words_groups_and_exclusions_are_dropped() {
        for (repeated, once) in [
            ("ferry Ferry FERRY", "ferry"),
            ("\"port ellery\" \"Port Ellery\"", "\"port ellery\""),
            ("a OR b OR a", "a OR b"),
            ("a OR b b OR a c", "a OR b c"),
            ("a -b -b", "a -b"),
            ("((a)) (b)", "a b"),
            ("a OR (b OR c)", "a OR b OR c"),
        ] {
            assert_eq!(parse(repeated).root(), parse(once).root(), "{repeated}");
        }
        assert_eq!(parse(&"ferry ".repeat(64)).cost(), 1);
        assert_eq!(parse("a OR \"b c\" -d").cost(), 4);
    }

    #[test]
    fn errors_name_the_position() {
        for (text, expected) in [
            ("", "must have at least one word that is not excluded"),
            ("-only", "must have at least one word that is not excluded"),
            (
                "(-a OR -b) c",
                "at character 2: - must not be in an OR; exclude it from the whole query, or from a bracket",
            ),
            ("a (b", "at character 3: the bracket is not closed"),
            ("a) b", "at character 2: there is no bracket to close"),
            ("a \"b c", "at character 3: the quotation mark is not closed"),
            ("a OR", "at character 3: OR needs a word after it"),
            ("OR a", "at character 1: OR needs a word before it"),
            ("a b*", "at character 3: a word with * must have at least 2 characters before it"),
            ("\"a b\"~99999", "at character 6: ~ must be followed by a number from 0 to 100"),
            ("headline: fare", "at character 1: headline: must be followed by a word, a phrase or a bracket"),
            ("((((((((((((((((((a))))))))))))))))))", "at character 17: brackets must not be nested deeper than 16"),
        ] {
            assert!(error(text).contains(expected), "{text}: {}", error(text));
        }
        assert!(error(&"ferry ".repeat(65)).contains("64 words"), "the limit counts words as they are written");
        assert!(error(&"x".repeat(1_001)).contains("1,000 characters"));
        assert!(error(&vec!["a1 OR b1"; 40].join(" ")).contains("64 words"));
    }

    #[test]
    fn other_operators_are_text() {
        for text in [
            "body:x",
            "10:30",
            "a AND b",
            "+a",
            "a^2",
            "[a TO b]",
            "a~2",
            "http://a.example/b",
            "*",
            "a ? b",
            "{x}",
            "a\u{0}b",
            "\u{202E}a",
        ] {
            let found = Query::parse(text, "query");
            assert!(found.is_ok() || text == "*", "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-c0 \"()*~:\\-OR京\u{1}é]{0,60}") {
            let _parsed = Query::parse(&text, "query");
        }

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
            let root = |text: String| Query::parse(&text, "query").map(|query| query.root().clone());
            proptest::prop_assert_eq!(root(written(&picks)), root(written(&once)));
        }
    }
}
