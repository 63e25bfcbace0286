//! Counts over the wire: by every property and by time, of what the caller may see.

use copydesk::proto::aggregation_bucket::Key;
use copydesk::proto::time_aggregation::{Interval, TimeField};
use copydesk::proto::*;
use tonic::Code;

use crate::bad_input::fields;
use crate::search::{Desk, article};
use crate::test_server::TestServer;

fn at(time: &str) -> Option<prost_types::Timestamp> {
    Some(time.parse().unwrap())
}

fn subject(name: &str) -> Subject {
    Subject { name: name.into(), ..Subject::default() }
}

/// Articles whose values and times are in the golden pairs below.
fn articles() -> Vec<Article> {
    let strings = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    let base = |name: &str, time: &str| Article {
        publish_time: at(time),
        ..article(name, &format!("Ferry {name}"), &format!("The crossing of {name} was calm."))
    };
    vec![
        Article {
            tags: strings(&["Sea", "port"]),
            section: "Local".into(),
            agency: "Reuters".into(),
            authors: vec![Author::named("Jane Roe"), Author::named("Max Mott")],
            subjects: vec![subject("Transport"), subject("Weather")],
            ..base("one", "2026-03-28T22:30:00Z")
        },
        Article {
            tags: strings(&["sea"]),
            section: "local".into(),
            authors: vec![Author::named("JANE ROE")],
            language_code: "en-GB".into(),
            ..base("two", "2026-03-28T23:30:00Z")
        },
        Article {
            tags: strings(&["sea", "mud"]),
            section: "Local".into(),
            agency: "AP".into(),
            subjects: vec![subject("Transport")],
            language_code: "de".into(),
            ..base("three", "2026-03-29T21:59:59Z")
        },
        Article {
            url: "https://www.coast.example/a/four".into(),
            agency: "reuters".into(),
            ..base("four", "2026-03-29T22:00:00Z")
        },
        Article { headline: "Harbour".into(), ..base("five", "2026-04-01T12:00:00Z") },
    ]
}

fn by_value(field: ValueField, limit: i32) -> Aggregation {
    Aggregation { kind: Some(aggregation::Kind::Values(ValueAggregation { field: field.into(), limit })) }
}

fn by_time(interval: Interval, zone: &str, limit: i32) -> Aggregation {
    let (field, interval) = (TimeField::PublishTime.into(), interval.into());
    let times = TimeAggregation { field, interval, time_zone: zone.into(), limit };
    Aggregation { kind: Some(aggregation::Kind::Times(times)) }
}

async fn counts(desk: &Desk, request: AggregateArticlesRequest) -> AggregateArticlesResponse {
    let request = AggregateArticlesRequest { consistency: desk.fresh(), ..request };
    desk.reads.clone().aggregate_articles(request).await.unwrap().into_inner()
}

/// Returns the buckets as text: `value=count` or `time=count`, and the others as `+count`.
fn shown(result: &AggregationResult) -> Vec<String> {
    let buckets = result.buckets.iter().map(|bucket| match bucket.key.as_ref().unwrap() {
        Key::Value(value) => format!("{value}={}", bucket.count),
        Key::StartTime(time) => format!("{time}={}", bucket.count),
    });
    buckets.chain((result.other_count > 0).then(|| format!("+{}", result.other_count))).collect()
}

#[tokio::test]
async fn articles_are_counted_by_every_property() {
    let desk = Desk::with(articles()).await;
    let golden: [(ValueField, i32, &[&str]); 12] = [
        (ValueField::Source, 0, &["herald.example=4", "coast.example=1"]),
        (ValueField::Host, 0, &["herald.example=4", "www.coast.example=1"]),
        (ValueField::Language, 0, &["en=3", "de=1", "en-GB=1"]),
        (ValueField::Section, 0, &["Local=3"]),
        (ValueField::Tag, 0, &["sea=3", "mud=1", "port=1"]),
        (ValueField::Tag, 1, &["sea=3", "+2"]),
        (ValueField::Tag, 2, &["sea=3", "mud=1", "+1"]),
        (ValueField::Author, 0, &["JANE ROE=2", "Max Mott=1"]),
        (ValueField::Agency, 0, &["Reuters=2", "AP=1"]),
        (ValueField::Subject, 0, &["Transport=2", "Weather=1"]),
        (ValueField::Subject, 1, &["Transport=2", "+1"]),
        (ValueField::State, 0, &["ARTICLE_STATE_ACTIVE=5"]),
    ];
    let aggregations = golden.iter().map(|(field, limit, _)| by_value(*field, *limit)).collect();
    let answer = counts(&desk, AggregateArticlesRequest { aggregations, ..Default::default() }).await;
    assert_eq!((answer.total_size, answer.results.len()), (5, golden.len()));
    for ((field, limit, expected), result) in golden.iter().zip(&answer.results) {
        assert_eq!(shown(result), *expected, "{field:?} {limit}");
    }
    assert!(!answer.index_token.is_empty());
    // A filter accepts each value, and finds as many.
    for bucket in &answer.results[4].buckets {
        let Some(Key::Value(tag)) = &bucket.key else { panic!("{bucket:?}") };
        let filter = Some(ArticleFilter { tags: Some(StringCondition::any_of([tag])), ..Default::default() });
        let counted = counts(&desk, AggregateArticlesRequest { filter, ..Default::default() }).await;
        assert_eq!((counted.total_size, counted.results.len()), (bucket.count, 0), "{tag}");
    }
}

#[tokio::test]
async fn articles_are_counted_by_periods_of_a_time_zone() {
    let desk = Desk::with(articles()).await;
    let golden: [(Interval, &str, i32, &[&str]); 8] = [
        (Interval::Unspecified, "", 0, &["2026-03-28T00:00:00Z=2", "2026-03-29T00:00:00Z=2", "2026-04-01T00:00:00Z=1"]),
        // The clock is changed on the 29th: that day has 23 hours.
        (
            Interval::Day,
            "Europe/Berlin",
            0,
            &["2026-03-27T23:00:00Z=1", "2026-03-28T23:00:00Z=2", "2026-03-29T22:00:00Z=1", "2026-03-31T22:00:00Z=1"],
        ),
        (Interval::Day, "Europe/Berlin", 2, &["2026-03-29T22:00:00Z=1", "2026-03-31T22:00:00Z=1", "+3"]),
        // Weeks begin on Monday: the 23rd and the 30th.
        (Interval::Week, "", 0, &["2026-03-23T00:00:00Z=4", "2026-03-30T00:00:00Z=1"]),
        (Interval::Week, "Europe/Berlin", 0, &["2026-03-22T23:00:00Z=3", "2026-03-29T22:00:00Z=2"]),
        (Interval::Month, "Asia/Tokyo", 0, &["2026-02-28T15:00:00Z=4", "2026-03-31T15:00:00Z=1"]),
        (Interval::Hour, "", 1, &["2026-04-01T12:00:00Z=1", "+4"]),
        (Interval::Hour, "Asia/Kolkata", 2, &["2026-03-29T21:30:00Z=2", "2026-04-01T11:30:00Z=1", "+2"]),
    ];
    let aggregations = golden.iter().map(|(interval, zone, limit, _)| by_time(*interval, zone, *limit)).collect();
    let answer = counts(&desk, AggregateArticlesRequest { aggregations, ..Default::default() }).await;
    for ((interval, zone, limit, expected), result) in golden.iter().zip(&answer.results) {
        assert_eq!(shown(result), *expected, "{interval:?} {zone} {limit}");
    }
    // All were created and changed within the hour.
    for field in [TimeField::CreateTime, TimeField::UpdateTime] {
        let (field, interval) = (field.into(), Interval::Month.into());
        let times = TimeAggregation { field, interval, ..Default::default() };
        let aggregations = vec![Aggregation { kind: Some(aggregation::Kind::Times(times)) }];
        let answer = counts(&desk, AggregateArticlesRequest { aggregations, ..Default::default() }).await;
        assert_eq!(answer.results[0].buckets.iter().map(|bucket| bucket.count).sum::<i64>(), 5);
    }
}

#[tokio::test]
async fn queries_and_filters_select_what_is_counted() {
    let desk = Desk::with(articles()).await;
    let tags = |tag: &str| ArticleFilter { tags: Some(StringCondition::any_of([tag])), ..Default::default() };
    let text = |text: &str| ArticleFilter { text: text.into(), ..Default::default() };
    for (query, fields, filter, total, expected) in [
        ("ferry", &[][..], ArticleFilter::default(), 4, &["sea=3", "mud=1", "port=1"][..]),
        ("ferries -three", &[], ArticleFilter::default(), 3, &["Sea=2", "port=1"]),
        ("ferry", &[SearchField::Body], ArticleFilter::default(), 0, &[]),
        ("", &[], tags("SEA"), 3, &["sea=3", "mud=1", "port=1"]),
        ("headline:two OR mud", &[], tags("sea"), 2, &["sea=2", "mud=1"]),
        ("calm", &[], text("reuters"), 2, &["port=1", "Sea=1"]),
        ("none of it", &[], ArticleFilter::default(), 0, &[]),
    ] {
        let request = AggregateArticlesRequest {
            query: query.into(),
            fields: fields.iter().map(|field| i32::from(*field)).collect(),
            filter: Some(filter.clone()),
            aggregations: vec![by_value(ValueField::Tag, 0)],
            ..Default::default()
        };
        let answer = counts(&desk, request).await;
        assert_eq!(
            (answer.total_size, shown(&answer.results[0])),
            (total, expected.iter().map(|it| (*it).into()).collect()),
            "{query} {filter:?}"
        );
    }
}

#[tokio::test]
async fn stories_are_counted_by_their_digest() {
    let copy = |name: &str| article(name, "One wire report", "The same text.");
    let desk = Desk::with(["a", "b", "c"].map(copy).into_iter().chain(articles())).await;
    let aggregations = vec![by_value(ValueField::Text, 1)];
    let answer = counts(&desk, AggregateArticlesRequest { aggregations, ..Default::default() }).await;
    let [story] = &answer.results[0].buckets[..] else { panic!("{answer:?}") };
    assert_eq!((story.count, answer.results[0].other_count), (3, 5));
    let Some(Key::Value(digest)) = story.key.clone() else { panic!("{story:?}") };
    let digests = Some(StringCondition::any_of([digest]));
    let filter = ArticleFilter { content_digests: digests, ..Default::default() };
    let all = counts(&desk, AggregateArticlesRequest { filter: Some(filter.clone()), ..Default::default() }).await;
    let filter = Some(ArticleFilter { one_per_text: true, ..filter });
    let one = counts(&desk, AggregateArticlesRequest { filter, ..Default::default() }).await;
    assert_eq!((all.total_size, one.total_size), (3, 1));
}

/// Whatever hides an article, it is in no count until it is shown.
#[tokio::test]
async fn hidden_articles_are_in_no_count() {
    let mut desk = Desk::with(articles()).await;
    let everything = || AggregateArticlesRequest {
        aggregations: (1..=10)
            .map(|field| by_value(field.try_into().unwrap(), 0))
            .chain([by_time(Interval::Hour, "", 0)])
            .collect(),
        ..Default::default()
    };
    let of_query = || AggregateArticlesRequest { query: "ferry OR calm".into(), ..everything() };
    let before = (counts(&desk, everything()).await, counts(&desk, of_query()).await);
    let hidden = |number: i64, embargo_time, expire_time| Article {
        url: format!("https://hidden.example/{number}"),
        tags: vec!["sea".into(), "secret".into()],
        embargo_time,
        expire_time,
        ..articles().remove(0)
    };
    let far = || at("2999-01-01T00:00:00Z");
    desk.add(hidden(1, far(), None)).await;
    desk.add(hidden(2, far(), at("2999-06-01T00:00:00Z"))).await;
    desk.add(hidden(3, None, at("2001-01-01T00:00:00Z"))).await;
    let withdrawn = desk.add(hidden(4, None, None)).await;
    assert_eq!(counts(&desk, everything()).await.total_size, 6);
    desk.withdraw(&withdrawn.name).await;
    for (request, before) in [(everything(), before.0), (of_query(), before.1)] {
        let after = counts(&desk, request).await;
        assert_eq!((after.total_size, after.results), (before.total_size, before.results));
    }
    // Editors count them by state. Here everybody is one: the server does not authenticate.
    let states = (1..=8).filter(|state| *state != 7).collect();
    let filter = Some(ArticleFilter { states, ..Default::default() });
    let request =
        AggregateArticlesRequest { filter, aggregations: vec![by_value(ValueField::State, 0)], ..Default::default() };
    let answer = counts(&desk, request).await;
    let expected = ["ACTIVE=5", "EMBARGOED=2", "WITHDRAWN=1", "EXPIRED=1"];
    let mut expected: Vec<String> = expected.iter().map(|it| format!("ARTICLE_STATE_{it}")).collect();
    let mut found = shown(&answer.results[0]);
    assert!(answer.results[0].buckets.is_sorted_by(|one, other| one.count >= other.count), "{answer:?}");
    found.sort();
    expected.sort();
    assert_eq!((answer.total_size, found), (9, expected));
}

#[tokio::test]
async fn rejects_invalid_counts() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let one = |aggregation| AggregateArticlesRequest { aggregations: vec![aggregation], ..Default::default() };
    let with = |interval: i32, field: i32| {
        let times = TimeAggregation { interval, field, ..Default::default() };
        one(Aggregation { kind: Some(aggregation::Kind::Times(times)) })
    };
    let value =
        |field: i32| one(Aggregation { kind: Some(aggregation::Kind::Values(ValueAggregation { field, limit: 0 })) });
    let tag = || by_value(ValueField::Tag, 0);
    let text = Some(ArticleFilter { text: "(".into(), ..Default::default() });
    for (request, field) in [
        (one(Aggregation { kind: None }), "aggregations[0]"),
        (value(0), "aggregations[0].values.field"),
        (value(99), "aggregations[0].values.field"),
        (one(by_value(ValueField::HeadlineWord, 0)), "aggregations[0].values.field"),
        (one(by_value(ValueField::Tag, -1)), "aggregations[0].values.limit"),
        (one(by_value(ValueField::Tag, 1_001)), "aggregations[0].values.limit"),
        (one(by_time(Interval::Day, "", 1_001)), "aggregations[0].times.limit"),
        (one(by_time(Interval::Day, "Mars/Base", 0)), "aggregations[0].times.time_zone"),
        (one(by_time(Interval::Day, "../../etc/passwd", 0)), "aggregations[0].times.time_zone"),
        (with(9, 0), "aggregations[0].times.interval"),
        (with(0, 9), "aggregations[0].times.field"),
        (AggregateArticlesRequest { aggregations: vec![tag(); 17], ..Default::default() }, "aggregations"),
        (
            AggregateArticlesRequest { aggregations: vec![tag(), Aggregation { kind: None }], ..Default::default() },
            "aggregations[1]",
        ),
        (AggregateArticlesRequest { query: "a \"b".into(), ..Default::default() }, "query"),
        (AggregateArticlesRequest { query: "-a".into(), ..Default::default() }, "query"),
        (AggregateArticlesRequest { fields: vec![0], ..Default::default() }, "fields[0]"),
        (
            AggregateArticlesRequest { query: "a".into(), language_code: "!".into(), ..Default::default() },
            "language_code",
        ),
        (AggregateArticlesRequest { filter: text, ..Default::default() }, "filter.text"),
    ] {
        let refused = reads.aggregate_articles(request.clone()).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]), "{request:?}");
    }
}
