//! Reads of the articles that are copies of a text.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

use super::rows::{VISIBILITY, parse, visibility};
use super::sketch_table::sketch_of_row;
use crate::article::BodySketch;
use crate::store::near_duplicates::{CopyOf, MAX_CANDIDATES, MAX_PER_ANCHOR, stored_anchors};
use crate::store::{CopiesPage, CopiesQuery};

/// Returns the state of the article that a text is a copy of, if there is one: a readable article, or one that was
/// withdrawn with its copies. The article with the row key `except` does not count.
pub(super) fn copy_of(
    connection: &Connection,
    sketch: &BodySketch,
    except: i64,
    now: Timestamp,
) -> rusqlite::Result<Option<CopyOf>> {
    let mut state = connection.prepare_cached(&format!(
        "SELECT s.sketch, a.id, {VISIBILITY} FROM article_sketches s JOIN articles a ON a.key = s.article
         JOIN changes c ON c.position = a.position WHERE s.article = ?1"
    ))?;
    let mut found = Vec::new();
    for candidate in candidates(connection, sketch)?.into_iter().filter(|candidate| *candidate != except) {
        let copy = state.query_row([candidate], |row| {
            match sketch_of_row(row)?.filter(|stored| stored.compare(sketch).is_copy()) {
                Some(_) => Ok(CopyOf::of(&parse(row, 1)?, &visibility(row, 2)?, now)),
                None => Ok(None),
            }
        });
        found.extend(copy.optional()?.flatten());
    }
    Ok(CopyOf::decisive(found.into_iter()))
}

/// Returns a page of the copies of a text.
pub(super) fn copies(connection: &Connection, query: &CopiesQuery) -> rusqlite::Result<CopiesPage> {
    let mut statement = connection.prepare_cached(
        "SELECT a.key, a.id, s.sketch FROM (
             SELECT article FROM (SELECT article FROM article_anchors WHERE anchor = ?3 AND article > ?1
                 ORDER BY article LIMIT ?2)
             UNION SELECT article FROM (SELECT article FROM article_anchors WHERE anchor = ?4 AND article > ?1
                 ORDER BY article LIMIT ?2)
             UNION SELECT article FROM (SELECT article FROM article_anchors WHERE anchor = ?5 AND article > ?1
                 ORDER BY article LIMIT ?2)
             UNION SELECT article FROM (SELECT article FROM article_anchors WHERE anchor = ?6 AND article > ?1
                 ORDER BY article LIMIT ?2)
             ORDER BY article LIMIT ?2) h
         JOIN article_sketches s ON s.article = h.article JOIN articles a ON a.key = h.article ORDER BY a.key",
    )?;
    let bounds = [i64::try_from(query.after).unwrap_or(i64::MAX), query.limit as i64];
    let parameters = params_from_iter(bounds.into_iter().chain(stored_anchors(&query.sketch)));
    let rows = statement.query_map(parameters, |row| {
        let sketch = BodySketch::decode(row.get_ref(2)?.as_blob()?);
        Ok((row.get::<_, i64>(0)?.unsigned_abs(), parse(row, 1)?, sketch))
    })?;
    query.page(rows.collect::<Vec<_>>().into_iter())
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
