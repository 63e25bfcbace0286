//! What is known of how far a standby has come, and what it may therefore answer.
//!
//! A mark says: when it was asked for, the primary's feed had come so far, and the standby was a part of that feed. A standby
//! that has replayed a mark's change has all that was answered before the mark was asked for. So one mark within the
//! staleness bound is enough, and the oldest of them asks least of the standby.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::article::Position;
use crate::store::{Consistency, Place};

/// How many marks are kept of one bound, about.
const MARKS: u32 = 16;

/// How far the primary had come.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Before this was asked.
    asked: Instant,
    head: Place,
}

/// What an answer must show, by what stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// This very change is in its feed.
    pub(super) head: Place,
    /// Its feed has come as far.
    pub(super) position: Position,
    /// So has its search index.
    pub(super) indexed: Position,
}

/// Of one standby.
#[derive(Debug)]
pub(super) struct Freshness {
    bound: Duration,
    /// In order, both of when they were asked for and of how far they are.
    marks: VecDeque<Mark>,
    replayed: Position,
    indexed: Position,
    /// When the newest mark was asked for that it had replayed; at first, when it began to be followed.
    even: Instant,
}

impl Freshness {
    /// Nothing is known yet.
    pub(super) fn new(bound: Duration) -> Self {
        let (replayed, indexed) = (Position::START, Position::START);
        Self { bound, marks: VecDeque::new(), replayed, indexed, even: Instant::now() }
    }

    /// The standby has come as far as `replayed`, and was found to be a part of the feed whose head, asked for at `asked`, is
    /// `head`.
    pub(super) fn confirm(&mut self, asked: Instant, head: Place, replayed: Position, indexed: Position) {
        if self.marks.back().is_some_and(|last| head.position < last.head.position) {
            // The primary has lost its end: what it was is no measure any more.
            self.marks.clear();
        }
        (self.replayed, self.indexed) = (replayed, indexed);
        while self.marks.front().is_some_and(|first| asked.duration_since(first.asked) >= self.bound) {
            self.marks.pop_front();
        }
        if self.marks.back().is_none_or(|last| asked.duration_since(last.asked) >= self.bound / MARKS) {
            self.marks.push_back(Mark { asked, head });
        }
        if head.position <= replayed {
            self.even = asked;
        } else if let Some(mark) = self.marks.iter().rfind(|mark| mark.head.position <= replayed) {
            self.even = self.even.max(mark.asked);
        }
    }

    /// It is not what it was taken for: nothing is known until it is confirmed again.
    pub(super) fn doubt(&mut self) {
        self.marks.clear();
        (self.replayed, self.indexed) = (Position::START, Position::START);
    }

    /// What its answer to a read that begins `now` must show; none if it is not known to be fresh enough. With `searched`, what
    /// a text finds must be as fresh as was asked, too.
    pub(super) fn need(&self, consistency: Consistency, searched: bool, now: Instant) -> Option<Need> {
        let asked = match consistency {
            Consistency::Full => return None,
            Consistency::Bounded => Position::START,
            Consistency::AtLeast(position) => position,
        };
        let mark = self.marks.iter().find(|mark| now.saturating_duration_since(mark.asked) < self.bound)?;
        let position = mark.head.position.max(asked);
        let indexed = if searched { asked } else { Position::START };
        (self.replayed >= position && self.indexed >= indexed).then_some(Need { head: mark.head, position, indexed })
    }

    /// How far it has come.
    pub(super) fn replayed(&self) -> Position {
        self.replayed
    }

    /// How old what it has may be.
    pub(super) fn lag(&self) -> Duration {
        self.even.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(10);

    fn place(position: u64) -> Place {
        Position::of(position).into()
    }

    fn confirm(freshness: &mut Freshness, asked: Instant, head: u64, replayed: u64) {
        freshness.confirm(asked, place(head), Position::of(replayed), Position::START);
    }

    #[test]
    fn one_mark_within_the_bound_is_enough_and_none_is_too_little() {
        let (born, second) = (Instant::now(), Duration::from_secs(1));
        let mut freshness = Freshness::new(BOUND);
        let bounded = |freshness: &Freshness, now| {
            freshness.need(Consistency::Bounded, false, now).map(|need| need.position.sequence)
        };
        assert_eq!(bounded(&freshness, born), None);
        confirm(&mut freshness, born, 5, 4);
        assert_eq!(bounded(&freshness, born), None, "it has not replayed that");
        confirm(&mut freshness, born + second, 8, 7);
        assert_eq!(bounded(&freshness, born + 2 * second), Some(5), "the older mark will do");
        assert_eq!(bounded(&freshness, born + BOUND), None, "it is too old, and the newer not replayed");
        confirm(&mut freshness, born + BOUND, 9, 8);
        assert_eq!(bounded(&freshness, born + BOUND), Some(8));
        assert_eq!(bounded(&freshness, born + 3 * BOUND), None, "nobody has asked for so long");
    }

    #[test]
    fn a_token_and_what_a_text_finds_are_asked_for_besides() {
        let now = Instant::now();
        let mut freshness = Freshness::new(BOUND);
        freshness.confirm(now, place(5), Position::of(7), Position::of(6));
        let need = |position, searched| freshness.need(Consistency::AtLeast(Position::of(position)), searched, now);
        assert_eq!(need(7, false).map(|need| need.position), Some(Position::of(7)));
        assert_eq!(need(8, false), None);
        assert_eq!(need(6, true).map(|need| need.indexed), Some(Position::of(6)));
        assert_eq!(need(7, true), None);
        assert_eq!(freshness.need(Consistency::Full, false, now), None);
        freshness.doubt();
        assert_eq!(freshness.need(Consistency::Bounded, false, now), None);
    }

    #[test]
    fn a_primary_that_has_lost_its_end_is_measured_anew() {
        let now = Instant::now();
        let mut freshness = Freshness::new(BOUND);
        confirm(&mut freshness, now, 9, 9);
        confirm(&mut freshness, now, 6, 6);
        let need = freshness.need(Consistency::Bounded, false, now);
        assert_eq!(need.map(|need| need.head), Some(place(6)));
    }
}
