//! Sketches of the texts that a group of writes depends on, and of those that it writes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::sketch_table::Candidates;
use crate::article::{ArticleId, BodySketch};
use crate::store::Visibility;
use crate::store::near_duplicates::CopyOf;

/// Sketches of stored articles, and of the articles whose text the group has changed.
pub(super) struct GroupSketches {
    candidates: Candidates,
    changed: HashMap<ArticleId, Option<Arc<BodySketch>>>,
}

impl GroupSketches {
    pub(super) fn new(candidates: Candidates) -> Self {
        Self { candidates, changed: HashMap::new() }
    }

    /// Sets the sketch of an article's new text, which may have none.
    pub(super) fn set(&mut self, id: &ArticleId, sketch: Option<&Arc<BodySketch>>) {
        self.changed.insert(id.clone(), sketch.cloned());
        if let Some(sketch) = sketch {
            self.candidates.sketches.add(id.clone(), Arc::clone(sketch));
        }
    }

    /// Removes and returns the sketch of an article's new text. None if the group has not changed its text.
    pub(super) fn take(&mut self, id: &ArticleId) -> Option<Option<Arc<BodySketch>>> {
        self.changed.remove(id)
    }

    /// Returns the state of the article that a text is a copy of, if there is one other than `id`. `loaded` returns the
    /// current state of an article that the group has loaded or written.
    pub(super) fn copy_of(
        &self,
        sketch: &BodySketch,
        id: &ArticleId,
        now: Timestamp,
        loaded: impl Fn(&ArticleId) -> Option<Visibility>,
    ) -> Option<CopyOf> {
        let candidates = self.candidates.sketches.candidates(sketch).filter(|(other, _)| *other != id);
        CopyOf::decisive(candidates.filter_map(|(other, found)| {
            let visibility = loaded(other).or_else(|| self.candidates.visibility.get(other).copied())?;
            let found = match self.changed.get(other) {
                Some(changed) => changed.as_deref(),
                None => Some(found),
            };
            found.filter(|found| found.compare(sketch).is_copy()).and_then(|_| CopyOf::of(other, &visibility, now))
        }))
    }
}
