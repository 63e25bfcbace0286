//! Sketch of a body: a few hundred bytes by which copies of a text are found and compared without reading the text.
//!
//! A body is the set of its shingles: runs of [`SHINGLE`] words, folded as for search. The sketch
//! keeps the smallest of their hashes (bottom-k), which are a random sample of the set that is the same for equal
//! shingles. Of two texts it estimates the Jaccard index, and the share of the shorter one that the longer one has. A
//! set that is not larger than the sample is kept whole, and is compared exactly.
//!
//! Sketches are stored. A change of words, hashes or sizes needs a new version of the encoding, and a migration.

use super::similarity::{for_each_word, shingle_hashes};

/// Words per shingle. Characters, in scripts without spaces.
const SHINGLE: usize = 4;
/// Minimum number of distinct shingles. A shorter text is no evidence: many articles say the same in a sentence.
const MIN_SHINGLES: usize = 20;
/// Maximum number of shingles in the sample.
const SAMPLE: usize = 64;
/// Number of anchors.
const ANCHORS: usize = 4;
/// Maximum number of numbers in the sample of numbers.
const NUMBERS: usize = 16;
/// Version of the encoding.
const VERSION: u8 = 3;

/// Minimum share of the shorter text's shingles that a copy has. Measured: see docs/decisions/0038.
const MIN_CONTAINED: f64 = 0.7;
/// Minimum length of the shorter text, as a share of the longer one: half, and a word or two.
const MIN_LENGTH_RATIO: f64 = 0.45;
/// Maximum number of the shorter text's numbers that a copy may lack: a corrected number such as 1,204 is two words.
const MAX_OTHER_NUMBERS: usize = 2;
/// Minimum share of the shorter text's numbers that a copy has, if more of them differ.
const MIN_NUMBERS: f64 = 0.75;

/// Minimum length of a copy, as a share of the longer text, that is not called a part of it.
const MIN_WHOLE: f64 = 0.8;
/// Minimum share of a shorter text that a much longer one has, if it contains it.
const MIN_PART: f64 = 0.85;
/// Minimum number of hashes by which a short text and a much longer one are compared.
const MIN_EVIDENCE: usize = 8;

/// Smallest hashes of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sample {
    /// Size of the set.
    size: u32,
    /// High halves of the smallest hashes, ascending.
    smallest: Vec<u32>,
}

/// Result of comparing two samples, in the range of hashes that both cover.
#[derive(Clone, Copy)]
struct Common {
    /// Hashes of each.
    of: [usize; 2],
    /// Hashes of both.
    both: usize,
}

impl Sample {
    /// Takes a sample of a sorted set.
    fn of(sorted: &[u64], max: usize) -> Self {
        let smallest = sorted.iter().take(max).map(|hash| (hash >> 32) as u32).collect();
        Self { size: u32::try_from(sorted.len()).unwrap_or(u32::MAX), smallest }
    }

    /// Returns the largest hash up to which the sample has every hash of the set.
    fn covers(&self) -> u32 {
        match self.smallest.last() {
            Some(last) if (self.smallest.len() as u64) < u64::from(self.size) => *last,
            _ => u32::MAX,
        }
    }

    fn compare(&self, other: &Self) -> Common {
        let covered = self.covers().min(other.covers());
        let within = |sample: &Self| sample.smallest.partition_point(|hash| *hash <= covered);
        let of = [within(self), within(other)];
        let (mut ours, mut theirs, mut both) = (0, 0, 0);
        while ours < of[0] && theirs < of[1] {
            let order = self.smallest[ours].cmp(&other.smallest[theirs]);
            both += usize::from(order.is_eq());
            ours += usize::from(order.is_le());
            theirs += usize::from(order.is_ge());
        }
        Common { of, both }
    }

    fn encode(&self, from: usize, bytes: &mut Vec<u8>) {
        self.smallest.iter().skip(from).for_each(|hash| bytes.extend(hash.to_be_bytes()));
    }
}

/// Sketch of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodySketch {
    shingles: Sample,
    /// Smallest hashes of the shingles, ascending.
    anchors: [u64; ANCHORS],
    /// The words with digits.
    numbers: Sample,
}

/// Resemblance of two bodies, estimated from their sketches.
#[derive(Clone, Copy, Debug)]
pub struct Resemblance {
    /// Jaccard index of their shingles, from 0 to 1.
    pub jaccard: f64,
    /// Share of the shorter one's shingles that the longer one has, from 0 to 1.
    pub contained: f64,
    /// Number of distinct shingles of the shorter one, as a share of those of the longer one; from 0 to 1.
    pub length_ratio: f64,
    /// False if several numbers of the shorter one differ: texts of one form, such as weather reports.
    pub has_same_numbers: bool,
    /// Number of hashes of the shorter one that were compared.
    evidence: usize,
}

/// Kind of a copy, as seen from the text that it is a copy of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CopyKind {
    /// Of about the same length.
    Near,
    /// It is longer, and contains the text.
    Contains,
    /// It is a part of the text.
    Contained,
}

impl Resemblance {
    /// Returns true if the bodies are copies of one text: with a few words changed, paragraphs moved, or up to half of
    /// the text added or cut at its ends.
    pub fn is_copy(&self) -> bool {
        self.contained >= MIN_CONTAINED && self.length_ratio >= MIN_LENGTH_RATIO && self.has_same_numbers
    }

    /// Returns true if the shorter body is a part of the longer one, however long that is.
    fn is_part(&self) -> bool {
        self.contained >= MIN_PART && self.evidence >= MIN_EVIDENCE && self.has_same_numbers
    }
}

impl BodySketch {
    /// Creates the sketch of a body. None if the body has fewer than 20 distinct shingles.
    pub fn of(body: &str) -> Option<Self> {
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        for_each_word(body, |word, hash| {
            words.push(hash);
            if word.contains(char::is_numeric) {
                numbers.push(hash);
            }
        });
        let shingles = sorted_set(shingle_hashes(&words, SHINGLE).collect());
        if shingles.len() < MIN_SHINGLES {
            return None;
        }
        let anchors = shingles.first_chunk().copied()?;
        let numbers = Sample::of(&sorted_set(numbers), NUMBERS);
        Some(Self { shingles: Sample::of(&shingles, SAMPLE), anchors, numbers })
    }

    /// Returns the values by which copies are found. Two bodies with a Jaccard index of at least 0.6, or of which the
    /// longer one has at least 0.8 of a shorter one of half its length, have one in common with a probability of more
    /// than 0.86.
    pub fn anchors(&self) -> &[u64; ANCHORS] {
        &self.anchors
    }

    /// Returns the kind of copy that another body is of this one, if it is one.
    pub fn copy_kind(&self, other: &Self) -> Option<CopyKind> {
        let resemblance = self.compare(other);
        if resemblance.is_copy() && resemblance.length_ratio >= MIN_WHOLE {
            return Some(CopyKind::Near);
        }
        let is_shorter = other.shingles.size < self.shingles.size;
        let kind = if is_shorter { CopyKind::Contained } else { CopyKind::Contains };
        (resemblance.is_copy() || resemblance.is_part()).then_some(kind)
    }

    /// Compares two bodies. The order does not matter.
    pub fn compare(&self, other: &Self) -> Resemblance {
        let [shorter, longer] = if self.shingles.size <= other.shingles.size { [self, other] } else { [other, self] };
        let shingles = shorter.shingles.compare(&longer.shingles);
        let numbers = shorter.numbers.compare(&longer.numbers);
        let different = numbers.of[0] - numbers.both;
        Resemblance {
            jaccard: share(shingles.both, shingles.of[0] + shingles.of[1] - shingles.both),
            contained: share(shingles.both, shingles.of[0]),
            length_ratio: f64::from(shorter.shingles.size) / f64::from(longer.shingles.size.max(1)),
            evidence: shingles.of[0],
            has_same_numbers: different <= MAX_OTHER_NUMBERS || share(numbers.both, numbers.of[0]) >= MIN_NUMBERS,
        }
    }

    /// Encodes the sketch for storage, in at most 345 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.shingles.size.to_be_bytes());
        bytes.extend(self.numbers.size.to_be_bytes());
        self.anchors.iter().for_each(|anchor| bytes.extend(anchor.to_be_bytes()));
        // The first ones are the high halves of the anchors.
        self.shingles.encode(ANCHORS, &mut bytes);
        self.numbers.encode(0, &mut bytes);
        bytes
    }

    /// Decodes a stored sketch. None if it is damaged, or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (shingles, rest) = rest.split_first_chunk().map(|(size, rest)| (u32::from_be_bytes(*size), rest))?;
        let (numbers, mut rest) = rest.split_first_chunk().map(|(size, rest)| (u32::from_be_bytes(*size), rest))?;
        let mut anchors = [0; ANCHORS];
        for anchor in &mut anchors {
            let (value, after) = rest.split_first_chunk()?;
            (*anchor, rest) = (u64::from_be_bytes(*value), after);
        }
        let (hashes, remainder) = rest.as_chunks();
        let mut hashes = hashes.iter().map(|hash| u32::from_be_bytes(*hash));
        let count = |size: u32, max: usize| usize::try_from(size).map_or(max, |size| size.min(max));
        let (of_shingles, of_numbers) = (count(shingles, SAMPLE), count(numbers, NUMBERS));
        let expected = of_shingles.checked_sub(ANCHORS)? + of_numbers;
        if version != VERSION || !remainder.is_empty() || hashes.len() != expected {
            return None;
        }
        let mut smallest: Vec<u32> = anchors.iter().map(|anchor| (anchor >> 32) as u32).collect();
        smallest.extend(hashes.by_ref().take(of_shingles - ANCHORS));
        let numbers = Sample { size: numbers, smallest: hashes.collect() };
        Some(Self { shingles: Sample { size: shingles, smallest }, anchors, numbers })
    }
}

fn sorted_set(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    hashes.dedup();
    hashes
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests;
