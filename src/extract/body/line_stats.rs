//! Statistics of a line, and sums of them.

use xxhash_rust::xxh3::xxh3_64;

use crate::extract::line::{Line, is_spaceless};

/// Statistics of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LineStats {
    pub(super) chars: f32,
    pub(super) words: f32,
    pub(super) linked: f32,
    pub(super) digits: f32,
    pub(super) capitals: f32,
    /// Commas and other marks within a sentence.
    pub(super) commas: f32,
    /// Ends of sentences.
    pub(super) stops: f32,
    /// Marks of menus and credits: | / © @ : #.
    pub(super) marks: f32,
    pub(super) quotes: f32,
    pub(super) emphasis: f32,
    pub(super) ends_sentence: bool,
    pub(super) ends_colon: bool,
    pub(super) starts_small: bool,
    pub(super) is_prose: bool,
    /// Hash of the text.
    pub(super) hash: u64,
}

impl LineStats {
    pub(super) fn of(line: &Line) -> Self {
        let mut stats = Self::default();
        let mut in_word = false;
        let mut last = ' ';
        for c in line.text.chars() {
            stats.chars += 1.0;
            let is_word = c.is_alphanumeric();
            // Scripts without spaces have about two characters in a word.
            if is_word && is_spaceless(c) {
                stats.words += 0.5;
            } else if is_word && !in_word {
                stats.words += 1.0;
            }
            in_word = is_word && !is_spaceless(c);
            if c.is_numeric() {
                stats.digits += 1.0;
            } else if c.is_uppercase() {
                stats.capitals += 1.0;
            }
            match c {
                ',' | ';' | '،' | '、' | '，' | '؛' => stats.commas += 1.0,
                '.' | '!' | '?' | '…' | '。' | '؟' | '।' | '！' | '？' | '։' => stats.stops += 1.0,
                '|' | '/' | '©' | '@' | ':' | '#' | '›' | '»' | '•' | '·' => stats.marks += 1.0,
                '"' | '“' | '”' | '„' | '«' | '「' | '」' => stats.quotes += 1.0,
                _ => {}
            }
            if !matches!(c, '"' | '”' | '’' | '»' | ')' | '\'' | '」' | '“') {
                last = c;
            }
        }
        stats.starts_small = line.text.chars().next().is_some_and(char::is_lowercase);
        stats.ends_sentence = matches!(last, '.' | '!' | '?' | '…' | '。' | '؟' | '।' | '！' | '？' | '։');
        stats.ends_colon = last == ':';
        stats.linked = line.linked as f32;
        stats.is_prose = line.is_prose();
        let emphasised = line.spans.iter().filter(|span| span.format.emphasis.is_some());
        stats.emphasis = emphasised.map(|span| span.text.len()).sum::<usize>() as f32 / line.text.len().max(1) as f32;
        stats.hash = xxh3_64(line.text.as_bytes());
        stats
    }
}

/// Sums over the lines of a container or of a group of lines.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) lines: f32,
    pub(super) chars: f32,
    pub(super) linked: f32,
    pub(super) prose: f32,
    pub(super) prose_lines: f32,
    pub(super) headings: f32,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.lines += other.lines;
        self.chars += other.chars;
        self.linked += other.linked;
        self.prose += other.prose;
        self.prose_lines += other.prose_lines;
        self.headings += other.headings;
    }

    pub(super) fn link_density(&self) -> f32 {
        self.linked / self.chars.max(1.0)
    }
}
