//! Decoding of bytes to text: detection of the charset.
//!
//! Sources in order of trust: the bytes themselves if they prove it (a byte order mark, valid multi-byte UTF-8), the
//! Content-Type, the document's own declaration, then a guess. ISO-8859-1 in the Content-Type is a server's
//! default more often than a statement, so the document's declaration comes before it.

use std::borrow::Cow;
use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::detect::content_type_parts;
use crate::extract::bounded_parser;
use crate::extract::document::{DocumentFormat, Limits};
use crate::extract::error::ExtractError;
use crate::extract::report::{Warning, WarningCode};

/// A document decoded to text.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) text: String,
    pub(crate) charset: &'static str,
    /// Format according to the Content-Type.
    pub(crate) declared: Option<DocumentFormat>,
    pub(crate) warnings: Vec<Warning>,
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
    Ok(Decoded { text: without_c1(text), charset: encoding.name(), declared, warnings })
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

fn read<'a>(bytes: &'a [u8], said: Option<&str>, warnings: &mut Vec<Warning>) -> (&'static Encoding, Cow<'a, str>) {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return (encoding, encoding.decode_without_bom_handling(&bytes[mark..]).0);
    }
    if let Some(utf_16) = utf_16_without_mark(bytes) {
        return (utf_16, utf_16.decode_without_bom_handling(bytes).0);
    }
    if is_iso_2022_jp(bytes) {
        return (ISO_2022_JP, ISO_2022_JP.decode_without_bom_handling(bytes).0);
    }
    let named = declarations(bytes, said, warnings);
    // Text in another charset is hardly ever valid UTF-8 by chance, unless it is ASCII, where it does not matter.
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Some(named) = named.first()
            && *named != UTF_8
            && !text.is_ascii()
        {
            warnings.push(wrong_charset(format!("the declared charset is {}, but the text is UTF-8", named.name())));
        }
        return match encoded_twice(text) {
            Some(text) => {
                warnings.push(wrong_charset("the text was encoded in UTF-8 twice".to_owned()));
                (UTF_8, Cow::Owned(text))
            }
            None => (UTF_8, Cow::Borrowed(text)),
        };
    }
    if named.iter().all(|named| [UTF_8, WINDOWS_1252].contains(named))
        && let Some((text, odd)) = mixed_utf_8(bytes)
    {
        let message = format!("{odd} bytes are invalid in UTF-8 and were read as windows-1252 or replaced");
        warnings.push(Warning::new(WarningCode::ReplacedCharacters, message));
        return (UTF_8, Cow::Owned(text));
    }
    for encoding in named {
        if encoding == WINDOWS_1252
            && let Some(other) = other_script(bytes)
        {
            let message = format!("the declared charset is windows-1252, but the text is {}", other.0.name());
            warnings.push(wrong_charset(message));
            return other;
        }
        let (text, _, broken) = encoding.decode(bytes);
        let replaced = text.matches('\u{FFFD}').count();
        // Text with no character of UTF-8 but broken ones is in another charset.
        let is_other = broken && encoding == UTF_8 && text.chars().all(|c| c.is_ascii() || c == '\u{FFFD}');
        if !broken || !is_other && replaced * 200 < text.chars().count() {
            if broken {
                let message = format!("{replaced} characters are invalid in {} and were replaced", encoding.name());
                warnings.push(Warning::new(WarningCode::ReplacedCharacters, message));
            }
            return (encoding, text);
        }
        let message = format!("the declared charset is {}, but the bytes are no text in it", encoding.name());
        warnings.push(wrong_charset(message));
    }
    let guessed = guess(bytes);
    (guessed, guessed.decode_without_bom_handling(bytes).0)
}

/// Returns true for ASCII with an escape to Japanese characters.
fn is_iso_2022_jp(bytes: &[u8]) -> bool {
    bytes.is_ascii() && bytes.windows(3).any(|escape| matches!(escape, b"\x1B$B" | b"\x1B$@"))
}

fn guess(bytes: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    detector.guess(None, Utf8Detection::Allow)
}

/// Returns the declared charsets, the most trusted first.
fn declarations(bytes: &[u8], said: Option<&str>, warnings: &mut Vec<Warning>) -> Vec<&'static Encoding> {
    let mut named: Vec<&'static Encoding> = Vec::new();
    let said = said.map(|label| ("the Content-Type", label.to_owned()));
    for (who, label) in said.into_iter().chain(in_document(bytes)) {
        match for_label(&label) {
            // Whoever could read the declaration has no UTF-16 before them.
            Some(encoding) if encoding == UTF_16LE || encoding == UTF_16BE => {}
            Some(encoding) if named.contains(&encoding) => {}
            Some(encoding) => named.push(encoding),
            None => {
                let label: String = label.chars().take(40).collect();
                warnings.push(wrong_charset(format!("{who} names an unknown charset, {label:?}")));
            }
        }
    }
    if named.len() > 1 && named[0] == WINDOWS_1252 {
        named.swap(0, 1);
    }
    named
}

/// Returns the charset of a label, also of one that is nearly right: `cp-1251`, `win1251`, `utf_8`.
fn for_label(label: &str) -> Option<&'static Encoding> {
    Encoding::for_label(label.as_bytes()).or_else(|| {
        let folded: String = label.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
        let digits = folded.trim_start_matches(|c: char| !c.is_ascii_digit());
        let label = match folded.trim_end_matches(|c: char| c.is_ascii_digit()) {
            "utf" if digits == "8" => "utf-8".to_owned(),
            "cp" | "win" | "windows" | "xcp" => format!("windows-{digits}"),
            "iso" => format!("iso-8859-{}", digits.strip_prefix("8859")?),
            _ => return None,
        };
        Encoding::for_label(label.as_bytes())
    })
}

/// Decodes UTF-8 with a few other bytes, as pages have that are put together from several sources. Single bytes are
/// windows-1252, incomplete characters are replaced. Returns none if too much is no UTF-8.
fn mixed_utf_8(bytes: &[u8]) -> Option<(String, usize)> {
    const MIN_CHARS: usize = 10;
    const MIN_RATIO: usize = 8;
    let (mut valid, mut odd) = (0, 0);
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        text.push_str(chunk.valid());
        match chunk.invalid() {
            [] => {}
            invalid @ [_] => text.push_str(&WINDOWS_1252.decode_without_bom_handling(invalid).0),
            _ => text.push('\u{FFFD}'),
        }
        odd += usize::from(!chunk.invalid().is_empty());
    }
    (valid >= MIN_CHARS && valid >= odd * MIN_RATIO).then_some((text, odd))
}

/// Repairs UTF-8 that was taken for windows-1252 and encoded again: `Ã©` for `é`, `â€™` for `’`. Returns none if most
/// characters are what they seem.
fn encoded_twice(text: &str) -> Option<String> {
    const MIN_RUNS: usize = 3;
    let is_lead = |c: char| ('\u{C2}'..='\u{F4}').contains(&c);
    // In UTF-8, a lead is 0xC3 and a byte from 0x82 to 0xB4. Few pages have one right before another that is not ASCII.
    // Without an early end, many bytes are compared at once.
    let bytes = text.as_bytes();
    let next = |count: usize| bytes.get(count..).unwrap_or_default();
    let threes = bytes.iter().zip(next(1)).zip(next(2));
    let is_pair = |one: u8, two: u8, three: u8| (one == 0xC3) & (0x82..=0xB4).contains(&two) & (three >= 0x80);
    if !threes.fold(false, |found, ((one, two), three)| found | is_pair(*one, *two, *three)) {
        return None;
    }
    let mut pairs = text.chars().zip(text.chars().skip(1));
    if !pairs.any(|(first, second)| is_lead(first) && !second.is_ascii() && !second.is_alphabetic()) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let (mut repaired, mut others) = (0, 0);
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| !c.is_ascii()) {
        let end = rest[start..].find(|c: char| c.is_ascii()).map_or(rest.len(), |end| start + end);
        let run = &rest[start..end];
        out.push_str(&rest[..start]);
        rest = &rest[end..];
        match bytes_of(run).map(String::from_utf8) {
            Some(Ok(original)) if is_lead(run.chars().next().unwrap_or_default()) => {
                out.push_str(&original);
                repaired += 1;
            }
            _ => {
                out.push_str(run);
                others += 1;
            }
        }
    }
    out.push_str(rest);
    (repaired >= MIN_RUNS && repaired > others).then_some(out)
}

/// Returns the bytes that were read as windows-1252 or ISO-8859-1.
fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => bytes.push(byte),
            Err(_) => {
                let mut buffer = [0; 4];
                let (encoded, _, is_lost) = WINDOWS_1252.encode(character.encode_utf8(&mut buffer));
                bytes.extend_from_slice((!is_lost).then_some(&encoded)?);
            }
        }
    }
    Some(bytes)
}

/// Returns the text in the charset that its bytes suggest, if they are declared as windows-1252 but are letters of
/// another script.
fn other_script(bytes: &[u8]) -> Option<(&'static Encoding, Cow<'_, str>)> {
    const MIN_LETTERS: usize = 20;
    let guessed = guess(bytes);
    if guessed.is_single_byte() && guessed.name().ends_with("1252") {
        return None;
    }
    let (text, broken) = guessed.decode_without_bom_handling(bytes);
    let letters = text.chars().filter(|c| !c.is_ascii() && c.is_alphabetic());
    let (mut other, mut latin) = (0, 0);
    letters.for_each(|c| if c < '\u{370}' || ('\u{1E00}'..'\u{1F00}').contains(&c) { latin += 1 } else { other += 1 });
    (!broken && other >= MIN_LETTERS && other > latin * 8).then_some((guessed, text))
}

/// Replaces C1 controls, which are windows-1252 read as ISO-8859-1.
fn without_c1(text: Cow<'_, str>) -> String {
    let is_c1 = |c: char| ('\u{80}'..='\u{9F}').contains(&c);
    // In UTF-8, these are 0xC2 and a byte below 0xA0. Without an early end, many bytes are compared at once.
    let bytes = text.as_bytes();
    let pairs = bytes.iter().zip(bytes.get(1..).unwrap_or_default());
    if !pairs.fold(false, |found, (first, second)| found | (*first == 0xC2) & (*second < 0xA0)) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) if is_c1(character) => out.push_str(&WINDOWS_1252.decode_without_bom_handling(&[byte]).0),
            _ => out.push(character),
        }
    }
    out
}

fn wrong_charset(message: String) -> Warning {
    Warning::new(WarningCode::WrongCharset, message)
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
    // At most this many are control or replacement characters, by their first bytes: far less than one in twenty, as a
    // rule. Characters take longer to count.
    let is_first = |byte: &u8| (*byte < b' ') & !(9..=13).contains(byte) | matches!(*byte, 0x7F | 0xC2 | 0xEF);
    // Sums of one byte: a tenth of the time.
    let count = |bytes: &[u8]| usize::from(bytes.iter().fold(0_u8, |sum, byte| sum + u8::from(is_first(byte))));
    if text.as_bytes().chunks(255).map(count).sum::<usize>() * 20 <= (text.len() / 4).min(100_000) {
        return false;
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
    fn declarations_of_the_document_come_before_defaults_of_the_server() {
        let encoded =
            |label: &str, text: &str| Encoding::for_label(label.as_bytes()).unwrap().encode(text).0.into_owned();
        let latin = Some("text/html; charset=ISO-8859-1");
        for (label, text) in [("windows-1251", RUSSIAN), ("shift_jis", JAPANESE), ("gbk", CHINESE)] {
            let page = format!("<html><head><meta charset='{label}'></head><body>{text}</body></html>");
            assert_eq!(decoded(&encoded(label, &page), latin).text, page, "{label}, declared");
            let page = format!("<html><body>{}</body></html>", text.repeat(3));
            assert_eq!(decoded(&encoded(label, &page), latin).text, page, "{label}, not declared");
        }
        let french = "Le café de l’hôtel « Ellery » a été fermé à cause d’un été très chaud.";
        assert_eq!(decoded(&encoded("windows-1252", french), latin).text, french);
        for label in ["cp-1251", "win1251", "windows_1251"] {
            let page = format!("<meta charset={label}>{RUSSIAN}");
            assert_eq!(decoded(&encoded("windows-1251", &page), None).text, page, "{label}");
        }
    }

    #[test]
    fn mixed_and_doubled_encodings_are_repaired() {
        let mut mixed = RUSSIAN.as_bytes().to_vec();
        mixed.extend_from_slice(b" The board\x92s caf\xE9. \xE2\x80 ");
        let text = decoded(&mixed, None).text;
        assert!(text.starts_with(RUSSIAN) && text.ends_with(" The board’s café. \u{FFFD} "), "{text}");
        let latin_1: String = RUSSIAN.bytes().map(char::from).collect();
        assert_eq!(decoded(latin_1.as_bytes(), None).text, RUSSIAN);
        let twice = "The boardâ€™s cafÃ© is closed, and Idaâ€™s too; not so the “Ship”.";
        let once = "The board’s café is closed, and Ida’s too; not so the “Ship”.";
        assert_eq!(decoded(twice.as_bytes(), None).text, once);
        let french = "À la fin, « Ã » n’est qu’une lettre.";
        assert_eq!(decoded(french.as_bytes(), None).text, french);
        let c1 = "It is the harbour board\u{92}s plan, as was agreed on Monday in Port Ellery.";
        assert_eq!(decoded(c1.as_bytes(), None).text, c1.replace('\u{92}', "’"));
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
