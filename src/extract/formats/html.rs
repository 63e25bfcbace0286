//! Pages: a crate (dom_smoothie) finds the main text, which is converted to lines.

use dom_query::NodeRef;
use dom_smoothie::{Config, Readability};
use url::Url;

use super::text;
use crate::article::{clean_line, invisible, resolve_url};
use crate::extract::boilerplate::page_text::PageText;
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::Extracted;
use crate::extract::draft::{BlockKind, Draft, Link, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::meta::Meta;
use crate::extract::line::Line;
use crate::extract::pipeline;
use crate::extract::report::Report;

/// The page's structured data is used if its text is shorter than this, in characters.
const LITTLE: usize = 400;
const MAX_MEDIA: usize = 50;
/// The element in which the crate leaves the main text.
const MAIN_TEXT: &str = "#readability-page-1";

/// Extracts an article from a page.
pub(crate) fn extract(
    html: &str,
    url: Option<&str>,
    hints: &Hints<'_>,
    mut report: Report,
    budget: &Budget<'_>,
) -> Result<Extracted, ExtractError> {
    if html.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    report.method = "html";
    if report.charset.is_empty() {
        report.charset = "UTF-8".into();
    }
    let document = bounded_parser::parse(html, budget)?;
    let base = url.and_then(|url| Url::parse(url).ok());
    let meta = Meta::read(&document, base.as_ref(), budget, &mut report)?;
    budget.check()?;
    let page = PageText::read(&document, budget)?;
    page.cut_boxes(&document, budget)?;
    let mut walked = Walked::default();
    // No URL: the crate rejects unusual ones, and links are resolved here. Structured data is read here too.
    let config = Config { disable_json_ld: true, ..Config::default() };
    if let Ok(mut readability) = Readability::with_document(document, None, Some(config)) {
        budget.check()?;
        let found = readability.parse();
        budget.check()?;
        if found.is_ok()
            && let Some(main) = readability.doc.select_single(MAIN_TEXT).nodes().first()
        {
            walked = walk(main, base.as_ref(), budget)?;
        }
    }
    let Walked { mut lines, mut media, invisible } = walked;
    report.cut_invisible(&invisible);
    let found: usize = lines.iter().map(Line::chars).sum();
    if found < LITTLE && meta.article_body.chars().count() > found * 2 {
        report.method = "json-ld";
        lines = text::lines(&meta.article_body, budget)?;
        media.clear();
    }
    let draft = draft(&meta, media, hints);
    let (headline, subheadline) = (draft.headline.clone(), draft.subheadline.clone());
    let context = CleaningContext { headline: &headline, subheadline: &subheadline, is_dump: false };
    page.report(&lines, &draft, &mut report, budget)?;
    let mut extracted = pipeline::finish(lines, &context, hints, &meta.language, draft, report, budget)?;
    extracted.report.order(page.text(), budget)?;
    Ok(extracted)
}

fn draft(meta: &Meta, media: Vec<Media>, hints: &Hints<'_>) -> Draft {
    let mut draft = Draft {
        url: meta.url.clone(),
        alternate_urls: meta.alternate_urls.clone(),
        headline: hints.headline.map_or_else(|| meta.headline.clone(), clean_line),
        subheadline: meta.subheadline.clone(),
        authors: meta.authors.clone(),
        publisher: meta.publisher.clone(),
        section: meta.section.clone(),
        tags: meta.tags.clone(),
        rights: meta.rights.clone(),
        publish_time: hints.publish_time.or(meta.publish_time),
        update_time: meta.update_time,
        agency: meta.agency.clone(),
        media,
        ..Draft::default()
    };
    if let Some(image) = &meta.image
        && !draft.media.iter().any(|media| media.url == *image)
    {
        // Added last, because blocks refer to the media of the text by index.
        draft.media.push(picture(image.clone(), String::new()));
    }
    draft
}

fn picture(url: String, caption: String) -> Media {
    Media { kind: MediaKind::Image, url, caption, credit: String::new(), width: None, height: None }
}

/// Text of an HTML fragment, without markup.
#[derive(Default)]
pub(crate) struct Walked {
    pub(crate) lines: Vec<Line>,
    pub(crate) media: Vec<Media>,
    /// The invisible characters that were removed from the lines.
    pub(crate) invisible: String,
}

/// Reads the text of a node.
pub(crate) fn walk(node: &NodeRef<'_>, base: Option<&Url>, budget: &Budget<'_>) -> Result<Walked, ExtractError> {
    let line = Line::new(String::new(), BlockKind::Paragraph);
    let mut walker = Walker { base, budget, walked: Walked::default(), line, href: None, bytes: 0 };
    walker.children(node, BlockKind::Paragraph, 0)?;
    walker.flush(BlockKind::Paragraph, 0)?;
    Ok(walker.walked)
}

struct Walker<'a> {
    base: Option<&'a Url>,
    budget: &'a Budget<'a>,
    walked: Walked,
    /// The current line.
    line: Line,
    /// The open link, and the offset of its text.
    href: Option<(Option<String>, usize)>,
    /// Bytes of text read so far.
    bytes: usize,
}

impl Walker<'_> {
    fn children(&mut self, node: &NodeRef<'_>, kind: BlockKind, level: u8) -> Result<(), ExtractError> {
        for child in node.children_it(false) {
            self.node(&child, kind, level)?;
        }
        Ok(())
    }

    fn node(&mut self, node: &NodeRef<'_>, kind: BlockKind, level: u8) -> Result<(), ExtractError> {
        if node.is_text() {
            let text = node.text();
            self.budget.read(text.len())?;
            self.bytes += text.len();
            text::check_size(self.bytes, self.walked.lines.len(), self.budget)?;
            self.line.text.push_str(&text);
            return Ok(());
        }
        self.budget.step()?;
        if !node.is_element() {
            return Ok(());
        }
        let name = node.node_name().unwrap_or_default();
        match &*name {
            "script" | "style" | "noscript" | "template" | "button" | "svg" | "iframe" | "object" | "select"
            | "textarea" | "input" | "nav" | "video" | "audio" | "figcaption" => {}
            "br" => self.line.text.push('\n'),
            "hr" => self.flush(kind, level)?,
            "img" => self.image(node, kind, level)?,
            "a" => self.link(node, kind, level)?,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = name.as_bytes()[1] - b'0';
                self.block(node, kind, level, BlockKind::Heading, level)?;
            }
            "blockquote" => self.block(node, kind, level, BlockKind::Quote, 0)?,
            "li" => self.block(node, kind, level, BlockKind::ListItem, 0)?,
            "p" | "div" | "section" | "article" | "main" | "ul" | "ol" | "dl" | "dd" | "dt" | "table" | "tr" | "td"
            | "th" | "tbody" | "thead" | "figure" | "pre" | "header" | "footer" | "aside" | "address" | "body"
            | "html" | "center" | "details" | "summary" => {
                self.block(node, kind, level, kind, level)?;
            }
            _ => self.children(node, kind, level)?,
        }
        Ok(())
    }

    fn block(
        &mut self,
        node: &NodeRef<'_>,
        outer: BlockKind,
        outer_level: u8,
        kind: BlockKind,
        level: u8,
    ) -> Result<(), ExtractError> {
        self.flush(outer, outer_level)?;
        self.children(node, kind, level)?;
        self.flush(kind, level)
    }

    fn link(&mut self, node: &NodeRef<'_>, kind: BlockKind, level: u8) -> Result<(), ExtractError> {
        let outer = self.href.take();
        let start = self.line.text.len();
        let count = self.walked.lines.len();
        let url = node.attr("href").and_then(|href| resolve_url(self.base, &href));
        self.href = Some((url.clone(), start));
        self.children(node, kind, level)?;
        // A link may contain blocks. Their text was counted when they were flushed.
        let start = if self.walked.lines.len() == count { start } else { 0 };
        let words = clean_line(self.line.text.get(start..).unwrap_or_default());
        self.line.linked += words.chars().count();
        if let Some(url) = url
            && !words.is_empty()
        {
            self.line.links.push(Link { url, text: words });
        }
        self.href = outer;
        Ok(())
    }

    fn image(&mut self, node: &NodeRef<'_>, kind: BlockKind, level: u8) -> Result<(), ExtractError> {
        let source = ["src", "data-src", "data-original"]
            .into_iter()
            .find_map(|name| node.attr(name).and_then(|source| resolve_url(self.base, &source)));
        let Some(url) = source else { return Ok(()) };
        if self.walked.media.len() >= MAX_MEDIA || self.walked.media.iter().any(|media| media.url == url) {
            return Ok(());
        }
        self.flush(kind, level)?;
        let figure =
            node.ancestors_it(Some(4)).find(|ancestor| ancestor.node_name().is_some_and(|name| &*name == "figure"));
        let caption = figure.and_then(|figure| {
            figure
                .descendants_it()
                .find(|inner| inner.node_name().is_some_and(|name| &*name == "figcaption"))
                .map(|caption| clean_line(&caption.text()))
        });
        let caption = caption
            .filter(|caption| !caption.is_empty())
            .unwrap_or_else(|| clean_line(&node.attr("alt").unwrap_or_default()));
        let caption = caption.chars().take(2_000).collect();
        let mut line = Line::new(String::new(), BlockKind::Image);
        line.media = Some(self.walked.media.len());
        self.walked.media.push(picture(url, caption));
        self.walked.lines.push(line);
        Ok(())
    }

    /// Ends the current line. Two line breaks within it separate paragraphs.
    fn flush(&mut self, kind: BlockKind, level: u8) -> Result<(), ExtractError> {
        self.budget.read(self.line.text.len())?;
        let mut line = std::mem::replace(&mut self.line, Line::new(String::new(), kind));
        if let Some((url, start)) = &mut self.href {
            let words = clean_line(line.text.get(*start..).unwrap_or_default());
            line.linked += words.chars().count();
            if let Some(url) = url.clone()
                && !words.is_empty()
            {
                line.links.push(Link { url, text: words });
            }
            *start = 0;
        }
        self.walked.invisible.extend(invisible(&line.text));
        let mut pieces: Vec<String> = paragraphs(&line.text);
        if pieces.len() == 1 {
            let text = pieces.remove(0);
            self.walked.lines.push(Line { text, kind, level, ..line });
        } else {
            // The position of a link is unknown after cleaning, so each piece gets the same share of linked
            // characters.
            let all: usize = pieces.iter().map(|piece| piece.chars().count()).sum();
            for text in pieces {
                let linked = line.linked * text.chars().count() / all.max(1);
                self.walked.lines.push(Line {
                    text,
                    kind,
                    level,
                    linked,
                    links: std::mem::take(&mut line.links),
                    media: None,
                });
            }
        }
        text::check_size(self.bytes, self.walked.lines.len(), self.budget)
    }
}

/// Splits text into paragraphs at empty lines. A single line break is a space.
fn paragraphs(text: &str) -> Vec<String> {
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
            if !piece.is_empty() {
                piece.push(' ');
            }
            piece.push_str(part);
            breaks = 0;
        }
        if breaks == 0 {
            breaks = 1;
        }
    }
    pieces.push(piece);
    pieces.into_iter().map(|piece| clean_line(&piece)).filter(|piece| !piece.is_empty()).collect()
}
