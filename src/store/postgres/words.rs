//! Words, as PostgreSQL's full-text index takes them and is asked for them.
//!
//! The index is given Copydesk's own words with the places at which they stand, and asked with Copydesk's own query:
//! nothing of PostgreSQL's parsers, dictionaries or query syntax is in between.
//!
//! PostgreSQL's bounds, and what they mean here: a word's place is at most 16,383, and a word has at most 255 of them.
//! So in a longer text every word is found, and phrases are found among the first 16,383 words, by the first 255
//! occurrences of each. All words of one article may take a megabyte; words beyond that are not found.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::article::Query;

/// The last place that a word can be noted at, and how many are noted of one word.
const LAST_PLACE: u16 = 16_383;
const MAX_PLACES: usize = 255;
/// How much all words and their places may take; PostgreSQL's bound is 1 MiB.
const MAX_BYTES: usize = 1_000_000;

/// An article's words and their places, as the database is sent them: a `tsvector` as it is on the wire. As text it
/// would be written here and read there, at more than a quarter of what the index cost (docs/performance.md).
#[derive(Debug)]
pub(super) struct Words(Vec<u8>);

/// The next place. Beyond the last, places are all the same.
fn next(place: u16) -> u16 {
    place.saturating_add(1)
}

/// Where a word stands counts by the field.
const HEADLINE: u16 = 3;
const NAMES: u16 = 1;
const BODY: u16 = 0;

impl Words {
    pub(super) fn of([headline, body, names]: &[String; 3]) -> Self {
        // For each word its places with their weights, in order; words by their bytes, which is PostgreSQL's order too.
        let mut words: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut place = 0_u16;
        let mut bytes = 0;
        // The body last: it is what may be too long.
        for (text, weight) in [(headline, HEADLINE), (names, NAMES), (body, BODY)] {
            // A NUL would end the word for the database, and what follows it would be read as something else.
            for word in text.split([' ', '\0']).filter(|word| !word.is_empty()) {
                place = next(place);
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
                    places.push(weight << 14 | place);
                }
            }
            // A gap, so that no phrase reaches from one field into the next.
            place = next(place);
        }
        let mut wire = Vec::with_capacity(bytes + 4 * words.len() + 4);
        // Not more than MAX_BYTES of them.
        wire.extend_from_slice(&(words.len() as u32).to_be_bytes());
        for (word, places) in words {
            wire.extend_from_slice(word.as_bytes());
            wire.push(0);
            wire.extend_from_slice(&(places.len() as u16).to_be_bytes());
            places.iter().for_each(|place| wire.extend_from_slice(&place.to_be_bytes()));
        }
        Self(wire)
    }
}

impl ToSql for Words {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TS_VECTOR
    }

    to_sql_checked!();
}

/// A word as it stands in the text of a query. Words are letters and digits only; if one ever is not, it is a word
/// still.
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

    /// As PostgreSQL prints it.
    fn text_of(words: &Words) -> String {
        let (count, mut rest) = words.0.split_at(4);
        let mut text = String::new();
        let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).expect("a word ends");
            let (word, after) = rest.split_at(end);
            let (places, after) = after[3..].split_at(usize::from(number(&after[1..])) * 2);
            let places = places.chunks(2).map(number);
            let places =
                places.map(|place| format!("{}{}", place & LAST_PLACE, ["D", "C", "B", "A"][usize::from(place >> 14)]));
            text +=
                &format!("'{}':{} ", std::str::from_utf8(word).expect("a word"), places.collect::<Vec<_>>().join(","));
            rest = after;
        }
        assert_eq!(text.matches(' ').count(), u32::from_be_bytes(count.try_into().expect("four bytes")) as usize);
        text
    }

    #[test]
    fn words_have_places_and_fields_have_gaps() {
        let fields = ["calm sea", "the sea", "ann lee"].map(str::to_owned);
        assert_eq!(text_of(&Words::of(&fields)), "'ann':4C 'calm':1A 'lee':5C 'sea':2A,8D 'the':7D ");
        assert_eq!(text_of(&Words::of(&Default::default())), "");
    }

    #[test]
    fn what_is_too_long_is_cut_where_postgres_would_fail() {
        let repeated = ["word ".repeat(20_000), String::new(), String::new()];
        assert_eq!(text_of(&Words::of(&repeated)).matches(',').count(), MAX_PLACES - 1);
        let many: Vec<String> = (0..200_000).map(|number| format!("w{number}")).collect();
        let text = text_of(&Words::of(&[String::new(), many.join(" "), String::new()]));
        assert!(text.contains("'w16000':1") && text.contains("'w17000': ") && !text.contains("'w199999'"));
    }

    #[test]
    fn a_query_is_quoted() {
        let query = Query::parse("ferry* OR \"port ellery\" -'x'|!y", "query").expect("a query");
        assert_eq!(query_text(&query), "(('ferry') | ('port' <-> 'ellery')) & !('x' <-> 'y')");
    }
}
