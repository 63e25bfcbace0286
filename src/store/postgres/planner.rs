//! In-memory application of a group of writes: each sees those before it. The rows to be stored are collected in a
//! [`Batch`].
//!
//! Positions are unknown until the feed has been advanced. Until then the n-th change of the group has position -n, as
//! has the key of the article that it creates. [`with_final_position`] converts results before they leave the engine.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::batch::{ArticleRow, Batch, ChangeRow, KeyRow, RequestRow, TextRow};
use super::rows::{facet_numbers, position};
use crate::article::{
    ArticleId, ArticleKey, ChangeToken, CleanArticle, Digest, Key, Lifecycle, Position, Record, RecordParts,
};
use crate::store::identity::{Holder, Identity, identify, identify_transition, other_id};
use crate::store::plan::{
    Effect, New, Provenance, Revision, due, first, is_announced, next, outcome_of, plan, time_of,
};
use crate::store::{Ingest, IngestSource, Outcome, RequestKey, Visibility, Write, WriteError, Written};

/// Current state of an article within the group.
pub(super) struct Current {
    pub(super) record: Arc<Record>,
    pub(super) row: ArticleRow,
    pub(super) text: Uuid,
    /// Sort time and lists before the group, if it was in any.
    pub(super) listed: Option<(i64, Vec<i64>)>,
}

/// Stored article with the same text as one that the group writes.
pub(super) struct StoredDuplicate {
    pub(super) key: i64,
    pub(super) id: ArticleId,
    pub(super) source: String,
    pub(super) visibility: Visibility,
}

/// Earlier request and its result.
pub(super) struct EarlierRequest {
    pub(super) digest: Digest,
    pub(super) written: Written,
}

/// Stored state that the group depends on.
#[derive(Default)]
pub(super) struct StoredState {
    pub(super) articles: HashMap<ArticleId, Current>,
    /// The articles that have the keys of the group.
    pub(super) keys: HashMap<Key, (ArticleId, bool)>,
    /// Withdrawn ones first, then the earliest first.
    pub(super) duplicates: HashMap<Digest, Vec<StoredDuplicate>>,
    /// By request ID and item.
    pub(super) requests: HashMap<Vec<u8>, BTreeMap<u32, EarlierRequest>>,
}

type WriteResult = Result<Written, WriteError>;

/// State of a group in progress.
pub(super) struct Planner {
    feed: Uuid,
    stored: StoredState,
    /// Articles of the group that have, or had, a text with this digest.
    by_digest: HashMap<Digest, Vec<ArticleId>>,
    changed: Vec<ArticleId>,
    /// Keys that articles get. A statement may store a key only once.
    new_keys: HashMap<Key, KeyRow>,
    batch: Batch,
}

impl Planner {
    /// Returns the articles that a write depends on besides the one with its ID: those that have its keys, and the one
    /// with its other ID, if an article without its key has the first.
    pub(super) fn more_articles<'w>(&self, writes: impl Iterator<Item = &'w Write>) -> BTreeSet<ArticleId> {
        let mut more: BTreeSet<ArticleId> = self.stored.keys.values().map(|(id, _)| id.clone()).collect();
        let taken = writes.filter(|write| self.stored.articles.contains_key(write.id()) && !more.contains(write.id()));
        let other: Vec<ArticleId> = taken.filter_map(other_id).collect();
        more.extend(other);
        more
    }

    /// Returns true if an article was loaded, or was asked for and does not exist.
    pub(super) fn has_loaded(&self, id: &ArticleId, asked_for: &BTreeSet<ArticleId>) -> bool {
        self.stored.articles.contains_key(id) || asked_for.contains(id)
    }

    pub(super) fn new(feed: Uuid, stored: StoredState) -> Self {
        let mut by_digest: HashMap<Digest, Vec<ArticleId>> = HashMap::new();
        for (id, current) in &stored.articles {
            by_digest.entry(current.record.digest).or_default().push(id.clone());
        }
        Self { feed, stored, by_digest, changed: Vec::new(), new_keys: HashMap::new(), batch: Batch::default() }
    }

    /// Applies a write.
    pub(super) fn apply(&mut self, write: &Write) -> WriteResult {
        if let Write::Ingest(ingest) = write
            && let Some(request) = &ingest.request
        {
            return self.apply_once(write, request, ingest.time);
        }
        self.apply_now(write)
    }

    /// Applies a write of a request that may be a retry.
    fn apply_once(&mut self, write: &Write, request: &RequestKey, time: Timestamp) -> WriteResult {
        let earlier = self.stored.requests.get(request.id.as_bytes());
        if earlier.is_some_and(|items| items.values().any(|earlier| earlier.digest != request.digest)) {
            return Err(WriteError::RequestReused);
        }
        if let Some(earlier) = earlier.and_then(|items| items.get(&request.item)) {
            return Ok(earlier.written.clone());
        }
        let written = self.apply_now(write)?;
        let id = request.id.clone().into_bytes();
        let article = self.stored.articles.get(&written.record.id).map_or(0, |current| current.row.key);
        self.batch.requests.push(RequestRow {
            id: id.clone(),
            item: request.item,
            digest: request.digest,
            article,
            revision: written.record.revision,
            outcome: written.outcome,
            time,
        });
        let earlier = EarlierRequest { digest: request.digest, written: written.clone() };
        self.stored.requests.entry(id).or_default().insert(request.item, earlier);
        Ok(written)
    }

    fn apply_now(&mut self, write: &Write) -> WriteResult {
        let Identity { id, new_keys, notes } = self.identify(write)?;
        let current = self.stored.articles.get(&id);
        let stored = current.map(|current| (Arc::clone(&current.record), current.row.provenance));
        let known = stored.as_ref().map(|(record, provenance)| (&**record, *provenance));
        let (effect, provenance) = plan(write, &id, known)?;
        if let (Write::Ingest(ingest), Effect::Create(_) | Effect::Revise(_)) = (write, &effect) {
            self.refuse_withdrawn_text(ingest)?;
        }
        let missing = || WriteError::NotFound(id.clone());
        let written = match (effect, stored) {
            (Effect::Nothing, Some((record, _))) => {
                self.store_provenance(&id, provenance);
                Written::new(record, Outcome::Unchanged)
            }
            (Effect::Stale(part), Some((record, _))) => {
                Written { older_by: Some(part), ..Written::new(record, Outcome::Stale) }
            }
            (Effect::Create(new), _) => self.create(&id, &new, provenance),
            (Effect::Revise(revision), Some(_)) => {
                let record = self.revise(&id, &revision, provenance, time_of(write)).ok_or_else(missing)?;
                let outcome = outcome_of(revision.kind, &record);
                Written::new(record, outcome)
            }
            // Without an article there is nothing to revise or to leave unchanged.
            (Effect::Nothing | Effect::Stale(_) | Effect::Revise(_), None) => return Err(missing()),
        };
        self.give_keys(&id, new_keys);
        Ok(Written { notes, ..written })
    }

    fn identify(&self, write: &Write) -> Result<Identity, WriteError> {
        let holder = |key: &Key| {
            let (id, is_certain) = self.stored.keys.get(key)?;
            let current = self.stored.articles.get(id)?;
            Some(Holder { record: &current.record, is_certain: *is_certain })
        };
        let exists = |id: &ArticleId| self.stored.articles.get(id).is_some_and(|current| !current.record.is_empty());
        match write {
            Write::Ingest(ingest) => identify(ingest, holder, exists),
            Write::Update(update) => Ok(Identity::named(&update.id)),
            Write::Transition(transition) => Ok(identify_transition(transition, holder, exists)),
        }
    }

    fn give_keys(&mut self, id: &ArticleId, keys: Vec<ArticleKey>) {
        let Some(article) = self.stored.articles.get(id).map(|current| current.row.key) else { return };
        for key in keys {
            let is_new = self.stored.keys.insert(key.key, (id.clone(), key.is_certain)).is_none();
            let row = KeyRow { key, article, is_new };
            self.new_keys.entry(key.key).and_modify(|row| (row.key, row.article) = (key, article)).or_insert(row);
        }
    }

    /// Rejects a document with exactly the text of a withdrawn article of its source: a kill holds for it under any
    /// key.
    fn refuse_withdrawn_text(&self, ingest: &Ingest) -> Result<(), WriteError> {
        if let IngestSource::Copy(..) = ingest.from {
            return Ok(());
        }
        let (digest, source) = (ingest.article.digest(), &ingest.article.article().source);
        let stored = self.stored.duplicates.get(&digest).into_iter().flatten();
        let stored = stored
            .filter(|twin| twin.visibility.lifecycle == Lifecycle::Withdrawn && twin.source == *source)
            .filter(|twin| !self.stored.articles.contains_key(&twin.id))
            .map(|twin| (twin.key, &twin.id));
        let in_group = self.by_digest.get(&digest).into_iter().flatten().filter_map(|id| {
            let current = self.stored.articles.get(id)?;
            let is_withdrawn = current.record.digest == digest && current.record.lifecycle == Lifecycle::Withdrawn;
            (is_withdrawn && current.row.source == *source).then_some((current.row.key, id))
        });
        match stored.chain(in_group).min_by_key(|(key, _)| creation_order(*key)) {
            Some((_, id)) => Err(WriteError::WrongLifecycle { id: id.clone(), lifecycle: Lifecycle::Withdrawn }),
            None => Ok(()),
        }
    }

    /// Stores a changed provenance of an unchanged article: its source now sends what an editor had corrected, or an
    /// editor has taken ownership of a field without changing it.
    fn store_provenance(&mut self, id: &ArticleId, provenance: Provenance) {
        if let Some(current) = self.stored.articles.get_mut(id)
            && current.row.provenance != provenance
        {
            current.row.provenance = provenance;
            self.changed.push(id.clone());
        }
    }

    fn create(&mut self, id: &ArticleId, new: &New<'_>, provenance: Provenance) -> Written {
        let &New { article, time, .. } = new;
        let key = self.next_position();
        let duplicate_of = self.earliest_duplicate(article.digest(), None, time);
        let mut parts = first(id, new, self.token());
        parts.duplicate_of = duplicate_of.as_ref().map(|(_, id)| id.clone());
        let duplicate_of = duplicate_of.map(|(key, _)| key);
        let text = self.new_text(article);
        let revision = Revision {
            kind: new.kind,
            lifecycle: parts.lifecycle,
            article: Some(Cow::Borrowed(article)),
            reason: new.reason,
        };
        let announced = is_announced(&parts);
        self.batch.changes.push(ChangeRow::new(&parts, &revision, key, announced, duplicate_of, text));
        let mut row = ArticleRow::new(&parts, key, article, provenance);
        row.duplicate_of = duplicate_of;
        row.due = due(&parts, time);
        row.facets = facet_numbers(&article.facets());
        let outcome = if duplicate_of.is_some() { Outcome::Duplicate } else { Outcome::Created };
        let record = Arc::new(Record::new(parts, article.content()));
        self.replace(Current { record: Arc::clone(&record), row, text, listed: None });
        Written::new(record, outcome)
    }

    fn revise(
        &mut self,
        id: &ArticleId,
        revision: &Revision<'_>,
        provenance: Provenance,
        time: Timestamp,
    ) -> Option<Arc<Record>> {
        let mut current = self.stored.articles.remove(id)?;
        let next = next(&current.record, current.row.due, revision, self.token(), time);
        let mut parts = next.parts;
        let time = parts.update_time;
        let position = self.next_position();
        let new = revision.article.as_deref();
        if let Some(article) = new {
            if next.rewritten {
                let duplicate = self.earliest_duplicate(article.digest(), Some(current.row.key), time);
                current.row.duplicate_of = duplicate.as_ref().map(|(key, _)| *key);
                parts.duplicate_of = duplicate.map(|(_, id)| id);
            }
            current.text = self.new_text(article);
            current.row.take_content(article);
            current.row.facets = facet_numbers(&article.facets());
        }
        let row = &mut current.row;
        row.take_parts(&parts, position);
        row.due = due(&parts, time);
        row.provenance = provenance;
        let change = ChangeRow::new(&parts, revision, row.key, next.announced, row.duplicate_of, current.text);
        self.batch.changes.push(change);
        let content = current.record.content();
        let record = Arc::new(Record::new(parts, new.map_or(&content, CleanArticle::content)));
        self.replace(Current { record: Arc::clone(&record), ..current });
        Some(record)
    }

    /// Announces the due transition of an article, if it is still due.
    pub(super) fn apply_due_transitions(&mut self, id: &ArticleId, now: Timestamp) -> bool {
        let Some(current) = self.stored.articles.get(id) else { return false };
        let Some(time) = current.row.due.filter(|due| *due <= now.as_microsecond()) else { return false };
        let (record, provenance) = (Arc::clone(&current.record), current.row.provenance);
        let revised = self.revise(id, &Revision::of_clock(&record, time), provenance, now);
        // Its embargo may have ended and it may have expired since the last run: the next transition follows this one.
        if let (Some(record), Some(current)) = (revised, self.stored.articles.get_mut(id)) {
            current.row.due = due(&record, crate::store::enum_codes::time(time));
        }
        true
    }

    /// Returns the rows to be stored.
    pub(super) fn finish(self) -> Batch {
        let Self { mut stored, changed, new_keys, mut batch, .. } = self;
        batch.keys.extend(new_keys.into_values());
        for id in changed {
            // An article that changed several times is stored once, in its final state.
            if let Some(current) = stored.articles.remove(&id) {
                batch.add_article(current.row, current.listed);
            }
        }
        batch
    }

    fn replace(&mut self, current: Current) {
        let id = current.record.id.clone();
        self.by_digest.entry(current.record.digest).or_default().push(id.clone());
        self.changed.push(id.clone());
        self.stored.articles.insert(id, current);
    }

    fn new_text(&mut self, article: &CleanArticle) -> Uuid {
        let text = Uuid::now_v7();
        self.batch.texts.push(TextRow { text, content: article.content().to_vec() });
        text
    }

    /// Returns the provisional position of the next change.
    fn next_position(&self) -> i64 {
        -(self.batch.changes.len() as i64 + 1)
    }

    fn token(&self) -> ChangeToken {
        let sequence = self.next_position().unsigned_abs();
        // No engine issues positions with this transaction, so no etag of a client equals a provisional one.
        ChangeToken { feed: self.feed, position: Position { transaction: u64::MAX, sequence } }
    }

    /// Returns the earliest other readable article with the same text.
    fn earliest_duplicate(&self, digest: Digest, below: Option<i64>, now: Timestamp) -> Option<(i64, ArticleId)> {
        let stored = self.stored.duplicates.get(&digest).into_iter().flatten();
        // Articles of the group are compared in their current state below.
        let stored = stored.filter(|duplicate| !self.stored.articles.contains_key(&duplicate.id));
        let stored = stored
            .filter(|duplicate| duplicate.visibility.readable(now))
            .map(|duplicate| (duplicate.key, &duplicate.id));
        let in_group = self.by_digest.get(&digest).into_iter().flatten().filter_map(|id| {
            let current = self.stored.articles.get(id)?;
            let is_duplicate = current.record.digest == digest && current.record.unreadable(now).is_none();
            is_duplicate.then_some((current.row.key, id))
        });
        let earliest = stored.chain(in_group).min_by_key(|(key, _)| creation_order(*key))?;
        let earlier = below.is_none_or(|below| creation_order(earliest.0) < creation_order(below));
        earlier.then(|| (earliest.0, earliest.1.clone()))
    }
}

/// Returns the sort key of creation order: articles of the group (negative keys) come after all stored ones.
fn creation_order(key: i64) -> (bool, u64) {
    (key < 0, key.unsigned_abs())
}

/// Replaces the provisional position of a result, now that the group's changes follow position `base`.
pub(super) fn with_final_position(answer: WriteResult, base: i64) -> WriteResult {
    let written = answer?;
    let token = written.record.token;
    if token.position.transaction != u64::MAX {
        return Ok(written);
    }
    let sequence = base + i64::try_from(token.position.sequence).unwrap_or(0);
    let token = ChangeToken { position: position(sequence), ..token };
    let parts = RecordParts { token, ..RecordParts::clone(&written.record) };
    Ok(Written { record: Arc::new(Record::new(parts, &written.record.content())), ..written })
}
