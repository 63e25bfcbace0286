//! Conversion of the bodies of XML documents to HTML, which is read as that of a page.

use std::borrow::Cow;

use quick_xml::escape::unescape;

use super::{Content, Element, each, local};

impl Element<'_, '_> {
    /// Returns the contents as HTML. `tag` gives the HTML element for a name.
    pub(crate) fn html(self, tag: impl Fn(&str) -> Tag) -> String {
        let nodes = &self.tree.nodes;
        let mut out = String::new();
        let mut open: Vec<(usize, &str)> = Vec::new();
        let (mut at, end) = (self.at + 1, self.node().end);
        while at < end {
            while let Some((_, name)) = open.pop_if(|(end, _)| *end <= at) {
                close(&mut out, name);
            }
            let node = &nodes[at];
            at += 1;
            match &node.content {
                Content::Text(text) => escape(text, &mut out),
                Content::Element { name, attributes } => match tag(local(name)) {
                    Tag::Skip => at = node.end,
                    Tag::Contents => {}
                    Tag::Element(name) => {
                        out.push('<');
                        out.push_str(name);
                        for (key, value) in each(attributes).filter(|(key, _)| KEPT.contains(&local(key))) {
                            out.push(' ');
                            out.push_str(local(key));
                            out.push_str("=\"");
                            escape(&unescape(&value).unwrap_or(Cow::Borrowed(&value)), &mut out);
                            out.push('"');
                        }
                        out.push('>');
                        if !VOID.contains(&name) {
                            open.push((node.end, name));
                        }
                    }
                },
            }
        }
        while let Some((_, name)) = open.pop() {
            close(&mut out, name);
        }
        out
    }
}

/// HTML element for an element of XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Element(&'static str),
    /// The contents alone.
    Contents,
    /// Nothing.
    Skip,
}

/// Attributes that HTML keeps.
const KEPT: [&str; 8] = ["href", "src", "alt", "title", "colspan", "rowspan", "width", "height"];
/// HTML elements without contents.
const VOID: [&str; 4] = ["br", "hr", "img", "col"];
/// HTML elements that XHTML bodies keep.
const ELEMENTS: [&str; 56] = [
    "a",
    "article",
    "aside",
    "b",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "iframe",
    "img",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "q",
    "section",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
    "address",
    "dfn",
    "details",
    "summary",
    "ins",
    "del",
    "col",
];

/// Returns the HTML element for an element of XHTML. Elements that are not of HTML mark names within the text. Head and
/// foot of a body repeat what the item states as fields.
pub(crate) fn xhtml(name: &str) -> Tag {
    if let Some(known) = ELEMENTS.iter().find(|known| name.eq_ignore_ascii_case(known)) {
        return Tag::Element(known);
    }
    match name.to_ascii_lowercase().as_str() {
        "head" | "header" | "footer" | "nav" | "script" | "style" | "noscript" | "template" | "object" | "embed"
        | "svg" | "math" | "form" => Tag::Skip,
        _ => Tag::Contents,
    }
}

fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn escape(text: &str, out: &mut String) {
    for piece in text.split_inclusive(['&', '<', '>', '"']) {
        let (plain, special) = match piece.as_bytes().last() {
            Some(b'&') => (&piece[..piece.len() - 1], "&amp;"),
            Some(b'<') => (&piece[..piece.len() - 1], "&lt;"),
            Some(b'>') => (&piece[..piece.len() - 1], "&gt;"),
            Some(b'"') => (&piece[..piece.len() - 1], "&quot;"),
            _ => (piece, ""),
        };
        out.push_str(plain);
        out.push_str(special);
    }
}
