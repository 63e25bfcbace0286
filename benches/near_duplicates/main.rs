//! Precision and recall of the detection of near-duplicates, on pairs that are made from the bodies of a corpus:
//! `cargo bench --bench near_duplicates -- --corpus FOLDER`.
//!
//! Copies are made by the edits of newsrooms. Other pairs are as hard: articles with the same paragraphs at their foot,
//! stories with the same quotes, and reports of one form. Beside the sketches, plain MinHash and SimHash decide on the
//! same pairs, each at its best threshold for a precision of 0.99.

mod edits;
mod others;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use copydesk::article::{BodySketch, tokens};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Any error ends the benchmark.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Measures the detection of near-duplicates.
#[derive(Debug, Parser)]
struct Args {
    /// Folder with `*/truth.json`: objects with an `articleBody` by ID
    #[arg(long)]
    corpus: PathBuf,
    /// Flag that `cargo bench` passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Two bodies.
struct Pair {
    kind: String,
    is_copy: bool,
    texts: [String; 2],
}

/// Decision on a pair.
struct Decided {
    kind: String,
    is_copy: bool,
    /// True if the bodies have an anchor in common.
    is_found: bool,
    /// True if the sketches are those of copies.
    is_similar: bool,
    contained: f64,
    min_hash: f64,
    sim_hash: f64,
}

/// Random numbers, the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, values: &[&'a T]) -> &'a T {
        values[self.below(values.len())]
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bodies = bodies(&args.corpus)?;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut pairs = edits::pairs(&bodies, &mut random);
    pairs.extend(others::pairs(&bodies, &mut random));
    let decided: Vec<Decided> = pairs.into_iter().filter_map(decide).collect();
    println!("{} bodies, {} pairs of texts that are long enough", bodies.len(), decided.len());
    print_kinds(&decided);
    for (name, decide) in [
        (
            "sketches, through anchors",
            &(|pair: &Decided, _| pair.is_found && pair.is_similar) as &dyn Fn(&Decided, f64) -> bool,
        ),
        ("sketches, all pairs compared", &|pair, _| pair.is_similar),
        ("containment alone", &|pair, at| pair.contained >= at),
        ("MinHash (64), Jaccard", &|pair, at| pair.min_hash >= at),
        ("SimHash (64 bits)", &|pair, at| pair.sim_hash >= at),
    ] {
        let results = (20..=100)
            .map(|at| f64::from(at) / 100.0)
            .map(|at| (precision_and_recall(&decided, |pair| decide(pair, at)), at));
        let best =
            results.filter(|((precision, _), _)| *precision >= 0.99).max_by(|one, other| one.0.1.total_cmp(&other.0.1));
        match best {
            Some(((precision, recall), at)) => {
                println!("{name:30} precision {precision:.4}  recall {recall:.4}  threshold {at:.2}");
            }
            None => println!("{name:30} precision is below 0.99 at every threshold"),
        }
    }
    Ok(())
}

/// Returns the bodies of a corpus as lists of paragraphs.
fn bodies(corpus: &Path) -> Result<Vec<Vec<String>>> {
    let mut bodies = Vec::new();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(corpus)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    folders.sort();
    for path in folders.iter().map(|folder| folder.join("truth.json")).filter(|path| path.exists()) {
        let labels: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&std::fs::read(path)?)?;
        for label in labels.values() {
            let body = label["articleBody"].as_str().unwrap_or_default();
            let paragraphs: Vec<String> =
                body.lines().map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect();
            bodies.extend((!paragraphs.is_empty()).then_some(paragraphs));
        }
    }
    Ok(bodies)
}

fn decide(Pair { kind, is_copy, texts: [one, other] }: Pair) -> Option<Decided> {
    let (first, second) = (BodySketch::of(&one)?, BodySketch::of(&other)?);
    let resemblance = first.compare(&second);
    let (one, other) = (shingles(&one), shingles(&other));
    let same_bits = 64 - (sim_hash(&one) ^ sim_hash(&other)).count_ones();
    Some(Decided {
        kind,
        is_copy,
        is_found: first.anchors().iter().any(|anchor| second.anchors().contains(anchor)),
        is_similar: resemblance.is_copy(),
        contained: resemblance.contained,
        min_hash: min_hash(&one, &other),
        sim_hash: f64::from(same_bits) / 64.0,
    })
}

fn shingles(text: &str) -> Vec<u64> {
    let words: Vec<String> = tokens(text).map(|(_, word)| word).collect();
    words.windows(4).map(|shingle| xxh3_64(shingle.join(" ").as_bytes())).collect()
}

/// Returns the share of 64 hash functions of which both texts have the same minimum.
fn min_hash(one: &[u64], other: &[u64]) -> f64 {
    let least = |shingles: &[u64], seed| shingles.iter().map(|hash| xxh3_64_with_seed(&hash.to_le_bytes(), seed)).min();
    (1..=64).filter(|seed| least(one, *seed) == least(other, *seed)).count() as f64 / 64.0
}

fn sim_hash(shingles: &[u64]) -> u64 {
    let is_set = |bit: &u32| shingles.iter().filter(|hash| **hash >> bit & 1 == 1).count() * 2 > shingles.len();
    (0..64).filter(is_set).fold(0, |bits, bit| bits | 1 << bit)
}

/// Counts copies and other pairs alike, however many there are of each: a precision of 0.99 means that a hundredth of
/// the pairs that were taken for copies are none, if half of all pairs are copies.
fn precision_and_recall(decided: &[Decided], is_taken: impl Fn(&Decided) -> bool) -> (f64, f64) {
    let share = |is_copy: bool| {
        let of_kind = || decided.iter().filter(|pair| pair.is_copy == is_copy);
        of_kind().filter(|pair| is_taken(pair)).count() as f64 / of_kind().count().max(1) as f64
    };
    let (recall, false_alarms) = (share(true), share(false));
    (recall / (recall + false_alarms).max(f64::MIN_POSITIVE), recall)
}

fn print_kinds(decided: &[Decided]) {
    let mut kinds: BTreeMap<(bool, &str), Vec<&Decided>> = BTreeMap::new();
    for pair in decided {
        kinds.entry((!pair.is_copy, pair.kind.as_str())).or_default().push(pair);
    }
    println!("{:34} {:>6} {:>10} {:>9} {:>9}", "", "pairs", "candidate", "similar", "DUPLICATE");
    for ((is_other, kind), pairs) in kinds {
        let share =
            |is: &dyn Fn(&Decided) -> bool| pairs.iter().filter(|pair| is(pair)).count() as f64 / pairs.len() as f64;
        let name = format!("{} {kind}", if is_other { "other:" } else { "copy: " });
        let (found, similar) = (share(&|pair| pair.is_found), share(&|pair| pair.is_similar));
        let both = share(&|pair| pair.is_found && pair.is_similar);
        println!("{name:34} {:6} {found:10.3} {similar:9.3} {both:9.3}", pairs.len());
    }
}
