//! Filters of lists, searches, watches and exports.

use jiff::Timestamp;

use super::clean::is_annotation_key;
use super::facet::media_value;
use super::url::host_name;
use super::{Digest, Facet, FacetKind, Query, StoryId, Violations, from_proto};
use crate::proto::{Article, ArticleFilter, ArticleState, MediaKind, MediaKindCondition, StringCondition};

/// Maximum number of values in one list of a condition.
const MAX_VALUES: usize = 100;
/// Maximum number of values in a filter. Each costs an index lookup for each article that is examined.
const MAX_ALL_VALUES: usize = 300;
/// Name of the condition on one article of each story.
const ONE_PER_STORY: &str = "filter.one_per_story";

/// Range of times, without its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeRange {
    /// First time of the range.
    pub start: Option<Timestamp>,
    /// First time after the range.
    pub end: Option<Timestamp>,
}

impl TimeRange {
    /// Returns true if neither end is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if the range includes a time.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start.is_none_or(|start| time >= start) && self.end.is_none_or(|end| time < end)
    }

    fn contains_proto(&self, time: Option<&prost_types::Timestamp>) -> bool {
        self.is_empty() || time.and_then(|time| from_proto(time).ok()).is_some_and(|time| self.contains(time))
    }
}

/// A validated filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Alternatives: one property of each must match.
    pub any_of: Vec<Vec<Facet>>,
    /// Properties of which none must match.
    pub none_of: Vec<Facet>,
    /// Range of publish times, or of create times of articles without one.
    pub published: TimeRange,
    /// Range of create times.
    pub created: TimeRange,
    /// Range of update times.
    pub updated: TimeRange,
    /// A query that must match.
    pub query: Option<Query>,
    /// States; only readable articles if empty. The store checks them.
    pub states: Vec<ArticleState>,
    /// Digests of which an article must have one, if there is a condition on them.
    pub digests: Option<Vec<Digest>>,
    /// Digests of which an article must have none.
    pub not_digests: Vec<Digest>,
    /// Stories of which an article must be in one, if there is a condition on them. The store decides.
    pub stories: Option<Vec<StoryId>>,
    /// Stories of which an article must be in none. The store decides.
    pub not_stories: Vec<StoryId>,
    /// True for one article of those with the same text, the earliest of those that match. The store decides.
    pub one_per_text: bool,
    /// True for one article of each story: the earliest of those that match, if the store decides.
    pub one_per_story: bool,
}

impl Filter {
    /// Validates a filter of the API. Fields in errors begin with `filter.`.
    pub fn parse(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let Some(filter) = filter else {
            return Ok(Self::default());
        };
        // Without `..`: a condition that is not read would match every article.
        let ArticleFilter {
            sources,
            hosts,
            languages,
            sections,
            tags,
            authors,
            agencies,
            media_kinds,
            start_publish_time,
            end_publish_time,
            start_create_time,
            end_create_time,
            start_update_time,
            end_update_time,
            text,
            states,
            content_digests,
            one_per_text,
            annotations,
            stories,
            one_per_story,
        } = filter;
        let mut conditions = Conditions::default();
        conditions.strings("sources", FacetKind::Source, sources.as_ref());
        conditions.strings("hosts", FacetKind::Host, hosts.as_ref());
        conditions.strings("languages", FacetKind::Language, languages.as_ref());
        conditions.strings("sections", FacetKind::Section, sections.as_ref());
        conditions.strings("tags", FacetKind::Tag, tags.as_ref());
        conditions.strings("authors", FacetKind::Author, authors.as_ref());
        conditions.strings("agencies", FacetKind::Agency, agencies.as_ref());
        conditions.media(media_kinds.as_ref());
        conditions.strings("annotations", FacetKind::Annotation, annotations.as_ref());
        let (digests, not_digests) = conditions.only_one("content_digests", Digest::parse, content_digests.as_ref());
        if stories.as_ref().is_some_and(|stories| !stories.all_of.is_empty()) {
            let expected = "must be empty: an article is in one story at most; use any_of";
            conditions.violations.add("filter.stories.all_of", expected);
        }
        let (stories, not_stories) = conditions.only_one("stories", StoryId::from_name, stories.as_ref());
        let Conditions { any_of, none_of, values, mut violations } = conditions;
        if values > MAX_ALL_VALUES {
            violations
                .add("filter", format!("has {values} values, must have at most {MAX_ALL_VALUES} in all conditions"));
        }
        let mut range = |name, start, end| time_range(&mut violations, name, start, end);
        let published = range("publish_time", start_publish_time, end_publish_time);
        let created = range("create_time", start_create_time, end_create_time);
        let updated = range("update_time", start_update_time, end_update_time);
        let query = match text.as_str() {
            "" => None,
            text => Query::parse(text, "filter.text").map_err(|inner| violations.0.extend(inner.0)).ok(),
        };
        let states = known_states(states, &mut violations);
        let (one_per_text, one_per_story) = (*one_per_text, *one_per_story);
        let has_other_states = states.iter().any(|state| *state != ArticleState::Active);
        for (field, is_set) in [("filter.one_per_text", one_per_text), (ONE_PER_STORY, one_per_story)] {
            if is_set && has_other_states {
                violations.add(field, "must be false with states other than ACTIVE");
            }
        }
        if one_per_text && one_per_story {
            violations.add(ONE_PER_STORY, "must be false with one_per_text");
        }
        violations.or(Self {
            any_of,
            none_of,
            published,
            created,
            updated,
            query,
            states,
            digests,
            not_digests,
            stories,
            not_stories,
            one_per_text,
            one_per_story,
        })
    }

    /// Validates the filter of a method that shows one article or several of a story, but does not choose one.
    pub fn parse_for_all(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let filter = Self::parse(filter)?;
        match filter.one_per_story {
            false => Ok(filter),
            true => {
                Err(Violations::one(ONE_PER_STORY, "must be false: only ListArticles and SearchArticles choose one"))
            }
        }
    }

    /// Validates the filter of a stream of the change feed or of a snapshot: of readable articles, by properties that a
    /// revision has.
    pub fn parse_for_stream(filter: Option<&ArticleFilter>) -> Result<Self, Violations> {
        let filter = Self::parse_for_all(filter)?;
        let mut violations = Violations::default();
        if !filter.states.is_empty() {
            violations.add("filter.states", "must be empty: only lists, searches and counts select by state");
        }
        if filter.has_stories() {
            let expected = "must be unset: only lists, searches and counts select by story; use ListStoryArticles";
            violations.add("filter.stories", expected);
        }
        violations.or(filter)
    }

    /// Returns true if there is a condition on stories.
    pub fn has_stories(&self) -> bool {
        self.stories.is_some() || !self.not_stories.is_empty()
    }

    /// Returns true if the filter matches every article.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the number of index lookups that checking one article may take.
    pub fn cost(&self) -> usize {
        let ranges = [self.created, self.updated].into_iter().filter(|range| !range.is_empty()).count();
        let values = self.any_of.iter().map(Vec::len).sum::<usize>() + self.none_of.len() + self.not_digests.len();
        // All stories are compared with one lookup.
        let stories = [self.stories.is_some(), !self.not_stories.is_empty()].into_iter().filter(|is_set| *is_set);
        let cost = values + ranges + stories.count();
        // Compares with the other articles that have the text, or are in the story. Most texts and stories have few.
        match (self.one_per_text, self.one_per_story) {
            (_, true) => (cost + 2) * 8,
            (true, false) => (cost + 1) * 4,
            (false, false) => cost,
        }
    }

    /// Returns true if an article matches, apart from the conditions on stories and `one_per_text`. Agrees with the
    /// stores' queries.
    pub fn matches(&self, article: &Article) -> bool {
        if self.is_empty() {
            return true;
        }
        // Without `..`: a condition that is not checked would match every article.
        let Self {
            any_of,
            none_of,
            published,
            created,
            updated,
            query,
            states: _,
            digests,
            not_digests,
            stories: _,
            not_stories: _,
            one_per_text: _,
            one_per_story: _,
        } = self;
        let digest = Digest::parse(&article.content_digest).ok();
        let is_in = |digests: &[Digest]| digest.is_some_and(|digest| digests.contains(&digest));
        let facets = Facet::of(article);
        let has = |facet: &Facet| facets.binary_search(facet).is_ok();
        any_of.iter().all(|any| any.iter().any(has))
            && !none_of.iter().any(has)
            && digests.as_ref().is_none_or(|digests| is_in(digests))
            && !is_in(not_digests)
            && published.contains_proto(article.publish_time.as_ref().or(article.create_time.as_ref()))
            && created.contains_proto(article.create_time.as_ref())
            && updated.contains_proto(article.update_time.as_ref())
            && query.as_ref().is_none_or(|query| query.matches(article))
    }
}

/// Conditions on properties, as they are collected.
#[derive(Default)]
struct Conditions {
    any_of: Vec<Vec<Facet>>,
    none_of: Vec<Facet>,
    values: usize,
    violations: Violations,
}

impl Conditions {
    fn strings(&mut self, name: &str, kind: FacetKind, condition: Option<&StringCondition>) {
        let Some(StringCondition { any_of, all_of, none_of }) = condition else { return };
        let value = |value: &String| match kind {
            FacetKind::Host => host_name(value),
            FacetKind::Annotation => annotation(value),
            _ => Some(Facet::comparable(kind, value)).filter(|value| !value.is_empty()).ok_or("must not be empty"),
        };
        self.add(name, kind, [any_of, all_of, none_of].map(|values| values.iter().map(value).collect()));
    }

    fn media(&mut self, condition: Option<&MediaKindCondition>) {
        let Some(MediaKindCondition { any_of, all_of, none_of }) = condition else { return };
        let value = |kind: &i32| {
            let known = MediaKind::try_from(*kind).ok().and_then(media_value);
            known.map(str::to_owned).ok_or("must be a kind of media: IMAGE, VIDEO or AUDIO")
        };
        let lists = [any_of, all_of, none_of].map(|values| values.iter().map(value).collect());
        self.add("media_kinds", FacetKind::Media, lists);
    }

    /// Returns the values of which an article must have one, and those of which it must have none, for a property of
    /// which an article has one value: its digest, or its story.
    fn only_one<T: Copy + Ord>(
        &mut self,
        field: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
        condition: Option<&StringCondition>,
    ) -> (Option<Vec<T>>, Vec<T>) {
        let Some(StringCondition { any_of, all_of, none_of }) = condition else { return (None, Vec::new()) };
        let mut parse = |name: &str, values: &[String]| {
            self.count(&format!("{field}.{name}"), values.len());
            let mut parsed = Vec::new();
            for (at, value) in values.iter().enumerate().take(MAX_VALUES) {
                match parse(value) {
                    Ok(value) => parsed.push(value),
                    Err(expected) => self.violations.add(format!("filter.{field}.{name}[{at}]"), expected),
                }
            }
            parsed.sort_unstable();
            parsed.dedup();
            parsed
        };
        let (any, all, none) = (parse("any_of", any_of), parse("all_of", all_of), parse("none_of", none_of));
        // Two different ones are required of none.
        let required = match (any_of.is_empty(), all.as_slice()) {
            (true, []) => None,
            (false, []) => Some(any),
            (true, [value]) => Some(vec![*value]),
            (false, [value]) if any.contains(value) => Some(vec![*value]),
            _ => Some(Vec::new()),
        };
        (required.map(|required| required.into_iter().filter(|value| !none.contains(value)).collect()), none)
    }

    fn count(&mut self, name: &str, values: usize) {
        self.values += values;
        if values > MAX_VALUES {
            self.violations.add(format!("filter.{name}"), format!("must have at most {MAX_VALUES} values"));
        }
    }

    fn add(&mut self, name: &str, kind: FacetKind, lists: [Vec<Result<String, &'static str>>; 3]) {
        let [any_of, all_of, none_of] = lists;
        let any_of = self.facets(&format!("{name}.any_of"), kind, any_of);
        let all_of = self.facets(&format!("{name}.all_of"), kind, all_of);
        let none_of = self.facets(&format!("{name}.none_of"), kind, none_of);
        if !any_of.is_empty() {
            self.any_of.push(any_of);
        }
        self.any_of.extend(all_of.into_iter().map(|facet| vec![facet]));
        self.none_of.extend(none_of);
    }

    fn facets(&mut self, name: &str, kind: FacetKind, values: Vec<Result<String, &'static str>>) -> Vec<Facet> {
        self.count(name, values.len());
        let mut facets = Vec::new();
        for (at, value) in values.into_iter().enumerate().take(MAX_VALUES) {
            match value {
                Ok(value) => facets.push(Facet { kind, value }),
                Err(expected) => self.violations.add(format!("filter.{name}[{at}]"), expected),
            }
        }
        facets.sort_unstable();
        facets.dedup();
        facets
    }
}

/// Returns the value of a condition on annotations: `key`, or `key=value`.
fn annotation(text: &str) -> Result<String, &'static str> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let is_valid = is_annotation_key(key) && !value.contains('\0');
    is_valid.then(|| text.to_owned()).ok_or("must be the key of an annotation, or key=value")
}

fn time_range(
    violations: &mut Violations,
    name: &str,
    start: &Option<prost_types::Timestamp>,
    end: &Option<prost_types::Timestamp>,
) -> TimeRange {
    let mut time = |side: &str, value: &Option<prost_types::Timestamp>| {
        value.as_ref().and_then(|time| {
            from_proto(time).map_err(|expected| violations.add(format!("filter.{side}_{name}"), expected)).ok()
        })
    };
    let range = TimeRange { start: time("start", start), end: time("end", end) };
    if range.start.zip(range.end).is_some_and(|(start, end)| start > end) {
        violations.add(format!("filter.end_{name}"), format!("must not be before start_{name}"));
    }
    range
}

fn known_states(states: &[i32], violations: &mut Violations) -> Vec<ArticleState> {
    let mut known: Vec<ArticleState> = Vec::new();
    for (at, state) in states.iter().enumerate() {
        match ArticleState::try_from(*state) {
            Ok(ArticleState::Unspecified) | Err(_) => {
                violations.add(format!("filter.states[{at}]"), "must be a state of an article");
            }
            Ok(state) if !known.contains(&state) => known.push(state),
            Ok(_) => {}
        }
    }
    known
}
