//! The sketches of bodies, and the anchors by which copies are found.

use std::collections::BTreeMap;
use std::sync::Arc;

use prost::Message;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::bulk::{Bulk, Statement, array_text};
use super::pool::Param;
use super::reader::Reader;
use super::rows::{NEWEST, VISIBILITY, article_id, get, visibility};
use crate::article::{ArticleId, BodySketch};
use crate::proto::Article;
use crate::store::near_duplicates::{MAX_CANDIDATES, MAX_PER_ANCHOR, SketchIndex, stored_anchors};
use crate::store::{CopiesPage, CopiesQuery, StoreError, Visibility};

/// Articles per statement while the sketches of existing articles are filled in.
const FILL_BATCH: i64 = 500;

/// Stored articles that may have the text of a document.
#[derive(Default)]
pub(super) struct Candidates {
    pub(super) sketches: SketchIndex,
    pub(super) visibility: BTreeMap<ArticleId, Visibility>,
}

/// Reads the candidates of several documents, given the anchors of each.
pub(super) async fn rows(client: &Client, anchors: &[Vec<i64>]) -> Result<Vec<Row>, Error> {
    if anchors.is_empty() {
        return Ok(Vec::new());
    }
    let documents = anchors.iter().enumerate();
    let (documents, anchors): (Vec<i64>, Vec<i64>) =
        documents.flat_map(|(number, of)| of.iter().map(move |anchor| (number as i64, *anchor))).unzip();
    let sql = format!(
        "WITH shared AS (
             SELECT w.document, h.article, count(*) AS anchors FROM unnest($1, $2) AS w(document, anchor)
             CROSS JOIN LATERAL (SELECT article FROM copydesk.article_anchors h WHERE h.anchor = w.anchor
                 ORDER BY article DESC LIMIT {MAX_PER_ANCHOR}) h GROUP BY 1, 2
         ), ranked AS (
             SELECT article, row_number() OVER (PARTITION BY document ORDER BY anchors DESC, article DESC) AS rank
             FROM shared
         )
         SELECT a.id, s.sketch, {VISIBILITY} FROM (SELECT DISTINCT article FROM ranked WHERE rank <= {MAX_CANDIDATES}) r
         JOIN copydesk.article_sketches s ON s.article = r.article JOIN copydesk.articles a ON a.key = r.article
         ORDER BY a.key"
    );
    let params: [Param<'_>; 2] = [(&documents, Type::INT8_ARRAY), (&anchors, Type::INT8_ARRAY)];
    client.query_typed(&sql, &params).await
}

/// Converts the rows of [`rows`].
pub(super) fn candidates(rows: &[Row]) -> Result<Candidates, StoreError> {
    let mut candidates = Candidates::default();
    for row in rows {
        let id = article_id(row, 0)?;
        let Some(sketch) = BodySketch::decode(get(row, 1)?) else { continue };
        candidates.visibility.insert(id.clone(), visibility(row, 2)?);
        candidates.sketches.add(id, Arc::new(sketch));
    }
    Ok(candidates)
}

/// Returns a page of the copies of a text.
pub(super) async fn copies(reader: &impl Reader, query: &CopiesQuery) -> Result<CopiesPage, StoreError> {
    let sql = "SELECT a.key, a.id, s.sketch FROM (
                   SELECT DISTINCT h.article FROM unnest($1) AS w(anchor)
                   CROSS JOIN LATERAL (SELECT article FROM copydesk.article_anchors h WHERE h.anchor = w.anchor
                       AND article > $2 ORDER BY article LIMIT $3) h ORDER BY 1 LIMIT $3
               ) h
               JOIN copydesk.article_sketches s ON s.article = h.article
               JOIN copydesk.articles a ON a.key = h.article ORDER BY a.key";
    let anchors: Vec<i64> = stored_anchors(&query.sketch).collect();
    let (after, limit) = (i64::try_from(query.after).unwrap_or(i64::MAX), query.limit as i64);
    let params: [Param<'_>; 3] = [(&anchors, Type::INT8_ARRAY), (&after, Type::INT8), (&limit, Type::INT8)];
    let rows = reader.query(sql, &params).await?;
    query.page(rows.iter().map(|row| {
        let sketch = BodySketch::decode(get(row, 2)?);
        Ok((get::<i64>(row, 0)?.unsigned_abs(), article_id(row, 1)?, sketch))
    }))
}

/// Changed sketch of an article. `key` is its row key; the new text may have no sketch.
pub(super) struct SketchRow {
    pub(super) key: i64,
    pub(super) sketch: Option<Arc<BodySketch>>,
}

/// Builds the statements that store changed sketches.
pub(super) fn statements(rows: &[SketchRow], changes: usize) -> [Option<Statement>; 4] {
    // A new article has no sketch to be removed.
    let existing: Vec<i64> = rows.iter().map(|row| row.key).filter(|key| *key >= 0).collect();
    let bulk = |table| {
        let mut bulk = Bulk::new(table, changes);
        bulk.placed("article", existing.clone());
        bulk
    };
    let remove_anchors = bulk("copydesk.article_anchors").custom(|from, values| {
        format!(
            "DELETE FROM copydesk.article_anchors h USING (
                 SELECT s.article, unnest(s.anchors) AS anchor FROM {from}, copydesk.article_sketches s
                 WHERE s.article = {}
             ) old WHERE h.anchor = old.anchor AND h.article = old.article",
            values[0]
        )
    });
    let stored = rows.iter().filter_map(|row| Some((row.key, row.sketch.as_deref()?)));
    let (mut articles, mut encoded, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
    let (mut of_anchor, mut anchors) = (Vec::new(), Vec::new());
    for (key, sketch) in stored {
        let own: Vec<i64> = stored_anchors(sketch).collect();
        articles.push(key);
        encoded.push(sketch.encode());
        arrays.push(array_text(&own));
        of_anchor.extend(own.iter().map(|_| key));
        anchors.extend(own);
    }
    let mut sketches = Bulk::new("copydesk.article_sketches", changes);
    sketches.placed("article", articles);
    sketches.cast("anchors", "bigint[]", arrays);
    sketches.column("sketch", Type::BYTEA_ARRAY, encoded);
    let mut index = Bulk::new("copydesk.article_anchors", changes);
    index.column("anchor", Type::INT8_ARRAY, anchors);
    index.placed("article", of_anchor);
    // Anchors are removed while the old sketches are there.
    [remove_anchors, bulk("copydesk.article_sketches").delete(), sketches.insert(), index.insert()]
}

/// Adds the sketches of existing articles. One that cannot be decoded gets none.
pub(super) async fn fill(client: &Client) -> Result<(), Error> {
    let read = format!("SELECT a.key, b.content FROM {NEWEST} WHERE a.key > $1 ORDER BY a.key LIMIT $2");
    let store = "WITH t AS (SELECT article, anchors::bigint[] AS anchors, sketch
                     FROM unnest($1, $2, $3) t(article, anchors, sketch)),
                 stored AS (INSERT INTO copydesk.article_sketches SELECT * FROM t)
                 INSERT INTO copydesk.article_anchors (anchor, article) SELECT unnest(anchors), article FROM t";
    let mut after = 0_i64;
    loop {
        let rows = client.query_typed(&read, &[(&after, Type::INT8), (&FILL_BATCH, Type::INT8)]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.try_get(0)?;
        let (mut articles, mut anchors, mut sketches) = (Vec::<i64>::new(), Vec::new(), Vec::new());
        for row in &rows {
            let article = Article::decode(row.try_get::<_, &[u8]>(1)?).unwrap_or_default();
            let Some(sketch) = BodySketch::of(&article.body) else { continue };
            articles.push(row.try_get(0)?);
            anchors.push(array_text(&stored_anchors(&sketch).collect::<Vec<_>>()));
            sketches.push(sketch.encode());
        }
        let params: [Param<'_>; 3] =
            [(&articles, Type::INT8_ARRAY), (&anchors, Type::TEXT_ARRAY), (&sketches, Type::BYTEA_ARRAY)];
        client.execute_typed(store, &params).await?;
    }
}
