//! Merges of articles: their effect, and the article that a merged one leads to. Shared by all engines.

use std::borrow::Cow;
use std::sync::Arc;

use super::plan::{Revision, wrong_lifecycle};
use super::{Consistency, Merge, Store, StoreError, WriteError};
use crate::article::{ArticleId, ChangeKind, CleanArticle, Lifecycle, Record};

/// Maximum number of merges that are followed from one article to its last successor.
const MAX_MERGES: usize = 1_000;

/// Returns the article that stays, if articles can be merged into it.
pub(super) fn check_target(merge: &Merge, target: Option<Arc<Record>>) -> Result<Arc<Record>, WriteError> {
    let target = target.ok_or_else(|| WriteError::NotFound(merge.id.clone()))?;
    check_state(merge, &target)?;
    Ok(target)
}

/// Returns the revision that merges an article. None if it has been merged into the same article already.
pub(super) fn plan_source<'a>(
    merge: &'a Merge,
    id: &ArticleId,
    source: Option<&Record>,
) -> Result<Option<Revision<'a>>, WriteError> {
    let source = source.ok_or_else(|| WriteError::NotFound(id.clone()))?;
    if source.successor().as_ref() == Some(&merge.id) {
        return Ok(None);
    }
    if source.id == merge.id {
        // Callers reject it.
        return Err(StoreError::Internal.into());
    }
    check_state(merge, source)?;
    if source.lifecycle == Lifecycle::Purged {
        // Also if another store has merged it before it was purged here.
        return Err(wrong_lifecycle(source));
    }
    let article = CleanArticle::stored(&source.content()).map_err(|_broken| StoreError::Damaged)?;
    Ok(Some(Revision {
        kind: ChangeKind::Merged,
        lifecycle: Lifecycle::Merged,
        article: Some(Cow::Owned(article.merged_into(&merge.id))),
        reason: &merge.reason,
    }))
}

/// Only live articles can be merged. The keys of a withdrawn one would lose its kill, and a merge cannot be followed by
/// another one of the same article, so there are no cycles.
fn check_state(merge: &Merge, record: &Record) -> Result<(), WriteError> {
    if merge.is_copy || record.lifecycle == Lifecycle::Live { Ok(()) } else { Err(wrong_lifecycle(record)) }
}

/// Returns the article that a merged one leads to at last, if it is known.
///
/// # Errors
/// If the store does not answer.
pub async fn last_successor(
    store: &dyn Store,
    merged: &Record,
    consistency: Consistency,
) -> Result<Option<Arc<Record>>, StoreError> {
    let Some(mut id) = merged.successor() else { return Ok(None) };
    for _ in 0..MAX_MERGES {
        let found = store.get(std::slice::from_ref(&id), consistency).await?.pop();
        let Some(record) = found.and_then(|fetched| fetched.record) else { return Ok(None) };
        match record.successor() {
            Some(next) => id = next,
            None => return Ok(Some(record)),
        }
    }
    Ok(None)
}
