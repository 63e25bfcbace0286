//! Numeric codes of stored enums. Codes are permanent: only append to the lists.

use jiff::Timestamp;

use super::Outcome;
use crate::article::{ChangeKind, Digest, FacetKind, Lifecycle, Position};
use crate::proto::ArticleState;

const LIFECYCLES: [Lifecycle; 6] = [
    Lifecycle::Live,
    Lifecycle::Withdrawn,
    Lifecycle::Deleted,
    Lifecycle::Expected,
    Lifecycle::Merged,
    Lifecycle::Purged,
];
const KINDS: [ChangeKind; 11] = [
    ChangeKind::Created,
    ChangeKind::Revised,
    ChangeKind::Withdrawn,
    ChangeKind::Reinstated,
    ChangeKind::Deleted,
    ChangeKind::Undeleted,
    ChangeKind::Opened,
    ChangeKind::Expired,
    ChangeKind::Merged,
    ChangeKind::Purged,
    ChangeKind::Reprocessed,
];
const OUTCOMES: [Outcome; 6] =
    [Outcome::Created, Outcome::Revised, Outcome::Unchanged, Outcome::Duplicate, Outcome::Stale, Outcome::Held];

fn at<T: Copy>(list: &[T], number: i64) -> Option<T> {
    usize::try_from(number).ok().and_then(|at| list.get(at)).copied()
}

/// Returns the lifecycle of a code. An unknown code was written by a newer version; the safe default hides the article.
pub(super) fn lifecycle(number: i64) -> Lifecycle {
    at(&LIFECYCLES, number).unwrap_or(Lifecycle::Deleted)
}

pub(super) fn lifecycle_number(lifecycle: Lifecycle) -> i64 {
    match lifecycle {
        Lifecycle::Live => 0,
        Lifecycle::Withdrawn => 1,
        Lifecycle::Deleted => 2,
        Lifecycle::Expected => 3,
        Lifecycle::Merged => 4,
        Lifecycle::Purged => 5,
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

/// Returns the code of a facet kind.
pub(super) fn facet_number(kind: FacetKind) -> u8 {
    match kind {
        FacetKind::Source => 1,
        FacetKind::Language => 2,
        FacetKind::Section => 3,
        FacetKind::Tag => 4,
        FacetKind::Author => 5,
        FacetKind::Agency => 6,
        FacetKind::Host => 7,
        FacetKind::Media => 8,
        FacetKind::Annotation => 9,
    }
}

/// SQL condition on `articles a`, for both engines, that an article has one of these states at the time in parameter
/// `now`; that it is readable, if there are none.
pub(super) fn in_states(states: &[ArticleState], now: &str) -> String {
    let opened = format!("a.lifecycle = 0 AND (a.embargo IS NULL OR a.embargo <= {now})");
    let stored = |lifecycle| format!("a.lifecycle = {}", lifecycle_number(lifecycle));
    let readable = || format!("{opened} AND (a.expire IS NULL OR a.expire > {now})");
    let condition = |state: &ArticleState| match state {
        ArticleState::Unspecified | ArticleState::Active => readable(),
        ArticleState::Embargoed => format!("a.lifecycle = 0 AND a.embargo > {now}"),
        ArticleState::Expired => format!("{opened} AND a.expire <= {now}"),
        ArticleState::Withdrawn => stored(Lifecycle::Withdrawn),
        ArticleState::Deleted => stored(Lifecycle::Deleted),
        ArticleState::Expected => stored(Lifecycle::Expected),
        ArticleState::Merged => stored(Lifecycle::Merged),
        ArticleState::Purged => stored(Lifecycle::Purged),
    };
    match states {
        [] => readable(),
        states => format!("({})", states.iter().map(condition).collect::<Vec<_>>().join(" OR ")),
    }
}

/// Returns the position of a sequence number in commit order.
pub(super) fn position(sequence: i64) -> Position {
    Position::of(sequence.unsigned_abs())
}

/// Returns the sequence number of a position. A position of another kind sorts after every change.
pub(super) fn sequence(position: Position) -> i64 {
    if position.transaction == 0 { i64::try_from(position.sequence).unwrap_or(i64::MAX) } else { i64::MAX }
}

/// Converts microseconds since 1970. Stored times were validated before they were stored.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

/// Converts a time to microseconds since 1970.
pub(super) fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

/// Returns the first 8 bytes of a digest, for a narrow index. Matches are compared in full.
pub(super) fn head(digest: &Digest) -> i64 {
    i64::from_be_bytes(std::array::from_fn(|at| digest.0[at]))
}
