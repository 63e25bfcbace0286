//! Adapter of the analysis of text to tantivy.

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::article::{Analysis, Language};

/// Name of the tokenizer in the schema.
pub(super) const TOKENIZER: &str = "copydesk";

/// Letter before a text in a language without stems.
const NO_LANGUAGE: char = '-';

/// Returns a text with the mark of its language before it: tantivy tells a tokenizer nothing but the text.
pub(super) fn marked(language: Option<Language>, text: &str) -> String {
    let mut marked = String::with_capacity(text.len() + 1);
    marked.push(language.map_or(NO_LANGUAGE, Language::mark));
    marked.push_str(text);
    marked
}

fn unmarked(text: &str) -> (Option<Language>, &str) {
    let mark = text.bytes().next().unwrap_or(b'-');
    let language = mark.checked_sub(b'0').and_then(Language::of_index);
    (language, text.get(1..).unwrap_or(""))
}

/// Tokenizer of all text fields.
#[derive(Clone, Default)]
pub(super) struct Words;

impl Tokenizer for Words {
    type TokenStream<'a> = Stream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Stream<'a> {
        let (language, text) = unmarked(text);
        Stream { analysis: Analysis::new(text, language), alternate: String::new(), token: Token::default() }
    }
}

/// Terms of a text.
pub(super) struct Stream<'a> {
    analysis: Analysis<'a>,
    /// Next term, at the same position.
    alternate: String,
    token: Token,
}

impl TokenStream for Stream<'_> {
    fn advance(&mut self) -> bool {
        if !self.alternate.is_empty() {
            std::mem::swap(&mut self.token.text, &mut self.alternate);
            self.alternate.clear();
            return true;
        }
        let Some(next) = self.analysis.advance() else { return false };
        self.token.position = next.position as usize;
        self.token.text.clear();
        self.token.text.push_str(&next.exact);
        self.alternate.push_str(&next.alternate);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
