//! Conversion of HTML to lines of text.

use std::collections::HashSet;
use std::sync::Arc;

use dom_query::NodeRef;
use url::Url;

use super::{picture, table};
use crate::article::{clean_line, clean_line_parts, invisible, resolve_url, table_text};
use crate::extract::body::{Container, Place, Places};
use crate::extract::budget::Budget;
use crate::extract::draft::{Embed, Emphasis, Format, Media, Span};
use crate::extract::error::ExtractError;
use crate::extract::formats::text;
use crate::extract::line::{Line, LineKind, is_spaceless, narrowed};
use crate::extract::node_text::{is_inline, node_text, read_text};

const MAX_MEDIA: usize = 50;
/// Maximum number of images of a page, with those of its menus.
const MAX_PAGE_MEDIA: usize = 1_000;
const MAX_EMBEDS: usize = 50;
/// Attributes with the address of an image.
const SOURCES: [&str; 6] = ["src", "data-src", "data-original", "data-lazy-src", "data-lazy", "data-url"];
const CAPTION_CHARS: usize = 2_000;

/// Text of an HTML fragment, without markup.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) lines: Vec<Line>,
    pub(crate) media: Vec<Media>,
    /// The invisible characters that were removed from the lines.
    pub(crate) invisible: String,
}

/// Text of a whole page, with the places of its lines.
pub(crate) struct WalkedPage {
    pub(crate) walked: Walked,
    /// The place of each line.
    pub(crate) places: Vec<Place>,
    pub(crate) containers: Vec<Container>,
}

/// Reads the text of a node: the content of an article.
pub(crate) fn walk(node: &NodeRef<'_>, base: Option<&Url>, budget: &Budget<'_>) -> Result<Walked, ExtractError> {
    let mut walker = Walker::new(base, budget);
    walker.children(node, &LineKind::Paragraph)?;
    walker.flush(&LineKind::Paragraph)?;
    Ok(walker.walked)
}

/// Reads the text of a page: its article, and everything around it.
pub(crate) fn walk_page(
    body: &NodeRef<'_>,
    base: Option<&Url>,
    budget: &Budget<'_>,
) -> Result<WalkedPage, ExtractError> {
    let mut walker = Walker::new(base, budget);
    walker.page = Some((Places::new(), Vec::new()));
    walker.children(body, &LineKind::Paragraph)?;
    walker.flush(&LineKind::Paragraph)?;
    let (places, of_lines) = walker.page.unwrap_or_else(|| (Places::new(), Vec::new()));
    Ok(WalkedPage { walked: walker.walked, places: of_lines, containers: places.into_containers() })
}

struct Walker<'a> {
    base: Option<&'a Url>,
    budget: &'a Budget<'a>,
    walked: Walked,
    /// Text of the current line.
    text: String,
    /// Changes of format within the line: offset of the text, and its format.
    marks: Vec<(usize, Format)>,
    /// Format of the text that comes next.
    format: Format,
    /// Number of linked characters of the line.
    linked: usize,
    /// Offset of the text of the open link.
    link_start: Option<usize>,
    /// Bytes of text read so far.
    bytes: usize,
    /// Number of embeds so far.
    embeds: usize,
    /// Addresses of the images so far.
    images: HashSet<String>,
    /// For a whole page: its containers, and the place of each line.
    page: Option<(Places, Vec<Place>)>,
}

impl<'a> Walker<'a> {
    fn new(base: Option<&'a Url>, budget: &'a Budget<'a>) -> Self {
        Self {
            base,
            budget,
            walked: Walked::default(),
            text: String::new(),
            marks: Vec::new(),
            format: Format::default(),
            linked: 0,
            link_start: None,
            bytes: 0,
            embeds: 0,
            images: HashSet::new(),
            page: None,
        }
    }

    fn children(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        for child in node.children_it(false) {
            self.node(&child, kind)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        if node.is_text() {
            let start = self.text.len();
            let bytes = read_text(node, |text| {
                self.text.push_str(text);
                text.len()
            });
            self.budget.read(bytes)?;
            self.bytes += bytes;
            self.check_size()?;
            if self.marks.last().map_or(&Format::default(), |(_, format)| format) != &self.format {
                self.marks.push((start, self.format.clone()));
            }
            return Ok(());
        }
        self.budget.step()?;
        if !node.is_element() {
            return Ok(());
        }
        let name = node.node_name().unwrap_or_default();
        match &*name {
            "script" | "style" | "noscript" | "template" | "svg" | "object" | "select" | "textarea" | "input"
            | "video" | "audio" | "rp" => {}
            // Parts of a page, and of no article.
            "nav" | "button" | "figcaption" if self.page.is_none() => {}
            "br" => self.text.push('\n'),
            "hr" => self.flush(kind)?,
            "img" | "amp-img" => self.image(node, kind)?,
            "iframe" => self.embed(node, kind)?,
            "a" => self.link(node, kind)?,
            "em" | "i" | "cite" | "dfn" => self.emphasis(node, kind, Emphasis::Stressed)?,
            "strong" | "b" => self.emphasis(node, kind, Emphasis::Strong)?,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.block(node, &name, kind, &LineKind::Heading(name.as_bytes()[1] - b'0'))?;
            }
            "blockquote" => self.block(node, &name, kind, &LineKind::Quote)?,
            "li" => self.block(node, &name, kind, &LineKind::ListItem)?,
            "table" => self.table(node, kind)?,
            name if is_inline(name) => self.inline(node, kind)?,
            _ => self.block(node, &name, kind, kind)?,
        }
        Ok(())
    }

    fn block(&mut self, node: &NodeRef<'_>, name: &str, outer: &LineKind, kind: &LineKind) -> Result<(), ExtractError> {
        self.flush(outer)?;
        let outside = self.page.as_mut().map(|(places, _)| places.enter(node, name));
        self.children(node, kind)?;
        self.flush(kind)?;
        if let Some(((places, _), outside)) = self.page.as_mut().zip(outside) {
            places.leave(outside);
        }
        Ok(())
    }

    fn inline(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        if let Some((places, _)) = &mut self.page
            && self.text.trim_start().is_empty()
        {
            places.inline(node);
        }
        self.children(node, kind)
    }

    /// Adds a line, with its place in the page.
    fn push(&mut self, line: Line) {
        self.walked.lines.push(line);
        if let Some((places, of_lines)) = &mut self.page {
            of_lines.push(places.here());
        }
    }

    /// Rejects an article that is too long. Of a page, only the part that is its article counts.
    fn check_size(&self) -> Result<(), ExtractError> {
        if self.page.is_some() { Ok(()) } else { text::check_size(self.bytes, self.walked.lines.len(), self.budget) }
    }

    fn emphasis(&mut self, node: &NodeRef<'_>, kind: &LineKind, emphasis: Emphasis) -> Result<(), ExtractError> {
        let outer = self.format.emphasis.replace(emphasis);
        self.inline(node, kind)?;
        self.format.emphasis = outer;
        Ok(())
    }

    fn link(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        let href = node.attr("href");
        let url = href.as_deref().and_then(|href| resolve_url(self.base, href)).map(Arc::from);
        let outer_url = std::mem::replace(&mut self.format.url, url);
        // An anchor without an address, a button, or a link that a heading has to its own place, leads nowhere else.
        let is_button =
            |href: &str| href.trim_start().get(..11).is_some_and(|start| start.eq_ignore_ascii_case("javascript:"));
        let is_anchor =
            href.is_none_or(|href| matches!(kind, LineKind::Heading(_)) && (href.contains('#') || is_button(&href)));
        let start = if is_anchor { self.link_start } else { Some(self.text.len()) };
        let outer_start = std::mem::replace(&mut self.link_start, start);
        self.inline(node, kind)?;
        if !is_anchor {
            self.count_linked();
        }
        self.link_start = outer_start;
        self.format.url = outer_url;
        Ok(())
    }

    /// Counts the characters of the open link in the current line.
    fn count_linked(&mut self) {
        if let Some(start) = self.link_start {
            self.linked += clean_line(self.text.get(start..).unwrap_or_default()).chars().count();
        }
    }

    /// Adds a table of data as one line. The cells of any other table are blocks of their own.
    fn table(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        let Some(rows) = table::rows(node, self.budget)? else {
            return self.block(node, "table", kind, kind);
        };
        self.flush(kind)?;
        let text = table_text(&rows.iter().map(|row| row.cells.as_slice()).collect::<Vec<_>>());
        self.bytes += text.len();
        let outside = self.page.as_mut().map(|(places, _)| places.enter(node, "table"));
        self.push(Line::new(text, LineKind::Table(rows)));
        if let Some(((places, _), outside)) = self.page.as_mut().zip(outside) {
            places.leave(outside);
        }
        self.check_size()
    }

    fn image(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        // An image of one pixel counts readers.
        let is_pixel =
            ["width", "height"].iter().all(|key| node.attr(key).is_some_and(|size| matches!(&*size, "0" | "1")));
        let Some(url) = self.source(node).filter(|_| !is_pixel) else { return Ok(()) };
        let max = if self.page.is_some() { MAX_PAGE_MEDIA } else { MAX_MEDIA };
        if self.walked.media.len() >= max || !self.images.insert(url.clone()) {
            return Ok(());
        }
        self.flush(kind)?;
        let figure =
            node.ancestors_it(Some(4)).find(|ancestor| ancestor.node_name().is_some_and(|name| &*name == "figure"));
        let caption = figure.and_then(|figure| {
            figure.descendants_it().find(|inner| inner.node_name().is_some_and(|name| &*name == "figcaption"))
        });
        let caption = caption.map(|caption| node_text(&caption, self.budget)).transpose()?;
        let caption = caption
            .filter(|caption| !caption.is_empty())
            .unwrap_or_else(|| clean_line(&node.attr("alt").unwrap_or_default()));
        let caption = caption.chars().take(CAPTION_CHARS).collect();
        self.push(Line::new(String::new(), LineKind::Image(url.clone())));
        self.walked.media.push(picture(url, caption));
        Ok(())
    }

    /// Returns the address of an image, also of one that a script loads when it comes into view.
    fn source(&self, node: &NodeRef<'_>) -> Option<String> {
        let single = SOURCES.iter().find_map(|name| node.attr(name).and_then(|url| resolve_url(self.base, &url)));
        single.or_else(|| {
            let set = ["srcset", "data-srcset"].into_iter().find_map(|name| node.attr(name))?;
            // The last candidate is usually the largest.
            let last = set.rsplit(", ").next()?.split_whitespace().next()?.to_owned();
            resolve_url(self.base, &last)
        })
    }

    fn embed(&mut self, node: &NodeRef<'_>, kind: &LineKind) -> Result<(), ExtractError> {
        let source = ["src", "data-src"]
            .into_iter()
            .find_map(|name| node.attr(name).and_then(|source| resolve_url(self.base, &source)));
        let Some(url) = source.filter(|_| self.embeds < MAX_EMBEDS) else { return Ok(()) };
        self.flush(kind)?;
        self.embeds += 1;
        let title = clean_line(&node.attr("title").unwrap_or_default()).chars().take(CAPTION_CHARS / 2).collect();
        self.push(Line::new(String::new(), LineKind::Embed(Embed { url, title })));
        Ok(())
    }

    /// Ends the current line. Two line breaks within it separate paragraphs.
    fn flush(&mut self, kind: &LineKind) -> Result<(), ExtractError> {
        self.budget.read(self.text.len())?;
        if self.text.trim_ascii().is_empty() {
            // Between most elements there is only white space.
            self.text.clear();
            self.marks.clear();
            self.linked = 0;
            self.link_start = self.link_start.map(|_| 0);
            return self.end_line();
        }
        self.count_linked();
        self.link_start = self.link_start.map(|_| 0);
        let text = std::mem::take(&mut self.text);
        let marks = std::mem::take(&mut self.marks);
        let linked = std::mem::take(&mut self.linked);
        self.walked.invisible.extend(invisible(&text));
        let spans = spans(&text, &marks);
        let pieces = paragraphs(&text);
        // The positions of links are unknown here, so each piece gets the same share of linked characters.
        let all: usize = pieces.iter().map(|piece| piece.chars().count()).sum();
        for piece in pieces {
            let linked =
                if all == piece.chars().count() { linked } else { linked * piece.chars().count() / all.max(1) };
            let spans = if spans.is_empty() { Vec::new() } else { narrowed(&spans, &piece) };
            self.push(Line { text: piece, kind: kind.clone(), linked, spans });
        }
        self.end_line()
    }

    fn end_line(&mut self) -> Result<(), ExtractError> {
        if let Some((places, _)) = &mut self.page {
            places.end_line();
        }
        self.check_size()
    }
}

/// Returns the parts of a line by format, cleaned. None if all of it has no format.
fn spans(text: &str, marks: &[(usize, Format)]) -> Vec<Span> {
    let Some((first, _)) = marks.first() else { return Vec::new() };
    let ends = marks.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let mut parts = vec![(&text[..*first], Format::default())];
    parts.extend(marks.iter().zip(ends).map(|((at, format), end)| (&text[*at..end], format.clone())));
    let texts: Vec<&str> = parts.iter().map(|(text, _)| *text).collect();
    let Some(cleaned) = clean_line_parts(&texts) else { return Vec::new() };
    parts.into_iter().zip(cleaned).map(|((_, format), text)| Span { text, format }).collect()
}

/// Splits text into paragraphs at empty lines. A single line break is a space.
fn paragraphs(text: &str) -> Vec<String> {
    if !text.contains('\n') {
        let line = clean_line(text);
        return if line.is_empty() { Vec::new() } else { vec![line] };
    }
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut breaks = 0;
    for part in text.split('\n') {
        let part_clean = part.trim();
        if part_clean.is_empty() {
            breaks += 1;
        } else {
            if breaks > 1 && !piece.is_empty() {
                pieces.push(std::mem::take(&mut piece));
            }
            // Scripts without spaces have none at a line break either.
            let ends_spaceless = piece.trim_end().chars().next_back().is_some_and(is_spaceless);
            if ends_spaceless && part_clean.starts_with(is_spaceless) {
                piece.truncate(piece.trim_end().len());
                piece.push_str(part.trim_start());
            } else {
                if !piece.is_empty() {
                    piece.push(' ');
                }
                piece.push_str(part);
            }
            breaks = 0;
        }
        if breaks == 0 {
            breaks = 1;
        }
    }
    pieces.push(piece);
    pieces.into_iter().map(|piece| clean_line(&piece)).filter(|piece| !piece.is_empty()).collect()
}
