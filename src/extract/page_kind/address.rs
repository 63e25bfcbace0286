//! Words of addresses that say what a page is.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Kinds of pages by the words of their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Article,
    Listing,
    Forum,
    Product,
    Service,
}

static WORDS: LazyLock<HashMap<&'static str, Section>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    let mut section = None;
    for line in include_str!("addresses.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line {
            "[article]" => section = Some(Section::Article),
            "[listing]" => section = Some(Section::Listing),
            "[forum]" => section = Some(Section::Forum),
            "[product]" => section = Some(Section::Product),
            "[service]" => section = Some(Section::Service),
            word => {
                words.extend(section.map(|section| (word, section)));
            }
        }
    }
    words
});

impl Section {
    /// Returns the kind of page that a part of a path names.
    pub(super) fn of(part: &str) -> Option<Self> {
        WORDS.get(part.to_ascii_lowercase().trim_end_matches(".html")).copied()
    }
}
