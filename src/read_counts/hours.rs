//! Stored counts of the last hours, in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::article::ArticleId;

/// Articles with their reads in an hour.
pub(super) type Hour = Arc<Vec<(ArticleId, u64)>>;

/// The hours, counted from 1970, that have been read.
#[derive(Default)]
pub(super) struct Hours(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    hours: BTreeMap<i64, Hour>,
    /// IDs of all articles, each in memory once.
    ids: HashSet<ArticleId>,
    /// Hour that was read in turn last.
    turn: i64,
}

impl Hours {
    /// Returns the hours to be read, newest first: the last two, which change, those that have not been read yet, and
    /// one of the others in turn, of which reads may have been reported late.
    pub(super) fn due(&self, newest: i64, oldest: i64) -> Vec<i64> {
        let mut inner = self.lock();
        let mut due: Vec<i64> =
            (oldest..=newest).rev().filter(|hour| *hour >= newest - 1 || !inner.hours.contains_key(hour)).collect();
        let is_valid = (oldest + 1..newest - 1).contains(&inner.turn);
        inner.turn = if is_valid { inner.turn - 1 } else { newest - 2 };
        if !due.contains(&inner.turn) {
            due.push(inner.turn);
        }
        due
    }

    /// Stores the counts of an hour.
    pub(super) fn set(&self, hour: i64, mut reads: Vec<(ArticleId, u64)>) {
        let mut inner = self.lock();
        for (id, _) in &mut reads {
            match inner.ids.get(id) {
                Some(known) => *id = known.clone(),
                None => drop(inner.ids.insert(id.clone())),
            }
        }
        inner.hours.insert(hour, Arc::new(reads));
    }

    /// Removes the hours before one.
    pub(super) fn remove_before(&self, hour: i64) {
        let mut inner = self.lock();
        let kept = inner.hours.split_off(&hour);
        let removed = std::mem::replace(&mut inner.hours, kept);
        if !removed.is_empty() {
            let ids = inner.hours.values().flat_map(|reads| reads.iter().map(|(id, _)| id.clone()));
            inner.ids = ids.collect();
        }
    }

    /// Returns an hour and those after it.
    pub(super) fn since(&self, hour: i64) -> Vec<(i64, Hour)> {
        self.lock().hours.range(hour..).map(|(hour, reads)| (*hour, Arc::clone(reads))).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns at most `limit` articles with the sums of their reads, most read first; equally read ones by their IDs.
pub(super) fn ranked(hours: &[(i64, Hour)], limit: usize) -> Vec<(ArticleId, u64)> {
    let mut sums: HashMap<&ArticleId, u64> = HashMap::new();
    for (id, count) in hours.iter().flat_map(|(_, reads)| reads.iter()) {
        let sum = sums.entry(id).or_default();
        *sum = sum.saturating_add(*count);
    }
    let mut ranked: Vec<(&ArticleId, u64)> = sums.into_iter().collect();
    ranked.sort_unstable_by_key(|(id, count)| (Reverse(*count), *id));
    ranked.truncate(limit);
    ranked.into_iter().map(|(id, count)| (id.clone(), count)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(of: &[(&str, u64)]) -> Vec<(ArticleId, u64)> {
        of.iter().map(|(id, count)| (id.parse().unwrap(), *count)).collect()
    }

    #[test]
    fn every_hour_is_read_at_first_and_again_in_turn() {
        let hours = Hours::default();
        let first = hours.due(100, 96);
        assert_eq!(first, [100, 99, 98, 97, 96]);
        first.iter().for_each(|hour| hours.set(*hour, Vec::new()));
        let turns: Vec<Vec<i64>> = (0..4).map(|_| hours.due(100, 96)).collect();
        assert_eq!(turns, [[100, 99, 97], [100, 99, 96], [100, 99, 98], [100, 99, 97]]);
        assert_eq!(hours.due(102, 98), [102, 101, 100]);
    }

    #[test]
    fn hours_are_summed_from_a_start_on() {
        let hours = Hours::default();
        hours.set(1, reads(&[("a", 100)]));
        hours.set(2, reads(&[("b", 7), ("c", 5)]));
        hours.set(3, reads(&[("c", 2), ("a", 3)]));
        assert_eq!(ranked(&hours.since(2), 10), reads(&[("b", 7), ("c", 7), ("a", 3)]));
        assert_eq!(ranked(&hours.since(1), 1), reads(&[("a", 103)]));
        hours.remove_before(3);
        assert_eq!(ranked(&hours.since(0), 10), reads(&[("a", 3), ("c", 2)]));
        assert_eq!(hours.lock().ids.len(), 2);
    }
}
