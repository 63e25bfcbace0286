//! Words, as PostgreSQL's full-text index takes them and is asked for them.
//!
//! The index is given Copydesk's own words with the places at which they stand, and asked with Copydesk's own query: nothing
//! of PostgreSQL's parsers, dictionaries or query syntax is in between.
//!
//! PostgreSQL's bounds, and what they mean here: a word's place is at most 16,383, and a word has at most 255 of them. So
//! in a longer text every word is found, and phrases are found among the first 16,383 words, by the first 255 occurrences
//! of each. All words of one article may take a megabyte; words beyond that are not found.

use std::collections::BTreeMap;

use crate::article::Query;

/// The last place that a word can be noted at, and how many are noted of one word.
const LAST_PLACE: usize = 16_383;
const MAX_PLACES: usize = 255;
/// How much all words and their places may take; PostgreSQL's bound is 1 MiB.
const MAX_BYTES: usize = 1_000_000;

/// An article's words as the text of a `tsvector`.
pub(super) fn vector_text([headline, body, names]: &[String; 3]) -> String {
    // For each word its places and weights, in order.
    let mut words: BTreeMap<&str, Vec<(usize, char)>> = BTreeMap::new();
    let mut place = 0;
    let mut bytes = 0;
    // The body last: it is what may be too long.
    for (text, weight) in [(headline, 'A'), (names, 'C'), (body, 'D')] {
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            place += 1;
            let known = words.get(word).map(Vec::len);
            let noted = place <= LAST_PLACE && known.unwrap_or(0) < MAX_PLACES;
            // At the most: what is aligned, and counted.
            let room = if known.is_none() { word.len() + 4 } else { 0 } + if noted { 2 } else { 0 };
            if bytes + room > MAX_BYTES {
                continue;
            }
            bytes += room;
            let places = words.entry(word).or_default();
            if noted {
                places.push((place, weight));
            }
        }
        // A gap, so that no phrase reaches from one field into the next.
        place += 1;
    }
    let mut text = String::with_capacity(bytes * 3);
    for (word, places) in words {
        text += &quoted(word);
        for (at, (place, weight)) in places.iter().enumerate() {
            text += &format!("{}{place}{weight}", if at == 0 { ':' } else { ',' });
        }
        text.push(' ');
    }
    text
}

/// A word as it stands in the text of both. Words are letters and digits only; if one ever is not, it is a word still.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// A query as the text of a `tsquery`. Its words are quoted: nothing of a caller's syntax gets through.
pub(super) fn query_text(query: &Query) -> String {
    let phrase = |words: &Vec<String>| {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        format!("({})", words.join(" <-> "))
    };
    let groups = query.groups().iter().map(|group| {
        let phrases: Vec<String> = group.iter().map(phrase).collect();
        format!("({})", phrases.join(" | "))
    });
    let excluded = query.excluded().iter().map(|words| format!("!{}", phrase(words)));
    groups.chain(excluded).collect::<Vec<_>>().join(" & ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_places_and_fields_have_gaps() {
        let fields = ["calm sea", "the sea", "ann lee"].map(str::to_owned);
        assert_eq!(vector_text(&fields), "'ann':4C 'calm':1A 'lee':5C 'sea':2A,8D 'the':7D ");
        assert_eq!(vector_text(&Default::default()), "");
    }

    #[test]
    fn what_is_too_long_is_cut_where_postgres_would_fail() {
        let repeated = ["word ".repeat(20_000), String::new(), String::new()];
        assert_eq!(vector_text(&repeated).matches(',').count(), MAX_PLACES - 1);
        let many: Vec<String> = (0..200_000).map(|number| format!("w{number}")).collect();
        let text = vector_text(&[String::new(), many.join(" "), String::new()]);
        assert!(text.contains("'w16000':") && text.contains("'w17000' ") && !text.contains("'w199999'"));
    }

    #[test]
    fn a_query_is_quoted() {
        let query = Query::parse("ferry* OR \"port ellery\" -'x'|!y", "query").expect("a query");
        assert_eq!(query_text(&query), "(('ferry') | ('port' <-> 'ellery')) & !('x' <-> 'y')");
    }
}
