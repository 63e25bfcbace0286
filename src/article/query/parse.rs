//! Parser of queries.

use super::{FieldSet, Leaf, Node, TextField, Words};
use crate::article::analysis::{Form, Language};
use crate::article::{Violations, clean_line};

/// Maximum number of words in one query.
const MAX_WORDS: usize = 64;
/// Maximum length of a query, in characters.
const MAX_CHARS: usize = 1_000;
/// Maximum depth of brackets.
const MAX_DEPTH: usize = 16;
/// Maximum number of other words within a phrase.
const MAX_SLOP: u32 = 100;
/// Minimum length of a prefix, in characters. A shorter one is the beginning of too many words.
const MIN_PREFIX_CHARS: usize = 2;

/// Fields that a query may name.
const NAMED: [(&str, TextField); 4] = [
    ("headline:", TextField::Headline),
    ("author:", TextField::Authors),
    ("source:", TextField::Source),
    ("body:", TextField::Body),
];

/// Parses a query. An error names `field`, and the position in the query as characters from 1.
pub(super) fn parse(text: &str, field: &str, languages: &[Language], fields: FieldSet) -> Result<Node, Violations> {
    if text.chars().count() > MAX_CHARS {
        return Err(Violations::one(field, "must be at most 1,000 characters long"));
    }
    let text = clean_line(text);
    let mut parser = Parser { text: &text, at: 0, words: 0, languages };
    let parsed = parser.all(fields, 0);
    let parsed = parsed.and_then(|node| match parser.peek() {
        Some(')') => Err(Fault { at: parser.at, expected: "there is no bracket to close".into() }),
        _ => Ok(node),
    });
    match parsed {
        Err(Fault { at, expected }) => {
            let character = text[..at].chars().count() + 1;
            Err(Violations::one(field, format!("at character {character}: {expected}")))
        }
        Ok(_) if parser.words > MAX_WORDS => Err(Violations::one(field, "must have at most 64 words")),
        Ok(Some(node)) if node_has_match(&node) => Ok(node),
        Ok(_) => Err(Violations::one(field, "must have at least one word that is not excluded")),
    }
}

fn node_has_match(node: &Node) -> bool {
    match node {
        Node::Not(_) => false,
        Node::All(nodes) => nodes.iter().any(|node| !matches!(node, Node::Not(_))),
        Node::Leaf(_) | Node::Any(_) | Node::AtLeast(..) => true,
    }
}

/// Error at a position, in bytes.
struct Fault {
    at: usize,
    expected: String,
}

fn fault<T>(at: usize, expected: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { at, expected: expected.into() })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    words: usize,
    languages: &'t [Language],
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(' ').len();
    }

    fn is_or(&self) -> bool {
        self.rest().strip_prefix("OR").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '(', ')', '"']))
    }

    /// Parses terms that must all match, up to a closing bracket. Returns none if no term has a word.
    fn all(&mut self, fields: FieldSet, depth: usize) -> Result<Option<Node>, Fault> {
        let mut nodes = Vec::new();
        loop {
            self.skip_spaces();
            match self.peek() {
                None | Some(')') => break,
                Some(_) if self.is_or() => return fault(self.at, "OR needs a word before it"),
                Some(_) => {}
            }
            if let Some(node) = self.any(fields, depth)? {
                match node {
                    Node::All(inner) => inner.into_iter().for_each(|node| push_new(&mut nodes, node)),
                    node => push_new(&mut nodes, node),
                }
            }
        }
        Ok(match nodes.len() {
            0 => None,
            1 => nodes.pop(),
            _ => Some(Node::All(nodes)),
        })
    }

    /// Parses one term, or several with OR between them.
    fn any(&mut self, fields: FieldSet, depth: usize) -> Result<Option<Node>, Fault> {
        let mut nodes = Vec::new();
        let mut negated = None;
        let mut alternatives = 0;
        loop {
            let start = self.at;
            let node = self.term(fields, depth)?;
            alternatives += 1;
            if matches!(node, Some(Node::Not(_))) {
                negated.get_or_insert(start);
            }
            match node {
                Some(Node::Any(inner)) => inner.into_iter().for_each(|node| push_new(&mut nodes, node)),
                Some(node) => push_new(&mut nodes, node),
                None => {}
            }
            let end = self.at;
            self.skip_spaces();
            if !self.is_or() {
                self.at = end;
                break;
            }
            let or = self.at;
            self.at += "OR".len();
            self.skip_spaces();
            if self.peek().is_none_or(|next| next == ')') || self.is_or() {
                return fault(or, "OR needs a word after it");
            }
        }
        if let Some(at) = negated.filter(|_| alternatives > 1) {
            return fault(at, "- must not be in an OR; exclude it from the whole query, or from a bracket");
        }
        // Alternatives in another order are the same.
        nodes.sort();
        Ok(match nodes.len() {
            0 => None,
            1 => nodes.pop(),
            _ => Some(Node::Any(nodes)),
        })
    }

    /// Parses a word, phrase or bracket, with its exclusion and field.
    fn term(&mut self, fields: FieldSet, depth: usize) -> Result<Option<Node>, Fault> {
        let start = self.at;
        if self.peek() == Some('-') {
            self.at += 1;
            if self.peek().is_none_or(|next| next == ' ') {
                return Ok(None);
            }
            let node = self.term(fields, depth)?;
            return Ok(node.map(|node| match node {
                Node::Not(inner) => *inner,
                node => Node::Not(Box::new(node)),
            }));
        }
        let named = NAMED
            .iter()
            .find(|(name, _)| self.rest().get(..name.len()).is_some_and(|written| written.eq_ignore_ascii_case(name)));
        if let Some((name, field)) = named {
            self.at += name.len();
            if self.peek().is_none_or(|next| " )-".contains(next)) {
                return fault(start, format!("{name} must be followed by a word, a phrase or a bracket"));
            }
            return self.term(FieldSet::of(&[*field]), depth);
        }
        match self.peek() {
            Some('(') => self.bracket(fields, depth),
            Some('"') => self.phrase(fields),
            _ => self.word(fields),
        }
    }

    fn bracket(&mut self, fields: FieldSet, depth: usize) -> Result<Option<Node>, Fault> {
        let start = self.at;
        if depth == MAX_DEPTH {
            return fault(start, format!("brackets must not be nested deeper than {MAX_DEPTH}"));
        }
        self.at += 1;
        let node = self.all(fields, depth + 1)?;
        if self.peek() != Some(')') {
            return fault(start, "the bracket is not closed");
        }
        self.at += 1;
        match node {
            Some(node) if !node_has_match(&node) => {
                fault(start, "the bracket must have at least one word that is not excluded")
            }
            node => Ok(node),
        }
    }

    fn phrase(&mut self, fields: FieldSet) -> Result<Option<Node>, Fault> {
        let start = self.at;
        let quoted = &self.rest()[1..];
        let Some(end) = quoted.find('"') else { return fault(start, "the quotation mark is not closed") };
        let text = &quoted[..end];
        self.at += end + 2;
        let mut slop = 0;
        if self.peek() == Some('~') {
            let digits = &self.rest()[1..];
            let length = digits.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(digits.len());
            match digits[..length].parse() {
                Ok(number) if number <= MAX_SLOP => slop = number,
                _ => return fault(self.at, format!("~ must be followed by a number from 0 to {MAX_SLOP}")),
            }
            self.at += 1 + length;
        }
        let Some(form) = Form::exact(text) else { return Ok(None) };
        self.words += form.terms.len();
        Ok(Some(Node::Leaf(Leaf { fields, words: Words::Phrase { form, slop } })))
    }

    fn word(&mut self, fields: FieldSet) -> Result<Option<Node>, Fault> {
        let start = self.at;
        let rest = self.rest();
        let length = rest.find([' ', '"', '(', ')']).unwrap_or(rest.len());
        // A character that begins no term is skipped.
        let length = length.max(rest.chars().next().map_or(0, char::len_utf8));
        let written = &rest[..length];
        self.at += length;
        let leaf = |words| Some(Node::Leaf(Leaf { fields, words }));
        if let Some(beginning) = written.strip_suffix('*')
            && let Some(form) = Form::exact(beginning)
            && !form.terms.iter().any(|(_, term)| crate::article::analysis::is_alternate(term))
        {
            return self.prefix(start, form, leaf).map(Some);
        }
        let forms = Form::all(written, self.languages);
        let Some(exact) = forms.first() else { return Ok(None) };
        self.words += exact.terms.len();
        Ok(leaf(Words::Forms(forms)))
    }

    /// Returns the condition of `word*`. What is before the last word, as in `port-ell*`, must occur too.
    fn prefix(&mut self, start: usize, form: Form, leaf: impl Fn(Words) -> Option<Node>) -> Result<Node, Fault> {
        self.words += form.terms.len();
        let mut nodes: Vec<Node> = Vec::new();
        let last = form.terms.len() - 1;
        for (at, (_, term)) in form.terms.into_iter().enumerate() {
            let node = if at == last {
                if term.chars().count() < MIN_PREFIX_CHARS {
                    let expected = format!("a word with * must have at least {MIN_PREFIX_CHARS} characters before it");
                    return fault(start, expected);
                }
                leaf(Words::Prefix(term))
            } else {
                leaf(Words::Forms(vec![Form { terms: vec![(0, term)], is_exact: true, language: None }]))
            };
            nodes.extend(node);
        }
        Ok(match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::All(nodes),
        })
    }
}

/// Adds a node unless it is there already: a repeated one changes neither the matches nor, this way, the scores and the
/// cost.
fn push_new(nodes: &mut Vec<Node>, node: Node) {
    if !nodes.contains(&node) {
        nodes.push(node);
    }
}
