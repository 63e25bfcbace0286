//! The sketches of bodies, and the anchors by which copies are found.

use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::article::BodySketch;
use crate::proto::Article;
use crate::store::near_duplicates::{MAX_CANDIDATES, MAX_PER_ANCHOR, stored_anchors};

/// Returns true if a readable article is a copy of a text, other than the one with the row key `except`.
pub(super) fn has_copy(
    connection: &Connection,
    sketch: &BodySketch,
    except: i64,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let mut readable = connection.prepare_cached(
        "SELECT s.sketch FROM article_sketches s JOIN articles a ON a.key = s.article WHERE s.article = ?1
         AND a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= ?2) AND (a.expire IS NULL OR a.expire > ?2)",
    )?;
    for candidate in candidates(connection, sketch)?.into_iter().filter(|candidate| *candidate != except) {
        let found = readable.query_row((candidate, now.as_microsecond()), sketch_of_row).optional()?.flatten();
        if found.is_some_and(|found| found.compare(sketch).is_copy()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn sketch_of_row(row: &Row<'_>) -> rusqlite::Result<Option<BodySketch>> {
    Ok(BodySketch::decode(row.get_ref(0)?.as_blob()?))
}

/// Returns the row keys of the articles that share most anchors.
fn candidates(connection: &Connection, sketch: &BodySketch) -> rusqlite::Result<Vec<i64>> {
    let mut newest = connection
        .prepare_cached("SELECT article FROM article_anchors WHERE anchor = ?1 ORDER BY article DESC LIMIT ?2")?;
    let mut articles = Vec::new();
    for anchor in stored_anchors(sketch) {
        let found = newest.query_map((anchor, MAX_PER_ANCHOR as i64), |row| row.get::<_, i64>(0))?;
        for article in found {
            articles.push(article?);
        }
    }
    articles.sort_unstable();
    let mut counted: Vec<(usize, i64)> =
        articles.chunk_by(i64::eq).filter_map(|same| Some((same.len(), *same.first()?))).collect();
    counted.sort_unstable_by(|one, other| other.cmp(one));
    Ok(counted.into_iter().take(MAX_CANDIDATES).map(|(_, article)| article).collect())
}

/// Stores the sketch of an article that has none.
pub(super) fn insert(connection: &Connection, article: i64, sketch: &BodySketch) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO article_sketches (article, sketch) VALUES (?1, ?2)")?
        .execute((article, sketch.encode()))?;
    // One statement: each execution has a cost. Shingles are distinct, and so are the anchors: OR FAIL only saves the
    // copy of each page that SQLite would need to undo a part of the statement.
    connection
        .prepare_cached(
            "INSERT OR FAIL INTO article_anchors (anchor, article) VALUES
             (?2, ?1), (?3, ?1), (?4, ?1), (?5, ?1)",
        )?
        .execute(params_from_iter(std::iter::once(article).chain(stored_anchors(sketch))))?;
    Ok(())
}

/// Replaces the sketch of an article, which its new text may not have.
pub(super) fn replace(connection: &Connection, article: i64, sketch: Option<&BodySketch>) -> rusqlite::Result<()> {
    let stored = connection
        .prepare_cached("SELECT sketch FROM article_sketches WHERE article = ?1")?
        .query_row([article], sketch_of_row)
        .optional()?;
    if let Some(stored) = stored {
        if stored.is_some() && stored.as_ref() == sketch {
            return Ok(());
        }
        let mut remove = connection.prepare_cached("DELETE FROM article_anchors WHERE anchor = ?1 AND article = ?2")?;
        for anchor in stored.iter().flat_map(stored_anchors) {
            remove.execute((anchor, article))?;
        }
        if stored.is_none() {
            // A damaged sketch does not tell its anchors: the whole index is read.
            connection.execute("DELETE FROM article_anchors WHERE article = ?1", [article])?;
        }
        connection.prepare_cached("DELETE FROM article_sketches WHERE article = ?1")?.execute([article])?;
    }
    sketch.map_or(Ok(()), |sketch| insert(connection, article, sketch))
}

/// Adds the sketches of existing articles. One that cannot be decoded gets none.
pub(super) fn fill(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT a.key, b.content FROM articles a JOIN changes c ON c.position = a.position
         JOIN changes b ON b.position = c.content_position ORDER BY a.key",
    )?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let article = Article::decode(row.get_ref(1)?.as_blob()?).unwrap_or_default();
        if let Some(sketch) = BodySketch::of(&article.body) {
            insert(connection, row.get(0)?, &sketch)?;
        }
    }
    Ok(())
}
