//! Application of a write within the writer's transaction: the article, its history and the feed together.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, ToSql};
use uuid::Uuid;

use super::facets::{self, FacetNames};
use super::statements::{ChangeRow, insert_change, store_provenance, twin};
use super::{copies, erase, key_table, original_table, rows, sketch_table};
use crate::article::{
    ArticleId, ChangeKind, ChangeToken, CleanArticle, Digest, EditorFields, Facet, Key, Lifecycle, Record,
};
use crate::proto::Article;
use crate::store::enum_codes;
use crate::store::enum_codes::{head, lifecycle_number, micros, outcome_number};
use crate::store::hold::Hold;
use crate::store::identity::{Holder, Identity, identify, identify_transition, keys_of_write};
use crate::store::merge::{check_target, plan_source};
use crate::store::near_duplicates::{self, CopyOf};
use crate::store::plan::{
    Effect, New, Provenance, Revision, due, first, is_announced, next, outcome_of, plan, require, text_key, time_of,
};
use crate::store::{Merge, Outcome, RequestKey, Transition, Write, WriteError, Written};

/// Inner errors are rejections of the write, outer ones are failed statements.
type Applied = rusqlite::Result<Result<Written, WriteError>>;

/// State of the writer beside the database.
pub(super) struct Applier {
    pub(super) feed: Uuid,
    pub(super) facet_names: FacetNames,
    /// True if an article was purged: the log still has its text.
    pub(super) has_erased: bool,
}

/// Converts the failure to decode what was encoded in the same transaction.
fn damaged(error: prost::DecodeError) -> rusqlite::Error {
    rusqlite::Error::ToSqlConversionFailure(Box::new(error))
}

/// Returns the state of the article that a write's text is a copy of, if the write creates an article.
fn near_duplicate(
    connection: &Connection,
    write: &Write,
    effect: &Effect<'_>,
    current: Option<&Current>,
) -> rusqlite::Result<Option<CopyOf>> {
    let Some(sketch) = near_duplicates::sketch_of(write).filter(|_| effect.creates()) else { return Ok(None) };
    // Clocks may step back; update times must not.
    let now = current.map_or(time_of(write), |current| time_of(write).max(current.record.update_time));
    copies::copy_of(connection, sketch, current.map_or(0, |current| current.key), now)
}

/// Current state of an article.
struct Current {
    key: i64,
    sort_time: i64,
    content_position: i64,
    provenance: Provenance,
    due: Option<i64>,
    record: Arc<Record>,
}

impl Applier {
    /// Applies a write.
    pub(super) fn apply(&mut self, connection: &Connection, write: &Write) -> Applied {
        match write.request() {
            Some(request) => self.apply_once(connection, write, request, time_of(write)),
            None => self.apply_now(connection, write),
        }
    }

    /// Applies a write with a request ID once. A repeated request gets the result of the first.
    fn apply_once(&mut self, connection: &Connection, write: &Write, request: &RequestKey, time: Timestamp) -> Applied {
        let digest = connection
            .prepare_cached("SELECT digest FROM requests WHERE id = ?1 LIMIT 1")?
            .query_row([&request.id], |row| row.get(0))
            .optional()?;
        if digest.is_some_and(|digest| Digest(digest) != request.digest) {
            return Ok(Err(WriteError::RequestReused));
        }
        let seen = connection
            .prepare_cached(
                "SELECT a.id, r.revision, r.outcome FROM requests r JOIN articles a ON a.key = r.article
                 WHERE r.id = ?1 AND r.item = ?2",
            )?
            .query_row((&request.id, request.item), |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        if let Some((id, revision, outcome)) = seen {
            let id: Result<ArticleId, _> = id.parse();
            if let Ok(id) = id
                && let Some(record) = rows::at_revision(connection, self.feed, &id, revision)?
            {
                return Ok(Ok(Written::new(record, enum_codes::outcome(outcome))));
            }
        }
        let applied = self.apply_now(connection, write)?;
        if let Ok(written) = &applied {
            connection
                .prepare_cached(
                    "INSERT OR REPLACE INTO requests (id, item, digest, article, revision, outcome, time)
                     SELECT ?1, ?7, ?2, key, ?4, ?5, ?6 FROM articles WHERE id = ?3",
                )?
                .execute((
                    &request.id,
                    &request.digest.0,
                    written.record.id.as_str(),
                    written.record.revision,
                    outcome_number(written.outcome),
                    time.as_microsecond(),
                    request.item,
                ))?;
        }
        Ok(applied)
    }

    fn apply_now(&mut self, connection: &Connection, write: &Write) -> Applied {
        if let Write::Merge(merge) = write {
            return self.merge(connection, merge);
        }
        let (identity, current) = match self.identify(connection, write)? {
            Ok(identified) => identified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let known = current.as_ref().map(|current| (&*current.record, current.provenance));
        let (mut effect, mut provenance) = match plan(write, &identity.id, known) {
            Ok(planned) => planned,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let (Effect::Create(_) | Effect::Revise(_), Some(key)) = (&effect, text_key(write))
            && let Some(id) = erase::purged(connection, &key)?
        {
            return Ok(Err(WriteError::WrongLifecycle { id, lifecycle: Lifecycle::Purged }));
        }
        let twin = match (&effect, &current) {
            (Effect::Create(new), _) => twin(connection, write, new.article, None)?,
            (Effect::Revise(revision), Some(current)) => match revision.new_text(&current.record) {
                Some(article) => twin(connection, write, article, Some((current.key, current.record.update_time)))?,
                None => None,
            },
            _ => None,
        };
        let copy = match twin {
            None | Some(CopyOf::Readable) => near_duplicate(connection, write, &effect, current.as_ref())?.or(twin),
            withdrawn => withdrawn,
        };
        let held = match Hold::decide(write, &effect, copy.as_ref()) {
            Ok(held) => held,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(held) = &held {
            held.apply(&mut effect, &mut provenance);
        }
        let (key, mut written) = match (effect, current) {
            (Effect::Nothing, Some(current)) => {
                // The source may now contain the editors' correction, or an editor has taken over a field without
                // changing its value.
                if provenance != current.provenance {
                    store_provenance(connection, current.key, &provenance)?;
                }
                (current.key, Written::new(current.record, Outcome::Unchanged))
            }
            (Effect::Stale(part), Some(current)) => {
                let written = Written::new(current.record, Outcome::Stale);
                (current.key, Written { stale_part: Some(part), ..written })
            }
            (Effect::Create(new), _) => self.create(connection, &identity.id, &new, provenance, copy.is_some())?,
            (Effect::Revise(revision), Some(current)) => {
                let record = self.revise(connection, &current, &revision, provenance, time_of(write))?;
                let outcome = outcome_of(revision.kind, copy.is_some());
                (current.key, Written::new(record, outcome))
            }
            // Unreachable: only an existing article can be revised or unchanged.
            (Effect::Nothing | Effect::Stale(_) | Effect::Revise(_), None) => {
                return Ok(Err(WriteError::NotFound(identity.id)));
            }
        };
        if let Some(held) = held {
            written = held.result(written);
        }
        key_table::give(connection, &identity.new_keys, key)?;
        if let Some(original) = write.original(written.outcome) {
            original_table::insert(connection, key, written.record.revision, original)?;
        }
        if let (Write::Transition(Transition { kind: ChangeKind::Purged, missing, .. }), true) =
            (write, written.outcome.is_change())
        {
            let erased = CleanArticle::stored(&written.record.content()).map_err(damaged)?;
            let keys = missing.as_ref().map_or(&[][..], |missing| &missing.keys);
            erase::erase(connection, key, rows::sequence(written.record.token.position), &erased, keys)?;
            self.facet_names.clear();
            self.has_erased = true;
        }
        written.notes = identity.notes;
        Ok(Ok(written))
    }

    /// Decides which article a write is of, and reads that article if it exists.
    fn identify(
        &self,
        connection: &Connection,
        write: &Write,
    ) -> rusqlite::Result<Result<(Identity, Option<Current>), WriteError>> {
        let mut articles: HashMap<i64, Current> = HashMap::new();
        let mut holders: HashMap<Key, (i64, bool)> = HashMap::new();
        for key in keys_of_write(write) {
            let Some((article, is_certain)) = key_table::article(connection, &key)? else { continue };
            if !articles.contains_key(&article)
                && let Some(current) = self.current_where(connection, "a.key", &article)?
            {
                articles.insert(article, current);
            }
            holders.insert(key, (article, is_certain));
        }
        let holder = |key: &Key| {
            let (article, is_certain) = holders.get(key)?;
            articles.get(article).map(|current| Holder { record: &current.record, is_certain: *is_certain })
        };
        let at_id = if articles.is_empty() { self.current(connection, write.id())? } else { None };
        // An error here is an error of the read below.
        let newest = || rows::newest(connection, self.feed, write.id()).ok().flatten();
        let exists = |_: &ArticleId| match (&at_id, articles.is_empty()) {
            (Some(current), _) => !current.record.is_empty(),
            (None, true) => false,
            (None, false) => newest().is_some_and(|record| !record.is_empty()),
        };
        let identity = match write {
            Write::Ingest(ingest) => match identify(ingest, holder, exists) {
                Ok(identity) => identity,
                Err(refusal) => return Ok(Err(refusal)),
            },
            Write::Update(_) | Write::Merge(_) => Identity::named(write.id()),
            Write::Transition(transition) => identify_transition(transition, holder, exists),
        };
        let found = articles.into_values().chain(at_id).find(|current| current.record.id == identity.id);
        let current = match found {
            Some(current) => Some(current),
            // Read above, and not there.
            None if holders.is_empty() && identity.id == *write.id() => None,
            None => self.current(connection, &identity.id)?,
        };
        Ok(Ok((identity, current)))
    }

    fn current(&self, connection: &Connection, id: &ArticleId) -> rusqlite::Result<Option<Current>> {
        self.current_where(connection, "a.id", &id.as_str())
    }

    /// Reads the article that has this value in a column with unique values.
    fn current_where(
        &self,
        connection: &Connection,
        column: &str,
        value: &dyn ToSql,
    ) -> rusqlite::Result<Option<Current>> {
        let sql = [
            "SELECT ",
            rows::RECORD,
            ", a.key, a.sort_time, c.content_position, a.fingerprint, a.due,\
             a.editor_fields, a.source_time, a.source_version, a.observed FROM ",
            rows::NEWEST,
            " WHERE ",
            column,
            " = ?1",
        ]
        .concat();
        let after = rows::RECORD_COLUMNS;
        connection
            .prepare_cached(&sql)?
            .query_row([value], |row| {
                Ok(Current {
                    record: rows::record(row, self.feed)?,
                    key: row.get(after)?,
                    sort_time: row.get(after + 1)?,
                    content_position: row.get(after + 2)?,
                    provenance: Provenance {
                        ingested: Digest(row.get(after + 3)?),
                        editor_fields: EditorFields::from_bits(row.get(after + 5)?),
                        version: rows::version(row, after + 6)?,
                    },
                    due: row.get(after + 4)?,
                })
            })
            .optional()
    }

    fn create(
        &mut self,
        connection: &Connection,
        id: &ArticleId,
        new: &New<'_>,
        provenance: Provenance,
        is_copy: bool,
    ) -> rusqlite::Result<(i64, Written)> {
        let &New { article, time, .. } = new;
        let parts = first(id, new, self.token(connection)?);
        let sort_time = parts.sort_time().as_microsecond();
        let position = rows::sequence(parts.token.position);
        connection
            .prepare_cached(
                "INSERT INTO articles (id, uid, created, position, sort_time, lifecycle, embargo, expire, due,
                 digest_head, fingerprint, source, editor_fields, source_time, source_version, observed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?16, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(rusqlite::params![
                parts.id.as_str(),
                parts.uid.as_bytes(),
                time.as_microsecond(),
                position,
                sort_time,
                micros(parts.embargo_time),
                micros(parts.expire_time),
                due(&parts, time),
                head(&parts.digest),
                provenance.ingested.0,
                article.article().source,
                provenance.editor_fields.bits(),
                micros(provenance.version.stated),
                provenance.version.number,
                micros(provenance.version.observed),
                lifecycle_number(parts.lifecycle),
            ])?;
        let key = connection.last_insert_rowid();
        let facets = self.intern(connection, article.facets())?;
        facets::insert(connection, &facets, sort_time, key)?;
        if let Some(sketch) = article.sketch() {
            sketch_table::insert(connection, key, sketch)?;
        }
        let row = ChangeRow {
            article: key,
            kind: new.kind,
            announced: is_announced(&parts),
            reason: new.reason,
            content_position: None,
        };
        insert_change(connection, &parts, &row, Some(article.content()))?;
        let outcome = if is_copy { Outcome::Duplicate } else { Outcome::Created };
        Ok((key, Written::new(Arc::new(Record::new(parts, article.content())), outcome)))
    }

    fn revise(
        &mut self,
        connection: &Connection,
        current: &Current,
        revision: &Revision<'_>,
        provenance: Provenance,
        time: Timestamp,
    ) -> rusqlite::Result<Arc<Record>> {
        let before = &*current.record;
        let new = revision.article.as_deref();
        let next = next(before, current.due, revision, self.token(connection)?, time);
        let parts = next.parts;
        let time = parts.update_time;
        let mut sort_time = current.sort_time;
        if let Some(article) = new {
            sort_time = parts.sort_time().as_microsecond();
            self.move_facets(connection, current, article, sort_time)?;
            sketch_table::replace(connection, current.key, article.sketch().map(|sketch| &**sketch))?;
        }
        let content = before.content();
        let new_content = new.map(CleanArticle::content);
        let row = ChangeRow {
            article: current.key,
            kind: revision.kind,
            announced: next.announced,
            reason: revision.reason,
            content_position: new_content.is_none().then_some(current.content_position),
        };
        insert_change(connection, &parts, &row, new_content)?;
        connection
            .prepare_cached(
                "UPDATE articles SET position = ?2, sort_time = ?3, lifecycle = ?4, embargo = ?5, expire = ?6, due = ?7,
                 digest_head = ?8, fingerprint = ?9, source = coalesce(?10, source),
                 editor_fields = ?11, source_time = ?12, source_version = ?13, observed = ?14 WHERE key = ?1",
            )?
            .execute(rusqlite::params![
                current.key,
                rows::sequence(parts.token.position),
                sort_time,
                lifecycle_number(parts.lifecycle),
                micros(parts.embargo_time),
                micros(parts.expire_time),
                due(&parts, time),
                head(&parts.digest),
                provenance.ingested.0,
                new.map(|new| &new.article().source),
                provenance.editor_fields.bits(),
                micros(provenance.version.stated),
                provenance.version.number,
                micros(provenance.version.observed),
            ])?;
        Ok(Arc::new(Record::new(parts, new_content.unwrap_or(&content))))
    }

    fn move_facets(
        &mut self,
        connection: &Connection,
        current: &Current,
        article: &CleanArticle,
        sort_time: i64,
    ) -> rusqlite::Result<()> {
        let old = Article::decode(current.record.content()).map(|old| Facet::of(&old)).unwrap_or_default();
        let new = article.facets();
        if old == new && sort_time == current.sort_time {
            return Ok(());
        }
        let old = self.intern(connection, old)?;
        facets::remove(connection, &old, current.sort_time, current.key)?;
        let new = self.intern(connection, new)?;
        facets::insert(connection, &new, sort_time, current.key)
    }

    fn intern(&mut self, connection: &Connection, facets: Vec<Facet>) -> rusqlite::Result<Vec<i64>> {
        facets.into_iter().map(|facet| self.facet_names.intern(connection, facet)).collect()
    }

    /// Merges articles, if all of them can be merged.
    fn merge(&mut self, connection: &Connection, merge: &Merge) -> Applied {
        let target = self.current(connection, &merge.id)?;
        let (key, target) = (target.as_ref().map(|target| target.key), target.map(|target| target.record));
        let (Some(key), target) = (key, check_target(merge, target)) else {
            return Ok(Err(WriteError::NotFound(merge.id.clone())));
        };
        let target = match target {
            Ok(target) => target,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut sources = Vec::new();
        for id in &merge.sources {
            let source = self.current(connection, id)?;
            match (plan_source(merge, id, source.as_ref().map(|source| &*source.record)), source) {
                (Ok(Some(revision)), Some(source)) => sources.push((source, revision)),
                (Ok(_), _) => {}
                (Err(refusal), _) => return Ok(Err(refusal)),
            }
        }
        if sources.is_empty() {
            return Ok(Ok(Written::new(target, Outcome::Unchanged)));
        }
        if let Err(refusal) = require(&merge.precondition, &target) {
            return Ok(Err(refusal));
        }
        let mut merged = Vec::with_capacity(sources.len());
        for (source, revision) in &sources {
            key_table::give_all(connection, source.key, key)?;
            merged.push(self.revise(connection, source, revision, source.provenance, merge.time)?);
        }
        Ok(Ok(Written { merged, ..Written::new(target, Outcome::Revised) }))
    }

    /// Applies at most `limit` due timed transitions. Returns their number.
    pub(super) fn apply_due_transitions(
        &mut self,
        connection: &Connection,
        now: Timestamp,
        limit: usize,
    ) -> rusqlite::Result<usize> {
        let due: Vec<(String, i64)> = connection
            .prepare_cached("SELECT id, due FROM articles WHERE due <= ?1 ORDER BY due LIMIT ?2")?
            .query_map((now.as_microsecond(), limit as i64), |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, due) in &due {
            let Ok(id) = id.parse::<ArticleId>() else { continue };
            let Some(current) = self.current(connection, &id)? else { continue };
            let revision = Revision::of_clock(&current.record, *due);
            self.apply_due(connection, &current, &revision, enum_codes::time(*due), now)?;
        }
        Ok(due.len())
    }

    /// Returns the token of the next change.
    fn token(&self, connection: &Connection) -> rusqlite::Result<ChangeToken> {
        let next: i64 = connection
            .prepare_cached("SELECT coalesce(max(position), 0) + 1 FROM changes")?
            .query_row((), |row| row.get(0))?;
        Ok(ChangeToken { feed: self.feed, position: rows::position(next) })
    }

    /// Applies one timed transition.
    fn apply_due(
        &mut self,
        connection: &Connection,
        current: &Current,
        revision: &Revision<'_>,
        due_time: Timestamp,
        now: Timestamp,
    ) -> rusqlite::Result<()> {
        let record = self.revise(connection, current, revision, current.provenance, now)?;
        // An article may have opened and expired since the last run: its next transition is the one after this one.
        connection
            .prepare_cached("UPDATE articles SET due = ?2 WHERE key = ?1")?
            .execute((current.key, due(&record, due_time)))?;
        Ok(())
    }
}
