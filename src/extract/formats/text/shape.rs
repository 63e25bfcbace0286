//! Appearance of a dump's line alone, and its words.

use std::collections::HashSet;

use super::lines::is_item;
use super::script::{is_dense, width};
use crate::article::fold;
use crate::extract::phrases::{Furniture, furniture, is_teaser_heading, privacy_words};

/// Features of a line alone.
pub(super) const OWN: [&str; 25] = [
    "length",
    "words",
    "sentence-end",
    "colon-at-the-end",
    "comma-or-dash-at-the-end",
    "commas",
    "sentences-within",
    "share-of-digits",
    "share-of-capitalised-words",
    "words-in-lower-case",
    "share-of-capitals",
    "quotation-marks",
    "separators",
    "address-or-mail",
    "copyright-sign",
    "repetitions",
    "list-item",
    "blank-line-before",
    "year-or-time",
    "furniture-phrase",
    "teaser-heading",
    "words-of-the-headline",
    "words-of-the-lead",
    "privacy-words",
    "comments-phrase",
];
/// Appearance of a line alone.
pub(super) struct Shape {
    /// Length in letters.
    pub(super) width: usize,
    pub(super) own: [f32; OWN.len()],
    pub(super) is_prose: bool,
    pub(super) is_teaser_heading: bool,
    pub(super) is_comments: bool,
}

impl Shape {
    pub(super) fn length(&self) -> f32 {
        self.own[0]
    }
}

pub(super) fn log(value: f32) -> f32 {
    (value + 1.0).ln()
}

/// Returns the words of a text, folded. Each character of a script without spaces is one.
pub(super) fn tokens(text: &str) -> Vec<String> {
    folded_tokens(&fold(text))
}

fn folded_tokens(folded: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if word.contains(is_dense) {
            tokens.extend(word.chars().map(String::from));
        } else {
            tokens.push(word.to_owned());
        }
    }
    tokens
}

/// Returns true if a text ends like a sentence.
pub(super) fn ends_a_sentence(text: &str) -> bool {
    let text = text.trim_end_matches(['"', '”', '’', '»', ')', '\'', '」', '』', '“', ']']);
    text.ends_with(['.', '!', '?', '…', '。', '！', '？', '։', '।', '؟', '۔', '…'])
}

/// Returns the appearance of a line. `count` is the number of its repetitions, `title` has the words of the first line.
pub(super) fn shape(text: &str, after_blank: bool, count: usize, title: &HashSet<String>) -> Shape {
    let (mut letters, mut digits, mut upper, mut commas, mut quotes, mut separators) = (0, 0, 0, 0, 0, 0);
    for c in text.chars() {
        letters += usize::from(c.is_alphabetic());
        digits += usize::from(c.is_numeric());
        upper += usize::from(c.is_uppercase());
        match c {
            ',' | '،' | '、' | '，' | ';' => commas += 1,
            '"' | '“' | '”' | '„' | '«' | '»' | '「' | '」' => quotes += 1,
            '|' | '·' | '•' | '/' | '>' | '›' | '→' | '▸' => separators += 1,
            _ => {}
        }
    }
    let (mut words, mut capitalised, mut cased, mut lower, mut sentences, mut years) = (0, 0, 0, 0, 0, 0);
    let mut ended = false;
    for word in text.split(' ') {
        let start = word.trim_start_matches(|c: char| !c.is_alphanumeric());
        let Some(first) = start.chars().next() else { continue };
        words += 1;
        cased += usize::from(first.is_uppercase() || first.is_lowercase());
        capitalised += usize::from(first.is_uppercase());
        lower += usize::from(first.is_lowercase());
        sentences += usize::from(ended && !first.is_lowercase());
        ended = word.len() > 3 && ends_a_sentence(word);
        years += usize::from(is_year_or_time(start));
    }
    sentences += text.matches(['。', '！', '？', '।', '։']).count();
    let share = |part: usize, whole: usize| part as f32 / whole.max(1) as f32;
    let width = width(text);
    let ends = ends_a_sentence(text);
    let teaser_heading = is_teaser_heading(text);
    let folded = fold(text);
    let said = folded_tokens(&folded);
    let furniture = furniture(text);
    let comments = furniture == Some(Furniture::Comments) && width <= 60;
    let in_title = said.iter().filter(|token| title.contains(*token)).count();
    let flag = |it: bool| f32::from(u8::from(it));
    let own = [
        log(width as f32),
        log(words as f32),
        flag(ends),
        flag(text.ends_with([':', '：'])),
        flag(text.ends_with([',', '-', '–', '—', '，', '、'])),
        log(commas as f32),
        log(sentences as f32),
        share(digits, letters + digits),
        share(capitalised, cased),
        log(lower as f32),
        share(upper, letters),
        log(quotes as f32),
        log(separators as f32),
        flag(text.contains('@') || text.contains("http") || text.contains("www.")),
        flag(text.contains('©')),
        log(count as f32),
        flag(is_item(text)),
        flag(after_blank),
        log(years as f32),
        flag(furniture.is_some()),
        flag(teaser_heading),
        share(in_title, said.len()),
        0.0,
        log(privacy_words(&folded) as f32),
        flag(comments),
    ];
    let is_prose = width >= 140 || (width >= 60 && (ends || text.ends_with([':', '：'])));
    Shape { width, own, is_prose, is_teaser_heading: teaser_heading, is_comments: comments }
}

fn is_year_or_time(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let year = word.len() == 4 && digits(word) && (word.starts_with("19") || word.starts_with("20"));
    year || word.split_once(':').is_some_and(|(hour, rest)| {
        (1..=2).contains(&hour.len())
            && digits(hour)
            && rest.len() >= 2
            && rest.bytes().take(2).all(|byte| byte.is_ascii_digit())
    })
}

/// Returns true for a word that says what a text is about: of four letters or more, or of a script without spaces.
pub(super) fn is_content(token: &str) -> bool {
    token.contains(is_dense) || token.chars().count() > 3
}
