//! Counts of reads, by hour and article.

use jiff::Timestamp;
use rusqlite::Connection;

use super::rows::parse;
use crate::article::ArticleId;
use crate::store::HourlyReads;
use crate::store::enum_codes::in_states;

/// Adds reads. Those of articles that are unknown, or not readable at `now`, are left out.
pub(super) fn add(connection: &Connection, reads: &[HourlyReads], now: Timestamp) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO article_reads (hour, article, count)
         SELECT ?2, a.key, ?3 FROM articles a WHERE a.id = ?1 AND {}
         ON CONFLICT (hour, article) DO UPDATE SET count = count + excluded.count",
        in_states(&[], "?4")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let now = now.as_microsecond();
    for HourlyReads { article, hour, count } in reads {
        statement.execute((article.as_str(), hour, i64::try_from(*count).unwrap_or(i64::MAX), now))?;
    }
    Ok(())
}

/// Returns at most `limit` articles with reads in an hour, most read first.
pub(super) fn of_hour(connection: &Connection, hour: i64, limit: usize) -> rusqlite::Result<Vec<(ArticleId, u64)>> {
    let sql = "SELECT a.id, r.count FROM (
             SELECT article, count FROM article_reads WHERE hour = ?1 ORDER BY count DESC, article LIMIT ?2
         ) r JOIN articles a ON a.key = r.article ORDER BY r.count DESC, r.article";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let row = |row: &rusqlite::Row<'_>| Ok((parse(row, 0)?, row.get::<_, i64>(1)?.unsigned_abs()));
    connection.prepare_cached(sql)?.query_map((hour, limit), row)?.collect()
}

/// Removes at most `limit` counts of hours before one. Returns their number.
pub(super) fn remove_before(connection: &Connection, hour: i64, limit: usize) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM article_reads WHERE (hour, article) IN (
         SELECT hour, article FROM article_reads WHERE hour < ?1 ORDER BY hour, article LIMIT ?2)";
    connection.prepare_cached(sql)?.execute((hour, i64::try_from(limit).unwrap_or(i64::MAX)))
}

/// Removes the counts of an article.
pub(super) fn erase(connection: &Connection, article: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM article_reads WHERE article = ?1")?.execute([article])?;
    Ok(())
}
