//! Reference model of a store: a list of articles, each a list of revisions, and the feed. Slow and simple.

use std::collections::HashMap;

use copydesk::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, Digest, EditorFields, Filter, Key, Lifecycle, Limits, Query,
    Record, SourceVersion, Trust, are_versions, from_proto,
};
use copydesk::proto::{Article, ArticleState};
use copydesk::store::{
    Authority, Ingest, IngestSource, LateCopies, Merge, OrderField, Outcome, Precondition, Transition, Visibility,
    Write, WriteError,
};
use jiff::Timestamp;

/// One revision.
#[derive(Clone)]
pub struct State {
    pub id: ArticleId,
    pub revision: i64,
    pub lifecycle: Lifecycle,
    /// Its position in the feed, from 1.
    pub sequence: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub deleted: Option<Timestamp>,
    pub article: CleanArticle,
    /// Digest of its text, which a purge erases.
    pub digest: Digest,
    /// Its embargo when it was written.
    pub embargo: Option<Timestamp>,
    /// Fields that belong to editors; of the newest revision only.
    pub editor_fields: EditorFields,
    /// Version of the last ingested document; of the newest revision only.
    pub version: SourceVersion,
}

/// One entry of the feed.
pub struct Entry {
    pub article: usize,
    pub revision: i64,
    pub kind: ChangeKind,
    pub reason: String,
    pub announced: bool,
    pub brought_text: bool,
}

struct Known {
    revisions: Vec<State>,
    /// The document that was ingested last, without its times.
    ingested: Article,
    fingerprint: Digest,
    /// Time up to which the feed has its due transitions.
    applied_until: Timestamp,
}

#[derive(Default)]
pub struct Model {
    /// In the order of their creation.
    articles: Vec<Known>,
    pub feed: Vec<Entry>,
    /// The article that has a key, and whether it does not merely claim it.
    keys: HashMap<Key, (ArticleId, bool)>,
    /// The purged article that had a text with a key.
    purged: HashMap<Key, ArticleId>,
    requests: HashMap<String, (Digest, usize, i64, Outcome)>,
    /// The etags that the store gave.
    pub etags: HashMap<(ArticleId, i64), String>,
}

impl State {
    pub fn standing(&self) -> Visibility {
        Visibility {
            lifecycle: self.lifecycle,
            embargo_time: self.embargo,
            expire_time: self.article.expire_time(),
            revision: self.revision,
            editor_fields: self.editor_fields,
            version: self.version,
        }
    }

    /// Whether it is under embargo at a time.
    pub fn held(&self, time: Timestamp) -> bool {
        self.embargo.is_some_and(|embargo| time < embargo)
    }

    /// True if it was withdrawn before it arrived, and has not arrived.
    pub fn is_empty(&self) -> bool {
        self.article.article().headline.is_empty() && self.article.article().body.is_empty()
    }

    /// Returns the error of a write that the state forbids.
    fn refusal(&self) -> WriteError {
        match self.article.article().successor.as_str() {
            "" => WriteError::WrongLifecycle { id: self.id.clone(), lifecycle: self.lifecycle },
            name => WriteError::Merged { id: self.id.clone(), successor: ArticleId::from_name(name).unwrap() },
        }
    }

    fn require_live(&self) -> Result<(), WriteError> {
        if self.lifecycle == Lifecycle::Live { Ok(()) } else { Err(self.refusal()) }
    }

    pub fn sort_time(&self) -> Timestamp {
        self.article.publish_time().unwrap_or(self.created)
    }

    /// Returns the state that editors see.
    pub fn article_state(&self, now: Timestamp) -> ArticleState {
        match self.lifecycle {
            Lifecycle::Live if self.held(now) => ArticleState::Embargoed,
            Lifecycle::Live if self.article.expire_time().is_some_and(|time| time <= now) => ArticleState::Expired,
            Lifecycle::Live => ArticleState::Active,
            Lifecycle::Withdrawn => ArticleState::Withdrawn,
            Lifecycle::Deleted => ArticleState::Deleted,
            Lifecycle::Expected => ArticleState::Expected,
            Lifecycle::Merged => ArticleState::Merged,
            Lifecycle::Purged => ArticleState::Purged,
        }
    }

    /// As filters see it.
    pub fn decoded(&self) -> Article {
        Article {
            create_time: Some(copydesk::article::to_proto(self.created)),
            update_time: Some(copydesk::article::to_proto(self.updated)),
            content_digest: self.article.digest().to_string(),
            ..self.article.article().clone()
        }
    }

    /// Whether a store's record says the same.
    pub fn check(&self, record: &Record) {
        assert_eq!(
            (&record.id, record.revision, record.lifecycle, record.token.position.sequence),
            (&self.id, self.revision, self.lifecycle, self.sequence)
        );
        assert_eq!(
            (record.create_time, record.update_time, record.delete_time, record.sort_time()),
            (self.created, self.updated, self.deleted, self.sort_time()),
            "{:?}",
            self.id
        );
        assert_eq!(record.digest, self.digest, "{:?}", self.id);
        assert_eq!(
            (record.embargo_time, record.expire_time),
            (self.embargo, self.article.expire_time()),
            "{:?}",
            self.id
        );
        assert_eq!(&record.content()[..], self.article.content());
        let decoded = record.decode().unwrap();
        assert_eq!((decoded.headline, decoded.revision), (self.article.article().headline.clone(), self.revision));
    }
}

impl Model {
    fn find(&self, id: &ArticleId) -> Option<usize> {
        self.articles.iter().position(|known| known.revisions[0].id == *id)
    }

    pub fn revisions(&self, id: &ArticleId) -> &[State] {
        self.find(id).map_or(&[], |at| &self.articles[at].revisions)
    }

    pub fn state(&self, entry: &Entry) -> &State {
        &self.articles[entry.article].revisions[entry.revision as usize - 1]
    }

    pub fn newest(&self) -> impl DoubleEndedIterator<Item = &State> {
        self.articles.iter().filter_map(|known| known.revisions.last())
    }

    /// Applies a write.
    pub fn apply(&mut self, write: &Write) -> Result<(Outcome, State), WriteError> {
        let Some(request) = write.request() else { return self.apply_now(write) };
        if let Some((digest, at, revision, outcome)) = self.requests.get(&request.id) {
            let first = self.articles[*at].revisions[*revision as usize - 1].clone();
            return if *digest == request.digest { Ok((*outcome, first)) } else { Err(WriteError::RequestReused) };
        }
        let (outcome, state) = self.apply_now(write)?;
        let at = self.find(&state.id).expect("it was just written");
        self.requests.insert(request.id.clone(), (request.digest, at, state.revision, outcome));
        Ok((outcome, state))
    }

    fn apply_now(&mut self, write: &Write) -> Result<(Outcome, State), WriteError> {
        let (id, gained) = match write {
            Write::Merge(merge) => return self.merge(merge),
            Write::Ingest(ingest) => self.identify(ingest)?,
            Write::Update(update) => (update.id.clone(), Vec::new()),
            Write::Transition(transition) => self.identify_transition(transition),
        };
        let applied = self.apply_to(&id, write)?;
        self.keys.extend(gained.into_iter().map(|key| (key.key, (id.clone(), key.is_certain))));
        Ok(applied)
    }

    /// Merges articles, all or none.
    fn merge(&mut self, merge: &Merge) -> Result<(Outcome, State), WriteError> {
        let newest = |id: &ArticleId| {
            let state = self.revisions(id).last().cloned();
            state.ok_or_else(|| WriteError::NotFound(id.clone()))
        };
        let target = newest(&merge.id)?;
        target.require_live()?;
        let mut sources = Vec::new();
        for id in &merge.sources {
            let source = newest(id)?;
            if source.article.article().successor != merge.id.name() {
                source.require_live()?;
                sources.push(source);
            }
        }
        if sources.is_empty() {
            return Ok((Outcome::Unchanged, target));
        }
        self.require(&merge.precondition, &target)?;
        for source in sources {
            let held = self.keys.values_mut().filter(|(holder, _)| *holder == source.id);
            held.for_each(|(holder, _)| holder.clone_from(&merge.id));
            let merged = source.article.merged_into(&merge.id);
            let at = self.find(&source.id).expect("it was just found");
            self.revise(at, ChangeKind::Merged, Lifecycle::Merged, Some(&merged), &merge.reason, merge.time);
        }
        Ok((Outcome::Revised, target))
    }

    /// Returns the article that a document belongs to, and the keys that it gains.
    fn identify(&self, ingest: &Ingest) -> Result<(ArticleId, Vec<ArticleKey>), WriteError> {
        let document = ingest.article.article();
        let (mut gained, mut owners) = (Vec::new(), Vec::new());
        for stated in &ingest.keys {
            let key = stated.of_article();
            let Some((owner, is_certain)) = self.keys.get(&stated.key) else {
                gained.push(key);
                continue;
            };
            let state = self.revisions(owner).last().expect("it has one");
            let theirs = state.article.article();
            let ids = [&theirs.external_id, &document.external_id];
            let other_id =
                ids.iter().all(|id| !id.is_empty()) && (ids[0] != ids[1] || theirs.source != document.source);
            let versions = state.is_empty() || are_versions(document, theirs);
            let refuses = |state: &State| matches!(state.lifecycle, Lifecycle::Withdrawn | Lifecycle::Purged);
            let belongs = versions
                || (refuses(state) && stated.trust != Trust::IfSimilar)
                || match stated.trust {
                    Trust::Certain => *is_certain,
                    Trust::UnlessOtherId => *is_certain && !other_id,
                    Trust::IfSimilar => false,
                };
            if belongs {
                owners.push(state);
            }
            // A certain statement wins over a claim.
            if (belongs && key.is_certain && !is_certain) || (!belongs && stated.trust == Trust::Certain) {
                gained.push(key);
            }
        }
        let refuses = |state: &&&State| matches!(state.lifecycle, Lifecycle::Withdrawn | Lifecycle::Purged);
        if let Some(killed) = owners.iter().find(refuses) {
            return Err(WriteError::WrongLifecycle { id: killed.id.clone(), lifecycle: killed.lifecycle });
        }
        let id = match owners.first() {
            _ if ingest.is_named => ingest.id.clone(),
            Some(owner) => owner.id.clone(),
            None if !self.has_text(&ingest.id) => ingest.id.clone(),
            None => ArticleId::of_shared_key(&ingest.keys[0].key, &ingest.article.digest()),
        };
        Ok((id, gained))
    }

    fn identify_transition(&self, transition: &Transition) -> (ArticleId, Vec<ArticleKey>) {
        if let Some((owner, _)) = transition.key.as_ref().and_then(|key| self.keys.get(key)) {
            return (owner.clone(), Vec::new());
        }
        let Some(missing) = &transition.missing else { return (transition.id.clone(), Vec::new()) };
        match transition.key {
            Some(key) if self.has_text(&transition.id) => {
                (ArticleId::of_shared_key(&key, &missing.article.digest()), missing.keys.clone())
            }
            _ => (transition.id.clone(), missing.keys.clone()),
        }
    }

    fn has_text(&self, id: &ArticleId) -> bool {
        self.revisions(id).last().is_some_and(|state| state.digest != Digest::of("", ""))
    }

    /// Rejects exactly the text of a withdrawn or purged article of the same source, or of any if it was withdrawn with
    /// its copies. Returns the latter if a new article with the text is held. An article that has the text already may
    /// keep it.
    fn refuse_killed_text(
        &self,
        ingest: &Ingest,
        current: Option<&State>,
        text: Digest,
    ) -> Result<Option<ArticleId>, WriteError> {
        let key = Key::text(&ingest.article.article().source, &ingest.article.digest());
        if let Some(id) = self.purged.get(&key) {
            return Err(WriteError::WrongLifecycle { id: id.clone(), lifecycle: Lifecycle::Purged });
        }
        if current.is_some_and(|current| current.digest == text) {
            return Ok(None);
        }
        let with_copies = |state: &State| state.editor_fields.contains(EditorFields::COPIES);
        let killed = self.newest().filter(|state| {
            state.lifecycle == Lifecycle::Withdrawn
                && state.article.digest() == ingest.article.digest()
                && (state.article.article().source == ingest.article.article().source || with_copies(state))
        });
        let is_new = current.is_none_or(|current| current.lifecycle == Lifecycle::Expected);
        match killed.min_by_key(|state| !with_copies(state)) {
            Some(state) if is_new && ingest.late_copies == LateCopies::Hold && with_copies(state) => {
                Ok(Some(state.id.clone()))
            }
            Some(state) => Err(WriteError::WrongLifecycle { id: state.id.clone(), lifecycle: Lifecycle::Withdrawn }),
            None => Ok(None),
        }
    }

    /// Makes the newest revision of an article, which was just written, that of a held one.
    fn hold(&mut self, at: usize, copied: &ArticleId) -> (Outcome, State) {
        let state = self.articles[at].revisions.last_mut().expect("it was just written");
        state.lifecycle = Lifecycle::Withdrawn;
        state.editor_fields = state.editor_fields.with(EditorFields::COPIES);
        let entry = self.feed.last_mut().expect("it was just written");
        entry.kind = ChangeKind::Withdrawn;
        entry.reason = format!("copy of {}, which is withdrawn with its copies", copied.name());
        // Readers know an article that was withdrawn before it arrived.
        entry.announced &= state.revision > 1;
        (Outcome::Held, state.clone())
    }

    fn apply_to(&mut self, id: &ArticleId, write: &Write) -> Result<(Outcome, State), WriteError> {
        let Some(at) = self.find(id) else {
            return match write {
                Write::Ingest(ingest) => {
                    let copied = self.refuse_killed_text(ingest, None, ingest.article.digest())?;
                    let created = self.create(id, &ingest.article, ingest.version, ingest.time);
                    Ok(copied.map_or(created, |copied| self.hold(self.articles.len() - 1, &copied)))
                }
                Write::Transition(Transition { missing: Some(missing), reason, time, .. }) => {
                    let before_any = SourceVersion { stated: Some(Timestamp::MIN), ..SourceVersion::default() };
                    let (_, mut state) = self.create(id, &missing.article, before_any, *time);
                    state.lifecycle = Lifecycle::Withdrawn;
                    let last = self.feed.last_mut().expect("it was just written");
                    *last = Entry { kind: ChangeKind::Withdrawn, reason: reason.clone(), announced: true, ..*last };
                    self.articles[last.article].revisions[0] = state.clone();
                    Ok((Outcome::Created, state))
                }
                _ => Err(WriteError::NotFound(id.clone())),
            };
        };
        let current = self.articles[at].revisions.last().expect("it has one").clone();
        let state = current.refusal();
        let unchanged = Ok((Outcome::Unchanged, current.clone()));
        match write {
            Write::Ingest(ingest) => {
                if !matches!(current.lifecycle, Lifecycle::Live | Lifecycle::Expected) {
                    return Err(state);
                }
                let IngestSource::Publisher(authority) = ingest.from else { panic!("histories have no copies") };
                let sent = ingest.article.article();
                let stood = current.article.article();
                // A repeated document keeps the editors' changes; another one replaces them.
                let untimed = without_kept_fields(sent);
                let repeated = self.articles[at].ingested == untimed;
                let mut after = if repeated { stood.clone() } else { sent.clone() };
                let owned = |field| current.editor_fields.contains(field);
                after.annotations = match sent.annotations.is_empty() {
                    true => stood.annotations.clone(),
                    false => sent.annotations.clone(),
                };
                (after.embargo_time, after.expire_time) = (stood.embargo_time, stood.expire_time);
                if sent.embargo_time.is_some() && !owned(EditorFields::EMBARGO_TIME) {
                    after.embargo_time = sent.embargo_time;
                }
                if sent.expire_time.is_some() && !owned(EditorFields::EXPIRE_TIME) {
                    after.expire_time = sent.expire_time;
                }
                let fingerprint = ingest.article.fingerprint();
                let stored = current.version;
                if repeated && after == *stood {
                    let advances = stored.older_than(&fingerprint, &ingest.version, &fingerprint).is_some();
                    if ingest.version.stated.is_some() && advances {
                        self.articles[at].revisions.last_mut().expect("it has one").version = ingest.version;
                    }
                    return unchanged;
                }
                if ingest.version.older_than(&fingerprint, &stored, &self.articles[at].fingerprint).is_some() {
                    return Ok((Outcome::Stale, current));
                }
                let mut copied = None;
                if after != *stood {
                    check_order(&current, &after)?;
                    check_authority(&current, &after, authority, ingest.time)?;
                    let text = Digest::of(&after.headline, &after.body);
                    copied = self.refuse_killed_text(ingest, Some(&current), text)?;
                }
                self.articles[at].ingested = untimed;
                self.articles[at].fingerprint = fingerprint;
                self.articles[at].revisions.last_mut().expect("it has one").version = ingest.version;
                if after == *stood {
                    return unchanged;
                }
                let after = CleanArticle::new(after, &Limits::default()).expect("it was clean");
                if current.lifecycle == Lifecycle::Expected {
                    let is_copy = self.has_copy(at, after.digest(), ingest.time.max(current.updated));
                    let (_, state) =
                        self.revise(at, ChangeKind::Created, Lifecycle::Live, Some(&after), "", ingest.time);
                    if let Some(copied) = copied {
                        return Ok(self.hold(at, &copied));
                    }
                    return Ok((if is_copy { Outcome::Duplicate } else { Outcome::Created }, state));
                }
                Ok(self.revise(at, ChangeKind::Revised, Lifecycle::Live, Some(&after), "", ingest.time))
            }
            Write::Update(update) => {
                if current.lifecycle != Lifecycle::Live {
                    return Err(state);
                }
                self.require(&update.precondition, &current)?;
                let claim = |model: &mut Self| {
                    let newest = model.articles[at].revisions.last_mut().expect("it has one");
                    newest.editor_fields = newest.editor_fields.with(update.editor_fields);
                };
                if update.article.content() == current.article.content() {
                    claim(self);
                    return unchanged;
                }
                check_authority(&current, update.article.article(), update.authority, update.time)?;
                claim(self);
                let (article, reason) = (Some(&update.article), update.reason.as_str());
                Ok(self.revise(at, ChangeKind::Revised, Lifecycle::Live, article, reason, update.time))
            }
            Write::Transition(transition) => {
                use ChangeKind::{Deleted, Purged, Reinstated, Undeleted, Withdrawn};
                let mark = |model: &mut Self| {
                    let newest = model.articles[at].revisions.last_mut().expect("it has one");
                    newest.editor_fields = match transition.kind {
                        Withdrawn if transition.with_copies => newest.editor_fields.with(EditorFields::COPIES),
                        Reinstated => newest.editor_fields.without(EditorFields::COPIES),
                        _ => newest.editor_fields,
                    };
                };
                if let (Lifecycle::Deleted | Lifecycle::Expected, Deleted) = (current.lifecycle, transition.kind) {
                    return Err(WriteError::NotFound(id.clone()));
                }
                if let (Lifecycle::Withdrawn, Withdrawn)
                | (Lifecycle::Purged, Purged)
                | (Lifecycle::Live | Lifecycle::Expected, Reinstated | Undeleted) =
                    (current.lifecycle, transition.kind)
                {
                    mark(self);
                    return unchanged;
                }
                self.require(&transition.precondition, &current)?;
                if transition.kind == Purged {
                    return Ok(self.purge(at, &transition.reason, transition.time));
                }
                let next = match (current.lifecycle, transition.kind) {
                    (Lifecycle::Live | Lifecycle::Deleted | Lifecycle::Expected, Withdrawn) => Lifecycle::Withdrawn,
                    (Lifecycle::Withdrawn, Reinstated) if current.is_empty() => Lifecycle::Expected,
                    (Lifecycle::Live, Deleted) => Lifecycle::Deleted,
                    (Lifecycle::Withdrawn, Reinstated) | (Lifecycle::Deleted, Undeleted) => Lifecycle::Live,
                    _ => return Err(state),
                };
                mark(self);
                Ok(self.revise(at, transition.kind, next, None, &transition.reason, transition.time))
            }
            Write::Merge(_) => unreachable!("merges are of several articles"),
        }
    }

    /// Erases every revision. What is left of each is its source, and the embargo if it has not ended.
    fn purge(&mut self, at: usize, reason: &str, time: Timestamp) -> (Outcome, State) {
        let current = self.articles[at].revisions.last().expect("it has one").clone();
        let time = time.max(current.updated);
        let embargo = current.embargo.filter(|embargo| *embargo > time);
        let erased = CleanArticle::erased(&current.article.article().source, embargo);
        for state in &self.articles[at].revisions {
            if state.digest != Digest::of("", "") {
                let key = Key::text(&erased.article().source, &state.digest);
                self.keys.insert(key, (state.id.clone(), true));
                self.purged.insert(key, state.id.clone());
            }
        }
        self.feed.iter_mut().filter(|entry| entry.article == at).for_each(|entry| entry.reason.clear());
        self.requests.retain(|_, (_, article, ..)| *article != at);
        let (outcome, mut state) = self.revise(at, ChangeKind::Purged, Lifecycle::Purged, None, reason, time);
        self.feed.last_mut().expect("it was just written").brought_text = true;
        (state.embargo, state.article) = (embargo, erased.clone());
        *self.articles[at].revisions.last_mut().expect("it was just written") = state.clone();
        for state in &mut self.articles[at].revisions {
            state.article = erased.clone();
        }
        (outcome, state)
    }

    fn require(&self, precondition: &Precondition, current: &State) -> Result<(), WriteError> {
        let holds = match precondition {
            Precondition::None => true,
            Precondition::Revision(revision) => *revision == current.revision,
            Precondition::Etag(etag) => self.etags.get(&(current.id.clone(), current.revision)) == Some(etag),
        };
        if holds { Ok(()) } else { Err(WriteError::Conflict(current.id.clone())) }
    }

    /// Returns true if another article than the one at `at` can be read and says the same.
    fn has_copy(&self, at: usize, digest: Digest, time: Timestamp) -> bool {
        let others = self.articles.iter().enumerate().filter(|(other, _)| *other != at);
        let mut others = others.filter_map(|(_, known)| known.revisions.last());
        others.any(|other| other.digest == digest && other.standing().readable(time))
    }

    fn create(
        &mut self,
        id: &ArticleId,
        article: &CleanArticle,
        version: SourceVersion,
        time: Timestamp,
    ) -> (Outcome, State) {
        let at = self.articles.len();
        let is_copy = self.has_copy(at, article.digest(), time);
        let state = State {
            id: id.clone(),
            revision: 1,
            lifecycle: Lifecycle::Live,
            sequence: self.feed.len() as u64 + 1,
            created: time,
            updated: time,
            deleted: None,
            article: article.clone(),
            digest: article.digest(),
            embargo: article.embargo_time(),
            editor_fields: EditorFields::NONE,
            version,
        };
        let ingested = without_kept_fields(article.article());
        let fingerprint = article.fingerprint();
        self.articles.push(Known { revisions: vec![state.clone()], ingested, fingerprint, applied_until: time });
        self.feed.push(Entry {
            article: at,
            revision: 1,
            kind: ChangeKind::Created,
            reason: String::new(),
            announced: state.standing().readable(time),
            brought_text: true,
        });
        (if is_copy { Outcome::Duplicate } else { Outcome::Created }, state)
    }

    fn revise(
        &mut self,
        at: usize,
        kind: ChangeKind,
        lifecycle: Lifecycle,
        article: Option<&CleanArticle>,
        reason: &str,
        time: Timestamp,
    ) -> (Outcome, State) {
        let before = self.articles[at].revisions.last().expect("it has one").clone();
        let time = time.max(before.updated);
        let mut after = State {
            revision: before.revision + 1,
            lifecycle,
            sequence: self.feed.len() as u64 + 1,
            updated: time,
            deleted: (lifecycle == Lifecycle::Deleted).then_some(time),
            ..before.clone()
        };
        if let Some(article) = article {
            after.article = article.clone();
            (after.digest, after.embargo) = (article.digest(), article.embargo_time());
        }
        // This change announces a due transition that the feed does not have yet.
        let is_unapplied = self.due(at).is_some_and(|(due, _)| due <= time);
        self.feed.push(Entry {
            article: at,
            revision: after.revision,
            kind,
            reason: reason.to_owned(),
            announced: is_unapplied || !before.held(time) || !after.held(time),
            brought_text: article.is_some(),
        });
        self.articles[at].applied_until = time;
        self.articles[at].revisions.push(after.clone());
        (Outcome::Revised, after)
    }

    /// Returns the next due transition of an article that the feed does not have yet.
    fn due(&self, at: usize) -> Option<(Timestamp, ChangeKind)> {
        let known = &self.articles[at];
        let standing = known.revisions.last()?.standing();
        let is_unapplied = |time: &Timestamp| *time > known.applied_until && standing.lifecycle == Lifecycle::Live;
        let opened = standing.embargo_time.filter(is_unapplied).map(|time| (time, ChangeKind::Opened));
        opened.or(standing.expire_time.filter(is_unapplied).map(|time| (time, ChangeKind::Expired)))
    }

    /// Turns the clock until nothing is due. Answers how many changes that made.
    pub fn turn(&mut self, now: Timestamp) -> usize {
        let mut turned = 0;
        loop {
            let mut due: Vec<_> =
                (0..self.articles.len()).filter_map(|at| self.due(at).map(|(due, kind)| (due, at, kind))).collect();
            due.retain(|(due, ..)| *due <= now);
            due.sort_by_key(|(due, at, _)| (*due, *at));
            if due.is_empty() {
                return turned;
            }
            turned += due.len();
            for (due, at, kind) in due {
                self.revise(at, kind, Lifecycle::Live, None, "", now);
                self.articles[at].applied_until = due;
            }
        }
    }

    /// Returns the articles that match, in the order of creation: readable ones, or those in the filter's states.
    pub fn matching(&self, query: Option<&Query>, filter: &Filter, now: Timestamp) -> Vec<&State> {
        let matches = |state: &&State| {
            let is_in_state = match filter.states.as_slice() {
                [] => state.standing().readable(now),
                states => states.contains(&state.article_state(now)),
            };
            let article = state.decoded();
            is_in_state && filter.matches(&article) && query.is_none_or(|query| query.matches(&article))
        };
        let mut matching: Vec<&State> = self.newest().filter(matches).collect();
        if filter.one_per_text {
            let earliest = |state: &&State| {
                let story = matching.iter().filter(|other| other.article.digest() == state.article.digest());
                story
                    .min_by_key(|other| (other.sort_time(), other.id.clone()))
                    .is_some_and(|first| first.id == state.id)
            };
            let shown: Vec<&State> = matching.iter().copied().filter(earliest).collect();
            matching = shown;
        }
        matching
    }

    /// A whole list.
    pub fn list(&self, filter: &Filter, field: OrderField, descending: bool, now: Timestamp) -> Vec<&State> {
        let mut listed = self.matching(None, filter, now);
        // The sort is stable: equal articles stay in the order of creation.
        match field {
            OrderField::PublishTime => listed.sort_by_key(|state| state.sort_time()),
            OrderField::CreateTime => {}
            OrderField::UpdateTime => listed.sort_by_key(|state| state.sequence),
        }
        if descending {
            listed.reverse();
        }
        listed
    }

    pub fn lookup(&self, key: &Key) -> Option<ArticleId> {
        self.keys.get(key).map(|(id, _)| id.clone())
    }

    pub fn keys_of(&self, id: &ArticleId) -> Vec<ArticleKey> {
        let held = self.keys.iter().filter(|(_, (holder, _))| holder == id);
        let mut keys: Vec<ArticleKey> =
            held.map(|(key, (_, is_certain))| ArticleKey { key: *key, is_certain: *is_certain }).collect();
        keys.sort_by_key(|key| key.key);
        keys
    }

    /// Each article after a number of entries of the feed, and now.
    pub fn snapshot(&self, sequence: u64) -> Vec<(&State, Visibility)> {
        let at_that_time = self.articles.iter().filter_map(|known| {
            let state = known.revisions.iter().rfind(|state| state.sequence <= sequence)?;
            Some((state, known.revisions.last()?.standing()))
        });
        at_that_time.collect()
    }
}

/// Returns a document without the fields that keep their stored value if it has none.
fn without_kept_fields(article: &Article) -> Article {
    Article { embargo_time: None, expire_time: None, annotations: Default::default(), ..article.clone() }
}

/// An embargo must end before the article expires, also where only one of the times is new.
fn check_order(current: &State, after: &Article) -> Result<(), WriteError> {
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| from_proto(time).unwrap());
    let (Some(embargo), Some(expire)) = (time(&after.embargo_time), time(&after.expire_time)) else { return Ok(()) };
    if expire > embargo {
        return Ok(());
    }
    let (field, stands) = match current.article.embargo_time() == Some(embargo) {
        true => ("expire_time", embargo),
        false => ("embargo_time", expire),
    };
    Err(WriteError::TimesContradict { id: current.id.clone(), field, stands })
}

/// A caller that may not withdraw may not hide a readable article by its times either.
fn check_authority(current: &State, after: &Article, authority: Authority, time: Timestamp) -> Result<(), WriteError> {
    let now = time.max(current.updated);
    let time = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| from_proto(time).unwrap());
    let until = |expire: Option<Timestamp>| expire.unwrap_or(Timestamp::MAX);
    let denied = |field| Err(WriteError::TakedownDenied { id: current.id.clone(), field });
    if authority == Authority::Admin || !current.standing().readable(now) {
        Ok(())
    } else if time(&after.embargo_time).is_some_and(|embargo| now < embargo) {
        denied("embargo_time")
    } else if until(time(&after.expire_time)) < until(current.article.expire_time()) {
        denied("expire_time")
    } else {
        Ok(())
    }
}
