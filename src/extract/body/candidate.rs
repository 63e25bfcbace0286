//! The container that is most likely the article, by the measure of readability tools: each paragraph gives points to
//! the elements around it; tags, class words and links weigh them; siblings with many points belong to it as well.

use super::class_words::GROUP_NAMES;
use super::line_stats::{LineStats, Sums};
use super::place::{COMPLEMENTARY, Container, HIDDEN, Place, TAGS};

/// Shortest paragraph that gives points, in characters.
const PARAGRAPH_CHARS: f32 = 25.0;
/// Elements above a paragraph that get points.
const LEVELS: u32 = 5;
/// Points for a class word that speaks for or against text.
const CLASS_POINTS: f32 = 25.0;
/// Text below which elements with unlikely class words are searched as well, in characters.
const LITTLE: f32 = 400.0;
/// Share of the best one's points with which a sibling belongs to it.
const SIBLING_SHARE: f32 = 0.2;
/// Least points of such a sibling.
const SIBLING_POINTS: f32 = 10.0;
/// Shortest paragraph beside the best container that belongs to it, in characters.
const SIBLING_CHARS: f32 = 80.0;
/// Share of links above which such a paragraph does not.
const SIBLING_LINKS: f32 = 0.25;

/// Points of the containers of a page.
#[derive(Default)]
pub(super) struct Candidates {
    /// Points of each container.
    points: Vec<f32>,
    /// True for each container that is, or is within, one with a class word that speaks against text.
    pub(super) is_unlikely: Vec<bool>,
    /// True for each container within the best one or a sibling that belongs to it.
    pub(super) is_joined: Vec<bool>,
    /// The container with the most points.
    pub(super) best: u32,
    /// Indices of the first line within the joined containers, and of the first after them.
    pub(super) span: (usize, usize),
}

/// Returns the bits of groups by their names.
const fn bits(names: &[&str]) -> u32 {
    let mut found = 0;
    let mut group = 0;
    while group < GROUP_NAMES.len() {
        let mut at = 0;
        while at < names.len() {
            if is_same(GROUP_NAMES[group], names[at]) {
                found |= 1 << group;
            }
            at += 1;
        }
        group += 1;
    }
    found
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

const TEXT: u32 = bits(&["article", "text"]);
const COMMENT: u32 = bits(&["comment"]);
const UNLIKELY: u32 = bits(&["unlikely"]);
const AGAINST: u32 = UNLIKELY | COMMENT | bits(&["advertisement", "footer", "related", "share", "subscribe", "player"]);

impl Candidates {
    pub(super) fn new(lines: &[LineStats], places: &[Place], containers: &[Container], sums: &[Sums]) -> Self {
        let mut is_unlikely = vec![false; containers.len()];
        // Parents come before their children.
        for (at, container) in containers.iter().enumerate().skip(1) {
            let own = own_groups(container);
            let unlikely = own & COMMENT != 0 || (own & UNLIKELY != 0 && own & TEXT == 0);
            // Classes of the whole page say what it also has.
            let is_wide = container.depth <= 1;
            let marked = container.around & (HIDDEN | COMPLEMENTARY) != 0;
            is_unlikely[at] = is_unlikely[container.parent as usize] || (unlikely && !is_wide) || marked;
        }
        let mut found = Self { is_unlikely, ..Self::default() };
        found.rate(lines, places, containers, sums, true);
        if sums[found.best as usize].prose < LITTLE {
            found.rate(lines, places, containers, sums, false);
        }
        found.join(containers, sums);
        let within = |at: &usize| found.is_joined[places[*at].container as usize];
        let first = (0..places.len()).find(within).unwrap_or(0);
        let end = (0..places.len()).rev().find(within).map_or(0, |last| last + 1);
        Self { span: (first, end), ..found }
    }

    /// Gives points to the containers and finds the best.
    fn rate(
        &mut self,
        lines: &[LineStats],
        places: &[Place],
        containers: &[Container],
        sums: &[Sums],
        is_strict: bool,
    ) {
        let mut points: Vec<f32> = vec![0.0; containers.len()];
        for (stats, place) in lines.iter().zip(places) {
            let is_out = is_strict && self.is_unlikely[place.container as usize];
            if stats.chars < PARAGRAPH_CHARS || is_out {
                continue;
            }
            let gained = 1.0 + stats.commas + (stats.chars / 100.0).min(3.0);
            let mut at = place.container;
            for level in 0..LEVELS {
                at = containers[at as usize].parent;
                points[at as usize] += match level {
                    0 => gained,
                    1 => gained / 2.0,
                    _ => gained / (level * 3) as f32,
                };
                if at == 0 {
                    break;
                }
            }
        }
        for (at, container) in containers.iter().enumerate() {
            if points[at] > 0.0 {
                let own = own_groups(container);
                let by_class = f32::from(u8::from(own & TEXT != 0)) - f32::from(u8::from(own & AGAINST != 0));
                let by_tag = tag_points(container.own);
                points[at] = (points[at] + by_tag + CLASS_POINTS * by_class) * (1.0 - sums[at].link_density());
            }
        }
        self.best = (0..points.len()).max_by(|a, b| points[*a].total_cmp(&points[*b])).unwrap_or(0) as u32;
        self.points = points;
    }

    /// Finds the siblings that belong to the best container.
    fn join(&mut self, containers: &[Container], sums: &[Sums]) {
        let parent = containers[self.best as usize].parent;
        let least = (self.points[self.best as usize] * SIBLING_SHARE).max(SIBLING_POINTS);
        self.is_joined = vec![false; containers.len()];
        self.is_joined[self.best as usize] = true;
        for (at, container) in containers.iter().enumerate().skip(1) {
            let is_paragraph = container.own & PARAGRAPH != 0
                && sums[at].chars >= SIBLING_CHARS
                && sums[at].link_density() < SIBLING_LINKS;
            let is_sibling = container.parent == parent && parent != self.best && !self.is_unlikely[at];
            let belongs = is_sibling && (is_paragraph || self.points[at] >= least);
            self.is_joined[at] |= belongs || self.is_joined[container.parent as usize];
        }
    }

    /// Returns the points of a container as a share of the best one's.
    pub(super) fn share(&self, container: u32) -> f32 {
        self.points[container as usize] / self.points[self.best as usize].max(1.0)
    }
}

/// Bit of paragraphs.
const PARAGRAPH: u32 = tag("p");

const fn tag(name: &str) -> u32 {
    let mut at = 0;
    while at < TAGS.len() {
        if is_same(TAGS[at], name) {
            return 1 << at;
        }
        at += 1;
    }
    0
}

/// Returns the points that a container has by its tag.
fn tag_points(own: u32) -> f32 {
    const PARTS: u32 = tag("li") | tag("dl") | tag("form") | tag("address");
    if own & tag("div") != 0 {
        5.0
    } else if own & (tag("blockquote") | tag("table")) != 0 {
        3.0
    } else if own & PARTS != 0 {
        -3.0
    } else if own & tag("heading") != 0 {
        -5.0
    } else {
        0.0
    }
}

/// Returns the groups of an element's own class words, as bits.
fn own_groups(container: &Container) -> u32 {
    container.words.iter().enumerate().fold(0, |bits, (group, levels)| bits | u32::from(*levels == 0) << group)
}
