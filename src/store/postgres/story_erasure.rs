//! Erasure of what grouping keeps of purged articles.

use tokio_postgres::types::Type;

use super::bulk::{Bulk, Statement};

/// Builds the statement by which a purge waits for a step in progress, and later steps for the purge. It needs no
/// position, so that other writers are not delayed.
pub(super) fn exclude_steps(articles: &[i64]) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.grouping", 0);
    bulk.column("article", Type::INT8_ARRAY, articles.to_vec());
    bulk.custom(|_, _| "SELECT FROM copydesk.grouping FOR SHARE".to_owned())
}

/// Builds the statement that empties the reports of articles.
pub(super) fn erase(articles: &[i64], changes: usize) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.story_members", changes);
    bulk.placed("article", articles.to_vec());
    bulk.custom(|from, values| {
        format!(
            "UPDATE copydesk.story_members m SET report = '' FROM {from} WHERE m.article = {} AND m.report <> ''",
            values[0]
        )
    })
}
