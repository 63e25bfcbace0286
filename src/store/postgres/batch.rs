//! Rows of a group of writes, and the fixed number of statements that store them.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::bulk::{Bulk, Statement, array_text};
use super::erase::{self, ErasedRow};
use super::key_table;
use super::original_table::{self, OriginalRow};
use super::sketch_table::{self, SketchRow};
use super::story_erasure;
use crate::article::{ArticleKey, ChangeKind, CleanArticle, Digest, RecordParts};
use crate::store::enum_codes::{head, kind_number, lifecycle_number, micros, outcome_number};
use crate::store::plan::{Provenance, Revision};
use crate::store::{Outcome, Visibility};

/// Row of `articles`.
#[derive(Clone)]
pub(super) struct ArticleRow {
    pub(super) key: i64,
    pub(super) parts: RecordParts,
    pub(super) position: i64,
    pub(super) due: Option<i64>,
    pub(super) provenance: Provenance,
    pub(super) facets: Vec<i64>,
    pub(super) source: String,
}

impl ArticleRow {
    /// Creates the row of a new article. Fields that depend on the group stay empty.
    pub(super) fn new(parts: &RecordParts, key: i64, article: &CleanArticle, provenance: Provenance) -> Self {
        let mut row = Self {
            key,
            parts: parts.clone(),
            position: key,
            due: None,
            provenance,
            facets: Vec::new(),
            source: String::new(),
        };
        row.take_content(article);
        row
    }

    pub(super) fn take_content(&mut self, article: &CleanArticle) {
        self.source.clone_from(&article.article().source);
    }

    pub(super) fn take_parts(&mut self, parts: &RecordParts, position: i64) {
        self.parts.clone_from(parts);
        self.position = position;
    }

    /// Returns the state that decides about the visibility of the article.
    pub(super) fn visibility(&self) -> Visibility {
        Visibility {
            lifecycle: self.parts.lifecycle,
            embargo_time: self.parts.embargo_time,
            expire_time: self.parts.expire_time,
            revision: self.parts.revision,
            editor_fields: self.provenance.editor_fields,
            version: self.provenance.version,
        }
    }

    fn sort_time(&self) -> i64 {
        self.parts.sort_time().as_microsecond()
    }
}

/// Row of `texts`.
pub(super) struct TextRow {
    pub(super) text: Uuid,
    pub(super) content: Vec<u8>,
}

/// Row of `changes`. Its index in the batch determines its position.
pub(super) struct ChangeRow {
    article: i64,
    kind: ChangeKind,
    announced: bool,
    parts: RecordParts,
    reason: String,
    text: Uuid,
    new_text: bool,
}

impl ChangeRow {
    pub(super) fn new(parts: &RecordParts, revision: &Revision<'_>, article: i64, announced: bool, text: Uuid) -> Self {
        Self {
            article,
            kind: revision.kind,
            announced,
            parts: parts.clone(),
            // PostgreSQL's text type does not support NUL.
            reason: revision.reason.replace('\0', "\u{fffd}"),
            text,
            new_text: revision.article.is_some(),
        }
    }
}

/// Row of `keys`.
#[derive(Clone, Copy)]
pub(super) struct KeyRow {
    pub(super) key: ArticleKey,
    /// Row key of the article.
    pub(super) article: i64,
    /// True if no article had the key: the row cannot conflict, and a conflict check is costly.
    pub(super) is_new: bool,
}

/// Row of `requests`.
pub(super) struct RequestRow {
    pub(super) id: Vec<u8>,
    pub(super) item: u32,
    pub(super) digest: Digest,
    pub(super) article: i64,
    pub(super) revision: i64,
    pub(super) outcome: Outcome,
    pub(super) time: jiff::Timestamp,
}

/// Row of `facets`: the list, the article's time in it, and the article.
type FacetRow = (i64, i64, i64);

/// Rows to be stored.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) texts: Vec<TextRow>,
    pub(super) changes: Vec<ChangeRow>,
    pub(super) requests: Vec<RequestRow>,
    pub(super) keys: Vec<KeyRow>,
    /// Row keys of merged articles, and of the articles that get all of their keys. The latter are merged into no
    /// further article of the group.
    pub(super) moves: Vec<(i64, i64)>,
    pub(super) erased: Vec<ErasedRow>,
    pub(super) sketches: Vec<SketchRow>,
    pub(super) originals: Vec<OriginalRow>,
    articles: Vec<ArticleRow>,
    unlisted: Vec<FacetRow>,
    listed: Vec<FacetRow>,
}

impl Batch {
    /// Adds the final row of an article. `listed` is its previous time in the lists, and the lists.
    pub(super) fn add_article(&mut self, row: ArticleRow, listed: Option<(i64, Vec<i64>)>) {
        let sort_time = row.sort_time();
        let unmoved = listed.as_ref().is_some_and(|(time, facets)| *time == sort_time && *facets == row.facets);
        if !unmoved {
            if let Some((time, facets)) = listed {
                self.unlisted.extend(facets.iter().map(|facet| (*facet, time, row.key)));
            }
            self.listed.extend(row.facets.iter().map(|facet| (*facet, sort_time, row.key)));
        }
        self.articles.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.articles.is_empty()
            && self.requests.is_empty()
            && self.keys.is_empty()
            && self.originals.is_empty()
    }

    /// Builds the statements that store texts and original documents, and take locks. They need no position.
    pub(super) fn texts(&mut self) -> Vec<Statement> {
        let rows = std::mem::take(&mut self.texts);
        let mut bulk = Bulk::new("copydesk.texts", 0);
        bulk.column("text", Type::UUID_ARRAY, each(&rows, |row| row.text));
        bulk.column("content", Type::BYTEA_ARRAY, rows.into_iter().map(|row| row.content).collect());
        let erased: Vec<i64> = each(&self.erased, |row| row.article);
        let all = [bulk.insert(), original_table::documents(&self.originals), story_erasure::exclude_steps(&erased)];
        all.into_iter().flatten().collect()
    }

    /// Builds the statements that store the rest, after the feed has been advanced.
    pub(super) fn statements(self) -> Vec<Statement> {
        let changes = self.changes.len();
        // New articles cannot conflict, and a conflict check is costly.
        let (new, existing): (Vec<_>, Vec<_>) = self.articles.into_iter().partition(|row| row.key < 0);
        let (new_keys, moved_keys): (Vec<_>, Vec<_>) = self.keys.into_iter().partition(|row| row.is_new);
        let all = [
            articles(&new, changes).insert(),
            articles(&existing, changes).upsert(&["key"], &["id", "uid", "created"]),
            insert_changes(&self.changes),
            facets(&self.unlisted, changes).delete(),
            facets(&self.listed, changes).insert(),
            // Before the keys of the group, which are those of its last state.
            moves(&self.moves, changes).replace(),
            keys(&new_keys, changes).insert(),
            keys(&moved_keys, changes).upsert(&["key"], &[]),
            requests(self.requests, changes),
            original_table::revisions(&self.originals, changes),
        ];
        let sketches = sketch_table::statements(&self.sketches, changes);
        all.into_iter().chain(sketches).chain(erase::statements(&self.erased, changes)).flatten().collect()
    }
}

fn articles(rows: &[ArticleRow], changes: usize) -> Bulk {
    let mut bulk = Bulk::new("copydesk.articles", changes);
    bulk.placed("key", each(rows, |row| row.key));
    bulk.column("id", Type::TEXT_ARRAY, each(rows, |row| row.parts.id.to_string()));
    bulk.column("uid", Type::UUID_ARRAY, each(rows, |row| row.parts.uid));
    bulk.column("created", Type::INT8_ARRAY, each(rows, |row| row.parts.create_time.as_microsecond()));
    bulk.placed("position", each(rows, |row| row.position));
    bulk.column("revision", Type::INT8_ARRAY, each(rows, |row| row.parts.revision));
    bulk.column("sort_time", Type::INT8_ARRAY, each(rows, ArticleRow::sort_time));
    bulk.column("lifecycle", Type::INT2_ARRAY, each(rows, |row| small(lifecycle_number(row.parts.lifecycle))));
    bulk.column("embargo", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.embargo_time)));
    bulk.column("expire", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.expire_time)));
    bulk.column("due", Type::INT8_ARRAY, each(rows, |row| row.due));
    bulk.column("digest", Type::BYTEA_ARRAY, each(rows, |row| row.parts.digest.0.to_vec()));
    bulk.column("digest_head", Type::INT8_ARRAY, each(rows, |row| head(&row.parts.digest)));
    bulk.column("fingerprint", Type::BYTEA_ARRAY, each(rows, |row| row.provenance.ingested.0.to_vec()));
    let editor_fields = |row: &ArticleRow| i16::from(row.provenance.editor_fields.bits());
    bulk.column("editor_fields", Type::INT2_ARRAY, each(rows, editor_fields));
    bulk.cast("facets", "bigint[]", each(rows, |row| array_text(&row.facets)));
    bulk.column("source", Type::TEXT_ARRAY, each(rows, |row| row.source.clone()));
    let version = |row: &ArticleRow| row.provenance.version;
    bulk.column("source_time", Type::INT8_ARRAY, each(rows, |row| micros(version(row).stated)));
    bulk.column("source_version", Type::INT8_ARRAY, each(rows, |row| version(row).number));
    bulk.column("observed", Type::INT8_ARRAY, each(rows, |row| micros(version(row).observed)));
    bulk
}

fn insert_changes(rows: &[ChangeRow]) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.changes", rows.len());
    bulk.placed("position", (1..=rows.len()).map(|at| -(at as i64)).collect::<Vec<_>>());
    bulk.placed("article", each(rows, |row| row.article));
    bulk.column("revision", Type::INT8_ARRAY, each(rows, |row| row.parts.revision));
    bulk.column("kind", Type::INT2_ARRAY, each(rows, |row| small(kind_number(row.kind))));
    bulk.column("time", Type::INT8_ARRAY, each(rows, |row| row.parts.update_time.as_microsecond()));
    bulk.column("announced", Type::BOOL_ARRAY, each(rows, |row| row.announced));
    bulk.column("lifecycle", Type::INT2_ARRAY, each(rows, |row| small(lifecycle_number(row.parts.lifecycle))));
    bulk.column("embargo", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.embargo_time)));
    bulk.column("expire", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.expire_time)));
    bulk.column("publish", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.publish_time)));
    bulk.column("deleted", Type::INT8_ARRAY, each(rows, |row| micros(row.parts.delete_time)));
    bulk.column("digest", Type::BYTEA_ARRAY, each(rows, |row| row.parts.digest.0.to_vec()));
    bulk.column("reason", Type::TEXT_ARRAY, each(rows, |row| row.reason.clone()));
    bulk.column("text", Type::UUID_ARRAY, each(rows, |row| row.text));
    bulk.column("new_text", Type::BOOL_ARRAY, each(rows, |row| row.new_text));
    bulk.insert()
}

fn facets(rows: &[FacetRow], changes: usize) -> Bulk {
    let mut bulk = Bulk::new("copydesk.facets", changes);
    bulk.column("facet", Type::INT8_ARRAY, each(rows, |row| row.0));
    bulk.column("sort_time", Type::INT8_ARRAY, each(rows, |row| row.1));
    bulk.placed("article", each(rows, |row| row.2));
    bulk
}

fn keys(rows: &[KeyRow], changes: usize) -> Bulk {
    let mut bulk = Bulk::new("copydesk.keys", changes);
    bulk.column("key", Type::UUID_ARRAY, each(rows, |row| key_table::stored(&row.key.key)));
    bulk.placed("article", each(rows, |row| row.article));
    bulk.column("is_certain", Type::BOOL_ARRAY, each(rows, |row| row.key.is_certain));
    bulk
}

fn moves(rows: &[(i64, i64)], changes: usize) -> Bulk {
    let mut bulk = Bulk::new("copydesk.keys", changes);
    bulk.placed("article", each(rows, |row| row.0));
    bulk.placed("new_article", each(rows, |row| row.1));
    bulk
}

fn requests(rows: Vec<RequestRow>, changes: usize) -> Option<Statement> {
    let mut bulk = Bulk::new("copydesk.requests", changes);
    bulk.column("id", Type::BYTEA_ARRAY, each(&rows, |row| row.id.clone()));
    bulk.column("item", Type::INT8_ARRAY, each(&rows, |row| i64::from(row.item)));
    bulk.column("digest", Type::BYTEA_ARRAY, each(&rows, |row| row.digest.0.to_vec()));
    bulk.placed("article", each(&rows, |row| row.article));
    bulk.column("revision", Type::INT8_ARRAY, each(&rows, |row| row.revision));
    bulk.column("outcome", Type::INT2_ARRAY, each(&rows, |row| small(outcome_number(row.outcome))));
    bulk.column("time", Type::INT8_ARRAY, each(&rows, |row| row.time.as_microsecond()));
    bulk.upsert(&["id", "item"], &[])
}

fn each<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Narrows a number of `codes`, all of which are small.
fn small(number: i64) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}
