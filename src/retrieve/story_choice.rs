//! Searches by story: the articles of the stories of a filter, and one result of each story.
//!
//! The index does not know stories. Those of a filter are resolved to the IDs of their articles first. For one result
//! of each story, the members of the stories of some candidates are read from the store, and ranked by the index like
//! the candidates: a candidate is shown if no readable one of its story comes first. So a page depends on no other
//! page.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::matching::is_shown;
use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, Filter, Record, StoryId};
use crate::search::{ArticleSet, Candidate, Ranking, Selection, TextHash, TimeKey, TopQuery};
use crate::store::{Consistency, StoreError};

/// Maximum number of articles of a story that are examined: those whose memberships changed first.
const MAX_OF_STORY: usize = 1_000;
/// Maximum number of copies, of all candidates that are in no story, that are examined.
const MAX_COPIES: usize = 10_000;
/// Maximum number of articles of a group that are read because those before it are not readable any more.
const MAX_READS: usize = 5;

/// Result that is shown of those of one story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The first in the order of the results.
    First,
    /// The earliest.
    Earliest,
}

/// Articles of which one is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Group {
    /// Those of a story.
    Story(StoryId),
    /// Those with the text of an article that is in no story.
    Text(TextHash),
}

/// Candidates for a page, with the articles that are shown of their groups.
pub(super) struct Chosen {
    /// The candidates that are shown, by their IDs.
    pub(super) records: HashMap<ArticleId, Arc<Record>>,
    /// Articles of the same groups that are not shown: later searches for the page need not find them.
    pub(super) others: ArticleSet,
}

impl Retrieval {
    /// Returns the selection of articles for the conditions of a filter on stories. Of each story it has at most 1,000
    /// articles.
    pub(super) async fn selection(&self, filter: &Filter) -> Result<Selection, StoreError> {
        let mut selection = Selection::default();
        if let Some(stories) = &filter.stories {
            selection.all_of.push(Arc::new(self.articles_of(stories).await?));
        }
        if !filter.not_stories.is_empty() {
            selection.none_of.push(Arc::new(self.articles_of(&filter.not_stories).await?));
        }
        Ok(selection)
    }

    async fn articles_of(&self, stories: &[StoryId]) -> Result<ArticleSet, StoreError> {
        let members = match stories.is_empty() {
            true => Vec::new(),
            false => self.store.articles_of_stories(stories, MAX_OF_STORY).await?,
        };
        Ok(ArticleSet::new(members.into_iter().map(|(_, article)| article).collect(), Vec::new()))
    }

    /// Chooses the candidates that are shown: of each story one of its articles, as the store has them now. `query` is
    /// the search that found them.
    pub(super) async fn choose(
        &self,
        candidates: &[Candidate],
        query: TopQuery,
        shown: Shown,
        consistency: Consistency,
    ) -> Result<Chosen, RetrieveError> {
        let ids: Vec<ArticleId> = candidates.iter().map(|candidate| candidate.id.clone()).collect();
        let stories = self.store.stories_of(&ids).await?;
        let found: BTreeSet<StoryId> = stories.iter().flatten().copied().collect();
        let found: Vec<StoryId> = found.into_iter().collect();
        let mut story_of: HashMap<ArticleId, StoryId> =
            ids.iter().cloned().zip(&stories).filter_map(|(id, story)| Some((id, (*story)?))).collect();
        if !found.is_empty() {
            let members = self.store.articles_of_stories(&found, MAX_OF_STORY).await?;
            story_of.extend(members.into_iter().map(|(story, article)| (article, story)));
        }
        let without_story = candidates.iter().filter(|candidate| !story_of.contains_key(&candidate.id));
        let texts: HashSet<TextHash> = without_story.map(|candidate| candidate.text).collect();
        let ranked = self.ranked(&ids, &story_of, &texts, query.clone(), shown).await?;
        // The articles of each group, in the order in which one of them is chosen.
        let mut groups: HashMap<Group, Vec<&Candidate>> = HashMap::new();
        for candidate in &ranked {
            if let Some(story) = story_of.get(&candidate.id) {
                groups.entry(Group::Story(*story)).or_default().push(candidate);
            }
            if texts.contains(&candidate.text) {
                groups.entry(Group::Text(candidate.text)).or_default().push(candidate);
            }
        }
        let chosen = self.first_readable(&groups, &query, consistency).await?;
        let group_of = |candidate: &Candidate| {
            story_of.get(&candidate.id).map_or(Group::Text(candidate.text), |story| Group::Story(*story))
        };
        let records = candidates.iter().filter_map(|candidate| {
            let record = chosen.get(&group_of(candidate)).filter(|record| record.id == candidate.id)?;
            Some((candidate.id.clone(), Arc::clone(record)))
        });
        let records: HashMap<ArticleId, Arc<Record>> = records.collect();
        let is_chosen: HashSet<&ArticleId> = chosen.values().map(|record| &record.id).collect();
        // A copy of which the story is not known may be the one that is shown of its story.
        let of_candidates: HashSet<&ArticleId> = ids.iter().collect();
        let is_known = |id: &ArticleId| story_of.contains_key(id) || of_candidates.contains(id);
        let others = ranked.iter().filter(|candidate| !is_chosen.contains(&candidate.id) && is_known(&candidate.id));
        let others = others.filter(|candidate| chosen.contains_key(&group_of(candidate)));
        let others = ArticleSet::new(others.map(|candidate| candidate.id.clone()).collect(), Vec::new());
        Ok(Chosen { records, others })
    }

    /// Ranks the articles of the groups of candidates that match.
    async fn ranked(
        &self,
        candidates: &[ArticleId],
        story_of: &HashMap<ArticleId, StoryId>,
        texts: &HashSet<TextHash>,
        query: TopQuery,
        shown: Shown,
    ) -> Result<Vec<Candidate>, StoreError> {
        let ids: Vec<ArticleId> = story_of.keys().chain(candidates).cloned().collect();
        let copies = if texts.is_empty() { 0 } else { MAX_COPIES };
        let limit = ids.len() + copies;
        let mut selection = query.selection.clone();
        selection.all_of.push(Arc::new(ArticleSet::new(ids, texts.iter().copied().collect())));
        let ranking = match shown {
            Shown::First => query.ranking,
            Shown::Earliest => Ranking::Time { key: TimeKey::Publish, descending: false },
        };
        let query = TopQuery { selection, ranking, after: None, limit, ..query };
        Ok(self.index.top(query).await?.candidates)
    }

    /// Reads the first article of each group that may be shown.
    async fn first_readable(
        &self,
        groups: &HashMap<Group, Vec<&Candidate>>,
        query: &TopQuery,
        consistency: Consistency,
    ) -> Result<HashMap<Group, Arc<Record>>, RetrieveError> {
        let mut chosen = HashMap::with_capacity(groups.len());
        for at in 0..MAX_READS {
            let next = groups.iter().filter(|(group, _)| !chosen.contains_key(*group));
            let next: Vec<(Group, &Candidate)> =
                next.filter_map(|(group, ranked)| Some((*group, *ranked.get(at)?))).collect();
            if next.is_empty() {
                break;
            }
            let ids: Vec<ArticleId> = next.iter().map(|(_, candidate)| candidate.id.clone()).collect();
            let records = self.store.get(&ids, consistency).await?;
            let clock = Timestamp::now();
            for ((group, candidate), fetched) in next.into_iter().zip(records) {
                let Some(record) = fetched.record else { continue };
                if is_shown(&record, &query.filter, query.query.as_ref(), candidate.position, clock)? {
                    chosen.insert(group, record);
                }
            }
        }
        Ok(chosen)
    }
}
