//! XML documents as trees, for the readers of wire formats. Names are local: senders use many prefixes, and some
//! declare the wrong namespace or none.
//!
//! Nothing is fetched, and no entity of a document type is expanded: a reference to one stays as it is written.

mod html;

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::attributes::Attributes;
use quick_xml::events::{BytesRef, Event};

use super::xml_error;
use crate::article::{clean_line, clean_text};
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
pub(super) use html::{Tag, xhtml};

/// Maximum length of the name of an entity that is looked up.
const MAX_ENTITY_NAME: usize = 32;

/// A document. Its nodes are in document order.
pub(super) struct Tree<'a> {
    nodes: Vec<Node<'a>>,
}

struct Node<'a> {
    content: Content<'a>,
    /// Index after the last descendant.
    end: usize,
}

enum Content<'a> {
    Element {
        /// Name with its prefix.
        name: &'a str,
        /// Source text of the attributes.
        attributes: &'a str,
    },
    Text(Cow<'a, str>),
}

/// Parses a document within the limits.
///
/// # Errors
/// If it is malformed, or beyond the limits.
pub(super) fn parse<'a>(text: &'a str, budget: &Budget<'_>) -> Result<Tree<'a>, ExtractError> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let mut builder = Builder { budget, nodes: Vec::new(), open: Vec::new(), elements: 0, attributes: 0 };
    let mut entities = HashMap::new();
    let mut start = 0;
    loop {
        let event = reader.read_event();
        let end = usize::try_from(reader.buffer_position()).unwrap_or(text.len());
        budget.read(end - start)?;
        let source = text.get(start..end).unwrap_or_default();
        match event {
            Ok(Event::Start(element)) => builder.start(source, element.name().as_ref().len())?,
            Ok(Event::Empty(element)) => {
                builder.start(source, element.name().as_ref().len())?;
                builder.end();
            }
            Ok(Event::End(_)) => builder.end(),
            Ok(Event::Text(text)) => builder.text(text.into_inner()),
            Ok(Event::CData(text)) => builder.text(text.into_inner()),
            Ok(Event::GeneralRef(reference)) => builder.text(character(&reference, source, &mut entities, budget)?),
            Ok(Event::Eof) => break,
            Ok(Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_)) => {}
            Err(error) => return Err(xml_error(text, reader.error_position(), &error.to_string())),
        }
        start = end;
    }
    if let Some(open) = builder.open.last()
        && let Content::Element { name, .. } = builder.nodes[*open].content
    {
        return Err(xml_error(text, text.len() as u64, &format!("<{name}> is not closed")));
    }
    Ok(Tree { nodes: builder.nodes })
}

struct Builder<'a, 'b> {
    budget: &'b Budget<'b>,
    nodes: Vec<Node<'a>>,
    /// Indexes of the open elements.
    open: Vec<usize>,
    elements: usize,
    attributes: usize,
}

impl<'a> Builder<'a, '_> {
    /// Opens an element. `source` is its tag.
    fn start(&mut self, source: &'a str, name_length: usize) -> Result<(), ExtractError> {
        let limits = self.budget.limits;
        let tag = source.trim_start_matches('<').trim_end_matches('>');
        let (name, attributes) = tag.split_at_checked(name_length).unwrap_or((tag, ""));
        let attributes = attributes.trim_end_matches('/');
        self.elements += 1;
        if self.elements > limits.max_elements {
            return Err(ExtractError::TooManyElements { limit: limits.max_elements });
        }
        if self.open.len() >= limits.max_depth {
            return Err(ExtractError::TooDeep { limit: limits.max_depth });
        }
        let count = each(attributes).take(limits.max_attributes + 1).count();
        if count > limits.max_attributes {
            return Err(ExtractError::TooManyAttributes { limit: limits.max_attributes });
        }
        self.attributes += count;
        if self.attributes > limits.max_all_attributes {
            return Err(ExtractError::TooComplex { limit: "attributes", max: limits.max_all_attributes as u64 });
        }
        self.open.push(self.nodes.len());
        let content = Content::Element { name, attributes };
        self.nodes.push(Node { content, end: 0 });
        Ok(())
    }

    fn end(&mut self) {
        if let Some(open) = self.open.pop() {
            self.nodes[open].end = self.nodes.len();
        }
    }

    fn text(&mut self, text: Cow<'a, str>) {
        // Text outside of the root is white space.
        if !text.is_empty() && !self.open.is_empty() {
            self.nodes.push(Node { content: Content::Text(text), end: self.nodes.len() + 1 });
        }
    }
}

/// Returns the text of a reference. One that neither XML nor HTML defines stays as it is.
fn character<'a>(
    reference: &BytesRef<'_>,
    source: &'a str,
    entities: &mut HashMap<&'a str, String>,
    budget: &Budget<'_>,
) -> Result<Cow<'a, str>, ExtractError> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(Cow::Owned(character.to_string()));
    }
    if let Ok(text) = unescape(source) {
        return Ok(text);
    }
    if source.len() > MAX_ENTITY_NAME || !source.ends_with(';') {
        return Ok(Cow::Borrowed(source));
    }
    if let Some(known) = entities.get(source) {
        return Ok(Cow::Owned(known.clone()));
    }
    let text = bounded_parser::plain(source, budget)?.trim_matches(' ').to_owned();
    entities.insert(source, text.clone());
    Ok(Cow::Owned(text))
}

/// Returns the names and source texts of attributes, without declarations of namespaces. Ends at a malformed one.
fn each(attributes: &str) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
    // Without the check for repeated names, which takes quadratic time.
    let mut parsed = Attributes::new(attributes, 0);
    parsed.with_checks(false);
    parsed.map_while(Result::ok).map(|attribute| (attribute.key.into_inner(), attribute.value))
}

/// Returns a name without its prefix.
fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

impl<'a> Tree<'a> {
    /// Returns the root element.
    pub(super) fn root(&self) -> Option<Element<'_, 'a>> {
        (!self.nodes.is_empty()).then_some(Element { tree: self, at: 0 })
    }
}

/// An element of a document.
#[derive(Clone, Copy)]
pub(super) struct Element<'t, 'a> {
    tree: &'t Tree<'a>,
    at: usize,
}

impl<'t, 'a> Element<'t, 'a> {
    fn node(self) -> &'t Node<'a> {
        &self.tree.nodes[self.at]
    }

    /// Returns the local name.
    pub(super) fn name(self) -> &'a str {
        local(self.prefixed_name())
    }

    /// Returns the name with its prefix, which is part of the format of some dialects of RSS.
    pub(super) fn prefixed_name(self) -> &'a str {
        match self.node().content {
            Content::Element { name, .. } => name,
            Content::Text(_) => "",
        }
    }

    /// Returns the value of an attribute, by its local name; empty if there is none.
    pub(super) fn attribute(self, name: &str) -> String {
        let Content::Element { attributes, .. } = self.node().content else { return String::new() };
        let found = each(attributes).find(|(key, _)| local(key) == name && !key.starts_with("xmlns"));
        found.map_or_else(String::new, |(_, value)| match unescape(&value) {
            Ok(text) => clean_line(&text),
            Err(_) => clean_line(&value),
        })
    }

    /// Returns the child elements.
    pub(super) fn children(self) -> impl Iterator<Item = Self> {
        let (tree, end) = (self.tree, self.node().end);
        let mut at = self.at + 1;
        std::iter::from_fn(move || {
            while at < end {
                let child = Self { tree, at };
                at = child.node().end;
                if matches!(child.node().content, Content::Element { .. }) {
                    return Some(child);
                }
            }
            None
        })
    }

    /// Returns the child elements of a name.
    pub(super) fn all(self, name: &str) -> impl Iterator<Item = Self> {
        self.children().filter(move |child| child.name() == name)
    }

    /// Returns the first child element of a name.
    pub(super) fn child(self, name: &str) -> Option<Self> {
        self.all(name).next()
    }

    /// Returns the elements within this one, in document order.
    pub(super) fn descendants(self) -> impl Iterator<Item = Self> {
        let tree = self.tree;
        let within = (self.at + 1..self.node().end).map(move |at| Self { tree, at });
        within.filter(|inner| matches!(inner.node().content, Content::Element { .. }))
    }

    /// Returns the first element of a name within this one.
    pub(super) fn find(self, name: &str) -> Option<Self> {
        self.descendants().find(|inner| inner.name() == name)
    }

    /// Returns the text within, as it is.
    pub(super) fn raw_text(self) -> String {
        let texts = self.tree.nodes[self.at..self.node().end].iter().filter_map(|node| match &node.content {
            Content::Text(text) => Some(text.as_ref()),
            Content::Element { .. } => None,
        });
        texts.collect()
    }

    /// Returns the text within as one line.
    pub(super) fn text(self) -> String {
        clean_line(&self.raw_text())
    }

    /// Returns the text of a child; empty if there is none.
    pub(super) fn text_of(self, name: &str) -> String {
        self.child(name).map(Self::text).unwrap_or_default()
    }

    /// Returns the text of the blocks within, such as the paragraphs of a note.
    pub(super) fn paragraphs(self) -> String {
        let mut out = String::new();
        for node in &self.tree.nodes[self.at..self.node().end] {
            match &node.content {
                Content::Text(text) => out.push_str(text),
                Content::Element { name, .. } if is_block(local(name)) => out.push_str("\n\n"),
                Content::Element { .. } => {}
            }
        }
        clean_text(&out)
    }
}

fn is_block(name: &str) -> bool {
    matches!(name, "p" | "div" | "li" | "br" | "h1" | "h2" | "h3" | "h4" | "section" | "hl1" | "hl2" | "tr")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    fn with<T>(text: &str, look: impl Fn(Element<'_, '_>) -> T) -> Result<T, ExtractError> {
        let tree = parse(text, &Budget::unattended(&Limits::default()))?;
        Ok(look(tree.root().unwrap()))
    }

    fn text_of(text: &str) -> String {
        with(text, |root| root.text()).unwrap()
    }

    #[test]
    fn trees_have_local_names_attributes_and_text() {
        let xml = "<?xml version='1.0'?><!-- x --><n:item n:guid='a&amp;b' xmlns:n='urn:x'><b>1 &lt; <i/>2</b>\
            <b xml:lang=\"nb\"><![CDATA[<3>]]></b></n:item>";
        let found = with(xml, |root| {
            let texts: Vec<String> = root.all("b").map(Element::text).collect();
            let language = root.all("b").last().map(|last| last.attribute("lang"));
            (root.name().to_owned(), root.attribute("guid"), texts, language)
        });
        let texts = vec!["1 < 2".to_owned(), "<3>".to_owned()];
        assert_eq!(found, Ok(("item".into(), "a&b".into(), texts, Some("nb".into()))));
    }

    #[test]
    fn only_the_entities_of_xml_and_html_are_expanded() {
        assert_eq!(text_of("<a>&#233;t&eacute; &mdash; &amp;</a>"), "été — &");
        let bomb = "<!DOCTYPE a [<!ENTITY b 'lol'><!ENTITY c '&b;&b;&b;'><!ENTITY d SYSTEM 'file:///etc/hosts'>]>\
            <a>x &c; &d;</a>";
        assert_eq!(text_of(bomb), "x &c; &d;");
        assert_eq!(text_of("<a>Hale & Quill &x</a>"), "Hale & Quill &x");
        let include = "<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/hosts'/>x</a>";
        assert_eq!(text_of(include), "x");
    }

    #[test]
    fn malformed_documents_are_refused_with_the_line() {
        for (xml, part) in [
            ("<a>\n<b>x</a>", "line 2"),
            ("<a>\n\n<b>x</b>", "<a> is not closed, at line 3"),
            ("<a><!-- x</a>", "comment"),
        ] {
            let error = with(xml, |root| root.text()).unwrap_err().to_string();
            assert!(error.starts_with("must be well-formed XML: ") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn documents_beyond_the_limits_are_refused() {
        let limits =
            Limits { max_elements: 50, max_depth: 20, max_attributes: 5, max_all_attributes: 8, ..Limits::default() };
        let refusal = |xml: &str| parse(xml, &Budget::unattended(&limits)).err();
        assert_eq!(refusal(&"<a>".repeat(100_000)), Some(ExtractError::TooDeep { limit: 20 }));
        let elements = Some(ExtractError::TooManyElements { limit: 50 });
        assert_eq!(refusal(&format!("<a>{}</a>", "<b/>".repeat(50))), elements);
        let attributes: String = (0..1_000_000).map(|n| format!(" a{n}=''")).collect();
        assert_eq!(refusal(&format!("<a{attributes}/>")), Some(ExtractError::TooManyAttributes { limit: 5 }));
        let all = Some(ExtractError::TooComplex { limit: "attributes", max: 8 });
        assert_eq!(refusal(&format!("<a>{}</a>", "<b c='' d=''/>".repeat(5))), all);
    }

    #[test]
    fn bodies_become_html() {
        let body = "<x:body xmlns:x='urn:x'><x:p>A <Company>Ferry &amp; Co</Company><x:br/>\
            <x:a href='https://herald.example/?a=1&amp;b=2' onclick='x()'>b</x:a></x:p><script>x</script><p/></x:body>";
        let html = "<p>A Ferry &amp; Co<br><a href=\"https://herald.example/?a=1&amp;b=2\">b</a></p><p></p>";
        assert_eq!(with(body, |root| root.html(xhtml)), Ok(html.to_owned()));
    }
}
