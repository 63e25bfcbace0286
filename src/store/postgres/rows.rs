//! Conversion of rows to records.

use std::sync::{Arc, LazyLock};

use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use super::reader::Reader;
use crate::article::{ArticleId, ChangeToken, Digest, EditorFields, Facet, Record, RecordParts, SourceVersion};
use crate::store::enum_codes;
use crate::store::enum_codes::{lifecycle, time};
pub(super) use crate::store::enum_codes::{position, sequence};
use crate::store::{Fetched, StoreError, Visibility};

/// Columns of a record: from the article `a`, the change `c` that created the revision, and its text `b`.
pub(super) const RECORD: &str = "a.id, a.uid, a.created, c.position, c.revision, c.lifecycle, c.embargo, c.expire, \
     c.publish, c.deleted, c.digest, c.time, b.content";
/// Number of columns of [`RECORD`].
pub(super) const RECORD_COLUMNS: usize = 13;
/// Columns of an article's current visibility, after [`RECORD`].
pub(super) const VISIBILITY: &str = "a.lifecycle, a.embargo, a.expire, a.revision, a.editor_fields, \
     a.source_time, a.source_version, a.observed";
pub(super) const VISIBILITY_COLUMNS: usize = 8;
/// Tables of the newest revision of an article.
pub(super) const NEWEST: &str = "copydesk.articles a JOIN copydesk.changes c ON c.position = a.position \
     JOIN copydesk.texts b ON b.text = c.text";
/// Tables of all changes of an article.
pub(super) const HISTORY: &str = "copydesk.changes c JOIN copydesk.articles a ON a.key = c.article \
     JOIN copydesk.texts b ON b.text = c.text";

/// Reads a column. An unexpected type means that another program has changed the table.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, StoreError> {
    row.try_get(column).map_err(|error| {
        tracing::error!(error = super::error::describe(&error), "row has an unexpected format");
        StoreError::Damaged
    })
}

/// Reads the columns of [`RECORD`], starting at `at`.
pub(super) fn record(row: &Row, at: usize, feed: Uuid) -> Result<Arc<Record>, StoreError> {
    let parts = RecordParts {
        id: article_id(row, at)?,
        uid: get(row, at + 1)?,
        revision: get(row, at + 4)?,
        lifecycle: lifecycle(get::<i16>(row, at + 5)?.into()),
        token: ChangeToken { feed, position: position(get(row, at + 3)?) },
        create_time: time(get(row, at + 2)?),
        update_time: time(get(row, at + 11)?),
        delete_time: get::<Option<i64>>(row, at + 9)?.map(time),
        publish_time: get::<Option<i64>>(row, at + 8)?.map(time),
        embargo_time: get::<Option<i64>>(row, at + 6)?.map(time),
        expire_time: get::<Option<i64>>(row, at + 7)?.map(time),
        digest: digest(row, at + 10)?,
    };
    Ok(Arc::new(Record::new(parts, get(row, at + 12)?)))
}

/// Reads the columns of [`VISIBILITY`], starting at `at`.
pub(super) fn visibility(row: &Row, at: usize) -> Result<Visibility, StoreError> {
    Ok(Visibility {
        lifecycle: lifecycle(get::<i16>(row, at)?.into()),
        embargo_time: get::<Option<i64>>(row, at + 1)?.map(time),
        expire_time: get::<Option<i64>>(row, at + 2)?.map(time),
        revision: get(row, at + 3)?,
        editor_fields: EditorFields::from_bits(get::<i16>(row, at + 4)?.into()),
        version: version(row, at + 5)?,
    })
}

/// Reads the version of the last ingested document, from three columns starting at `at`.
pub(super) fn version(row: &Row, at: usize) -> Result<SourceVersion, StoreError> {
    Ok(SourceVersion {
        stated: get::<Option<i64>>(row, at)?.map(time),
        number: get(row, at + 1)?,
        observed: get::<Option<i64>>(row, at + 2)?.map(time),
    })
}

pub(super) fn article_id(row: &Row, column: usize) -> Result<ArticleId, StoreError> {
    get::<&str>(row, column)?.parse().map_err(|_| StoreError::Damaged)
}

pub(super) fn digest(row: &Row, column: usize) -> Result<Digest, StoreError> {
    Ok(Digest(get::<&[u8]>(row, column)?.try_into().map_err(|_| StoreError::Damaged)?))
}

/// Query of the newest revisions of the articles named in $1, with the index of each name. Each name is looked up
/// separately, and their number is hidden from the planner, so one cached plan suits one name and many.
pub(super) static ARTICLES: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT r.*, w.at FROM unnest((SELECT $1::text[])) WITH ORDINALITY w(id, at) \
         CROSS JOIN LATERAL (SELECT {RECORD} FROM {NEWEST} WHERE a.id = w.id LIMIT 1) r"
    )
});

/// Reads articles in the order of `ids`, which may repeat.
pub(super) async fn fetch(reader: &impl Reader, feed: Uuid, ids: &[ArticleId]) -> Result<Vec<Fetched>, StoreError> {
    fetch_each(reader, feed, ids).await?.into_iter().collect()
}

/// Reads articles like [`fetch`], with a separate error for each.
pub(super) async fn fetch_each(
    reader: &impl Reader,
    feed: Uuid,
    ids: &[ArticleId],
) -> Result<Vec<Result<Fetched, StoreError>>, StoreError> {
    let names: Vec<&str> = ids.iter().map(ArticleId::as_str).collect();
    let mut found = vec![Ok(Fetched::missing()); ids.len()];
    for row in reader.query_planned(&ARTICLES, &[(&names, Type::TEXT_ARRAY)]).await? {
        let at = usize::try_from(get::<i64>(&row, RECORD_COLUMNS)?).map_err(|_| StoreError::Damaged)?;
        let entry = at.checked_sub(1).and_then(|at| found.get_mut(at)).ok_or(StoreError::Damaged)?;
        *entry = record(&row, 0, feed).map(|record| Fetched { record: Some(record), ..Fetched::missing() });
    }
    Ok(found)
}

/// Reads a revision of an article.
pub(super) async fn revision(
    reader: &impl Reader,
    feed: Uuid,
    id: &ArticleId,
    revision: i64,
) -> Result<Option<Arc<Record>>, StoreError> {
    let sql = format!("SELECT {RECORD} FROM {HISTORY} WHERE a.id = $1 AND c.revision = $2");
    let rows = reader.query(&sql, &[(&id.as_str(), Type::TEXT), (&revision, Type::INT8)]).await?;
    rows.first().map(|row| record(row, 0, feed)).transpose()
}

/// Reads the key of an article.
pub(super) async fn key_of(reader: &impl Reader, id: &ArticleId) -> Result<Option<i64>, StoreError> {
    let rows = reader.query("SELECT key FROM copydesk.articles WHERE id = $1", &[(&id.as_str(), Type::TEXT)]).await?;
    rows.first().map(|row| get(row, 0)).transpose()
}

/// Returns the number of a facet's list: 64 bits of a hash, so that a writer need not read it from the database. Among
/// ten million different values, the probability of a collision is below 1 in 300,000.
pub(super) fn facet_number(facet: &Facet) -> i64 {
    hash(&[&[enum_codes::facet_number(facet.kind)], facet.value.as_bytes()])
}

/// Returns the numbers of the lists that an article is in.
pub(super) fn facet_numbers(facets: &[Facet]) -> Vec<i64> {
    let mut numbers: Vec<i64> = facets.iter().map(facet_number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Computes a hash for a narrow index; matches must be compared in full.
pub(super) fn hash(parts: &[&[u8]]) -> i64 {
    crate::store::enum_codes::head(&Digest::of_bytes(&parts.concat()))
}
