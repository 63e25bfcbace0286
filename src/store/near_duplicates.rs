//! Search for copies of a new article by the sketches of bodies: the parts common to both engines.
//!
//! An engine stores the sketch of each article, and a row for each of its anchors. The articles that share most anchors
//! with a document are candidates, and their sketches are compared. The number of rows and of candidates is limited, so
//! that a common text costs no more than a rare one.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::{IngestSource, Visibility, Write};
use crate::article::{ArticleId, BodySketch, EditorFields, Lifecycle};

/// Maximum number of articles that are examined for an anchor: the newest.
pub(super) const MAX_PER_ANCHOR: usize = 64;
/// Maximum number of candidates whose sketches are compared: those that share most anchors, then the newest.
pub(super) const MAX_CANDIDATES: usize = 32;

/// State of the article that a new text is a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CopyOf {
    /// A readable article.
    Readable,
    /// An article that was withdrawn with its copies.
    Withdrawn(ArticleId),
    /// An article of the same source with exactly this text, which was withdrawn without its copies.
    SameText(ArticleId),
}

/// Returns true if the withdrawal of an article holds for its copies.
pub(super) fn withholds_copies(lifecycle: Lifecycle, editor_fields: EditorFields) -> bool {
    lifecycle == Lifecycle::Withdrawn && editor_fields.contains(EditorFields::COPIES)
}

impl CopyOf {
    /// Returns the state of an article; none if it is hidden, and was not withdrawn with its copies.
    pub(super) fn of(id: &ArticleId, visibility: &Visibility, now: Timestamp) -> Option<Self> {
        if withholds_copies(visibility.lifecycle, visibility.editor_fields) {
            return Some(Self::Withdrawn(id.clone()));
        }
        visibility.readable(now).then_some(Self::Readable)
    }

    /// Returns the one that decides: a withdrawal before all others.
    pub(super) fn decisive(found: impl Iterator<Item = Self>) -> Option<Self> {
        let mut decisive = None;
        for copy in found {
            match copy {
                Self::Withdrawn(_) | Self::SameText(_) => return Some(copy),
                Self::Readable => decisive = Some(copy),
            }
        }
        decisive
    }
}

/// Returns the sketch of a document of which copies are searched if it is a new article.
pub(super) fn sketch_of(write: &Write) -> Option<&Arc<BodySketch>> {
    match write {
        Write::Ingest(ingest) if matches!(ingest.from, IngestSource::Publisher(_)) => ingest.article.sketch(),
        _ => None,
    }
}

/// Returns an anchor as it is stored: databases have signed integers.
pub(super) fn stored_anchors(sketch: &BodySketch) -> impl Iterator<Item = i64> {
    sketch.anchors().iter().map(|anchor| anchor.cast_signed())
}

/// Index of sketches in memory, for a group of writes.
#[derive(Default)]
pub(super) struct SketchIndex {
    sketches: Vec<(ArticleId, Arc<BodySketch>)>,
    /// Numbers of the sketches with an anchor, ascending.
    by_anchor: HashMap<u64, Vec<usize>>,
}

impl SketchIndex {
    /// Adds the sketch of an article, which is newer than those before it.
    pub(super) fn add(&mut self, id: ArticleId, sketch: Arc<BodySketch>) {
        let number = self.sketches.len();
        sketch.anchors().iter().for_each(|anchor| self.by_anchor.entry(*anchor).or_default().push(number));
        self.sketches.push((id, sketch));
    }

    /// Returns the candidates for a sketch, with their sketches. An article that was added twice may be there twice.
    pub(super) fn candidates(&self, sketch: &BodySketch) -> impl Iterator<Item = (&ArticleId, &BodySketch)> {
        let mut shared: HashMap<usize, usize> = HashMap::new();
        for numbers in sketch.anchors().iter().filter_map(|anchor| self.by_anchor.get(anchor)) {
            numbers.iter().rev().take(MAX_PER_ANCHOR).for_each(|number| *shared.entry(*number).or_default() += 1);
        }
        let mut candidates: Vec<(usize, usize)> = shared.into_iter().map(|(number, count)| (count, number)).collect();
        candidates.sort_unstable_by(|one, other| other.cmp(one));
        candidates.truncate(MAX_CANDIDATES);
        let sketches = candidates.into_iter().filter_map(|(_, number)| self.sketches.get(number));
        sketches.map(|(id, sketch)| (id, &**sketch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sketch(words: std::ops::Range<usize>) -> Arc<BodySketch> {
        let text: Vec<String> = words.map(|word| format!("word{word}")).collect();
        Arc::new(BodySketch::of(&text.join(" ")).expect("long enough"))
    }

    #[test]
    fn candidates_share_most_anchors_and_are_limited() {
        let mut index = SketchIndex::default();
        let id = |number: usize| format!("a-{number}").parse::<ArticleId>().expect("valid");
        index.add(id(0), sketch(0..100));
        for number in 1..200 {
            index.add(id(number), sketch(1_000..1_100));
        }
        index.add(id(200), sketch(0..60));
        let found = |words| -> Vec<ArticleId> { index.candidates(&sketch(words)).map(|(id, _)| id.clone()).collect() };
        assert_eq!(found(0..100), [id(0), id(200)]);
        assert_eq!(found(1_000..1_100).len(), MAX_CANDIDATES);
        assert_eq!(found(1_000..1_100)[0], id(199), "the newest first");
        assert!(found(5_000..5_100).is_empty());
    }
}
