//! Lines of pages and text dumps, in reading order.

use super::draft::{Block, Draft, Embed, Row, Span, TextKind};

/// A paragraph, heading, list item, quotation or table; or an image or embed, which has no text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) kind: LineKind,
    /// Number of linked characters.
    pub(super) linked: usize,
    /// The text in parts, if a part of it is linked or emphasised.
    pub(super) spans: Vec<Span>,
}

/// The kinds of line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum LineKind {
    Paragraph,
    /// With its level, from 1 to 6.
    Heading(u8),
    Quote,
    ListItem,
    Table(Vec<Row>),
    /// URL of an image.
    Image(String),
    Embed(Embed),
}

impl Line {
    pub(super) fn new(text: String, kind: LineKind) -> Self {
        Self { text, kind, linked: 0, spans: Vec::new() }
    }

    pub(super) fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// Returns true if at least 80 % of the line is linked.
    pub(super) fn is_links(&self) -> bool {
        self.linked > 0 && self.linked * 10 >= self.chars() * 8
    }

    /// Returns true for an image or embed.
    pub(super) fn is_object(&self) -> bool {
        matches!(self.kind, LineKind::Image(_) | LineKind::Embed(_))
    }

    pub(super) fn is_heading(&self) -> bool {
        matches!(self.kind, LineKind::Heading(_))
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.kind, LineKind::Table(_))
    }

    /// Returns true if it reads like running text: long enough, and ending like a sentence.
    pub(super) fn is_prose(&self) -> bool {
        // A character of a script without spaces says about as much as four letters.
        let chars: usize = self.text.chars().map(|c| if is_spaceless(c) { 4 } else { 1 }).sum();
        let ends = self
            .text
            .trim_end_matches(['"', '”', '’', '»', ')', '\''])
            .ends_with(['.', '!', '?', '…', '。', ':', '」']);
        !self.is_heading() && !self.is_table() && !self.is_links() && (chars >= 140 || (chars >= 60 && ends))
    }
}

/// Joins lines to one text.
pub(super) fn joined(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

/// Fills a draft's body and blocks from lines.
pub(super) fn fill(draft: &mut Draft, lines: Vec<Line>) {
    let mut paragraphs: Vec<String> = Vec::new();
    for line in lines {
        let text = |kind, level| Block::Text { kind, level, spans: narrowed(&line.spans, &line.text) };
        let block = match line.kind {
            LineKind::Paragraph => text(TextKind::Paragraph, 0),
            LineKind::Heading(level) => text(TextKind::Heading, level.clamp(1, 6)),
            LineKind::Quote => text(TextKind::Quote, 0),
            LineKind::ListItem => text(TextKind::ListItem, 0),
            LineKind::Table(rows) => Block::Table(rows),
            LineKind::Image(url) => Block::Image(url),
            LineKind::Embed(embed) => Block::Embed(embed),
        };
        if !matches!(block, Block::Image(_) | Block::Embed(_)) {
            paragraphs.push(line.text);
        }
        draft.blocks.push(block);
    }
    // Blocks carry no information if all are ordinary text.
    let is_ordinary =
        |block: &Block| matches!(block, Block::Text { kind: TextKind::Paragraph, spans, .. } if spans.is_empty());
    if draft.blocks.iter().all(is_ordinary) {
        draft.blocks.clear();
    }
    draft.body = paragraphs.join("\n\n");
}

/// Returns the spans of a text that is a part of theirs: the rules cut a dateline off the start of a paragraph. None if
/// it is no part of theirs, or has no format.
pub(super) fn narrowed(spans: &[Span], text: &str) -> Vec<Span> {
    let whole: String = spans.iter().map(|span| span.text.as_str()).collect();
    // A search for the whole of a text costs more than to compare it.
    let found = if whole == text { Some(0) } else { whole.find(text) };
    let Some(start) = found else { return Vec::new() };
    let end = start + text.len();
    let mut at = 0;
    let mut kept = Vec::with_capacity(spans.len());
    for span in spans {
        let range = at..at + span.text.len();
        at = range.end;
        let (from, to) = (range.start.max(start), range.end.min(end));
        if from < to {
            let text = span.text[from - range.start..to - range.start].to_owned();
            kept.push(Span { text, format: span.format.clone() });
        }
    }
    if kept.iter().all(|span| span.format == Default::default()) {
        kept.clear();
    }
    kept
}
/// Returns true for a character of a script that writes no spaces between words.
pub(super) fn is_spaceless(c: char) -> bool {
    matches!(
        u32::from(c),
        0x0E00..=0x0EFF | 0x1780..=0x17FF | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF
    )
}
