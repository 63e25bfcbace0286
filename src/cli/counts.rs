//! `count` and `suggest`: numbers of articles, and values of their properties.

use clap::Args;
use jiff::tz::TimeZone;

use super::connection::Connection;
use super::failure::{Failure, print};
use super::filter::{ConsistencyArgs, FilterArgs, QueryArgs, StateArgs};
use super::json;
use super::table::Table;
use crate::article::from_proto;
use crate::proto::aggregation::Kind;
use crate::proto::aggregation_bucket::Key;
use crate::proto::time_aggregation::{Interval, TimeField};
use crate::proto::{
    AggregateArticlesRequest, Aggregation, AggregationBucket, SuggestValuesRequest, TimeAggregation, ValueAggregation,
    ValueField,
};

#[derive(Args)]
pub(super) struct CountArgs {
    /// Query, as in `search`; default: all articles
    query: Vec<String>,
    /// Property to count by: source, host, language, section, tag, author, agency, subject, state, text, hour, day,
    /// week or month; repeatable; default: only the total
    #[arg(long, value_name = "PROPERTY", value_parser = by)]
    by: Vec<By>,
    /// Time for hour, day, week and month: publish_time, create_time or update_time
    #[arg(long, value_name = "FIELD", value_parser = time_field, default_value = "publish_time")]
    time_field: TimeField,
    /// Time zone of the periods
    #[arg(long, value_name = "ZONE", value_parser = zone, default_value = "UTC")]
    time_zone: Zone,
    /// Maximum number of values or periods of each count, at most 1000; default: 10 values, 100 periods
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=1_000))]
    limit: Option<i32>,
    #[command(flatten)]
    language_and_fields: QueryArgs,
    #[command(flatten)]
    states: StateArgs,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    /// Print the response as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Property by which articles are counted.
#[derive(Clone, Copy)]
enum By {
    Value(ValueField),
    Time(Interval),
}

impl By {
    /// Returns its name on the command line.
    fn name(self) -> String {
        let name = match self {
            Self::Value(field) => field.as_str_name().trim_start_matches("VALUE_FIELD_"),
            Self::Time(interval) => interval.as_str_name().trim_start_matches("INTERVAL_"),
        };
        name.to_ascii_lowercase()
    }
}

/// Parses a property to count by: `source` or `day`.
fn by(text: &str) -> Result<By, String> {
    let name = text.to_ascii_uppercase();
    let value = ValueField::from_str_name(&format!("VALUE_FIELD_{name}"))
        .filter(|field| !matches!(field, ValueField::Unspecified | ValueField::HeadlineWord));
    let interval = Interval::from_str_name(&format!("INTERVAL_{name}"));
    let interval = interval.filter(|interval| *interval != Interval::Unspecified);
    value.map(By::Value).or(interval.map(By::Time)).ok_or_else(|| {
        "must be source, host, language, section, tag, author, agency, subject, state, text, hour, day, week or month"
            .to_owned()
    })
}

/// Parses a time of an article: `create_time`.
fn time_field(text: &str) -> Result<TimeField, String> {
    let known = TimeField::from_str_name(&format!("TIME_FIELD_{}", text.to_ascii_uppercase()));
    let known = known.filter(|field| *field != TimeField::Unspecified);
    known.ok_or_else(|| "must be publish_time, create_time or update_time".to_owned())
}

/// Time zone with the name by which it was given.
#[derive(Clone)]
struct Zone {
    name: String,
    zone: TimeZone,
}

/// Parses a time zone: `Europe/Berlin`.
fn zone(text: &str) -> Result<Zone, String> {
    let zone = TimeZone::get(text).map_err(|_| "must be an IANA time zone, such as Europe/Berlin".to_owned())?;
    Ok(Zone { name: text.to_owned(), zone })
}

impl CountArgs {
    fn aggregation(&self, by: By) -> Aggregation {
        let limit = self.limit.unwrap_or_default();
        Aggregation {
            kind: Some(match by {
                By::Value(field) => Kind::Values(ValueAggregation { field: field.into(), limit }),
                By::Time(interval) => Kind::Times(TimeAggregation {
                    field: self.time_field.into(),
                    interval: interval.into(),
                    time_zone: self.time_zone.name.clone(),
                    limit,
                }),
            }),
        }
    }
}

pub(super) async fn count(args: CountArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut filter = args.filter.filter();
    filter.states = args.states.states();
    let request = AggregateArticlesRequest {
        query: args.query.join(" ").trim().to_owned(),
        filter: Some(filter),
        language_code: args.language_and_fields.language_code(),
        fields: args.language_and_fields.fields(),
        aggregations: args.by.iter().map(|by| args.aggregation(*by)).collect(),
        consistency: args.consistency.consistency(),
    };
    let counts = client.aggregate_articles(request).await?.into_inner();
    if args.json {
        return print(&json::line(&counts).map_err(Failure::failed)?);
    }
    if args.by.is_empty() {
        return print(&counts.total_size.to_string());
    }
    let mut table = Table::new(["BY", "VALUE", "ARTICLES"]);
    for (by, result) in args.by.iter().zip(&counts.results) {
        for bucket in &result.buckets {
            table.row([by.name(), key(*by, bucket, &args.time_zone.zone), bucket.count.to_string()]);
        }
        if result.other_count > 0 {
            table.row([by.name(), "(other)".to_owned(), result.other_count.to_string()]);
        }
    }
    table.row(["total".to_owned(), String::new(), counts.total_size.to_string()]);
    table.print("no articles match")
}

/// Formats the value or the period of a count, a period in its time zone: `2026-11-24`.
fn key(by: By, bucket: &AggregationBucket, zone: &TimeZone) -> String {
    match &bucket.key {
        Some(Key::Value(value)) => value.trim_start_matches("ARTICLE_STATE_").to_owned(),
        Some(Key::StartTime(start)) => {
            let Ok(start) = from_proto(start) else { return String::new() };
            let format = match by {
                By::Time(Interval::Hour) => "%Y-%m-%dT%H:%M%:z",
                By::Time(Interval::Month) => "%Y-%m",
                By::Time(_) | By::Value(_) => "%Y-%m-%d",
            };
            start.to_zoned_datetime(zone.clone()).strftime(format).to_string()
        }
        None => String::new(),
    }
}

#[derive(Args)]
pub(super) struct SuggestArgs {
    /// Property: source, host, language, section, tag, author, agency, subject or headline-word
    #[arg(value_name = "FIELD", value_parser = suggested_field)]
    field: ValueField,
    /// Beginning of a value, or of a word in it
    prefix: String,
    /// Maximum number of values, at most 100
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(i32).range(1..=100))]
    limit: i32,
    #[command(flatten)]
    states: StateArgs,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    connection: Connection,
}

/// Parses a property whose values are suggested: `headline-word`.
fn suggested_field(text: &str) -> Result<ValueField, String> {
    let known = ValueField::from_str_name(&format!("VALUE_FIELD_{}", text.to_ascii_uppercase().replace('-', "_")));
    let known = known.filter(|field| !matches!(field, ValueField::Unspecified | ValueField::State | ValueField::Text));
    known.ok_or_else(|| {
        "must be source, host, language, section, tag, author, agency, subject or headline-word".to_owned()
    })
}

pub(super) async fn suggest(args: SuggestArgs) -> Result<(), Failure> {
    let mut client = args.connection.open().await?.retrieval;
    let mut filter = args.filter.filter();
    filter.states = args.states.states();
    let request = SuggestValuesRequest {
        field: args.field.into(),
        prefix: args.prefix.clone(),
        filter: Some(filter),
        limit: args.limit,
        consistency: args.consistency.consistency(),
    };
    let suggestions = client.suggest_values(request).await?.into_inner().suggestions;
    if args.json {
        return suggestions.iter().try_for_each(|one| print(&json::line(one).map_err(Failure::failed)?));
    }
    let mut table = Table::new(["VALUE", "ARTICLES"]);
    for suggestion in suggestions {
        table.row([suggestion.value, suggestion.article_count.to_string()]);
    }
    table.print("no values match")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_formatted_in_their_time_zone() {
        let zone = zone("Europe/Berlin").unwrap().zone;
        let time = prost_types::Timestamp { seconds: 1_780_437_600, nanos: 0 };
        let bucket = AggregationBucket { key: Some(Key::StartTime(time)), count: 1 };
        let expected =
            [("hour", "2026-06-03T00:00+02:00"), ("day", "2026-06-03"), ("week", "2026-06-03"), ("month", "2026-06")];
        for (name, expected) in expected {
            let by = by(name).unwrap();
            assert_eq!((by.name().as_str(), key(by, &bucket, &zone).as_str()), (name, expected));
        }
    }

    #[test]
    fn properties_are_named_as_in_the_api() {
        assert!(matches!(by("source"), Ok(By::Value(ValueField::Source))));
        assert!(matches!(by("text"), Ok(By::Value(ValueField::Text))));
        assert!(matches!(suggested_field("headline-word"), Ok(ValueField::HeadlineWord)));
        for invalid in ["headline_word", "unspecified", "year", ""] {
            assert!(by(invalid).is_err(), "{invalid}");
        }
        for invalid in ["state", "text", "unspecified", "day", ""] {
            assert!(suggested_field(invalid).is_err(), "{invalid}");
        }
        assert!(zone("Europe/Nowhere").is_err());
    }
}
