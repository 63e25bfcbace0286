//! Effect of a write on an article, computed without side effects and shared by all engines.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::enum_codes::micros;
use super::times::{self, Times};
use super::{
    Ingest, IngestSource, Missing, Outcome, Precondition, StoreError, Transition, Update, Write, WriteError, Written,
};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, ChangeToken, CleanArticle, Digest, EditorFields, Key, Lifecycle, Position,
    Record, RecordParts, SourceVersion, VersionPart,
};

/// Effect of a write.
pub(super) enum Effect<'a> {
    /// No change: the article already has the requested state.
    Nothing,
    /// No change: the document is older than the last ingested one, by this part of its version.
    Stale(VersionPart),
    /// New article.
    Create(New<'a>),
    /// New revision.
    Revise(Box<Revision<'a>>),
}

impl Effect<'_> {
    /// Returns true if an article is created, also one that was withdrawn before it arrived.
    pub(super) fn creates(&self) -> bool {
        match self {
            Self::Create(_) => true,
            Self::Revise(revision) => revision.kind == ChangeKind::Created,
            Self::Nothing | Self::Stale(_) => false,
        }
    }
}

/// New article.
pub(super) struct New<'a> {
    pub(super) article: &'a CleanArticle,
    /// Digest of its text, which is not that of the article if the text was erased.
    pub(super) digest: Digest,
    /// `Created`, or `Withdrawn` for one that is withdrawn before it arrives or is held, or `Purged` for the copy of a
    /// purged one.
    pub(super) kind: ChangeKind,
    pub(super) lifecycle: Lifecycle,
    pub(super) reason: &'a str,
    pub(super) time: Timestamp,
}

/// New revision of an article.
pub(super) struct Revision<'a> {
    pub(super) kind: ChangeKind,
    pub(super) lifecycle: Lifecycle,
    /// New text, if it changes: that of the write, or a combination of it and the stored one.
    pub(super) article: Option<Cow<'a, CleanArticle>>,
    pub(super) reason: &'a str,
}

/// State of an article beside its revisions, which decides the effect of the next document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Provenance {
    /// Fingerprint of the last ingested document.
    pub(super) ingested: Digest,
    /// Fields that belong to editors.
    pub(super) editor_fields: EditorFields,
    /// Version of the last ingested document. Empty for one that was ingested before versions were stored.
    pub(super) version: SourceVersion,
}

impl Provenance {
    /// Returns the provenance of a new article.
    pub(super) fn of(ingest: &Ingest) -> Self {
        let editor_fields = match ingest.from {
            IngestSource::Publisher(_) => EditorFields::NONE,
            IngestSource::Copy(fields) => fields,
        };
        Self { ingested: ingest.article.fingerprint(), editor_fields, version: ingest.version }
    }

    /// Returns the provenance of an article that has not arrived: any document is newer.
    fn of_missing(missing: &Missing) -> Self {
        let version = SourceVersion { stated: Some(Timestamp::MIN), ..SourceVersion::default() };
        Self { ingested: missing.article.fingerprint(), editor_fields: EditorFields::NONE, version }
    }

    /// Returns the version of the last ingested document.
    fn version(&self, current: &Record) -> SourceVersion {
        if self.version == SourceVersion::default() {
            return SourceVersion::arrived(current.update_time);
        }
        self.version
    }
}

impl<'a> Revision<'a> {
    /// Returns the timed transition of an article that is due: its embargo ends, or it expires.
    pub(super) fn of_clock(record: &Record, due: i64) -> Revision<'a> {
        let opened = micros(record.embargo_time) == Some(due);
        Revision {
            kind: if opened { ChangeKind::Opened } else { ChangeKind::Expired },
            lifecycle: record.lifecycle,
            article: None,
            reason: "",
        }
    }

    /// Returns the revision for a new text.
    fn of_text(article: Cow<'a, CleanArticle>, reason: &'a str) -> Self {
        Self { kind: ChangeKind::Revised, lifecycle: Lifecycle::Live, article: Some(article), reason }
    }

    /// Returns the new text if its headline or body are not those of the article before.
    pub(super) fn new_text(&self, before: &Record) -> Option<&CleanArticle> {
        self.article.as_deref().filter(|article| article.digest() != before.digest)
    }
}

/// Computes the effect of a write to an article, and its provenance after it.
pub(super) fn plan<'a>(
    write: &'a Write,
    id: &ArticleId,
    current: Option<(&Record, Provenance)>,
) -> Result<(Effect<'a>, Provenance), WriteError> {
    match (write, current) {
        (Write::Ingest(ingest), None) => {
            let (article, kind, lifecycle) = (&ingest.article, ChangeKind::Created, Lifecycle::Live);
            let new = New { article, digest: article.digest(), kind, lifecycle, reason: "", time: ingest.time };
            Ok((Effect::Create(new), Provenance::of(ingest)))
        }
        (Write::Transition(Transition { kind, missing: Some(missing), reason, time, .. }), None) => {
            let lifecycle = if *kind == ChangeKind::Purged { Lifecycle::Purged } else { Lifecycle::Withdrawn };
            let (article, digest) = (&missing.article, missing.digest.unwrap_or(missing.article.digest()));
            let new = New { article, digest, kind: *kind, lifecycle, reason, time: *time };
            Ok((Effect::Create(new), Provenance::of_missing(missing)))
        }
        (_, None) => Err(WriteError::NotFound(id.clone())),
        (Write::Ingest(ingest), Some((current, provenance))) => plan_ingest(ingest, current, provenance),
        (Write::Update(update), Some((current, provenance))) => {
            let editor_fields = provenance.editor_fields.with(update.editor_fields);
            let ingested =
                update.reprocessed.as_ref().map_or(provenance.ingested, |reprocessed| reprocessed.fingerprint);
            Ok((plan_update(update, current)?, Provenance { editor_fields, ingested, ..provenance }))
        }
        (Write::Transition(transition), Some((current, provenance))) => {
            let editor_fields = match transition.kind {
                ChangeKind::Withdrawn if transition.with_copies => provenance.editor_fields.with(EditorFields::COPIES),
                ChangeKind::Reinstated => provenance.editor_fields.without(EditorFields::COPIES),
                _ => provenance.editor_fields,
            };
            Ok((plan_transition(transition, current)?, Provenance { editor_fields, ..provenance }))
        }
        // Several articles: see `merge`.
        (Write::Merge(_), Some((_, provenance))) => Ok((Effect::Nothing, provenance)),
    }
}

fn plan_ingest<'a>(
    ingest: &'a Ingest,
    current: &Record,
    provenance: Provenance,
) -> Result<(Effect<'a>, Provenance), WriteError> {
    if current.lifecycle != Lifecycle::Expected {
        require_live(current)?;
    }
    let times = times::of_ingest(ingest, current, provenance.editor_fields);
    let editor_fields = match ingest.from {
        IngestSource::Publisher(_) => provenance.editor_fields,
        IngestSource::Copy(fields) => provenance.editor_fields.with(fields),
    };
    let fingerprint = ingest.article.fingerprint();
    let before = provenance.version(current);
    let repeated = provenance.ingested == fingerprint;
    // A repeated document does not undo corrections by editors; only its times and annotations may change.
    let annotations = stated_annotations(ingest);
    if repeated && times == Times::of(current) && !annotates(annotations, current)? {
        let stated = ingest.version.stated.is_some();
        let advances = stated && before.older_than(&fingerprint, &ingest.version, &fingerprint).is_some();
        let version = if advances { ingest.version } else { provenance.version };
        return Ok((Effect::Nothing, Provenance { ingested: fingerprint, editor_fields, version }));
    }
    let after = Provenance { ingested: fingerprint, editor_fields, version: ingest.version };
    if let IngestSource::Publisher(_) = ingest.from
        && let Some(part) = ingest.version.older_than(&fingerprint, &before, &provenance.ingested)
    {
        return Ok((Effect::Stale(part), provenance));
    }
    let article = match repeated {
        true => Cow::Owned(repeated_article(annotations, current)?),
        false => Cow::Borrowed(&ingest.article),
    };
    let article = with_stored(times.put_into(article), annotations, current)?;
    if current.content() == article.content() {
        return Ok((Effect::Nothing, after));
    }
    times.require_order(current)?;
    if let IngestSource::Publisher(authority) = ingest.from {
        times.require_authority(authority, current, ingest.time)?;
    }
    let mut revision = Revision::of_text(article, &ingest.note);
    if current.lifecycle == Lifecycle::Expected {
        revision.kind = ChangeKind::Created;
    }
    Ok((Effect::Revise(Box::new(revision)), after))
}

type Annotations = BTreeMap<String, String>;

/// Returns the annotations that a document states. A publisher's document without any leaves the stored ones.
fn stated_annotations(ingest: &Ingest) -> Option<&Annotations> {
    let annotations = &ingest.article.article().annotations;
    let is_stated = !annotations.is_empty() || matches!(ingest.from, IngestSource::Copy(_));
    is_stated.then_some(annotations)
}

/// Returns true if a document changes the annotations.
fn annotates(stated: Option<&Annotations>, current: &Record) -> Result<bool, StoreError> {
    let Some(stated) = stated else { return Ok(false) };
    let stored = current.decode().map_err(|_broken| StoreError::Damaged)?;
    Ok(*stated != stored.annotations)
}

/// Returns the stored article with the annotations of a repeated document.
fn repeated_article(stated: Option<&Annotations>, current: &Record) -> Result<CleanArticle, StoreError> {
    let stored = CleanArticle::stored(&current.content()).map_err(|_broken| StoreError::Damaged)?;
    Ok(stated.map_or_else(|| stored.clone(), |stated| stored.with_annotations(stated)))
}

/// Keeps the stored annotations if the document has none, and the stored URL if the document has another spelling of
/// it: the same page that comes by `http://` and by `m.` is no new revision each time.
fn with_stored<'a>(
    article: Cow<'a, CleanArticle>,
    stated: Option<&Annotations>,
    current: &Record,
) -> Result<Cow<'a, CleanArticle>, StoreError> {
    if current.content() == article.content() {
        return Ok(article);
    }
    let stored = current.decode().map_err(|_broken| StoreError::Damaged)?;
    let mut article = article;
    if stated.is_none() && article.article().annotations != stored.annotations {
        article = Cow::Owned(article.with_annotations(&stored.annotations));
    }
    if !article.article().url.is_empty() && article.respells(&stored.url) {
        article = Cow::Owned(article.with_url(&stored.url));
    }
    Ok(article)
}

fn plan_update<'a>(update: &'a Update, current: &Record) -> Result<Effect<'a>, WriteError> {
    require_live(current)?;
    require(&update.precondition, current)?;
    if current.content() == update.article.content() {
        return Ok(Effect::Nothing);
    }
    let times = Times { embargo: update.article.embargo_time(), expire: update.article.expire_time() };
    times.require_authority(update.authority, current, update.time)?;
    let mut revision = Revision::of_text(Cow::Borrowed(&update.article), &update.reason);
    if update.reprocessed.is_some() {
        revision.kind = ChangeKind::Reprocessed;
    }
    Ok(Effect::Revise(Box::new(revision)))
}

fn plan_transition<'a>(transition: &'a Transition, current: &Record) -> Result<Effect<'a>, WriteError> {
    use Lifecycle::{Deleted, Expected, Live, Purged, Withdrawn};
    // Before the precondition: there is nothing to delete, regardless of the revision that the caller has seen.
    if let (ChangeKind::Deleted, Deleted | Expected) = (transition.kind, current.lifecycle) {
        return Err(WriteError::NotFound(current.id.clone()));
    }
    // Before the precondition: a retry whose first response was lost finds the transition already applied.
    if matches!(
        (transition.kind, current.lifecycle),
        (ChangeKind::Withdrawn, Withdrawn)
            | (ChangeKind::Reinstated | ChangeKind::Undeleted, Live | Expected)
            | (ChangeKind::Purged, Purged)
    ) {
        return Ok(Effect::Nothing);
    }
    require(&transition.precondition, current)?;
    if transition.kind == ChangeKind::Purged && current.lifecycle != Purged {
        return Ok(Effect::Revise(Box::new(erasure(transition, current)?)));
    }
    let lifecycle = match (transition.kind, current.lifecycle) {
        (ChangeKind::Withdrawn, Live | Deleted | Expected) => Withdrawn,
        (ChangeKind::Reinstated, Withdrawn) if current.is_empty() => Expected,
        (ChangeKind::Reinstated, Withdrawn) | (ChangeKind::Undeleted, Deleted) => Live,
        // Not (Deleted, Withdrawn): undeleting it would restore a killed article.
        (ChangeKind::Deleted, Live) => Deleted,
        _ => return Err(wrong_lifecycle(current)),
    };
    Ok(Effect::Revise(Box::new(Revision {
        kind: transition.kind,
        lifecycle,
        article: None,
        reason: &transition.reason,
    })))
}

/// Returns the revision that purges an article.
fn erasure<'a>(transition: &'a Transition, current: &Record) -> Result<Revision<'a>, WriteError> {
    let source = current.decode().map_err(|_broken| StoreError::Damaged)?.source;
    // Readers must not learn from the purge that an embargoed article existed.
    let time = transition.time.max(current.update_time);
    let erased = CleanArticle::erased(&source, current.embargo_time.filter(|embargo| *embargo > time));
    Ok(Revision {
        kind: ChangeKind::Purged,
        lifecycle: Lifecycle::Purged,
        article: Some(Cow::Owned(erased)),
        reason: &transition.reason,
    })
}

/// Returns the keys by which exactly the texts with these digests are recognized, from the source of a purged article.
pub(super) fn text_keys(erased: &CleanArticle, digests: impl IntoIterator<Item = Digest>) -> Vec<ArticleKey> {
    let key = |digest| ArticleKey { key: Key::text(&erased.article().source, &digest), is_certain: true };
    digests.into_iter().filter(|digest| *digest != Digest::of("", "")).map(key).collect()
}

/// Returns the key by which the text of a document is recognized if an article with it was purged.
pub(super) fn text_key(write: &Write) -> Option<Key> {
    match write {
        Write::Ingest(ingest) if matches!(ingest.from, IngestSource::Publisher(_)) => {
            Some(Key::text(&ingest.article.article().source, &ingest.article.digest()))
        }
        _ => None,
    }
}

fn require_live(current: &Record) -> Result<(), WriteError> {
    match current.lifecycle {
        Lifecycle::Live => Ok(()),
        _ => Err(wrong_lifecycle(current)),
    }
}

/// Returns the error of a write that an article's state forbids.
pub(super) fn wrong_lifecycle(current: &Record) -> WriteError {
    let (id, lifecycle) = (current.id.clone(), current.lifecycle);
    match current.successor() {
        Some(successor) => WriteError::Merged { id, successor },
        None => WriteError::WrongLifecycle { id, lifecycle },
    }
}

/// Checks the precondition of a write.
pub(super) fn require(precondition: &Precondition, current: &Record) -> Result<(), WriteError> {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Etag(etag) => *etag == current.etag(),
        Precondition::Revision(revision) => *revision == current.revision,
    };
    if holds { Ok(()) } else { Err(WriteError::Conflict(current.id.clone())) }
}

/// Returns the first revision of an article.
pub(super) fn first(id: &ArticleId, new: &New<'_>, token: ChangeToken) -> RecordParts {
    let article = new.article;
    RecordParts {
        id: id.clone(),
        uid: Uuid::new_v4(),
        revision: 1,
        lifecycle: new.lifecycle,
        token,
        create_time: new.time,
        update_time: new.time,
        delete_time: None,
        publish_time: article.publish_time(),
        embargo_time: article.embargo_time(),
        expire_time: article.expire_time(),
        digest: new.digest,
    }
}

/// Returns true if readers see the first revision of an article in the feed: unless it is under embargo, expired or
/// held.
pub(super) fn is_announced(parts: &RecordParts) -> bool {
    match parts.lifecycle {
        Lifecycle::Live => parts.unreadable(parts.update_time).is_none(),
        // An article that is withdrawn before it arrives has no text.
        Lifecycle::Withdrawn => parts.digest == Digest::of("", ""),
        _ => !parts.was_embargoed(),
    }
}

/// Returns the outcome of a change of this kind. `is_copy` is true if another readable article has the same text. An
/// article that was withdrawn before it arrived is created by a revision.
pub(super) fn outcome_of(kind: ChangeKind, is_copy: bool) -> Outcome {
    match kind {
        ChangeKind::Created if is_copy => Outcome::Duplicate,
        ChangeKind::Created => Outcome::Created,
        _ => Outcome::Revised,
    }
}

/// Next revision of an article.
pub(super) struct Next {
    /// New state of the article.
    pub(super) parts: RecordParts,
    /// True if the change is visible to readers.
    pub(super) announced: bool,
}

/// Returns the revision after `before`. `due` is the stored time of the article's next timed transition.
pub(super) fn next(
    before: &Record,
    due: Option<i64>,
    revision: &Revision<'_>,
    token: ChangeToken,
    time: Timestamp,
) -> Next {
    // Clocks may step back; update times must not.
    let time = time.max(before.update_time);
    let mut parts = RecordParts {
        revision: before.revision + 1,
        lifecycle: revision.lifecycle,
        token,
        update_time: time,
        delete_time: (revision.lifecycle == Lifecycle::Deleted).then_some(time),
        ..RecordParts::clone(before)
    };
    if let Some(article) = &revision.article {
        parts.publish_time = article.publish_time();
        parts.embargo_time = article.embargo_time();
        parts.expire_time = article.expire_time();
        parts.digest = article.digest();
    }
    if revision.lifecycle == Lifecycle::Purged {
        // What was erased is still recognized.
        parts.digest = before.digest;
    }
    // A timed transition has become due that the feed has not announced; this change announces it.
    let overdue = due.is_some_and(|due| due <= time.as_microsecond());
    let announced = overdue || !parts.was_embargoed() || before.embargo_time.is_none_or(|embargo| time >= embargo);
    Next { parts, announced }
}

/// Returns the time of an article's first timed transition after `after`, in microseconds since 1970.
pub(super) fn due(parts: &RecordParts, after: Timestamp) -> Option<i64> {
    let next = |time: Option<Timestamp>| time.filter(|time| *time > after);
    match parts.lifecycle {
        Lifecycle::Live => micros(next(parts.embargo_time).or(next(parts.expire_time))),
        _ => None,
    }
}

/// Returns the time of a write.
pub(super) fn time_of(write: &Write) -> Timestamp {
    match write {
        Write::Ingest(write) => write.time,
        Write::Update(write) => write.time,
        Write::Transition(write) => write.time,
        Write::Merge(write) => write.time,
    }
}

/// Removes the feed position from the result of a dry run, which is not in the feed.
pub(super) fn without_position(written: Written) -> Written {
    let record = &written.record;
    // A merge does not change the article that stays.
    if !written.outcome.is_change() || !written.merged.is_empty() {
        return written;
    }
    let token = ChangeToken { position: Position::START, ..record.token };
    let parts = RecordParts { token, ..RecordParts::clone(record) };
    Written { record: Arc::new(Record::new(parts, &record.content())), ..written }
}
