//! Invented articles of about 3 kB. Word frequencies are as in natural language, so that the search index has
//! realistic work.

use copydesk::proto::document::Payload;
use copydesk::proto::{Article, Author, Document};

/// Size of the vocabulary.
const WORDS: usize = 40_000;
const SYLLABLES: [&str; 20] = [
    "ba", "cor", "del", "en", "fi", "gra", "hol", "in", "ka", "lo", "mer", "nu", "or", "pa", "ri", "sta", "ter", "un",
    "ve", "za",
];

/// Random numbers, the same in every run (xorshift).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Returns a rank by Zipf's law: few words are common and most are rare.
    fn rank(&mut self) -> usize {
        let exponent = self.below(1_000_000) as f64 / 1e6;
        (WORDS as f64).powf(exponent) as usize - 1
    }
}

/// Returns the word of a rank.
fn word(mut rank: usize) -> String {
    let mut text = String::new();
    loop {
        text.push_str(SYLLABLES[rank % SYLLABLES.len()]);
        rank /= SYLLABLES.len();
        if rank == 0 {
            return text;
        }
    }
}

/// Returns a word of medium frequency.
pub fn mid_word(random: &mut Random) -> String {
    word(300 + random.below(3_000))
}

/// Returns a paragraph of about `bytes` bytes.
pub fn paragraph(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        let words = 6 + random.below(18);
        for at in 0..words {
            let word = word(random.rank());
            if at == 0 {
                let (first, rest) = word.split_at(1);
                text.push_str(&first.to_uppercase());
                text.push_str(rest);
            } else {
                text.push(' ');
                text.push_str(&word);
            }
        }
        text.push_str(". ");
    }
    text.truncate(text.trim_end().len());
    text
}

/// Documents with ready articles. Their texts are made beforehand, so that making them is not measured.
pub struct Articles {
    bodies: Vec<String>,
}

impl Articles {
    pub fn new() -> Self {
        let mut random = Random::new(3);
        let body = |random: &mut Random| (0..6).map(|_| paragraph(random, 460)).collect::<Vec<_>>().join("\n\n");
        Self { bodies: (0..4_096).map(|_| body(&mut random)).collect() }
    }

    /// Returns the text of a number: the words of two bodies in turn, so that no two texts are near-duplicates.
    fn body(&self, number: u64) -> String {
        let count = self.bodies.len() as u64;
        let other = (number * 7 + number / count * 1_031 + 1) % count;
        let [first, second] = [number % count, other].map(|at| self.bodies[at as usize].split(' '));
        let words = first.zip(second).enumerate();
        let words = words.map(|(at, (first, second))| if at % 2 == 0 { first } else { second });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Returns the article of a number. Each number has a different text.
    pub fn document(&self, number: u64) -> Document {
        let body = self.body(number);
        let article = Article {
            source: "herald.example".into(),
            url: format!("https://herald.example/news/{number}"),
            headline: format!("Harbour report number {number}: {}", &body[..48]),
            body: format!("This is the report numbered {number} from the harbour of Port Ellery.\n\n{body}"),
            language_code: "en".into(),
            authors: vec![Author::named(format!("Writer {}", number % 101))],
            section: ["World", "Local", "Sport", "Culture"][number as usize % 4].into(),
            tags: vec![format!("ferry-{}", number % 37), "harbour".into()],
            publish_time: Some(prost_types::Timestamp { seconds: 1_700_000_000 + number as i64, nanos: 0 }),
            ..Article::default()
        };
        Document { payload: Some(Payload::Article(article)), ..Document::default() }
    }

    /// Returns the article as a page with furniture.
    pub fn page(&self, number: usize) -> String {
        let body = &self.bodies[number % self.bodies.len()];
        let headline = format!("Harbour report number {number}: {}", &body[..48]);
        let text: String = body.split("\n\n").map(|text| format!("<p>{text}</p>\n")).collect();
        let teasers: String = (0..30)
            .map(|at| {
                let other = &self.bodies[(number + at * 31 + 1) % self.bodies.len()];
                format!(
                    "<li class=teaser><a href=\"/news/{at}\"><h3>{}</h3></a><p>{}</p></li>\n",
                    &other[..40],
                    &other[40..160]
                )
            })
            .collect();
        let menu: String = (0..40).map(|at| format!("<li><a href=\"/section/{at}\">Section {at}</a></li>")).collect();
        let style = ".x{color:#123}\n".repeat(600);
        format!(
            "<!doctype html><html lang=en><head><meta charset=utf-8><title>{headline} | The Harbour Herald</title>\
             <meta property=og:title content=\"{headline}\"><meta name=author content=\"Writer {}\">\
             <meta property=article:published_time content=\"2026-05-05T10:00:00Z\"><style>{style}</style></head><body>\
             <header><nav><ul>{menu}</ul></nav></header><main><article><h1>{headline}</h1>\
             <p class=byline>By Writer {}</p>\
             <p>The page numbered {number} has a paragraph of its own, as pages should.</p>\
             {text}</article><aside><h2>Top stories</h2><ul>{teasers}</ul></aside></main>\
             <footer><ul>{menu}</ul><p>Copyright The Harbour Herald</p></footer></body></html>",
            number % 101,
            number % 101,
        )
    }
}
