//! The authors of a page, weighed from its structured data, its meta tags and the bylines that it shows.

use url::Url;

use super::agencies::agency;
use super::byline::{self, Byline, Credit};
use super::jsonld::{self, StructuredAuthor};
use super::name_form::CreditKind;
use super::page::Page;
use super::people::byline_start;
use super::visible::ShownByline;
use crate::article::{clean_line, fold, resolve_url};
use crate::extract::draft::{Author, AuthorKind};
use crate::extract::provenance;

/// Names of meta tags for authors, the most reliable first.
const TAGS: [&str; 8] =
    ["author", "authors", "byl", "byline", "parsely-author", "sailthru.author", "article:author", "article_author"];
/// Ends of the names of other such tags, without marks.
const TAG_ENDS: [&str; 9] =
    ["author", "authors", "authorname", "byline", "byl", "creator", "creatorname", "writer", "cxenseparseaut"];
/// Parts of names of tags for authors of something else.
const OTHER_TAGS: [&str; 4] = ["book", "web", "image", "twittercreator"];
/// Maximum number of agencies and of the publisher's names.
const MAX_CREDITED: usize = 20;
/// Maximum number of elements between the headline and its byline.
const NEAR: usize = 60;

/// Authors, with what their sources say besides.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) authors: Vec<Author>,
    /// Agencies, groups and the publisher, as credited.
    pub(super) credited: Vec<String>,
    /// Standard name of the agency.
    pub(super) agency: String,
    /// The byline as printed.
    pub(super) byline: String,
    /// Sources that name one of the authors.
    pub(super) sources: Vec<provenance::Source>,
}

/// Names of one source.
#[derive(Debug, Default)]
struct Source {
    persons: Vec<Author>,
    handles: Vec<Author>,
    groups: Vec<Author>,
    house: Vec<String>,
    agencies: Vec<(String, &'static str)>,
}

impl Source {
    fn is_empty(&self) -> bool {
        self.persons.is_empty()
            && self.handles.is_empty()
            && self.groups.is_empty()
            && self.house.is_empty()
            && self.agencies.is_empty()
    }

    /// Returns true if the source names one of these authors.
    fn names(&self, authors: &[Author]) -> bool {
        let named = self.persons.iter().chain(&self.handles).chain(&self.groups);
        named.into_iter().any(|one| authors.iter().any(|other| is_same(&one.name, &other.name)))
    }

    fn add(&mut self, credit: Credit, kind: AuthorKind, url: Option<String>) {
        let Credit { name, kind: credited, role } = credit;
        match credited {
            CreditKind::Agency(agency) if self.agencies.len() < MAX_CREDITED => self.agencies.push((name, agency)),
            CreditKind::House if self.house.len() < MAX_CREDITED => self.house.push(name),
            CreditKind::Agency(_) | CreditKind::House => {}
            CreditKind::Group => {
                byline::push(&mut self.groups, Author { name, kind: AuthorKind::Organization, url, role });
            }
            CreditKind::Person if kind == AuthorKind::Organization => {
                byline::push(&mut self.groups, Author { name, kind, url, role });
            }
            CreditKind::Person => byline::push(&mut self.persons, Author { name, kind, url, role }),
            CreditKind::Handle => byline::push(&mut self.handles, Author { name, kind, url, role }),
        }
    }

    fn add_all(&mut self, byline: Byline, url: Option<&String>) {
        let is_one = byline.credits.len() == 1;
        for credit in byline.credits {
            self.add(credit, AuthorKind::Unspecified, url.filter(|_| is_one).cloned());
        }
    }
}

/// Returns the authors. Persons whom the structured data or the meta tags name come first, together with those whom the
/// byline below the headline names besides; then a single name; then a group.
pub(super) fn authors(page: &Page, claims: &[StructuredAuthor], house: &[&str], base: Option<&Url>) -> Found {
    let structured = structured(claims, house, base);
    let tags = tags(page, house);
    let shown = shown(page, house, base);
    let sources = [&structured, &tags, &shown.source];
    let mut authors: Vec<Author> = Vec::new();
    // Meta tags often name the owner of the site.
    let is_other = |author: &Author| !shown.source.persons.iter().any(|other| is_same(&author.name, &other.name));
    let is_outweighed = shown.is_near && shown.is_marked && !shown.source.persons.is_empty();
    // `Jane Doe and John Roe, Ellery Times`, and the data names the newspaper alone.
    let is_group = |author: &Author| shown.source.groups.iter().any(|group| is_same(&author.name, &group.name));
    let declared = [&structured, &tags]
        .into_iter()
        .find(|source| !source.persons.is_empty())
        .filter(|source| !(is_outweighed && structured.persons.is_empty() && source.persons.iter().all(is_other)))
        .filter(|source| !(shown.is_near && !shown.source.persons.is_empty() && source.persons.iter().all(is_group)));
    match declared {
        Some(declared) => {
            // The page prints more names than its data has.
            let is_named =
                |author: &Author, names: &[Author]| names.iter().any(|other| is_same(&author.name, &other.name));
            let is_more = shown.source.persons.len() > declared.persons.len()
                && shown.is_near
                && declared.persons.iter().all(|author| is_named(author, &shown.source.persons));
            authors.extend(declared.persons.iter().cloned());
            if is_more {
                let more = shown.source.persons.iter().filter(|author| !is_named(author, &declared.persons));
                more.cloned().for_each(|author| byline::push(&mut authors, author));
            }
        }
        // Below the headline, a name outweighs a group or a handle of the data; elsewhere it may be of somebody else.
        None if shown.is_near || [&structured, &tags].iter().all(|source| source.is_empty()) => {
            authors.extend(shown.source.persons.iter().cloned());
        }
        None => {}
    }
    let first = |list: fn(&Source) -> &Vec<Author>| {
        sources.into_iter().map(list).find(|list| !list.is_empty()).cloned().unwrap_or_default()
    };
    if authors.is_empty() {
        authors = first(|source| &source.handles);
    }
    if authors.is_empty() {
        authors = first(|source| &source.groups);
        // `Staff`, of the publisher that is named too.
        if sources.iter().any(|source| !source.house.is_empty()) {
            authors.retain(|author| author.name.contains(' ') || !author.name.is_ascii());
        }
    } else {
        let named = structured.groups.iter().filter(|group| group.name.contains(' '));
        named.cloned().for_each(|group| byline::push(&mut authors, group));
    }
    let mut credited: Vec<String> = Vec::new();
    let mut agency = "";
    for (name, standard) in sources.iter().flat_map(|source| &source.agencies) {
        if credited.is_empty() {
            agency = *standard;
        }
        if !credited.iter().any(|known| self::agency(known) == Some(*standard)) {
            credited.push(name.clone());
        }
    }
    if authors.is_empty() {
        credited.extend(sources.iter().flat_map(|source| &source.house).next().cloned());
    }
    let byline = if shown.text.is_empty() { page.tag(&TAGS) } else { shown.text };
    let byline = if byline.contains("://") { String::new() } else { clean_line(&byline) };
    let names = [provenance::Source::StructuredData, provenance::Source::MetaTag, provenance::Source::PageText];
    let agreeing = sources.iter().zip(names).filter(|(source, _)| source.names(&authors));
    Found {
        sources: agreeing.map(|(_, name)| name).collect(),
        authors,
        credited,
        agency: agency.to_owned(),
        byline: byline.chars().take(byline::MAX_CHARS).collect(),
    }
}

fn structured(claims: &[StructuredAuthor], house: &[&str], base: Option<&Url>) -> Source {
    let mut source = Source::default();
    for claim in claims {
        let kind = match claim.kind {
            jsonld::AuthorKind::Unknown => AuthorKind::Unspecified,
            jsonld::AuthorKind::Person => AuthorKind::Person,
            jsonld::AuthorKind::Organization => AuthorKind::Organization,
        };
        // `Doe, Jane`
        let is_word = |text: &str| !text.trim().is_empty() && !text.trim().contains([' ', ',']);
        let inverted = claim.name.split_once(',').filter(|(last, first)| is_word(last) && is_word(first));
        let name = inverted.map(|(last, first)| format!("{} {}", first.trim(), last.trim()));
        let read = byline::parse(name.as_deref().unwrap_or(&claim.name), house);
        let is_one = read.credits.len() == 1;
        // The name of an organization is not a list: `Institute for Boat Science`.
        if kind == AuthorKind::Organization && read.credits.iter().all(|it| !is_outside(it.kind)) {
            let name = clean_line(&claim.name);
            if !name.is_empty() && name.chars().count() <= 100 && !shares_word(&name, house) {
                source.groups.push(Author { name, kind, url: resolve_url(base, &claim.url), role: String::new() });
            } else if !name.is_empty() {
                source.house.push(name);
            }
            continue;
        }
        for credit in read.credits {
            let url = Some(&claim.url).filter(|url| is_one && !url.is_empty()).and_then(|url| resolve_url(base, url));
            source.add(credit, kind, url);
        }
    }
    source
}

/// Returns true for agencies and the publisher, which are no authors.
fn is_outside(kind: CreditKind) -> bool {
    matches!(kind, CreditKind::Agency(_) | CreditKind::House)
}

/// Returns true if a name has a long word of the publisher's: an organization of the same house.
fn shares_word(name: &str, house: &[&str]) -> bool {
    let words = |text: &str| -> Vec<String> {
        fold(text)
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 4)
            .map(str::to_owned)
            .collect()
    };
    let name = words(name);
    house.iter().any(|house| words(house).iter().any(|word| name.contains(word)))
}

fn tags(page: &Page, house: &[&str]) -> Source {
    let mut source = Source::default();
    let mut names: Vec<&str> = TAGS.to_vec();
    for (name, _) in &page.tags {
        if !names.contains(&name.as_str()) && is_author_tag(name) {
            names.push(name);
        }
    }
    for tag in names {
        for (_, text) in page.tags.iter().filter(|(name, _)| name == tag) {
            // `Doe, Jane`
            let is_word = |text: &str| !text.trim().is_empty() && !text.trim().contains([' ', ',']);
            let inverted = text
                .split_once(',')
                .filter(|(last, first)| tag == "citation_author" || is_word(last) && is_word(first));
            let text = inverted.map_or_else(|| text.clone(), |(last, first)| format!("{} {last}", first.trim()));
            source.add_all(byline::parse(&text, house), None);
        }
        if !source.persons.is_empty() {
            return source;
        }
    }
    // `twitter:label1` is `Written by`, `twitter:data1` the name.
    for number in ["1", "2"] {
        let label = page.tag(&[&format!("twitter:label{number}")]);
        if byline_start(&fold(&label)).is_some() {
            source.add_all(byline::parse(&page.tag(&[&format!("twitter:data{number}")]), house), None);
        }
    }
    source
}

/// Returns true for the name of a meta tag for an author, which sites invent: `dc.creator`, `news:author_name`.
fn is_author_tag(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let is_person = plain == "twittercreatorname" || !OTHER_TAGS.iter().any(|other| plain.contains(other));
    is_person && (plain == "twittercreatorname" || TAG_ENDS.iter().any(|end| plain.ends_with(end)))
}

/// The byline that a page shows.
#[derive(Default)]
struct Shown {
    source: Source,
    text: String,
    /// True below the headline.
    is_near: bool,
    /// True if it begins with words like `By`.
    is_marked: bool,
}

fn shown(page: &Page, house: &[&str], base: Option<&Url>) -> Shown {
    let read: Vec<(&ShownByline, Byline)> =
        page.visible.bylines.iter().map(|shown| (shown, byline::parse(&shown.text, house))).collect();
    let weigh = |(shown, read): &(&ShownByline, Byline)| -> i32 {
        let is_near = shown.distance.is_some_and(|distance| distance <= NEAR) && !shown.is_behind_text;
        let has_person = read.persons().next().is_some();
        let is_marked = i32::from(read.is_marked);
        i32::from(shown.weight) * 2 + is_marked * 2 + i32::from(is_near) * 4 + i32::from(has_person) * 6
            - i32::from(read.unread > 0) * 3
            - i32::from(shown.distance.is_none()) * 2
    };
    let is_possible = |(shown, read): &&(&ShownByline, Byline)| {
        let is_handle_only = read.credits.iter().all(|credit| credit.kind == CreditKind::Handle);
        let is_near = shown.distance.is_some_and(|distance| distance <= NEAR) && !shown.is_behind_text;
        // A single word is a name only where markup says so.
        !read.credits.is_empty()
            && (!is_handle_only || read.unread == 0 && (shown.weight > 2 || is_near && read.is_marked))
    };
    let mut best: Option<(i32, &(&ShownByline, Byline))> = None;
    for candidate in read.iter().filter(is_possible) {
        let weight = weigh(candidate);
        if best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, candidate));
        }
    }
    let Some((_, (chosen, byline))) = best else { return Shown::default() };
    let link = |shown: &ShownByline| shown.link.as_deref().and_then(|link| resolve_url(base, link));
    let mut found = Shown {
        text: clean_line(&chosen.text.replace('\n', " ")),
        is_near: chosen.distance.is_some_and(|distance| distance <= NEAR) && !chosen.is_behind_text,
        is_marked: byline.is_marked,
        source: Source::default(),
    };
    found.source.add_all(byline.clone(), link(chosen).as_ref());
    // Each author may have an element of the same kind.
    let same = read.iter().filter(|(shown, read)| {
        shown.signature == chosen.signature
            && shown.is_behind_text == chosen.is_behind_text
            && shown.distance.zip(chosen.distance).is_some_and(|(one, other)| one.abs_diff(other) <= 12)
            && read.unread == 0
    });
    for (shown, read) in same {
        found.source.add_all(read.clone(), link(shown).as_ref());
    }
    found
}

/// Returns true if two names are of one person: the same words, or the last word and an initial.
fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (fold(one), fold(other));
    let last = |name: &str| name.rsplit(' ').next().unwrap_or_default().to_owned();
    one == other || last(&one) == last(&other)
}
