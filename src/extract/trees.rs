//! Gradient-boosted trees: inference from a text file of weights, with the contribution of each feature.
//!
//! The file is written by `benches/extraction/boosted_trees.py` from a LightGBM model. Its first line is `features`
//! with the names of the features; every other line is one tree in preorder. An inner node is
//! `feature,threshold,mean`: the index of a feature, the largest value that goes left, and the mean score of the rows
//! that reached the node in training. A leaf is its score. Lines that start with `#` are comments.

use std::fmt;

/// Marks a node without children.
const LEAF: u16 = u16::MAX;

/// A model of gradient-boosted trees with two classes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trees {
    /// The nodes of all trees in preorder: the left child of a node is the next node.
    nodes: Vec<Node>,
    /// Index of the root of each tree.
    roots: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Index of the feature, or [`LEAF`].
    feature: u16,
    /// Values up to this one go left.
    threshold: f32,
    /// Score of a leaf; mean score of an inner node.
    score: f32,
    /// Index of the right child.
    right: u32,
}

/// Error of a file of weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidWeights {
    /// Number of the line, from 1.
    line: usize,
}

impl fmt::Display for InvalidWeights {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} of the weights is no list of known features and no tree", self.line)
    }
}

impl std::error::Error for InvalidWeights {}

impl Trees {
    /// Reads a model. `names` are the features in the order of the values that [`Trees::score`] gets; the file may use
    /// some of them, in any order.
    pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Self, InvalidWeights> {
        let mut trees = Self::default();
        let mut features: Option<Vec<u16>> = None;
        for (at, line) in text.lines().enumerate() {
            let invalid = InvalidWeights { line: at + 1 };
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            match &features {
                None => {
                    let listed = line.strip_prefix("features ").ok_or(invalid)?;
                    let index = |name: &str| names.iter().position(|known| *known == name);
                    let indices = listed.split_whitespace().map(|name| u16::try_from(index(name)?).ok());
                    features = Some(indices.collect::<Option<_>>().ok_or(invalid)?);
                }
                Some(features) => trees.push(line, features).ok_or(invalid)?,
            }
        }
        Ok(trees)
    }

    /// Adds a tree. None if the line is not one whole tree.
    fn push(&mut self, line: &str, features: &[u16]) -> Option<()> {
        let root = self.nodes.len();
        // Inner nodes whose right child has not begun. Without one, the tree is complete.
        let mut open: Vec<usize> = Vec::new();
        let mut is_complete = false;
        for token in line.split_whitespace() {
            if is_complete {
                return None;
            }
            let here = self.nodes.len();
            let mut fields = token.split(',');
            let first = fields.next()?;
            if let Some(threshold) = fields.next() {
                let feature = *features.get(first.parse::<usize>().ok()?)?;
                let score = fields.next()?.parse().ok()?;
                self.nodes.push(Node { feature, threshold: threshold.parse().ok()?, score, right: 0 });
                open.push(here);
            } else {
                self.nodes.push(Node { feature: LEAF, threshold: 0.0, score: first.parse().ok()?, right: 0 });
                match open.pop() {
                    Some(parent) => self.nodes[parent].right = u32::try_from(here + 1).ok()?,
                    None => is_complete = true,
                }
            }
        }
        self.roots.push(u32::try_from(root).ok()?);
        is_complete.then_some(())
    }

    /// Returns the number of trees: the steps of one score.
    pub(crate) fn count(&self) -> usize {
        self.roots.len()
    }

    /// Returns the score of a row: the log-odds of the first class. Values that a row lacks count as 0.
    pub(crate) fn score(&self, values: &[f32]) -> f32 {
        self.roots.iter().map(|root| self.path(*root, values).last().map_or(0.0, |node| node.score)).sum()
    }

    /// Returns the contribution of each feature to the score of a row: the sum of the changes of the mean score at the
    /// nodes that test it. Together with the mean scores of the roots, the contributions add up to the score.
    pub(crate) fn contributions(&self, values: &[f32]) -> Vec<f32> {
        let mut contributions = vec![0.0; values.len()];
        for root in &self.roots {
            let mut before: Option<&Node> = None;
            for node in self.path(*root, values) {
                if let Some(before) = before
                    && let Some(sum) = contributions.get_mut(usize::from(before.feature))
                {
                    *sum += node.score - before.score;
                }
                before = Some(node);
            }
        }
        contributions
    }

    /// Returns the nodes from a root to the leaf of a row.
    fn path<'a>(&'a self, root: u32, values: &'a [f32]) -> impl Iterator<Item = &'a Node> {
        let mut next = Some(root);
        std::iter::from_fn(move || {
            let at = next.take()?;
            let node = self.nodes.get(at as usize)?;
            if node.feature != LEAF {
                let value = values.get(usize::from(node.feature)).copied().unwrap_or_default();
                next = Some(if value <= node.threshold { at + 1 } else { node.right });
            }
            Some(node)
        })
    }
}

/// Returns the probability for a score.
pub(crate) fn probability(score: f32) -> f32 {
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["links", "words", "commas"];
    const WEIGHTS: &str =
        "# A comment.\nfeatures words links\n0,9.5,0.5 -1 1,0.25,1.5 2 -0.5\n\n1,0.5,0 0.25 -0.25\n0.125\n";

    #[test]
    fn rows_are_scored_and_explained() {
        let trees = Trees::parse(WEIGHTS, &NAMES).unwrap();
        assert_eq!(trees.count(), 3);
        let golden = [
            ([0.0, 3.0, 0.0], -0.625, [0.25, -1.5, 0.0]),
            ([0.0, 9.5, 0.0], -0.625, [0.25, -1.5, 0.0]),
            ([0.1, 20.0, 1.0], 2.375, [0.75, 1.0, 0.0]),
            ([0.9, 20.0, 0.0], -0.625, [-2.25, 1.0, 0.0]),
        ];
        for (values, score, contributions) in golden {
            assert_eq!(trees.score(&values), score, "{values:?}");
            assert_eq!(trees.contributions(&values), contributions, "{values:?}");
        }
        assert_eq!(probability(0.0), 0.5);
    }

    #[test]
    fn damaged_weights_are_refused() {
        for (text, line) in [
            ("features words depth\n", 1),
            ("0,1,0 1 2\n", 1),
            ("features words\n0,1,0 1\n", 2),
            ("features words\n0,1,0 1 2 3\n", 2),
            ("features words\n\n1,1,0 1 2\n", 3),
            ("features words\n0,x,0 1 2\n", 2),
            ("features words\n0,1 1 2\n", 2),
        ] {
            assert_eq!(Trees::parse(text, &NAMES).err(), Some(InvalidWeights { line }), "{text}");
        }
    }
}
