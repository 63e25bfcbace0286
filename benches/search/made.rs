//! Made articles of about 3 kB, with words as frequent as in news: some common words have fixed frequencies.

use copydesk::proto::{Article, Author};
use jiff::{Timestamp, ToSpan};

/// Size of the vocabulary.
const VOCABULARY: usize = 200_000;
const SYLLABLES: [&str; 20] = [
    "ba", "cor", "del", "en", "fi", "gra", "hol", "in", "ka", "lo", "mer", "nu", "or", "pa", "ri", "sta", "ter", "un",
    "ve", "za",
];
/// Words in a body.
const WORDS: usize = 450;
/// Share of the articles, per thousand, that have each of these words: as `said` and `government` in news.
pub const FREQUENT: [(&str, u64); 3] = [("said", 450), ("government", 105), ("harbour", 20)];

/// Random numbers, the same in every run (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random.below(2);
        random
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Returns the word of a rank.
pub fn word(mut rank: usize) -> String {
    let mut text = String::new();
    loop {
        text.push_str(SYLLABLES[rank % SYLLABLES.len()]);
        rank /= SYLLABLES.len();
        if rank == 0 {
            return text;
        }
    }
}

/// Returns a word by Zipf's law: few words are common and most are rare.
fn any_word(random: &mut Random) -> String {
    let exponent = random.below(1_000_000) as f64 / 1e6;
    word((VOCABULARY as f64).powf(exponent) as usize - 1)
}

/// Returns the article with a number, and the time of its publication.
pub fn article(number: u64) -> (Article, Timestamp) {
    let mut random = Random::new(number);
    let mut body = String::with_capacity(3_200);
    let mut frequent: Vec<(u64, &str)> = FREQUENT
        .iter()
        .filter(|(_, share)| random.below(1_000) < *share)
        .map(|(word, _)| (random_place(number, word), *word))
        .collect();
    frequent.sort_unstable();
    for at in 0..WORDS as u64 {
        if let Some((_, word)) = frequent.iter().find(|(place, _)| *place == at) {
            body.push_str(word);
            body.push(' ');
        }
        body.push_str(&any_word(&mut random));
        body.push_str(match at % 90 {
            89 => ".\n\n",
            29 | 59 => ". ",
            _ => " ",
        });
    }
    let headline: Vec<String> = (0..8).map(|_| any_word(&mut random)).collect();
    let source = format!("source{}.example", random.below(200));
    let author = format!("{} {}", word(random.below(400) as usize), word(random.below(400) as usize + 500));
    let article = Article {
        headline: headline.join(" "),
        body,
        source: source.clone(),
        host: source,
        section: word(random.below(30) as usize),
        tags: (0..3).map(|_| word(random.below(5_000) as usize + 1_000)).collect(),
        authors: vec![Author { name: author, ..Author::default() }],
        language_code: "en".to_owned(),
        ..Article::default()
    };
    let start: Timestamp = "2020-01-01T00:00:00Z".parse().expect("the time is valid");
    (article, start + (random.below(6 * 365 * 24 * 60) as i64).minutes())
}

fn random_place(number: u64, word: &str) -> u64 {
    Random::new(number ^ (word.len() as u64 * 0x1234_5678)).below(WORDS as u64)
}
