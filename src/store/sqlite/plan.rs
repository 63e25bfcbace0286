//! What a write does to an article, decided without touching anything.

use crate::article::{ChangeKind, CleanArticle, Digest, Lifecycle, Record};
use crate::store::{Ingest, Precondition, Transition, Update, Write, WriteError};

/// What a write does.
pub(super) enum Effect<'a> {
    /// Nothing: it is so already.
    Nothing,
    /// A new article.
    Create(&'a Ingest),
    /// A new revision.
    Revise(Revision<'a>),
}

/// A new revision of an article.
pub(super) struct Revision<'a> {
    pub(super) kind: ChangeKind,
    pub(super) lifecycle: Lifecycle,
    /// The new text, if it changes.
    pub(super) article: Option<&'a CleanArticle>,
    /// Whether that text came in as a document, and not from the desk.
    pub(super) ingested: bool,
    pub(super) reason: &'a str,
}

/// Decides. `ingested` is the fingerprint of what was ingested last.
pub(super) fn plan<'a>(
    write: &'a Write,
    current: Option<&Record>,
    ingested: Option<Digest>,
) -> Result<Effect<'a>, WriteError> {
    match (write, current) {
        (Write::Ingest(ingest), None) => Ok(Effect::Create(ingest)),
        (write, None) => Err(WriteError::NotFound(write.id().clone())),
        (Write::Ingest(ingest), Some(current)) => plan_ingest(ingest, current, ingested),
        (Write::Update(update), Some(current)) => plan_update(update, current),
        (Write::Transition(transition), Some(current)) => plan_transition(transition, current),
    }
}

fn plan_ingest<'a>(ingest: &'a Ingest, current: &Record, ingested: Option<Digest>) -> Result<Effect<'a>, WriteError> {
    require_live(current)?;
    // The same document as last time: it does not undo what the desk has corrected since.
    if ingested == Some(ingest.article.fingerprint()) || current.content() == ingest.article.content() {
        return Ok(Effect::Nothing);
    }
    Ok(Effect::Revise(Revision {
        kind: ChangeKind::Revised,
        lifecycle: Lifecycle::Live,
        article: Some(&ingest.article),
        ingested: true,
        reason: "",
    }))
}

fn plan_update<'a>(update: &'a Update, current: &Record) -> Result<Effect<'a>, WriteError> {
    require_live(current)?;
    require(&update.precondition, current)?;
    if current.content() == update.article.content() {
        return Ok(Effect::Nothing);
    }
    Ok(Effect::Revise(Revision {
        kind: ChangeKind::Revised,
        lifecycle: Lifecycle::Live,
        article: Some(&update.article),
        ingested: false,
        reason: &update.reason,
    }))
}

fn plan_transition<'a>(transition: &'a Transition, current: &Record) -> Result<Effect<'a>, WriteError> {
    use Lifecycle::{Deleted, Live, Withdrawn};
    // There is nothing to delete, whatever the caller has seen of it.
    if (transition.kind, current.lifecycle) == (ChangeKind::Deleted, Deleted) {
        return Err(WriteError::NotFound(current.id.clone()));
    }
    require(&transition.precondition, current)?;
    let lifecycle = match (transition.kind, current.lifecycle) {
        (ChangeKind::Withdrawn, Withdrawn) | (ChangeKind::Reinstated | ChangeKind::Undeleted, Live) => {
            return Ok(Effect::Nothing);
        }
        (ChangeKind::Withdrawn, Live | Deleted) => Withdrawn,
        (ChangeKind::Reinstated, Withdrawn) | (ChangeKind::Undeleted, Deleted) => Live,
        // Not (Deleted, Withdrawn): undeleting it would bring back what was killed.
        (ChangeKind::Deleted, Live) => Deleted,
        (_, lifecycle) => return Err(WriteError::State { id: current.id.clone(), lifecycle }),
    };
    Ok(Effect::Revise(Revision {
        kind: transition.kind,
        lifecycle,
        article: None,
        ingested: false,
        reason: &transition.reason,
    }))
}

fn require_live(current: &Record) -> Result<(), WriteError> {
    match current.lifecycle {
        Lifecycle::Live => Ok(()),
        lifecycle => Err(WriteError::State { id: current.id.clone(), lifecycle }),
    }
}

fn require(precondition: &Precondition, current: &Record) -> Result<(), WriteError> {
    let holds = match precondition {
        Precondition::None => true,
        Precondition::Etag(etag) => *etag == current.etag(),
        Precondition::Revision(revision) => *revision == current.revision,
    };
    if holds { Ok(()) } else { Err(WriteError::Conflict(current.id.clone())) }
}
