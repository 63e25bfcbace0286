//! Average linkage: grouping of a few reports by the mean similarity of all pairs.
//!
//! Groups are merged as long as the mean similarity between them is high enough for many pairs. A group with few pairs
//! needs more than that: if it has too little, it is divided as it was merged. So three reports that are a little
//! similar to each other are a story, and two are not. Copies of one text count once, or else a text with many copies
//! would take in every report that resembles it a little.

use super::similarity::{ONE, Profile, similarity};

const DAY: u64 = 86_400;
/// Maximum time between a report and the nearest report of its story, in seconds.
pub const MAX_GAP: u64 = 4 * DAY;
/// Maximum time between the first and the last report of a story, in seconds.
pub const MAX_SPAN: u64 = 14 * DAY;
/// Minimum linkage of two groups with many pairs of reports by which they are one story.
const MIN_LINKAGE: u64 = 850;
/// Similarity that a single pair of reports needs in addition; several pairs need the corresponding part. The mean of a
/// few pairs is high by chance more often.
const EXTRA_FOR_PAIR: u64 = 2_200;
/// Similarity from which reports count as one text. Another report that resembles one of them resembles all.
const ALIKE: u32 = 4_000;
/// Time between two groups from which their similarity counts less, in seconds.
const SOON: u64 = DAY;
/// Loss of similarity of two groups at the maximum gap, in percent.
const LATE: u64 = 70;

/// Reports that belong together, by their places in a list of profiles.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub members: Vec<usize>,
    times: (i64, i64),
}

impl Group {
    /// Returns a group of some of the profiles.
    pub fn of(members: Vec<usize>, profiles: &[Profile]) -> Self {
        let times = || members.iter().map(|member| profiles[*member].time);
        let times = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        Self { members, times }
    }

    fn sum(&self, other: &Self, profiles: &[Profile]) -> u64 {
        let pairs = self.members.iter().flat_map(|one| other.members.iter().map(move |other| (one, other)));
        pairs.map(|(one, other)| u64::from(similarity(&profiles[*one], &profiles[*other]))).sum()
    }

    fn pairs(&self, other: &Self) -> u64 {
        (self.members.len() * other.members.len()) as u64
    }

    /// Returns the linkage with a group, from 0 to 10,000, given the sum of the similarities of all pairs.
    fn linkage(&self, other: &Self, sum: u64) -> u32 {
        (sum * nearness(self.times, other.times) / self.pairs(other).max(1) / 100).min(u64::from(ONE)) as u32
    }

    fn absorb(&mut self, other: &Self) {
        self.members.extend(&other.members);
        self.times = (self.times.0.min(other.times.0), self.times.1.max(other.times.1));
    }
}

/// Returns the factor for the time between two spans in percent; 0 if one story cannot have both.
pub(super) fn nearness(one: (i64, i64), other: (i64, i64)) -> u64 {
    let span = one.1.max(other.1).abs_diff(one.0.min(other.0));
    let gap = one.0.saturating_sub(other.1).max(other.0.saturating_sub(one.1)).max(0).unsigned_abs();
    if gap > MAX_GAP || span > MAX_SPAN {
        return 0;
    }
    100 - gap.saturating_sub(SOON) * LATE / (MAX_GAP - SOON)
}

/// Returns the linkage of two groups: the mean similarity of all pairs, less for the time between them.
pub(super) fn linkage(one: &Group, other: &Group, profiles: &[Profile]) -> u32 {
    one.linkage(other, one.sum(other, profiles))
}

/// Returns true if a linkage of groups with a number of pairs makes them one story.
pub(super) fn is_enough(linkage: u32, pairs: u64) -> bool {
    u64::from(linkage) >= MIN_LINKAGE + EXTRA_FOR_PAIR / pairs.max(1)
}

/// Group with the groups that it was merged from.
struct Tree {
    group: Group,
    /// Number of texts: reports that are alike count as one.
    texts: u64,
    /// Sum of the similarities of all pairs of texts; between merged groups less for the time between them.
    sum: u64,
    parts: Option<Box<(Tree, Tree)>>,
}

impl Tree {
    /// Returns a group that is not divided.
    fn leaf(group: Group, profiles: &[Profile]) -> Self {
        let mut texts: Vec<usize> = Vec::new();
        let mut sum = 0;
        for member in &group.members {
            let similarities = texts.iter().map(|text| similarity(&profiles[*text], &profiles[*member]));
            let similarities: Vec<u32> = similarities.collect();
            if similarities.iter().all(|similarity| *similarity < ALIKE) {
                sum += similarities.into_iter().map(u64::from).sum::<u64>();
                texts.push(*member);
            }
        }
        Self { group, texts: texts.len() as u64, sum, parts: None }
    }

    fn merged(one: Self, other: Self, linkage: u32) -> Self {
        let mut group = one.group.clone();
        group.absorb(&other.group);
        if linkage >= ALIKE && one.texts == 1 && other.texts == 1 {
            return Self { group, texts: 1, sum: 0, parts: None };
        }
        let sum = one.sum + other.sum + u64::from(linkage) * one.texts * other.texts;
        Self { group, texts: one.texts + other.texts, sum, parts: Some(Box::new((one, other))) }
    }

    /// Appends the largest groups whose pairs are similar enough.
    fn divide(self, groups: &mut Vec<Group>) {
        let pairs = self.texts * self.texts.saturating_sub(1) / 2;
        let is_story = self.sum >= MIN_LINKAGE * pairs + EXTRA_FOR_PAIR;
        match self.parts {
            Some(parts) if !is_story => {
                parts.0.divide(groups);
                parts.1.divide(groups);
            }
            _ => groups.push(self.group),
        }
    }
}

/// Merges the two groups with the highest linkage until none is high enough, the earlier ones among equals, and divides
/// those whose pairs are not similar enough. The cost is the cube of the number of groups and the square of the number
/// of profiles.
pub(super) fn agglomerate(groups: Vec<Group>, profiles: &[Profile]) -> Vec<Group> {
    let mut sums: Vec<Vec<u64>> = vec![vec![0; groups.len()]; groups.len()];
    for one in 0..groups.len() {
        for other in 0..one {
            let sum = groups[one].sum(&groups[other], profiles);
            (sums[one][other], sums[other][one]) = (sum, sum);
        }
    }
    let mut trees: Vec<Tree> = groups.into_iter().map(|group| Tree::leaf(group, profiles)).collect();
    while let Some((linkage, one, other)) = closest(&trees, &sums) {
        let second = trees.remove(other);
        let first = trees.remove(one);
        trees.insert(one, Tree::merged(first, second, linkage));
        let absorbed = sums.remove(other);
        for (third, row) in sums.iter_mut().enumerate() {
            let sum = row.remove(other);
            row[one] += if third == one { 0 } else { sum };
        }
        for third in 0..trees.len() {
            if third != one {
                sums[one][third] += absorbed[if third < other { third } else { third + 1 }];
            }
        }
    }
    let mut groups = Vec::new();
    trees.into_iter().for_each(|tree| tree.divide(&mut groups));
    groups
}

/// Returns the highest linkage with its groups, in order, if it is high enough for many pairs.
fn closest(trees: &[Tree], sums: &[Vec<u64>]) -> Option<(u32, usize, usize)> {
    let mut best: Option<(u32, usize, usize)> = None;
    for one in 0..trees.len() {
        for other in one + 1..trees.len() {
            let linkage = trees[one].group.linkage(&trees[other].group, sums[one][other]);
            let is_better = best.is_none_or(|(highest, ..)| linkage > highest);
            if is_better && u64::from(linkage) >= MIN_LINKAGE {
                best = Some((linkage, one, other));
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distant_groups_are_no_story() {
        let day = |day: i64| day * DAY as i64;
        assert_eq!(nearness((0, day(1)), (day(1), day(2))), 100);
        assert_eq!(nearness((0, 0), (day(4), day(4))), 30);
        assert_eq!(nearness((day(4), day(4)), (0, 0)), 30);
        assert_eq!(nearness((0, 0), (day(4) + 1, day(5))), 0);
        assert_eq!(nearness((0, day(11)), (day(12), day(15))), 0);
        assert_eq!(nearness((i64::MIN, i64::MIN), (i64::MAX, i64::MAX)), 0);
    }

    #[test]
    fn one_pair_needs_more_than_several() {
        assert!(!is_enough(3_049, 1) && is_enough(3_050, 1));
        assert!(is_enough(1_100, 10));
    }

    #[test]
    fn groups_with_few_pairs_are_divided() {
        let leaf =
            |at: usize| Tree { group: Group { members: vec![at], times: (0, 0) }, texts: 1, sum: 0, parts: None };
        let divided = |tree: Tree| {
            let mut groups = Vec::new();
            tree.divide(&mut groups);
            groups.into_iter().map(|group| group.members).collect::<Vec<_>>()
        };
        let pair = || Tree::merged(leaf(0), leaf(1), 1_600);
        assert_eq!(divided(pair()), [[0], [1]]);
        assert_eq!(divided(Tree::merged(pair(), leaf(2), 1_600)), [[0, 1, 2]]);
        assert_eq!(divided(Tree::merged(pair(), leaf(2), 900)), [[0], [1], [2]]);
        let alike = || Tree::merged(leaf(0), leaf(1), ALIKE);
        assert_eq!(divided(Tree::merged(alike(), leaf(2), 1_600)), [vec![0, 1], vec![2]]);
        assert_eq!(divided(Tree::merged(alike(), leaf(2), 3_050)), [[0, 1, 2]]);
    }
}
