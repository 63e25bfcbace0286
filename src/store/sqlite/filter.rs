//! Translation of filters to SQL.

use jiff::Timestamp;
use rusqlite::types::Value;

use super::facets::number_of;
use super::readers::Reader;
use super::story_tables;
use crate::article::{Digest, Filter, StoryId, TimeRange};
use crate::store::enum_codes::{head, in_states};

/// Time of the newest change of `articles a`.
const UPDATED: &str = "(SELECT u.time FROM changes u WHERE u.position = a.position)";
/// Digest of its text.
const DIGEST: &str = "(SELECT d.digest FROM changes d WHERE d.position = a.position)";
/// Its story; null if it is in none.
const STORY: &str = "(SELECT m.story FROM story_members m WHERE m.article = a.key)";

/// Parameter values of a statement under construction; the first is the time at which articles must be readable.
pub(super) struct Values(pub(super) Vec<Value>);

impl Values {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(vec![Value::Integer(now.as_microsecond())])
    }

    /// Adds a value. Returns its parameter.
    pub(super) fn add(&mut self, value: impl Into<Value>) -> String {
        self.0.push(value.into());
        format!("?{}", self.0.len())
    }

    /// Adds digests. Returns a list of their parameters.
    fn digests(&mut self, digests: &[Digest]) -> String {
        let digests: Vec<String> = digests.iter().map(|digest| self.add(digest.0.to_vec())).collect();
        digests.join(", ")
    }

    /// Adds stories. Returns a list of their parameters.
    pub(super) fn stories(&mut self, stories: &[StoryId]) -> String {
        let stories: Vec<String> =
            stories.iter().map(|story| self.add(story.as_uuid().into_bytes().to_vec())).collect();
        stories.join(", ")
    }

    /// Returns the conditions that a time is in a range.
    pub(super) fn range(&mut self, time: &str, range: &TimeRange) -> Vec<String> {
        let ends = [(range.start, ">="), (range.end, "<")].into_iter();
        let ends = ends.filter_map(|(end, sign)| Some((end?, sign)));
        ends.map(|(end, sign)| format!("{time} {sign} {}", self.add(end.as_microsecond()))).collect()
    }
}

/// Conditions of a filter on facets, as their numbers, and on stories, as they are called now.
pub(super) struct Conditions {
    /// Facets of which an article must have one, in the order of the filter's conditions.
    pub(super) any_of: Vec<Vec<i64>>,
    /// Facets of which it must have none.
    none_of: Vec<i64>,
    /// Stories of which it must be in one, if there is a condition on them.
    pub(super) stories: Option<Vec<StoryId>>,
    /// Stories of which it must be in none.
    not_stories: Vec<StoryId>,
}

impl Conditions {
    /// Resolves the conditions of a filter. Returns none if nothing can match.
    pub(super) fn of(reader: &Reader, filter: &Filter) -> rusqlite::Result<Option<Self>> {
        if filter.digests.as_ref().is_some_and(Vec::is_empty) || filter.stories.as_ref().is_some_and(Vec::is_empty) {
            return Ok(None);
        }
        let present = |stories: &[StoryId]| story_tables::present(&reader.connection, stories);
        let stories = filter.stories.as_deref().map(present).transpose()?;
        let not_stories = present(&filter.not_stories)?;
        let mut any_of = Vec::with_capacity(filter.any_of.len());
        for any in &filter.any_of {
            let mut numbers = Vec::new();
            for facet in any {
                numbers.extend(number_of(&reader.connection, facet)?);
            }
            if numbers.is_empty() {
                return Ok(None);
            }
            any_of.push(numbers);
        }
        let mut none_of = Vec::new();
        for facet in &filter.none_of {
            none_of.extend(number_of(&reader.connection, facet)?);
        }
        Ok(Some(Self { any_of, none_of, stories, not_stories }))
    }

    /// Returns the conditions of a filter on `articles a`, except for those of [`Self::selected`] and the one that is
    /// walked.
    pub(super) fn sql(&self, values: &mut Values, filter: &Filter, walked: Option<usize>) -> Vec<String> {
        let mut conditions = self.of_article(values, filter, walked);
        if filter.one_per_text || filter.one_per_story {
            let mut of_other = vec![in_states(&filter.states, "?1")];
            of_other.extend(self.selected(values, filter));
            of_other.extend(self.of_article(values, filter, None));
            let of_other = of_other.join(" AND ").replace("a.", "o.");
            let is_first_with_text = format!(
                "NOT EXISTS (SELECT 1 FROM articles o JOIN changes t ON t.position = o.position
                 WHERE o.digest_head = a.digest_head AND t.digest = {DIGEST}
                 AND (o.sort_time, o.id) < (a.sort_time, a.id) AND {of_other})"
            );
            // Last, since it costs most.
            conditions.push(match filter.one_per_story {
                false => is_first_with_text,
                true => format!(
                    "NOT EXISTS (SELECT 1 FROM story_members t CROSS JOIN articles o ON o.key = t.article
                     WHERE t.story = {STORY} AND (o.sort_time, o.id) < (a.sort_time, a.id) AND {of_other})
                     AND ({STORY} IS NOT NULL OR {is_first_with_text})"
                ),
            });
        }
        conditions
    }

    /// Returns the conditions of a filter on `articles a` that an index serves: those on its digest and its story.
    pub(super) fn selected(&self, values: &mut Values, filter: &Filter) -> Vec<String> {
        let mut conditions = Vec::new();
        if let Some(digests) = &filter.digests {
            let heads: Vec<String> = digests.iter().map(|digest| head(digest).to_string()).collect();
            conditions.push(format!("a.digest_head IN ({})", heads.join(", ")));
            conditions.push(format!("{DIGEST} IN ({})", values.digests(digests)));
        }
        if let Some(stories) = &self.stories {
            conditions.push(format!("{STORY} IN ({})", values.stories(stories)));
        }
        conditions
    }

    fn of_article(&self, values: &mut Values, filter: &Filter, walked: Option<usize>) -> Vec<String> {
        // Without `..`: a condition that is not translated would match every article. `self` has those of `any_of`,
        // `none_of` and stories; the search index evaluates `query`.
        let Filter {
            any_of: _,
            none_of: _,
            published,
            created,
            updated,
            query: _,
            states: _,
            digests: _,
            not_digests,
            stories: _,
            not_stories: _,
            one_per_text: _,
            one_per_story: _,
        } = filter;
        let others = self.any_of.iter().enumerate().filter(|(at, _)| Some(*at) != walked);
        let mut conditions: Vec<String> = others.map(|(_, numbers)| has_one_of(numbers)).collect();
        if !self.none_of.is_empty() {
            conditions.push(format!("NOT {}", has_one_of(&self.none_of)));
        }
        conditions.extend(values.range("a.sort_time", published));
        conditions.extend(values.range("a.created", created));
        conditions.extend(values.range(UPDATED, updated));
        if !not_digests.is_empty() {
            conditions.push(format!("{DIGEST} NOT IN ({})", values.digests(not_digests)));
        }
        if !self.not_stories.is_empty() {
            conditions.push(format!("coalesce({STORY} NOT IN ({}), 1)", values.stories(&self.not_stories)));
        }
        conditions
    }
}

fn has_one_of(numbers: &[i64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
    format!(
        "EXISTS (SELECT 1 FROM facets x WHERE x.facet IN ({}) AND x.sort_time = a.sort_time AND x.article = a.key)",
        numbers.join(", ")
    )
}
