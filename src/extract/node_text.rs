//! Text of an element as one line.

use dom_query::{NodeData, NodeRef};

use super::budget::Budget;
use super::error::ExtractError;
use crate::article::clean_line;

/// Elements that do not end a word.
const INLINE: [&str; 34] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins",
    "kbd", "label", "mark", "nobr", "q", "rb", "rt", "ruby", "s", "samp", "small", "strong", "sub", "sup", "time", "u",
    "var", "wbr",
];

/// Returns true for an element whose text runs on in the line around it. Elements that are only used for images are
/// among them.
pub(super) fn is_inline(name: &str) -> bool {
    name == "span" || name == "picture" || name == "source" || INLINE.contains(&name)
}

/// Reads the text of a node of text where it is. `NodeRef::text` copies it.
pub(super) fn read_text<T: Default>(node: &NodeRef<'_>, read: impl FnOnce(&str) -> T) -> T {
    node.query_or(T::default(), |node| match &node.data {
        NodeData::Text { contents } => read(contents),
        _ => T::default(),
    })
}

/// Returns the text of an element as one cleaned line. Words never run together over a line break or a block; text
/// that browsers do not show is left out.
pub(super) fn node_text(node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<String, ExtractError> {
    Ok(clean_line(&raw_text(node, budget)?))
}

/// Returns the same with the white space of the source.
pub(super) fn raw_text(node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<String, ExtractError> {
    let mut text = String::new();
    append(node, &mut text, budget)?;
    Ok(text)
}

/// Appends the text of an element. The parser limits the depth of elements.
fn append(node: &NodeRef<'_>, text: &mut String, budget: &Budget<'_>) -> Result<(), ExtractError> {
    for child in node.children_it(false) {
        if child.is_text() {
            let bytes = read_text(&child, |own| {
                text.push_str(own);
                own.len()
            });
            budget.read(bytes)?;
            continue;
        }
        budget.step()?;
        let Some(name) = child.node_name() else { continue };
        if matches!(&*name, "script" | "style" | "noscript" | "template" | "svg" | "rp") {
            continue;
        }
        let is_block = !is_inline(&name);
        if is_block {
            text.push(' ');
        }
        append(&child, text, budget)?;
        if is_block {
            text.push(' ');
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::bounded_parser;
    use crate::extract::document::Limits;

    #[test]
    fn words_do_not_run_together() {
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        for (html, expected) in [
            ("Channel to be dredged<br>before winter", "Channel to be dredged before winter"),
            ("<div>Port</div><div>Ellery</div>", "Port Ellery"),
            ("Ju<b>ly</b> <span>2026</span>", "July 2026"),
            ("<ul><li>One<li>Two</ul>", "One Two"),
            ("Ida<script>x()</script> Quill", "Ida Quill"),
        ] {
            let document = bounded_parser::parse(html, &budget).unwrap();
            assert_eq!(node_text(&document.body().unwrap(), &budget), Ok(expected.to_owned()), "{html}");
        }
    }
}
