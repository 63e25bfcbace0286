//! Syndication feeds: each entry is an article, its text cleaned like a page's.
//!
//! Feeds are read by a lenient reader of our own (`xml`), not by a library: an XML parser refuses a whole feed for one
//! unescaped character, and knows neither the author's role nor `isPermaLink`, `xml:base` and `media:credit`.

mod detect;
mod feed;
mod json;
mod markup;
mod media;
mod rss;
mod vocabulary;
mod xml;

use url::Url;

pub(crate) use self::detect::is_feed;
use self::feed::{Entry, Feed};
use super::html;
use crate::article::{canonical_url, clean_line, fold};
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Draft, Extracted, FeedEntry, Media, Rights};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::fields::dates::Locale;
use crate::extract::line::{Line, joined};
use crate::extract::pipeline;
use crate::extract::report::{CutReason, Method, Report};

const MAX_TAGS: usize = 30;
const CAPTION_CHARS: usize = 2_000;
const HEADLINE_CHARS: usize = 500;
const STANDFIRST_CHARS: usize = 400;
/// Maximum length of a line that links to the entry's own page, besides the headline, in characters.
const FOOT_CHARS: usize = 100;

/// Extracts the entries of a syndication feed. An entry without an article does not affect the others.
pub(crate) fn extract(
    text: &str,
    url: Option<&str>,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Vec<FeedEntry>, ExtractError> {
    let base = url.and_then(|url| Url::parse(url).ok());
    let text = text.trim_start_matches('\u{FEFF}').trim_start();
    let feed = if text.starts_with('{') {
        json::read(text, base.as_ref(), budget)?
    } else {
        rss::read(text, base.as_ref(), budget)?
    };
    budget.check()?;
    if feed.entries.is_empty() {
        return Err(ExtractError::EmptyFeed);
    }
    let head = Head::of(&feed, budget)?;
    let entries = feed.entries.iter().map(|entry| FeedEntry {
        external_id: clean_line(&entry.id).chars().take(500).collect(),
        result: article(entry, &head, hints, report.clone(), budget),
    });
    Ok(entries.collect())
}

/// Fields of the feed that hold for its entries, as text.
struct Head<'a> {
    publisher: String,
    rights: String,
    language: &'a str,
    authors: &'a [String],
}

impl<'a> Head<'a> {
    fn of(feed: &'a Feed, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let host = feed.base.as_ref().and_then(|base| crate::article::host_of(base.as_str())).unwrap_or_default();
        let title = markup::line(&feed.title, budget)?;
        Ok(Self {
            publisher: feed::publisher(&title, &host).to_owned(),
            rights: markup::line(&feed.rights, budget)?,
            language: feed.language.trim(),
            authors: &feed.authors,
        })
    }
}

fn article(
    entry: &Entry,
    head: &Head<'_>,
    hints: &Hints<'_>,
    mut report: Report,
    budget: &Budget<'_>,
) -> Result<Extracted, ExtractError> {
    if entry.is_cut {
        return Err(ExtractError::CutOff);
    }
    report.method = Method::SyndicationFeed;
    let mut links = entry.links.iter().filter_map(|link| canonical_url(link).ok());
    let url = links.next();
    let texts = Texts::read(entry, budget)?;
    let html::Walked { mut lines, mut media, invisible } = texts.body;
    report.cut_invisible(&invisible);
    for found in &entry.media {
        if !media.iter().any(|media| media.url == found.url) {
            let text =
                |markup| Ok::<_, ExtractError>(markup::line(markup, budget)?.chars().take(CAPTION_CHARS).collect());
            media.push(Media { caption: text(&found.caption)?, credit: text(&found.credit)?, ..found.clone() });
        }
    }
    let language = if entry.language.trim().is_empty() { head.language } else { entry.language.trim() };
    let locale = Locale::new(language, "");
    let id = clean_line(&entry.id);
    let mut draft = Draft {
        // An ID that is an address is an address of the entry.
        alternate_urls: canonical_url(&id).ok().filter(|id| url.as_ref() != Some(id)).into_iter().collect(),
        url,
        external_id: Some(id).filter(|id| !id.is_empty() && id.len() <= 512),
        headline: match hints.headline {
            Some(headline) => clean_line(headline),
            None => markup::line(&entry.title, budget)?.chars().take(HEADLINE_CHARS).collect(),
        },
        subheadline: texts.standfirst,
        rights: Rights { notice: first(markup::line(&entry.rights, budget)?, &head.rights), ..Rights::default() },
        publish_time: hints.stated_publish_time().or_else(|| entry.publish_time(locale)),
        update_time: entry.update_time(locale),
        publisher: first(markup::line(&entry.source, budget)?, &head.publisher),
        media,
        ..Draft::default()
    };
    for tag in &entry.tags {
        let tag = markup::line(tag, budget)?;
        if !tag.is_empty() && draft.tags.len() < MAX_TAGS && !draft.tags.contains(&tag) {
            draft.tags.push(tag);
        }
    }
    let bylines = if entry.authors.is_empty() { head.authors } else { &entry.authors };
    for text in bylines {
        if draft.byline.is_empty() {
            draft.byline = clean_line(text).chars().take(byline::MAX_CHARS).collect();
        }
        let names = byline::split(text, &[&draft.publisher]);
        names.into_iter().for_each(|name| byline::push(&mut draft.authors, name));
    }
    cut_foot(&mut lines, &draft, &mut report);
    let headline = draft.headline.clone();
    // A single line is a valid entry, though not a valid page.
    let context =
        CleaningContext { headline: &headline, subheadline: "", is_dump: true, site: None, body_confidence: None };
    let source = joined(&lines);
    let mut extracted = pipeline::finish(lines, &context, hints, language, draft, report, budget)?;
    extracted.report.order(&source, budget)?;
    Ok(extracted)
}

fn first(own: String, other: &str) -> String {
    if own.is_empty() { other.to_owned() } else { own }
}

/// The texts of an entry.
struct Texts {
    body: html::Walked,
    standfirst: String,
}

impl Texts {
    /// Reads the longer of content and summary as the body. A short summary that is no part of the body is the
    /// standfirst.
    fn read(entry: &Entry, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let (content, summary) = (walk(&entry.content, entry, budget)?, walk(&entry.summary, entry, budget)?);
        let chars = |walked: &html::Walked| walked.lines.iter().map(Line::chars).sum::<usize>();
        if chars(&summary) > chars(&content) {
            return Ok(Self { body: summary, standfirst: String::new() });
        }
        let standfirst = match summary.lines.iter().filter(|line| !line.text.is_empty()).collect::<Vec<_>>()[..] {
            [line] if !line.text.ends_with(['…', ']']) && !line.text.ends_with("...") => line.text.clone(),
            _ => String::new(),
        };
        let is_repeated = content.lines.iter().any(|line| line.text.contains(&standfirst));
        let fits = standfirst.chars().count() <= STANDFIRST_CHARS
            && !is_repeated
            && fold(&standfirst) != fold(&markup::line(&entry.title, budget)?);
        Ok(Self { body: content, standfirst: if fits { standfirst } else { String::new() } })
    }
}

fn walk(markup: &str, entry: &Entry, budget: &Budget<'_>) -> Result<html::Walked, ExtractError> {
    if markup.trim().is_empty() {
        return Ok(html::Walked::default());
    }
    html::walk(&bounded_parser::parse(markup, budget)?.root(), entry.base.as_ref(), budget)
}

/// Cuts the last line if it says where the entry was published first: its headline or the site, linked, beside a link
/// to its own page, with few words around them.
fn cut_foot(lines: &mut Vec<Line>, draft: &Draft, report: &mut Report) {
    let Some(last) = lines.iter().rposition(|line| !line.is_object()).filter(|last| *last > 0) else { return };
    let line = &lines[last];
    let is_short = line.chars() <= draft.headline.chars().count() + FOOT_CHARS;
    let links_to_itself = line.spans.iter().filter_map(|span| span.format.url.as_deref()).any(|link| {
        canonical_url(link).is_ok_and(|link| draft.url.as_ref() == Some(&link) || draft.alternate_urls.contains(&link))
    });
    let mut links = line.spans.iter().filter_map(|span| span.format.url.as_deref());
    let links_to_site = links.any(|link| Url::parse(link).is_ok_and(|url| url.path() == "/" && url.query().is_none()));
    let names_it = !draft.headline.is_empty() && line.text.contains(&draft.headline);
    if is_short && links_to_itself && (names_it || links_to_site) {
        report.cut(&line.text, CutReason::Furniture, "feed-foot", 0.95);
        lines.remove(last);
    }
}
