//! Tests of sketches: edits of newsrooms keep a text a copy, and other stories are none.

use proptest::prelude::*;

use super::*;

/// Returns an invented word.
fn word(number: u64) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "cor", "del", "en", "fi", "gra", "hol", "in", "ka", "lo", "mer", "nu", "or", "pa", "ri", "sta"];
    (0..3).map(|at| SYLLABLES[(number >> (4 * at)) as usize % 16]).collect()
}

/// Invented text: paragraphs of words. The words do not shrink, because a text of one word has no sketch.
fn paragraphs() -> impl Strategy<Value = Vec<Vec<String>>> {
    let lengths = prop::collection::vec(12_usize..40, 4..12);
    (any::<u64>().no_shrink(), lengths).prop_map(|(mut seed, lengths)| {
        let mut next = || {
            seed = xxhash_rust::xxh3::xxh3_64(&seed.to_le_bytes());
            word(seed)
        };
        lengths.into_iter().map(|length| (0..length).map(|_| next()).collect()).collect()
    })
}

fn text(paragraphs: &[Vec<String>]) -> String {
    paragraphs.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("\n\n")
}

fn compare(one: &str, other: &str) -> Resemblance {
    let sketch = |text| BodySketch::of(text).expect("long enough");
    sketch(one).compare(&sketch(other))
}

proptest! {
    /// Edits, alone or together. A change of one word in each paragraph is the most that a desk corrects.
    #[test]
    fn edited_texts_are_copies(
        original in paragraphs(), edits in prop::collection::hash_set(0_usize..8, 1..4), at: prop::sample::Index
    ) {
        let mut edited = original.clone();
        let last = edited.len() - 1;
        for edit in edits {
            match edit {
                0 if last >= 5 => drop(edited.pop()),
                1 => edited.push("this story was supplied by northwire".split(' ').map(str::to_owned).collect()),
                2 => edited[0].insert(0, "PORT ELLERY (Northwire) —".to_owned()),
                3 => edited.rotate_left(1),
                4 => { let next = edited.remove(1); edited[0].extend(next); }
                5 => { let word = at.index(edited[0].len()); edited[0][word] = "corrected".into(); }
                6 => edited.iter_mut().for_each(|words| words[0] = format!("“{}”", words[0].to_uppercase())),
                _ => { let word = at.index(edited[0].len()); edited[0][word] = "1,204".into(); }
            }
        }
        let resemblance = compare(&text(&original), &text(&edited));
        prop_assert!(resemblance.is_copy(), "{resemblance:?}");
    }

    #[test]
    fn other_texts_are_no_copies(one in paragraphs(), other in paragraphs(), shared in 0_usize..2) {
        let mut other = other;
        other.extend(one.iter().take(shared).cloned());
        let resemblance = compare(&text(&one), &text(&other));
        prop_assert!(!resemblance.is_copy(), "{resemblance:?}");
    }

    #[test]
    fn stored_sketches_are_decoded(text in paragraphs(), at: prop::sample::Index, numbers in 0_usize..40) {
        let numbers: String = (0..numbers).map(|number| format!(" {number}")).collect();
        let text = self::text(&text) + &numbers;
        let sketch = BodySketch::of(&text).expect("long enough");
        let bytes = sketch.encode();
        prop_assert!(bytes.len() <= 345, "{}", bytes.len());
        prop_assert_eq!(BodySketch::decode(&bytes), Some(sketch));
        prop_assert_eq!(BodySketch::decode(&bytes[..at.index(bytes.len())]), None);
    }

    #[test]
    fn any_text_has_a_sketch_or_none(one in any::<String>(), other in any::<String>()) {
        let sketches = (BodySketch::of(&one), BodySketch::of(&other.repeat(3)));
        if let (Some(one), Some(other)) = &sketches {
            let (there, back) = (one.compare(other), other.compare(one));
            prop_assert_eq!(there.jaccard, back.jaccard);
            prop_assert_eq!(one.compare(one).jaccard, 1.0);
        }
    }
}

/// A longer text that has 0.8 of a shorter one of half its length: the least that must be found.
#[test]
fn copies_have_an_anchor_in_common() {
    let mut found = 0;
    for pair in 0..1_000_u64 {
        let run = |from: u64, words: u64| (from..from + words).map(|at| format!("w{pair}x{at}")).collect::<Vec<_>>();
        let (longer, own) = (run(0, 400), run(10_000, 40));
        let shorter = [&longer[..160], &own].concat().join(" ");
        let [longer, shorter] = [longer.join(" "), shorter].map(|text| BodySketch::of(&text).expect("long enough"));
        found += usize::from(longer.anchors().iter().any(|anchor| shorter.anchors().contains(anchor)));
    }
    assert!(found > 860, "{found}");
}

const WEATHER: [&str; 2] = [
    "Port Ellery will be mostly cloudy on Monday, with a high of 14 degrees and a low of 7 degrees. Winds from the \
     south-west will reach 35 kilometres an hour in the afternoon, the coast service said. There is a 40 percent \
     chance of rain. High water in the harbour is at 11:05. The outlook for the following days is fair.",
    "Port Ellery will be sunny on Tuesday, with a high of 19 degrees and a low of 9 degrees. Winds from the \
     west will reach 20 kilometres an hour in the afternoon, the coast service said. There is a 10 percent \
     chance of rain. High water in the harbour is at 11:52. The outlook for the following days is fair.",
];
const LOTTERY: [&str; 2] = [
    "The winning numbers in the draw of the Harbour Lottery are 3, 14, 17, 29 and 41, and the bonus number is 8. \
     Tickets can be bought at all post offices and at the ferry terminals until one hour before each draw. Prizes \
     have to be claimed within ninety days with the original ticket, and are paid without deductions.",
    "The winning numbers in the draw of the Harbour Lottery are 9, 11, 20, 33 and 48, and the bonus number is 2. \
     Tickets can be bought at all post offices and at the ferry terminals until one hour before each draw. Prizes \
     have to be claimed within ninety days with the original ticket, and are paid without deductions.",
];
const OBITUARY: [&str; 2] = [
    "Ruth Penn, 84, of Lowmouth, died on Friday at the county hospital. Born in Port Ellery in 1941, she worked as a \
     teacher for 31 years. Survivors include 3 children and 5 grandchildren. A service will be held at 11 o'clock on \
     Thursday at the harbour chapel, followed by burial at the town cemetery.",
    "Carl Moor, 91, of Old Quay, died on Sunday at home. Born in Harrow Bay in 1934, he worked as a welder for 40 \
     years. Survivors include 2 children and 9 grandchildren. A service will be held at 14 o'clock on Monday at \
     the old minster, followed by burial at the town cemetery.",
];
const FORECAST: [&str; 2] = [
    "港口气象台周一发布天气预报，预计明天白天多云，最高气温14摄氏度，夜间最低气温7摄氏度，西风5级，降水概率百分之40，\
     相对湿度百分之62。气象台提醒市民注意防风，出海船只请关注最新预报。",
    "港口气象台周二发布天气预报，预计明天白天晴，最高气温19摄氏度，夜间最低气温9摄氏度，南风3级，降水概率百分之10，\
     相对湿度百分之55。气象台提醒市民注意防晒，出海船只请关注最新预报。",
];

#[test]
fn reports_of_one_form_are_no_copies() {
    for [one, other] in [WEATHER, LOTTERY, OBITUARY, FORECAST] {
        let resemblance = compare(one, other);
        assert!(!resemblance.is_copy(), "{one}: {resemblance:?}");
        // One number corrected, and a foot line added.
        let corrected = one.replacen("14", "15", 1) + " Supplied by Northwire.";
        assert!(compare(one, &corrected).is_copy(), "{corrected}");
    }
}

#[test]
fn scripts_without_spaces_are_compared() {
    let story = "港口委员会周一同意在冬季前疏浚北航道，此前一周内有两艘渡轮搁浅。委员会主席表示，疏浚工程将在十月完成，\
                 费用由市政府和航运公司共同承担。渔民协会对这一决定表示欢迎。";
    let edited = format!("【北方通讯社】{}", story.replace('，', ", ").replace("渔民协会对这一决定表示欢迎。", ""));
    assert!(compare(story, &edited).is_copy());
    let other = "市议会周二否决了在旧码头修建酒店的计划，称该项目会破坏港口的历史风貌。开发商表示将提出上诉，\
                 并在三个月内提交新的方案。居民团体计划在周末举行集会。";
    assert!(!compare(story, other).is_copy());
}

#[test]
fn spelling_and_punctuation_do_not_matter_much() {
    let british = "The harbour board's \"programme\" to modernise the theatre - and its organisation - was criticised \
                   by neighbours on Monday. The centre of the town has been without a cinema since the old one was \
                   closed four years ago, and the board has promised a new one before the winter of next year.";
    let american = "The harbor board’s “program” to modernize the theater – and its organization – was criticized by \
                    neighbors on Monday. The center of the town has been without a cinema since the old one was \
                    closed four years ago, and the board has promised a new one before the winter of next year.";
    let quoted = british.replace('"', "»").replace(" - ", "—");
    assert!(compare(british, &quoted).is_copy());
    // Nine of fifty words are more than a few.
    assert!(!compare(british, american).is_copy());
    let few = ["harbor", "theater", "organization", "criticized", "neighbors", "modernize"]
        .into_iter()
        .zip(["harbour", "theatre", "organisation", "criticised", "neighbours", "modernise"])
        .fold(american.to_owned(), |text, (american, british)| text.replace(american, british));
    assert!(compare(british, &few).is_copy());
}

#[test]
fn short_and_repetitive_texts_have_no_sketch() {
    assert_eq!(BodySketch::of(""), None);
    assert_eq!(BodySketch::of("The crossing was calm on Monday."), None);
    assert_eq!(BodySketch::of(&"Ferry and harbour. ".repeat(50_000)), None);
    assert!(BodySketch::of(&"長".repeat(10_000)).is_none());
}

/// A text of the maximum size is sampled like any other.
#[test]
fn a_large_text_has_a_small_sketch() {
    let large: String = (0..150_000).map(|number| format!("w{number} ")).collect();
    let sketch = BodySketch::of(&large).expect("long enough");
    assert!(sketch.encode().len() <= 345);
    let cut = BodySketch::of(&large[..large.len() * 3 / 4]).expect("long enough");
    assert!(sketch.compare(&cut).is_copy());
}

/// Sketches are stored: the hashes must be equal in every version.
#[test]
fn hashes_do_not_change() {
    let sketch = BodySketch::of(WEATHER[0]).expect("long enough");
    assert_eq!(sketch.anchors()[0], 265_317_688_022_871_489);
}
