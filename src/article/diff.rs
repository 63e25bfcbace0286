//! Comparison of two revisions.

use crate::proto::Article;

macro_rules! compare {
    ($before:expr, $after:expr, [$($field:ident),* $(,)?]) => {{
        let mut changed = Vec::new();
        $(if $before.$field != $after.$field { changed.push(stringify!($field)); })*
        changed
    }};
}

/// Returns the names of the fields that differ, except those that Copydesk sets, in the order of their numbers.
pub fn changed_fields(before: &Article, after: &Article) -> Vec<&'static str> {
    compare!(
        before,
        after,
        [
            source,
            url,
            external_id,
            headline,
            subheadline,
            authors,
            dateline,
            agency,
            publisher,
            language,
            section,
            tags,
            body,
            blocks,
            media,
            links,
            rights,
            publish_time,
            source_update_time,
            embargo_time,
            expire_time,
        ]
    )
}
