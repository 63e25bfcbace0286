//! Words that articles print around their date: `Updated`, `Veröffentlicht am`, `3 hours ago`.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::tokens::{Token, fold, split};

static LABELS: LazyLock<HashMap<String, Kinds>> = LazyLock::new(|| parse(include_str!("labels.txt")));

/// Kinds of a word.
#[derive(Clone, Copy, Default)]
pub(super) struct Kinds {
    label: Option<Label>,
    pub(super) is_unit: bool,
    /// True for a word that makes a time relative to the time of reading.
    pub(super) is_ago: bool,
    pub(super) is_source: bool,
}

/// Statement about a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    Published,
    Updated,
}

fn parse(file: &'static str) -> HashMap<String, Kinds> {
    let mut labels = HashMap::<String, Kinds>::new();
    for line in file.lines().filter(|line| !line.starts_with(['#', '['])) {
        let mut words = line.split(' ');
        let section = words.next().unwrap_or_default();
        for word in words {
            let kinds = labels.entry(fold(word).replace('.', "")).or_default();
            match section {
                "published" => kinds.label = kinds.label.or(Some(Label::Published)),
                "updated" => kinds.label = Some(Label::Updated),
                "unit" => kinds.is_unit = true,
                "ago" => (kinds.is_unit, kinds.is_ago) = (true, true),
                "source" => kinds.is_source = true,
                // `filler` and `today`: known, without a meaning.
                _ => {}
            }
        }
    }
    labels
}

/// Returns the kinds of a word. In scripts without spaces a label may be part of a longer word.
pub(super) fn kinds(word: &str) -> Option<Kinds> {
    LABELS.get(word).copied().or_else(|| {
        let first = word.chars().next()?;
        let is_spaceless =
            matches!(u32::from(first), 0xe00..=0xe7f | 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7a3);
        let chars = word.chars().count();
        if !is_spaceless || chars > 8 {
            return None;
        }
        let starts = word.char_indices().map(|(start, _)| start);
        let mut found = starts.flat_map(|start| {
            let ends = word[start..].char_indices().skip(1).map(move |(end, _)| start + end).chain([word.len()]);
            ends.filter_map(move |end| LABELS.get(&word[start..end]).copied())
        });
        found.next()
    })
}

/// Returns the statement that a word makes about the date behind it.
pub(super) fn kind(word: &str) -> Option<Label> {
    kinds(word)?.label
}

/// Returns the statement that a text makes about a date behind it: that of its last label.
pub(crate) fn of(text: &str) -> Option<Label> {
    let labels = split(text).into_iter().filter_map(|placed| match placed.token {
        Token::Word(word) => kind(&word),
        _ => None,
    });
    // `mis en ligne` and `last published` have words of both kinds: an update is named by its own word, too.
    labels.fold(None, |label, next| match (label, next) {
        (Some(Label::Updated), Label::Published) => Some(Label::Updated),
        (_, next) => Some(next),
    })
}
