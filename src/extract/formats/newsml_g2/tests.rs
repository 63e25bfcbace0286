//! Golden pairs of NewsML-G2, with each status.

use super::*;
use crate::extract::document::Limits;
use crate::extract::draft::Extracted;

fn item(guid: &str, version: u32, status: &str, meta: &str, content: &str) -> String {
    format!(
        "<newsItem xmlns='http://iptc.org/std/nar/2006-10-01/' guid='{guid}' version='{version}' xml:lang='en'>\
         <rightsInfo><copyrightHolder literal='Northwire'/><copyrightNotice>© 2026 Northwire</copyrightNotice>\
         <usageTerms>Not for archives</usageTerms></rightsInfo>\
         <itemMeta><itemClass qcode='ninat:text'/><provider literal='Northwire'/>\
         <versionCreated>2026-11-02T09:00:00Z</versionCreated><firstCreated>2026-11-02T08:00:00Z</firstCreated>\
         <pubStatus qcode='stat:{status}'/>{meta}</itemMeta>\
         <contentMeta><urgency>4</urgency><slugline>HARBOUR</slugline><headline>Channel to be dredged</headline>\
         <by>By Ida Quill</by><dateline>PORT ELLERY, Nov 2</dateline><subject qcode='medtop:04000000'/>\
         <subject type='cpnat:person' qcode='nw:7'><name>Tom Hale</name></subject></contentMeta>\
         <contentSet>{content}</contentSet></newsItem>"
    )
}

const BODY: &str = "<inlineXML contenttype='application/xhtml+xml'><x:html xmlns:x='http://www.w3.org/1999/xhtml'>\
    <x:body><x:p>The harbour board agreed on <x:b>Monday</x:b> to dredge.</x:p><x:table><x:tr><x:th>Ferry</x:th>\
    <x:th>Delay</x:th></x:tr><x:tr><x:td>Ellery</x:td><x:td>6 h</x:td></x:tr></x:table></x:body></x:html></inlineXML>";

fn extracted(text: &str) -> Result<Extraction, ExtractError> {
    extract(text, &Hints::default(), &Report::default(), &Budget::unattended(&Limits::default()))
}

fn article(text: &str) -> Extracted {
    match extracted(text) {
        Ok(Extraction::Article(article)) => *article,
        Ok(Extraction::Feed(_)) => panic!("several items"),
        Err(error) => panic!("{error}"),
    }
}

fn results(text: &str) -> Vec<(String, Result<String, String>)> {
    match extracted(text) {
        Ok(Extraction::Feed(entries)) => entries
            .into_iter()
            .map(|it| (it.external_id, it.result.map(|it| it.draft.headline).map_err(|it| it.to_string())))
            .collect(),
        Ok(Extraction::Article(_)) => panic!("one item"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_news_item_gives_all_fields() {
    let meta = "<edNote>Adds delay</edNote><signal qcode='sig:correction'/>\
        <link rel='irel:seeAlso' residref='urn:nw:9'><title>Ferries</title></link>";
    let Extracted { draft, report } = article(&item("urn:nw:1", 3, "usable", meta, BODY));
    assert_eq!(draft.body, "The harbour board agreed on Monday to dredge.\n\nFerry | Delay\nEllery | 6 h");
    assert_eq!((draft.external_id.as_deref(), draft.wire.version), (Some("urn:nw:1"), Some(3)));
    assert_eq!((draft.authors, draft.agency.as_str()), (vec!["Ida Quill".into()], "Northwire"));
    assert_eq!(draft.dateline.map(|it| it.place), Some("PORT ELLERY".to_owned()));
    let times = (draft.publish_time.map(|it| it.time.to_string()), draft.update_time.map(|it| it.to_string()));
    assert_eq!(times, (Some("2026-11-02T08:00:00Z".into()), Some("2026-11-02T09:00:00Z".into())));
    assert_eq!((draft.rights.notice.as_str(), draft.rights.holder.as_str()), ("© 2026 Northwire", "Northwire"));
    let wire = draft.wire;
    assert_eq!(
        (wire.usage_terms.as_str(), wire.slugline.as_str(), wire.urgency),
        ("Not for archives", "HARBOUR", Some(4))
    );
    assert_eq!((wire.editor_note.as_str(), wire.signals), ("Adds delay", vec![Signal::Correction]));
    let names: Vec<(SubjectKind, &str)> = wire.subjects.iter().map(|it| (it.kind, it.name.as_str())).collect();
    let topic = (SubjectKind::Topic, "economy, business and finance");
    assert_eq!(names, [topic, (SubjectKind::Person, "Tom Hale")]);
    assert_eq!(
        wire.links.first().map(|it| (it.external_id.as_str(), it.title.as_str())),
        Some(("urn:nw:9", "Ferries"))
    );
    assert_eq!((report.confidence, draft.language.as_str()), (1.0, "en"));
}

#[test]
fn the_status_is_obeyed() {
    let embargo = "<embargoed>2026-11-03T06:00:00+01:00</embargoed>";
    for (status, meta, expected) in [
        ("canceled", "<edNote>Wrong harbour</edNote>", "\"urn:nw:1\" is canceled: Wrong harbour"),
        ("canceled", embargo, "is canceled: Channel to be dredged"),
        ("withheld", "", "is withheld until further notice"),
        ("usable", "<embargoed/>", "is withheld until further notice"),
        ("recalled", "", "pubStatus must be usable, withheld or canceled, not \"stat:recalled\""),
        (
            "usable",
            "<embargoed>2026-11-03T06:00:00+99:00</embargoed>",
            "embargoed must be a date and time with its zone",
        ),
        ("usable", "<embargoed>2026-11-03T06:00:00</embargoed>", "embargoed must be a date and time with its zone"),
    ] {
        let error = extracted(&item("urn:nw:1", 3, status, meta, BODY)).err().map(|it| it.to_string());
        assert!(error.as_ref().is_some_and(|it| it.contains(expected)), "{status} {meta}: {error:?}");
    }
    let held = article(&item("urn:nw:1", 3, "withheld", embargo, BODY));
    assert_eq!(held.draft.wire.embargo.map(|it| it.to_string()), Some("2026-11-03T05:00:00Z".into()));
    // A cancellation needs neither a text nor a known class, but an ID.
    let bare =
        "<newsItem guid='urn:nw:1' version='4'><itemMeta><pubStatus qcode='stat:canceled'/></itemMeta></newsItem>";
    let Some(ExtractError::Withdrawn(order)) = extracted(bare).err() else { panic!("no withdrawal") };
    assert_eq!((order.external_id.as_str(), order.version, order.status), ("urn:nw:1", Some(4), PubStatus::Canceled));
    let unnamed = extracted(&bare.replace("urn:nw:1", "")).err();
    assert!(matches!(unnamed, Some(ExtractError::MissingField { .. })), "{unnamed:?}");
}

#[test]
fn packages_link_the_items_of_a_message() {
    let package = |id: &str, members: &str| {
        format!(
            "<packageItem guid='{id}' version='1'><contentMeta><headline>Ferries</headline></contentMeta>\
            <groupSet root='G1'><group id='G1'>{members}</group></groupSet></packageItem>"
        )
    };
    // The packages contain each other, and an item that is not there.
    let members = "<itemRef residref='urn:nw:1'/><itemRef residref='urn:p:2'/><itemRef residref='urn:nw:404'/>";
    let message = format!(
        "<newsMessage><itemSet>{}{}{}{}</itemSet></newsMessage>",
        package("urn:p:1", members),
        package("urn:p:2", "<itemRef residref='urn:p:1'/>"),
        item("urn:nw:1", 1, "usable", "", BODY),
        item("urn:nw:2", 1, "usable", "", BODY),
    );
    let Ok(Extraction::Feed(entries)) = extracted(&message) else { panic!("no items") };
    let links: Vec<Vec<ItemLink>> =
        entries.into_iter().filter_map(|it| it.result.ok()).map(|it| it.draft.wire.links).collect();
    let link = ItemLink { relation: "package".into(), external_id: "urn:p:1".into(), title: "Ferries".into() };
    assert_eq!(links, [vec![link], vec![]]);
    let alone = extracted(&package("urn:p:1", members)).err();
    assert_eq!(alone, Some(ExtractError::NotAStory { kind: "a packageItem of NewsML-G2".into() }));
}

#[test]
fn one_item_of_an_id_is_taken_and_a_cancellation_comes_first() {
    let message = |one: String, other: String| format!("<newsMessage><itemSet>{one}{other}</itemSet></newsMessage>");
    let item = |version, status| item("urn:nw:1", version, status, "", BODY);
    let repeated = "another item of this document has the ID \"urn:nw:1\" and is newer or comes first".to_owned();
    let canceled = "no article: its sender states that item \"urn:nw:1\" is canceled: Channel to be dredged".to_owned();
    let (taken, repeated, canceled) = (Ok("Channel to be dredged".to_owned()), Err(repeated), Err(canceled));
    for ((one, other), expected) in [
        ((item(1, "usable"), item(2, "usable")), [&repeated, &taken]),
        ((item(2, "usable"), item(1, "usable")), [&taken, &repeated]),
        ((item(1, "usable"), item(1, "usable")), [&taken, &repeated]),
        ((item(1, "canceled"), item(2, "usable")), [&canceled, &repeated]),
    ] {
        let found: Vec<_> = results(&message(one, other)).into_iter().map(|(_, result)| result).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn other_items_and_contents_are_refused_by_name() {
    let base64 =
        format!("<inlineData encoding='base64' contenttype='image/jpeg'>{}</inlineData>", "QUJD".repeat(50_000));
    for (text, kind) in [
        ("<conceptItem guid='x'/>".to_owned(), "a conceptItem of NewsML-G2"),
        (
            item("x", 1, "usable", "<itemClass qcode='ninat:picture'/>", BODY).replace("ninat:text", "ninat:picture"),
            "an item of class picture in NewsML-G2",
        ),
        (
            item("x", 1, "usable", "", "<inlineXML><sports-content/></inlineXML>"),
            "an item of NewsML-G2 with <sports-content> as its contents",
        ),
        (item("x", 1, "usable", "", &base64), "an item of NewsML-G2 without one"),
    ] {
        let expected = ExtractError::NotAStory { kind: kind.to_owned() };
        assert_eq!(extracted(&text).err(), Some(expected));
    }
}

#[test]
fn inline_data_is_text_or_html_without_scripts() {
    for (data, body) in [
        ("<inlineData contenttype='text/plain'>One.\n\nTwo.</inlineData>", "One.\n\nTwo."),
        (
            "<inlineData contenttype='text/html'>&lt;p&gt;One.&lt;/p&gt;&lt;script&gt;x()&lt;/script&gt;</inlineData>",
            "One.",
        ),
        ("<inlineData><![CDATA[<p>One &amp; two.</p>]]></inlineData>", "One & two."),
        ("<inlineXML><html><body><header><p>Ports</p></header><p>One.</p></body></html></inlineXML>", "One."),
        (
            "<inlineXML><nitf><body><body.content><p>One <person>Hale</person>.</p></body.content></body>\
             </nitf></inlineXML>",
            "One Hale.",
        ),
    ] {
        assert_eq!(article(&item("x", 1, "usable", "", data)).draft.body, body, "{data}");
    }
}
