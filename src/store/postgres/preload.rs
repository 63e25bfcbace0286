//! Reads of the stored state that a group of writes depends on, within its transaction.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{try_join, try_join5};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};
use uuid::Uuid;

use super::batch::ArticleRow;
use super::error::store_error;
use super::lock::new_digest;
use super::planner::{Current, EarlierRequest, StoredDuplicate, StoredState};
use super::rows::{
    HISTORY, NEWEST, RECORD, RECORD_COLUMNS, VISIBILITY, article_id, digest, get, record, version, visibility,
};
use super::{key_table, sketch_table};
use crate::article::{ArticleId, ChangeKind, Digest, EditorFields, Key, Lifecycle, RecordParts};
use crate::store::enum_codes::{head, lifecycle_number, outcome};
use crate::store::identity::keys_of_write;
use crate::store::near_duplicates::{sketch_of, stored_anchors};
use crate::store::plan::{Provenance, text_key, time_of};
use crate::store::{StoreError, Transition, Write, Written};

/// Maximum number of twins read per text, in addition to those that the group changes. One that is readable suffices,
/// unless times within the group differ.
const MAX_DUPLICATES: usize = 64;

/// State to be read.
#[derive(Default)]
pub(super) struct Dependencies {
    articles: BTreeSet<ArticleId>,
    keys: BTreeSet<Key>,
    texts: BTreeSet<Key>,
    /// Articles to be purged.
    purged: BTreeSet<ArticleId>,
    digests: BTreeSet<Digest>,
    requests: BTreeSet<Vec<u8>>,
    /// Anchors of each document that may be a copy.
    anchors: Vec<Vec<i64>>,
    /// The earliest and the latest time of a write, in microseconds since 1970.
    times: Option<(i64, i64)>,
}

impl Dependencies {
    /// Collects the state that these writes depend on.
    pub(super) fn of_writes<'a>(writes: impl Iterator<Item = &'a Write>) -> Self {
        let mut dependencies = Self::default();
        for write in writes {
            dependencies.articles.extend(write.ids().cloned());
            dependencies.keys.extend(keys_of_write(write));
            dependencies.texts.extend(text_key(write));
            dependencies.digests.extend(new_digest(write));
            if let Write::Transition(Transition { kind: ChangeKind::Purged, id, .. }) = write {
                dependencies.purged.insert(id.clone());
            }
            dependencies.requests.extend(write.request().map(|request| request.id.clone().into_bytes()));
            dependencies.anchors.extend(sketch_of(write).map(|sketch| stored_anchors(sketch).collect()));
            let time = time_of(write).as_microsecond();
            let (first, last) = dependencies.times.unwrap_or((time, time));
            dependencies.times = Some((first.min(time), last.max(time)));
        }
        dependencies
    }

    /// Adds articles.
    pub(super) fn extend(&mut self, articles: impl IntoIterator<Item = ArticleId>) {
        self.articles.extend(articles);
    }

    /// Selects articles of which only the state changes.
    pub(super) fn of_articles(articles: &[ArticleId]) -> Self {
        Self { articles: articles.iter().cloned().collect(), ..Self::default() }
    }
}

/// Reads the wanted state in one round trip.
pub(super) async fn load(client: &Client, feed: Uuid, dependencies: &Dependencies) -> Result<StoredState, StoreError> {
    let rows = try_join5(
        articles(client, dependencies),
        key_table::rows(client, &dependencies.keys, &dependencies.texts),
        duplicates(client, dependencies),
        requests(client, dependencies),
        past_digests(client, dependencies),
    );
    let found = try_join(rows, sketch_table::rows(client, &dependencies.anchors)).await;
    let ((articles, keys, duplicates, requests, past_digests), sketches) =
        found.map_err(|error| store_error(&error))?;
    let holders = key_table::holders(&keys)?;
    let candidates = sketch_table::candidates(&sketches)?;
    let mut stored = StoredState { keys: holders.keys, purged: holders.purged, candidates, ..StoredState::default() };
    for row in &past_digests {
        stored.past_digests.entry(article_id(row, 0)?).or_default().push(digest(row, 1)?);
    }
    for row in &articles {
        let current = current(row, feed)?;
        stored.articles.insert(current.record.id.clone(), current);
    }
    let mut by_digest: BTreeMap<Digest, Vec<StoredDuplicate>> = BTreeMap::new();
    for row in &duplicates {
        let duplicate = StoredDuplicate {
            key: get(row, 0)?,
            id: article_id(row, 1)?,
            source: get(row, 3)?,
            visibility: visibility(row, 4)?,
        };
        by_digest.entry(digest(row, 2)?).or_default().push(duplicate);
    }
    stored.duplicates = by_digest.into_iter().collect();
    for row in &requests {
        let at = RECORD_COLUMNS;
        let written = Written::new(record(row, 0, feed)?, outcome(get::<i16>(row, at + 2)?.into()));
        let item = u32::try_from(get::<i64>(row, at + 3)?).map_err(|_| StoreError::Damaged)?;
        let earlier = EarlierRequest { digest: digest(row, at + 1)?, written };
        stored.requests.entry(get(row, at)?).or_default().insert(item, earlier);
    }
    Ok(stored)
}

async fn articles(client: &Client, dependencies: &Dependencies) -> Result<Vec<Row>, Error> {
    let ids: Vec<&str> = dependencies.articles.iter().map(ArticleId::as_str).collect();
    let select = format!(
        "SELECT {RECORD}, a.key, a.sort_time, c.text, a.fingerprint, a.due, a.facets, a.source,
         a.editor_fields, a.source_time, a.source_version, a.observed FROM {NEWEST}"
    );
    if dependencies.keys.is_empty() {
        return client.query_typed(&format!("{select} WHERE a.id = ANY($1)"), &[(&ids, Type::TEXT_ARRAY)]).await;
    }
    let keys: Vec<Uuid> = dependencies.keys.iter().map(key_table::stored).collect();
    let sql = format!(
        "{select} WHERE a.key IN (SELECT key FROM copydesk.articles WHERE id = ANY($1)
         UNION SELECT article FROM copydesk.keys WHERE key = ANY($2))"
    );
    client.query_typed(&sql, &[(&ids, Type::TEXT_ARRAY), (&keys, Type::UUID_ARRAY)]).await
}

fn current(row: &Row, feed: Uuid) -> Result<Current, StoreError> {
    let record = record(row, 0, feed)?;
    let at = RECORD_COLUMNS;
    let facets: Vec<i64> = get(row, at + 5)?;
    Ok(Current {
        text: get(row, at + 2)?,
        listed: Some((get(row, at + 1)?, facets.clone())),
        row: ArticleRow {
            key: get(row, at)?,
            parts: RecordParts::clone(&record),
            position: super::rows::sequence(record.token.position),
            due: get(row, at + 4)?,
            provenance: Provenance {
                ingested: digest(row, at + 3)?,
                editor_fields: EditorFields::from_bits(get::<i16>(row, at + 7)?.into()),
                version: version(row, at + 8)?,
            },
            facets,
            source: get(row, at + 6)?,
        },
        record,
    })
}

async fn duplicates(client: &Client, dependencies: &Dependencies) -> Result<Vec<Row>, Error> {
    let Some((first, last)) = dependencies.times.filter(|_| !dependencies.digests.is_empty()) else {
        return Ok(Vec::new());
    };
    let heads: Vec<i64> = dependencies.digests.iter().map(head).collect();
    let digests: Vec<&[u8]> = dependencies.digests.iter().map(|digest| digest.0.as_slice()).collect();
    let limit = (MAX_DUPLICATES + dependencies.articles.len()) as i64;
    let sql = format!(
        "SELECT t.* FROM unnest($1, $2) AS w(head, digest) CROSS JOIN LATERAL (
            SELECT a.key, a.id, a.digest, a.source, {VISIBILITY} FROM copydesk.articles a
            WHERE a.digest_head = w.head AND a.digest = w.digest AND (a.lifecycle = {withdrawn} OR a.lifecycle = 0
            AND (a.embargo IS NULL OR a.embargo <= $4) AND (a.expire IS NULL OR a.expire > $3))
            ORDER BY a.lifecycle = {withdrawn} DESC, a.editor_fields & {copies} <> 0 DESC, a.key LIMIT $5) t",
        withdrawn = lifecycle_number(Lifecycle::Withdrawn),
        copies = EditorFields::COPIES.bits()
    );
    let params: [super::pool::Param<'_>; 5] = [
        (&heads, Type::INT8_ARRAY),
        (&digests, Type::BYTEA_ARRAY),
        (&first, Type::INT8),
        (&last, Type::INT8),
        (&limit, Type::INT8),
    ];
    client.query_typed(&sql, &params).await
}

/// Reads the digests of all revisions of the articles that are purged.
async fn past_digests(client: &Client, dependencies: &Dependencies) -> Result<Vec<Row>, Error> {
    if dependencies.purged.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&str> = dependencies.purged.iter().map(ArticleId::as_str).collect();
    let sql = "SELECT DISTINCT a.id, c.digest FROM copydesk.articles a JOIN copydesk.changes c ON c.article = a.key
         WHERE a.id = ANY($1)";
    client.query_typed(sql, &[(&ids, Type::TEXT_ARRAY)]).await
}

async fn requests(client: &Client, dependencies: &Dependencies) -> Result<Vec<Row>, Error> {
    if dependencies.requests.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u8]> = dependencies.requests.iter().map(Vec::as_slice).collect();
    let sql = format!(
        "SELECT {RECORD}, r.id, r.digest, r.outcome, r.item FROM copydesk.requests r
         JOIN {HISTORY} ON c.article = r.article AND c.revision = r.revision WHERE r.id = ANY($1)"
    );
    client.query_typed(&sql, &[(&ids, Type::BYTEA_ARRAY)]).await
}
