//! Decoding of bytes to text: detection of the charset.
//!
//! Sources in order of trust: the bytes themselves if they prove it (a byte order mark, valid multi-byte UTF-8), the
//! Content-Type, the document's own declaration, then a guess.

use std::borrow::Cow;
use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::detect::{Format, content_type_parts};
use crate::extract::bounded_parser;
use crate::extract::document::Limits;
use crate::extract::error::ExtractError;

/// A document decoded to text.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) charset: &'static str,
    /// Format according to the Content-Type.
    pub(crate) declared: Option<Format>,
    pub(crate) warnings: Vec<String>,
}

/// Bytes of a document that are searched for declarations.
const PROLOGUE: usize = 4_096;

pub(crate) fn decode(bytes: &[u8], content_type: Option<&str>, limits: &Limits) -> Result<Decoded, ExtractError> {
    bounded_parser::size(bytes.len(), limits)?;
    let bytes = if is_gzip(bytes) { Cow::Owned(decompress(bytes, limits)?) } else { Cow::Borrowed(bytes) };
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ExtractError::Empty);
    }
    let (declared, said_charset) = content_type.map(content_type_parts).transpose()?.unwrap_or((None, None));
    let mut warnings = Vec::new();
    let (encoding, text) = read(&bytes, said_charset.as_deref(), &mut warnings);
    if is_noise(&text) {
        return Err(ExtractError::NotText);
    }
    Ok(Decoded { text: text.into_owned(), charset: encoding.name(), declared, warnings })
}

/// Returns true if bytes are gzip.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B])
}

/// Returns the size of gzip after decompression, in bytes, but at most `max`. It keeps nothing of the contents; damaged
/// gzip counts as far as it is readable.
pub fn gzip_size(bytes: &[u8], max: usize) -> usize {
    let mut decoder = flate2::read::MultiGzDecoder::new(bytes);
    let mut buffer = [0; 16 << 10];
    let mut size = 0;
    while size < max
        && let Ok(count @ 1..) = decoder.read(&mut buffer)
    {
        size += count;
    }
    size.min(max)
}

/// Decompresses gzip, up to the limit.
///
/// # Errors
/// Fails if it is truncated or damaged gzip, exceeds the limit, or contains gzip again.
fn decompress(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, ExtractError> {
    let mut out = Vec::new();
    let max = limits.max_bytes as u64 + 1;
    flate2::read::MultiGzDecoder::new(bytes).take(max).read_to_end(&mut out).map_err(|_| ExtractError::BadGzip)?;
    bounded_parser::size(out.len(), limits)?;
    if is_gzip(&out) { Err(ExtractError::NotText) } else { Ok(out) }
}

fn read<'a>(bytes: &'a [u8], said: Option<&str>, warnings: &mut Vec<String>) -> (&'static Encoding, Cow<'a, str>) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (encoding, encoding.decode_without_bom_handling(&bytes[mark..]).0);
    }
    let declared = said.map(|label| ("the Content-Type", label.to_owned())).or_else(|| in_document(bytes));
    let named = declared.as_ref().and_then(|(who, label)| {
        let encoding = Encoding::for_label(label.as_bytes());
        if encoding.is_none() {
            let label: String = label.chars().take(40).collect();
            warnings.push(format!("{who} names an unknown charset, {label:?}"));
        }
        encoding
    });
    if let Some(utf_16) = utf_16_without_mark(bytes) {
        return (utf_16, utf_16.decode_without_bom_handling(bytes).0);
    }
    // Text in another charset is hardly ever valid UTF-8 by chance, unless it is ASCII, where it does not matter.
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(named) = named
            && named != UTF_8
            && !text.is_ascii()
        {
            warnings.push(format!("the declared charset is {}, but the text is UTF-8", named.name()));
        }
        return (UTF_8, Cow::Borrowed(text));
    }
    if let Some(named) = named {
        let (text, _, broken) = named.decode(bytes);
        let replaced = text.matches('\u{FFFD}').count();
        if !broken || replaced * 200 < text.chars().count() {
            if broken {
                warnings.push(format!("{replaced} characters are invalid in {} and were replaced", named.name()));
            }
            return (named, text);
        }
        warnings.push(format!("the declared charset is {}, but the bytes are no text in it", named.name()));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let guessed = detector.guess(None, Utf8Detection::Allow);
    (guessed, guessed.decode_without_bom_handling(bytes).0)
}

/// Returns the charset declared in the document: `<meta charset>`, `<meta http-equiv>` or the XML declaration.
fn in_document(bytes: &[u8]) -> Option<(&'static str, String)> {
    let prologue = String::from_utf8_lossy(&bytes[..bytes.len().min(PROLOGUE)]).to_ascii_lowercase();
    let label = |after: &str| {
        let label: String = after
            .trim_start_matches(['=', ' ', '"', '\''])
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.'))
            .collect();
        (!label.is_empty()).then_some(("the document", label))
    };
    if prologue.trim_start().starts_with("<?xml")
        && let Some(at) = prologue.find("encoding")
    {
        return label(&prologue[at + "encoding".len()..]);
    }
    let at = prologue.match_indices("charset").find(|(at, _)| prologue[..*at].rfind("<meta").is_some())?.0;
    label(&prologue[at + "charset".len()..])
}

/// Detects UTF-16 without a byte order mark by the zero bytes of its ASCII letters.
fn utf_16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(PROLOGUE)];
    let pairs = sample.len() / 2;
    if pairs < 8 {
        return None;
    }
    let zeros = |offset: usize| sample.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match (even * 10 > pairs * 4, odd * 10 > pairs * 4) {
        (false, true) if even * 20 < pairs => Some(UTF_16LE),
        (true, false) if odd * 20 < pairs => Some(UTF_16BE),
        _ => None,
    }
}

/// Returns true if most of the text is control characters or replaced bytes.
fn is_noise(text: &str) -> bool {
    const KNOWN: [&str; 5] = ["%PDF-", "PK\u{3}\u{4}", "\u{FFFD}PNG", "GIF8", "\u{7F}ELF"];
    if KNOWN.iter().any(|magic| text.starts_with(magic)) {
        return true;
    }
    let (mut bad, mut all) = (0_usize, 0_usize);
    for character in text.chars().take(100_000) {
        all += 1;
        let control = character.is_control() && !character.is_whitespace();
        bad += usize::from(control || character == '\u{FFFD}');
    }
    bad * 20 > all
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUSSIAN: &str = "Городской совет Порт-Эллери в понедельник решил углубить северный канал до наступления \
        зимы, после того как два парома сели на мель за одну неделю.";
    const JAPANESE: &str = "ポート・エラリー市議会は月曜日、冬が来る前に北の水路を浚渫することを決めた。";
    const CHINESE: &str = "埃勒里港市议会星期一决定在冬季来临之前疏浚北部航道，此前一周内有两艘渡轮搁浅。";

    #[test]
    fn the_size_of_gzip_is_counted_without_its_contents() {
        use std::io::Write;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&vec![b'a'; 100_000]).unwrap();
        let mut gzip = encoder.finish().unwrap();
        assert_eq!((gzip_size(&gzip, 1 << 20), gzip_size(&gzip, 50_000)), (100_000, 50_000));
        // A second member counts as well; what follows is no gzip.
        gzip.extend_from_within(..);
        gzip.extend_from_slice(b"noise");
        assert_eq!(gzip_size(&gzip, 1 << 20), 200_000);
        assert_eq!(gzip_size(b"noise", 1 << 20), 0);
    }

    fn decoded(bytes: &[u8], content_type: Option<&str>) -> Decoded {
        decode(bytes, content_type, &Limits::default()).unwrap()
    }

    #[test]
    fn charsets_are_taken_from_header_document_or_bytes() {
        for (label, text) in [
            ("windows-1251", RUSSIAN),
            ("shift_jis", JAPANESE),
            ("gbk", CHINESE),
            ("windows-1252", "Le café de l’hôtel « Ellery » a été fermé à cause d’un été très chaud."),
            ("utf-8", RUSSIAN),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, lost) = encoding.encode(text);
            assert!(!lost);
            assert_eq!(decoded(&bytes, Some(&format!("text/plain; charset={label}"))).text, text, "{label}, header");
            let page = format!("<html><head><meta charset=\"{label}\"></head><body>{text}</body></html>");
            let (bytes, _, _) = encoding.encode(&page);
            assert_eq!(decoded(&bytes, None).text, page, "{label}, meta");
        }
        for text in [RUSSIAN, JAPANESE, CHINESE] {
            for (encoding, label) in [("windows-1251", RUSSIAN), ("shift_jis", JAPANESE), ("gbk", CHINESE)] {
                if label == text {
                    let long = text.repeat(4);
                    let (bytes, _, _) = Encoding::for_label(encoding.as_bytes()).unwrap().encode(&long);
                    assert_eq!(decoded(&bytes, None).text, long, "{encoding}, guessed");
                }
            }
        }
    }

    #[test]
    fn utf_16_with_and_without_mark() {
        let text = "The harbour council met on Monday.";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decoded(&little, None).text, text);
        assert_eq!(decoded(&big, Some("text/plain")).text, text);
        assert_eq!(decoded(&[&[0xFF, 0xFE][..], &little].concat(), None).text, text);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let noise: Vec<u8> = (0..10_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(decode(&noise, None, &Limits::default()).unwrap_err(), ExtractError::NotText);
        let pdf = decode(b"%PDF-1.7 x", Some("application/pdf"), &Limits::default());
        assert_eq!(pdf.unwrap_err(), ExtractError::ContentType("application/pdf".into()));
    }
}
