//! The search index, compared with the model: results, orders, pages, counts and suggestions.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use copydesk::article::{ArticleId, Facet, FacetKind, Filter, Query};
use copydesk::proto::{Article, ArticleFilter, ArticleState, StringCondition};
use copydesk::search::{
    Aggregate, BucketKey, Buckets, Candidate, CountedField, Period, Ranking, Statistics, SuggestedField, TimeKey,
    ValueField,
};
use copydesk::store::Store;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::filters::every_condition;
use super::fixtures::{ingest, write};
use super::indexes::{Index, by_relevance};
use super::model::{Model, State};

/// Queries for the texts of random histories.
const TEXTS: &[&str] = &[
    "report",
    "reports -3",
    "wire OR calm",
    "\"ferry 1\" OR wire",
    "crossings",
    "fer* reuters",
    "headline:report (sea OR land)",
    "body:\"crossing calm\"~1",
    "author:\"writer 1\"",
    "source:herald harbour",
    "ferry -(1 report)",
    "w1x3 OR w2x4 OR none",
];

const FIELDS: [(ValueField, FacetKind); 8] = [
    (ValueField::Source, FacetKind::Source),
    (ValueField::Host, FacetKind::Host),
    (ValueField::Language, FacetKind::Language),
    (ValueField::Section, FacetKind::Section),
    (ValueField::Tag, FacetKind::Tag),
    (ValueField::Author, FacetKind::Author),
    (ValueField::Agency, FacetKind::Agency),
    (ValueField::Subject, FacetKind::Tag),
];

/// Beginnings of values, with and without errors.
const PREFIXES: [&str; 9] = ["s", "po", "herld", "mirr", "pt", "harb", "writer 1", "Reu", "1"];

/// States that editors select. Purged articles are not in the index.
const STATES: [ArticleState; 7] = [
    ArticleState::Active,
    ArticleState::Embargoed,
    ArticleState::Expired,
    ArticleState::Withdrawn,
    ArticleState::Deleted,
    ArticleState::Expected,
    ArticleState::Merged,
];

/// Returns the filters of a store, and those that only the index evaluates.
fn filters(model: &Model) -> Vec<Filter> {
    let none = ArticleFilter::default;
    let states = |states: &[ArticleState]| states.iter().map(|state| i32::from(*state)).collect::<Vec<_>>();
    let mut filters = every_condition(model);
    filters.extend([
        ArticleFilter { text: "(report -3) OR calm".into(), tags: Some(StringCondition::any_of(["sea"])), ..none() },
        ArticleFilter { text: "\"ferry 1\" OR wire".into(), one_per_text: true, ..none() },
        ArticleFilter { states: states(&STATES), ..none() },
        ArticleFilter { states: states(&STATES[1..3]), text: "ferry OR wire".into(), ..none() },
        ArticleFilter {
            states: states(&STATES[3..]),
            sources: Some(StringCondition::any_of(["herald.example"])),
            ..none()
        },
    ]);
    filters.iter().map(|filter| Filter::parse(Some(filter)).unwrap()).collect()
}

fn parse(text: &str) -> Query {
    Query::parse(text, "query").unwrap()
}

fn ids<'s>(states: impl IntoIterator<Item = &'s &'s State>) -> Vec<ArticleId> {
    states.into_iter().map(|state| state.id.clone()).collect()
}

/// Compares the index, which has every change, with the model.
pub async fn compare(index: &Index, model: &Model, now: Timestamp, limit: usize, choice: usize) {
    index.catch_up().await;
    let readable = Twin::of(model, now).await;
    for (number, filter) in filters(model).into_iter().enumerate() {
        let choice = choice + number;
        let query = parse(TEXTS[choice % TEXTS.len()]);
        let query = (!choice.is_multiple_of(3)).then_some(&query);
        let matching = model.matching(query, &filter, now);
        compare_results(index, &matching, query, &filter, now, limit).await;
        compare_orders(index, &matching, query, &filter, now, choice).await;
        compare_counts(index, &matching, query, &filter, now, limit).await;
        if filter.states.is_empty() {
            readable.compare(index, query, &filter, now, PREFIXES[choice % PREFIXES.len()]).await;
        }
    }
}

/// Checks that all results are found, also by pages, each with the same score.
async fn compare_results(
    index: &Index,
    matching: &[&State],
    query: Option<&Query>,
    filter: &Filter,
    now: Timestamp,
    limit: usize,
) {
    let top = index.top(query, filter, by_relevance(), now).await;
    let mut found: Vec<ArticleId> = top.candidates.iter().map(|candidate| candidate.id.clone()).collect();
    let mut expected = ids(matching);
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{query:?} {filter:?} at {now}");
    assert_eq!(top.total, expected.len() as u64, "{query:?} {filter:?}");
    let (mut paged, mut from) = (Vec::new(), None);
    loop {
        let page = index.page(query, filter, by_relevance(), now, from.take(), limit).await;
        assert_eq!((page.total, &page.statistics), (top.total, &top.statistics));
        from = page.candidates.last().map(|last| (last.cursor(), page.statistics));
        let is_last = page.candidates.len() < limit;
        paged.extend(page.candidates);
        if is_last {
            break;
        }
    }
    assert_eq!(scored(&paged), scored(&top.candidates), "{query:?} {filter:?} by {limit}");
}

fn scored(candidates: &[Candidate]) -> Vec<(&ArticleId, f32, u64)> {
    candidates.iter().map(|candidate| (&candidate.id, candidate.score, candidate.rank)).collect()
}

async fn compare_orders(
    index: &Index,
    matching: &[&State],
    query: Option<&Query>,
    filter: &Filter,
    now: Timestamp,
    choice: usize,
) {
    let key = [TimeKey::Publish, TimeKey::Create, TimeKey::Update][choice % 3];
    let mut expected = matching.to_vec();
    let time = |state: &State| match key {
        TimeKey::Publish => state.sort_time(),
        TimeKey::Create => state.created,
        TimeKey::Update => state.updated,
    };
    let descending = choice.is_multiple_of(2);
    match descending {
        true => expected.sort_by_key(|state| (Reverse(time(state)), state.id.clone())),
        false => expected.sort_by_key(|state| (time(state), state.id.clone())),
    }
    let top = index.top(query, filter, Ranking::Time { key, descending }, now).await;
    let found: Vec<ArticleId> = top.candidates.iter().map(|candidate| candidate.id.clone()).collect();
    assert_eq!(found, ids(&expected), "{key:?} descending: {descending} {query:?} {filter:?}");
}

/// Returns the values of a property.
fn values(article: &Article, field: ValueField) -> Vec<&str> {
    let values: Vec<&str> = match field {
        ValueField::Source => vec![&article.source],
        ValueField::Host => vec![&article.host],
        ValueField::Language => vec![&article.language_code],
        ValueField::Section => vec![&article.section],
        ValueField::Tag => article.tags.iter().map(String::as_str).collect(),
        ValueField::Author => article.authors.iter().map(|author| author.name.as_str()).collect(),
        ValueField::Agency => vec![&article.agency],
        ValueField::Subject => article.subjects.iter().map(|subject| subject.name.as_str()).collect(),
    };
    values.into_iter().filter(|value| !value.is_empty()).collect()
}

/// Returns the aggregates of every kind, with a limit on those by value.
fn aggregates(limit: usize) -> Vec<Aggregate> {
    let fields = FIELDS.map(|(field, _)| CountedField::Value(field)).into_iter();
    let fields = fields.chain([CountedField::State, CountedField::Text]);
    let times = [TimeKey::Publish, TimeKey::Create, TimeKey::Update].map(|key| Aggregate::Times {
        key,
        period: Period::Hour,
        zone: TimeZone::UTC,
        limit,
    });
    fields.map(|field| Aggregate::Values { field, limit }).chain(times).collect()
}

async fn compare_counts(
    index: &Index,
    matching: &[&State],
    query: Option<&Query>,
    filter: &Filter,
    now: Timestamp,
    limit: usize,
) {
    let counts = index.count(query, filter, aggregates(limit), now).await;
    assert_eq!(counts.total, matching.len() as u64, "{query:?} {filter:?}");
    let articles: Vec<Article> = matching.iter().map(|state| state.decoded()).collect();
    let (of_fields, others) = counts.results.split_at(FIELDS.len());
    for ((field, kind), counted) in FIELDS.into_iter().zip(of_fields) {
        let mut expected: BTreeMap<(String, &str), u64> = BTreeMap::new();
        for value in articles.iter().flat_map(|article| values(article, field)) {
            *expected.entry((Facet::comparable(kind, value), value)).or_default() += 1;
        }
        let mut expected: Vec<(BucketKey, u64)> =
            expected.into_iter().map(|((_, value), count)| (BucketKey::Value(value.to_owned()), count)).collect();
        expected.sort_by_key(|(_, count)| Reverse(*count));
        check_buckets(counted, expected, limit, false, &format!("{field:?} {query:?} {filter:?}"));
    }
    let [states, stories, times @ ..] = others else { panic!("{others:?}") };
    let mut expected: BTreeMap<i32, u64> = BTreeMap::new();
    matching.iter().for_each(|state| *expected.entry(state.article_state(now).into()).or_default() += 1);
    let mut expected: Vec<(BucketKey, u64)> =
        expected.into_iter().map(|(state, count)| (BucketKey::State(state.try_into().unwrap()), count)).collect();
    expected.sort_by_key(|(_, count)| Reverse(*count));
    check_buckets(states, expected, limit, false, "states");
    let story = |id: &ArticleId| matching.iter().find(|state| state.id == *id).expect("it matches").digest;
    let told: BTreeSet<_> = matching.iter().map(|state| state.digest).collect();
    assert_eq!(stories.buckets.len(), told.len().min(limit));
    assert!(stories.buckets.is_sorted_by_key(|(_, count)| Reverse(*count)));
    for (key, count) in &stories.buckets {
        let BucketKey::Text(id) = key else { panic!("{key:?}") };
        assert_eq!(*count, matching.iter().filter(|state| state.digest == story(id)).count() as u64);
    }
    assert_eq!(sum(stories), counts.total);
    let keys: [fn(&State) -> Timestamp; 3] = [State::sort_time, |state| state.created, |state| state.updated];
    for (key, counted) in keys.into_iter().zip(times) {
        let mut expected: BTreeMap<i64, u64> = BTreeMap::new();
        for state in matching {
            *expected.entry(key(state).as_second().div_euclid(3_600) * 3_600).or_default() += 1;
        }
        let start = |second| BucketKey::Start(Timestamp::from_second(second).unwrap());
        let expected = expected.into_iter().map(|(second, count)| (start(second), count)).collect();
        check_buckets(counted, expected, limit, true, "times");
    }
}

fn sum(counted: &Buckets) -> u64 {
    counted.buckets.iter().map(|(_, count)| count).sum::<u64>() + counted.other
}

/// Checks the first or the last of all buckets.
fn check_buckets(counted: &Buckets, mut all: Vec<(BucketKey, u64)>, limit: usize, keeps_last: bool, what: &str) {
    assert_eq!(sum(counted), all.iter().map(|(_, count)| count).sum::<u64>(), "{what}");
    match keeps_last {
        true => drop(all.drain(..all.len().saturating_sub(limit))),
        false => all.truncate(limit),
    }
    assert_eq!(counted.buckets, all, "{what}");
}

/// The index of a store that has only the readable articles, each in one revision: no other article, and no other
/// revision, may influence what readers see.
struct Twin {
    index: Index,
    _dir: TempDir,
}

impl Twin {
    async fn of(model: &Model, now: Timestamp) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
        for state in model.newest().filter(|state| state.standing().readable(now)) {
            let article = state.article.article().clone();
            write(&store, ingest(state.id.as_str(), article, state.created)).await.unwrap();
        }
        Self { index: Index::of(&store).await, _dir: dir }
    }

    async fn compare(&self, index: &Index, query: Option<&Query>, filter: &Filter, now: Timestamp, prefix: &str) {
        // Its times of change are others.
        if !filter.updated.is_empty() {
            return;
        }
        let [alone, all] = [&self.index, index].map(|index| index.top(query, filter, by_relevance(), now));
        let (alone, all) = (alone.await, all.await);
        assert_eq!(all.statistics, alone.statistics, "{query:?} {filter:?}");
        assert_eq!(scored(&all.candidates), scored(&alone.candidates), "{query:?} {filter:?}");
        let fields = FIELDS.map(|(field, _)| SuggestedField::Value(field)).into_iter();
        for field in fields.chain([SuggestedField::HeadlineWord]) {
            let [alone, all] = [&self.index, index].map(|index| index.suggest(field, prefix, filter, now));
            assert_eq!(all.await, alone.await, "{field:?} {prefix} {filter:?}");
        }
    }
}

/// A search whose pages are read while articles change.
pub struct Walk {
    query: Option<Query>,
    filter: Filter,
    ranking: Ranking,
    now: Timestamp,
    /// Articles that match when it begins, with their revision.
    matching: Vec<(ArticleId, i64)>,
    shown: Vec<Candidate>,
    statistics: Option<Statistics>,
    is_done: bool,
}

impl Walk {
    const PAGE: usize = 2;

    /// Begins searches of several kinds.
    pub fn all(model: &Model, now: Timestamp) -> Vec<Self> {
        let by_time = |key, descending| Ranking::Time { key, descending };
        [
            (Some("report OR wire"), by_relevance()),
            (Some("calm"), by_time(TimeKey::Publish, true)),
            (None, by_relevance()),
            (None, by_time(TimeKey::Create, false)),
            (None, by_time(TimeKey::Update, true)),
        ]
        .map(|(text, ranking)| {
            let (query, filter) = (text.map(parse), Filter::default());
            let matching = model.matching(query.as_ref(), &filter, now);
            let matching = matching.iter().map(|state| (state.id.clone(), state.revision)).collect();
            let (shown, statistics, is_done) = (Vec::new(), None, false);
            Self { query, filter, ranking, now, matching, shown, statistics, is_done }
        })
        .into()
    }

    /// Reads the next page, of whatever state the index is in.
    pub async fn read_page(&mut self, index: &Index) {
        if self.is_done {
            return;
        }
        let from = self.shown.last().map(Candidate::cursor).zip(self.statistics.take());
        let page = index.page(self.query.as_ref(), &self.filter, self.ranking, self.now, from, Self::PAGE).await;
        self.is_done = page.candidates.len() < Self::PAGE;
        self.shown.extend(page.candidates);
        self.statistics = Some(page.statistics);
    }

    /// Reads the rest, and checks that no article that was not changed was skipped or repeated.
    pub async fn finish(mut self, index: &Index, model: &Model) {
        while !self.is_done {
            self.read_page(index).await;
        }
        assert!(self.shown.is_sorted_by_key(|candidate| Reverse(candidate.rank)), "{:?}", self.shown);
        for (id, revision) in &self.matching {
            if model.revisions(id).len() as i64 == *revision {
                let times = self.shown.iter().filter(|candidate| candidate.id == *id).count();
                assert_eq!(times, 1, "{id} in {:?} by {:?}: {:?}", self.query, self.ranking, self.shown);
            }
        }
    }
}
