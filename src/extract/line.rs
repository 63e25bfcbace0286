//! Lines of pages and text dumps, in reading order.

use super::draft::{Block, BlockKind, Draft, Link};

/// A paragraph, heading, list item, quotation or image.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: BlockKind,
    pub(super) level: u8,
    /// Number of linked characters.
    pub(super) linked: usize,
    pub(super) links: Vec<Link>,
    /// Index of an image in the media.
    pub(super) media: Option<usize>,
}

impl Line {
    pub(super) fn new(text: String, kind: BlockKind) -> Self {
        Self { text, kind, level: 0, linked: 0, links: Vec::new(), media: None }
    }

    pub(super) fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// Returns true if at least 80 % of the line is linked.
    pub(super) fn is_links(&self) -> bool {
        self.linked > 0 && self.linked * 10 >= self.chars() * 8
    }

    pub(super) fn is_image(&self) -> bool {
        self.kind == BlockKind::Image
    }

    /// Returns true if it reads like running text: long enough, and ending like a sentence.
    pub(super) fn is_prose(&self) -> bool {
        let chars = self.chars();
        let ends = self
            .text
            .trim_end_matches(['"', '”', '’', '»', ')', '\''])
            .ends_with(['.', '!', '?', '…', '。', ':', '」']);
        self.kind != BlockKind::Heading && !self.is_links() && (chars >= 140 || (chars >= 60 && ends))
    }
}

/// Joins lines to one text.
pub(super) fn joined(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Fills a draft's body, blocks and links from lines.
pub(super) fn fill(draft: &mut Draft, lines: Vec<Line>) {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in lines {
        if line.is_image() {
            draft.blocks.push(Block { kind: BlockKind::Image, paragraph: None, level: 0, media: line.media });
            continue;
        }
        draft.blocks.push(Block {
            kind: line.kind,
            paragraph: Some(paragraphs.len()),
            level: if line.kind == BlockKind::Heading { line.level.clamp(1, 6) } else { 0 },
            media: None,
        });
        for link in line.links {
            if draft.links.len() < 500 && !draft.links.contains(&link) {
                draft.links.push(link);
            }
        }
        paragraphs.push(line.text);
    }
    // Blocks carry no information if all are ordinary text.
    if draft.blocks.iter().all(|block| block.kind == BlockKind::Paragraph) {
        draft.blocks.clear();
    }
    draft.body = paragraphs.join("\n\n");
}
