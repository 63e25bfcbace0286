//! Text of an element in pieces: words of different elements never run together.

use dom_query::NodeRef;

use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Maximum number of nodes read for one text.
const MAX_NODES: usize = 200;

/// Boundaries at which text is split.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum SplitAt {
    /// Line breaks, blocks, and elements that follow each other without text between them.
    Blocks,
    /// Every element.
    Elements,
}

/// Returns the text of an element in pieces. None if it is longer than `max_bytes`, or has too many nodes.
pub(super) fn pieces(
    node: &NodeRef<'_>,
    split: SplitAt,
    max_bytes: usize,
    budget: &Budget<'_>,
) -> Result<Option<Vec<String>>, ExtractError> {
    let mut reader =
        Reader { split, left: max_bytes, nodes: MAX_NODES, pieces: vec![String::new()], after_inline: false };
    let is_read = reader.children(node, budget)?;
    let pieces = reader.pieces.iter().map(|piece| clean_line(piece)).filter(|piece| !piece.is_empty());
    Ok(is_read.then(|| pieces.collect()))
}

struct Reader {
    split: SplitAt,
    left: usize,
    nodes: usize,
    pieces: Vec<String>,
    /// True directly behind an inline element.
    after_inline: bool,
}

impl Reader {
    fn children(&mut self, node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<bool, ExtractError> {
        for child in node.children_it(false) {
            budget.step()?;
            let Some(nodes) = self.nodes.checked_sub(1) else { return Ok(false) };
            self.nodes = nodes;
            if child.is_text() {
                let text = child.text();
                budget.read(text.len())?;
                let Some(left) = self.left.checked_sub(clean_line(&text).len()) else { return Ok(false) };
                self.left = left;
                self.after_inline = false;
                if let Some(piece) = self.pieces.last_mut() {
                    piece.push_str(&text);
                }
                continue;
            }
            let Some(name) = child.node_name() else { continue };
            let is_inline = match &*name {
                "script" | "style" | "noscript" | "template" | "svg" | "iframe" | "select" | "textarea" | "input" => {
                    continue;
                }
                "wbr" => continue,
                "a" | "abbr" | "b" | "bdi" | "bdo" | "cite" | "code" | "em" | "font" | "i" | "mark" | "q" | "s"
                | "small" | "span" | "strong" | "sub" | "sup" | "u" => true,
                _ => false,
            };
            let splits = self.split == SplitAt::Elements || !is_inline || self.after_inline;
            if splits {
                self.pieces.push(String::new());
            }
            if !self.children(&child, budget)? {
                return Ok(false);
            }
            if self.split == SplitAt::Elements || !is_inline {
                self.pieces.push(String::new());
            }
            self.after_inline = is_inline;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use dom_query::Document;

    use super::*;
    use crate::extract::document::Limits;

    #[test]
    fn words_of_two_elements_stay_apart() {
        for (markup, blocks, elements) in [
            ("Channel to be dredged<br>before winter", &["Channel to be dredged", "before winter"][..], 2),
            ("<div>Channel</div><div>before winter</div>", &["Channel", "before winter"], 2),
            ("<span>Hafen</span><span>Fahrrinne</span>", &["Hafen", "Fahrrinne"], 2),
            ("The <em>northern</em> channel", &["The northern channel"], 3),
            ("<span>T</span>he channel", &["The channel"], 2),
            ("Helikopter<wbr>landeplatz", &["Helikopterlandeplatz"], 1),
            ("By <!-- -->Lena Falk", &["By Lena Falk"], 1),
        ] {
            let document = Document::from(format!("<body><h1>{markup}</h1></body>"));
            let limits = Limits::default();
            let budget = Budget::unattended(&limits);
            let heading = document.select("h1");
            let read = |split| pieces(&heading.nodes()[0], split, 1_000, &budget).unwrap().unwrap();
            assert_eq!(read(SplitAt::Blocks), blocks, "{markup}");
            assert_eq!(read(SplitAt::Elements).len(), elements, "{markup}");
        }
    }
}
