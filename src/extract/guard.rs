//! How pages are parsed: within limits that hold whatever the page does.
//!
//! Nothing else parses HTML. What is too deep, too large or too rich in elements is refused while it is being parsed, by what
//! the parser itself makes of it: a guess from the text beforehand would be a second parser, and one that a page can be
//! written against.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use dom_query::{Document, NodeId};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::tree_builder::{ElementFlags, NodeOrText, QuirksMode, TreeBuilderOpts, TreeSink};
use html5ever::{Attribute, ParseOpts, QualName, parse_document};

use super::{ExtractError, Limits};

/// How much is parsed between looks at whether it is enough. What a parser does in so much text is bounded, whatever it is.
const CHUNK_BYTES: usize = 1 << 10;
/// No element is said in fewer bytes (`<p>`). A parser makes elements that nobody said, such as those that it opens again in
/// every paragraph; where those are more than these, and more than all that could have been said, the page was made to hurt.
const TAG_BYTES: usize = 3;
const IMPLIED: usize = 1_000;
/// A tag is only known when it has ended, and looking for attributes said twice takes a parser the square of their number:
/// beyond this many, times [`Limits::max_attributes`], it never sees the tag.
const UNSEEN_TAG: usize = 2;

/// Refuses what is too large.
pub(super) fn size(bytes: usize, limits: &Limits) -> Result<(), ExtractError> {
    if bytes > limits.max_bytes { Err(ExtractError::TooLarge { limit: limits.max_bytes }) } else { Ok(()) }
}

/// Parses a page, or a piece of one.
pub(super) fn parse(html: &str, limits: &Limits) -> Result<Document, ExtractError> {
    size(html.len(), limits)?;
    attributes(html, limits.max_attributes)?;
    let tree_builder = TreeBuilderOpts { scripting_enabled: false, ..TreeBuilderOpts::default() };
    let options = ParseOpts { tree_builder, ..ParseOpts::default() };
    let mut parser = parse_document(Bounded::new(html, limits), options);
    let mut rest = html;
    while !rest.is_empty() {
        // Letters are whole in every chunk.
        let end = (CHUNK_BYTES..rest.len()).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len());
        let (chunk, after) = rest.split_at(end);
        parser.process(StrTendril::from_slice(chunk));
        parser.tokenizer.sink.sink.check()?;
        rest = after;
    }
    let bounded = parser.finish();
    bounded.check()?;
    deepest(&bounded.document, limits)?;
    Ok(bounded.document)
}

/// The text of something that may hold markup and entities, such as a feed's titles. What cannot be parsed is what it is.
pub(super) fn plain(text: &str) -> String {
    if !text.contains(['&', '<']) {
        return text.to_owned();
    }
    parse(text, &Limits::default()).map_or_else(|_| text.to_owned(), |document| document.text().to_string())
}

/// The depth of the whole tree: moving a branch makes all of it deeper, which the sink does not follow.
fn deepest(document: &Document, limits: &Limits) -> Result<(), ExtractError> {
    let mut depth = 0_usize;
    let mut node = Some(document.root());
    // From the root through every branch and back, without a stack that a page could make long.
    while let Some(at) = node {
        if let Some(child) = at.first_child() {
            depth += 1;
            if depth > limits.max_depth {
                return Err(ExtractError::TooDeep { limit: limits.max_depth });
            }
            node = Some(child);
            continue;
        }
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

/// A document being built, which counts.
struct Bounded {
    document: Document,
    limits: Limits,
    depths: RefCell<HashMap<NodeId, usize>>,
    elements: Cell<usize>,
    most_elements: usize,
    refused: Cell<Option<Refusal>>,
}

#[derive(Clone, Copy)]
enum Refusal {
    Deep,
    Elements,
    Attributes,
}

impl Bounded {
    fn new(html: &str, limits: &Limits) -> Self {
        Self {
            most_elements: limits.max_elements.min(IMPLIED + html.len() / TAG_BYTES),
            document: Document::default(),
            limits: limits.clone(),
            depths: RefCell::default(),
            elements: Cell::new(0),
            refused: Cell::new(None),
        }
    }

    fn check(&self) -> Result<(), ExtractError> {
        match self.refused.get() {
            None => Ok(()),
            Some(Refusal::Deep) => Err(ExtractError::TooDeep { limit: self.limits.max_depth }),
            Some(Refusal::Elements) => Err(ExtractError::TooManyElements { limit: self.most_elements }),
            Some(Refusal::Attributes) => Err(ExtractError::TooManyAttributes { limit: self.limits.max_attributes }),
        }
    }

    /// A node has got its place under another, or beside one.
    fn placed(&self, child: &NodeOrText<NodeId>, beside: &NodeId, deeper: usize) {
        let NodeOrText::AppendNode(child) = child else { return };
        let mut depths = self.depths.borrow_mut();
        let depth = depths.get(beside).copied().unwrap_or_default() + deeper;
        depths.insert(*child, depth);
        if depth > self.limits.max_depth {
            self.refused.set(Some(Refusal::Deep));
        }
    }
}

impl TreeSink for Bounded {
    type Handle = NodeId;
    type Output = Self;
    type ElemName<'a> = <Document as TreeSink>::ElemName<'a>;

    fn finish(self) -> Self {
        self
    }

    /// Most pages have errors, and nobody asks for them.
    fn parse_error(&self, _message: Cow<'static, str>) {}

    fn get_document(&self) -> NodeId {
        self.document.get_document()
    }

    fn elem_name<'a>(&'a self, target: &'a NodeId) -> Self::ElemName<'a> {
        self.document.elem_name(target)
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, flags: ElementFlags) -> NodeId {
        self.elements.set(self.elements.get() + 1);
        if self.elements.get() > self.most_elements {
            self.refused.set(Some(Refusal::Elements));
        }
        if attributes.len() > self.limits.max_attributes {
            self.refused.set(Some(Refusal::Attributes));
        }
        self.document.create_element(name, attributes, flags)
    }

    fn create_comment(&self, text: StrTendril) -> NodeId {
        self.document.create_comment(text)
    }

    fn create_pi(&self, target: StrTendril, data: StrTendril) -> NodeId {
        self.document.create_pi(target, data)
    }

    fn append(&self, parent: &NodeId, child: NodeOrText<NodeId>) {
        self.placed(&child, parent, 1);
        self.document.append(parent, child);
    }

    fn append_based_on_parent_node(&self, element: &NodeId, previous: &NodeId, child: NodeOrText<NodeId>) {
        self.placed(&child, previous, 1);
        self.document.append_based_on_parent_node(element, previous, child);
    }

    fn append_doctype_to_document(&self, name: StrTendril, public_id: StrTendril, system_id: StrTendril) {
        self.document.append_doctype_to_document(name, public_id, system_id);
    }

    fn get_template_contents(&self, target: &NodeId) -> NodeId {
        let contents = self.document.get_template_contents(target);
        self.placed(&NodeOrText::AppendNode(contents), target, 1);
        contents
    }

    fn same_node(&self, one: &NodeId, other: &NodeId) -> bool {
        self.document.same_node(one, other)
    }

    fn set_quirks_mode(&self, mode: QuirksMode) {
        self.document.set_quirks_mode(mode);
    }

    fn append_before_sibling(&self, sibling: &NodeId, child: NodeOrText<NodeId>) {
        self.placed(&child, sibling, 0);
        self.document.append_before_sibling(sibling, child);
    }

    fn add_attrs_if_missing(&self, target: &NodeId, attributes: Vec<Attribute>) {
        if attributes.len() > self.limits.max_attributes {
            self.refused.set(Some(Refusal::Attributes));
        }
        self.document.add_attrs_if_missing(target, attributes);
    }

    fn remove_from_parent(&self, target: &NodeId) {
        self.document.remove_from_parent(target);
    }

    fn reparent_children(&self, node: &NodeId, new_parent: &NodeId) {
        self.document.reparent_children(node, new_parent);
    }

    fn is_mathml_annotation_xml_integration_point(&self, handle: &NodeId) -> bool {
        self.document.is_mathml_annotation_xml_integration_point(handle)
    }
}

/// Refuses a page in which something that may be a tag has very many attributes. Read as the HTML standard reads a tag, from
/// everything that may begin one, wherever it stands: so no tag is missed, and of what is none (in a script, say) a great deal
/// passes.
fn attributes(html: &str, limit: usize) -> Result<(), ExtractError> {
    let bytes = html.as_bytes();
    let mut from = 0;
    // Where tags do not end, what begins within one is read again from each beginning. Pages end theirs.
    let mut budget = 8 * html.len() + (64 << 10);
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == b'<') {
        from += at + 1;
        let name = from + usize::from(bytes.get(from) == Some(&b'/'));
        if bytes.get(name).is_some_and(u8::is_ascii_alphabetic) {
            let (count, read) = count_attributes(&bytes[name..], limit * UNSEEN_TAG);
            if count > limit * UNSEEN_TAG || read > budget {
                return Err(ExtractError::TooManyAttributes { limit });
            }
            budget -= read;
        }
    }
    Ok(())
}

/// The attributes of a tag, from its name on, not counted beyond `enough`; and how many bytes were read for it.
fn count_attributes(tag: &[u8], enough: usize) -> (usize, usize) {
    enum State {
        TagName,
        BeforeName,
        Name,
        AfterName,
        BeforeValue,
        Quoted(u8),
        Unquoted,
    }
    use State::{AfterName, BeforeName, BeforeValue, Name, Quoted, TagName, Unquoted};
    let mut state = TagName;
    let mut count = 0;
    for (at, byte) in tag.iter().copied().enumerate() {
        let space = byte.is_ascii_whitespace();
        state = match (state, byte) {
            (Quoted(quote), _) if byte == quote => BeforeName,
            (Quoted(quote), _) => Quoted(quote),
            (_, b'>') => return (count, at),
            (BeforeValue, b'"' | b'\'') => Quoted(byte),
            (BeforeValue, _) => {
                if space {
                    BeforeValue
                } else {
                    Unquoted
                }
            }
            (Unquoted, _) => {
                if space {
                    BeforeName
                } else {
                    Unquoted
                }
            }
            (Name | AfterName, b'=') => BeforeValue,
            (_, b'/') => BeforeName,
            (TagName, _) => {
                if space {
                    BeforeName
                } else {
                    TagName
                }
            }
            (Name | AfterName, _) if space => AfterName,
            (BeforeName, _) if space => BeforeName,
            (Name, _) => Name,
            (BeforeName | AfterName, _) => {
                count += 1;
                if count > enough {
                    return (count, at);
                }
                Name
            }
        };
    }
    (count, tag.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(html: &str) -> Option<ExtractError> {
        parse(html, &Limits::default()).err()
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
        // What a parser nests, however it is written.
        for nesting in ["<div>", "<div/>", "<div></x>", "<div><p>", "<svg><title><div>"] {
            assert_eq!(refusal(&format!("<!--><p>{}", nesting.repeat(100_000))), deep, "{nesting}");
        }
        // Elements that a parser opens again and again.
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
        /// Whatever comes in, a tree that comes out is within the limits, and nothing panics.
        #[test]
        fn no_tree_is_deeper_than_the_limit(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "<div>", "</div>", "<p>", "</p>", "<b>", "<b a>", "<b c>", "</b>", "<a>", "<table>", "<tr>", "<td>",
                    "</table>", "<svg>", "<title>", "</svg>", "<template>", "</template>", "<select>", "<li>", "x", "<!--",
                    "-->", "</body>", "<html a>", "<font>", "<nobr>", "<form>", "<h1>", "</h1>", "<math>", "<mi>",
                ]),
                0..400,
            ),
        ) {
            let limits = Limits { max_depth: 20, ..Limits::default() };
            if let Ok(document) = parse(&pieces.concat(), &limits) {
                let deepest = document.root().descendants_it().map(|node| node.ancestors_it(None).count()).max();
                prop_assert!(deepest.unwrap_or_default() <= 20);
            }
        }
    }
}
