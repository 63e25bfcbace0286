//! The judged set: articles, queries, and the grades of articles for each query.

use std::collections::BTreeMap;
use std::path::Path;

use copydesk::proto::{Article, Author};
use jiff::Timestamp;
use serde::Deserialize;

use crate::Result;

#[derive(Clone, Debug, Deserialize)]
pub struct JudgedArticle {
    pub id: String,
    pub language: String,
    pub headline: String,
    pub subheadline: String,
    pub body: String,
    pub author: String,
    pub section: String,
    pub tags: Vec<String>,
    pub source: String,
    /// RFC 3339.
    pub publish_time: String,
}

#[derive(Clone, Debug, Deserialize)]
pub struct JudgedQuery {
    pub id: String,
    pub language: String,
    pub query: String,
    pub judgments: BTreeMap<String, u32>,
    pub kind: String,
}

pub struct JudgedSet {
    pub articles: Vec<JudgedArticle>,
    pub queries: Vec<JudgedQuery>,
}

impl JudgedSet {
    pub fn read(folder: &Path) -> Result<Self> {
        Ok(Self { articles: lines(&folder.join("articles.jsonl"))?, queries: lines(&folder.join("queries.jsonl"))? })
    }
}

pub fn lines<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Vec<T>> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", path.display(), at + 1).into())
        })
        .collect()
}

impl JudgedArticle {
    pub fn time(&self) -> Timestamp {
        self.publish_time.parse().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    pub fn article(&self) -> Article {
        Article {
            headline: self.headline.clone(),
            subheadline: self.subheadline.clone(),
            body: self.body.clone(),
            authors: vec![Author { name: self.author.clone(), ..Author::default() }],
            section: self.section.clone(),
            tags: self.tags.clone(),
            source: self.source.clone(),
            host: self.source.clone(),
            language_code: self.language.clone(),
            ..Article::default()
        }
    }
}

/// Returns the normalized discounted cumulative gain of the first 10 results, with gains of 2^grade − 1.
pub fn ndcg(results: &[String], judgments: &BTreeMap<String, u32>) -> f64 {
    let gain = |grade: u32| f64::from((1_u32 << grade) - 1);
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let found = results.iter().take(10).enumerate();
    let found: f64 = found.map(|(rank, id)| gain(judgments.get(id).copied().unwrap_or(0)) * discount(rank)).sum();
    let mut grades: Vec<u32> = judgments.values().copied().collect();
    grades.sort_unstable_by(|one, other| other.cmp(one));
    let ideal: f64 = grades.into_iter().take(10).enumerate().map(|(rank, grade)| gain(grade) * discount(rank)).sum();
    if ideal > 0.0 { found / ideal } else { 0.0 }
}
