//! Freshness of a standby: its known position, and the reads that it may answer.
//!
//! A mark records the primary's feed position at the time of a query, for a standby with the same history. A standby
//! that has replayed up to a mark has all changes visible before that query. So one mark within the staleness bound is
//! enough, and the oldest of them requires least of the standby.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::article::Position;
use crate::store::{Consistency, FeedCursor};

/// Approximate number of marks kept per staleness bound.
const MARKS: u32 = 16;

/// Position of the primary at a point in time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Time before the query.
    queried: Instant,
    head: FeedCursor,
}

/// Position that must be proven alongside an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequiredPosition {
    /// Change that its feed must contain.
    pub(super) head: FeedCursor,
    /// Minimum position of its feed.
    pub(super) position: Position,
}

/// Freshness of one standby.
#[derive(Debug)]
pub(super) struct Freshness {
    bound: Duration,
    /// Ordered by time and position.
    marks: VecDeque<Mark>,
    replayed: Position,
    /// Time of the newest mark that it has replayed; initially, the time at which following began.
    caught_up: Instant,
}

impl Freshness {
    /// Creates the state of a standby with unknown position.
    pub(super) fn new(bound: Duration) -> Self {
        Self { bound, marks: VecDeque::new(), replayed: Position::START, caught_up: Instant::now() }
    }

    /// Records that the standby has replayed up to `replayed`, and shares the history of the feed whose head was `head`
    /// at `queried`.
    pub(super) fn confirm(&mut self, queried: Instant, head: FeedCursor, replayed: Position) {
        if self.marks.back().is_some_and(|last| head.position < last.head.position) {
            // The primary has lost its latest changes: earlier marks are invalid.
            self.marks.clear();
        }
        self.replayed = replayed;
        while self.marks.front().is_some_and(|first| queried.duration_since(first.queried) >= self.bound) {
            self.marks.pop_front();
        }
        if self.marks.back().is_none_or(|last| queried.duration_since(last.queried) >= self.bound / MARKS) {
            self.marks.push_back(Mark { queried, head });
        }
        if head.position <= replayed {
            self.caught_up = queried;
        } else if let Some(mark) = self.marks.iter().rfind(|mark| mark.head.position <= replayed) {
            self.caught_up = self.caught_up.max(mark.queried);
        }
    }

    /// Discards the known position until the standby is confirmed again.
    pub(super) fn invalidate(&mut self) {
        self.marks.clear();
        self.replayed = Position::START;
    }

    /// Returns the proof required of a read that begins `now`; none if the standby is not known to be fresh enough.
    pub(super) fn required(&self, consistency: Consistency, now: Instant) -> Option<RequiredPosition> {
        let requested = match consistency {
            Consistency::Full => return None,
            Consistency::Bounded => Position::START,
            Consistency::AtLeast(position) => position,
        };
        let mark = self.marks.iter().find(|mark| now.saturating_duration_since(mark.queried) < self.bound)?;
        let position = mark.head.position.max(requested);
        (self.replayed >= position).then_some(RequiredPosition { head: mark.head, position })
    }

    /// Returns the position that it has replayed.
    pub(super) fn replayed(&self) -> Position {
        self.replayed
    }

    /// Returns its replication lag.
    pub(super) fn lag(&self) -> Duration {
        self.caught_up.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn cursor(position: u64) -> FeedCursor {
        Position::of(position).into()
    }

    fn confirm(freshness: &mut Freshness, queried: Instant, head: u64, replayed: u64) {
        freshness.confirm(queried, cursor(head), Position::of(replayed));
    }

    #[test]
    fn one_mark_within_the_bound_is_enough_and_none_is_too_little() {
        let (born, second) = (Instant::now(), Duration::from_secs(1));
        let mut freshness = Freshness::new(BOUND);
        let bounded = |freshness: &Freshness, now| {
            freshness.required(Consistency::Bounded, now).map(|required| required.position.sequence)
        };
        assert_eq!(bounded(&freshness, born), None);
        confirm(&mut freshness, born, 5, 4);
        assert_eq!(bounded(&freshness, born), None, "the mark is not replayed");
        confirm(&mut freshness, born + second, 8, 7);
        assert_eq!(bounded(&freshness, born + 2 * second), Some(5), "the older mark suffices");
        assert_eq!(bounded(&freshness, born + BOUND), None, "the older mark is too old, the newer not replayed");
        confirm(&mut freshness, born + BOUND, 9, 8);
        assert_eq!(bounded(&freshness, born + BOUND), Some(8));
        assert_eq!(bounded(&freshness, born + 3 * BOUND), None, "all marks are too old");
    }

    #[test]
    fn a_token_is_asked_for_besides() {
        let now = Instant::now();
        let mut freshness = Freshness::new(BOUND);
        confirm(&mut freshness, now, 5, 7);
        let required = |position| freshness.required(Consistency::AtLeast(Position::of(position)), now);
        assert_eq!(required(7).map(|required| required.position), Some(Position::of(7)));
        assert_eq!(required(8), None);
        assert_eq!(freshness.required(Consistency::Full, now), None);
        freshness.invalidate();
        assert_eq!(freshness.required(Consistency::Bounded, now), None);
    }

    #[test]
    fn a_primary_that_has_lost_its_end_is_measured_anew() {
        let now = Instant::now();
        let mut freshness = Freshness::new(BOUND);
        confirm(&mut freshness, now, 9, 9);
        confirm(&mut freshness, now, 6, 6);
        let required = freshness.required(Consistency::Bounded, now);
        assert_eq!(required.map(|required| required.head), Some(cursor(6)));
    }
}
