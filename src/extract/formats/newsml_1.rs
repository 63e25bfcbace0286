//! NewsML 1 of IPTC and its dialects.

use super::nitf;
use super::wire::{self, Item};
use super::xml::{Element, Tag, xhtml};
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Extraction, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::report::Report;
use crate::extract::wire_fields::{PubStatus, Signal, SubjectKind};

/// Extracts the articles of a document.
pub(super) fn extract(
    text: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let tree = wire::tree(text, budget)?;
    let root = tree.root().ok_or_else(super::no_element)?;
    let items: Vec<Element<'_, '_>> =
        if root.name() == "NewsItem" { vec![root] } else { root.all("NewsItem").collect() };
    if items.len() > budget.limits.max_entries {
        return Err(ExtractError::TooManyEntries { limit: budget.limits.max_entries });
    }
    wire::collect(items.into_iter().map(|item| read(item, report, budget)), hints, budget)
}

fn formal_name(element: Element<'_, '_>) -> String {
    element.attribute("FormalName")
}

fn read(item: Element<'_, '_>, report: &Report, budget: &Budget<'_>) -> (String, Result<Item, ExtractError>) {
    let mut out = Item::new("NewsML 1", report);
    let identifier = item.child("Identification").and_then(|it| it.child("NewsIdentifier"));
    if let Some(identifier) = identifier {
        read_identifier(identifier, &mut out);
    }
    let id = out.draft.external_id.clone().unwrap_or_default();
    let result = read_parts(item, &mut out, budget).map(|()| out);
    (id, result)
}

/// Sets the ID, which is the same for all revisions, and the version.
fn read_identifier(identifier: Element<'_, '_>, out: &mut Item) {
    let parts = ["ProviderId", "DateId", "NewsItemId"].map(|name| identifier.text_of(name));
    let revision = identifier.text_of("RevisionId");
    let public = identifier.text_of("PublicIdentifier");
    if parts.iter().all(|part| !part.is_empty()) {
        out.set_id(&format!("urn:newsml:{}", parts.join(":")));
    } else {
        out.set_id(public.strip_suffix(&format!(":{revision}")).unwrap_or(&public));
    }
    out.set_version(&revision);
}

fn read_parts(item: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    out.language = item.attribute("lang");
    let management = item.child("NewsManagement");
    if let Some(management) = management {
        read_management(management, out)?;
    }
    if let Some(lines) = item.descendants().find(|it| it.name() == "NewsLines" && it.child("HeadLine").is_some()) {
        read_lines(lines, out);
    }
    // A service may state its metadata for the whole item, or for each component.
    let administrative = item.find("AdministrativeMetadata");
    let party = |role: &str| {
        let party = administrative.and_then(|it| it.child(role)).and_then(|it| it.child("Party"));
        party.map(formal_name).unwrap_or_default()
    };
    out.draft.publisher = party("Provider");
    let names = [party("Source"), party("Provider")];
    if out.draft.agency.is_empty() {
        out.draft.agency = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
    }
    if let Some(rights) = item.find("RightsMetadata") {
        let copyright = rights.child("Copyright");
        out.draft.rights.holder = copyright.map(|it| it.text_of("CopyrightHolder")).unwrap_or_default();
        let terms: Vec<String> = rights.all("UsageRights").map(|it| it.text_of("UsageType")).collect();
        out.draft.wire.usage_terms = terms.join("; ");
    }
    if let Some(description) = item.find("DescriptiveMetadata") {
        read_description(description, out);
    }
    for topic in item.find("TopicSet").into_iter().flat_map(|set| set.all("Topic").collect::<Vec<_>>()) {
        read_topic(topic, out);
    }
    read_content(item, out, budget)?;
    if let Some(management) = management {
        out.set_version_time(&management.text_of("ThisRevisionCreated"));
    }
    Ok(())
}

fn read_management(management: Element<'_, '_>, out: &mut Item) -> Result<(), ExtractError> {
    let status = management.child("Status").map(formal_name).unwrap_or_default();
    out.status = wire::status("Status", &status)?;
    if let Some(change) = management.child("StatusWillChange")
        && change.child("FutureStatus").map(formal_name).is_some_and(|it| it.eq_ignore_ascii_case("usable"))
        && out.status == PubStatus::Withheld
    {
        out.set_embargo("StatusWillChange", &change.text_of("DateAndTime"))?;
    }
    out.set_published(&management.text_of("FirstCreated"));
    out.set_urgency(&management.child("Urgency").map(formal_name).unwrap_or_default());
    for instruction in management.all("Instruction").map(formal_name) {
        match instruction.to_ascii_lowercase().as_str() {
            "update" => out.add_signal(Signal::Update),
            "rectify" | "correction" => out.add_signal(Signal::Correction),
            _ => {}
        }
    }
    for (name, relation) in [("AssociatedWith", "associated"), ("DerivedFrom", "derived")] {
        for link in management.all(name) {
            out.add_link(relation, &link.attribute("NewsItem"), "");
        }
    }
    Ok(())
}

fn read_lines(lines: Element<'_, '_>, out: &mut Item) {
    out.draft.headline = lines.text_of("HeadLine");
    out.draft.subheadline = lines.text_of("SubHeadLine");
    lines.all("ByLine").for_each(|byline| out.set_byline(&byline.raw_text()));
    out.draft.dateline = wire::dateline_of(&lines.text_of("DateLine"));
    out.draft.agency = lines.text_of("CreditLine");
    out.draft.rights.notice = lines.text_of("CopyrightLine");
    out.draft.wire.slugline = lines.text_of("SlugLine");
    for keywords in lines.all("KeywordLine").map(Element::text) {
        keywords.split([',', ';']).for_each(|keyword| out.add_tag(keyword));
    }
    let note = lines.all("NewsLine").find(|line| {
        line.child("NewsLineType").map(formal_name).is_some_and(|kind| kind.to_ascii_lowercase().contains("note"))
    });
    out.draft.wire.editor_note = note.map(|note| note.text_of("NewsLineText")).unwrap_or_default();
}

fn read_description(description: Element<'_, '_>, out: &mut Item) {
    if let Some(language) = description.child("Language").map(formal_name) {
        out.language = language;
    }
    for genre in description.all("Genre").map(formal_name) {
        out.add_subject(SubjectKind::Genre, "", "", &genre);
    }
    for subject in description.all("SubjectCode").flat_map(Element::children) {
        if matches!(subject.name(), "Subject" | "SubjectMatter" | "SubjectDetail") {
            out.add_subject(SubjectKind::Topic, "subj", &formal_name(subject), "");
        }
    }
    for place in description.all("Location").flat_map(Element::children).filter(|it| it.name() == "Property") {
        if matches!(formal_name(place).as_str(), "City" | "CountryArea" | "Country") {
            let name = place.attribute("Value");
            if out.located.is_empty() {
                out.located.clone_from(&name);
            }
            out.add_subject(SubjectKind::Place, "", "", &name);
        }
    }
}

fn read_topic(topic: Element<'_, '_>, out: &mut Item) {
    let Some(code) = topic.child("FormalName") else { return };
    let scheme = code.attribute("Scheme");
    let scheme = if scheme == "IptcSubjectCodes" { "subj" } else { scheme.as_str() };
    let primary = out.language.split('-').next().unwrap_or_default().to_owned();
    let is_name = |it: &Element<'_, '_>| !it.attribute("Variant").eq_ignore_ascii_case("category");
    let descriptions = || topic.all("Description").filter(is_name);
    let own = descriptions().find(|it| !primary.is_empty() && it.attribute("lang").starts_with(&primary));
    let name = own.or_else(|| descriptions().next()).map(Element::text).unwrap_or_default();
    out.add_subject(SubjectKind::Topic, scheme, &code.text(), &name);
}

/// Reads the first content with a text, and the files of all.
fn read_content(item: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let components = || item.descendants().filter(|inner| inner.name() == "NewsComponent");
    for content in components().filter(|it| role(*it) == Role::Text).flat_map(|it| it.all("ContentItem")) {
        read_text(content, out, budget)?;
    }
    for content in components().filter(|it| role(*it) == Role::Unknown).flat_map(|it| it.all("ContentItem")) {
        read_text(content, out, budget)?;
    }
    for content in components().flat_map(|it| it.all("ContentItem")) {
        if let Some(kind) = media_kind(content) {
            out.add_media(wire::media(kind, &content.attribute("Href"), "", ""));
        }
    }
    Ok(())
}

/// Role of a component in its item.
#[derive(PartialEq, Eq)]
enum Role {
    Text,
    /// Not stated, or one of the sender's own.
    Unknown,
    /// A headline, a style sheet, contacts: no text of the article.
    Other,
}

fn role(component: Element<'_, '_>) -> Role {
    match component.child("Role").map(formal_name).unwrap_or_default().to_ascii_lowercase().as_str() {
        "main" | "body" | "main text" | "maintext" | "text" => Role::Text,
        "headline" | "stylesheet" | "contact" | "logo" | "caption" | "summary" | "abstract" => Role::Other,
        _ => Role::Unknown,
    }
}

fn media_kind(content: Element<'_, '_>) -> Option<MediaKind> {
    let stated = content.child("MediaType").or_else(|| content.child("MimeType")).map(formal_name).unwrap_or_default();
    let kind = stated.to_ascii_lowercase();
    match kind.split('/').next().unwrap_or_default() {
        "photo" | "picture" | "image" | "graphic" => Some(MediaKind::Image),
        "video" => Some(MediaKind::Video),
        "audio" => Some(MediaKind::Audio),
        _ => None,
    }
}

/// Reads a text, unless there is one already. Files in base64 are skipped.
fn read_text(content: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let encoded = content.child("Encoding");
    let is_base64 = encoded.is_some_and(|it| it.attribute("Notation").to_ascii_lowercase().contains("base64"));
    let is_style = content.child("MimeType").map(formal_name).is_some_and(|kind| kind == "text/css");
    if !out.lines.is_empty() || is_base64 || is_style || media_kind(content).is_some() {
        return Ok(());
    }
    let Some(data) = encoded.unwrap_or(content).child("DataContent") else { return Ok(()) };
    match data.children().next() {
        Some(first) if first.name() == "nitf" => nitf::read_into(first, out, budget),
        _ => out.read_element(data, tag, budget),
    }
}

/// Returns the HTML element for an element of a body, which is of XHTML or of NITF.
fn tag(name: &str) -> Tag {
    match xhtml(name) {
        Tag::Contents => nitf::tag(name),
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::draft::Extracted;

    fn item(management: &str, components: &str) -> String {
        format!(
            "<!DOCTYPE NewsML SYSTEM 'x.dtd'><NewsML><NewsEnvelope/><NewsItem xml:lang='en'><Identification>\
             <NewsIdentifier><ProviderId>northwire.example</ProviderId><DateId>20261102</DateId>\
             <NewsItemId>1</NewsItemId><RevisionId PreviousRevision='1'>2</RevisionId>\
             <PublicIdentifier>urn:newsml:northwire.example:20261102:1:2</PublicIdentifier></NewsIdentifier>\
             </Identification><NewsManagement><FirstCreated>20261102T090000+0100</FirstCreated>\
             <ThisRevisionCreated>20261102T100000+0100</ThisRevisionCreated>{management}</NewsManagement>\
             <NewsComponent><NewsLines><HeadLine>Channel to be dredged</HeadLine><ByLine>By Ida Quill</ByLine>\
             <DateLine>Port Ellery, 2 Nov 2026 (NW) -</DateLine><CopyrightLine>© 2026 NW</CopyrightLine></NewsLines>\
             {components}</NewsComponent></NewsItem></NewsML>"
        )
    }

    fn extracted(text: &str) -> Result<Extracted, ExtractError> {
        match extract(text, &Hints::default(), &Report::default(), &Budget::unattended(&Limits::default()))? {
            Extraction::Article(article) => Ok(*article),
            Extraction::Feed(_) => panic!("several items"),
        }
    }

    const BODY: &str = "<NewsComponent><Role FormalName='Headline'/><ContentItem><DataContent><p>No.</p></DataContent>\
        </ContentItem></NewsComponent><NewsComponent><Role FormalName='Main'/><ContentItem><DataContent><p>One.</p>\
        <p>Two.</p></DataContent></ContentItem></NewsComponent><NewsComponent>\
             <ContentItem Href='https://nw.example/a.jpg'>\
        <MediaType FormalName='Photo'/></ContentItem></NewsComponent>";

    #[test]
    fn an_item_gives_its_fields_and_the_main_component() {
        let draft = extracted(&item("<Status FormalName='Usable'/><Urgency FormalName='4'/>", BODY)).unwrap().draft;
        assert_eq!((draft.headline.as_str(), draft.body.as_str()), ("Channel to be dredged", "One.\n\nTwo."));
        assert_eq!(draft.external_id.as_deref(), Some("urn:newsml:northwire.example:20261102:1"));
        assert_eq!((draft.wire.version, draft.wire.urgency, draft.media.len()), (Some(2), Some(4), 1));
        assert_eq!(draft.dateline.map(|it| it.place), Some("Port Ellery".to_owned()));
        let times = (draft.publish_time.map(|it| it.time.to_string()), draft.update_time.map(|it| it.to_string()));
        assert_eq!(times, (Some("2026-11-02T08:00:00Z".into()), Some("2026-11-02T09:00:00Z".into())));
    }

    #[test]
    fn the_status_is_obeyed() {
        let change = "<StatusWillChange><FutureStatus FormalName='Usable'/><DateAndTime>20261103T060000Z</DateAndTime>\
            </StatusWillChange>";
        for (status, expected) in
            [("Canceled", "is canceled"), ("Withheld", "is withheld"), ("Embargoed", "is withheld")]
        {
            let error = extracted(&item(&format!("<Status FormalName='{status}'/>"), BODY)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let held = extracted(&item(&format!("<Status FormalName='Embargoed'/>{change}"), BODY)).unwrap();
        assert_eq!(held.draft.wire.embargo.map(|it| it.to_string()), Some("2026-11-03T06:00:00Z".into()));
    }
}
