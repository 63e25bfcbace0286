//! Language detection.

use std::collections::HashSet;
use std::sync::LazyLock;

use whatlang::{Detector, Lang};

/// Characters of the simplified and of the traditional Chinese script.
static SCRIPTS: LazyLock<[HashSet<char>; 2]> = LazyLock::new(|| {
    let file = include_str!("../phrases/scripts/zh.txt");
    ["[simplified]", "[traditional]"].map(|section| {
        let lines = file.lines().skip_while(|line| *line != section).skip(1);
        lines.take_while(|line| !line.starts_with('[')).flat_map(str::chars).collect()
    })
});

/// Maximum number of characters that are examined, and minimum for detection.
const SAMPLE_CHARS: usize = 4_000;
const MIN_CHARS: usize = 40;

/// Returns a BCP 47 tag: the declared language, unless the text is clearly in another one; the detected language if
/// none is declared.
pub(crate) fn of(said: &str, text: &str) -> String {
    let said = tag(said);
    let sample: String = text.chars().take(SAMPLE_CHARS).collect();
    if sample.chars().count() < MIN_CHARS {
        return said.unwrap_or_default();
    }
    if let Some(chinese) = chinese(said.as_deref(), &sample) {
        return chinese;
    }
    let Some(info) = Detector::new().detect(&sample) else { return said.unwrap_or_default() };
    let Some(detected) = code(info.lang()) else { return said.unwrap_or_default() };
    match said {
        Some(said) if said.split('-').next() == Some(detected) || info.confidence() < 0.95 => said,
        Some(said) if !info.is_reliable() => said,
        _ if detected == "zh" => chinese(None, &sample).unwrap_or_else(|| detected.to_owned()),
        _ => detected.to_owned(),
    }
}

/// Returns the tag of a Chinese text whose script the declared tag lacks or contradicts. None if the tag is right, or
/// the text is not plainly in one of the scripts.
fn chinese(said: Option<&str>, sample: &str) -> Option<String> {
    if said.is_some_and(|said| said.split('-').next() != Some("zh")) || sample.chars().any(is_kana) {
        return None;
    }
    let han = sample.chars().filter(|c| ('\u{4E00}'..='\u{9FFF}').contains(c)).count();
    if han * 2 < sample.chars().count() {
        return None;
    }
    let script = script(sample)?;
    let said = said.unwrap_or("zh");
    let stated = match said.split('-').nth(1) {
        Some("Hant" | "TW" | "HK" | "MO") => Some("Hant"),
        Some("Hans" | "CN" | "SG" | "MY") => Some("Hans"),
        _ => None,
    };
    match (stated, script) {
        // Texts without a stated script are taken for simplified ones by most readers.
        (None, "Hans") => Some(said.to_owned()),
        (Some(stated), script) if stated == script => Some(said.to_owned()),
        _ => Some(format!("zh-{script}")),
    }
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30FA}')
}

/// Returns the script that nearly all characters belong to which only one of the scripts has.
fn script(sample: &str) -> Option<&'static str> {
    let [simplified, traditional] = &*SCRIPTS;
    let count = |one: &HashSet<char>, other: &HashSet<char>| {
        sample.chars().filter(|c| one.contains(c) && !other.contains(c)).count()
    };
    let (simplified, traditional) = (count(simplified, traditional), count(traditional, simplified));
    match () {
        () if traditional > simplified * 4 => Some("Hant"),
        () if simplified > traditional * 4 => Some("Hans"),
        () => None,
    }
}

/// Normalizes a tag: `en`, `en-GB`, `zh-Hant-TW`.
pub(crate) fn tag(said: &str) -> Option<String> {
    let said = said.trim().replace('_', "-");
    let mut parts = said.split('-');
    let language = parts.next()?.to_ascii_lowercase();
    if !(2..=3).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let mut tag = language;
    let mut part = parts.next();
    if let Some(script) = part.filter(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_alphabetic())) {
        let (first, rest) = script.split_at(1);
        tag = format!("{tag}-{}{}", first.to_ascii_uppercase(), rest.to_ascii_lowercase());
        part = parts.next();
    }
    let is_region = |part: &&str| match part.len() {
        2 => part.bytes().all(|b| b.is_ascii_alphabetic()),
        // A code of the United Nations: `es-419`.
        3 => part.bytes().all(|b| b.is_ascii_digit()),
        _ => false,
    };
    if let Some(region) = part.filter(is_region) {
        tag = format!("{tag}-{}", region.to_ascii_uppercase());
    }
    Some(tag)
}

fn code(language: Lang) -> Option<&'static str> {
    // BCP 47 requires the two-letter code if there is one.
    Some(match language {
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "nb",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_believed_over_a_page_that_is_plainly_wrong() {
        let english =
            "The harbour council of Port Ellery agreed on Monday to dredge the northern channel before winter comes.";
        let french =
            "Le conseil du port a décidé lundi de draguer le chenal nord avant l’arrivée de l’hiver, a-t-il annoncé.";
        assert_eq!(of("en_gb", english), "en-GB");
        assert_eq!(of("en", &french.repeat(3)), "fr");
        assert_eq!(of("", english), "en");
        assert_eq!(of("en-US", "Short."), "en-US");
        assert_eq!(of("klingon", "Short."), "");
    }

    #[test]
    fn the_scripts_of_chinese_are_told_apart() {
        let traditional =
            "埃勒里港市議會星期一決定在冬季來臨之前疏浚北部航道，此前一週內有兩艘渡輪擱淺，第三艘渡輪延誤了六個小時。";
        let simplified =
            "埃勒里港市议会星期一决定在冬季来临之前疏浚北部航道，此前一周内有两艘渡轮搁浅，第三艘渡轮延误了六个小时。";
        for (said, text, tag) in [
            ("zh-Hant-TW", traditional, "zh-Hant-TW"),
            ("zh_tw", traditional, "zh-TW"),
            ("zh", traditional, "zh-Hant"),
            ("zh-CN", traditional, "zh-Hant"),
            ("", traditional, "zh-Hant"),
            ("", simplified, "zh"),
            ("zh-Hans", simplified, "zh-Hans"),
            ("zh-TW", simplified, "zh-Hans"),
        ] {
            assert_eq!(of(said, text), tag, "{said}");
        }
    }
}
