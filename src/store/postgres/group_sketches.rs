//! Sketches of the texts that a group of writes depends on, and of those that it writes.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::sketch_table::Candidates;
use crate::article::{ArticleId, BodySketch, Record};

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

    /// Returns true if a readable article other than `id` is a copy of a text. `loaded` returns the current record of
    /// an article that the group has loaded or written.
    pub(super) fn has_copy<'a>(
        &self,
        sketch: &BodySketch,
        id: &ArticleId,
        now: Timestamp,
        loaded: impl Fn(&ArticleId) -> Option<&'a Record>,
    ) -> bool {
        let mut candidates = self.candidates.sketches.candidates(sketch).filter(|(other, _)| *other != id);
        candidates.any(|(other, found)| {
            let is_readable = match loaded(other) {
                Some(record) => record.unreadable(now).is_none(),
                None => self.candidates.visibility.get(other).is_some_and(|visibility| visibility.readable(now)),
            };
            let found = match self.changed.get(other) {
                Some(changed) => changed.as_deref(),
                None => Some(found),
            };
            is_readable && found.is_some_and(|found| found.compare(sketch).is_copy())
        })
    }
}
