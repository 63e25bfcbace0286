//! Search: matches of the index, filtered by current readability.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::feed::at_most;
use super::filter::{READABLE, Values, conditions, has_words, selected};
use super::pool::Pool;
use super::reader::Reader;
use super::rows::{NEWEST, RECORD, RECORD_COLUMNS, get, position, record};
use super::tsvector::query_text;
use crate::store::{SearchHit, SearchPage, SearchQuery, StoreError};

/// Relevance score. A match in the headline (A) weighs most, one in names (C) less, and one in the body (D) least.
/// Divided by the logarithm of the length, so that long texts have no advantage.
const SCORE: &str = "ts_rank('{0.2, 0.4, 0.4, 1.0}', s.words, q.query, 1)";

/// Reads the position that the index has reached.
pub(super) async fn indexed(pool: &Pool) -> Result<crate::article::Position, StoreError> {
    let rows = pool.query("SELECT position FROM copydesk.indexed", &[]).await?;
    rows.first().map_or(Err(StoreError::Damaged), |row| Ok(position(get(row, 0)?)))
}

pub(super) async fn search(pool: &impl Reader, feed: Uuid, query: &SearchQuery) -> Result<SearchPage, StoreError> {
    let mut values = Values::new(query.now);
    let words = values.add(query_text(&query.query), Type::TEXT);
    let conditions = conditions(&mut values, &query.filter, None, Some(has_words(&words)));
    let conditions = conditions.into_iter().chain(selected(&mut values, &query.filter));
    let conditions: String = conditions.map(|condition| format!(" AND {condition}")).collect();
    let limit = values.add(at_most(query.limit), Type::INT8);
    let skip = values.add(at_most(query.skip), Type::INT8);
    // Always at least one row, for the index position. LIMIT 1 helps the planner: see `feed::touched`.
    let sql = format!(
        "SELECT {RECORD}, page.score, i.position FROM (SELECT position FROM copydesk.indexed LIMIT 1) i LEFT JOIN (
            SELECT a.key, {SCORE} AS score FROM (SELECT {words}::tsquery AS query) q
            JOIN copydesk.search s ON s.words @@ q.query JOIN copydesk.articles a ON a.key = s.article
            WHERE {READABLE}{conditions} ORDER BY score DESC, a.key DESC LIMIT {limit} OFFSET {skip}
         ) page ON true LEFT JOIN ({NEWEST}) ON a.key = page.key ORDER BY page.score DESC, page.key DESC"
    );
    let rows = pool.query(&sql, &values.params()).await?;
    let mut page = SearchPage { hits: Vec::with_capacity(rows.len()), indexed: position(0) };
    for row in &rows {
        page.indexed = position(get(row, RECORD_COLUMNS + 1)?);
        if let Some(score) = get::<Option<f32>>(row, RECORD_COLUMNS)? {
            page.hits.push(SearchHit { record: record(row, 0, feed)?, score });
        }
    }
    Ok(page)
}
