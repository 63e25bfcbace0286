//! Phrases of walls and notices: a data file for each language.

use std::collections::HashSet;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::extract::data_file;

/// The data files.
const FILES: [&str; 30] = [
    include_str!("phrases/ar.txt"),
    include_str!("phrases/bg.txt"),
    include_str!("phrases/cs.txt"),
    include_str!("phrases/da.txt"),
    include_str!("phrases/de.txt"),
    include_str!("phrases/el.txt"),
    include_str!("phrases/en.txt"),
    include_str!("phrases/es.txt"),
    include_str!("phrases/fa.txt"),
    include_str!("phrases/fi.txt"),
    include_str!("phrases/fr.txt"),
    include_str!("phrases/he.txt"),
    include_str!("phrases/hu.txt"),
    include_str!("phrases/id.txt"),
    include_str!("phrases/it.txt"),
    include_str!("phrases/ja.txt"),
    include_str!("phrases/ko.txt"),
    include_str!("phrases/nb.txt"),
    include_str!("phrases/nl.txt"),
    include_str!("phrases/pl.txt"),
    include_str!("phrases/pt.txt"),
    include_str!("phrases/ro.txt"),
    include_str!("phrases/ru.txt"),
    include_str!("phrases/sk.txt"),
    include_str!("phrases/sv.txt"),
    include_str!("phrases/th.txt"),
    include_str!("phrases/tr.txt"),
    include_str!("phrases/uk.txt"),
    include_str!("phrases/vi.txt"),
    include_str!("phrases/zh.txt"),
];

/// Topics of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Consent,
    Robot,
    NotFound,
    Paywall,
    Login,
    Appeal,
}

/// A phrase in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) topic: Topic,
    /// Number of the phrase.
    pub(super) phrase: usize,
    /// Offset in the text.
    pub(super) at: usize,
}

struct Phrases {
    search: Option<AhoCorasick>,
    topics: Vec<Topic>,
    services: HashSet<&'static str>,
}

static PHRASES: LazyLock<Phrases> = LazyLock::new(|| {
    let mut phrases: Vec<&'static str> = Vec::new();
    let mut topics = Vec::new();
    let mut services = HashSet::new();
    for (section, line) in data_file::lines(&FILES) {
        match topic(section) {
            Some(topic) => {
                phrases.push(line);
                topics.push(topic);
            }
            None => {
                services.insert(line);
            }
        }
    }
    // Building fails for more patterns than an index can hold: never for these files.
    let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(phrases).ok();
    Phrases { search, topics, services }
});

fn topic(section: &str) -> Option<Topic> {
    Some(match section {
        "consent" => Topic::Consent,
        "robot" => Topic::Robot,
        "not-found" => Topic::NotFound,
        "paywall" => Topic::Paywall,
        "login" => Topic::Login,
        "appeal" => Topic::Appeal,
        _ => return None,
    })
}

/// Returns the phrases of notices in a text in lower case, in its order.
pub(super) fn hits(text: &str) -> Vec<Hit> {
    let phrases = &*PHRASES;
    let Some(search) = &phrases.search else { return Vec::new() };
    // Scripts without spaces have no word boundaries.
    let continues = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() && c < '\u{3000}');
    search
        .find_iter(text)
        .filter(|found| {
            !continues(text[..found.start()].chars().next_back()) && !continues(text[found.end()..].chars().next())
        })
        .map(|found| {
            let phrase = found.pattern().as_usize();
            Hit { topic: phrases.topics[phrase], phrase, at: found.start() }
        })
        .collect()
}

/// Returns true if a sentence begins like an offer to subscribe, or the text has two phrases of such offers.
pub(in crate::extract) fn is_offer(text: &str) -> bool {
    let text = text.to_lowercase().replace('’', "'");
    let starts = |at: usize| {
        let before =
            text[..at].trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '“' | '„' | '¿' | '¡'));
        before.is_empty() || before.ends_with(['.', '!', '?', '。', '！', '？'])
    };
    let mut first = None;
    hits(&text)
        .into_iter()
        .filter(|hit| hit.topic == Topic::Paywall)
        .any(|hit| starts(hit.at) || *first.get_or_insert(hit.phrase) != hit.phrase)
}

/// Returns true for the heading of a page such as a privacy policy.
pub(super) fn is_service_heading(heading: &str) -> bool {
    PHRASES.services.contains(heading.trim().to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_data_files_is_a_phrase_of_a_known_section() {
        for (section, line) in data_file::lines(&FILES) {
            assert!(topic(section).is_some() || section == "service", "unknown section {section:?} of {line:?}");
            assert_eq!(line, line.trim().to_lowercase(), "must be in lower case, without spaces around it");
        }
    }

    #[test]
    fn phrases_are_found_at_word_boundaries() {
        let found = |text: &str| hits(text).iter().map(|hit| hit.topic).collect::<Vec<_>>();
        assert_eq!(found("please enable javascript to go on"), [Topic::Robot]);
        assert_eq!(found("he wrote an error 4045 report"), []);
        assert_eq!(found("本站：我们使用cookie以改进"), [Topic::Consent]);
        assert!(is_service_heading(" Privacy Policy") && !is_service_heading("Privacy policy of the harbour board"));
    }
}
