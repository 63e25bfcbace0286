//! News agencies.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

/// News agencies by the names used in datelines, bylines and attributions, with their standard names.
pub(crate) const AGENCIES: &[(&str, &str)] = &[
    ("Reuters", "Reuters"),
    ("REUTERS", "Reuters"),
    ("Thomson Reuters Foundation", "Thomson Reuters Foundation"),
    ("AP", "AP"),
    ("Associated Press", "AP"),
    ("The Associated Press", "AP"),
    ("AFP", "AFP"),
    ("Agence France-Presse", "AFP"),
    ("UPI", "UPI"),
    ("DPA", "dpa"),
    ("dpa", "dpa"),
    ("Dpa", "dpa"),
    ("Deutsche Presse-Agentur", "dpa"),
    ("dpa-infocom", "dpa"),
    ("dpa/lno", "dpa"),
    ("dpa/tmn", "dpa"),
    ("AFPRelaxnews", "AFP"),
    ("SDA", "Keystone-SDA"),
    ("sda", "Keystone-SDA"),
    ("Keystone-SDA", "Keystone-SDA"),
    ("KNA", "KNA"),
    ("epd", "epd"),
    ("SID", "SID"),
    ("PA", "PA Media"),
    ("PA Media", "PA Media"),
    ("Press Association", "PA Media"),
    ("EFE", "EFE"),
    ("ANSA", "ANSA"),
    ("TASS", "TASS"),
    ("ITAR-TASS", "TASS"),
    ("ТАСС", "TASS"),
    ("RIA Novosti", "RIA Novosti"),
    ("РИА Новости", "RIA Novosti"),
    ("Interfax", "Interfax"),
    ("Интерфакс", "Interfax"),
    ("Xinhua", "Xinhua"),
    ("新华社", "Xinhua"),
    ("Kyodo", "Kyodo"),
    ("Kyodo News", "Kyodo"),
    ("共同通信", "Kyodo"),
    ("Jiji Press", "Jiji"),
    ("Yonhap", "Yonhap"),
    ("PTI", "PTI"),
    ("Press Trust of India", "PTI"),
    ("ANI", "ANI"),
    ("IANS", "IANS"),
    ("AAP", "AAP"),
    ("The Canadian Press", "The Canadian Press"),
    ("Bernama", "Bernama"),
    ("Antara", "Antara"),
    ("Anadolu Agency", "Anadolu Agency"),
    ("Anadolu Ajansı", "Anadolu Agency"),
    ("AA", "Anadolu Agency"),
    ("Anadolu", "Anadolu Agency"),
    ("ATS", "Keystone-ATS"),
    ("Keystone-ATS", "Keystone-ATS"),
    ("APA", "APA"),
    ("Belga", "Belga"),
    ("ANP", "ANP"),
    ("TT", "TT"),
    ("NTB", "NTB"),
    ("Ritzau", "Ritzau"),
    ("ritzau", "Ritzau"),
    ("STT", "STT"),
    ("PAP", "PAP"),
    ("CTK", "ČTK"),
    ("MTI", "MTI"),
    ("Lusa", "Lusa"),
    ("Agência Brasil", "Agência Brasil"),
    ("Europa Press", "Europa Press"),
    ("Bloomberg", "Bloomberg"),
    ("Bloomberg News", "Bloomberg"),
    ("Ukrinform", "Ukrinform"),
    ("Укринформ", "Ukrinform"),
    ("UNIAN", "UNIAN"),
    ("Armenpress", "Armenpress"),
    ("Sputnik", "Sputnik"),
    ("KCNA", "KCNA"),
    ("IRNA", "IRNA"),
    ("MENA", "MENA"),
    ("SPA", "SPA"),
    ("WAM", "WAM"),
    ("NAN", "NAN"),
    ("GNA", "GNA"),
    ("City News Service", "City News Service"),
    ("StatePoint", "StatePoint"),
    ("Agencia EFE", "EFE"),
    ("Adnkronos", "Adnkronos"),
    ("AGI", "AGI"),
    ("LaPresse", "LaPresse"),
    ("Agência Lusa", "Lusa"),
    ("LUSA", "Lusa"),
    ("UNI", "UNI"),
    ("Télam", "Télam"),
    ("Notimex", "Notimex"),
    ("Presse Canadienne", "The Canadian Press"),
    ("La Presse Canadienne", "The Canadian Press"),
    ("Keystone-SDA-ATS", "Keystone-SDA"),
    ("ČTK", "ČTK"),
    ("BTA", "BTA"),
    ("BNS", "BNS"),
    ("ELTA", "ELTA"),
    ("TASR", "TASR"),
    ("Tanjug", "Tanjug"),
    ("HINA", "Hina"),
    ("Hina", "Hina"),
    ("ΑΠΕ-ΜΠΕ", "ANA-MPA"),
    ("DHA", "DHA"),
    ("İHA", "İHA"),
    ("ИНТЕРФАКС", "Interfax"),
    ("INTERFAX", "Interfax"),
    ("INTERFAX.RU", "Interfax"),
    ("Интерфакс-Украина", "Interfax-Ukraine"),
    ("Інтерфакс-Україна", "Interfax-Ukraine"),
    ("Interfax-Ukraine", "Interfax-Ukraine"),
    ("РИА НОВОСТИ", "RIA Novosti"),
    ("REGNUM", "REGNUM"),
    ("Росбалт", "Rosbalt"),
    ("БЕЛТА", "BelTA"),
    ("БелТА", "BelTA"),
    ("Укрінформ", "Ukrinform"),
    ("УКРІНФОРМ", "Ukrinform"),
    ("УНІАН", "UNIAN"),
    ("УНИАН", "UNIAN"),
    ("Արմենպրես", "Armenpress"),
    ("ԱՐՄԵՆՊՐԵՍ", "Armenpress"),
    ("ARMENPRESS", "Armenpress"),
    ("رويترز", "Reuters"),
    ("أ ف ب", "AFP"),
    ("ا ف ب", "AFP"),
    ("أ.ف.ب", "AFP"),
    ("فرانس برس", "AFP"),
    ("د ب أ", "dpa"),
    ("أ ش أ", "MENA"),
    ("وام", "WAM"),
    ("واس", "SPA"),
    ("سانا", "SANA"),
    ("قنا", "QNA"),
    ("ایرنا", "IRNA"),
    ("ایسنا", "ISNA"),
    ("تسنیم", "Tasnim"),
    ("新華社", "Xinhua"),
    ("中新社", "China News Service"),
    ("中新网", "China News Service"),
    ("中新網", "China News Service"),
    ("中央社", "CNA"),
    ("共同", "Kyodo"),
    ("時事", "Jiji"),
    ("時事通信", "Jiji"),
    ("AFP時事", "AFP"),
    ("AFP=時事", "AFP"),
    ("CNN", "CNN"),
    ("ロイター", "Reuters"),
    ("路透社", "Reuters"),
    ("法新社", "AFP"),
    ("연합뉴스", "Yonhap"),
    ("뉴시스", "Newsis"),
    ("뉴스1", "News1"),
    ("로이터", "Reuters"),
    ("TTXVN", "VNA"),
    ("KUNA", "KUNA"),
    ("dpa-AFX", "dpa-AFX"),
    ("ots", "news aktuell"),
    ("awp", "AWP"),
    ("askanews", "askanews"),
    ("Italpress", "Italpress"),
    ("Agerpres", "Agerpres"),
    ("БТА", "BTA"),
    ("Рейтер", "Reuters"),
    ("Рейтерс", "Reuters"),
    ("АФП", "AFP"),
    ("ДПА", "dpa"),
    ("Синьхуа", "Xinhua"),
    ("БелТА", "BelTA"),
    ("שינחואה", "Xinhua"),
    ("רויטרס", "Reuters"),
    ("شينخوا", "Xinhua"),
    ("الأناضول", "Anadolu Agency"),
    ("مهر", "Mehr"),
    ("فارس", "Fars"),
    ("ایلنا", "ILNA"),
    ("भाषा", "PTI"),
    ("वार्ता", "UNI"),
    ("रॉयटर्स", "Reuters"),
    ("聯合ニュース", "Yonhap"),
    ("新華社通信", "Xinhua"),
    ("タス通信", "TASS"),
    ("로이터=연합뉴스", "Reuters"),
];

/// Agencies by the first character of their names.
static BY_FIRST: LazyLock<HashMap<char, Vec<Entry>>> = LazyLock::new(|| {
    let mut by_first: HashMap<char, Vec<Entry>> = HashMap::new();
    for (name, standard) in AGENCIES {
        if let Some(first) = name.chars().next() {
            by_first.entry(first).or_default().push((name, standard));
        }
    }
    by_first
});

/// A name and the standard name.
type Entry = (&'static str, &'static str);

/// Returns the agencies that a text names, as whole words: position, name and standard name.
pub(crate) fn occurrences(text: &str) -> impl Iterator<Item = (usize, Entry)> {
    let mut was_word = false;
    let starts = text.char_indices().filter(move |(_, c)| {
        let is_start = !was_word && !c.is_ascii_punctuation() && *c != ' ';
        was_word = c.is_alphanumeric();
        is_start
    });
    starts.filter_map(|(at, first)| {
        let named = BY_FIRST.get(&first)?.iter().filter(|(name, _)| {
            text[at..].strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        });
        Some((at, *named.max_by_key(|(name, _)| name.len())?))
    })
}

/// Returns the agency of this name.
pub(crate) fn agency(name: &str) -> Option<&'static str> {
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    // `ＣＮＮ`
    let narrow: String;
    let name = if name.contains(|c| matches!(c, '\u{FF21}'..='\u{FF5A}')) {
        narrow = name.nfkc().collect();
        narrow.as_str()
    } else {
        name
    };
    let named = BY_FIRST.get(&name.chars().next()?)?;
    // Longer names are known in capitals, too.
    let is_same = |known: &str| {
        known == name
            || known.len() >= 5 && name.chars().count() == known.chars().count() && name == known.to_uppercase()
    };
    named.iter().find(|(known, _)| is_same(known)).map(|(_, standard)| *standard)
}
