//! Counts of articles, and suggestions of values.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::search::{fields, parse_query};
use super::{Retrieval, RetrieveError};
use crate::article::{Filter, Violations};
use crate::proto::aggregation::Kind;
use crate::proto::time_aggregation::{Interval, TimeField};
use crate::proto::{AggregateArticlesRequest, Aggregation, SuggestValuesRequest, ValueAggregation, ValueField};
use crate::search::{
    Aggregate, BucketKey, CountQuery, CountedField, Period, SuggestQuery, Suggested, SuggestedField, TimeKey,
    ValueField as IndexedField,
};

/// Maximum number of aggregations in a request.
const MAX_AGGREGATIONS: usize = 16;
/// Maximum number of values and periods of an aggregation.
const MAX_BUCKETS: usize = 1_000;
const DEFAULT_VALUES: usize = 10;
const DEFAULT_PERIODS: usize = 100;
/// Maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 100;
const DEFAULT_SUGGESTIONS: usize = 10;
/// Maximum length of what a user has typed, in characters.
const MAX_PREFIX_CHARS: usize = 100;

/// Key of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountKey {
    /// Value of the property.
    Value(String),
    /// Start of the period.
    Start(Timestamp),
}

/// Counts of one aggregation.
#[derive(Clone, Debug)]
pub struct Aggregated {
    /// Counts.
    pub buckets: Vec<(CountKey, u64)>,
    /// Sum of all other counts.
    pub other: u64,
}

/// Counts of a request.
#[derive(Clone, Debug)]
pub struct ArticleCounts {
    /// Number of all matching articles.
    pub total: u64,
    /// Counts in the order of the request.
    pub results: Vec<Aggregated>,
    /// Change token that the index had reached.
    pub index_token: String,
}

impl Retrieval {
    /// Counts the articles that match.
    pub async fn aggregate(&self, request: &AggregateArticlesRequest) -> Result<ArticleCounts, RetrieveError> {
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let fields = fields(&request.fields).map_err(&mut note).unwrap_or_default();
        let query = match request.query.as_str() {
            "" => Some(None),
            text => parse_query(text, &request.language_code, fields).map_err(&mut note).ok().map(Some),
        };
        let filter = Filter::parse_for_all(request.filter.as_ref()).map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let mut aggregates = Vec::new();
        for (at, aggregation) in request.aggregations.iter().enumerate().take(MAX_AGGREGATIONS) {
            aggregates.extend(aggregate(&format!("aggregations[{at}]"), aggregation).map_err(&mut note));
        }
        if request.aggregations.len() > MAX_AGGREGATIONS {
            violations.add("aggregations", format!("must have at most {MAX_AGGREGATIONS} elements"));
        }
        let (Some(query), Some(filter), Some(consistency), true) =
            (query, filter, consistency, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        self.reach_bound().await?;
        let selection = self.selection(&filter).await?;
        let query = CountQuery { query, filter, selection, aggregates, now: Timestamp::now() };
        let counts = self.index.count(query).await?;
        let mut results = Vec::with_capacity(counts.results.len());
        for result in counts.results {
            let mut buckets = Vec::with_capacity(result.buckets.len());
            for (key, count) in result.buckets {
                let key = match key {
                    BucketKey::Value(value) => CountKey::Value(value),
                    BucketKey::State(state) => CountKey::Value(state.as_str_name().to_owned()),
                    BucketKey::Start(start) => CountKey::Start(start),
                    BucketKey::Text(id) => {
                        let found = self.store.get(&[id], consistency).await?;
                        let Some(record) = found.into_iter().find_map(|found| found.record) else { continue };
                        CountKey::Value(record.digest.to_string())
                    }
                };
                buckets.push((key, count));
            }
            results.push(Aggregated { buckets, other: result.other });
        }
        Ok(ArticleCounts { total: counts.total, results, index_token: self.token(counts.position) })
    }

    /// Suggests values that begin with a prefix. Returns them with the change token that the index had reached.
    pub async fn suggest(&self, request: &SuggestValuesRequest) -> Result<(Vec<Suggested>, String), RetrieveError> {
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let field = suggested_field(request.field()).map_err(&mut note).ok();
        let filter = Filter::parse_for_all(request.filter.as_ref()).map_err(&mut note).ok();
        let limit = limit("limit", request.limit, DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS).map_err(&mut note).ok();
        let consistency = self.consistency(request.consistency.as_ref()).map_err(&mut note).ok();
        let length = request.prefix.chars().count();
        if request.prefix.trim().is_empty() || length > MAX_PREFIX_CHARS {
            violations.add("prefix", format!("must have 1 to {MAX_PREFIX_CHARS} characters"));
        }
        let (Some(field), Some(filter), Some(limit), Some(consistency), true) =
            (field, filter, limit, consistency, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        self.reach(consistency).await?;
        self.reach_index(consistency).await?;
        self.reach_bound().await?;
        let prefix = request.prefix.clone();
        let selection = self.selection(&filter).await?;
        let query = SuggestQuery { field, prefix, filter, selection, limit, now: Timestamp::now() };
        let (suggested, position) = self.index.suggest(query).await?;
        Ok((suggested, self.token(position)))
    }
}

fn aggregate(name: &str, aggregation: &Aggregation) -> Result<Aggregate, Violations> {
    match &aggregation.kind {
        None => Err(Violations::one(name, "must set values or times")),
        Some(Kind::Values(values)) => {
            let limit = limit(&format!("{name}.values.limit"), values.limit, DEFAULT_VALUES, MAX_BUCKETS)?;
            Ok(Aggregate::Values { field: counted_field(name, values)?, limit })
        }
        Some(Kind::Times(times)) => {
            let one_of = |field: &str, known: bool| match known {
                true => Ok(()),
                false => Err(Violations::one(format!("{name}.times.{field}"), "must be a known value")),
            };
            one_of("field", TimeField::try_from(times.field).is_ok())?;
            one_of("interval", Interval::try_from(times.interval).is_ok())?;
            let key = match times.field() {
                TimeField::Unspecified | TimeField::PublishTime => TimeKey::Publish,
                TimeField::CreateTime => TimeKey::Create,
                TimeField::UpdateTime => TimeKey::Update,
            };
            let period = match times.interval() {
                Interval::Hour => Period::Hour,
                Interval::Unspecified | Interval::Day => Period::Day,
                Interval::Week => Period::Week,
                Interval::Month => Period::Month,
            };
            let zone = match times.time_zone.as_str() {
                "" => Ok(TimeZone::UTC),
                zone => TimeZone::get(zone),
            };
            let expected = "must be an IANA time zone, such as Europe/Berlin";
            let zone = zone.map_err(|_| Violations::one(format!("{name}.times.time_zone"), expected))?;
            let limit = limit(&format!("{name}.times.limit"), times.limit, DEFAULT_PERIODS, MAX_BUCKETS)?;
            Ok(Aggregate::Times { key, period, zone, limit })
        }
    }
}

fn counted_field(name: &str, values: &ValueAggregation) -> Result<CountedField, Violations> {
    match values.field() {
        ValueField::State => Ok(CountedField::State),
        ValueField::Text => Ok(CountedField::Text),
        field => indexed_field(field).map(CountedField::Value).ok_or_else(|| {
            Violations::one(format!("{name}.values.field"), "must be a property of articles, not a word of a headline")
        }),
    }
}

fn suggested_field(field: ValueField) -> Result<SuggestedField, Violations> {
    match field {
        ValueField::HeadlineWord => Ok(SuggestedField::HeadlineWord),
        field => indexed_field(field)
            .map(SuggestedField::Value)
            .ok_or_else(|| Violations::one("field", "must be a property with values: not a state, and not a text")),
    }
}

fn indexed_field(field: ValueField) -> Option<IndexedField> {
    Some(match field {
        ValueField::Source => IndexedField::Source,
        ValueField::Host => IndexedField::Host,
        ValueField::Language => IndexedField::Language,
        ValueField::Section => IndexedField::Section,
        ValueField::Tag => IndexedField::Tag,
        ValueField::Author => IndexedField::Author,
        ValueField::Agency => IndexedField::Agency,
        ValueField::Subject => IndexedField::Subject,
        ValueField::Unspecified | ValueField::State | ValueField::Text | ValueField::HeadlineWord => return None,
    })
}

fn limit(name: &str, requested: i32, default: usize, max: usize) -> Result<usize, Violations> {
    match usize::try_from(requested) {
        Ok(0) => Ok(default),
        Ok(limit) if limit <= max => Ok(limit),
        _ => Err(Violations::one(name, format!("must be from 1 to {max}; 0 means {default}"))),
    }
}
