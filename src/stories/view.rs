//! The recent stories in memory, as of the memberships that this replica has read.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::facts::Facts;
use super::rank::score;
use super::summary::{Counted, Names, Summary};
use crate::article::{ArticleId, StoryId, fold};
use crate::read_counts::DecayedReads;

/// Condition on the articles that count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct StoryFilter {
    /// Sources, folded; any if empty.
    pub sources: Vec<String>,
    /// Languages, folded: `en` also matches `en-gb`; any if empty.
    pub languages: Vec<String>,
    /// Sections, folded; any if empty.
    pub sections: Vec<String>,
    /// Minimum number of independent sources.
    pub min_source_count: usize,
}

impl StoryFilter {
    fn counts(&self, article: &Counted) -> bool {
        let has = |values: &[String], value: &str| values.is_empty() || values.iter().any(|wanted| wanted == value);
        has(&self.sources, &article.source) && has(&self.sections, &article.section) && self.has_language(article)
    }

    fn has_language(&self, article: &Counted) -> bool {
        let language = || fold(&article.language);
        let is = |wanted: &String, language: &str| {
            language.strip_prefix(wanted.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        self.languages.is_empty() || {
            let language = language();
            self.languages.iter().any(|wanted| is(wanted, &language))
        }
    }
}

/// Order of stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoryOrder {
    /// The one with the latest article first.
    Latest,
    /// Highest score first, as of a time in microseconds since 1970.
    Score(i64),
}

/// Place in an order: what comes later has a greater one.
pub type Rank = (Reverse<i64>, StoryId);

/// Recent stories.
#[derive(Default)]
pub struct StoryView {
    stories: HashMap<StoryId, Vec<Counted>>,
    /// Stories of the articles in `stories`.
    story_of: HashMap<ArticleId, StoryId>,
    names: Names,
}

impl StoryView {
    /// Takes a membership. An article that is not readable counts in nothing.
    pub fn set(&mut self, article: &ArticleId, story: StoryId, facts: Option<&Facts>) {
        self.remove(article);
        if let Some(facts) = facts.filter(|facts| facts.is_readable) {
            let counted = Counted::of(article.clone(), facts, &mut self.names);
            self.stories.entry(story).or_default().push(counted);
            self.story_of.insert(article.clone(), story);
        }
    }

    fn remove(&mut self, article: &ArticleId) {
        let Some(story) = self.story_of.remove(article) else { return };
        if let Some(articles) = self.stories.get_mut(&story) {
            articles.retain(|counted| counted.id != *article);
            if articles.is_empty() {
                self.stories.remove(&story);
            }
        }
    }

    /// Returns the number of articles.
    pub fn article_count(&self) -> usize {
        self.story_of.len()
    }

    /// Returns the number of stories.
    pub fn story_count(&self) -> usize {
        self.stories.len()
    }

    /// Returns all stories that meet a filter, with their places, in order. Reads count in the order by score.
    pub fn ranked(&self, filter: &StoryFilter, order: StoryOrder, reads: &DecayedReads) -> Vec<(Rank, Summary)> {
        let min = filter.min_source_count.max(1);
        let read = match order {
            StoryOrder::Latest => HashMap::new(),
            StoryOrder::Score(_) => self.reads_by_story(filter, reads),
        };
        let summaries =
            self.stories.iter().filter(|(_, articles)| articles.len() >= min).filter_map(|(id, articles)| {
                let mut summary = Summary::of(*id, articles.iter().filter(|article| filter.counts(article)))?;
                summary.read_share = read.get(id).map_or(0.0, |of_story| reads.share(*of_story));
                let place = match order {
                    StoryOrder::Latest => summary.latest_time,
                    // The bits of numbers that are not negative are in their order.
                    StoryOrder::Score(now) => i64::from(score(&summary, now).to_bits()),
                };
                (summary.source_count >= min).then_some(((Reverse(place), *id), summary))
            });
        let mut ranked: Vec<(Rank, Summary)> = summaries.collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        ranked
    }

    /// Returns the reads of the articles that count, by their stories. The number of articles that are read is limited,
    /// that of all recent ones is not.
    fn reads_by_story(&self, filter: &StoryFilter, reads: &DecayedReads) -> HashMap<StoryId, f64> {
        let mut by_story: HashMap<StoryId, f64> = HashMap::new();
        for (article, count) in reads.iter() {
            let Some(story) = self.story_of.get(article) else { continue };
            let articles = self.stories.get(story);
            let counted = articles.and_then(|articles| articles.iter().find(|counted| counted.id == *article));
            if counted.is_some_and(|counted| filter.counts(counted)) {
                *by_story.entry(*story).or_default() += count;
            }
        }
        by_story
    }
}
