//! Parsing of documents within limits.
//!
//! Nothing else parses HTML. Documents that are too deep, too large or have too many elements are rejected during
//! parsing, based on the tree that the parser builds. A check of the text beforehand would be a second parser, which a
//! page could be written to fool.

mod json;
mod sink;
mod tags;

use dom_query::{Document, NodeData};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::TreeBuilderOpts;
use html5ever::{ParseOpts, parse_document};

pub(crate) use json::{json, json_feed};

use self::sink::Sink;
use crate::extract::budget::{Budget, steps_of};
use crate::extract::document::Limits;
use crate::extract::error::ExtractError;
use crate::extract::node_text::raw_text;

/// Bytes parsed between two checks of the limits. Work per chunk is bounded for any input.
const CHUNK_BYTES: usize = 1 << 10;

/// Rejects a document that is too large.
pub(crate) fn size(bytes: usize, limits: &Limits) -> Result<(), ExtractError> {
    if bytes > limits.max_bytes { Err(ExtractError::TooLarge { limit: limits.max_bytes }) } else { Ok(()) }
}

/// Parses a page, or a part of one.
pub(crate) fn parse(html: &str, budget: &Budget<'_>) -> Result<Document, ExtractError> {
    let limits = budget.limits;
    size(html.len(), limits)?;
    tags::check(html, limits.max_attributes)?;
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let options = ParseOpts { tree_builder, ..ParseOpts::default() };
    let mut parser = parse_document(Sink::new(html, limits), options);
    let mut rest = html;
    while !rest.is_empty() {
        // Chunks end at character boundaries.
        let end = (CHUNK_BYTES..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        parser.process(StrTendril::from_slice(chunk));
        parser.tokenizer.sink.sink.check()?;
        budget.read(chunk.len())?;
        rest = after;
    }
    let sink = parser.finish();
    sink.check()?;
    let document = sink.into_document();
    measure(&document, budget)?;
    Ok(document)
}

/// Returns the text of a value that may contain markup and entities, such as a feed's titles. A value beyond the
/// limits is returned unchanged; beyond the budget, the document fails.
pub(crate) fn plain(text: &str, budget: &Budget<'_>) -> Result<String, ExtractError> {
    if !text.contains(['&', '<']) {
        return Ok(text.to_owned());
    }
    match parse(text, budget) {
        Ok(document) => raw_text(&document.root(), budget),
        Err(error @ (ExtractError::TooComplex { .. } | ExtractError::Abandoned)) => Err(error),
        Err(_too_rich) => Ok(text.to_owned()),
    }
}

/// Checks the depth of the whole tree (moving a branch deepens all of it, which the sink does not track), and counts
/// the work of reading it.
///
/// Some steps read the whole content of elements within each other. Their work is therefore at most the sum of the
/// depths of all nodes and pieces of text.
fn measure(document: &Document, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let max = budget.limits.max_depth;
    let mut depth = 0_usize;
    let mut node = Some(document.root());
    // Iterative, since a recursive walk of a deep page would overflow the stack.
    while let Some(at) = node {
        if let Some(child) = at.first_child() {
            depth += 1;
            if depth > max {
                return Err(ExtractError::TooDeep { limit: max });
            }
            budget.spend(depth as u64)?;
            node = Some(child);
            continue;
        }
        let text = at.query_or(0, |node| match &node.data {
            NodeData::Text { contents } => contents.len(),
            _ => 0,
        });
        budget.spend(depth as u64 * steps_of(text))?;
        let mut up = Some(at);
        node = loop {
            let Some(here) = up else { break None };
            if let Some(sibling) = here.next_sibling() {
                break Some(sibling);
            }
            up = here.parent();
            depth = depth.saturating_sub(1);
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(html: &str) -> Option<ExtractError> {
        parse(html, &Budget::unattended(&Limits::default())).err()
    }

    #[test]
    fn ordinary_pages_pass() {
        let page = "<p>x<br><img src='a>b'><li>y<script>if (a<b) { '<div><div>' }</script><!-- <div> -->".repeat(2_000);
        assert_eq!(refusal(&page), None);
        assert_eq!(refusal(&"<div a=1>x</div>".repeat(50_000)), None);
    }

    #[test]
    fn pages_made_to_hurt_do_not() {
        let deep = Some(ExtractError::TooDeep { limit: 500 });
        // Every notation that a parser nests.
        for nesting in ["<div>", "<div/>", "<div></x>", "<div><p>", "<svg><title><div>"] {
            assert_eq!(refusal(&format!("<!--><p>{}", nesting.repeat(100_000))), deep, "{nesting}");
        }
        // Elements that a parser reopens repeatedly.
        let bold: String = (0..400).map(|n| format!("<b a{n}>")).collect();
        let again = refusal(&format!("<p>{bold}</p>{}", "<div>x</div>".repeat(1_000)));
        assert!(matches!(again, Some(ExtractError::TooManyElements { limit: ..10_000 })), "{again:?}");
        assert_eq!(refusal(&"<a".repeat(1_000_000)), Some(ExtractError::TooManyAttributes { limit: 1_000 }));
        assert_eq!(refusal(&"<template>".repeat(10_000)), deep);
        assert_eq!(refusal(&"<br>".repeat(200_001)), Some(ExtractError::TooManyElements { limit: 200_000 }));
        let attributes: String = (0..1_001).map(|n| format!(" a{n}")).collect();
        let many = Some(ExtractError::TooManyAttributes { limit: 1_000 });
        assert_eq!(refusal(&format!("<p{attributes}>")), many);
        let attributes: String = (0..1_000_000).map(|n| format!(" a{n}")).collect();
        assert_eq!(refusal(&format!("<p{attributes}>")), many);
    }

    proptest! {
        /// Every input gives a tree within the limits or an error, without panics.
        #[test]
        fn no_tree_is_deeper_than_the_limit(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "<div>", "</div>", "<p>", "</p>", "<b>", "<b a>", "<b c>", "</b>", "<a>", "<table>", "<tr>", "<td>",
                    "</table>", "<svg>", "<title>", "</svg>", "<template>", "</template>", "<select>", "<li>",
                    "x", "<!--", "-->", "</body>", "<html a>", "<font>", "<nobr>", "<form>", "<h1>", "</h1>",
                    "<math>", "<mi>",
                ]),
                0..400,
            ),
        ) {
            let limits = Limits { max_depth: 20, ..Limits::default() };
            if let Ok(document) = parse(&pieces.concat(), &Budget::unattended(&limits)) {
                let deepest = document.root().descendants_it().map(|node| node.ancestors_it(None).count()).max();
                prop_assert!(deepest.unwrap_or_default() <= 20);
            }
        }
    }
}
