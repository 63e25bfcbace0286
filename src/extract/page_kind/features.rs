//! Features of the model that tells articles from other pages.

use super::address::Section;
use super::signals::Signals;

/// Result of the extraction, as far as it says what the page is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Found {
    /// Characters of the body, and of its running text and links.
    pub(crate) chars: usize,
    pub(crate) prose: usize,
    pub(crate) linked: usize,
    /// Lines of the body, its paragraphs of running text, and its headings and list items.
    pub(crate) lines: usize,
    pub(crate) paragraphs: usize,
    pub(crate) headings: usize,
    pub(crate) list_items: usize,
    pub(crate) has_date: bool,
    pub(crate) has_authors: bool,
}

/// Returns the kinds of pages that the parts of a path name.
pub(super) fn sections(path: &str) -> Vec<Section> {
    path.split('/').filter_map(Section::of).take(10).collect()
}

/// Number of features.
pub(super) const COUNT: usize = 47;

/// Returns the features by name. Counts are logarithms, shares are from 0 to 1.
pub(super) fn of(page: &Signals, found: &Found, path: Option<&str>) -> [(&'static str, f64); COUNT] {
    let log = |count: usize| (count as f64 + 1.0).ln();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let is = |condition: bool| f64::from(u8::from(condition));
    let segments: Vec<&str> = path.unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect();
    let last = segments.last().copied().unwrap_or_default();
    const ARTICLES: [&str; 8] = [
        "newsarticle",
        "article",
        "reportagenewsarticle",
        "blogposting",
        "liveblogposting",
        "analysisnewsarticle",
        "opinionnewsarticle",
        "scholarlyarticle",
    ];
    const OTHERS: [&str; 14] = [
        "product",
        "itemlist",
        "collectionpage",
        "searchresultspage",
        "discussionforumposting",
        "qapage",
        "faqpage",
        "aboutpage",
        "contactpage",
        "offer",
        "service",
        "localbusiness",
        "softwareapplication",
        "apireference",
    ];
    let words = sections(path.unwrap_or_default());
    let has_year = segments.iter().any(|part| {
        part.len() == 4
            && (part.starts_with("20") || part.starts_with("19"))
            && part.bytes().all(|b| b.is_ascii_digit())
    });
    let numbers = last.bytes().filter(u8::is_ascii_digit).count() >= 6;
    let says_article = found.has_date
        || found.has_authors
        || page.has_type(&ARTICLES)
        || page.og_type.contains("article")
        || page.has_published_tag
        || page.has_author_tag;
    [
        ("page length", log(page.chars)),
        ("share of links in the page", share(page.linked, page.chars)),
        ("links", log(page.links)),
        ("paragraphs of the page", log(page.paragraphs)),
        ("share of running text in the page", share(page.prose, page.chars)),
        ("mean paragraph", log(page.prose / page.paragraphs.max(1))),
        ("headings", log(page.headings)),
        ("linked headings", log(page.linked_headings)),
        ("share of teasers in the running text", share(page.teaser_prose, page.prose)),
        ("list items", log(page.list_items)),
        ("form fields", log(page.fields)),
        ("passwords", is(page.passwords > 0)),
        ("buttons", log(page.buttons)),
        ("images", log(page.images)),
        ("times", log(page.times)),
        ("article elements", log(page.articles)),
        ("code", log(page.code)),
        ("prices", log(page.prices)),
        ("posts", log(page.posts)),
        ("og:type article", is(page.og_type.contains("article"))),
        ("og:type website", is(page.og_type == "website")),
        (
            "og:type of another kind",
            is(!page.og_type.is_empty() && page.og_type != "website" && !page.og_type.contains("article")),
        ),
        ("type of an article", is(page.has_type(&ARTICLES))),
        ("type of another page", is(page.has_type(&OTHERS))),
        ("publication tag", is(page.has_published_tag)),
        ("author tag", is(page.has_author_tag)),
        ("date", is(found.has_date)),
        ("authors", is(found.has_authors)),
        ("body length", log(found.prose)),
        ("share of the body in the running text", share(found.prose, page.prose.max(found.prose))),
        ("share of links in the body", share(found.linked, found.chars)),
        ("share of headings in the body", share(found.headings, found.lines)),
        ("share of list items in the body", share(found.list_items, found.lines)),
        ("words of the address", log(last.matches('-').count() + last.matches('_').count())),
        ("depth of the address", if path.is_some() { segments.len().min(6) as f64 } else { 2.0 }),
        ("home page", is(path == Some("/"))),
        ("address of an article", is(words.contains(&Section::Article) || has_year || numbers)),
        ("address of a list", is(words.contains(&Section::Listing))),
        ("address of a forum", is(words.contains(&Section::Forum))),
        ("address of a product", is(words.contains(&Section::Product))),
        ("address of a service", is(words.contains(&Section::Service))),
        ("nothing says it is an article", is(!says_article)),
        ("several posts", is(page.posts >= 3)),
        ("several prices", is(page.prices >= 4)),
        ("several linked headings", is(page.linked_headings >= 6)),
        (
            "even flow",
            is(found.paragraphs >= 4 && found.headings * 4 <= found.lines && found.prose >= found.paragraphs * 120),
        ),
        ("code without a date", if found.has_date { 0.0 } else { log(page.code) }),
    ]
}
