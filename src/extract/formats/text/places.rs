//! Places of a dump's lines: the clusters of prose, the headline, and the sums before each line.

use super::lines::DumpLines;
use super::shape::{Shape, log};
use super::title_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Features of a line's place in the dump.
pub(super) const PLACE: [&str; 21] = [
    "position-by-lines",
    "position-by-characters",
    "lines-of-the-dump",
    "characters-of-the-dump",
    "share-of-prose-in-the-dump",
    "lines-to-the-prose-before",
    "lines-to-the-prose-after",
    "share-of-the-prose-of-its-cluster",
    "inside-of-the-main-cluster",
    "lines-before-the-main-cluster",
    "lines-after-the-main-cluster",
    "share-of-prose-before",
    "lines-after-the-headline",
    "lines-before-the-headline",
    "headline-known",
    "lines-after-a-teaser-heading",
    "teaser-headings-before",
    "mean-length-of-its-chunk",
    "lines-after-a-comments-phrase",
    "words-of-the-lead-around",
    "privacy-words-around",
];

/// Maximum number of lines without prose between two lines of one cluster.
const CLUSTER_GAP: usize = 4;

/// Lines of prose with few other lines between them.
struct Cluster {
    first: usize,
    last: usize,
    prose: usize,
}

/// Places of the lines: the clusters of prose, the headline, and the sums before each line.
pub(super) struct Places {
    lines: usize,
    chars: usize,
    prose: usize,
    chars_before: Vec<usize>,
    prose_before: Vec<usize>,
    /// Index of the nearest line of prose at or before each line, and at or after it.
    prose_last: Vec<Option<usize>>,
    prose_next: Vec<Option<usize>>,
    /// Index of each line's cluster.
    cluster: Vec<Option<usize>>,
    clusters: Vec<Cluster>,
    main: Option<usize>,
    pub(super) headline: Option<usize>,
    /// Index of the last teaser heading before each line, and their number.
    teasers: Vec<(Option<usize>, usize)>,
    /// Index of the last comments phrase before each line.
    comments: Vec<Option<usize>>,
    /// Mean length of the lines between the same two blank lines.
    chunk: Vec<f32>,
}

impl Places {
    pub(super) fn read(dump: &DumpLines, shapes: &[Shape], budget: &Budget<'_>) -> Result<Self, ExtractError> {
        let n = shapes.len();
        let mut clusters: Vec<Cluster> = Vec::new();
        let mut cluster = vec![None; n];
        let (mut chars_before, mut prose_before, mut teasers) = (Vec::new(), Vec::new(), Vec::new());
        let mut prose_last = Vec::with_capacity(n);
        let (mut chars, mut prose, mut last, mut heading, mut headings) = (0, 0, None, None, 0);
        let (mut comments, mut comment) = (Vec::with_capacity(n), None);
        for (at, shape) in shapes.iter().enumerate() {
            budget.step()?;
            chars_before.push(chars);
            prose_before.push(prose);
            teasers.push((heading, headings));
            chars += shape.width;
            comments.push(comment);
            if shape.is_comments {
                comment = Some(at);
            }
            if shape.is_teaser_heading {
                heading = Some(at);
                headings += 1;
            }
            if shape.is_prose {
                prose += shape.width;
                last = Some(at);
                match clusters.last_mut() {
                    Some(open) if at - open.last <= CLUSTER_GAP + 1 => {
                        open.last = at;
                        open.prose += shape.width;
                    }
                    _ => clusters.push(Cluster { first: at, last: at, prose: shape.width }),
                }
            }
            prose_last.push(last);
        }
        for (index, found) in clusters.iter().enumerate() {
            cluster[found.first..=found.last].fill(Some(index));
        }
        let mut prose_next = vec![None; n];
        let mut next = None;
        for at in (0..n).rev() {
            if shapes[at].is_prose {
                next = Some(at);
            }
            prose_next[at] = next;
        }
        let main = (0..clusters.len()).rev().max_by_key(|at| clusters[*at].prose);
        let start = main.map_or(0, |main| clusters[main].first);
        let headline = title_line::find(&dump.lines, start, budget)?;
        Ok(Self {
            lines: n,
            chars,
            prose,
            chars_before,
            prose_before,
            prose_last,
            prose_next,
            cluster,
            clusters,
            main,
            headline,
            teasers,
            comments,
            chunk: chunks(dump, shapes),
        })
    }

    /// Returns the first line of the main cluster.
    pub(super) fn start(&self) -> usize {
        self.main.map_or(0, |main| self.clusters[main].first)
    }

    pub(super) fn features(&self, at: usize) -> [f32; PLACE.len() - 2] {
        let share = |part: usize, whole: usize| part as f32 / whole.max(1) as f32;
        let after =
            |start: Option<usize>| start.and_then(|start| at.checked_sub(start)).map_or(-1.0, |by| log(by as f32));
        let before = |end: Option<usize>| end.and_then(|end| end.checked_sub(at)).map_or(-1.0, |by| log(by as f32));
        let main = self.main.map(|main| &self.clusters[main]);
        let own = self.cluster[at].map_or(0.0, |own| share(self.clusters[own].prose, self.prose));
        [
            share(at, self.lines),
            share(self.chars_before[at], self.chars),
            log(self.lines as f32),
            log(self.chars as f32),
            share(self.prose, self.chars),
            after(self.prose_last[at]),
            before(self.prose_next[at]),
            own,
            f32::from(u8::from(main.is_some() && self.cluster[at] == self.main)),
            before(main.map(|main| main.first)),
            after(main.map(|main| main.last)),
            share(self.prose_before[at], self.prose),
            after(self.headline),
            before(self.headline),
            f32::from(u8::from(self.headline.is_some())),
            after(self.teasers[at].0),
            log(self.teasers[at].1 as f32),
            self.chunk[at],
            after(self.comments[at]),
        ]
    }
}

/// Returns for each line the mean length of the lines between the same two blank lines.
fn chunks(dump: &DumpLines, shapes: &[Shape]) -> Vec<f32> {
    let mut means = vec![0.0; shapes.len()];
    let mut start = 0;
    for end in 1..=shapes.len() {
        if dump.after_blank.get(end).is_none_or(|blank| *blank) {
            let sum: f32 = shapes[start..end].iter().map(Shape::length).sum();
            means[start..end].fill(sum / (end - start) as f32);
            start = end;
        }
    }
    means
}
