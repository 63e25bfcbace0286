//! A lenient reader of XML: feeds as they are published, not only as they should be.
//!
//! An XML parser refuses a whole feed for one bare `&` or one unclosed `<br>`. This reader takes everything that is no
//! tag as text, closes what an end tag leaves open, ignores end tags without a start, and keeps what it has when the
//! text ends. Elements borrow from the text.

use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Maximum size of a tag, in bytes. A `<` without an end within it is text.
const MAX_TAG: usize = 64 << 10;
/// HTML elements without an end tag. They occur in texts that are not escaped.
const VOID: [&str; 8] = ["br", "hr", "img", "wbr", "input", "area", "col", "embed"];
/// Elements that contain entries. Only their end tags close an open entry, apart from its own.
const CONTAINERS: [&str; 4] = ["channel", "rss", "feed", "rdf"];

/// An element. Names are as written, with their prefix.
#[derive(Debug, Default)]
pub(super) struct Element<'a> {
    pub(super) name: &'a str,
    attributes: &'a str,
    pub(super) children: Vec<Node<'a>>,
    /// True if the text ended within the element.
    pub(super) is_cut: bool,
}

/// Content of an element.
#[derive(Debug)]
pub(super) enum Node<'a> {
    Element(Element<'a>),
    /// Text with entities.
    Text(&'a str),
    /// CDATA: text without entities.
    Verbatim(&'a str),
}

impl<'a> Element<'a> {
    /// Returns the name without its prefix.
    pub(super) fn local_name(&self) -> &'a str {
        local(self.name)
    }

    /// Returns the prefix of the name.
    pub(super) fn prefix(&self) -> &'a str {
        self.name.split_once(':').map_or("", |(prefix, _)| prefix)
    }

    /// Returns the elements within this one.
    pub(super) fn elements(&self) -> impl Iterator<Item = &Element<'a>> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            _ => None,
        })
    }

    /// Returns the value of an attribute. Names match without case; `rdf:about` also matches `about`.
    pub(super) fn attribute(&self, name: &str) -> Option<String> {
        let found = self.attributes().find(|(key, _)| {
            key.eq_ignore_ascii_case(name) || (!name.contains(':') && local(key).eq_ignore_ascii_case(name))
        });
        found.map(|(_, value)| unescape(value))
    }

    /// Returns names and values of the attributes, entities included.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '/' | '=' | '"' | '\''));
            let end = rest.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(rest.len());
            if end == 0 {
                return None;
            }
            let (name, after) = rest.split_at(end);
            let Some(value) = after.trim_start().strip_prefix('=') else {
                rest = after;
                return Some((name, ""));
            };
            let value = value.trim_start();
            let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (value, after) = match quote {
                Some(quote) => value[1..].split_once(quote).unwrap_or((&value[1..], "")),
                None => value.split_at(value.find(char::is_whitespace).unwrap_or(value.len())),
            };
            rest = after;
            Some((name, value))
        })
    }
}

/// Returns a name without its prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// Returns true for the name of an entry.
pub(super) fn is_entry(name: &str) -> bool {
    let name = local(name);
    name.eq_ignore_ascii_case("item") || name.eq_ignore_ascii_case("entry")
}

/// Reads a feed. The result is an element without a name that contains the root.
///
/// # Errors
/// If the feed is beyond the limits.
pub(super) fn read<'a>(text: &'a str, budget: &Budget<'_>) -> Result<Element<'a>, ExtractError> {
    let mut tree = Tree { open: vec![Element::default()], elements: 0, entries: 0, budget };
    let mut rest = text;
    while !rest.is_empty() {
        let (token, after) = next(rest);
        budget.read(rest.len() - after.len())?;
        rest = after;
        tree.add(token)?;
    }
    Ok(tree.finish())
}

/// A piece of the text.
enum Token<'a> {
    Text(&'a str),
    Verbatim(&'a str),
    Start {
        name: &'a str,
        attributes: &'a str,
        is_empty: bool,
    },
    End(&'a str),
    /// Comment, instruction or declaration.
    Skipped,
}

/// Returns the first piece of a text that is not empty, and the rest.
fn next(text: &str) -> (Token<'_>, &str) {
    let Some(markup) = text.strip_prefix('<') else {
        let (text, rest) = text.split_at(text.find('<').unwrap_or(text.len()));
        return (Token::Text(text), rest);
    };
    if let Some(inner) = markup.strip_prefix("![CDATA[") {
        let (inner, rest) = inner.split_once("]]>").unwrap_or((inner, ""));
        return (Token::Verbatim(inner), rest);
    }
    let skipped = |inner: &'_ str, end: &str| inner.find(end).map(|at| at + end.len());
    let skip = if let Some(inner) = markup.strip_prefix("!--") {
        Some(skipped(inner, "-->").map_or(markup.len(), |end| 3 + end))
    } else if markup.starts_with('?') {
        Some(skipped(markup, ">").unwrap_or(markup.len()))
    } else if markup.starts_with('!') {
        // The declaration of a document type may contain others in brackets.
        let end = markup.find(['>', '[']).unwrap_or(markup.len());
        let has_inner = markup[end..].starts_with('[');
        let end = if has_inner { skipped(markup, "]>").or_else(|| skipped(markup, ">")) } else { Some(end + 1) };
        Some(end.unwrap_or(markup.len()).min(markup.len()))
    } else {
        None
    };
    if let Some(at) = skip {
        return (Token::Skipped, &markup[at..]);
    }
    match tag(markup) {
        Some((token, size)) => (token, &markup[size..]),
        None => (Token::Text(&text[..1]), markup),
    }
}

/// Reads a tag, behind its `<`. Returns none if it is none.
fn tag(markup: &str) -> Option<(Token<'_>, usize)> {
    let is_end = markup.starts_with('/');
    let inner = &markup[usize::from(is_end)..];
    if !inner.starts_with(|c: char| c.is_alphabetic() || c == '_') {
        return None;
    }
    let mut quote = None;
    let mut end = None;
    for (at, byte) in inner.bytes().enumerate().take(MAX_TAG) {
        match (quote, byte) {
            (None, b'>') => {
                end = Some(at);
                break;
            }
            (None, b'<') => break,
            // A quote that is no value's, such as an apostrophe in a text, ends with the tag.
            (None, b'"' | b'\'') if inner[..at].trim_end().ends_with('=') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    // An open quote: the first `>` ends the tag.
    let end = end.or_else(|| {
        let head = &inner.as_bytes()[..inner.len().min(MAX_TAG)];
        head.iter().position(|byte| matches!(byte, b'>' | b'<')).filter(|at| head[*at] == b'>')
    })?;
    let whole = &inner[..end];
    let name_end = whole.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(whole.len());
    let (name, attributes) = whole.split_at(name_end);
    let size = usize::from(is_end) + end + 1;
    if is_end {
        return Some((Token::End(name), size));
    }
    let is_empty = attributes.ends_with('/');
    Some((Token::Start { name, attributes: attributes.trim_end_matches('/'), is_empty }, size))
}

struct Tree<'a, 'b> {
    /// Elements that are open, the outermost first. The first has no name and stays.
    open: Vec<Element<'a>>,
    elements: usize,
    entries: usize,
    budget: &'b Budget<'b>,
}

impl<'a> Tree<'a, '_> {
    fn add(&mut self, token: Token<'a>) -> Result<(), ExtractError> {
        match token {
            Token::Text(text) => self.push(Node::Text(text)),
            Token::Verbatim(text) => self.push(Node::Verbatim(text)),
            Token::Start { name, attributes, is_empty } => self.start(name, attributes, is_empty)?,
            Token::End(name) => self.end(name)?,
            Token::Skipped => {}
        }
        Ok(())
    }

    fn push(&mut self, node: Node<'a>) {
        if let Some(open) = self.open.last_mut() {
            open.children.push(node);
        }
    }

    fn start(&mut self, name: &'a str, attributes: &'a str, is_empty: bool) -> Result<(), ExtractError> {
        let limits = self.budget.limits;
        self.elements += 1;
        if self.elements > limits.max_elements {
            return Err(ExtractError::TooManyElements { limit: limits.max_elements });
        }
        if is_entry(name) {
            self.entries += 1;
            if self.entries > limits.max_entries {
                return Err(ExtractError::TooManyEntries { limit: limits.max_entries });
            }
            // Entries are not nested: the one before has no end tag.
            if let Some(at) = self.position(is_entry)? {
                self.close(at);
            }
        }
        let element = Element { name, attributes, ..Element::default() };
        // A `link` with an address has no content.
        let is_link = name.eq_ignore_ascii_case("link") && element.attribute("href").is_some();
        if is_empty || is_link || VOID.iter().any(|void| name.eq_ignore_ascii_case(void)) {
            self.push(Node::Element(element));
            return Ok(());
        }
        if self.open.len() > limits.max_depth {
            return Err(ExtractError::TooDeep { limit: limits.max_depth });
        }
        self.open.push(element);
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), ExtractError> {
        let Some(at) = self.position(|open| open.eq_ignore_ascii_case(name))? else { return Ok(()) };
        let is_container = CONTAINERS.iter().any(|container| local(name).eq_ignore_ascii_case(container));
        if is_container || self.open[at + 1..].iter().all(|inner| !is_entry(inner.name)) {
            self.close(at);
        }
        Ok(())
    }

    /// Returns the position of the innermost open element with a name.
    fn position(&self, is_wanted: impl Fn(&str) -> bool) -> Result<Option<usize>, ExtractError> {
        let at = self.open.iter().skip(1).rposition(|open| is_wanted(open.name)).map(|at| at + 1);
        self.budget.spend((self.open.len() - at.unwrap_or(0)) as u64 / 8)?;
        Ok(at)
    }

    /// Closes an element and all within it.
    fn close(&mut self, at: usize) {
        while self.open.len() > at.max(1) {
            if let Some(element) = self.open.pop() {
                self.push(Node::Element(element));
            }
        }
    }

    fn finish(mut self) -> Element<'a> {
        self.open.iter_mut().for_each(|open| open.is_cut = true);
        self.close(1);
        self.open.pop().unwrap_or_default()
    }
}

/// Resolves the entities of XML and references to ASCII characters. The others are left for the HTML parser, which
/// knows the entities of HTML and what `&#146;` means.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "amp" => return Some('&'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        _ => {}
    }
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u8::from_str_radix(digits, 16),
        None => number.parse(),
    };
    code.ok().filter(u8::is_ascii).map(char::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    fn shown(element: &Element<'_>) -> String {
        let inner = element.children.iter().map(|node| match node {
            Node::Element(element) => format!("({} {})", element.name, shown(element)).replace(" )", ")"),
            Node::Text(text) => (*text).to_owned(),
            Node::Verbatim(text) => format!("[{text}]"),
        });
        inner.collect()
    }

    fn tree(text: &str) -> String {
        shown(&read(text, &Budget::unattended(&Limits::default())).unwrap())
    }

    #[test]
    fn broken_xml_is_read_as_it_is_meant() {
        for (text, expected) in [
            ("<rss><item>x</item></rss>", "(rss (item x))"),
            ("<?xml version='1.0'?><!-- a -- b --><!DOCTYPE rss [<!ENTITY x \"y\">]><rss/>", "(rss)"),
            ("<a>R&D < 5 <3 a<b</a>", "(a R&D < 5 <3 a<b)"),
            ("<a>one<br>two<BR/>three</a>", "(a one(br)two(BR)three)"),
            ("<item><a>x</b></item></x>y", "(item (a x))y"),
            ("<item><p>one<p>two</item>", "(item (p one(p two)))"),
            ("<rss><item>x<item>y</rss>", "(rss (item x)(item y))"),
            ("<div><item>x</div>y</item>", "(div (item xy))"),
            ("<a><![CDATA[<b>&]]></a>", "(a [<b>&])"),
            ("<a><![CDATA[cut", "(a [cut])"),
            ("<a>cut <b", "(a cut <b)"),
            ("<link href='/1'><b/>", "(link)(b)"),
            ("<a title='x>y'>z</a>", "(a z)"),
            ("<a title=\"x>z</a>", "(a z)"),
            ("<a it's>z</a>", "(a z)"),
        ] {
            assert_eq!(tree(text), expected, "{text}");
        }
    }

    #[test]
    fn attributes_are_read_in_every_notation() {
        let budget = Budget::unattended(&Limits::default()).limits.clone();
        let root = read("<a b='1' c = \"2&amp;3\" d=4 e xml:base='5'/>", &Budget::unattended(&budget)).unwrap();
        let element = root.elements().next().unwrap();
        for (name, value) in [("b", Some("1")), ("C", Some("2&3")), ("d", Some("4")), ("e", Some("")), ("f", None)] {
            assert_eq!(element.attribute(name).as_deref(), value, "{name}");
        }
        assert_eq!(element.attribute("xml:base").as_deref(), Some("5"));
    }

    #[test]
    fn entities_of_html_are_left_to_its_parser() {
        assert_eq!(
            unescape("&lt;p&gt;R&amp;D &nbsp;&#39;&#x26; &#146; & &amp;amp; &;"),
            "<p>R&D &nbsp;'& &#146; & &amp; &;"
        );
    }

    #[test]
    fn limits_hold() {
        let limits = Limits { max_entries: 10, max_elements: 50, max_depth: 20, ..Limits::default() };
        let refusal = |text: &str| read(text, &Budget::unattended(&limits)).err();
        for entry in ["<item/>", "<ENTRY></ENTRY>", "<rss:item>x</rss:item>", "<item>"] {
            assert_eq!(refusal(&format!("<rss>{}</rss>", entry.repeat(10))), None, "{entry}");
            let entries = Some(ExtractError::TooManyEntries { limit: 10 });
            assert_eq!(refusal(&format!("<rss>{}</rss>", entry.repeat(11))), entries, "{entry}");
        }
        assert_eq!(refusal(&format!("<rss><!-- {0} --><![CDATA[{0}]]></rss>", "<item/>".repeat(100))), None);
        assert_eq!(refusal(&"<a/>".repeat(51)), Some(ExtractError::TooManyElements { limit: 50 }));
        assert_eq!(refusal(&"<a>".repeat(21)), Some(ExtractError::TooDeep { limit: 20 }));
    }
}
