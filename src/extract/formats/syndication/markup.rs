//! Texts of feeds: plain, escaped once or twice, or with elements of HTML.

use super::xml::{Element, Node, unescape};
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::fields::jsonld::clipped;
use crate::extract::formats::html;

/// Elements that texts of feeds contain. Any other word in angle brackets is text: `can <harbourmap> be drawn?`.
const HTML: [&str; 40] = [
    "a",
    "abbr",
    "article",
    "audio",
    "b",
    "blockquote",
    "br",
    "center",
    "cite",
    "code",
    "del",
    "div",
    "em",
    "figure",
    "font",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "hr",
    "i",
    "iframe",
    "img",
    "li",
    "mark",
    "ol",
    "p",
    "q",
    "section",
    "small",
    "span",
    "strong",
    "sub",
    "sup",
    "table",
    "u",
    "ul",
    "video",
    "wbr",
];

/// Returns the content of an element as HTML.
pub(super) fn of(element: &Element<'_>) -> String {
    let has_elements = element.elements().next().is_some();
    let is_escaped = element.children.iter().any(|node| matches!(node, Node::Text(text) if has_escaped_tag(text)));
    let mut out = String::new();
    write(element, !has_elements || is_escaped, &mut out);
    let has_tag = tags(&out).next().is_some();
    // Escaped twice: no tag is left after the first time.
    if !has_tag && has_escaped_tag(&out) { unescape(&out) } else { out }
}

/// Writes the content of an element. Recursive, as deep as the limits allow.
fn write(element: &Element<'_>, is_escaped: bool, out: &mut String) {
    for node in &element.children {
        match node {
            Node::Text(text) if is_escaped => out.push_str(&unescape(text)),
            Node::Text(text) | Node::Verbatim(text) => out.push_str(text),
            Node::Element(inner) => {
                let name = inner.local_name();
                out.push('<');
                out.push_str(name);
                for (key, value) in inner.attributes().filter(|(key, _)| !key.starts_with("xmlns")) {
                    out.push_str(&format!(" {key}=\"{}\"", value.replace('"', "&quot;")));
                }
                out.push('>');
                write(inner, is_escaped, out);
                if !inner.children.is_empty() {
                    out.push_str(&format!("</{name}>"));
                }
            }
        }
    }
}

/// Returns the text of a title on one line. Angle brackets that are no HTML are text.
pub(super) fn line(markup: &str, budget: &Budget<'_>) -> Result<String, ExtractError> {
    let markup = clipped(markup);
    if !markup.contains(['&', '<']) {
        return Ok(crate::article::clean_line(markup));
    }
    let mut escaped = String::with_capacity(markup.len());
    let mut at = 0;
    for tag in tags(markup) {
        escaped.push_str(&markup[at..tag].replace('<', "&lt;"));
        escaped.push('<');
        at = tag + 1;
    }
    escaped.push_str(&markup[at..].replace('<', "&lt;"));
    let document = bounded_parser::parse(&escaped, budget)?;
    let lines = html::walk(&document.root(), None, budget)?.lines;
    Ok(lines.iter().map(|line| line.text.as_str()).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" "))
}

/// Returns the positions of the tags of HTML.
fn tags(text: &str) -> impl Iterator<Item = usize> {
    let last = text.rfind('>').unwrap_or(0);
    text.match_indices('<').map(|(at, _)| at).filter(move |at| *at < last && is_tag(&text[at + 1..], ">"))
}

/// Returns true if a text contains at least two escaped tags of HTML.
fn has_escaped_tag(text: &str) -> bool {
    text.match_indices("&lt;").filter(|(at, _)| is_tag(&text[at + "&lt;".len()..], "&gt;")).nth(1).is_some()
}

/// Returns true if a tag of HTML begins here, behind its `<`. `end` is its end.
fn is_tag(text: &str, end: &str) -> bool {
    let name_start = text.strip_prefix('/').unwrap_or(text);
    let size = name_start.bytes().take(12).take_while(u8::is_ascii_alphanumeric).count();
    let (name, rest) = name_start.split_at(size);
    HTML.iter().any(|known| name.eq_ignore_ascii_case(known))
        && (rest.starts_with(end) || rest.starts_with(|c: char| c.is_ascii_whitespace() || c == '/'))
}

#[cfg(test)]
mod tests {
    use super::super::xml;
    use super::*;
    use crate::extract::document::Limits;

    #[test]
    fn texts_become_html_in_every_notation() {
        for (xml, html) in [
            ("<p>plain &amp; &nbsp;</p>", "plain & &nbsp;"),
            ("&lt;p&gt;escaped&lt;/p&gt;", "<p>escaped</p>"),
            ("&amp;lt;p&amp;gt;twice&amp;lt;/p&amp;gt;", "<p>twice</p>"),
            ("<![CDATA[<p>verbatim &amp; so</p>]]>", "<p>verbatim &amp; so</p>"),
            ("<d xmlns='x'><h:p id='1'>as it is &lt; 5</h:p></d>", "<d><p id=\"1\">as it is &lt; 5</p></d>"),
            ("one &lt;b&gt;two&lt;/b&gt;<br>three", "one <b>two</b><br>three"),
            ("The tag &amp;lt;p&amp;gt; begins a paragraph", "The tag &lt;p&gt; begins a paragraph"),
        ] {
            let text = format!("<x>{xml}</x>");
            let limits = Limits::default();
            let root = xml::read(&text, &Budget::unattended(&limits)).unwrap();
            let mut element = root.elements().next().unwrap();
            if xml.starts_with("<p>") {
                element = element.elements().next().unwrap();
            }
            assert_eq!(of(element), html, "{xml}");
        }
    }

    #[test]
    fn titles_lose_their_markup_but_no_text() {
        for (markup, text) in [
            ("Board <b>agrees</b> on <i>dredging</i>", "Board agrees on dredging"),
            ("Fares < 5 crowns", "Fares < 5 crowns"),
            ("</harbour> closes", "</harbour> closes"),
            ("Can &lt;harbourmap&gt; be drawn?", "Can <harbourmap> be drawn?"),
            ("One<br>two", "One two"),
            ("a<b and c", "a<b and c"),
            ("F&ecirc;te &amp; &#8216;quay&#146;", "Fête & ‘quay’"),
        ] {
            assert_eq!(line(markup, &Budget::unattended(&Limits::default())).unwrap(), text, "{markup}");
        }
    }
}
