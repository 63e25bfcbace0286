//! Kind of a page: an article, or a page that is none.
//!
//! Walls (consent, robot checks, missing pages, logins) are recognised by phrases of their notices, since they have no
//! story. Other pages are distinguished from articles by a linear model over measurements of the page, which hold in
//! any language: links, headings, prices, posts, structured data, address. `weights.txt` has a weight for each; the
//! kind is named by the measurement that speaks for it.

mod address;
mod features;
mod model;
mod notices;
mod phrases;
mod signals;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use dom_query::Document;
use url::Url;

use self::address::Section;
use self::features::Found;
pub(super) use self::phrases::is_offer;
use self::phrases::{Hit, Topic};
use self::signals::Signals;
use super::budget::Budget;
use super::document::Hints;
use super::draft::{Block, Draft, Extracted, TextKind};
use super::error::ExtractError;
use super::kind::PageKind;
use super::line::{Line, LineKind};
use super::report::{Report, Warning, WarningCode};

/// Maximum length of running text that is no story beside the notice of a wall, in characters.
const WALL_CHARS: usize = 400;
/// Maximum length of a heading that is a notice, in characters.
const LABEL_CHARS: usize = 32;
/// Maximum length of the part of a story before a paywall, in characters.
const STUB_CHARS: usize = 2_000;

/// Returns the warning for a page that has no story, or only its beginning.
fn warning(kind: PageKind) -> Option<(WarningCode, &'static str)> {
    Some(match kind {
        PageKind::PaywallStub => (WarningCode::PaywallStub, "the text ends at an offer of a subscription"),
        PageKind::Listing => (WarningCode::ListingPage, "this looks like a list of pages, not like an article"),
        PageKind::Forum => (WarningCode::ForumPage, "this looks like a discussion, not like an article"),
        PageKind::Product => (WarningCode::ProductPage, "this looks like the page of a product, not like an article"),
        PageKind::ServicePage => {
            (WarningCode::ServicePage, "this looks like a page about a site or a service, not like an article")
        }
        _ => return None,
    })
}

/// Properties of a page before its main text is searched for.
pub(super) struct Observed {
    signals: Signals,
    hits: Vec<Hit>,
    has_offer: bool,
}

impl Observed {
    /// Reads a page, and removes notices from it, which the report lists.
    pub(super) fn of(document: &Document, report: &mut Report, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let signals = Signals::read(document, budget)?;
        budget.read(signals.text.len())?;
        let hits = phrases::hits(&signals.text);
        let has_offer = notices::cut(document, &signals, &hits, report, budget)?;
        Ok(Self { signals, hits, has_offer })
    }

    /// Decides the kind of the page from the result of its extraction.
    ///
    /// # Errors
    /// The error of the extraction; [`ExtractError::NotAnArticle`] for a page without a story, and for any page that is
    /// no article if the request says so.
    pub(super) fn conclude(
        &self,
        extracted: Result<Extracted, ExtractError>,
        url: Option<&str>,
        hints: &Hints<'_>,
    ) -> Result<Extracted, ExtractError> {
        let mut extracted = match extracted {
            Err(ExtractError::NoArticle) => {
                let wall = self.wall(0, false);
                return Err(wall.map_or(ExtractError::NoArticle, |kind| ExtractError::NotAnArticle { kind }));
            }
            other => other?,
        };
        let Extracted { draft, report } = &mut extracted;
        let found = Found::of(draft);
        if let Some(kind) = self.wall(found.prose, found.has_date && found.has_authors) {
            return Err(ExtractError::NotAnArticle { kind });
        }
        let address = url.or(draft.url.as_deref()).and_then(|url| Url::parse(url).ok());
        self.judge(&found, address.as_ref().map(Url::path), report);
        match report.page_kind {
            PageKind::Unknown | PageKind::Article | PageKind::LiveBlog | PageKind::PaywallStub => {}
            kind if hints.reject_non_articles || self.is_only_teasers(&found) => {
                return Err(ExtractError::NotAnArticle { kind });
            }
            _ => {}
        }
        Ok(extracted)
    }

    /// Returns the kind of wall that a page with little running text is.
    fn wall(&self, prose: usize, is_signed: bool) -> Option<PageKind> {
        if prose >= WALL_CHARS || is_signed {
            return None;
        }
        let has = |topic: Topic, min: usize| {
            let phrases = self.hits.iter().filter(|hit| hit.topic == topic).map(|hit| hit.phrase);
            phrases.collect::<HashSet<_>>().len() >= min
        };
        let heading = format!("{} {}", self.signals.title, self.signals.h1).to_lowercase().replace('’', "'");
        let heading = phrases::hits(&heading);
        let headline = if self.signals.h1.is_empty() { &self.signals.title } else { &self.signals.h1 };
        let is_code = headline.trim() == "404";
        let in_heading = |topic: Topic| heading.iter().any(|hit| hit.topic == topic);
        // Any page can mention cookies, a login or a missing page at its foot, beside a short story.
        let has_nothing = prose == 0;
        let is_short = self.signals.prose < WALL_CHARS * 2;
        // A story may be about a missing page, but its headline says more.
        let is_notice = is_short && !self.has_story();
        let is_label = headline.chars().count() <= LABEL_CHARS || !self.has_story();
        if in_heading(Topic::NotFound) && is_label {
            Some(PageKind::NotFound)
        } else if in_heading(Topic::Robot) || (has(Topic::Robot, 1) && (has_nothing || is_notice)) {
            Some(PageKind::RobotCheck)
        } else if (has_nothing || is_notice) && has(Topic::Consent, 2) {
            Some(PageKind::ConsentWall)
        } else if (has_nothing || is_code) && has(Topic::NotFound, 1) || is_notice && has(Topic::NotFound, 2) {
            Some(PageKind::NotFound)
        } else if has_nothing && (self.signals.passwords > 0 || has(Topic::Login, 2)) {
            Some(PageKind::Login)
        } else {
            None
        }
    }

    /// Returns true if a block of running text has no phrase of a notice.
    fn has_story(&self) -> bool {
        self.signals.blocks.iter().filter(|block| block.len() >= 120).any(|block| {
            let next = self.hits.partition_point(|hit| hit.at < block.start);
            self.hits.get(next).is_none_or(|hit| hit.at >= block.end)
        })
    }

    /// Writes the kind and the confidence to the report, with a warning for a page that is no article.
    fn judge(&self, found: &Found, path: Option<&str>, report: &mut Report) {
        let signals = &self.signals;
        let features = features::of(signals, found, path);
        let article = model::probability(&features);
        report.page_features = features.to_vec();
        let is_service = phrases::is_service_heading(&signals.h1) && !found.has_authors;
        let is_article = !is_service && (article >= model::MIN_PROBABILITY || !self.has_sign(path));
        let is_stub = self.has_offer && found.prose < STUB_CHARS;
        let (kind, confidence) = match is_article {
            true if signals.has_type(&["liveblogposting"]) => (PageKind::LiveBlog, article.max(0.9)),
            true if is_stub => (PageKind::PaywallStub, 0.8),
            // A bare page: nothing speaks for an article, and nothing against it.
            true => (PageKind::Article, article.max(0.5)),
            false if is_service && article >= model::MIN_PROBABILITY => (PageKind::ServicePage, 0.7),
            false => (self.other_kind(path), 1.0 - article),
        };
        report.page_kind = kind;
        report.page_kind_confidence = confidence as f32;
        if let Some((code, message)) = warning(kind) {
            report.warnings.push(Warning::new(code, message.to_owned()));
        }
    }

    /// Returns true if something speaks against an article. A bare page, such as the print view of a story, has little
    /// that speaks for one.
    fn has_sign(&self, path: Option<&str>) -> bool {
        const MIN_LINKS: usize = 12;
        let signals = &self.signals;
        let counts = [signals.linked_headings, signals.posts, signals.prices, signals.code, signals.fields];
        signals.links >= MIN_LINKS
            || signals.passwords > 0
            || counts.iter().any(|count| *count >= 3)
            || path == Some("/")
            || features::sections(path.unwrap_or_default()).iter().any(|section| *section != Section::Article)
    }

    /// Returns the kind of a page that is no article.
    fn other_kind(&self, path: Option<&str>) -> PageKind {
        let signals = &self.signals;
        let sections = features::sections(path.unwrap_or_default());
        let has = |section| sections.contains(&section);
        if signals.has_type(&["discussionforumposting", "qapage"]) || signals.posts >= 3 || has(Section::Forum) {
            PageKind::Forum
        } else if signals.has_type(&["product", "offer"])
            || signals.og_type.starts_with("product")
            || signals.prices >= 4
        {
            PageKind::Product
        } else if signals.has_type(&["collectionpage", "itemlist", "searchresultspage"])
            || signals.linked_headings >= 5
            || path == Some("/")
            || has(Section::Listing)
        {
            PageKind::Listing
        } else if has(Section::Product) {
            PageKind::Product
        } else {
            PageKind::ServicePage
        }
    }

    /// Returns true if nearly all running text is under headings that are links, and nothing says that it is a story.
    fn is_only_teasers(&self, found: &Found) -> bool {
        let signals = &self.signals;
        let is_stated = found.has_date || found.has_authors || signals.og_type.contains("article");
        !is_stated
            && signals.h1.is_empty()
            && signals.linked_headings >= 3
            && signals.teaser_prose * 10 >= signals.prose * 9
    }
}

impl Found {
    fn of(draft: &Draft) -> Self {
        let mut found = Self {
            chars: draft.body.chars().count(),
            has_date: draft.publish_time.is_some(),
            has_authors: !draft.authors.is_empty(),
            ..Self::default()
        };
        for paragraph in draft.body.split("\n\n") {
            let line = Line::new(paragraph.to_owned(), LineKind::Paragraph);
            found.lines += 1;
            if line.is_prose() {
                found.paragraphs += 1;
                found.prose += line.chars();
            }
        }
        for block in &draft.blocks {
            if let Block::Text { kind, spans, .. } = block {
                found.headings += usize::from(*kind == TextKind::Heading);
                found.list_items += usize::from(*kind == TextKind::ListItem);
                let links = spans.iter().filter(|span| span.format.url.is_some());
                found.linked += links.map(|span| span.text.chars().count()).sum::<usize>();
            }
        }
        found
    }
}
