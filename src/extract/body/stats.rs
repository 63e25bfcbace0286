//! Statistics of lines and of the containers around them.

use std::collections::HashMap;

use super::candidate::Candidates;
use super::line_stats::{LineStats, Sums};
use super::place::{Container, HIDDEN, Place, TAGS};
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::line::Line;

/// Bits of the elements whose text counts as no prose: nav, footer, header, form, button.
const OUTSIDE: u32 = 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 15;
const _: () = assert!(TAGS.len() == 20);

/// Statistics of a page.
pub(super) struct PageStats {
    /// Statistics of each line.
    pub(super) lines: Vec<LineStats>,
    /// Sums of each container, with those within it.
    pub(super) containers: Vec<Sums>,
    /// Sums over the lines with the same tags and classes.
    pub(super) paths: HashMap<u64, Sums>,
    /// The same for the parents of their containers.
    pub(super) parent_paths: HashMap<u64, Sums>,
    /// Times that each text occurs.
    pub(super) repeats: HashMap<u64, u32>,
    /// The smallest container with 50 and with 80 % of the prose.
    pub(super) main: [u32; 2],
    pub(super) total: Sums,
    pub(super) candidates: Candidates,
    /// Number of the repeated parts with the same tags and classes, of which each container is or is within one, and
    /// their prose. Teasers and comments are such.
    pub(super) items: Vec<(f32, f32)>,
    /// Path with the most likely prose.
    pub(super) common_path: u64,
    /// Prose of containers with no word that speaks against text.
    pub(super) likely_prose: f32,
}

impl PageStats {
    pub(super) fn new(
        lines: &[Line],
        places: &[Place],
        containers: &[Container],
        budget: &Budget<'_>,
    ) -> Result<Self, ExtractError> {
        let mut stats = Self {
            lines: Vec::with_capacity(lines.len()),
            containers: vec![Sums::default(); containers.len()],
            paths: HashMap::new(),
            parent_paths: HashMap::new(),
            repeats: HashMap::new(),
            main: [0; 2],
            total: Sums::default(),
            candidates: Candidates::default(),
            items: Vec::new(),
            common_path: 0,
            likely_prose: 0.0,
        };
        for (line, place) in lines.iter().zip(places) {
            budget.spend(2 + (line.text.len() / 16) as u64)?;
            let of_line = LineStats::of(line);
            stats.lines.push(of_line);
            if line.is_object() {
                continue;
            }
            let container = &containers[place.container as usize];
            let counts = of_line.is_prose && container.around & (OUTSIDE | HIDDEN) == 0;
            let sums = Sums {
                lines: 1.0,
                chars: of_line.chars,
                linked: of_line.linked,
                prose: if counts { of_line.chars } else { 0.0 },
                prose_lines: f32::from(u8::from(counts)),
                headings: f32::from(u8::from(line.is_heading())),
            };
            stats.containers[place.container as usize].add(&sums);
            stats.paths.entry(container.path).or_default().add(&sums);
            stats.parent_paths.entry(containers[container.parent as usize].path).or_default().add(&sums);
            *stats.repeats.entry(of_line.hash).or_default() += 1;
        }
        // Children come after their parents.
        for at in (1..containers.len()).rev() {
            let sums = stats.containers[at];
            stats.containers[containers[at].parent as usize].add(&sums);
        }
        budget.spend(containers.len() as u64)?;
        stats.candidates = Candidates::new(&stats.lines, places, containers, &stats.containers);
        stats.total = stats.containers.first().copied().unwrap_or_default();
        for (main, share) in stats.main.iter_mut().zip([0.5, 0.8]) {
            // The deepest container that still has the share comes last, except for those of no prose.
            let enough = |sums: &Sums| sums.prose > 0.0 && sums.prose >= share * stats.total.prose;
            let deepest = (0..containers.len()).filter(|at| enough(&stats.containers[*at]));
            *main = deepest.max_by_key(|at| containers[*at].depth).unwrap_or(0) as u32;
        }
        stats.repeat_items(containers);
        let mut likely: HashMap<u64, f32> = HashMap::new();
        for (line, place) in stats.lines.iter().zip(places) {
            if line.is_prose && !stats.candidates.is_unlikely[place.container as usize] {
                stats.likely_prose += line.chars;
                *likely.entry(containers[place.container as usize].path).or_default() += line.chars;
            }
        }
        let most = likely.into_iter().max_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        stats.common_path = most.map_or(0, |(path, _)| path);
        Ok(stats)
    }

    /// Counts the repeated parts of the page: containers of several lines, with prose, that share tags and classes.
    fn repeat_items(&mut self, containers: &[Container]) {
        let mut like: HashMap<u64, (f32, f32)> = HashMap::new();
        let is_item = |sums: &Sums| sums.lines >= 2.0 && sums.prose_lines >= 1.0;
        for (sums, container) in self.containers.iter().zip(containers).filter(|(sums, _)| is_item(sums)) {
            let (count, prose) = like.entry(container.path).or_default();
            *count += 1.0;
            *prose += sums.prose;
        }
        self.items = vec![(0.0, 0.0); containers.len()];
        for (at, container) in containers.iter().enumerate().skip(1) {
            let around = self.items[container.parent as usize];
            let own = like.get(&container.path).copied().filter(|_| is_item(&self.containers[at])).unwrap_or_default();
            self.items[at] = if own.0 > around.0 { own } else { around };
        }
    }
}
