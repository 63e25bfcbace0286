//! Random histories.

use super::history::{Doc, Form, History, Key, Op, Round, SPELLINGS, STORIES, Target, Text, Version};
use super::wire_item::WireFormat;
use crate::support::random::Random;

/// Percentage of histories with documents only, whose end no order changes.
const CONFLUENT: usize = 40;

/// Draws the history with this number. It depends on nothing but the seed and the number.
pub fn history(seed: u64, number: u64, replicas: usize) -> History {
    let mut random = Random::new(seed, number);
    let is_confluent = random.chance(CONFLUENT);
    let versions: Vec<Vec<Version>> = (0..STORIES).map(|_| versions(&mut random, is_confluent)).collect();
    let stories = 1 + random.below(STORIES);
    // Some histories have a key that all documents of a story state, others any keys.
    let is_common = is_confluent || random.chance(50);
    let round = |random: &mut Random| {
        let ops = (0..2 + random.below(5)).map(|_| {
            let story = random.below(stories);
            let op = match random.below(100) {
                0..14 if !is_confluent => kill(random, story),
                14..20 if !is_confluent => Op::Cancel(wire_format(random), story),
                20..30 if !is_confluent => Op::Reinstate(Target::Known(random.below(8))),
                30..37 if !is_confluent => Op::Ingest(copy(random, story, &versions[story])),
                _ => Op::Ingest(document(random, story, &versions[story], is_common)),
            };
            (op, random.below(replicas))
        });
        let ops = ops.collect();
        Round { is_concurrent: random.chance(75), ops }
    };
    let rounds = (0..1 + random.below(3)).map(|_| round(&mut random)).collect();
    History { host: format!("s{number}.example"), is_confluent, rounds }
}

/// Draws the versions of a story, one for each edition, in no order.
fn versions(random: &mut Random, is_confluent: bool) -> Vec<Version> {
    let count = 2 + random.below(3);
    let mut versions: Vec<Version> = Vec::new();
    while versions.len() < count {
        let some = |random: &mut Random| Some(random.below(3) as i64);
        let updated = if random.chance(80) { some(random) } else { None };
        let fetched = if random.chance(60) { some(random) } else { None };
        let version = Version { updated, number: random.below(2) as i64, fetched };
        // Of equal times the content decides: the model does not know its digest. Of two without a time, the later.
        let is_undated = !is_confluent && order(&version).0.is_none();
        if is_undated || !versions.iter().any(|other| order(other) == order(&version)) {
            versions.push(version);
        }
    }
    versions
}

fn order(version: &Version) -> (Option<i64>, i64, Option<i64>) {
    (version.updated.or(version.fetched), version.number, version.fetched)
}

fn edition(random: &mut Random, story: usize, versions: &[Version]) -> (Text, Version) {
    let edition = random.below(versions.len());
    (Text { story, edition }, versions[edition])
}

fn document(random: &mut Random, story: usize, versions: &[Version], is_common: bool) -> Doc {
    let (text, version) = edition(random, story, versions);
    let mut spelled = |key: Key| (key, random.below(SPELLINGS));
    let (page, alternate, section) = (spelled(Key::Page(story)), spelled(Key::Alternate(story)), spelled(Key::Section));
    // An item that was fetched at an unknown time is ordered by its arrival.
    if version.fetched.is_some() && random.chance(30) {
        let link = if is_common || random.chance(60) { page } else { alternate };
        return Doc { text, version, form: Form::Item { link } };
    }
    if version.fetched.is_some() && !is_common && random.chance(40) {
        return Doc { text, version, form: Form::Wire { format: wire_format(random) } };
    }
    let (fetched, claimed) = match random.below(6) {
        0 => (Some(page), None),
        1 => (Some(page), Some(alternate)),
        2 => (Some(page), Some(section)),
        3 => (Some(alternate), Some(page)),
        4 if !is_common => (Some(alternate), Some(section)),
        5 if !is_common => (None, None),
        _ => (None, Some(page)),
    };
    let states_external_id = (fetched, claimed) == (None, None) || random.chance(40);
    Doc { text, version, form: Form::Article { fetched, claimed, states_external_id } }
}

fn wire_format(random: &mut Random) -> WireFormat {
    WireFormat::ALL[random.below(WireFormat::ALL.len())]
}

/// Draws exactly the text of a story at another address.
fn copy(random: &mut Random, story: usize, versions: &[Version]) -> Doc {
    let (text, version) = edition(random, story, versions);
    let fetched = Some((Key::Copy(story), random.below(SPELLINGS)));
    Doc { text, version, form: Form::Article { fetched, claimed: None, states_external_id: false } }
}

fn kill(random: &mut Random, story: usize) -> Op {
    let spelling = random.below(SPELLINGS);
    let target = match random.below(8) {
        0..3 => Target::Known(random.below(8)),
        3..5 => Target::Key(Key::Page(story), spelling),
        5 => Target::Key(Key::Alternate(story), spelling),
        6 => Target::Key(Key::External(story), 0),
        _ => Target::Key(Key::Guid(story), 0),
    };
    Op::Kill(target, random.chance(50))
}
