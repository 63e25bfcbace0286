//! NewsML-G2 of IPTC: news items, alone or in a news message, with packages as links between them.

use std::collections::HashMap;

use super::nitf;
use super::wire::{self, Item};
use super::xml::{Element, Tag, xhtml};
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::report::Report;
use crate::extract::wire_fields::{ItemLink, PubStatus, Signal, SubjectKind};

/// Root elements of the format.
pub(super) const ROOTS: [&str; 11] = [
    "newsItem",
    "packageItem",
    "newsMessage",
    "conceptItem",
    "knowledgeItem",
    "planningItem",
    "catalogItem",
    "contentSet",
    "contentMeta",
    "itemSet",
    "groupSet",
];

/// Extracts the articles of a document.
pub(super) fn extract(
    text: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let tree = wire::tree(text, budget)?;
    let root = tree.root().ok_or_else(super::no_element)?;
    let items: Vec<Element<'_, '_>> = match root.name() {
        "newsMessage" => root.all("itemSet").flat_map(Element::children).collect(),
        "itemSet" => root.children().collect(),
        _ => vec![root],
    };
    if items.len() > budget.limits.max_entries {
        return Err(ExtractError::TooManyEntries { limit: budget.limits.max_entries });
    }
    let packages = Packages::read(items.iter().copied().filter(|item| item.name() == "packageItem"));
    // A package has no text. In a message it links the items; alone, it is refused.
    let with_text =
        items.iter().filter(|item| item.name() != "packageItem" || status_of(**item).is_ok_and(is_taken_back));
    let mut with_text = with_text.peekable();
    if with_text.peek().is_none() && !items.is_empty() {
        return Err(ExtractError::NotAStory { kind: "a packageItem of NewsML-G2".to_owned() });
    }
    wire::collect(with_text.map(|item| (item.attribute("guid"), read(*item, &packages, report, budget))), hints, budget)
}

fn is_taken_back(status: PubStatus) -> bool {
    status == PubStatus::Canceled
}

fn status_of(item: Element<'_, '_>) -> Result<PubStatus, ExtractError> {
    let status = item.child("itemMeta").and_then(|meta| meta.child("pubStatus"));
    wire::status("pubStatus", &status.map(code).unwrap_or_default())
}

/// Returns the code of a property: its `qcode`, its last part of a `uri`, or its `literal`.
fn code(property: Element<'_, '_>) -> String {
    ["qcode", "literal", "uri"]
        .into_iter()
        .map(|name| property.attribute(name))
        .find(|code| !code.is_empty())
        .unwrap_or_default()
}

/// Returns the name of a property, in the language of the item if it has several.
fn name(property: Element<'_, '_>, language: &str) -> String {
    let primary = language.split('-').next().unwrap_or_default();
    let names = || property.all("name");
    let own = names().find(|name| !primary.is_empty() && name.attribute("lang").starts_with(primary));
    own.or_else(|| names().next()).map(Element::text).unwrap_or_default()
}

/// Returns the name of a property, or its literal.
fn label(property: Element<'_, '_>, language: &str) -> String {
    let name = name(property, language);
    if name.is_empty() { property.attribute("literal") } else { name }
}

/// Returns the text of the first of several properties, in the language of the item if they are in several.
fn text_in(parent: Option<Element<'_, '_>>, property: &str, language: &str) -> String {
    let primary = language.split('-').next().unwrap_or_default();
    let Some(parent) = parent else { return String::new() };
    let own = parent.all(property).find(|it| !primary.is_empty() && it.attribute("lang").starts_with(primary));
    own.or_else(|| parent.child(property)).map(Element::paragraphs).unwrap_or_default()
}

/// Packages of a message: the items that each one contains.
struct Packages {
    links: HashMap<String, Vec<ItemLink>>,
}

impl Packages {
    /// Reads packages. References are not followed, so packages may contain each other.
    fn read<'t, 'a: 't>(packages: impl Iterator<Item = Element<'t, 'a>>) -> Self {
        let mut links = HashMap::<String, Vec<ItemLink>>::new();
        for package in packages {
            let id = package.attribute("guid");
            let title = package.child("contentMeta").map(|meta| meta.text_of("headline")).unwrap_or_default();
            for reference in package.descendants().filter(|inner| inner.name() == "itemRef") {
                let member = reference.attribute("residref");
                let own = member == id;
                wire::push_link(links.entry(member).or_default(), own, "package", &id, &title);
            }
        }
        Self { links }
    }
}

fn read(
    item: Element<'_, '_>,
    packages: &Packages,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Item, ExtractError> {
    let mut out = Item::new("NewsML-G2", report);
    let id = item.attribute("guid");
    out.set_id(&id);
    out.set_version(&item.attribute("version"));
    let (item_meta, content_meta) = (item.child("itemMeta"), item.child("contentMeta"));
    out.status = status_of(item)?;
    if !matches!(item.name(), "newsItem") {
        out.not_a_story = Some(format!("a {} of NewsML-G2", item.name()));
    }
    let tag = content_meta.and_then(|meta| meta.child("language")).map(|it| it.attribute("tag")).unwrap_or_default();
    out.language = if tag.is_empty() { item.attribute("lang") } else { tag };
    if let Some(meta) = item_meta {
        read_item_meta(meta, &mut out)?;
    }
    if let Some(meta) = content_meta {
        read_content_meta(meta, &mut out);
    }
    read_rights(item, &mut out);
    if let Some(meta) = item_meta {
        out.set_version_time(&meta.text_of("versionCreated"));
    }
    for link in packages.links.get(&id).into_iter().flatten() {
        out.add_link(&link.relation, &link.external_id, &link.title);
    }
    if let Some(content) = item.child("contentSet") {
        read_content(content, &mut out, budget)?;
    }
    Ok(out)
}

fn read_item_meta(meta: Element<'_, '_>, out: &mut Item) -> Result<(), ExtractError> {
    let class = meta.child("itemClass").map(code).unwrap_or_default();
    let class = class.rsplit([':', '/']).next().unwrap_or_default();
    if matches!(class, "picture" | "photo" | "graphic" | "video" | "audio" | "animation") {
        out.not_a_story = Some(format!("an item of class {class} in NewsML-G2"));
    }
    if let Some(embargo) = meta.child("embargoed") {
        let time = embargo.text();
        // Without a time, the embargo holds until a version without it.
        match time.is_empty() {
            true if out.status == PubStatus::Usable => out.status = PubStatus::Withheld,
            true => {}
            false => out.set_embargo("embargoed", &time)?,
        }
    }
    out.set_published(&meta.text_of("firstCreated"));
    let provider = meta.child("provider").map(|it| label(it, &out.language)).unwrap_or_default();
    out.draft.publisher = provider;
    out.draft.wire.editor_note = meta.all("edNote").map(Element::paragraphs).collect::<Vec<_>>().join("\n\n");
    for signal in meta.all("signal").map(code) {
        match signal.rsplit([':', '/']).next().unwrap_or_default() {
            "correction" => out.add_signal(Signal::Correction),
            "update" => out.add_signal(Signal::Update),
            _ => {}
        }
    }
    for link in meta.all("link") {
        let target = ["residref", "guidref"].map(|name| link.attribute(name)).into_iter().find(|id| !id.is_empty());
        let title = link.find("headline").or_else(|| link.child("title")).map(Element::text).unwrap_or_default();
        out.add_link(&link.attribute("rel"), &target.unwrap_or_default(), &title);
    }
    Ok(())
}

fn read_content_meta(meta: Element<'_, '_>, out: &mut Item) {
    let language = out.language.clone();
    out.set_published(&meta.text_of("contentCreated"));
    out.set_urgency(&meta.text_of("urgency"));
    out.draft.wire.slugline = meta.text_of("slugline");
    for headline in meta.all("headline") {
        let role = headline.attribute("role").to_ascii_lowercase();
        let is_sub = role.contains("sub");
        let field = if is_sub { &mut out.draft.subheadline } else { &mut out.draft.headline };
        if field.is_empty() {
            *field = headline.text();
        }
    }
    let summary = meta.all("description").find(|it| it.attribute("role").ends_with("summary"));
    if out.draft.subheadline.is_empty() {
        out.draft.subheadline = summary.map(Element::text).unwrap_or_default();
    }
    out.draft.dateline = wire::dateline_of(&meta.text_of("dateline"));
    out.located = meta.child("located").map(|it| label(it, &language)).unwrap_or_default();
    meta.all("by").for_each(|by| out.set_byline(&by.raw_text()));
    if out.draft.byline.is_empty() {
        out.set_creators(meta.all("creator").map(|it| name(it, &language)));
    }
    let sources = meta.all("infoSource").map(|it| label(it, &language)).find(|it| !it.is_empty());
    let credit = meta.text_of("creditline").trim_end_matches(['-', '–', '—', ' ']).to_owned();
    out.draft.agency = [sources.unwrap_or_default(), credit, out.draft.publisher.clone()]
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    meta.all("keyword").for_each(|keyword| out.add_tag(&keyword.text()));
    for genre in meta.all("genre") {
        add_subject(genre, SubjectKind::Genre, &language, out);
    }
    for subject in meta.all("subject") {
        let kind = match subject.attribute("type").rsplit([':', '/']).next().unwrap_or_default() {
            "person" => SubjectKind::Person,
            "organisation" | "organization" => SubjectKind::Organization,
            "geoArea" | "poi" | "city" | "country" => SubjectKind::Place,
            "event" => SubjectKind::Event,
            _ => SubjectKind::Topic,
        };
        add_subject(subject, kind, &language, out);
    }
}

fn add_subject(subject: Element<'_, '_>, kind: SubjectKind, language: &str, out: &mut Item) {
    let (qcode, uri) = (subject.attribute("qcode"), subject.attribute("uri"));
    let (scheme, code) = match (qcode.split_once(':'), uri.rfind('/')) {
        (Some((scheme, code)), _) => (scheme, code),
        (None, Some(slash)) => uri.split_at(slash + 1),
        (None, None) => ("", qcode.as_str()),
    };
    out.add_subject(kind, scheme, code, &label(subject, language));
}

fn read_rights(item: Element<'_, '_>, out: &mut Item) {
    let rights = item.child("rightsInfo");
    let language = out.language.clone();
    out.draft.rights.notice = text_in(rights, "copyrightNotice", &language);
    out.draft.wire.usage_terms = text_in(rights, "usageTerms", &language);
    let holder = rights.and_then(|rights| rights.child("copyrightHolder"));
    out.draft.rights.holder = holder.map(|it| label(it, &language)).unwrap_or_default();
}

/// Reads the text, and the files.
fn read_content(content: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let mut other = None;
    for inline in content.all("inlineXML").chain(content.all("inlineData")) {
        if !out.lines.is_empty() {
            break;
        }
        let kind = inline.attribute("contenttype").to_ascii_lowercase();
        let is_media = ["image/", "video/", "audio/"].iter().any(|prefix| kind.starts_with(prefix));
        if is_media || !inline.attribute("encoding").is_empty() {
            continue;
        }
        if inline.name() == "inlineData" {
            out.read_text(&inline.raw_text(), budget)?;
            continue;
        }
        let Some(first) = inline.children().next() else {
            out.read_text(&inline.raw_text(), budget)?;
            continue;
        };
        match first.name() {
            "nitf" => nitf::read_into(first, out, budget)?,
            "html" => out.read_element(first, xhtml, budget)?,
            name if xhtml(name) != Tag::Contents => out.read_element(inline, xhtml, budget)?,
            name => other = Some(format!("an item of NewsML-G2 with <{name}> as its contents")),
        }
    }
    for remote in content.all("remoteContent") {
        let kind = match remote.attribute("contenttype").split('/').next().unwrap_or_default() {
            "image" => MediaKind::Image,
            "video" => MediaKind::Video,
            "audio" => MediaKind::Audio,
            _ => continue,
        };
        let size = |name| remote.attribute(name).parse().ok();
        let file = wire::media(kind, &remote.attribute("href"), "", "");
        out.add_media(Media { width: size("width"), height: size("height"), ..file });
    }
    if out.lines.is_empty() {
        out.not_a_story = out.not_a_story.take().or(other);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
