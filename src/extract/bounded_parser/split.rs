//! Splits texts that are expensive to serialize.
//!
//! html5ever's serializer searches the rest of a text for each character that it may have to escape. A text of n such
//! characters takes n² steps (`write_escaped`, html5ever 0.40.1), and the library that finds the main text always
//! serializes its result. Short texts with the same content take as many steps as they have bytes.

use dom_query::{NodeData, NodeRef};
use html5ever::tendril::StrTendril;

/// Size up to which texts are left unchanged, in bytes.
pub(super) const LONG_TEXT: usize = 4 << 10;
/// Bytes that serialization may search for one text. A search reads about 30 GB/s.
const CHEAP: usize = 1 << 20;
/// Size of the pieces of an expensive text, and of an expensive attribute's value, in bytes.
const PIECE_BYTES: usize = 1 << 10;

/// Splits a text node if it is expensive. Returns its last piece.
pub(super) fn text<'a>(node: &NodeRef<'a>) -> NodeRef<'a> {
    let is_expensive = node.query_or(false, |node| match &node.data {
        NodeData::Text { contents } => is_expensive(contents),
        _ => false,
    });
    if !is_expensive {
        return *node;
    }
    let whole = node.text();
    let (first, mut rest) = whole.split_at(end_of_piece(&whole));
    node.set_text(first);
    let mut last = *node;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(end_of_piece(rest));
        let next = node.tree.new_text(piece);
        last.insert_after(&next);
        last = next;
        rest = after;
    }
    last
}

/// Truncates an attribute's value if it is expensive. URLs, captions and dates are shorter than a piece.
pub(super) fn clip(value: &mut StrTendril) {
    if value.len() > LONG_TEXT && is_expensive(value) {
        let end = end_of_piece(value);
        *value = StrTendril::from_slice(&value[..end]);
    }
}

/// Returns true if the bytes that serialization stops at, times the bytes searched from each, exceed [`CHEAP`].
fn is_expensive(text: &str) -> bool {
    // `&`, and the first byte of U+0080 to U+00BF, which include the no-break space; in attributes also quotes.
    let stops = text.bytes().filter(|byte| matches!(byte, b'&' | 0xC2 | b'<' | b'>' | b'"')).count();
    stops.saturating_mul(text.len()) > CHEAP
}

fn end_of_piece(text: &str) -> usize {
    (PIECE_BYTES..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use dom_query::Document;

    use super::*;

    #[test]
    fn an_expensive_text_is_split_and_says_the_same() {
        let special = "§ & « ".repeat(5_000);
        let plain = "words and words ".repeat(5_000);
        for (text_in, pieces) in [(special, 2..), (plain, 1..)] {
            let document = Document::from("<p>x</p>");
            let paragraph = document.select("p").nodes()[0];
            let node = paragraph.first_child().expect("a text");
            node.set_text(text_in.as_str());
            let last = text(&node);
            assert_eq!(paragraph.last_child().map(|node| node.id), Some(last.id));
            assert_eq!(paragraph.text().to_string(), text_in);
            assert!(pieces.contains(&paragraph.children().len()));
        }
    }

    #[test]
    fn an_expensive_value_is_cut_short() {
        let mut value = StrTendril::from("\"".repeat(100_000));
        clip(&mut value);
        assert_eq!(value.len(), PIECE_BYTES);
        let mut address = StrTendril::from(format!("https://herald.example/?{}", "a=1&".repeat(100)));
        let before = address.len();
        clip(&mut address);
        assert_eq!(address.len(), before);
    }
}
