//! The numbers by which engines store what has a name here. What is stored keeps its meaning: lists are only appended to.

use jiff::Timestamp;

use super::Outcome;
use crate::article::{ChangeKind, Digest, FacetKind, Lifecycle, Position};

const LIFECYCLES: [Lifecycle; 3] = [Lifecycle::Live, Lifecycle::Withdrawn, Lifecycle::Deleted];
const KINDS: [ChangeKind; 8] = [
    ChangeKind::Created,
    ChangeKind::Revised,
    ChangeKind::Withdrawn,
    ChangeKind::Reinstated,
    ChangeKind::Deleted,
    ChangeKind::Undeleted,
    ChangeKind::Opened,
    ChangeKind::Expired,
];
const OUTCOMES: [Outcome; 4] = [Outcome::Created, Outcome::Revised, Outcome::Unchanged, Outcome::Duplicate];

fn at<T: Copy>(list: &[T], number: i64) -> Option<T> {
    usize::try_from(number).ok().and_then(|at| list.get(at)).copied()
}

/// A number that is unknown was written by something newer: the safe reading is that nobody may have the article.
pub(super) fn lifecycle(number: i64) -> Lifecycle {
    at(&LIFECYCLES, number).unwrap_or(Lifecycle::Deleted)
}

pub(super) fn lifecycle_number(lifecycle: Lifecycle) -> i64 {
    match lifecycle {
        Lifecycle::Live => 0,
        Lifecycle::Withdrawn => 1,
        Lifecycle::Deleted => 2,
    }
}

pub(super) fn kind(number: i64) -> ChangeKind {
    at(&KINDS, number).unwrap_or(ChangeKind::Revised)
}

pub(super) fn kind_number(kind: ChangeKind) -> i64 {
    KINDS.iter().position(|known| *known == kind).map_or(1, |at| at as i64)
}

pub(super) fn outcome(number: i64) -> Outcome {
    at(&OUTCOMES, number).unwrap_or(Outcome::Unchanged)
}

pub(super) fn outcome_number(outcome: Outcome) -> i64 {
    OUTCOMES.iter().position(|known| *known == outcome).map_or(2, |at| at as i64)
}

/// The kind of a property that articles are listed by.
pub(super) fn facet_number(kind: FacetKind) -> u8 {
    match kind {
        FacetKind::Source => 1,
        FacetKind::Language => 2,
        FacetKind::Section => 3,
        FacetKind::Tag => 4,
        FacetKind::Author => 5,
        FacetKind::Agency => 6,
    }
}

/// Condition of both engines, on `articles a`, under which the search index has an article: the feed has told that it
/// can be read, and not yet that it cannot. `due` is the next change of the clock that the feed has not told, so an
/// embargo that is due has not ended as far as readers know, and an expiry that is not due any more is over. Scores are
/// computed from what the index has, so what nobody may read must not be in it; and the condition asks no clock, so
/// every replica comes to the same index.
pub(super) const INDEXED: &str = "a.lifecycle = 0 AND (a.embargo IS NULL OR a.due IS NULL OR a.due <> a.embargo) \
     AND (a.expire IS NULL OR a.due = a.expire)";

/// The position that a whole number in the order of commits is.
pub(super) fn position(sequence: i64) -> Position {
    Position::of(sequence.unsigned_abs())
}

/// The number of a position; one of another kind is after every change.
pub(super) fn sequence(position: Position) -> i64 {
    if position.transaction == 0 { i64::try_from(position.sequence).unwrap_or(i64::MAX) } else { i64::MAX }
}

/// From microseconds since 1970. Stored times were checked before they were stored.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// In microseconds since 1970.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

/// The first 8 bytes of a digest, for a narrow index; what it finds is compared in full.
pub(super) fn head(digest: &Digest) -> i64 {
    i64::from_be_bytes(std::array::from_fn(|at| digest.0[at]))
}
