//! NITF 3 of IPTC and its dialects.

use super::wire::{self, Item};
use super::xml::{Element, Tag, xhtml};
use crate::article::{clean_line, fold};
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Dateline, Extraction, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::report::Report;
use crate::extract::stated_time::Precision;
use crate::extract::wire_fields::{PubStatus, Signal, SubjectKind};

/// Extracts the article of a document.
pub(super) fn extract(
    text: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    let tree = wire::tree(text, budget)?;
    let root = tree.root().ok_or_else(super::no_element)?;
    let mut item = Item::new("NITF", report);
    read_into(root, &mut item, budget)?;
    item.finish(hints, budget).map(|extracted| Extraction::Article(Box::new(extracted)))
}

/// Reads a document into an item. Fields that the item has already are kept: inside of another format, that one's
/// metadata come first.
pub(super) fn read_into(nitf: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    if out.language.is_empty() {
        out.language = ["lang", "baselang"]
            .map(|name| nitf.attribute(name))
            .into_iter()
            .find(|it| !it.is_empty())
            .unwrap_or_default();
    }
    let head = nitf.child("head");
    if let Some(head) = head {
        read_head(head, out)?;
    }
    let Some(body) = nitf.child("body") else { return Ok(()) };
    if let Some(head) = body.child("body.head") {
        read_body_head(head, out);
    }
    if out.draft.headline.is_empty() {
        out.draft.headline = head.map(|head| head.text_of("title")).unwrap_or_default();
    }
    let Some(content) = body.child("body.content") else { return Ok(()) };
    for media in content.descendants().filter(|inner| inner.name() == "media") {
        add_media(media, out, budget)?;
    }
    out.read_element(content, tag, budget)
}

fn read_head(head: Element<'_, '_>, out: &mut Item) -> Result<(), ExtractError> {
    for object in head.all("tobject") {
        for subject in object.all("tobject.subject") {
            let name = ["detail", "matter", "type"]
                .map(|level| subject.attribute(&format!("tobject.subject.{level}")))
                .into_iter()
                .find(|name| !name.is_empty());
            let scheme = subject.attribute("tobject.subject.ipr");
            let scheme = if scheme.is_empty() || scheme == "IPTC" { "subj" } else { scheme.as_str() };
            let code = subject.attribute("tobject.subject.refnum");
            out.add_subject(SubjectKind::Topic, scheme, &code, &name.unwrap_or_default());
        }
        for property in object.all("tobject.property") {
            out.add_subject(SubjectKind::Genre, "", "", &property.attribute("tobject.property.type"));
        }
    }
    let Some(data) = head.child("docdata") else { return Ok(()) };
    let attribute = |element: &str, name: &str| data.child(element).map(|it| it.attribute(name)).unwrap_or_default();
    let status = wire::status("management-status", &data.attribute("management-status"))?;
    // Inside of another format, the stricter status holds.
    if out.status == PubStatus::Usable {
        out.status = status;
    }
    if out.draft.external_id.is_none() {
        out.set_id(&attribute("doc-id", "id-string"));
    }
    if out.draft.wire.version.is_none() {
        out.set_version(attribute("du-key", "version").trim_start_matches('0'));
    }
    out.set_urgency(&attribute("urgency", "ed-urg"));
    let publication =
        head.child("pubdata").or_else(|| data.child("pubdata")).map(|it| it.attribute("date.publication"));
    let issued = attribute("date.issue", "norm");
    out.set_published(if issued.is_empty() { publication.as_deref().unwrap_or_default() } else { &issued });
    if out.draft.update_time.is_none() {
        let revised = head.all("revision-history").map(|it| it.attribute("norm"));
        out.set_version_time(&revised.max_by_key(|norm| wire::parse_time(norm).map(|it| it.time)).unwrap_or_default());
    }
    read_release(&attribute("date.release", "norm"), out)?;
    let note = [attribute("ed-msg", "info"), data.text_of("ed-msg")];
    if out.draft.wire.editor_note.is_empty() {
        out.draft.wire.editor_note = note.into_iter().find(|note| !note.is_empty()).unwrap_or_default();
    }
    if let Some(correction) = data.child("correction") {
        out.add_signal(Signal::Correction);
        let id = correction.attribute("id-string");
        out.add_link("correction", &id, &correction.attribute("info"));
    }
    let (holder, year) = (attribute("doc.copyright", "holder"), attribute("doc.copyright", "year"));
    if out.draft.rights.notice.is_empty() && !holder.is_empty() {
        out.draft.rights.notice = clean_line(&format!("© {year} {holder}"));
        out.draft.rights.holder = holder;
    }
    out.draft.wire.usage_terms = attribute("doc.rights", "type");
    for keyword in data.all("key-list").flat_map(|list| list.all("keyword")) {
        out.add_tag(&keyword.attribute("key"));
    }
    for entity in data.all("identified-content").flat_map(Element::children) {
        let kind = match entity.name() {
            "person" => SubjectKind::Person,
            "org" => SubjectKind::Organization,
            "location" => SubjectKind::Place,
            "event" => SubjectKind::Event,
            _ => SubjectKind::Topic,
        };
        out.add_subject(kind, "", "", &entity.text());
    }
    let slug = [attribute("fixture", "fix-id"), attribute("du-key", "key")];
    if out.draft.wire.slugline.is_empty() {
        out.draft.wire.slugline = slug.into_iter().find(|slug| !slug.is_empty()).unwrap_or_default();
    }
    Ok(())
}

/// Reads the time of release. It ends an embargo if the item is withheld, or if it is later than the issue.
fn read_release(release: &str, out: &mut Item) -> Result<(), ExtractError> {
    if release.is_empty() {
        return Ok(());
    }
    if out.status == PubStatus::Withheld {
        return out.set_embargo("date.release", release);
    }
    let Some(stated) = wire::parse_time(release) else {
        return out.set_embargo("date.release", release);
    };
    let is_later = out.draft.publish_time.is_some_and(|issued| stated.time > issued.time);
    if is_later && matches!(stated.precision, Precision::Second(_)) {
        out.draft.wire.embargo = Some(stated.time);
    }
    Ok(())
}

fn read_body_head(head: Element<'_, '_>, out: &mut Item) {
    let headlines = head.child("hedline");
    let headline = |name: &str| headlines.map(|it| it.text_of(name)).unwrap_or_default();
    if out.draft.headline.is_empty() {
        out.draft.headline = headline("hl1");
    }
    let second = headline("hl2");
    if out.draft.subheadline.is_empty() && fold(&second) != fold(&out.draft.headline) {
        out.draft.subheadline = second;
    }
    if out.draft.subheadline.is_empty() {
        out.draft.subheadline = head.text_of("abstract");
    }
    for note in head.all("note") {
        if out.draft.wire.editor_note.is_empty() {
            out.draft.wire.editor_note = note.paragraphs();
        }
    }
    for printed in head.all("byline") {
        read_byline(printed, out);
    }
    if let Some(dateline) = head.child("dateline")
        && out.draft.dateline.is_none()
    {
        let place = dateline.text_of("location");
        let time = dateline.child("story.date").map(Element::text).unwrap_or_default();
        let text = dateline.text();
        let text = text.strip_suffix(time.as_str()).filter(|_| place.is_empty()).unwrap_or(&text).trim().to_owned();
        out.draft.dateline = match place.is_empty() {
            true => wire::dateline_of(&text),
            false => Some(Dateline { place, text }),
        };
    }
    let distributor = head.text_of("distributor");
    if out.draft.agency.is_empty() {
        out.draft.agency = distributor;
    }
    if let Some(rights) = head.child("rights") {
        let owner = rights.text_of("rights.owner");
        if out.draft.rights.holder.is_empty() {
            out.draft.rights.holder = owner;
        }
        if out.draft.rights.notice.is_empty() {
            out.draft.rights.notice = rights.text();
        }
    }
}

/// Reads a byline: its persons if they are marked, else its text without the job title.
fn read_byline(printed: Element<'_, '_>, out: &mut Item) {
    let title = printed.text_of("byttl");
    let text = printed.text();
    let name = text.strip_suffix(title.as_str()).unwrap_or(&text).trim_end_matches([',', ' ']);
    // Initials of editors (`gr/bp`) are no byline.
    let has_name = name.split([' ', '/']).any(|word| word.chars().count() > 3);
    if has_name && out.draft.byline.is_empty() {
        let separator = if title.is_empty() { "" } else { ", " };
        out.set_byline(&format!("{name}{separator}{title}"));
        let people = printed.all("person").map(Element::text);
        let people: Vec<String> = people.filter(|person| !person.is_empty()).collect();
        let names = if people.is_empty() { name.to_owned() } else { people.join(", ") };
        byline::split(&names, &[]).into_iter().for_each(|name| byline::push(&mut out.draft.authors, name));
    }
}

/// Adds the file of a media element. Its contents in base64 are skipped.
fn add_media(media: Element<'_, '_>, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let kind = match media.attribute("media-type").as_str() {
        "video" => MediaKind::Video,
        "audio" => MediaKind::Audio,
        "image" | "photo" | "graphic" => MediaKind::Image,
        _ => return Ok(()),
    };
    let caption = media.child("media-caption").map(Element::text).unwrap_or_default();
    let credit = media.child("media-producer").map(Element::text).unwrap_or_default();
    // Media within captions: each caption is read again.
    budget.read(caption.len() + credit.len())?;
    for reference in media.all("media-reference") {
        let size = |name| reference.attribute(name).parse().ok();
        let source = ["source", "data-location"].map(|name| reference.attribute(name));
        let source = source.into_iter().find(|it| !it.is_empty()).unwrap_or_default();
        let file = wire::media(kind, &source, &caption, &credit);
        out.add_media(Media { width: size("width"), height: size("height"), ..file });
    }
    Ok(())
}

/// Returns the HTML element for an element of NITF.
pub(super) fn tag(name: &str) -> Tag {
    match name {
        "hl1" => Tag::Element("h1"),
        "hl2" | "hedline" => Tag::Element("h2"),
        "bq" | "block.quote" => Tag::Element("blockquote"),
        "block" | "datasource" | "credit" => Tag::Element("div"),
        "fn" | "note" | "media" | "body.end" | "tagline" | "nitf-table-metadata" => Tag::Skip,
        "nitf-table" => Tag::Contents,
        other => xhtml(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::draft::Extracted;

    fn item(status: &str, data: &str, content: &str) -> String {
        format!(
            "<?xml version='1.0'?><!DOCTYPE nitf SYSTEM 'nitf-3-4.dtd'><nitf><head><title>Harbour</title>\
             <tobject><tobject.subject tobject.subject.refnum='04000000'/></tobject>\
             <docdata management-status='{status}'><doc-id id-string='NW-1'/><urgency ed-urg='4'/>\
             <date.issue norm='20261102T090000+0100'/><doc.copyright year='2026' holder='Northwire'/>{data}\
             <key-list><keyword key='harbour'/></key-list></docdata></head><body><body.head><hedline>\
             <hl1>Channel to be dredged</hl1><hl2>Two ferries aground</hl2></hedline>\
             <byline>By <person>Ida Quill</person><byttl>Staff Writer</byttl></byline>\
             <distributor>Northwire</distributor><dateline><location>PORT ELLERY</location></dateline></body.head>\
             <body.content>{content}</body.content><body.end><tagline>iq/th</tagline></body.end></body></nitf>"
        )
    }

    fn extracted(text: &str) -> Result<Extracted, ExtractError> {
        match extract(text, &Hints::default(), &Report::default(), &Budget::unattended(&Limits::default()))? {
            Extraction::Article(article) => Ok(*article),
            Extraction::Feed(_) => panic!("several items"),
        }
    }

    #[test]
    fn a_document_gives_its_fields() {
        let content = "<block><p>One <person>Hale</person>.</p><hl2>Costs</hl2><table><tr><td>Ferry</td>\
             <td>6 h</td></tr>\
            <tr><td>Dredger</td><td>4 h</td></tr></table></block><media media-type='image'>\
            <media-reference source='https://northwire.example/a.jpg' width='800'/>\
            <media-object encoding='base64'>QUJD</media-object><media-caption>A ferry</media-caption></media>";
        let draft = extracted(&item("usable", "<ed-msg info='Adds costs'/>", content)).unwrap().draft;
        assert_eq!(
            (draft.headline.as_str(), draft.subheadline.as_str()),
            ("Channel to be dredged", "Two ferries aground")
        );
        assert_eq!(draft.body, "One Hale.\n\nCosts\n\nFerry | 6 h\nDredger | 4 h");
        assert_eq!((draft.byline.as_str(), draft.authors), ("By Ida Quill, Staff Writer", vec!["Ida Quill".into()]));
        assert_eq!((draft.agency.as_str(), draft.rights.notice.as_str()), ("Northwire", "© 2026 Northwire"));
        assert_eq!((draft.external_id.as_deref(), draft.tags), (Some("NW-1"), vec!["harbour".to_owned()]));
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T08:00:00Z".into()));
        assert_eq!((draft.update_time, draft.dateline.map(|it| it.place)), (None, Some("PORT ELLERY".to_owned())));
        let media: Vec<(&str, Option<u32>)> = draft.media.iter().map(|it| (it.caption.as_str(), it.width)).collect();
        assert_eq!((media, draft.wire.editor_note.as_str()), (vec![("A ferry", Some(800))], "Adds costs"));
    }

    #[test]
    fn the_latest_revision_is_the_time_of_the_version() {
        let history = ["20261102T110000+0100", "20261102T103000Z", "soon"];
        let history: String = history.iter().map(|norm| format!("<revision-history norm='{norm}'/>")).collect();
        let text = item("usable", "", "<p>One.</p>").replace("<docdata", &format!("{history}<docdata"));
        let draft = extracted(&text).unwrap().draft;
        assert_eq!(draft.update_time.map(|time| time.to_string()), Some("2026-11-02T10:30:00Z".into()));
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T08:00:00Z".into()));
    }

    #[test]
    fn the_status_is_obeyed() {
        let release = |norm: &str| format!("<date.release norm='{norm}'/>");
        for (status, data, expected) in [
            ("canceled", String::new(), "item \"NW-1\" is canceled"),
            ("withheld", String::new(), "item \"NW-1\" is withheld"),
            ("embargoed", release("tomorrow"), "date.release must be a date and time with its zone"),
            ("usable", release("YYYYMMDD"), "date.release must be a date and time with its zone"),
        ] {
            let error = extracted(&item(status, &data, "<p>One.</p>")).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for (status, time, embargo) in [
            ("embargoed", "20261103T060000Z", Some("2026-11-03T06:00:00Z".to_owned())),
            ("usable", "20261103T060000Z", Some("2026-11-03T06:00:00Z".to_owned())),
            ("usable", "20261102T090000+0100", None),
        ] {
            let draft = extracted(&item(status, &release(time), "<p>One.</p>")).unwrap().draft;
            assert_eq!(draft.wire.embargo.map(|it| it.to_string()), embargo, "{status} {time}");
        }
    }

    #[test]
    fn preformatted_text_keeps_its_lines() {
        let results = "<pre>Ellery Regatta\nFirst: Hale, Quill.\nSecond: Doe.\n</pre>";
        let draft = extracted(&item("usable", "", results)).unwrap().draft;
        assert_eq!(draft.body, "Ellery Regatta\n\nFirst: Hale, Quill.\n\nSecond: Doe.");
    }

    #[test]
    fn initials_are_no_byline() {
        let text = item("usable", "", "<p>One.</p>")
            .replace("By <person>Ida Quill</person><byttl>Staff Writer</byttl>", "iq/th");
        assert_eq!(extracted(&text).unwrap().draft.byline, "");
    }
}
