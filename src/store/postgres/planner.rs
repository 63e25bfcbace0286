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
use super::erase::ErasedRow;
use super::group_sketches::GroupSketches;
use super::original_table::OriginalRow;
use super::rows::{facet_numbers, position};
use super::sketch_table::{Candidates, SketchRow};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, ChangeToken, CleanArticle, Digest, Key, Lifecycle, Position, Record,
    RecordParts, StatedKey, Trust,
};
use crate::store::hold::Hold;
use crate::store::identity::{Holder, Identity, identify, identify_transition, other_id};
use crate::store::merge::{check_target, plan_source};
use crate::store::near_duplicates::{self, CopyOf, withholds_copies};
use crate::store::plan::{
    Effect, New, Provenance, Revision, due, first, is_announced, next, outcome_of, plan, require, text_key, text_keys,
    time_of,
};
use crate::store::{
    Ingest, IngestSource, Merge, Outcome, RequestKey, StoreError, Transition, Visibility, Write, WriteError, Written,
};

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
    /// The purged articles that had texts of the group, by the key of the text.
    pub(super) purged: HashMap<Key, ArticleId>,
    /// Digests of the stored revisions of articles that the group purges.
    pub(super) past_digests: HashMap<ArticleId, Vec<Digest>>,
    /// Withdrawn ones first, of these those with their copies, then the earliest first.
    pub(super) duplicates: HashMap<Digest, Vec<StoredDuplicate>>,
    /// Articles that may be near-duplicates.
    pub(super) candidates: Candidates,
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
    sketches: GroupSketches,
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
        let taken = writes.filter(|write| self.stored.articles.contains_key(write.id()));
        let taken = taken.filter(|write| !more.contains(write.id()) || self.is_unknown_to_its_key(write));
        let other: Vec<ArticleId> = taken.filter_map(other_id).collect();
        more.extend(other);
        more
    }

    /// Returns true if the article with the ID of a write has its key and is another one. Comparing texts is not
    /// free, so a certain key is looked at first.
    fn is_unknown_to_its_key(&self, write: &Write) -> bool {
        let Write::Ingest(ingest) = write else { return false };
        let holds = |stated: &StatedKey| {
            let held = self.stored.keys.get(&stated.key);
            stated.trust == Trust::Certain && held.is_some_and(|(id, is_certain)| *is_certain && *id == ingest.id)
        };
        if ingest.is_named || ingest.keys.iter().any(holds) {
            return false;
        }
        self.identify(write).is_ok_and(|identity| !self.stored.articles.contains_key(&identity.id))
    }

    /// Returns true if an article was loaded, or was asked for and does not exist.
    pub(super) fn has_loaded(&self, id: &ArticleId, asked_for: &BTreeSet<ArticleId>) -> bool {
        self.stored.articles.contains_key(id) || asked_for.contains(id)
    }

    pub(super) fn new(feed: Uuid, mut stored: StoredState) -> Self {
        let mut by_digest: HashMap<Digest, Vec<ArticleId>> = HashMap::new();
        for (id, current) in &stored.articles {
            by_digest.entry(current.record.digest).or_default().push(id.clone());
        }
        let sketches = GroupSketches::new(std::mem::take(&mut stored.candidates));
        let (changed, new_keys, batch) = (Vec::new(), HashMap::new(), Batch::default());
        Self { feed, stored, by_digest, sketches, changed, new_keys, batch }
    }

    /// Applies a write.
    pub(super) fn apply(&mut self, write: &Write) -> WriteResult {
        match write.request() {
            Some(request) => self.apply_once(write, request, time_of(write)),
            None => self.apply_now(write),
        }
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
        if let Write::Merge(merge) = write {
            return self.merge(merge);
        }
        let Identity { id, new_keys, notes } = self.identify(write)?;
        let current = self.stored.articles.get(&id);
        let stored = current.map(|current| (Arc::clone(&current.record), current.row.provenance));
        let known = stored.as_ref().map(|(record, provenance)| (&**record, *provenance));
        let (mut effect, mut provenance) = plan(write, &id, known)?;
        let mut copy = None;
        if let (Write::Ingest(ingest), Effect::Create(_) | Effect::Revise(_)) = (write, &effect) {
            if let Some(id) = text_key(write).and_then(|key| self.stored.purged.get(&key)) {
                return Err(WriteError::WrongLifecycle { id: id.clone(), lifecycle: Lifecycle::Purged });
            }
            let has_new_text = match (&effect, known) {
                (Effect::Revise(revision), Some((before, _))) => revision.new_text(before).is_some(),
                _ => true,
            };
            copy = self.withdrawn_twin(ingest).filter(|_| has_new_text);
        }
        let missing = || WriteError::NotFound(id.clone());
        // Clocks may step back; update times must not.
        let now = known.map_or(time_of(write), |(before, _)| time_of(write).max(before.update_time));
        let copy = copy.or_else(|| effect.creates().then(|| self.near_duplicate(write, &id, now)).flatten());
        let held = Hold::decide(write, &effect, copy.as_ref())?;
        if let Some(held) = &held {
            held.apply(&mut effect, &mut provenance);
        }
        let is_near_duplicate = copy.is_some();
        let written = match (effect, stored) {
            (Effect::Nothing, Some((record, _))) => {
                self.store_provenance(&id, provenance);
                Written::new(record, Outcome::Unchanged)
            }
            (Effect::Stale(part), Some((record, _))) => {
                Written { stale_part: Some(part), ..Written::new(record, Outcome::Stale) }
            }
            (Effect::Create(new), _) => self.create(&id, &new, provenance, is_near_duplicate),
            (Effect::Revise(revision), Some(_)) => {
                let is_copy = is_near_duplicate
                    || revision.article.as_ref().is_some_and(|article| self.has_copy(article.digest(), Some(&id), now));
                let record = self.revise(&id, &revision, provenance, time_of(write)).ok_or_else(missing)?;
                let outcome = outcome_of(revision.kind, is_copy);
                Written::new(record, outcome)
            }
            // Without an article there is nothing to revise or to leave unchanged.
            (Effect::Nothing | Effect::Stale(_) | Effect::Revise(_), None) => return Err(missing()),
        };
        let written = match held {
            Some(held) => held.result(written),
            None => written,
        };
        self.give_keys(&id, new_keys);
        if let (Some(original), Some(current)) = (write.original(written.outcome), self.stored.articles.get(&id)) {
            let (article, revision) = (current.row.key, written.record.revision);
            // A statement may store a revision only once.
            self.batch.originals.retain(|row| (row.article, row.revision) != (article, revision));
            self.batch.originals.push(OriginalRow { article, revision, original: original.clone() });
        }
        if let (Write::Transition(transition), true) = (write, written.outcome.is_change())
            && transition.kind == ChangeKind::Purged
        {
            self.erase(&id, transition, &written.record)?;
        }
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
            Write::Update(_) | Write::Merge(_) => Ok(Identity::named(write.id())),
            Write::Transition(transition) => Ok(identify_transition(transition, holder, exists)),
        }
    }

    /// Merges articles, if all of them can be merged.
    fn merge(&mut self, merge: &Merge) -> WriteResult {
        let record = |id: &ArticleId| self.stored.articles.get(id).map(|current| Arc::clone(&current.record));
        let target = check_target(merge, record(&merge.id))?;
        let mut revisions = Vec::new();
        for id in &merge.sources {
            revisions.extend(plan_source(merge, id, record(id).as_deref())?.map(|revision| (id, revision)));
        }
        if revisions.is_empty() {
            return Ok(Written::new(target, Outcome::Unchanged));
        }
        require(&merge.precondition, &target)?;
        let mut merged = Vec::with_capacity(revisions.len());
        for (id, revision) in revisions {
            self.give_all_keys(id, &merge.id);
            let missing = || WriteError::NotFound(id.clone());
            let provenance = self.stored.articles.get(id).map(|current| current.row.provenance).ok_or_else(missing)?;
            merged.push(self.revise(id, &revision, provenance, merge.time).ok_or_else(missing)?);
        }
        Ok(Written { merged, ..Written::new(target, Outcome::Revised) })
    }

    /// Gives all keys of an article to another one: those of the group here, and stored ones by a statement.
    fn give_all_keys(&mut self, from: &ArticleId, to: &ArticleId) {
        let key = |id| self.stored.articles.get(id).map(|current| current.row.key);
        let (Some(from_key), Some(to_key)) = (key(from), key(to)) else { return };
        self.stored.keys.values_mut().filter(|(holder, _)| holder == from).for_each(|(id, _)| id.clone_from(to));
        self.new_keys.values_mut().filter(|row| row.article == from_key).for_each(|row| row.article = to_key);
        // One statement moves all keys, so each of its rows names the last article.
        self.batch.moves.iter_mut().filter(|(_, to)| *to == from_key).for_each(|(_, to)| *to = to_key);
        self.batch.moves.push((from_key, to_key));
    }

    fn give_keys(&mut self, id: &ArticleId, keys: Vec<ArticleKey>) {
        let Some(article) = self.stored.articles.get(id).map(|current| current.row.key) else { return };
        for key in keys {
            let is_new = self.stored.keys.insert(key.key, (id.clone(), key.is_certain)).is_none();
            let row = KeyRow { key, article, is_new };
            self.new_keys.entry(key.key).and_modify(|row| (row.key, row.article) = (key, article)).or_insert(row);
        }
    }

    /// Erases everything of an article but its last change, which has purged it.
    fn erase(&mut self, id: &ArticleId, transition: &Transition, record: &Record) -> Result<(), WriteError> {
        let Some(article) = self.stored.articles.get(id).map(|current| current.row.key) else { return Ok(()) };
        let erased = CleanArticle::stored(&record.content()).map_err(|_broken| StoreError::Damaged)?;
        let stored = self.stored.past_digests.remove(id).unwrap_or_default();
        let in_group = self.by_digest.iter().filter(|(_, ids)| ids.contains(id)).map(|(digest, _)| *digest);
        let mut keys = text_keys(&erased, stored.into_iter().chain(in_group).chain([record.digest]));
        keys.extend(transition.missing.iter().flat_map(|missing| &missing.keys));
        keys.sort_unstable_by_key(|key| key.key);
        keys.dedup_by_key(|key| key.key);
        for items in self.stored.requests.values_mut() {
            items.retain(|_, earlier| earlier.written.record.id != *id);
        }
        self.stored.purged.extend(keys.iter().map(|key| (key.key, id.clone())));
        self.batch.erased.push(ErasedRow {
            article,
            position: -(self.batch.changes.len() as i64),
            revision: record.revision,
            content: erased.content().to_vec(),
            keys: keys.iter().map(|key| key.key).collect(),
        });
        // Of a text key it is not known whether an article already has it.
        let moved = keys.iter().map(|key| KeyRow { key: *key, article, is_new: false });
        self.new_keys.extend(moved.map(|row| (row.key.key, row)));
        self.stored.keys.extend(keys.iter().map(|key| (key.key, (id.clone(), key.is_certain))));
        Ok(())
    }

    /// Returns the withdrawn article with exactly the text of a document: of its source, or of any source if it was
    /// withdrawn with its copies. A kill holds for the text under any key.
    fn withdrawn_twin(&self, ingest: &Ingest) -> Option<CopyOf> {
        if let IngestSource::Copy(..) = ingest.from {
            return None;
        }
        let (digest, source) = (ingest.article.digest(), &ingest.article.article().source);
        // The withdrawals that hold for copies come first.
        let order = |visibility: &Visibility, of: &String, key: i64| {
            let with_copies = withholds_copies(visibility.lifecycle, visibility.editor_fields);
            let is_same_text = visibility.lifecycle == Lifecycle::Withdrawn && of == source;
            (with_copies || is_same_text).then(|| (!with_copies, creation_order(key)))
        };
        let stored = self.stored.duplicates.get(&digest).into_iter().flatten();
        let stored = stored
            .filter(|twin| !self.stored.articles.contains_key(&twin.id))
            .filter_map(|twin| Some((order(&twin.visibility, &twin.source, twin.key)?, &twin.id)));
        let in_group = self.by_digest.get(&digest).into_iter().flatten().filter_map(|id| {
            let current = self.stored.articles.get(id).filter(|current| current.record.digest == digest)?;
            Some((order(&current.row.visibility(), &current.row.source, current.row.key)?, id))
        });
        let ((without_copies, _), id) = stored.chain(in_group).min()?;
        Some(if without_copies { CopyOf::SameText(id.clone()) } else { CopyOf::Withdrawn(id.clone()) })
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

    fn create(&mut self, id: &ArticleId, new: &New<'_>, provenance: Provenance, is_near_duplicate: bool) -> Written {
        let &New { article, time, .. } = new;
        let key = self.next_position();
        let is_copy = is_near_duplicate || self.has_copy(article.digest(), None, time);
        self.sketches.set(id, article.sketch());
        let parts = first(id, new, self.token());
        let text = self.new_text(article);
        let revision = Revision {
            kind: new.kind,
            lifecycle: parts.lifecycle,
            article: Some(Cow::Borrowed(article)),
            reason: new.reason,
        };
        let announced = is_announced(&parts);
        self.batch.changes.push(ChangeRow::new(&parts, &revision, key, announced, text));
        let mut row = ArticleRow::new(&parts, key, article, provenance);
        row.due = due(&parts, time);
        row.facets = facet_numbers(&article.facets());
        let outcome = if is_copy { Outcome::Duplicate } else { Outcome::Created };
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
        let parts = next.parts;
        let time = parts.update_time;
        let position = self.next_position();
        let new = revision.article.as_deref();
        if let Some(article) = new {
            current.text = self.new_text(article);
            if article.digest() != current.record.digest {
                self.sketches.set(id, article.sketch());
            }
            current.row.take_content(article);
            current.row.facets = facet_numbers(&article.facets());
        }
        let row = &mut current.row;
        row.take_parts(&parts, position);
        row.due = due(&parts, time);
        row.provenance = provenance;
        let change = ChangeRow::new(&parts, revision, row.key, next.announced, current.text);
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
        let Self { mut stored, mut sketches, changed, new_keys, mut batch, .. } = self;
        batch.keys.extend(new_keys.into_values());
        for id in changed {
            // An article that changed several times is stored once, in its final state.
            if let Some(current) = stored.articles.remove(&id) {
                let changed = sketches.take(&id).map(|sketch| SketchRow { key: current.row.key, sketch });
                batch.sketches.extend(changed);
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

    /// Returns the state of the article other than `id` that a document is a near-duplicate of.
    fn near_duplicate(&self, write: &Write, id: &ArticleId, now: Timestamp) -> Option<CopyOf> {
        let loaded = |id: &ArticleId| self.stored.articles.get(id).map(|current| current.row.visibility());
        self.sketches.copy_of(near_duplicates::sketch_of(write)?, id, now, loaded)
    }

    /// Returns true if an article other than `id` has the same text, and is readable.
    fn has_copy(&self, digest: Digest, id: Option<&ArticleId>, now: Timestamp) -> bool {
        let stored = self.stored.duplicates.get(&digest).into_iter().flatten();
        // Articles of the group are compared in their current state below.
        let mut stored = stored.filter(|duplicate| !self.stored.articles.contains_key(&duplicate.id));
        let is_in_group = || {
            let mut in_group = self.by_digest.get(&digest).into_iter().flatten().filter(|other| Some(*other) != id);
            in_group.any(|other| {
                let current = self.stored.articles.get(other);
                current.is_some_and(|it| it.record.digest == digest && it.record.unreadable(now).is_none())
            })
        };
        stored.any(|duplicate| duplicate.visibility.readable(now)) || is_in_group()
    }
}

/// Returns the sort key of creation order: articles of the group (negative keys) come after all stored ones.
fn creation_order(key: i64) -> (bool, u64) {
    (key < 0, key.unsigned_abs())
}

/// Replaces the provisional position of a result, now that the group's changes follow position `base`.
pub(super) fn with_final_position(answer: WriteResult, base: i64) -> WriteResult {
    let written = answer?;
    let record = with_final_token(&written.record, base);
    let merged = written.merged.iter().map(|merged| with_final_token(merged, base)).collect();
    Ok(Written { record, merged, ..written })
}

fn with_final_token(record: &Arc<Record>, base: i64) -> Arc<Record> {
    let token = record.token;
    if token.position.transaction != u64::MAX {
        return Arc::clone(record);
    }
    let sequence = base + i64::try_from(token.position.sequence).unwrap_or(0);
    let token = ChangeToken { position: position(sequence), ..token };
    let parts = RecordParts { token, ..RecordParts::clone(record) };
    Arc::new(Record::new(parts, &record.content()))
}
