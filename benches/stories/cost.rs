//! Cost of grouping made articles, and of the top stories of a day.

use std::sync::Arc;
use std::time::Instant;

use copydesk::article::{ArticleId, StoryId};
use copydesk::read_counts::DecayedReads;
use copydesk::stories::clustering::{Clusterer, Features, Report, founder_of, round_of};
use copydesk::stories::{Facts, StoryFilter, StoryOrder, StoryView};

use crate::Result;

/// Articles of an event.
const OF_EVENT: u64 = 4;
/// Words of an article.
const WORDS: usize = 220;
/// Different words, by Zipf's law.
const VOCABULARY: f64 = 60_000.0;
/// Start of the day, in seconds since 1970.
const START: i64 = 1_790_000_000;
const DAY: u64 = 86_400;
/// Number of computations of the top stories.
const CALLS: usize = 50;

/// Random numbers by a linear congruential generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns the headline and the body of an article: common words, and words, names and a number of its event.
fn text(article: u64) -> (String, String) {
    let event = article / OF_EVENT;
    let mut random = Random(article.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    let name = |of: u64| {
        format!("{}{}", ["Bel", "Cor", "Dan", "Fer", "Gor", "Hal"][(event % 6) as usize], word(event * 7 + of))
    };
    let mut body = String::new();
    for at in 0..WORDS {
        match at % 20 {
            3 => body.push_str(&name(0)),
            9 => body.push_str(&name(1)),
            13 => body.push_str(&format!("{}", event % 9_000 + 1_000)),
            17 => body.push_str(&word(event % 9_973 + 50_000)),
            _ => body.push_str(&word((VOCABULARY.powf(random.next())) as u64)),
        }
        body.push_str(if at % 15 == 14 { ".\n\n" } else { " " });
    }
    (format!("{} and {} in {}", name(0), word(event % 9_973 + 50_000), name(1)), body)
}

/// Returns a word for a number.
fn word(number: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "de", "ki", "lo", "mu", "na", "pe", "ri", "so", "tu", "va", "we", "yo", "za", "che", "sta"];
    let mut rest = number;
    let mut word = String::new();
    loop {
        word.push_str(SYLLABLES[(rest % 16) as usize]);
        rest /= 16;
        if rest == 0 {
            return word;
        }
    }
}

pub fn all(articles: u64) -> Result<()> {
    let mut clusterer = Clusterer::new();
    let mut view = StoryView::default();
    let (mut features_time, mut add_time) = (0.0, Vec::new());
    for number in 1..=articles {
        // The reports of an event come one after the other, among those of others.
        let article = number % (articles / OF_EVENT).max(1) * OF_EVENT + number / (articles / OF_EVENT).max(1);
        let (headline, body) = text(article);
        let began = Instant::now();
        let features = Arc::new(Features::of(&headline, &body, "en"));
        features_time += began.elapsed().as_secs_f64();
        let time = START + (number * DAY / articles) as i64;
        let source = number % 97;
        let report = Report { time, source, is_pinned: false, features };
        let began = Instant::now();
        let step = clusterer.add(number, report);
        add_time.push(began.elapsed().as_secs_f64());
        for (article, story) in step.assignments {
            let founder: ArticleId = format!("a{}", founder_of(story)).parse()?;
            let facts = Facts {
                time: (START + (article * DAY / articles) as i64) * 1_000_000,
                is_readable: true,
                source: format!("source{}.example", article % 97),
                language: "en".to_owned(),
                text: article,
                ..Facts::default()
            };
            view.set(&format!("a{article}").parse()?, StoryId::founded_by(&founder, round_of(story)), Some(&facts));
        }
    }
    add_time.sort_by(f64::total_cmp);
    let mean = add_time.iter().sum::<f64>() / articles as f64;
    println!("{articles} made articles within a day, {OF_EVENT} an event; {} stories", view.story_count());
    println!("features of a text: {:.0} µs", features_time / articles as f64 * 1e6);
    println!("grouping an article: mean {:.0} µs, slowest {:.1} ms", mean * 1e6, add_time[add_time.len() - 1] * 1e3);
    let now = (START + DAY as i64) * 1_000_000;
    let mut calls: Vec<f64> = (0..CALLS)
        .map(|_| {
            let began = Instant::now();
            let ranked = view.ranked(&StoryFilter::default(), StoryOrder::Score(now), &DecayedReads::default());
            assert!(!ranked.is_empty());
            began.elapsed().as_secs_f64()
        })
        .collect();
    calls.sort_by(f64::total_cmp);
    let (median, slowest) = (calls[CALLS / 2] * 1e3, calls[CALLS - 1] * 1e3);
    println!("top stories, computed: median {median:.0} ms, slowest of {CALLS} calls {slowest:.0} ms");
    Ok(())
}
