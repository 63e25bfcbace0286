//! Full-text search. Matches of the index are filtered by current readability.

use rusqlite::params_from_iter;

use super::filter::{Conditions, READABLE, Sql, match_text, selected};
use super::readers::Reader;
use super::rows;
use crate::store::{SearchHit, SearchPage, SearchQuery, StoreError};

/// Ranking function. A match in the headline weighs 5, in the body 1, in names 2.
const SCORE: &str = "bm25(fts, 5.0, 1.0, 2.0)";

pub(super) fn search(reader: &Reader, query: &SearchQuery) -> Result<SearchPage, StoreError> {
    // Read before the search, so the index has reached at least this position.
    let indexed =
        reader.connection.prepare_cached("SELECT position FROM search.state")?.query_row((), |row| row.get(0))?;
    let mut page = SearchPage { hits: Vec::new(), indexed: rows::position(indexed) };
    let Some(conditions) = Conditions::of(reader, &query.filter)? else { return Ok(page) };
    let mut sql = Sql::new(
        format!(
            "SELECT fts.rowid, {SCORE} AS score FROM search.fts AS fts CROSS JOIN articles a ON a.key = fts.rowid \
             WHERE {READABLE}"
        ),
        query.now,
    );
    let words = sql.value(match_text(&query.query));
    sql.text += &format!(" AND fts MATCH {words}");
    let searched = format!("a.key IN (SELECT rowid FROM search.fts WHERE fts MATCH {words})");
    let conditions = conditions.sql(&mut sql, &query.filter, None, Some(searched));
    for condition in conditions.into_iter().chain(selected(&mut sql, &query.filter)) {
        sql.text += &format!(" AND {condition}");
    }
    let limit = sql.value(i64::try_from(query.limit).unwrap_or(i64::MAX));
    let skip = sql.value(i64::try_from(query.skip).unwrap_or(i64::MAX));
    sql.text += &format!(" ORDER BY score, a.key DESC LIMIT {limit} OFFSET {skip}");
    let mut statement = reader.connection.prepare_cached(&sql.text)?;
    let found =
        statement.query_map(params_from_iter(&sql.values), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?)))?;
    for hit in found {
        let (key, score) = hit?;
        if let Some(record) = rows::by_key(&reader.connection, reader.feed, key)? {
            // In FTS5, a lower score is better.
            page.hits.push(SearchHit { record, score: -score as f32 });
        }
    }
    Ok(page)
}
