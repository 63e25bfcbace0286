//! Metadata of a page, authors included: structured data first, then meta tags, then the page's visible content.

use dom_query::{Document, NodeRef};
use jiff::Timestamp;
use url::Url;

use super::agencies::agency;
use super::jsonld::{self, Structured};
use super::{byline, dates};
use crate::article::{canonical_url, clean_line, fold, resolve_url};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::report::Report;

const MAX_TAGS: usize = 30;
const HEADLINE_CHARS: usize = 500;
/// Maximum number of addresses of other editions.
const MAX_ALTERNATES: usize = 8;

/// An article's fields, cleaned.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) url: Option<String>,
    pub(crate) headline: String,
    pub(crate) subheadline: String,
    pub(crate) authors: Vec<String>,
    pub(crate) agency: String,
    pub(crate) publisher: String,
    pub(crate) language: String,
    pub(crate) section: String,
    pub(crate) tags: Vec<String>,
    pub(crate) rights: String,
    pub(crate) alternate_urls: Vec<String>,
    pub(crate) publish_time: Option<Timestamp>,
    pub(crate) update_time: Option<Timestamp>,
    pub(crate) image: Option<String>,
    pub(crate) article_body: String,
}

impl Meta {
    pub(crate) fn read(
        document: &Document,
        base: Option<&Url>,
        budget: &Budget<'_>,
        report: &mut Report,
    ) -> Result<Self, ExtractError> {
        let page = Page::gather(document, budget)?;
        let structured = jsonld::read(page.scripts.iter().cloned(), budget, report)?;
        let publisher = first([
            structured.publisher.clone(),
            page.tag(&["og:site_name", "application-name", "publisher", "dc.publisher"]),
        ]);
        let base_host = base.and_then(|base| base.host_str().map(str::to_owned));
        let resolved = |address: &String| resolve_url(base, address).and_then(|url| canonical_url(&url).ok());
        let canonical = [page.canonical.clone(), page.tag(&["og:url"]), structured.url.clone()];
        let mut canonical = canonical.iter().filter_map(resolved);
        let url = canonical.next();
        let alternate_urls = canonical.chain(page.alternates.iter().filter_map(resolved)).collect();
        let host = base_host.or_else(|| url.as_deref().and_then(crate::article::host_of)).unwrap_or_default();
        let headline = headline(&page, &structured, &publisher, &host);
        let byline = page.tag(&[
            "author",
            "byl",
            "parsely-author",
            "sailthru.author",
            "article:author",
            "dc.creator",
            "dcterms.creator",
            "twitter:creator:name",
        ]);
        Ok(Self {
            url,
            alternate_urls,
            subheadline: subheadline(&page, &headline),
            headline,
            authors: authors(&page, &structured, &byline, &publisher),
            agency: [byline.as_str()]
                .into_iter()
                .chain(structured.authors.iter().map(String::as_str))
                .find_map(agency)
                .unwrap_or_default()
                .to_owned(),
            language: first([
                page.language.clone(),
                structured.language.clone(),
                page.tag(&["og:locale", "content-language", "language"]),
            ]),
            section: clean_line(&first([
                page.tag(&["article:section", "section", "parsely-section"]),
                structured.section.clone(),
            ]))
            .chars()
            .take(200)
            .collect(),
            tags: tags(&page, &structured),
            rights: clean_line(&page.tag(&["copyright", "dc.rights", "dcterms.rights", "rights"]))
                .chars()
                .take(500)
                .collect(),
            publish_time: published(&page, &structured, base),
            update_time: first_date([
                structured.modified.as_str(),
                &page.tag(&["article:modified_time", "og:updated_time", "last-modified", "dcterms.modified"]),
            ]),
            image: resolve_url(
                base,
                &first([
                    page.tag(&["og:image", "og:image:url", "twitter:image", "twitter:image:src"]),
                    structured.image.clone(),
                ]),
            ),
            article_body: structured.body.clone(),
            publisher: clean_line(&publisher).chars().take(200).collect(),
        })
    }
}

fn first<const N: usize>(texts: [String; N]) -> String {
    texts.into_iter().find(|text| !text.trim().is_empty()).unwrap_or_default()
}

fn first_date<const N: usize>(texts: [&str; N]) -> Option<Timestamp> {
    texts.into_iter().find_map(dates::parse)
}

/// Metadata collected from a page in few passes.
#[derive(Default)]
struct Page {
    tags: Vec<(String, String)>,
    scripts: Vec<String>,
    title: String,
    h1: Vec<String>,
    canonical: String,
    /// Addresses of other editions of the page, in the same language.
    alternates: Vec<String>,
    language: String,
    times: Vec<(bool, String)>,
    bylines: Vec<String>,
}

impl Page {
    fn gather(document: &Document, budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let text = |node: &NodeRef<'_>| {
            let text = node.text();
            budget.read(text.len())?;
            Ok::<_, ExtractError>(clean_line(jsonld::clipped(&text)))
        };
        let mut page = Self::default();
        for node in document.select("meta").nodes().iter().take(500) {
            let name = ["property", "name", "itemprop", "http-equiv"].into_iter().find_map(|name| node.attr(name));
            if let (Some(name), Some(content)) = (name, node.attr("content")) {
                let content = jsonld::unescape(jsonld::clipped(&content), budget)?;
                page.tags.push((name.to_ascii_lowercase(), content));
            }
        }
        let scripts = document.select("script[type=\"application/ld+json\"]");
        page.scripts = scripts.nodes().iter().take(50).map(|node| node.text().to_string()).collect();
        page.title = document.select("title").nodes().first().map(&text).transpose()?.unwrap_or_default();
        for node in document.select("h1").nodes().iter().take(10) {
            page.h1.push(text(node)?);
        }
        page.h1.retain(|text| !text.is_empty());
        page.canonical = document.select("link[rel=\"canonical\"]").attr_or("href", "").to_string();
        let editions = "link[rel=\"amphtml\"], link[rel=\"shortlink\"], link[rel=\"alternate\"][media]";
        for node in document.select(editions).nodes().iter().take(MAX_ALTERNATES) {
            // Translations are other articles.
            if !node.has_attr("hreflang") && !node.has_attr("type") {
                page.alternates.extend(node.attr("href").map(|href| href.to_string()));
            }
        }
        page.language = document.select("html").attr_or("lang", "").to_string();
        for node in document.select("time, [itemprop=\"datePublished\"]").nodes().iter().take(20) {
            let published =
                node.attr("itemprop").is_some_and(|name| &*name == "datePublished") || node.has_attr("pubdate");
            let said = node.attr("datetime").or_else(|| node.attr("content"));
            let said = said.map_or_else(|| text(node), |said| Ok(jsonld::clipped(&said).to_owned()))?;
            page.times.push((published, said));
        }
        let bylines = "[rel=\"author\"], [itemprop=\"author\"] [itemprop=\"name\"], [itemprop=\"author\"], \
            [class*=\"byline\"], [class*=\"author-name\"], [class*=\"author_name\"], [class*=\"Byline\"], \
            [class*=\"author\"] a";
        for node in document.select(bylines).nodes().iter().take(12) {
            let text = text(node)?;
            if !text.is_empty() && text.chars().count() <= 150 && !page.bylines.contains(&text) {
                page.bylines.push(text);
            }
        }
        Ok(page)
    }

    /// Returns the first of these tags that is not empty.
    fn tag(&self, names: &[&str]) -> String {
        names
            .iter()
            .find_map(|name| self.tags.iter().find(|(tag, text)| tag == name && !text.trim().is_empty()))
            .map(|(_, text)| text.clone())
            .unwrap_or_default()
    }
}

/// Returns the headline on the page if another source confirms it; otherwise the first of the other sources.
fn headline(page: &Page, structured: &Structured, publisher: &str, host: &str) -> String {
    let said: Vec<String> = [
        structured.headline.clone(),
        page.tag(&["og:title"]),
        page.tag(&["twitter:title", "title", "dc.title", "parsely-title"]),
        page.title.clone(),
    ]
    .iter()
    .map(|text| without_site(&clean_line(text), publisher, host))
    .filter(|text| !text.is_empty())
    .collect();
    let on_page = page.h1.iter().find(|h1| h1.split(' ').count() >= 3 && said.iter().any(|text| alike(h1, text)));
    let chosen =
        on_page.cloned().or_else(|| said.first().cloned()).or_else(|| page.h1.first().cloned()).unwrap_or_default();
    chosen.chars().take(HEADLINE_CHARS).collect()
}

/// Returns true if most words are the same.
fn alike(one: &str, other: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(fold).collect()
    };
    let (one, other) = (words(one), words(other));
    let common = one.iter().filter(|word| other.contains(word)).count();
    common > 0 && common * 10 >= one.len().min(other.len()) * 6
}

/// Removes ` | Site` or ` - Site` from a title's end: the publisher, the host, or a short text behind a bar.
fn without_site(title: &str, publisher: &str, host: &str) -> String {
    let plain = |text: &str| -> String { fold(text).chars().filter(|c| c.is_alphanumeric()).collect() };
    let (publisher, host) = (plain(publisher), plain(host));
    let mut title = title.to_owned();
    for _ in 0..3 {
        let found = [" | ", " - ", " – ", " — ", " · ", " • ", " :: ", " » ", " / "]
            .iter()
            .filter_map(|bar| title.rfind(bar).map(|at| (at, bar)))
            .max_by_key(|(at, _)| *at);
        let Some((at, bar)) = found else { break };
        let (head, tail) = (&title[..at], &title[at + bar.len()..]);
        let name = plain(tail);
        let names_site = !name.is_empty()
            && name.len() >= 2
            && (publisher.contains(&name)
                || (!publisher.is_empty() && name.contains(&publisher))
                || host.contains(&name)
                || (name.len() > 3 && host.split('.').any(|part| part.len() > 3 && name.contains(part))));
        let short = *bar == " | " && tail.split(' ').count() <= 5 && head.split(' ').count() >= 3;
        if !(names_site || short) || head.split(' ').count() < 2 {
            break;
        }
        title.truncate(at);
    }
    title.trim().to_owned()
}

fn subheadline(page: &Page, headline: &str) -> String {
    let text = clean_line(&page.tag(&["og:description", "description", "twitter:description"]));
    // A truncated text is a teaser; a copy of the headline adds nothing.
    if text.ends_with("...") || text.ends_with('…') || fold(&text) == fold(headline) || text.chars().count() > 400 {
        return String::new();
    }
    text
}

fn authors(page: &Page, structured: &Structured, byline: &str, publisher: &str) -> Vec<String> {
    let mut found = Vec::new();
    for author in &structured.authors {
        byline::split(author, &[publisher]).into_iter().for_each(|name| byline::push(&mut found, name));
    }
    if found.is_empty() {
        found = byline::split(byline, &[publisher]);
    }
    for byline in &page.bylines {
        if !found.is_empty() {
            break;
        }
        found = byline::split(byline, &[publisher]);
    }
    found
}

fn tags(page: &Page, structured: &Structured) -> Vec<String> {
    let listed = page.tags.iter().filter(|(name, _)| name == "article:tag").map(|(_, text)| text.clone());
    let keywords = page.tag(&["news_keywords", "keywords", "parsely-tags"]);
    let mut tags: Vec<String> = Vec::new();
    for tag in listed.chain(structured.keywords.iter().cloned()).chain(keywords.split([',', ';']).map(str::to_owned)) {
        let tag = clean_line(&tag);
        let fits = !tag.is_empty() && tag.chars().count() <= 80 && tags.len() < MAX_TAGS;
        if fits && !tags.iter().any(|known| fold(known) == fold(&tag)) {
            tags.push(tag);
        }
    }
    tags
}

fn published(page: &Page, structured: &Structured, base: Option<&Url>) -> Option<Timestamp> {
    let tag = page.tag(&[
        "article:published_time",
        "datepublished",
        "og:published_time",
        "publishdate",
        "publish-date",
        "publish_date",
        "pubdate",
        "parsely-pub-date",
        "sailthru.date",
        "date",
        "dc.date.issued",
        "dcterms.created",
        "dc.date",
        "cxenseparse:recs:publishtime",
        "article.published",
        "published_time",
        "article:published",
        "last-modified",
    ]);
    let marked = page.times.iter().find(|(published, _)| *published).map(|(_, text)| text.as_str()).unwrap_or_default();
    let shown = page.times.first().map(|(_, text)| text.as_str()).unwrap_or_default();
    first_date([structured.published.as_str(), &tag, marked, shown])
        .or_else(|| base.and_then(|base| dates::in_url(base.as_str())))
        .or_else(|| dates::in_url(&page.canonical))
}
