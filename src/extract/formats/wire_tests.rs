//! Tests of wire formats that hold for all readers: encodings, sizes, and inputs that nobody wrote.

use proptest::prelude::*;

use super::*;

/// An item of each format.
const ITEMS: [(&str, &[u8]); 9] = [
    ("newsml-g2", include_bytes!("../../../tests/corpus/wire-g2/input.xml")),
    ("package", include_bytes!("../../../tests/corpus/wire-g2-package/input.xml")),
    ("newsml-1", include_bytes!("../../../tests/corpus/wire-newsml-1/input.xml")),
    ("nitf", include_bytes!("../../../tests/corpus/wire-nitf/input.xml")),
    ("ninjs", include_bytes!("../../../tests/corpus/wire-ninjs-1/input.json")),
    ("iptc-7901", include_bytes!("../../../tests/corpus/wire-iptc-7901/input.txt")),
    ("wxr", include_bytes!("../../../tests/corpus/wire-wxr/input.xml")),
    ("schema.org", include_bytes!("../../../tests/corpus/wire-schema-org/input.json")),
    ("markdown", include_bytes!("../../../tests/corpus/wire-markdown/input.md")),
];

fn extracted(bytes: &[u8], content_type: Option<&str>) -> Result<Vec<Extracted>, ExtractError> {
    let limits = Limits::default();
    let document = Document { payload: Payload::Raw { bytes, content_type }, url: None, hints: Hints::default() };
    Ok(match extract(&document, &Budget::unattended(&limits))? {
        Extraction::Article(article) => vec![*article],
        Extraction::Feed(entries) => entries.into_iter().filter_map(|it| it.result.ok()).collect(),
    })
}

#[test]
fn items_are_read_in_every_encoding() {
    for (name, bytes) in ITEMS {
        let text = std::str::from_utf8(bytes).unwrap();
        let expected = extracted(bytes, None).unwrap();
        assert!(!expected.is_empty(), "{name}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let marked = [&[0xFE, 0xFF][..], &big].concat();
        let with_mark = [&[0xEF, 0xBB, 0xBF][..], bytes].concat();
        for encoded in [little, big, marked, with_mark] {
            let found = extracted(&encoded, None).unwrap();
            let drafts = |list: &[Extracted]| list.iter().map(|it| it.draft.clone()).collect::<Vec<_>>();
            assert_eq!(drafts(&found), drafts(&expected), "{name}");
        }
    }
}

#[test]
fn documents_made_to_hurt_are_read_or_refused() {
    let line = "The harbour board agreed. ".repeat(150_000);
    let body = format!("<nitf><body><body.content><p>{line}</p></body.content></body></nitf>");
    assert_eq!(extracted(body.as_bytes(), None).map(|it| it.len()), Ok(1));
    let media = format!("{{\"uri\": \"x\", \"headline\": \"y\", \"body_text\": \"{}\"}}", "QUJD".repeat(2_500_000));
    assert_eq!(extracted(media.as_bytes(), None).err(), Some(ExtractError::TooLarge { limit: 8 << 20 }));
    let deep = format!("<newsItem guid='x'>{}", "<a>".repeat(100_000));
    assert_eq!(extracted(deep.as_bytes(), None).err(), Some(ExtractError::TooDeep { limit: 500 }));
    let attributes: String = (0..500_000).map(|n| format!(" a{n}=''")).collect();
    let wide = format!("<nitf{attributes}/>");
    assert_eq!(extracted(wide.as_bytes(), None).err(), Some(ExtractError::TooManyAttributes { limit: 1_000 }));
    let prologs = "<!-- x -->".repeat(500_000) + "<nitf/>";
    assert!(matches!(extracted(prologs.as_bytes(), None), Err(ExtractError::NotAStory { .. })));
    let text = "x ".repeat(20_000);
    let captions =
        "<media media-type='image'><media-caption>".repeat(200) + &text + &"</media-caption></media>".repeat(200);
    let nested = format!("<nitf><body><body.content>{captions}<p>One.</p></body.content></body></nitf>");
    assert!(matches!(extracted(nested.as_bytes(), None), Ok(_) | Err(ExtractError::TooComplex { .. })));
    let lists = "{\"a\":[".repeat(50_000);
    assert!(matches!(extracted(lists.as_bytes(), None), Err(ExtractError::Malformed { .. })));
}

#[test]
fn namespaces_may_be_wrong_or_missing() {
    let (_, bytes) = ITEMS[0];
    let text = std::str::from_utf8(bytes).unwrap();
    for namespace in ["", " xmlns=\"http://iptc.org/std/wrong/\""] {
        let changed = text.replace(" xmlns=\"http://iptc.org/std/nar/2006-10-01/\"", namespace);
        assert_eq!(extracted(changed.as_bytes(), None).map(|it| it.len()), Ok(1), "{namespace:?}");
    }
}

#[test]
fn an_advisory_in_a_dump_is_a_warning() {
    let kill = "Advisory\n\nMANDATORY KILL\n\nPlease do not use the story about the northern channel of Port Ellery, \
        which the harbour board has not decided on yet.";
    let codes: Vec<_> = extracted(kill.as_bytes(), None).unwrap()[0].report.warnings.iter().map(|it| it.code).collect();
    assert_eq!(codes, [crate::extract::report::WarningCode::KillAdvisory]);
}

/// Pieces of markup and of JSON that damage an item.
const FILLINGS: [&str; 14] = ["", "<", ">", "&", "\"", "]]>", "<![CDATA[", "é", "\n", "{", "=", "--", "/", "0"];

proptest! {
    /// Changed and truncated items give articles or errors, without panics.
    #[test]
    fn damaged_items_are_read_or_refused(
        which in 0..ITEMS.len(),
        from in 0.0..1.0_f64,
        length in 0..200_usize,
        filling in prop::sample::select(FILLINGS.to_vec()),
    ) {
        let (_, bytes) = ITEMS[which];
        let start = (bytes.len() as f64 * from) as usize;
        let end = bytes.len().min(start + length);
        let damaged = [&bytes[..start], filling.as_bytes(), &bytes[end..]].concat();
        drop(extracted(&damaged, None));
        drop(extracted(&bytes[..start], None));
    }
}
