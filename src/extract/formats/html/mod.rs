//! Pages: the text of a page is converted to lines, and a learned model finds those of its article.

mod other_articles;
mod table;
mod walker;

use std::collections::HashSet;

use dom_query::Document;
use url::Url;

pub(crate) use walker::{Walked, walk};
use walker::{WalkedPage, walk_page};

use super::text;
use crate::article::{clean_line, resolve_url};
use crate::extract::body::{Judgement, Page, Witness, captions, stated};
use crate::extract::boilerplate::page_text::PageText;
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::Extracted;
use crate::extract::draft::{Draft, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::fetched::Fetched;
use crate::extract::fields::meta::Meta;
use crate::extract::line::{Line, LineKind, joined};
use crate::extract::page_kind::Observed;
use crate::extract::pipeline;
use crate::extract::report::{Method, Report};

/// The page's structured data is used if its text is shorter than this, in characters.
const LITTLE: usize = 400;
/// A page with less text than this may show only the beginning of its article, in characters.
const STUB: usize = 1_500;
/// Maximum number of images of an article.
const MAX_MEDIA: usize = 50;

/// Returns the text of a page that a browser shows.
pub(crate) fn visible_text(html: &str, budget: &Budget<'_>) -> Result<String, ExtractError> {
    let document = bounded_parser::parse(html, budget)?;
    let Some(body) = document.body() else { return Ok(String::new()) };
    Ok(joined(&walk_page(&body, None, budget)?.walked.lines))
}

/// A page's blocks with their features, to train the model of [`crate::extract::body`].
pub struct Blocks {
    /// Address that the page states for itself.
    pub url: String,
    /// Text and features of each block.
    pub rows: Vec<(String, Vec<f32>)>,
}

/// Returns the blocks of a page.
///
/// # Errors
/// If the page is beyond the limits.
pub fn blocks(html: &str, budget: &Budget<'_>) -> Result<Blocks, ExtractError> {
    let document = bounded_parser::parse(html, budget)?;
    let meta = Meta::read(&document, Fetched::default(), None, budget, &mut Report::default())?;
    let Some(body) = document.body() else { return Err(ExtractError::NoArticle) };
    let WalkedPage { walked, places, containers } = walk_page(&body, None, budget)?;
    let page = Page::new(&walked.lines, &places, &containers, &witness(&meta), budget)?;
    let mut rows = Vec::new();
    for (at, line) in walked.lines.iter().enumerate().filter(|(_, line)| !line.is_object()) {
        let mut row = Vec::new();
        page.row(at, &mut row);
        rows.push((line.text.clone(), row));
    }
    Ok(Blocks { url: meta.url.unwrap_or_default(), rows })
}

/// Returns the lines of a page.
#[cfg(test)]
pub(crate) fn page_lines(html: &str, budget: &Budget<'_>) -> Vec<Line> {
    let document = bounded_parser::parse(html, budget).unwrap();
    walk_page(&document.body().unwrap(), None, budget).unwrap().walked.lines
}

fn witness(meta: &Meta) -> Witness<'_> {
    Witness { headline: &meta.headline, summary: &meta.subheadline, article_body: &meta.article_body }
}

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
    report.method = Method::Html;
    if report.charset.is_empty() {
        report.charset = "UTF-8".into();
    }
    let document = bounded_parser::parse(html, budget)?;
    let fetched = url.and_then(|url| Url::parse(url).ok());
    // Links are relative to the address in `<base>`.
    let base = resolve_url(fetched.as_ref(), &base_address(&document))
        .and_then(|url| Url::parse(&url).ok())
        .or(fetched.clone());
    let at = Fetched { url: fetched.as_ref(), time: hints.fetch_time };
    let meta = Meta::read(&document, at, base.as_ref(), budget, &mut report)?;
    report.fields.clone_from(&meta.provenance);
    budget.check()?;
    let observed = Observed::of(&document, &mut report, budget)?;
    other_articles::cut(&document, &meta.headline, &mut report, budget)?;
    let body = document.body().ok_or(ExtractError::NoArticle)?;
    let WalkedPage { walked, places, containers } = walk_page(&body, base.as_ref(), budget)?;
    let page = PageText::new(&walked.lines);
    let judgement = Judgement::of(&walked.lines, &places, containers, &witness(&meta), budget)?;
    let Walked { lines, mut media, invisible } = walked;
    report.cut_invisible(&invisible);
    captions::set(&mut media, &lines, &judgement.captions);
    let mut lines = kept(lines, &judgement, budget)?;
    media = shown(media, &lines);
    let mut body_confidence = None;
    let found: usize = lines.iter().map(Line::chars).sum();
    if let Some(stated) = stated(&document, &meta, &lines, found, page.text(), budget)? {
        report.method = Method::StructuredData;
        lines = text::lines(&stated, budget)?;
    } else {
        body_confidence = Some(judgement.confidence);
    }
    let draft = draft(&meta, media, hints);
    let (headline, subheadline) = (draft.headline.clone(), draft.subheadline.clone());
    let site = meta.url.as_deref().or(url);
    let context =
        CleaningContext { headline: &headline, subheadline: &subheadline, is_dump: false, site, body_confidence };
    page.report(&lines, &judgement, &draft, &mut report, budget)?;
    let extracted = pipeline::finish(lines, &context, hints, &meta.language, draft, report, budget);
    let mut extracted = observed.conclude(extracted, url, hints)?;
    extracted.report.order(page.text(), budget)?;
    Ok(extracted)
}

/// Returns the address in `<base>`.
fn base_address(document: &Document) -> String {
    let root = document.root();
    let mut bases = root.descendants_it().filter(|node| node.has_name("base"));
    bases.find_map(|base| base.attr("href")).unwrap_or_default().to_string()
}

/// Returns the text that the page states for scripts, if it shows too little of it.
fn stated(
    document: &Document,
    meta: &Meta,
    lines: &[Line],
    found: usize,
    page: &str,
    budget: &Budget<'_>,
) -> Result<Option<String>, ExtractError> {
    let body = &meta.article_body;
    let is_stub = found < LITTLE && body.chars().count() > found * 2;
    if is_stub || (stated::continues(body, lines, budget)? && !stated::is_shown(body, page, budget)?) {
        return Ok(Some(body.clone()));
    }
    if found < STUB { stated::in_state(document, lines, budget) } else { Ok(None) }
}

/// Returns the lines of the article.
fn kept(lines: Vec<Line>, judgement: &Judgement, budget: &Budget<'_>) -> Result<Vec<Line>, ExtractError> {
    let kept: Vec<Line> =
        lines.into_iter().zip(&judgement.kept).filter(|(_, kept)| **kept).map(|(line, _)| line).collect();
    text::check_size(kept.iter().map(|line| line.text.len()).sum(), kept.len(), budget)?;
    Ok(kept)
}

/// Returns the images that the lines show.
fn shown(media: Vec<Media>, lines: &[Line]) -> Vec<Media> {
    let urls: HashSet<&str> = lines
        .iter()
        .filter_map(|line| if let LineKind::Image(url) = &line.kind { Some(url.as_str()) } else { None })
        .collect();
    media.into_iter().filter(|media| urls.contains(media.url.as_str())).take(MAX_MEDIA).collect()
}

fn draft(meta: &Meta, media: Vec<Media>, hints: &Hints<'_>) -> Draft {
    let mut draft = Draft {
        url: meta.url.clone(),
        alternate_urls: meta.alternate_urls.clone(),
        headline: hints.headline.map_or_else(|| meta.headline.clone(), clean_line),
        subheadline: meta.subheadline.clone(),
        byline: meta.byline.clone(),
        authors: meta.authors.clone(),
        credited: meta.credited.clone(),
        publisher: meta.publisher.clone(),
        section: meta.section.clone(),
        tags: meta.tags.clone(),
        rights: meta.rights.clone(),
        publish_time: hints.stated_publish_time().or(meta.publish_time),
        update_time: meta.update_time,
        agency: meta.agency.clone(),
        media,
        ..Draft::default()
    };
    if let Some(image) = &meta.image
        && !draft.media.iter().any(|media| media.url == *image)
    {
        draft.media.push(picture(image.clone(), String::new()));
    }
    for media in &mut draft.media {
        let Some(stated) = meta.pictures.iter().find(|stated| stated.url == media.url) else { continue };
        for (field, stated) in [(&mut media.caption, &stated.caption), (&mut media.credit, &stated.credit)] {
            if field.is_empty() {
                field.clone_from(stated);
            }
        }
    }
    draft
}

fn picture(url: String, caption: String) -> Media {
    Media { kind: MediaKind::Image, url, caption, credit: String::new(), width: None, height: None }
}
