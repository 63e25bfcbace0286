//! Tables of the sketches of bodies, and of the anchors by which copies are found.

use prost::Message;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};

use crate::article::BodySketch;
use crate::proto::Article;
use crate::store::near_duplicates::stored_anchors;

/// Reads a sketch from the first column; none if it is damaged.
pub(super) fn sketch_of_row(row: &Row<'_>) -> rusqlite::Result<Option<BodySketch>> {
    Ok(BodySketch::decode(row.get_ref(0)?.as_blob()?))
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
