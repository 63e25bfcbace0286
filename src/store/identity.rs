//! The article that a document belongs to, decided by its keys. Shared by all engines, and without side effects.

use std::collections::HashMap;

use super::{Ingest, IngestSource, KeyNote, StoreError, Transition, Write, WriteError};
use crate::article::{ArticleId, ArticleKey, Key, Lifecycle, Record, Trust, are_versions};

/// Identity of a document.
#[derive(Debug)]
pub(super) struct Identity {
    /// ID of the article, which may not exist yet.
    pub(super) id: ArticleId,
    /// Keys that the article gets: new ones, and those that another article only claimed.
    pub(super) new_keys: Vec<ArticleKey>,
    /// Observations about the other keys.
    pub(super) notes: Vec<KeyNote>,
}

impl Identity {
    /// Returns the identity of an article that is known by its ID.
    pub(super) fn named(id: &ArticleId) -> Self {
        Self { id: id.clone(), new_keys: Vec::new(), notes: Vec::new() }
    }
}

/// Article that has a key.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    /// Article.
    pub(super) record: &'a Record,
    /// True if it does not merely claim the key.
    pub(super) is_certain: bool,
}

/// Returns the keys by which a write names its article, or adds to it.
pub(super) fn keys_of_write(write: &Write) -> Vec<Key> {
    match write {
        Write::Ingest(ingest) => ingest.keys.iter().map(|stated| stated.key).collect(),
        Write::Update(_) | Write::Merge(_) => Vec::new(),
        Write::Transition(transition) => {
            let missing = transition.missing.iter().flat_map(|missing| &missing.keys).map(|key| key.key);
            transition.key.into_iter().chain(missing).collect()
        }
    }
}

/// Returns the ID that a new article of a write gets if another article has the ID of its first key, and not the key.
pub(super) fn other_id(write: &Write) -> Option<ArticleId> {
    match write {
        Write::Ingest(ingest) => shared_id(ingest),
        Write::Update(_) | Write::Merge(_) => None,
        Write::Transition(Transition { key, missing, .. }) => {
            key.zip(missing.as_ref()).map(|(key, missing)| ArticleId::of_shared_key(&key, &missing.article.digest()))
        }
    }
}

fn shared_id(ingest: &Ingest) -> Option<ArticleId> {
    let first = ingest.keys.first().filter(|_| !ingest.is_named)?;
    Some(ArticleId::of_shared_key(&first.key, &ingest.article.digest()))
}

/// Returns the keys of an article whose document is not known: those that its fields state.
pub(super) fn keys_of(url: &str, source: &str, external_id: &str) -> Vec<ArticleKey> {
    let external = (!external_id.is_empty()).then(|| Key::external(source, external_id));
    let keys = Key::address(url).ok().into_iter().chain(external);
    keys.map(|key| ArticleKey { key, is_certain: true }).collect()
}

/// Decides which article a document belongs to.
///
/// `holder` returns the article that has a key, and `exists` whether an article with a text has an ID: one that was
/// withdrawn by this name before it arrived is the document's.
///
/// # Errors
/// [`WriteError::WrongLifecycle`] if one of the keys belongs to a withdrawn or purged article, unless the document
/// merely claims the key.
pub(super) fn identify<'a>(
    ingest: &Ingest,
    holder: impl Fn(&Key) -> Option<Holder<'a>>,
    exists: impl Fn(&ArticleId) -> bool,
) -> Result<Identity, WriteError> {
    let mut identity = Identity::named(&ingest.id);
    let mut evidence = Evidence::default();
    let (mut own, mut foreign) = (Vec::new(), Vec::new());
    for stated in &ingest.keys {
        let Some(found) = holder(&stated.key) else {
            identity.new_keys.push(stated.of_article());
            continue;
        };
        if matches!(ingest.from, IngestSource::Copy(..)) {
            continue;
        }
        if evidence.suffices(ingest, stated.trust, found)? || is_killed(stated.trust, found) {
            if stated.of_article().is_certain && !found.is_certain {
                identity.new_keys.push(stated.of_article());
            }
            own.push(found.record);
        } else if stated.trust == Trust::Certain {
            // Another article claimed this address. Now a document comes from there, and is no version of that one.
            identity.new_keys.push(stated.of_article());
        } else {
            foreign.push(found.record);
        }
    }
    if let Some(withdrawn) = own.iter().find(|record| is_refused(record)) {
        return Err(WriteError::WrongLifecycle { id: withdrawn.id.clone(), lifecycle: withdrawn.lifecycle });
    }
    let is_fixed = ingest.is_named || matches!(ingest.from, IngestSource::Copy(..));
    match own.first() {
        _ if is_fixed => {}
        Some(record) => identity.id = record.id.clone(),
        // Its article has lost the key, or is another text with the same key.
        None if exists(&ingest.id) => identity.id = shared_id(ingest).unwrap_or_else(|| ingest.id.clone()),
        None => {}
    }
    let other = |record: &&&Record| record.id != identity.id && record.unreadable(ingest.time).is_none();
    let conflicts = own.iter().filter(other).map(|record| KeyNote::Conflict(record.id.clone()));
    let shared = foreign.iter().filter(other).map(|record| KeyNote::Shared(record.id.clone()));
    for note in conflicts.chain(shared).collect::<Vec<_>>() {
        if !identity.notes.contains(&note) {
            identity.notes.push(note);
        }
    }
    Ok(identity)
}

fn is_refused(record: &Record) -> bool {
    matches!(record.lifecycle, Lifecycle::Withdrawn | Lifecycle::Purged)
}

/// Returns true if a document is from an address of a withdrawn or purged article, or has its ID: neither another text
/// nor another identifier brings the article back. A claimed address is not enough, since templates claim wrong ones.
fn is_killed(trust: Trust, found: Holder<'_>) -> bool {
    trust != Trust::IfSimilar && is_refused(found.record)
}

/// Decides which article a transition is of.
pub(super) fn identify_transition<'a>(
    transition: &Transition,
    holder: impl Fn(&Key) -> Option<Holder<'a>>,
    exists: impl Fn(&ArticleId) -> bool,
) -> Identity {
    let held = transition.key.as_ref().and_then(holder);
    let mut identity = Identity::named(held.map_or(&transition.id, |found| &found.record.id));
    if held.is_none()
        && let Some(missing) = &transition.missing
    {
        identity.new_keys.clone_from(&missing.keys);
        if let Some(key) = transition.key.filter(|_| exists(&transition.id)) {
            // The article with this ID has lost the key.
            identity.id = ArticleId::of_shared_key(&key, &missing.article.digest());
        }
    }
    identity
}

/// Evidence that a document is a version of articles, collected as it is needed: comparing texts is not free.
#[derive(Default)]
struct Evidence<'a>(HashMap<&'a ArticleId, Comparison>);

/// Comparison of a document with an article.
struct Comparison {
    are_versions: bool,
    has_other_id: bool,
}

impl<'a> Evidence<'a> {
    /// Returns true if a document that states a key is a version of the article that has it.
    fn suffices(&mut self, ingest: &Ingest, trust: Trust, found: Holder<'a>) -> Result<bool, StoreError> {
        if trust == Trust::Certain && found.is_certain {
            return Ok(true);
        }
        let comparison = match self.0.entry(&found.record.id) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(Comparison::new(ingest, found.record)?),
        };
        let may_have_other_text = trust != Trust::IfSimilar && found.is_certain;
        Ok(comparison.are_versions || (may_have_other_text && !comparison.has_other_id))
    }
}

impl Comparison {
    fn new(ingest: &Ingest, record: &Record) -> Result<Self, StoreError> {
        let document = ingest.article.article();
        let article = record.decode().map_err(|_broken| StoreError::Damaged)?;
        // Withdrawn before it arrived, or purged: there is no text to compare.
        let is_empty = article.headline.is_empty() && article.body.is_empty();
        let has_other_id = !article.external_id.is_empty()
            && !document.external_id.is_empty()
            && (article.external_id != document.external_id || article.source != document.source);
        let same_text = record.digest == ingest.article.digest();
        Ok(Self { are_versions: is_empty || same_text || are_versions(document, &article), has_other_id })
    }
}
