//! Evaluation of a query on one article, and the ranges of a text that match it.

use std::collections::HashMap;
use std::ops::Range;

use super::{FieldSet, Leaf, Node, Query, TextField, Words};
use crate::article::analysis::{Analysis, Form, Language};
use crate::proto::Article;

/// Returns the number of times that terms occur at their offsets from the first one, in order, with at most `slop`
/// other positions between them in all. Positions are ascending.
pub fn occurrences<P: AsRef<[u32]>>(terms: &[(u32, P)], slop: u32) -> u32 {
    let Some(((_, first), others)) = terms.split_first() else { return 0 };
    let mut count = 0;
    for start in first.as_ref() {
        count += u32::from(occurs_at(*start, others, slop));
    }
    count
}

fn occurs_at<P: AsRef<[u32]>>(start: u32, others: &[(u32, P)], slop: u32) -> bool {
    let mut moved = 0;
    for (offset, positions) in others {
        let wanted = start + offset + moved;
        let positions = positions.as_ref();
        let at = positions.partition_point(|position| *position < wanted);
        let Some(found) = positions.get(at) else { return false };
        moved += found - wanted;
        if moved > slop {
            return false;
        }
    }
    true
}

/// Positions of the terms of each field of an article.
struct Terms {
    fields: [HashMap<String, Vec<u32>>; TextField::ALL.len()],
}

impl Terms {
    fn of(article: &Article, wanted: FieldSet, first_letters: &[char]) -> Self {
        let language = Language::of_code(&article.language_code);
        let mut fields: [HashMap<String, Vec<u32>>; TextField::ALL.len()] = Default::default();
        for field in wanted.iter() {
            let terms = &mut fields[field.index()];
            let mut start = 0;
            field.values(article, |value| {
                let mut analysis = Analysis::new(value, language).stem_only(first_letters);
                let mut end = start;
                while let Some(token) = analysis.advance() {
                    let position = start + token.position;
                    end = position + 1;
                    let mut add = |term: &str| match terms.get_mut(term) {
                        Some(positions) => positions.push(position),
                        None => drop(terms.insert(term.to_owned(), vec![position])),
                    };
                    add(&token.exact);
                    if !token.alternate.is_empty() {
                        add(&token.alternate);
                    }
                }
                // A gap, so that no phrase matches across values.
                start = end + 1;
            });
        }
        Self { fields }
    }

    fn form_occurs(&self, field: TextField, form: &Form, slop: u32) -> bool {
        let terms = &self.fields[field.index()];
        let positions: Option<Vec<(u32, &Vec<u32>)>> =
            form.terms.iter().map(|(offset, term)| Some((*offset, terms.get(term)?))).collect();
        positions.is_some_and(|positions| occurrences(&positions, slop) > 0)
    }

    fn leaf_occurs(&self, leaf: &Leaf) -> bool {
        leaf.fields.iter().any(|field| match &leaf.words {
            Words::Forms(forms) => forms.iter().any(|form| self.form_occurs(field, form, 0)),
            Words::Phrase { form, slop } => self.form_occurs(field, form, *slop),
            Words::Prefix(prefix) => self.fields[field.index()].keys().any(|term| term.starts_with(prefix.as_str())),
        })
    }

    fn matches(&self, node: &Node) -> bool {
        match node {
            Node::Leaf(leaf) => self.leaf_occurs(leaf),
            Node::All(nodes) => nodes.iter().all(|node| self.matches(node)),
            Node::Any(nodes) => nodes.iter().any(|node| self.matches(node)),
            Node::AtLeast(least, nodes) => {
                nodes.iter().filter(|node| self.matches(node)).take(*least).count() == *least
            }
            Node::Not(node) => !self.matches(node),
        }
    }
}

impl Query {
    /// Returns true if an article matches.
    pub fn matches(&self, article: &Article) -> bool {
        let fields: Vec<TextField> = TextField::ALL.into_iter().filter(|field| self.root.uses(*field)).collect();
        Terms::of(article, FieldSet::of(&fields), &self.first_letters()).matches(&self.root)
    }

    /// Returns the first letters of all stems of the query.
    fn first_letters(&self) -> Vec<char> {
        let mut letters = Vec::new();
        self.root.each_leaf(&mut |leaf| {
            if let Words::Forms(forms) = &leaf.words {
                letters.extend(first_letters(forms));
            }
        });
        letters
    }
}

/// Returns the first letters of words that may have one of these stems: the first letters of stems, and of the words as
/// they are written.
fn first_letters(forms: &[Form]) -> impl Iterator<Item = char> {
    let terms = forms.iter().flat_map(|form| &form.terms);
    terms.filter_map(|(_, term)| {
        // A stem begins with two characters that mark it.
        let skipped = if crate::article::analysis::is_alternate(term) { 2 } else { 0 };
        term.chars().nth(skipped)
    })
}

impl Node {
    fn each_leaf(&self, each: &mut impl FnMut(&Leaf)) {
        match self {
            Self::Leaf(leaf) => each(leaf),
            Self::All(nodes) | Self::Any(nodes) | Self::AtLeast(_, nodes) => {
                nodes.iter().for_each(|node| node.each_leaf(each));
            }
            Self::Not(node) => node.each_leaf(each),
        }
    }

    fn uses(&self, field: TextField) -> bool {
        let mut uses = false;
        self.each_leaf(&mut |leaf| uses |= leaf.fields.has(field));
        uses
    }
}

/// The words of a query as they are found in texts of one language.
pub struct Highlights<'q> {
    /// Numbers of the terms of all forms, from 1.
    terms: HashMap<&'q str, usize>,
    /// First bytes of these terms.
    first_bytes: [bool; 256],
    /// Forms by the number of their first term.
    forms: Vec<Vec<HighlightedForm>>,
    prefixes: Vec<&'q str>,
    language: Option<Language>,
    first_letters: Vec<char>,
}

/// Form of a word or phrase, with its terms by their numbers.
struct HighlightedForm {
    /// Terms after the first, with their offsets from it.
    others: Vec<(u32, usize)>,
    /// Maximum number of other words within.
    slop: u32,
    /// True if the last term is a pair, which has the next character too.
    ends_with_pair: bool,
}

/// Token that may be a part of a match.
struct Candidate {
    position: u32,
    range: Range<usize>,
    /// End of the next token, or of this one if it is the last.
    next_end: usize,
    /// Numbers of its terms; 0 for one that no form has.
    terms: [usize; 2],
    is_prefixed: bool,
}

impl<'q> Highlights<'q> {
    /// Collects the words of a query that are searched in this field and not excluded.
    pub fn new(query: &'q Query, field: TextField, language_code: &str) -> Self {
        let language = Language::of_code(language_code);
        let mut highlights = Self {
            terms: HashMap::new(),
            first_bytes: [false; 256],
            forms: vec![Vec::new()],
            prefixes: Vec::new(),
            language,
            first_letters: Vec::new(),
        };
        for leaf in query.leaves().into_iter().filter(|leaf| leaf.fields.has(field)) {
            match &leaf.words {
                Words::Forms(forms) => {
                    let own = forms.iter().filter(|form| form.language.is_none() || form.language == language);
                    own.for_each(|form| highlights.add(form, 0));
                    highlights.first_letters.extend(first_letters(forms));
                }
                Words::Phrase { form, slop } => highlights.add(form, *slop),
                Words::Prefix(prefix) => highlights.prefixes.push(prefix),
            }
        }
        highlights
    }

    fn add(&mut self, form: &'q Form, slop: u32) {
        let mut numbered = Vec::with_capacity(form.terms.len());
        for (offset, term) in &form.terms {
            let next = self.forms.len();
            let number = *self.terms.entry(term).or_insert(next);
            if number == next {
                self.forms.push(Vec::new());
            }
            if let Some(byte) = term.bytes().next() {
                self.first_bytes[usize::from(byte)] = true;
            }
            numbered.push((*offset, number));
        }
        let ends_with_pair = form.terms.last().is_some_and(|(_, term)| term.starts_with('\u{2}'));
        if let Some(((_, first), others)) = numbered.split_first() {
            self.forms[*first].push(HighlightedForm { others: others.to_vec(), slop, ends_with_pair });
        }
    }

    fn number(&self, term: &str) -> usize {
        match term.bytes().next() {
            Some(byte) if self.first_bytes[usize::from(byte)] => self.terms.get(term).copied().unwrap_or(0),
            _ => 0,
        }
    }

    /// Returns the tokens that may be a part of a match: few of a text.
    fn candidates(&self, text: &str) -> Vec<Candidate> {
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut analysis = Analysis::new(text, self.language).stem_only(&self.first_letters);
        let mut was_candidate = false;
        while let Some(token) = analysis.advance() {
            if let Some(previous) = candidates.last_mut().filter(|_| was_candidate) {
                previous.next_end = token.range.end;
            }
            let terms = [self.number(&token.exact), self.number(&token.alternate)];
            let is_prefixed = self.prefixes.iter().any(|prefix| token.exact.starts_with(prefix));
            was_candidate = is_prefixed || terms != [0, 0];
            if was_candidate {
                let (position, range) = (token.position, token.range.clone());
                candidates.push(Candidate { position, next_end: range.end, range, terms, is_prefixed });
            }
        }
        candidates
    }

    /// Returns the ranges of a text that match, in order and without overlaps, in bytes.
    pub fn find(&self, text: &str) -> Vec<Range<usize>> {
        let candidates = self.candidates(text);
        let mut found: Vec<Range<usize>> = Vec::new();
        let mut end = 0;
        for (at, first) in candidates.iter().enumerate() {
            if first.range.start < end {
                continue;
            }
            let forms = first.terms.iter().flat_map(|term| &self.forms[*term]);
            let last = forms.filter_map(|form| form.end(&candidates[at..])).max();
            if let Some(last) = last.or(first.is_prefixed.then_some(first.range.end)) {
                found.push(first.range.start..last);
                end = last;
            }
        }
        found
    }
}

impl HighlightedForm {
    /// Returns the end of the match that begins with the first candidate, in bytes, if there is one.
    fn end(&self, candidates: &[Candidate]) -> Option<usize> {
        let first = candidates.first()?;
        let mut last = 0;
        let mut moved = 0;
        for (offset, term) in &self.others {
            let wanted = first.position + offset + moved;
            let (next, found) = candidates[last..].iter().enumerate().find(|(_, candidate)| {
                candidate.position >= wanted
                    && candidate.position <= wanted + self.slop - moved
                    && candidate.terms.contains(term)
            })?;
            moved += found.position - wanted;
            last += next;
        }
        let last = candidates.get(last)?;
        Some(if self.ends_with_pair { last.next_end } else { last.range.end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn article(body: &str) -> Article {
        Article {
            headline: "A Título".into(),
            body: body.into(),
            language_code: "en".into(),
            source: "wire.example".into(),
            authors: vec![crate::proto::Author { name: "Ann Lee".into(), ..Default::default() }],
            ..Article::default()
        }
    }

    fn matches(query: &str, body: &str) -> bool {
        Query::parse(query, "query").unwrap_or_else(|error| panic!("{query}: {error}")).matches(&article(body))
    }

    #[test]
    fn queries_mean_what_they_say() {
        assert!(matches("titulo Éclair", "an eclair"));
        assert!(matches("\"missile defense\" -sport", "The missile-defense dispute"));
        assert!(!matches("\"missile defense\" -sport", "missile defense, sport"));
        assert!(!matches("\"defense missile\"", "missile defense"));
        assert!(matches("x OR defense", "missile defense"));
        assert!(matches("东京", "在东京举行") && !matches("京东", "在东京举行"));
        assert!(matches("(a1 OR b1) x1 ", "b1 body x1"));
        assert!(matches("fare", "fares rose") && matches("fares", "one fare") && !matches("\"fare\"", "fares"));
        assert!(matches("fer*", "the ferry") && !matches("fer*", "a safer sea"));
        assert!(
            matches("\"ferry fares\"~2", "ferry companies raised fares")
                && !matches("\"ferry fares\"~1", "ferry companies raised fares")
        );
        assert!(!matches("\"fares ferry\"~5", "ferry fares"));
        assert!(matches("author:lee", "x") && !matches("headline:lee", "x") && !matches("author:ferry", "ferry"));
        assert!(matches("source:wire", "x") && !matches("wire", "x"));
        assert!(matches("a (ferry -fares)", "ferry") && !matches("a (ferry -fares)", "ferry fare"));
        assert!(matches("-(x1 y1) ferry", "ferry x1") && !matches("-(x1 y1) ferry", "ferry x1 y1"));
        assert!(!matches("\"lee a\"", "x") && !matches("\"titulo ann\"", "x"), "no phrase matches across fields");
    }

    #[test]
    fn matches_are_highlighted() {
        let text = "Ferry fares rose; the fare of a ferry company. 東京都";
        for (query, expected) in [
            ("fare", &["fares", "fare"][..]),
            ("\"ferry fares\"", &["Ferry fares"]),
            ("\"fare ferry\"~2", &["fare of a ferry"]),
            ("fer* -rose", &["Ferry", "ferry"]),
            ("headline:fare company", &["company"]),
            ("京都", &["京都"]),
            ("東京都", &["東京都"]),
        ] {
            let query = Query::parse(query, "query").expect("valid");
            let found = Highlights::new(&query, TextField::Body, "en").find(text);
            let found: Vec<&str> = found.into_iter().map(|range| &text[range]).collect();
            assert_eq!(found, expected, "{query:?}");
        }
    }

    proptest::proptest! {
        /// A query of one term matches a body if and only if something in it is highlighted.
        #[test]
        fn a_body_matches_if_something_is_highlighted(
            body in "[a-c京都 ]{0,30}",
            query in "[a-c京都]{1,3}|\"[a-c京] [a-c都]\"(~[0-3])?",
        ) {
            let parsed = Query::parse_in(&query, "query", None, FieldSet::of(&[TextField::Body])).expect("valid");
            let article = Article { body: body.clone(), language_code: "en".into(), ..Article::default() };
            let found = Highlights::new(&parsed, TextField::Body, "en").find(&body);
            proptest::prop_assert_eq!(parsed.matches(&article), !found.is_empty());
        }
    }
}
