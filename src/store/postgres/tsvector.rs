//! Lexemes and queries for PostgreSQL's full-text index.
//!
//! The index stores Copydesk's own words with their positions and is queried with Copydesk's own query: PostgreSQL's
//! parsers, dictionaries and query syntax are not used.
//!
//! PostgreSQL's limits: a position is at most 16,383, and a word has at most 255 positions. So in a longer text every
//! word is found, and phrases are found within the first 16,383 words, by the first 255 occurrences of each. All words
//! of one article may take 1 MB; words beyond that are not found.

use std::collections::BTreeMap;
use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::article::Query;

/// Maximum position of a word.
const MAX_POSITION: u16 = 16_383;
/// Maximum number of positions per word.
const MAX_POSITIONS: usize = 255;
/// Maximum size of all words and their positions, in bytes; PostgreSQL's limit is 1 MiB.
const MAX_BYTES: usize = 1_000_000;

/// Words of an article and their positions: a `tsvector` in wire format. As text, formatting and parsing it took more
/// than a quarter of the cost of indexing (docs/performance.md).
#[derive(Debug)]
pub(super) struct Words(Vec<u8>);

/// Returns the next position, saturating.
fn next(position: u16) -> u16 {
    position.saturating_add(1)
}

/// Weights of fields in a `tsvector`.
const HEADLINE: u16 = 3;
const NAMES: u16 = 1;
const BODY: u16 = 0;

impl Words {
    pub(super) fn of([headline, body, names]: &[String; 3]) -> Self {
        // Positions with weights by word. Words are sorted by their bytes, as PostgreSQL requires.
        let mut words: BTreeMap<&str, Vec<u16>> = BTreeMap::new();
        let mut position = 0_u16;
        let mut bytes = 0;
        // The body comes last, because it may exceed the limits.
        for (text, weight) in [(headline, HEADLINE), (names, NAMES), (body, BODY)] {
            // A NUL would end the word in the wire format and corrupt the rest.
            for word in text.split([' ', '\0']).filter(|word| !word.is_empty()) {
                position = next(position);
                let count = words.get(word).map(Vec::len);
                let stored = position <= MAX_POSITION && count.unwrap_or(0) < MAX_POSITIONS;
                // Upper bound, including alignment and counts.
                let size = if count.is_none() { word.len() + 4 } else { 0 } + if stored { 2 } else { 0 };
                if bytes + size > MAX_BYTES {
                    continue;
                }
                bytes += size;
                let positions = words.entry(word).or_default();
                if stored {
                    positions.push(weight << 14 | position);
                }
            }
            // A gap, so that no phrase matches across fields.
            position = next(position);
        }
        let mut wire = Vec::with_capacity(bytes + 4 * words.len() + 4);
        // At most MAX_BYTES words, so it fits.
        wire.extend_from_slice(&(words.len() as u32).to_be_bytes());
        for (word, positions) in words {
            wire.extend_from_slice(word.as_bytes());
            wire.push(0);
            wire.extend_from_slice(&(positions.len() as u16).to_be_bytes());
            positions.iter().for_each(|position| wire.extend_from_slice(&position.to_be_bytes()));
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

/// Quotes a word of a query. Words consist of letters and digits; quoting keeps any other a single word.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "''"))
}

/// Formats a query as a `tsquery`. Its words are quoted, so a caller cannot inject query syntax.
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

    /// Formats words as PostgreSQL prints them.
    fn text_of(words: &Words) -> String {
        let (count, mut rest) = words.0.split_at(4);
        let mut text = String::new();
        let number = |bytes: &[u8]| u16::from_be_bytes([bytes[0], bytes[1]]);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == 0).expect("a word should end with NUL");
            let (word, after) = rest.split_at(end);
            let (positions, after) = after[3..].split_at(usize::from(number(&after[1..])) * 2);
            let positions = positions.chunks(2).map(number);
            let positions = positions
                .map(|entry| format!("{}{}", entry & MAX_POSITION, ["D", "C", "B", "A"][usize::from(entry >> 14)]));
            let word = std::str::from_utf8(word).expect("a word should be UTF-8");
            text += &format!("'{word}':{} ", positions.collect::<Vec<_>>().join(","));
            rest = after;
        }
        assert_eq!(
            text.matches(' ').count(),
            u32::from_be_bytes(count.try_into().expect("the count should have 4 bytes")) as usize
        );
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
        assert_eq!(text_of(&Words::of(&repeated)).matches(',').count(), MAX_POSITIONS - 1);
        let many: Vec<String> = (0..200_000).map(|number| format!("w{number}")).collect();
        let text = text_of(&Words::of(&[String::new(), many.join(" "), String::new()]));
        assert!(text.contains("'w16000':1") && text.contains("'w17000': ") && !text.contains("'w199999'"));
    }

    #[test]
    fn a_query_is_quoted() {
        let query = Query::parse("ferry* OR \"port ellery\" -'x'|!y", "query").expect("the query should be valid");
        assert_eq!(query_text(&query), "(('ferry') | ('port' <-> 'ellery')) & !('x' <-> 'y')");
    }
}
