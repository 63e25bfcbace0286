//! ninjs of IPTC, versions 1 to 3, and its dialects: items alone, in lists, and in the responses of APIs.

use super::json::Json;
use super::wire::{self, Item};
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Dateline, Extraction, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::byline;
use crate::extract::report::Report;
use crate::extract::wire_fields::{PubStatus, Signal, SubjectKind};

/// Maximum depth of items in the answer of an interface.
const MAX_DEPTH: usize = 4;

/// Returns the items of a document; none if it is of another format.
pub(super) fn items(document: &Json) -> Vec<&Json> {
    let mut found = Vec::new();
    collect(document, 0, &mut found);
    found
}

fn collect<'a>(value: &'a Json, depth: usize, found: &mut Vec<&'a Json>) {
    if is_item(value) {
        found.push(value);
    } else if depth < MAX_DEPTH {
        match value {
            Json::List(items) => items.iter().for_each(|item| collect(item, depth + 1, found)),
            Json::Object(fields) => {
                let wrappers = ["data", "item", "items", "news", "results", "_items"];
                let inner = fields.iter().filter(|(name, _)| wrappers.contains(&name.to_ascii_lowercase().as_str()));
                inner.for_each(|(_, value)| collect(value, depth + 1, found));
            }
            _ => {}
        }
    }
}

/// Returns true for an item: it has an ID, and a field that no other format has.
fn is_item(value: &Json) -> bool {
    let own = |name: &str| {
        let name = name.to_ascii_lowercase();
        ["headline", "body_", "versioncreated", "pubstatus", "renditions", "eventdetails"]
            .iter()
            .any(|start| name.starts_with(start))
            || name == "bodies"
    };
    let has_id = ["uri", "guid"].iter().any(|name| value.get(name).and_then(Json::as_str).is_some());
    has_id && value.get("@type").is_none() && value.fields().iter().any(|(name, _)| own(name))
}

/// Extracts the articles of a document's items.
pub(super) fn extract(
    items: &[&Json],
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    if items.len() > budget.limits.max_entries {
        return Err(ExtractError::TooManyEntries { limit: budget.limits.max_entries });
    }
    wire::collect(items.iter().map(|item| read(item, report, budget)), hints, budget)
}

fn read(item: &Json, report: &Report, budget: &Budget<'_>) -> (String, Result<Item, ExtractError>) {
    let mut out = Item::new("ninjs", report);
    out.set_id(&item.first(&["uri", "guid"]).map(Json::line).unwrap_or_default());
    let id = out.draft.external_id.clone().unwrap_or_default();
    let result = read_fields(item, &mut out, budget).map(|()| out);
    (id, result)
}

fn read_fields(item: &Json, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    out.status = wire::status("pubstatus", &item.line_of("pubstatus"))?;
    let kind = item.line_of("type").to_ascii_lowercase();
    if matches!(kind.as_str(), "picture" | "graphic" | "video" | "audio" | "event" | "planning" | "concept")
        || item.get("eventdetails").is_some()
    {
        let kind = if kind.is_empty() { "event" } else { kind.as_str() };
        out.not_a_story = Some(format!("an item of type {kind} in ninjs"));
    }
    let embargo = item.first(&["embargoed", "embargo"]).map(Json::line).unwrap_or_default();
    if !embargo.is_empty() {
        out.set_embargo("embargoed", &embargo)?;
    }
    out.set_version(&item.line_of("version"));
    out.set_urgency(&item.line_of("urgency"));
    out.language = item.line_of("language");
    read_lines(item, out);
    out.set_published(
        &item.first(&["firstpublished", "firstcreated", "contentcreated"]).map(Json::line).unwrap_or_default(),
    );
    out.set_version_time(&item.line_of("versioncreated"));
    read_people(item, out);
    read_rights(item, out);
    read_subjects(item, out);
    read_associations(item, out);
    read_body(item, out, budget)
}

/// Returns the text of a field that is stated alone, in variants (`headline_main`) or as a list with roles
/// (`headlines`).
fn variant<'a>(item: &'a Json, name: &str) -> Option<&'a Json> {
    if let Some(value) = item.first(&[name]).filter(|value| value.as_str().is_some()) {
        return Some(value);
    }
    let listed = item.get(&format!("{name}s")).map(Json::many).unwrap_or_default();
    let is_main = |value: &&Json| matches!(value.line_of("role").as_str(), "main" | "primary" | "headline");
    let listed = listed.iter().find(is_main).or_else(|| listed.first()).and_then(|value| value.get("value"));
    listed.or_else(|| {
        let start = format!("{name}_");
        let has_start = |key: &str| key.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(&start));
        item.fields().iter().find(|(key, value)| has_start(key) && value.as_str().is_some()).map(|(_, value)| value)
    })
}

fn read_lines(item: &Json, out: &mut Item) {
    out.draft.headline = variant(item, "headline").map(Json::line).unwrap_or_default();
    let description = item.first(&["description_text"]).or_else(|| variant(item, "description"));
    out.draft.subheadline = description.map(Json::line).filter(|text| !text.contains('<')).unwrap_or_default();
    out.draft.wire.slugline = item.line_of("slugline");
    out.draft.wire.editor_note = item.line_of("ednote");
    for signal in item.first(&["signal", "signals"]).map(Json::many).unwrap_or_default() {
        let signal = if signal.as_str().is_some() { signal.line() } else { signal.line_of("name") };
        match signal.rsplit([':', '/']).next().unwrap_or_default() {
            "correction" => out.add_signal(Signal::Correction),
            "update" => out.add_signal(Signal::Update),
            _ => {}
        }
    }
    out.draft.section = item.get("service").map(Json::many).and_then(<[_]>::first).map(name_of).unwrap_or_default();
    for keyword in item.first(&["keywords", "keyword"]).map(Json::many).unwrap_or_default() {
        if let Some(keywords) = keyword.as_str() {
            keywords.split(',').for_each(|keyword| out.add_tag(keyword));
        } else {
            out.add_tag(&name_of(keyword));
        }
    }
    out.located = item.get("located").map(name_of).unwrap_or_default();
    let dateline = item.get("dateline");
    out.draft.dateline = dateline.and_then(|dateline| {
        let text = if dateline.as_str().is_some() { dateline.line() } else { dateline.line_of("text") };
        wire::dateline_of(&text)
    });
    if let Some(place) = dateline.map(|it| it.get("located").map(name_of).unwrap_or_default())
        && let (false, Some(Dateline { place: found, .. })) = (place.is_empty(), &mut out.draft.dateline)
        && found.is_empty()
    {
        *found = place;
    }
}

/// Returns the name of an entity, or a text; of a list, that of its first item.
fn name_of(value: &Json) -> String {
    let value = value.many().first().unwrap_or(value);
    if value.as_str().is_some() {
        return value.line();
    }
    value.first(&["name", "city", "literal", "title"]).map(Json::line).unwrap_or_default()
}

fn read_people(item: &Json, out: &mut Item) {
    out.set_byline(&item.first(&["byline", "by"]).map(Json::line).unwrap_or_default());
    for author in item.first(&["authors", "creators"]).map(Json::many).unwrap_or_default() {
        let names = byline::split(&name_of(author), &[]);
        names.into_iter().for_each(|name| byline::push(&mut out.draft.authors, name));
    }
    let agencies = ["infosources", "infosource", "creditline", "source", "provider"];
    let agency = agencies.iter().filter_map(|name| item.get(name)).map(name_of).find(|name| !name.is_empty());
    out.draft.agency = agency.unwrap_or_default();
}

fn read_rights(item: &Json, out: &mut Item) {
    let info = item.get("rightsinfo");
    let text = |name: &str| {
        let stated = item.line_of(name);
        if stated.is_empty() { info.map(|info| info.line_of(name)).unwrap_or_default() } else { stated }
    };
    out.draft.rights.notice = text("copyrightnotice");
    out.draft.rights.holder = text("copyrightholder");
    out.draft.wire.usage_terms = text("usageterms");
}

fn read_subjects(item: &Json, out: &mut Item) {
    for (names, kind) in [
        (["subject", "subjects"], SubjectKind::Topic),
        (["person", "people"], SubjectKind::Person),
        (["organisation", "organisations"], SubjectKind::Organization),
        (["place", "places"], SubjectKind::Place),
        (["event", "events"], SubjectKind::Event),
        (["genre", "genres"], SubjectKind::Genre),
    ] {
        for subject in item.first(&names).map(Json::many).unwrap_or_default() {
            if subject.as_str().is_some() {
                out.add_subject(kind, "", "", &subject.line());
                continue;
            }
            let code = subject.first(&["code", "qcode", "uri", "literal"]).map(Json::line).unwrap_or_default();
            let stated = subject.line_of("scheme");
            let (scheme, code) = match (code.split_once(':'), code.rfind('/')) {
                (_, Some(slash)) if stated.is_empty() => code.split_at(slash + 1),
                (Some((scheme, code)), None) if stated.is_empty() => (scheme, code),
                _ => (stated.as_str(), code.as_str()),
            };
            let name = subject.line_of("name");
            out.add_subject(kind, scheme, code.strip_prefix(&format!("{scheme}:")).unwrap_or(code), &name);
        }
    }
}

/// Reads the files, and the links to other items.
fn read_associations(item: &Json, out: &mut Item) {
    let evolved = ["evolvedfrom", "rewrite_of", "sequel_to"].iter().filter_map(|name| item.get(name));
    evolved.for_each(|id| out.add_link("evolvedFrom", &id.line(), ""));
    for associated in item.get("associations").into_iter().flat_map(Json::items) {
        let kind = match associated.line_of("type").to_ascii_lowercase().as_str() {
            "picture" | "graphic" => MediaKind::Image,
            "video" => MediaKind::Video,
            "audio" => MediaKind::Audio,
            _ => {
                let id = associated.first(&["uri", "guid"]).map(Json::line).unwrap_or_default();
                let title = variant(associated, "headline").map(Json::line).unwrap_or_default();
                out.add_link("association", &id, &title);
                continue;
            }
        };
        let description = associated.first(&["description_text"]).or_else(|| variant(associated, "description"));
        let caption = description.or_else(|| variant(associated, "headline")).map(Json::line).unwrap_or_default();
        let credit =
            associated.first(&["byline", "by", "copyrightholder", "source"]).map(Json::line).unwrap_or_default();
        if let Some(rendition) = associated.get("renditions").and_then(largest) {
            let size = |name: &str| rendition.line_of(name).parse().ok();
            let file = wire::media(kind, &rendition.line_of("href"), &caption, &credit);
            out.add_media(Media { width: size("width"), height: size("height"), ..file });
        }
    }
}

/// Returns the rendition with the most pixels; the first one if none states its size.
fn largest(renditions: &Json) -> Option<&Json> {
    let pixels = |rendition: &Json| {
        let size = |name: &str| rendition.line_of(name).parse::<u64>().unwrap_or(0);
        size("width").max(1).saturating_mul(size("height").max(1))
    };
    let usable = renditions.items().filter(|rendition| rendition.line_of("href").starts_with("http"));
    usable.fold(None, |best: Option<&Json>, next| match best {
        Some(best) if pixels(best) >= pixels(next) => Some(best),
        _ => Some(next),
    })
}

/// Reads the body: HTML before text.
fn read_body(item: &Json, out: &mut Item, budget: &Budget<'_>) -> Result<(), ExtractError> {
    let markup = ["body_xhtml", "body_html", "body_richtext", "body_html5", "bodyhtml", "bodyxhtml"];
    let bodies = item.get("bodies").map(Json::many).unwrap_or_default();
    let kind = |body: &Json| body.line_of("contenttype").to_ascii_lowercase();
    let is_html =
        |body: &&Json| kind(body).contains("html") || body.line_of("role").to_ascii_lowercase().contains("html");
    let html = item.first(&markup).or_else(|| bodies.iter().find(is_html).and_then(|body| body.get("value")));
    if let Some(html) = html.and_then(Json::as_str) {
        out.read_html(html, None, budget)?;
    }
    let is_text = |body: &&Json| !is_html(body) && (kind(body).is_empty() || kind(body).starts_with("text/"));
    let plain = item
        .first(&["body_text", "bodytext"])
        .or_else(|| bodies.iter().find(is_text).and_then(|body| body.get("value")))
        .or_else(|| variant(item, "body"));
    if out.lines.is_empty()
        && let Some(plain) = plain.and_then(Json::as_str)
    {
        out.read_text(plain, budget)?;
    }
    if out.status == PubStatus::Usable && !out.lines.is_empty() && starts_body(out) {
        out.draft.subheadline.clear();
    }
    Ok(())
}

/// Returns true if the subheadline is the start of the text: a preview.
fn starts_body(out: &Item) -> bool {
    let start: String = out.draft.subheadline.chars().take(60).collect();
    let first = out.lines.iter().find(|line| !line.is_object());
    !start.is_empty() && first.is_some_and(|first| first.text.starts_with(start.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::super::json;
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::draft::Extracted;

    fn extracted(text: &str) -> Result<Vec<Result<Extracted, ExtractError>>, ExtractError> {
        let limits = Limits::default();
        let budget = Budget::unattended(&limits);
        let document = json::parse(text, &budget)?;
        Ok(match extract(&items(&document), &Hints::default(), &Report::default(), &budget)? {
            Extraction::Article(article) => vec![Ok(*article)],
            Extraction::Feed(entries) => entries.into_iter().map(|it| it.result).collect(),
        })
    }

    fn draft(text: &str) -> crate::extract::draft::Draft {
        extracted(text).unwrap().remove(0).unwrap().draft
    }

    const V1: &str = r#"{"uri": "urn:nw:1", "type": "text", "version": "2", "versioncreated": "2026-11-02T09:00:00Z",
        "firstcreated": "2026-11-02T08:00:00Z", "pubstatus": "usable", "urgency": "4", "language": "en",
        "headline": "Channel to be dredged", "slugline": "HARBOUR", "byline": "By Ida Quill", "ednote": "Adds costs",
        "dateline": {"text": "PORT ELLERY, Nov 2 (Northwire) -"}, "copyrightnotice": "© 2026 Northwire",
        "usageterms": ["Not for archives"], "source": "Northwire", "description_text": "The harbour board",
        "subject": [{"code": "medtop:04000000"}, {"name": "ports", "scheme": "own", "code": "7"}],
        "person": [{"name": "Tom Hale"}], "body_html": "<p>The harbour board agreed.</p><p>It will cost more.</p>",
        "associations": {"main": {"type": "picture", "description_text": "A ferry", "renditions": {
            "small": {"href": "https://nw.example/s.jpg", "width": 80, "height": 60},
            "large": {"href": "https://nw.example/l.jpg", "width": 800, "height": 600}}},
            "more": {"type": "text", "uri": "urn:nw:9", "headline": "Ferries"}}}"#;
    const V3: &str = r#"{"standard": {"name": "ninjs", "version": "3.0"}, "uri": "urn:nw:1", "version": "2",
        "versionCreated": "2026-11-02T09:00:00Z", "pubStatus": "usable", "by": "Ida Quill", "language": "en",
        "headlines": [{"role": "short", "value": "Dredging"}, {"role": "main", "value": "Channel to be dredged"}],
        "bodies": [{"contentType": "text/plain", "value": "Plain."},
            {"contentType": "text/html", "value": "<p>The harbour board agreed.</p>"}],
        "people": [{"name": "Tom Hale"}], "infoSources": [{"name": "Northwire"}], "located": {"name": "Port Ellery"}}"#;

    #[test]
    fn version_1_gives_all_fields() {
        let draft = draft(V1);
        assert_eq!(draft.body, "The harbour board agreed.\n\nIt will cost more.");
        assert_eq!((draft.headline.as_str(), draft.subheadline.as_str()), ("Channel to be dredged", ""));
        assert_eq!((draft.external_id.as_deref(), draft.wire.version), (Some("urn:nw:1"), Some(2)));
        assert_eq!((draft.wire.urgency, draft.authors), (Some(4), vec!["Ida Quill".into()]));
        assert_eq!(draft.dateline.map(|it| it.place), Some("PORT ELLERY".to_owned()));
        assert_eq!((draft.agency.as_str(), draft.wire.usage_terms.as_str()), ("Northwire", "Not for archives"));
        let subjects: Vec<(&str, &str, &str)> =
            draft.wire.subjects.iter().map(|it| (it.scheme.as_str(), it.code.as_str(), it.name.as_str())).collect();
        let topic = ("medtop", "04000000", "economy, business and finance");
        assert_eq!(subjects, [topic, ("own", "7", "ports"), ("", "", "Tom Hale")]);
        let media: Vec<(&str, &str)> = draft.media.iter().map(|it| (it.url.as_str(), it.caption.as_str())).collect();
        assert_eq!(media, [("https://nw.example/l.jpg", "A ferry")]);
        assert_eq!(draft.wire.links.first().map(|it| it.external_id.as_str()), Some("urn:nw:9"));
    }

    #[test]
    fn version_3_is_read_alike() {
        let draft = draft(V3);
        assert_eq!(
            (draft.headline.as_str(), draft.body.as_str()),
            ("Channel to be dredged", "The harbour board agreed.")
        );
        assert_eq!((draft.agency.as_str(), draft.authors), ("Northwire", vec!["Ida Quill".into()]));
        assert_eq!(draft.dateline.map(|it| it.place), Some("Port Ellery".to_owned()));
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T09:00:00Z".into()));
    }

    #[test]
    fn the_status_is_obeyed() {
        for (from, to, expected) in [
            ("usable", "canceled", "no article: its sender states that item \"urn:nw:1\" is canceled: Adds costs"),
            ("usable", "withheld", "is withheld until further notice"),
            ("usable", "deleted", "pubstatus must be usable, withheld or canceled, not \"deleted\""),
            ("\"urgency\"", "\"embargoed\": \"soon\", \"urgency\"", "embargoed must be a date and time with its zone"),
            ("\"type\": \"text\", \"version\"", "\"type\": \"video\", \"version\"", "an item of type video in ninjs"),
        ] {
            let error = extracted(&V1.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let held = V1.replace("\"urgency\"", "\"embargoed\": \"2026-11-03T06:00:00+0100\", \"urgency\"");
        assert_eq!(draft(&held).wire.embargo.map(|it| it.to_string()), Some("2026-11-03T05:00:00Z".into()));
    }

    #[test]
    fn answers_of_interfaces_contain_items() {
        let other = V1.replace("urn:nw:1", "urn:nw:2");
        for text in [
            format!("[{V1}, {other}]"),
            format!("{{\"total\": 2, \"item\": [{V1}, {other}]}}"),
            format!("{{\"data\": {{\"items\": [{{\"item\": {V1}}}, {{\"item\": {other}}}]}}}}"),
        ] {
            assert_eq!(extracted(&text).unwrap().iter().filter(|it| it.is_ok()).count(), 2, "{text}");
        }
    }

    #[test]
    fn fields_that_are_not_numbers_are_reported() {
        let odd = V1.replace("\"version\": \"2\"", "\"version\": \"second\"").replace("\"4\"", "\"high\"");
        let Extracted { draft, report } = extracted(&odd).unwrap().remove(0).unwrap();
        assert_eq!((draft.wire.version, draft.wire.urgency), (None, None));
        let messages: Vec<&str> = report.warnings.iter().map(|it| it.message.as_str()).collect();
        assert_eq!(messages, ["the version \"second\" was not read", "the urgency \"high\" was not read"]);
    }
}
