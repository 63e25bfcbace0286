//! Values of a property, and words of headlines, that begin with what a user has typed.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::AtomicBool;

use tantivy::schema::IndexRecordOption;
use tantivy::{DocSet, TERMINATED};

use super::schema::{Fields, SPELLING, ValueField};
use super::top::{Cancelled, ColumnFilter, for_each_match};
use super::view::{Segment, View};
use crate::article::{TextField, is_alternate};

/// Maximum number of values whose articles are counted.
const MAX_CANDIDATES: usize = 2_000;

/// Source of suggestions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuggestedField {
    /// Values of a property.
    Value(ValueField),
    /// Words of headlines.
    HeadlineWord,
}

/// Suggested value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggested {
    /// Value in its most frequent spelling.
    pub value: String,
    /// Number of articles.
    pub count: u64,
}

/// Quality of a match; lower is better.
type Distance = u8;

/// Beginning of a value as a user has typed it.
pub(super) struct Typed {
    folded: Vec<char>,
    max_errors: usize,
}

impl Typed {
    pub(super) fn new(folded: &str) -> Self {
        let folded: Vec<char> = folded.chars().collect();
        let max_errors = match folded.len() {
            0..4 => 0,
            4..8 => 1,
            _ => 2,
        };
        Self { folded, max_errors }
    }

    /// Returns the number of errors with which a value, or a word in it, begins like this; none if there are too many.
    fn distance(&self, value: &str) -> Option<Distance> {
        let mut best = None;
        let mut is_start = true;
        for (at, character) in value.char_indices() {
            if is_start && character.is_alphanumeric() {
                let found = self.distance_at(&value[at..]);
                best = best.into_iter().chain(found).min();
            }
            is_start = !character.is_alphanumeric();
        }
        best
    }

    fn distance_at(&self, value: &str) -> Option<Distance> {
        let longest = self.folded.len() + self.max_errors;
        let value: Vec<char> = value.chars().take(longest).collect();
        if value.starts_with(&self.folded) {
            return Some(0);
        }
        // The first letter of what is typed is right nearly always; it makes most values cheap to refuse.
        if self.max_errors == 0 || value.first() != self.folded.first() {
            return None;
        }
        // Distances of Levenshtein between the typed text and every beginning of the value, one row at a time.
        let mut row: Vec<usize> = (0..=value.len()).collect();
        for (at, typed) in self.folded.iter().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], at + 1);
            for (to, letter) in value.iter().enumerate() {
                let substituted = diagonal + usize::from(typed != letter);
                diagonal = row[to + 1];
                row[to + 1] = substituted.min(diagonal + 1).min(row[to] + 1);
            }
        }
        let errors = row.into_iter().min().unwrap_or(usize::MAX);
        (errors <= self.max_errors).then_some(errors as Distance)
    }
}

/// Candidate: its distance, and its count by spelling.
#[derive(Default)]
struct Group {
    distance: Distance,
    count: u64,
    spellings: HashMap<String, u64>,
}

/// Request for suggestions.
pub(super) struct SuggestRequest<'r> {
    pub(super) weight: &'r dyn tantivy::query::Weight,
    pub(super) conditions: ColumnFilter<'r>,
    pub(super) field: SuggestedField,
    pub(super) typed: Typed,
    pub(super) limit: usize,
    pub(super) cancelled: &'r AtomicBool,
}

/// Returns the best suggestions.
pub(super) fn suggest(
    view: &View,
    fields: &Fields,
    request: &SuggestRequest<'_>,
) -> tantivy::Result<Result<Vec<Suggested>, Cancelled>> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for segment in &view.segments {
        let added = match request.field {
            SuggestedField::Value(field) => add_values(segment, request, field, &mut groups)?,
            SuggestedField::HeadlineWord => add_words(segment, fields, request, &mut groups)?,
        };
        if let Err(cancelled) = added {
            return Ok(Err(cancelled));
        }
    }
    let mut groups: Vec<(String, Group)> = groups.into_iter().collect();
    groups.sort_by(|(a, one), (b, another)| {
        one.distance.cmp(&another.distance).then(another.count.cmp(&one.count)).then_with(|| a.cmp(b))
    });
    groups.truncate(request.limit);
    let suggested = groups.into_iter().map(|(folded, group)| {
        let best = group.spellings.iter().max_by(|(a, one), (b, another)| one.cmp(another).then_with(|| b.cmp(a)));
        Suggested { value: best.map_or(folded, |(spelling, _)| spelling.clone()), count: group.count }
    });
    Ok(Ok(suggested.collect()))
}

fn add_values(
    segment: &Segment,
    request: &SuggestRequest<'_>,
    field: ValueField,
    groups: &mut BTreeMap<String, Group>,
) -> tantivy::Result<Result<(), Cancelled>> {
    let Some(column) = segment.reader.fast_fields().str(field.column())? else { return Ok(Ok(())) };
    let mut candidates: HashMap<u64, (String, Distance, u64)> = HashMap::new();
    let mut terms = column.dictionary().stream()?;
    while terms.advance() {
        let term = String::from_utf8_lossy(terms.key());
        let folded = term.split_once(SPELLING).map_or(&*term, |(folded, _)| folded);
        if let Some(distance) = request.typed.distance(folded) {
            candidates.insert(terms.term_ord(), (term.into_owned(), distance, 0));
        }
    }
    if candidates.is_empty() {
        return Ok(Ok(()));
    }
    let counted = for_each_match(segment, request.weight, false, &request.conditions, request.cancelled, |doc, _| {
        for ordinal in column.term_ords(doc) {
            if let Some((_, _, count)) = candidates.get_mut(&ordinal) {
                *count += 1;
            }
        }
    })?;
    for (term, distance, count) in candidates.into_values().filter(|(_, _, count)| *count > 0) {
        let (folded, spelling) = term.split_once(SPELLING).unwrap_or((&term, &term));
        let group = groups.entry(folded.to_owned()).or_default();
        group.distance = distance;
        group.count += count;
        *group.spellings.entry(spelling.to_owned()).or_default() += count;
    }
    Ok(counted)
}

fn add_words(
    segment: &Segment,
    fields: &Fields,
    request: &SuggestRequest<'_>,
    groups: &mut BTreeMap<String, Group>,
) -> tantivy::Result<Result<(), Cancelled>> {
    let Some(first) = request.typed.folded.first() else { return Ok(Ok(())) };
    let inverted = segment.reader.inverted_index(fields.texts[TextField::Headline.index()])?;
    let beginning = first.to_string();
    let mut candidates = Vec::new();
    let mut terms = inverted.terms().range().ge(beginning.as_bytes()).into_stream()?;
    while let Some((term, info)) = terms.next() {
        let Ok(word) = std::str::from_utf8(term) else { continue };
        if !word.starts_with(&beginning) {
            break;
        }
        if !is_alternate(word)
            && let Some(distance) = request.typed.distance_at(word)
        {
            candidates.push((distance, std::cmp::Reverse(info.doc_freq), word.to_owned(), info.clone()));
        }
    }
    if candidates.is_empty() {
        return Ok(Ok(()));
    }
    // Hidden articles are still counted here, so this only limits the work.
    candidates.sort_by(|one, other| (one.0, one.1, &one.2).cmp(&(other.0, other.1, &other.2)));
    candidates.truncate(MAX_CANDIDATES);
    let mut matching = tantivy::BitSet::with_max_value(segment.reader.max_doc());
    let counted = for_each_match(segment, request.weight, false, &request.conditions, request.cancelled, |doc, _| {
        matching.insert(doc);
    })?;
    for (distance, _, word, info) in candidates {
        let mut postings = inverted.read_postings_from_terminfo(&info, IndexRecordOption::Basic)?;
        let mut count = 0;
        while postings.doc() != TERMINATED {
            count += u64::from(matching.contains(postings.doc()));
            postings.advance();
        }
        if count > 0 {
            let group = groups.entry(word).or_default();
            group.distance = distance;
            group.count += count;
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_begin_with_what_is_typed() {
        for (typed, value, expected) in [
            ("har", "harbour post", Some(0)),
            ("pos", "harbour post", Some(0)),
            ("arb", "harbour post", None),
            ("harbuor", "harbour post", None),
            ("habour", "harbour post", Some(1)),
            ("harbor post", "harbour post", Some(1)),
            ("hxr", "harbour post", None),
            ("ли", "анна ли", Some(0)),
        ] {
            assert_eq!(Typed::new(typed).distance(value), expected, "{typed}");
        }
    }
}
