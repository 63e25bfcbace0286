//! Names of meta tags that state times. They are compared without marks: `article:published_time`,
//! `article.published-time` and `articlePublishedTime` are one name. Sites invent such names, so they are matched
//! by the words in them.

use super::super::page::Page;

/// Parts of names of times that are not of the article: of its end, of an event, of the file.
const OTHER: [&str; 16] = [
    "expir",
    "valid",
    "unavailable",
    "event",
    "start",
    "build",
    "cache",
    "crawl",
    "copyright",
    "birth",
    "embargo",
    "accepted",
    "accessioned",
    "submitted",
    "coverage",
    "image",
];
/// Parts of names of an update.
const UPDATED: [&str; 7] = ["modif", "updat", "lastmod", "moddate", "revis", "edited", "changed"];
/// Parts of names that say `published`, of whatever grammatical form.
const PUBLISHED: [&str; 11] =
    ["publish", "publication", "pubdate", "pubtime", "releas", "post", "issue", "regdate", "display", "online", "live"];
/// Ends of names of a time, apart from forms such as `published`.
const TIMES: [&str; 7] = ["date", "time", "gmt", "at", "on", "timestamp", "original"];
/// Ends of names that say all: nothing but a time follows them.
const PARTICIPLES: [&str; 4] = ["published", "posted", "issued", "released"];
/// Names of a date of publication that have none of these parts.
const SHORT: [&str; 6] = ["pdate", "ptime", "sailthrudate", "articledateoriginal", "eprintsdate", "available"];

/// Names of a date without any statement.
const PLAIN: [&str; 6] = ["date", "datetime", "timestamp", "articledate", "newsdate", "storydate"];

/// Meaning of a time in a meta tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    Published,
    /// Mostly the time of publication: of creation, or a date without any statement.
    Created,
    Updated,
    /// A date that may be of anything.
    Unclear,
}

/// Returns the times that the page's meta tags state, the most reliable of each meaning first.
pub(super) fn times(page: &Page) -> impl Iterator<Item = (Meaning, &str)> {
    let mut found: Vec<(Meaning, bool, &str)> = page
        .tags
        .iter()
        .filter_map(|(name, content)| {
            let plain: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
            meaning(&plain).map(|meaning| (meaning, !plain.contains("article"), content.as_str()))
        })
        .collect();
    found.sort_by_key(|(meaning, is_other, _)| (*meaning, *is_other));
    found.into_iter().map(|(meaning, _, content)| (meaning, content))
}

/// Returns the meaning of a name without marks, in lower case.
fn meaning(name: &str) -> Option<Meaning> {
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let ends = |parts: &[&str]| parts.iter().any(|part| name.ends_with(part));
    let is_dublin_core = name.starts_with("dcdate") || name.starts_with("dctermsdate");
    if has(&OTHER) && !name.ends_with("available") {
        return None;
    }
    if has(&UPDATED) {
        return Some(Meaning::Updated);
    }
    if ends(&SHORT) {
        return Some(Meaning::Published);
    }
    let is_dated = ends(&TIMES) || is_dublin_core || name.starts_with("date");
    if ends(&PARTICIPLES) || has(&PUBLISHED) && is_dated || name.contains("datepublished") {
        // The release of a film or of a record; a constant that a template gives to analytics.
        let is_unclear = ["video", "music", "dcs"].iter().any(|start| name.starts_with(start));
        return Some(if is_unclear { Meaning::Unclear } else { Meaning::Published });
    }
    if name.contains("creat") && (is_dated || name.ends_with("created")) || is_dublin_core || PLAIN.contains(&name) {
        return Some(Meaning::Created);
    }
    ends(&["date", "datetime", "dategmt", "timestamp", "gentime", "dateline"]).then_some(Meaning::Unclear)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_by_their_words() {
        for (meaning, names) in [
            (
                Some(Meaning::Published),
                "articlepublishedtime publisheddate dcdateissued dctermsissued pdate rbpubdate btpubdate ogregdate \
                 datepublished posted articlepostdate weboarticlepublishat firstpublishedat releasedate sailthrudate",
            ),
            (Some(Meaning::Created), "date dcdate datecreated weiboarticlecreateat timestamp storydate dccreated"),
            (Some(Meaning::Unclear), "gentime videoreleasedate tachfilingdate"),
            (
                Some(Meaning::Updated),
                "articlemodifiedtime ogupdatedtime lastmodified btmoddate revisiondate dcdatemodified lastupdate",
            ),
            (None, "articleexpirationtime publisher articlepublisher eventstartdate section description builddate"),
        ] {
            for name in names.split_whitespace() {
                assert_eq!(super::meaning(name), meaning, "{name}");
            }
        }
    }
}
