//! Counts and lead of a story, from the facts about its articles.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::facts::Facts;
use crate::article::{ArticleId, StoryId};

/// Article of a story, as it is counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// Article.
    pub id: ArticleId,
    /// Time by which it is ordered, in microseconds since 1970.
    pub time: i64,
    /// Source, folded.
    pub source: Arc<str>,
    /// News agency, folded; empty if there is none.
    pub agency: Arc<str>,
    /// True if the agency has published it itself.
    pub is_of_agency: bool,
    /// Language (BCP 47).
    pub language: Arc<str>,
    /// Section, folded.
    pub section: Arc<str>,
    /// Urgency, from 1 (most urgent) to 9; 0 if it is not stated.
    pub urgency: u8,
    /// Number of its text: equal for copies.
    pub text: u64,
}

/// Names that many articles have, each in memory once.
#[derive(Default)]
pub struct Names(HashSet<Arc<str>>);

impl Names {
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

impl Counted {
    /// Creates the entry of an article.
    pub fn of(id: ArticleId, facts: &Facts, names: &mut Names) -> Self {
        Self {
            id,
            time: facts.time,
            source: names.shared(&facts.source),
            agency: names.shared(&facts.agency),
            is_of_agency: facts.is_of_agency(),
            language: names.shared(&facts.language),
            section: names.shared(&facts.section),
            urgency: u8::try_from(facts.urgency).unwrap_or(0),
            text: facts.text,
        }
    }

    /// Returns the source that it counts for: its agency, else its publisher.
    fn origin(&self) -> &str {
        if self.agency.is_empty() { &self.source } else { &self.agency }
    }
}

/// Story, as of the articles that count.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Story.
    pub id: StoryId,
    /// Articles that may be shown, the lead first: then the first one with each other text, those of other sources
    /// before others, the latest first.
    pub articles: Vec<ArticleId>,
    /// Number of articles.
    pub article_count: usize,
    /// Number of independent sources.
    pub source_count: usize,
    /// Number of articles that are copies of another one of them.
    pub copy_count: usize,
    /// Time of the earliest article, in microseconds since 1970.
    pub first_time: i64,
    /// Time of the latest one.
    pub latest_time: i64,
    /// Languages, the most frequent first; the earlier ones of equally frequent ones by the alphabet.
    pub languages: Vec<String>,
    /// Times at which independent sources reported first, ascending.
    pub report_times: Vec<i64>,
    /// The highest urgency, from 1 (most urgent) to 9; 0 if none is stated.
    pub urgency: u32,
    /// Recent reads of its articles, as a share of those of the most read article, from 0 to 1. Only in an order by
    /// score; else 0.
    pub read_share: f64,
}

/// Text of one or more articles of a story.
struct Text<'f> {
    /// Earliest article, and its facts.
    first: &'f Counted,
    copies: usize,
    /// Agency of any of its articles.
    agency: &'f str,
}

impl Summary {
    /// Summarizes the articles of a story that count. None if there is none.
    pub fn of<'f>(id: StoryId, articles: impl Iterator<Item = &'f Counted>) -> Option<Self> {
        let mut ordered: Vec<&Counted> = articles.collect();
        ordered.sort_by(|one, other| (one.time, &one.id).cmp(&(other.time, &other.id)));
        let (first, last) = (ordered.first()?, ordered.last()?);
        let lead = ordered.iter().find(|article| article.is_of_agency).unwrap_or(first);
        let (texts, languages) = (texts(&ordered), languages(&ordered));
        let mut origins: BTreeMap<&str, i64> = BTreeMap::new();
        for text in texts.values() {
            let origin = if text.agency.is_empty() { &*text.first.source } else { text.agency };
            let time = text.first.time;
            origins.entry(origin).and_modify(|earliest| *earliest = time.min(*earliest)).or_insert(time);
        }
        let mut report_times: Vec<i64> = origins.values().copied().collect();
        report_times.sort_unstable();
        let mut others: Vec<&Text<'_>> = texts.values().filter(|text| text.first.text != lead.text).collect();
        others.sort_by(|one, other| (other.first.time, &other.first.id).cmp(&(one.first.time, &one.first.id)));
        let mut seen = BTreeSet::from([lead.origin()]);
        // Other sources first: each is another angle.
        let (angles, rest): (Vec<&Text<'_>>, Vec<&Text<'_>>) =
            others.into_iter().partition(|text| seen.insert(text.first.origin()));
        let shown = angles.into_iter().chain(rest).map(|text| text.first.id.clone());
        Some(Self {
            id,
            articles: std::iter::once(lead.id.clone()).chain(shown).collect(),
            article_count: ordered.len(),
            source_count: origins.len(),
            copy_count: texts.values().map(|text| text.copies).sum(),
            first_time: first.time,
            latest_time: last.time,
            languages,
            urgency: ordered.iter().map(|it| it.urgency).filter(|urgency| *urgency > 0).min().unwrap_or(0).into(),
            report_times,
            read_share: 0.0,
        })
    }
}

fn texts<'f>(ordered: &[&'f Counted]) -> BTreeMap<u64, Text<'f>> {
    let mut texts: BTreeMap<u64, Text<'f>> = BTreeMap::new();
    for article in ordered {
        let agency = &*article.agency;
        match texts.get_mut(&article.text) {
            Some(text) => {
                text.copies += 1;
                text.agency = if text.agency.is_empty() { agency } else { text.agency };
            }
            None => {
                texts.insert(article.text, Text { first: article, copies: 0, agency });
            }
        }
    }
    texts
}

fn languages(ordered: &[&Counted]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for article in ordered.iter().filter(|article| !article.language.is_empty()) {
        *counts.entry(&*article.language).or_default() += 1;
    }
    let mut languages: Vec<(&str, usize)> = counts.into_iter().collect();
    languages.sort_by(|(_, one), (_, other)| other.cmp(one));
    languages.into_iter().map(|(language, _)| language.to_owned()).collect()
}
