//! The measure of the public article-extraction-benchmark: F1 of mean precision and recall over runs of four words.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// An extracted article.
pub struct Prediction {
    pub body: String,
    pub title: String,
    pub authors: Vec<String>,
    /// Local day of publication.
    pub date: String,
    pub language: String,
}

/// Scores of a page.
pub struct Page {
    pub id: String,
    pub language: String,
    pub precision: f64,
    pub recall: f64,
    /// False if nothing was extracted: such a page has no precision.
    has_body: bool,
    /// Title, date and authors: None without a label.
    fields: [Option<bool>; 3],
}

impl Page {
    pub fn new(id: String, label: &Value, found: Option<Prediction>) -> Self {
        let labelled = |key: &str| label.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let found = found.unwrap_or_else(|| Prediction {
            body: String::new(),
            title: String::new(),
            authors: Vec::new(),
            date: String::new(),
            language: "none".to_owned(),
        });
        let (want, got) = (runs(labelled("articleBody").unwrap_or_default()), runs(&found.body));
        let common: usize = want.iter().map(|(run, count)| got.get(run).copied().unwrap_or(0).min(*count)).sum();
        let share = |runs: &HashMap<Vec<String>, usize>| common as f64 / runs.values().sum::<usize>().max(1) as f64;
        Self {
            precision: share(&got),
            recall: share(&want),
            has_body: !got.is_empty(),
            fields: [
                labelled("title").map(|title| folded(title) == folded(&found.title)),
                labelled("date").map(|date| date.get(..10) == Some(found.date.as_str())),
                labelled("authors").map(|authors| are_authors(authors, &found.authors)),
            ],
            language: found.language.split('-').next().unwrap_or_default().to_owned(),
            id,
        }
    }

    pub fn f1(&self) -> f64 {
        f1(self.precision, self.recall)
    }
}

/// Scores of several pages.
pub struct Table {
    pages: usize,
    precision: f64,
    recall: f64,
    fields: [Option<f64>; 3],
}

impl Table {
    pub const HEADER: &str = "set          pages     F1  precision  recall  title   date  authors  pages/s";

    pub fn of(pages: &[&Page]) -> Self {
        let mean = |sum: f64, count: usize| sum / count.max(1) as f64;
        let with_body: Vec<f64> = pages.iter().filter(|page| page.has_body).map(|page| page.precision).collect();
        Self {
            pages: pages.len(),
            precision: mean(with_body.iter().sum(), with_body.len()),
            recall: mean(pages.iter().map(|page| page.recall).sum(), pages.len()),
            fields: [0, 1, 2].map(|field| {
                let judged: Vec<bool> = pages.iter().filter_map(|page| page.fields[field]).collect();
                let right = judged.iter().filter(|right| **right).count();
                (!judged.is_empty()).then(|| right as f64 / judged.len() as f64)
            }),
        }
    }

    pub fn line(&self, name: &str) -> String {
        let fields = self.fields.map(|field| field.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}")));
        let [title, date, authors] = fields;
        format!(
            "{name:<12} {:>5}  {:.3}      {:.3}   {:.3}  {title:>5}  {date:>5}    {authors:>5}",
            self.pages,
            f1(self.precision, self.recall),
            self.precision,
            self.recall
        )
    }
}

fn f1(precision: f64, recall: f64) -> f64 {
    2.0 * precision * recall / (precision + recall).max(1e-9)
}

fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn folded(text: &str) -> Vec<String> {
    words(&text.to_lowercase())
}

fn runs(text: &str) -> HashMap<Vec<String>, usize> {
    let words = words(text);
    let mut runs = HashMap::new();
    for run in words.windows(words.len().clamp(1, 4)) {
        *runs.entry(run.to_vec()).or_default() += 1;
    }
    runs
}

/// Returns true if every labelled surname was found, and no more than one name too many.
fn are_authors(label: &str, found: &[String]) -> bool {
    let label = label.replace(" and ", ",");
    let wanted: Vec<String> = label.split(',').filter_map(|name| folded(name).pop()).collect();
    let all: Vec<String> = found.iter().flat_map(|name| folded(name)).collect();
    let known: HashSet<&String> = all.iter().collect();
    !all.is_empty() && wanted.iter().all(|name| known.contains(name)) && all.len() <= 3 * (wanted.len() + 1)
}
