//! Parts of a page, told apart by the names of elements and of their classes.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use super::super::dates::Label;

/// Elements beside the article that may hold its data, in a box or at its foot.
const SIDE: [&str; 2] = ["aside", "footer"];
/// Parts of class names of such elements.
const SIDE_CLASSES: [&str; 3] = ["aside", "footer", "sidebar"];
/// Elements that never hold the article's date.
const OTHER: [&str; 3] = ["nav", "figcaption", "blockquote"];
/// Parts of class names of such elements.
const OTHER_CLASSES: [&str; 24] = [
    "archive",
    "breadcrumb",
    "calendar",
    "caption",
    "carousel",
    "comment ",
    "comment-",
    "comment_",
    "comments",
    "cookie",
    "copyright",
    "latest",
    "mostread",
    "navigation",
    "newsletter",
    "popular",
    "promo",
    "recent",
    "recirc",
    "recommend",
    "related",
    "reply",
    "teaser",
    "trending",
];
/// Parts of class names of elements with a date.
const DATE_CLASSES: [&str; 10] =
    ["date", "time", "publish", "posted", "datum", "fecha", "meta", "byline", "author", "info"];

/// Kind of the element with a date.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) enum Kind {
    #[default]
    Plain,
    Classed,
    Time,
    Marked,
}

/// Part of the page, the most trustworthy first.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    #[default]
    Article,
    Side,
    Other,
}

/// Parts of class names that speak of a publication, and of an update.
const PUBLISHED_CLASSES: [&str; 5] = ["publish", "pubdate", "posted", "created", "release"];
const UPDATED_CLASSES: [&str; 5] = ["modif", "updat", "changed", "revis", "lastedit"];

/// The parts of each group.
const GROUPS: [&[&str]; 5] = [&OTHER_CLASSES, &SIDE_CLASSES, &DATE_CLASSES, &PUBLISHED_CLASSES, &UPDATED_CLASSES];

/// The parts of all groups, and the group of each. A unit test holds that the automaton can be built.
static PARTS: LazyLock<(AhoCorasick, Vec<usize>)> = LazyLock::new(|| {
    let groups = GROUPS.iter().enumerate().flat_map(|(group, parts)| parts.iter().map(move |_| group)).collect();
    (AhoCorasick::new(GROUPS.concat()).expect("the parts are few and short"), groups)
});

/// Groups of the parts found in class names, as bits.
#[derive(Clone, Copy)]
pub(super) struct Classes(u8);

impl Classes {
    /// Finds the parts in class names in lower case.
    pub(super) fn of(classes: &str) -> Self {
        let (automaton, groups) = &*PARTS;
        let found = automaton.find_overlapping_iter(classes);
        Self(found.fold(0, |bits, part| bits | 1 << groups[part.pattern().as_usize()]))
    }

    fn has(self, group: usize) -> bool {
        self.0 & 1 << group != 0
    }

    /// Returns true if class names say that an element has a date.
    pub(super) fn is_dated(self) -> bool {
        self.has(2)
    }

    /// Returns the statement that class names make about a date. `published updated` is a date that is both.
    pub(super) fn label(self) -> Option<Label> {
        let updated = self.has(4).then_some(Label::Updated);
        if self.has(3) { Some(Label::Published) } else { updated }
    }
}

impl Place {
    /// Returns the place of an element that the headline is not in, by its name and its class names.
    pub(super) fn of(name: &str, classes: Classes) -> Self {
        if OTHER.contains(&name) || classes.has(0) {
            Self::Other
        } else if SIDE.contains(&name) || classes.has(1) {
            Self::Side
        } else {
            Self::Article
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_labels_are_told_by_class_names() {
        for (classes, place, is_dated, label) in [
            ("article-body", Place::Article, false, None),
            ("page-sidebar posted-on", Place::Side, true, Some(Label::Published)),
            ("related-news publishdate", Place::Other, true, Some(Label::Published)),
            ("commentator", Place::Article, false, None),
            ("last-updated", Place::Article, true, Some(Label::Updated)),
            ("", Place::Article, false, None),
        ] {
            let found = Classes::of(classes);
            assert_eq!((Place::of("div", found) == place, found.is_dated()), (true, is_dated), "{classes}");
            assert!(found.label() == label, "{classes}");
        }
    }
}
