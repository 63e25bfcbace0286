//! RSS and Atom: each entry is an article, its text cleaned like a page's.

use feed_rs::model::{Entry, Feed};
use jiff::Timestamp;
use url::Url;

use super::html;
use crate::article::{canonical_url, clean_line, safe_url};
use crate::extract::boilerplate::rules::CleaningContext;
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Draft, Media, MediaKind};
use crate::extract::draft::{Extracted, FeedEntry};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::line::joined;
use crate::extract::pipeline;
use crate::extract::report::Report;

/// Extracts the entries of a syndication feed. An entry without an article does not affect the others.
pub(crate) fn extract(
    xml: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Vec<FeedEntry>, ExtractError> {
    // The crate's sanitizing is off: the output is text, never markup. So are its generated IDs (from the title, among
    // others): an item with a corrected headline would become another item.
    let parser = feed_rs::parser::Builder::new().sanitize_content(false).id_generator(|_, _, _| String::new()).build();
    let xml = undeclared(xml);
    if xml.starts_with('{') {
        bounded_parser::json_feed(xml, budget)?
    } else {
        bounded_parser::xml(xml, budget)?
    }
    let feed = parser.parse(xml.as_bytes());
    budget.check()?;
    let feed = feed.map_err(|_| ExtractError::BadFeed)?;
    if feed.entries.is_empty() {
        return Err(ExtractError::EmptyFeed);
    }
    let entries = feed.entries.iter().map(|entry| FeedEntry {
        external_id: clean_line(&entry.id).chars().take(500).collect(),
        result: one(entry, &feed, hints, report.clone(), budget),
    });
    Ok(entries.collect())
}

/// Removes the XML declaration: the document is decoded already, so the encoding that it names no longer applies.
fn undeclared(xml: &str) -> &str {
    let start = xml.trim_start_matches('\u{FEFF}').trim_start();
    match start.strip_prefix("<?xml").and_then(|rest| rest.split_once("?>")) {
        Some((_, rest)) => rest,
        None => start,
    }
}

fn one(
    entry: &Entry,
    feed: &Feed,
    hints: &Hints<'_>,
    mut report: Report,
    budget: &Budget<'_>,
) -> Result<Extracted, ExtractError> {
    report.method = "feed";
    let content = entry.content.as_ref().and_then(|content| content.body.as_deref());
    let summary = entry.summary.as_ref().map(|summary| summary.content.as_str());
    let markup = [content, summary].into_iter().flatten().max_by_key(|text| text.len()).unwrap_or_default();
    let address = entry.links.iter().find(|link| link.rel.as_deref().is_none_or(|rel| rel == "alternate"));
    let url = address.and_then(|link| canonical_url(&link.href).ok());
    let base = url.as_deref().and_then(|url| Url::parse(url).ok());
    let html::Walked { lines, mut media, invisible } =
        html::walk(&bounded_parser::parse(markup, budget)?.root(), base.as_ref(), budget)?;
    report.cut_invisible(&invisible);
    let known_media = media.len();
    for found in entry.media.iter().flat_map(|object| &object.content) {
        if let Some(url) = found.url.as_ref().and_then(|url| safe_url(url.as_str()).ok())
            && media.len() < known_media + 10
            && !media.iter().any(|media| media.url == url)
        {
            let kind = match found.content_type.as_ref().map(|kind| kind.ty().as_str().to_owned()).as_deref() {
                Some("video") => MediaKind::Video,
                Some("audio") => MediaKind::Audio,
                _ => MediaKind::Image,
            };
            media.push(Media {
                kind,
                url,
                caption: String::new(),
                credit: String::new(),
                width: found.width,
                height: found.height,
            });
        }
    }
    let publisher = plain(feed.title.as_ref().map(|title| title.content.as_str()), budget)?;
    // A GUID that is an address is the item's permanent link, unless it says otherwise; then it is none of a page.
    let permalink = canonical_url(&entry.id).ok().filter(|guid| url.as_ref() != Some(guid));
    let mut draft = Draft {
        url,
        alternate_urls: permalink.into_iter().collect(),
        external_id: Some(clean_line(&entry.id)).filter(|id| !id.is_empty() && id.len() <= 512),
        headline: match hints.headline {
            Some(headline) => clean_line(headline),
            None => plain(entry.title.as_ref().map(|title| title.content.as_str()), budget)?,
        },
        tags: entry
            .categories
            .iter()
            .map(|category| clean_line(category.label.as_ref().unwrap_or(&category.term)))
            .filter(|tag| !tag.is_empty())
            .take(30)
            .collect(),
        rights: plain(feed.rights.as_ref().map(|rights| rights.content.as_str()), budget)?,
        publish_time: hints.publish_time.or_else(|| time(entry.published.map(|time| time.timestamp_micros()))),
        update_time: time(entry.updated.map(|time| time.timestamp_micros())),
        publisher,
        media,
        ..Draft::default()
    };
    draft.headline = draft.headline.chars().take(500).collect();
    for author in &entry.authors {
        let not = draft.publisher.clone();
        byline::split(author.name.as_deref().unwrap_or_default(), &[&not])
            .into_iter()
            .for_each(|name| byline::push(&mut draft.authors, name));
    }
    let language = entry.language.clone().or_else(|| feed.language.clone()).unwrap_or_default();
    let headline = draft.headline.clone();
    // A single line is a valid entry, though not a valid page.
    let context = CleaningContext { headline: &headline, subheadline: "", is_dump: true };
    let source = joined(&lines);
    let mut extracted = pipeline::finish(lines, &context, hints, &language, draft, report, budget)?;
    extracted.report.order(&source, budget)?;
    Ok(extracted)
}

/// Returns the text of a title, which may contain markup and entities.
fn plain(text: Option<&str>, budget: &Budget<'_>) -> Result<String, ExtractError> {
    Ok(clean_line(&bounded_parser::plain(text.unwrap_or_default(), budget)?))
}

fn time(micros: Option<i64>) -> Option<Timestamp> {
    let time = Timestamp::from_microsecond(micros?).ok()?;
    // Dates before syndication feeds existed or in the far future are mistakes.
    let year = time.to_zoned_datetime(jiff::tz::TimeZone::UTC).year();
    (1_900..=2_100).contains(&year).then_some(time)
}
