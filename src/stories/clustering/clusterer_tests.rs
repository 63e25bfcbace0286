use std::sync::Arc;

use proptest::prelude::{Strategy, any, proptest};
use proptest::sample::Index;

use super::*;
use crate::stories::clustering::Features;

const HOUR: i64 = 3_600;

fn report(hours: i64, headline: &str, body: &str) -> Report {
    report_in("en", hours, headline, body)
}

fn report_in(language: &str, hours: i64, headline: &str, body: &str) -> Report {
    let features = Arc::new(Features::of(headline, body, language));
    Report { time: hours * HOUR, source: hours.unsigned_abs(), is_pinned: false, features }
}

/// Returns a report of one of several events, with one of several choices of words.
fn sample(event: usize, hours: i64, variant: usize) -> Report {
    const EVENTS: [[&str; 4]; 4] = [
        ["Tarrant Mill", "Brackenholt", "fire", "blaze roof engines beams smoke"],
        ["Lady Corrigan", "Port Ellery", "ferry", "pier captain harbour rudder passengers"],
        ["Halvorne Bank", "Orlsund", "profit", "quarter shares lending results buyback"],
        ["Grey Heron", "Ilvery", "probe", "asteroid harpoon landing drill surface"],
    ];
    let [name, place, word, others] = EVENTS[event % EVENTS.len()];
    let other: Vec<&str> = others.split(' ').collect();
    let (first, second) = (other[variant % other.len()], other[(variant + 1) % other.len()]);
    report(
        hours,
        &format!("{word} and {first} at {name} in {place}"),
        &format!(
            "People in {place} spoke of the {first} and the {second}. The {word} at the {name} was seen from {place}."
        ),
    )
}

fn ferry() -> Report {
    report(
        1,
        "Ferry hits pier at Port Ellery",
        "The Lady Corrigan struck the pier of Port Ellery, and 212 were aboard.",
    )
}

#[test]
fn reports_of_one_event_are_one_story() {
    let mut clusterer = Clusterer::new();
    assert_eq!(clusterer.add(7, ferry()).assignments, [(7, 7)]);
    let step = clusterer.add(
        9,
        report(
            4,
            "Lady Corrigan captain speaks",
            "The captain of the ferry Lady Corrigan in Port Ellery said that the rudder failed before the pier.",
        ),
    );
    assert_eq!((step.story, step.assignments, step.merges), (7, vec![(9, 7)], vec![]));
    let russian = report_in(
        "ru",
        5,
        "Паром «Леди Корриган» врезался в причал",
        "В гавани Порт-Эллери паром «Леди Корриган» ударился о причал. На борту 212 человек.",
    );
    assert_eq!(clusterer.add(11, russian).story, 7);
    assert_eq!(clusterer.add(12, sample(0, 5, 0)).story, 12);
    assert_eq!(clusterer.add(13, Report { time: 200 * HOUR, ..ferry() }).story, 13, "it is too late");
}

#[test]
fn copies_are_one_story_at_a_bounded_cost() {
    let mut clusterer = Clusterer::new();
    for article in 0..2_000 {
        let step = clusterer.add(article, Report { source: article, ..ferry() });
        assert_eq!((step.story, step.assignments.len()), (0, 1));
    }
    assert_eq!(clusterer.forget_before(2 * HOUR), 2_000);
    assert!(clusterer.is_empty());
    assert_eq!(clusterer.add(1, ferry()).story, 1, "nothing is left of the story");
}

#[test]
fn articles_of_a_template_are_apart() {
    let mut clusterer = Clusterer::new();
    for (article, town) in (0_u64..).zip(["Tollmere", "Ostley", "Brackenholt", "Stanmoor", "Wendle", "Grefsholm"]) {
        let body =
            format!("Forecasters say that {town} can expect rain and strong winds in the evening. {town} stays cold.");
        let report = Report { source: 1, ..report(1, &format!("The weather in {town}"), &body) };
        assert_eq!(clusterer.add(article, report).story, article);
    }
}

#[test]
fn an_editors_move_sticks() {
    let mut clusterer = Clusterer::new();
    for article in 0..4 {
        assert_eq!(clusterer.add(article, sample(1, article as i64, 0)).story, 0);
    }
    assert!(clusterer.move_to(2, 2));
    assert!(!clusterer.move_to(99, 2));
    let step = clusterer.add(5, sample(1, 5, 0));
    assert!(step.merges.is_empty() && step.assignments.len() == 1);
    assert_eq!([0, 1, 2, 3].map(|article| clusterer.story_of(article)), [Some(0), Some(0), Some(2), Some(0)]);
}

#[test]
fn a_name_is_not_used_twice() {
    let mut clusterer = Clusterer::new();
    clusterer.add(1, sample(0, 0, 0));
    clusterer.add(2, sample(0, 1, 0));
    assert_eq!(clusterer.add(1, sample(2, 1, 0)).story, 1 | 1 << 56, "its old story still has the other article");
    assert_eq!(clusterer.story_of(2), Some(1));
}

fn arrivals() -> impl Strategy<Value = Vec<(usize, i64, usize)>> {
    proptest::collection::vec((0..4_usize, 0..90_i64, 0..5_usize), 1..40)
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(48))]

    #[test]
    fn a_restored_clusterer_decides_as_one_that_went_on(arrivals in arrivals(), split in any::<Index>()) {
        let split = split.index(arrivals.len());
        let mut one = Clusterer::new();
        // One that had other reports before, in other slots.
        let mut other = Clusterer::new();
        let mut known = Vec::new();
        for (article, (event, hours, variant)) in (0_u64..).zip(&arrivals[..split]) {
            let report = sample(*event, *hours, *variant);
            one.add(article, report.clone());
            other.add(1_000 + article, report.clone());
            known.push((article, report));
        }
        other.forget_before(i64::MAX);
        for (article, report) in known.into_iter().rev() {
            let bytes = report.features.encode();
            let features = Arc::new(Features::decode(&bytes).expect("encoded features can be decoded"));
            other.restore(article, Report { features, ..report }, one.story_of(article).expect("it was added"));
        }
        for (article, (event, hours, variant)) in (split as u64..).zip(&arrivals[split..]) {
            let report = sample(*event, *hours, *variant);
            assert_eq!(one.add(article, report.clone()), other.add(article, report));
        }
    }

    #[test]
    fn steps_tell_all_changes(arrivals in arrivals()) {
        let mut clusterer = Clusterer::new();
        let mut stories: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
        for (article, (event, hours, variant)) in (0_u64..).zip(arrivals) {
            let step = clusterer.add(article, sample(event, hours, variant));
            for (from, into) in step.merges {
                stories.values_mut().filter(|story| **story == from).for_each(|story| *story = into);
            }
            stories.extend(step.assignments);
            for (article, story) in &stories {
                assert_eq!(clusterer.story_of(*article), Some(*story));
            }
        }
    }

    #[test]
    fn the_order_of_arrival_does_not_matter_to_clear_events(arrivals in arrivals(), seed in any::<u64>()) {
        let mut order: Vec<usize> = (0..arrivals.len()).collect();
        order.sort_by_key(|at| (*at as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut clusterer = Clusterer::new();
        for at in &order {
            let (event, hours, variant) = arrivals[*at];
            clusterer.add(*at as u64, sample(event, hours / 8, variant));
        }
        for (one, (event, ..)) in (0_u64..).zip(&arrivals) {
            for (other, (other_event, ..)) in (0_u64..).zip(&arrivals) {
                let is_one = clusterer.story_of(one) == clusterer.story_of(other);
                assert_eq!(is_one, event == other_event, "{one} {other}");
            }
        }
    }
}
