//! Translation of filters to SQL.

use jiff::Timestamp;
use tokio_postgres::types::{ToSql, Type};

use super::pool::Param;
use super::rows::facet_number;
use super::story_tables::present;
use crate::article::{Digest, Facet, Filter, StoryId, TimeRange};
use crate::store::enum_codes::{head, in_states};

/// Time of the newest change of `articles a`.
const UPDATED: &str = "(SELECT u.time FROM copydesk.changes u WHERE u.position = a.position)";
/// Its story; null if it is in none.
const STORY: &str = "(SELECT m.story FROM copydesk.story_members m WHERE m.article = a.key)";

/// Parameter values of a statement under construction; the first is the time at which articles must be readable.
pub(super) struct Values(Vec<(Box<dyn ToSql + Sync + Send>, Type)>);

impl Values {
    pub(super) fn new(now: Timestamp) -> Self {
        Self(vec![(Box::new(now.as_microsecond()), Type::INT8)])
    }

    /// Adds a value and returns its parameter.
    pub(super) fn add<T: ToSql + Sync + Send + 'static>(&mut self, value: T, of: Type) -> String {
        self.0.push((Box::new(value), of));
        format!("${}", self.0.len())
    }

    pub(super) fn number(&mut self, value: i64) -> String {
        self.add(value, Type::INT8)
    }

    /// Returns the conditions that a time is in a range.
    pub(super) fn range(&mut self, time: &str, range: &TimeRange) -> Vec<String> {
        let ends = [(range.start, ">="), (range.end, "<")].into_iter();
        let ends = ends.filter_map(|(end, sign)| Some((end?, sign)));
        ends.map(|(end, sign)| format!("{time} {sign} {}", self.number(end.as_microsecond()))).collect()
    }

    fn digests(&mut self, digests: &[Digest]) -> String {
        self.add(digests.iter().map(|digest| digest.0.to_vec()).collect::<Vec<_>>(), Type::BYTEA_ARRAY)
    }

    /// Adds names of stories. Returns the array of the stories.
    pub(super) fn stories(&mut self, stories: &[StoryId]) -> String {
        present(&self.add(stories.iter().map(StoryId::as_uuid).collect::<Vec<_>>(), Type::UUID_ARRAY))
    }

    fn facets(&mut self, facets: &[Facet]) -> String {
        self.add(facets.iter().map(facet_number).collect::<Vec<i64>>(), Type::INT8_ARRAY)
    }

    pub(super) fn params(&self) -> Vec<Param<'_>> {
        self.0.iter().map(|(value, of)| (&**value as &(dyn ToSql + Sync), of.clone())).collect()
    }
}

/// Builds the conditions of a filter on `articles a`, except for those of [`selected`], and the one whose lists are
/// walked.
pub(super) fn conditions(values: &mut Values, filter: &Filter, walked: Option<usize>) -> Vec<String> {
    let mut conditions = of_article(values, filter, walked);
    if filter.one_per_text || filter.one_per_story {
        let mut of_other = vec![in_states(&filter.states, "$1")];
        of_other.extend(selected(values, filter));
        of_other.extend(of_article(values, filter, None));
        let of_other = of_other.join(" AND ").replace("a.", "o.");
        let is_first_with_text = format!(
            "NOT EXISTS (SELECT FROM copydesk.articles o WHERE o.digest_head = a.digest_head AND o.digest = a.digest
             AND (o.sort_time, o.id) < (a.sort_time, a.id) AND {of_other})"
        );
        conditions.push(match filter.one_per_story {
            false => is_first_with_text,
            // OFFSET keeps the planner from joining all articles with all members.
            true => format!(
                "NOT EXISTS (SELECT FROM copydesk.story_members t JOIN copydesk.articles o ON o.key = t.article
                 WHERE t.story = {STORY} AND (o.sort_time, o.id) < (a.sort_time, a.id) AND {of_other} OFFSET 0)
                 AND ({STORY} IS NOT NULL OR {is_first_with_text})"
            ),
        });
    }
    conditions
}

fn of_article(values: &mut Values, filter: &Filter, walked: Option<usize>) -> Vec<String> {
    // Without `..`: a condition that is not translated would match every article. The search index evaluates `query`.
    let Filter {
        any_of,
        none_of,
        published,
        created,
        updated,
        query: _,
        states: _,
        digests: _,
        not_digests,
        stories: _,
        not_stories,
        one_per_text: _,
        one_per_story: _,
    } = filter;
    let others = any_of.iter().enumerate().filter(|(at, _)| Some(*at) != walked);
    let mut conditions: Vec<String> = others.map(|(_, any)| format!("a.facets && {}", values.facets(any))).collect();
    if !none_of.is_empty() {
        conditions.push(format!("NOT a.facets && {}", values.facets(none_of)));
    }
    conditions.extend(values.range("a.sort_time", published));
    conditions.extend(values.range("a.created", created));
    conditions.extend(values.range(UPDATED, updated));
    if !not_digests.is_empty() {
        conditions.push(format!("a.digest <> ALL({})", values.digests(not_digests)));
    }
    if !not_stories.is_empty() {
        conditions.push(format!("({STORY} = ANY({})) IS NOT TRUE", values.stories(not_stories)));
    }
    conditions
}

/// Builds the conditions of a filter on `articles a` that an index serves: those on its digest and its story.
pub(super) fn selected(values: &mut Values, filter: &Filter) -> Vec<String> {
    let mut conditions = Vec::new();
    if let Some(digests) = &filter.digests {
        let heads = values.add(digests.iter().map(head).collect::<Vec<i64>>(), Type::INT8_ARRAY);
        conditions.push(format!("a.digest_head = ANY({heads}) AND a.digest = ANY({})", values.digests(digests)));
    }
    if let Some(stories) = &filter.stories {
        conditions.push(format!("{STORY} = ANY({})", values.stories(stories)));
    }
    conditions
}
