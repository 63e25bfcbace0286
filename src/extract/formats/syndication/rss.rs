//! RSS of all versions, RDF and Atom. Fields are found by their names in any of them, since feeds mix the formats.

use url::Url;

use super::feed::{Entry, Feed, person};
use super::vocabulary::{Prefixes, Vocabulary};
use super::xml::{self, Element};
use super::{markup, media};
use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Maximum number of elements above the entries, such as notices of a script before the feed.
const MAX_OUTER: usize = 10_000;

use Vocabulary::{Content, DublinCore, FeedBurner, Media, Plain, Podcast};

/// Reads a feed.
///
/// # Errors
/// If it is beyond the limits.
pub(super) fn read(text: &str, base: Option<&Url>, budget: &Budget<'_>) -> Result<Feed, ExtractError> {
    let root = xml::read(text, budget)?;
    let mut feed = Feed { base: base.cloned(), ..Feed::default() };
    let mut prefixes = Prefixes::default();
    let mut entries = Vec::new();
    let mut outer = vec![&root];
    let mut seen = 0;
    while let Some(element) = outer.pop() {
        seen += 1;
        if seen > MAX_OUTER {
            break;
        }
        budget.step()?;
        prefixes.declare(element);
        if is_head(element) {
            head(element, &prefixes, &mut feed);
        }
        let (found, inner): (Vec<_>, Vec<_>) = element.elements().partition(|inner| xml::is_entry(inner.name));
        entries.extend(found);
        outer.extend(inner.into_iter().rev());
    }
    for element in entries {
        budget.spend(element.children.len() as u64)?;
        prefixes.declare(element);
        feed.entries.push(entry(element, &prefixes, &feed));
    }
    Ok(feed)
}

fn is_head(element: &Element<'_>) -> bool {
    ["channel", "feed", "rss"].iter().any(|name| element.local_name().eq_ignore_ascii_case(name))
}

/// Returns the base of addresses within an element.
fn base_of(element: &Element<'_>, outer: Option<&Url>) -> Option<Url> {
    let own = element.attribute("xml:base").and_then(|own| match outer {
        Some(outer) => outer.join(&own).ok(),
        None => Url::parse(&own).ok(),
    });
    own.or_else(|| outer.cloned())
}

/// Reads the fields of the feed itself.
fn head<'a>(element: &Element<'a>, prefixes: &Prefixes<'a>, feed: &mut Feed) {
    let keep = |known: &mut String, text: String| {
        if known.trim().is_empty() {
            *known = text;
        }
    };
    keep(
        &mut feed.title,
        prefixes.text(element, &[(DublinCore, "publisher"), (Plain, "title"), (DublinCore, "title")]),
    );
    keep(&mut feed.language, element.attribute("xml:lang").unwrap_or_default());
    keep(&mut feed.language, prefixes.text(element, &[(Plain, "language"), (DublinCore, "language")]));
    keep(&mut feed.rights, prefixes.text(element, &[(Plain, "copyright"), (Plain, "rights"), (DublinCore, "rights")]));
    // The site's address is the base of relative ones, unless the feed names another.
    let site = links(element, prefixes).into_iter().find_map(|address| match &feed.base {
        Some(base) => base.join(&address).ok(),
        None => Url::parse(&address).ok(),
    });
    feed.base = base_of(element, site.as_ref().or(feed.base.as_ref()));
    if feed.authors.is_empty() && element.local_name().eq_ignore_ascii_case("feed") {
        feed.authors = authors(element, prefixes);
    }
}

/// Returns the addresses of a feed or an entry, pages before other types.
fn links<'a>(element: &Element<'a>, prefixes: &Prefixes<'a>) -> Vec<String> {
    let mut pages = Vec::new();
    let mut others = Vec::new();
    for link in element.elements().filter(|inner| inner.local_name().eq_ignore_ascii_case("link")) {
        let rel = link.attribute("rel").unwrap_or_default();
        if prefixes.of(link) != Plain || !(rel.is_empty() || rel.eq_ignore_ascii_case("alternate")) {
            continue;
        }
        let address = link.attribute("href").unwrap_or_else(|| markup::of(link));
        let is_page = link.attribute("type").is_none_or(|mime| mime.contains("html"));
        let address = clean_line(&address);
        if !address.is_empty() {
            if is_page { pages.push(address) } else { others.push(address) }
        }
    }
    pages.append(&mut others);
    pages
}

/// Returns the bylines of a feed or an entry.
fn authors<'a>(element: &Element<'a>, prefixes: &Prefixes<'a>) -> Vec<String> {
    let named = |wanted: &[(Vocabulary, &str)]| -> Vec<String> {
        let found = element.elements().filter(|inner| {
            let vocabulary = prefixes.of(inner);
            wanted.iter().any(|(one, name)| *one == vocabulary && inner.local_name().eq_ignore_ascii_case(name))
        });
        // A person of Atom is an element with a name.
        let names = found.map(|author| {
            let name = author.elements().find(|inner| inner.local_name().eq_ignore_ascii_case("name"));
            person(&clean_line(&markup::of(name.unwrap_or(author)))).to_owned()
        });
        names.filter(|name| !name.is_empty()).take(20).collect()
    };
    let authors = named(&[(Plain, "author"), (DublinCore, "creator")]);
    if authors.is_empty() { named(&[(Podcast, "author")]) } else { authors }
}

fn entry<'a>(element: &Element<'a>, prefixes: &Prefixes<'a>, feed: &Feed) -> Entry {
    let base = base_of(element, feed.base.as_ref());
    let text = |wanted: &[(Vocabulary, &str)]| prefixes.text(element, wanted);
    let guid = prefixes.find(element, &[(Plain, "guid")]);
    let about = element.attribute("about").unwrap_or_default();
    let mut id =
        clean_line(&guid.map(markup::of).unwrap_or_else(|| text(&[(Plain, "id"), (DublinCore, "identifier")])));
    if id.is_empty() {
        id = clean_line(&about);
    }
    let content = prefixes.find(element, &[(Plain, "content")]);
    let source = prefixes.find(element, &[(Plain, "source")]);
    let source_title = source.and_then(|source| prefixes.find(source, &[(Plain, "title")])).or(source);
    let mut entry = Entry {
        title: text(&[(Plain, "title"), (DublinCore, "title"), (Media, "title")]),
        content: prefixes.longest(element, &[(Content, "encoded"), (Plain, "content"), (Plain, "body")]),
        summary: prefixes.longest(
            element,
            &[(Plain, "description"), (Plain, "summary"), (DublinCore, "description"), (Podcast, "summary")],
        ),
        base: content.map_or_else(|| base.clone(), |content| base_of(content, base.as_ref())),
        published: clean_line(&text(&[
            (Plain, "pubDate"),
            (Plain, "published"),
            (Plain, "issued"),
            (DublinCore, "date"),
            (DublinCore, "issued"),
            (DublinCore, "created"),
            (Plain, "created"),
        ])),
        updated: clean_line(&text(&[(Plain, "updated"), (Plain, "modified"), (DublinCore, "modified")])),
        authors: authors(element, prefixes),
        tags: tags(element, prefixes),
        media: media::of(element, prefixes, base.as_ref()),
        source: source_title.map(markup::of).unwrap_or_default(),
        rights: text(&[(Plain, "rights"), (DublinCore, "rights"), (Media, "copyright")]),
        language: element
            .attribute("xml:lang")
            .filter(|language| !language.is_empty())
            .unwrap_or_else(|| text(&[(DublinCore, "language"), (Plain, "language")])),
        is_cut: element.is_cut && element.elements().last().is_some_and(|last| last.is_cut),
        ..Entry::default()
    };
    let original = prefixes.text(element, &[(FeedBurner, "origLink")]);
    for address in std::iter::once(original).chain(links(element, prefixes)) {
        entry.link(base.as_ref(), &address);
    }
    // A GUID is the address of the page unless it says otherwise.
    if guid.is_some_and(|guid| guid.attribute("isPermaLink").is_none_or(|is| !is.eq_ignore_ascii_case("false"))) {
        entry.link(None, &id);
    }
    entry.link(base.as_ref(), &about);
    entry.id = id;
    entry
}

fn tags<'a>(element: &Element<'a>, prefixes: &Prefixes<'a>) -> Vec<String> {
    let mut tags = Vec::new();
    for tag in element.elements() {
        let name = tag.local_name();
        let vocabulary = prefixes.of(tag);
        let is_tag = (vocabulary == Plain && name.eq_ignore_ascii_case("category"))
            || (vocabulary == DublinCore && name.eq_ignore_ascii_case("subject"));
        if is_tag && tags.len() < 50 {
            let label = ["label", "term"].iter().find_map(|name| tag.attribute(name)).filter(|label| !label.is_empty());
            tags.push(label.unwrap_or_else(|| markup::of(tag)));
        }
    }
    tags
}
