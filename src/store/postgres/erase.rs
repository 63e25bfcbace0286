//! Erasure of purged articles, in the transaction of the purge. The bytes stay in the files of the tables until
//! `eraser` rewrites them.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::bulk::{Bulk, Statement};
use super::{key_table, original_table, read_table, story_erasure};
use crate::article::Key;

/// Article that is purged.
pub(super) struct ErasedRow {
    /// Row key of the article.
    pub(super) article: i64,
    /// Position of the change that purges it.
    pub(super) position: i64,
    /// Revision that it creates.
    pub(super) revision: i64,
    /// Content that is left.
    pub(super) content: Vec<u8>,
    /// Keys by which its texts are recognized.
    pub(super) keys: Vec<Key>,
}

/// Builds the statements that erase articles. They run after the group's own rows are stored, which they erase too.
pub(super) fn statements(rows: &[ErasedRow], changes: usize) -> Vec<Option<Statement>> {
    let bulk = || {
        let mut bulk = Bulk::new("copydesk.purged_keys", changes);
        bulk.placed("article", rows.iter().map(|row| row.article).collect::<Vec<_>>());
        bulk
    };
    let mut texts = bulk();
    texts.column("content", Type::BYTEA_ARRAY, rows.iter().map(|row| row.content.clone()).collect());
    let mut history = bulk();
    history.placed("position", rows.iter().map(|row| row.position).collect::<Vec<_>>());
    // A repeated request would get the response with the text.
    let mut requests = bulk();
    requests.column("revision", Type::INT8_ARRAY, rows.iter().map(|row| row.revision).collect());
    let mut keys = Bulk::new("copydesk.purged_keys", changes);
    // Articles of one source may have had the same text. A statement may store a key only once.
    let of_each = rows.iter().flat_map(|row| row.keys.iter().map(|key| (key_table::stored(key), row.article)));
    let (key_column, articles) = of_each.collect::<BTreeMap<_, _>>().into_iter().unzip::<_, _, Vec<_>, Vec<i64>>();
    keys.column("key", Type::UUID_ARRAY, key_column);
    keys.placed("article", articles);
    let articles: Vec<i64> = rows.iter().map(|row| row.article).collect();
    let [documents, revisions] = original_table::erase(&articles, changes);
    vec![
        documents,
        revisions,
        story_erasure::erase(&articles, changes),
        read_table::erase(&articles, changes),
        texts.custom(|from, values| {
            format!(
                "UPDATE copydesk.texts x SET content = t.content FROM {from}, copydesk.changes c
                 WHERE c.article = {} AND x.text = c.text AND x.content <> t.content",
                values[0]
            )
        }),
        // The files of the history are rewritten only if a reason was erased.
        history.custom(|from, values| {
            format!(
                "WITH erased AS (
                     UPDATE copydesk.changes c SET reason = '', publish = NULL, expire = NULL
                     FROM {from}, copydesk.changes b
                     WHERE c.article = {} AND c.position <> {} AND b.position = c.position
                     RETURNING b.reason
                 )
                 UPDATE copydesk.erasures SET due = (SELECT position FROM copydesk.feed),
                     transaction = pg_current_xact_id()::text::bigint,
                     reasons = reasons OR EXISTS (SELECT FROM erased WHERE reason <> '')",
                values[0], values[1]
            )
        }),
        requests.custom(|from, values| {
            let article = &values[0];
            format!(
                "DELETE FROM copydesk.requests r USING {from} WHERE r.article = {article} AND r.revision <> t.revision"
            )
        }),
        keys.upsert(&["key"], &[]),
    ]
}
