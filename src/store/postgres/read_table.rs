//! Counts of reads, by hour and article.
//!
//! Replicas add to the same rows. Every statement that locks several rows does so in the order of hours and articles,
//! or skips locked ones, so that none waits for another in a circle.

use jiff::Timestamp;
use tokio_postgres::types::Type;

use super::bulk::{Bulk, Statement};
use super::feed::at_most;
use super::pool::{Param, Pool};
use super::reader::Reader;
use super::rows::{article_id, get};
use crate::article::ArticleId;
use crate::store::enum_codes::in_states;
use crate::store::{HourlyReads, StoreError};

/// Adds reads. Those of articles that are unknown, or not readable at `now`, are left out.
pub(super) async fn add(pool: &Pool, reads: &[HourlyReads], now: Timestamp) -> Result<(), StoreError> {
    // A statement may update a row only once.
    let sql = format!(
        "INSERT INTO copydesk.article_reads AS r (hour, article, count)
         SELECT t.hour, a.key, sum(t.count)::bigint FROM unnest($1, $2, $3) t(id, hour, count)
         JOIN copydesk.articles a ON a.id = t.id WHERE {} GROUP BY t.hour, a.key ORDER BY t.hour, a.key
         ON CONFLICT (hour, article) DO UPDATE SET count = r.count + excluded.count",
        in_states(&[], "$4")
    );
    let ids: Vec<&str> = reads.iter().map(|reads| reads.article.as_str()).collect();
    let hours: Vec<i64> = reads.iter().map(|reads| reads.hour).collect();
    let counts: Vec<i64> = reads.iter().map(|reads| i64::try_from(reads.count).unwrap_or(i64::MAX)).collect();
    let now = now.as_microsecond();
    let params: [Param<'_>; 4] =
        [(&ids, Type::TEXT_ARRAY), (&hours, Type::INT8_ARRAY), (&counts, Type::INT8_ARRAY), (&now, Type::INT8)];
    pool.execute(&sql, &params).await.map(drop)
}

/// Returns at most `limit` articles with reads in an hour, most read first.
pub(super) async fn of_hour(
    reader: &impl Reader,
    hour: i64,
    limit: usize,
) -> Result<Vec<(ArticleId, u64)>, StoreError> {
    let sql = "SELECT a.id, r.count FROM (
             SELECT article, count FROM copydesk.article_reads WHERE hour = $1 ORDER BY count DESC, article LIMIT $2
         ) r JOIN copydesk.articles a ON a.key = r.article ORDER BY r.count DESC, r.article";
    let rows = reader.query(sql, &[(&hour, Type::INT8), (&at_most(limit), Type::INT8)]).await?;
    rows.iter().map(|row| Ok((article_id(row, 0)?, get::<i64>(row, 1)?.unsigned_abs()))).collect()
}

/// Removes at most `limit` counts of hours before one. Returns their number.
pub(super) async fn remove_before(pool: &Pool, hour: i64, limit: usize) -> Result<usize, StoreError> {
    let sql = "WITH old AS (
             SELECT hour, article FROM copydesk.article_reads WHERE hour < $1 ORDER BY hour, article LIMIT $2
             FOR UPDATE SKIP LOCKED
         )
         DELETE FROM copydesk.article_reads r USING old WHERE r.hour = old.hour AND r.article = old.article";
    let removed = pool.execute(sql, &[(&hour, Type::INT8), (&at_most(limit), Type::INT8)]).await?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}

/// Builds the statement that removes the counts of articles.
pub(super) fn erase(articles: &[i64], changes: usize) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.article_reads", changes);
    bulk.placed("article", articles.to_vec());
    bulk.custom(|from, values| {
        format!(
            "WITH held AS (
                 SELECT r.hour, r.article FROM copydesk.article_reads r
                 WHERE r.article IN (SELECT {} FROM {from}) ORDER BY r.hour, r.article FOR UPDATE
             )
             DELETE FROM copydesk.article_reads r USING held h WHERE r.hour = h.hour AND r.article = h.article",
            values[0]
        )
    })
}
