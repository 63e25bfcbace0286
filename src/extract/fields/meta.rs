//! Metadata of a page, authors included: structured data first, then meta tags, then the page's visible content.

use dom_query::Document;
use jiff::Timestamp;
use url::Url;

use super::agreement::Agreement;
use super::authors;
use super::fetched::Fetched;
use super::jsonld::{self, PageIdentity, Picture, Structured};
use super::page::Page;
use super::title::{self, Site};
use super::{publish_time, rights};
use crate::article::{canonical_url, clean_line, fold, resolve_url};
use crate::extract::budget::Budget;
use crate::extract::draft::{Author, Rights};
use crate::extract::error::ExtractError;
use crate::extract::provenance::Provenance;
use crate::extract::report::Report;
use crate::extract::stated_time::StatedTime;

/// Names of meta tags, the most reliable first.
const PUBLISHER_TAGS: [&str; 4] = ["og:site_name", "application-name", "publisher", "dc.publisher"];
const LANGUAGE_TAGS: [&str; 3] = ["og:locale", "content-language", "language"];
const SECTION_TAGS: [&str; 3] = ["article:section", "section", "parsely-section"];
const MAX_TAGS: usize = 30;
const PUBLISHER_CHARS: usize = 200;
const SECTION_CHARS: usize = 200;

/// An article's fields, cleaned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) url: Option<String>,
    pub(crate) headline: String,
    pub(crate) subheadline: String,
    pub(crate) byline: String,
    pub(crate) authors: Vec<Author>,
    pub(crate) credited: Vec<String>,
    pub(crate) agency: String,
    pub(crate) publisher: String,
    pub(crate) language: String,
    pub(crate) section: String,
    pub(crate) tags: Vec<String>,
    pub(crate) rights: Rights,
    pub(crate) alternate_urls: Vec<String>,
    pub(crate) publish_time: Option<StatedTime>,
    pub(crate) update_time: Option<Timestamp>,
    pub(crate) image: Option<String>,
    /// Images of the structured data, with absolute addresses.
    pub(crate) pictures: Vec<Picture>,
    pub(crate) article_body: String,
    pub(crate) provenance: Vec<Provenance>,
}

impl Meta {
    pub(crate) fn read(
        document: &Document,
        fetched: Fetched<'_>,
        base: Option<&Url>,
        budget: &Budget<'_>,
        report: &mut Report,
    ) -> Result<Self, ExtractError> {
        let page = Page::gather(document, budget)?;
        let (og_title, og_url) = (page.tag(&["og:title"]), page.tag(&["og:url"]));
        let headings = page.visible.headings.iter().filter(|heading| heading.level == 1).take(10);
        let identity = PageIdentity::new(
            &[fetched.url.map_or("", Url::as_str), &page.canonical, &og_url],
            headings.map(|heading| &heading.text).chain([&og_title, &page.title]).map(String::as_str),
        );
        let structured = jsonld::read(page.scripts.iter().cloned(), &identity, budget, report)?;
        let publisher = first([structured.publisher.clone(), page.tag(&PUBLISHER_TAGS)]);
        let base_host = fetched.url.and_then(|fetched| fetched.host_str().map(str::to_owned));
        let resolved = |address: &String| resolve_url(base, address).and_then(|url| canonical_url(&url).ok());
        let canonical = [page.canonical.clone(), page.tag(&["og:url"]), structured.url.clone()];
        let mut canonical = canonical.iter().filter_map(resolved);
        let url = canonical.next();
        let alternate_urls = canonical.chain(page.alternates.iter().filter_map(resolved)).collect();
        let host = base_host.or_else(|| url.as_deref().and_then(crate::article::host_of)).unwrap_or_default();
        let publisher: String = clean_line(&publisher).chars().take(PUBLISHER_CHARS).collect();
        let site = Site { publisher: &publisher, host: &host };
        let (headline, headline_sources) = title::headline(&page, &structured.headline, &site);
        let times = publish_time::read(document, &page, &structured, fetched, &host, budget)?;
        let found = authors::authors(&page, &structured.authors, &[&publisher, &host], base);
        let section = first([page.tag(&SECTION_TAGS), structured.section.clone()]);
        let section: String = clean_line(&section).chars().take(SECTION_CHARS).collect();
        let provenance = [
            Agreement { field: "headline", sources: headline_sources },
            Agreement { field: "authors", sources: found.sources },
            Agreement {
                field: "publish_time",
                sources: times.published.as_ref().map_or(vec![], |it| it.sources.clone()),
            },
            Agreement::on("publisher", &publisher, &structured.publisher, &page.tag(&PUBLISHER_TAGS)),
            Agreement::on("section", &section, &structured.section, &page.tag(&SECTION_TAGS)),
        ];
        Ok(Self {
            provenance: provenance.into_iter().filter_map(Agreement::provenance).collect(),
            url,
            alternate_urls,
            subheadline: subheadline(&page, &headline),
            headline,
            byline: found.byline,
            authors: found.authors,
            credited: found.credited,
            agency: found.agency,
            language: first([page.language.clone(), structured.language.clone(), page.tag(&LANGUAGE_TAGS)]),
            section,
            tags: tags(&page, &structured),
            rights: rights::read(&page, &structured, base),
            publish_time: times.published.as_ref().map(|published| published.stated),
            update_time: times.updated.map(|stated| stated.time),
            image: resolve_url(
                base,
                &first([
                    page.tag(&["og:image", "og:image:url", "twitter:image", "twitter:image:src"]),
                    structured.image.clone(),
                    structured.pictures.first().map(|picture| picture.url.clone()).unwrap_or_default(),
                ]),
            ),
            pictures: pictures(&structured, base),
            article_body: structured.body.clone(),
            publisher,
        })
    }
}

fn first<const N: usize>(texts: [String; N]) -> String {
    texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default()
}

fn subheadline(page: &Page, headline: &str) -> String {
    let text = clean_line(&page.tag(&["og:description", "description", "twitter:description"]));
    // A truncated text is a teaser; a copy of the headline adds nothing.
    if text.ends_with("...") || text.ends_with('…') || fold(&text) == fold(headline) || text.chars().count() > 400 {
        return String::new();
    }
    text
}

fn pictures(structured: &Structured, base: Option<&Url>) -> Vec<Picture> {
    let absolute = |picture: &Picture| {
        let url = resolve_url(base, &picture.url)?;
        Some(Picture { url, caption: clean_line(&picture.caption), credit: clean_line(&picture.credit) })
    };
    structured.pictures.iter().filter_map(absolute).collect()
}

fn tags(page: &Page, structured: &Structured) -> Vec<String> {
    let is_listed = |name: &str| matches!(name, "article:tag" | "og:article:tag");
    let listed = page.tags.iter().filter(|(name, _)| is_listed(name)).map(|(_, text)| text.clone());
    let keywords = page.tag(&["news_keywords", "keywords", "parsely-tags", "sailthru.tags", "dc.subject"]);
    let lists = listed.chain(structured.keywords.iter().cloned()).chain([keywords]);
    let mut tags: Vec<String> = Vec::new();
    for tag in lists.flat_map(|list| jsonld::split_keywords(&list)).chain(page.visible.tags.iter().cloned()) {
        let tag = clean_line(&tag);
        let fits = !tag.is_empty() && tag.chars().count() <= 80 && tags.len() < MAX_TAGS;
        if fits && !tags.iter().any(|known| fold(known) == fold(&tag)) {
            tags.push(tag);
        }
    }
    tags
}
