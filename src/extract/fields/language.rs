//! Language detection.

use whatlang::{Detector, Lang};

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
    let Some(info) = Detector::new().detect(&sample) else { return said.unwrap_or_default() };
    let Some(detected) = code(info.lang()) else { return said.unwrap_or_default() };
    match said {
        Some(said) if said.split('-').next() == Some(detected) || info.confidence() < 0.95 => said,
        Some(said) if !info.is_reliable() => said,
        _ => detected.to_owned(),
    }
}

/// Normalizes a tag: `en`, `en-GB`.
fn tag(said: &str) -> Option<String> {
    let said = said.trim().replace('_', "-");
    let mut parts = said.split('-');
    let language = parts.next()?.to_ascii_lowercase();
    if !(2..=3).contains(&language.len()) || !language.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    match parts.next() {
        Some(region) if region.len() == 2 && region.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Some(format!("{language}-{}", region.to_ascii_uppercase()))
        }
        _ => Some(language),
    }
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
}
