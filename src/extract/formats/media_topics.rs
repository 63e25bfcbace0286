//! Names of IPTC Media Topics: items often state the code alone.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The table: a code and a name on each line.
const TABLE: &str = include_str!("media_topics.txt");

static NAMES: LazyLock<HashMap<&'static str, &'static str>> = LazyLock::new(|| {
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect()
});

/// Returns the English name of a Media Topic, or of a Subject Code of the first level, which has the same code.
pub(super) fn name(scheme: &str, code: &str) -> Option<&'static str> {
    let scheme = scheme.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_known = matches!(scheme.as_str(), "medtop" | "mediatopic" | "subj" | "subjectcode" | "iptcsubjectcodes");
    // Subject Codes below the first level have other codes.
    let is_shared = code.ends_with("000000") || scheme.starts_with("med");
    NAMES.get(code).copied().filter(|_| is_known && is_shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_in_their_scheme() {
        for (scheme, code, expected) in [
            ("medtop", "04000000", Some("economy, business and finance")),
            ("http://cv.iptc.org/newscodes/mediatopic/", "15000000", Some("sport")),
            ("subj", "17000000", Some("weather")),
            ("own", "17000000", None),
            ("medtop", "99", None),
        ] {
            assert_eq!(name(scheme, code), expected, "{scheme}:{code}");
        }
        for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.len() > 9 && line[..8].bytes().all(|byte| byte.is_ascii_digit()), "{line}");
        }
    }
}
