//! Filters over the wire: rejected values, and one story in several articles.

use copydesk::proto::*;

use crate::bad_input::fields;
use crate::test_server::TestServer;

#[tokio::test]
async fn rejects_invalid_filters() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let none = ArticleFilter::default;
    let second = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let tags = |count: usize| (0..count).map(|number| format!("tag {number}"));
    let kinds = |all_of| Some(MediaKindCondition { all_of, ..Default::default() });
    let (any, not) = (StringCondition::any_of(["sea", " "]), StringCondition::none_of([""]));
    let full = || Some(StringCondition::any_of(tags(100)));
    let digest = |text: &str| Some(StringCondition::any_of([text]));
    let names = |names: &[&str]| Some(StringCondition::any_of(names.iter().copied()));
    const STORY: &str = "stories/00000000000000000000000000";
    let bad = [
        (ArticleFilter { tags: Some(any), ..none() }, "filter.tags.any_of[1]"),
        (ArticleFilter { authors: Some(not), ..none() }, "filter.authors.none_of[0]"),
        (ArticleFilter { tags: Some(StringCondition::all_of(tags(101))), ..none() }, "filter.tags.all_of"),
        (ArticleFilter { hosts: digest("https://example.org/"), ..none() }, "filter.hosts.any_of[0]"),
        (ArticleFilter { media_kinds: kinds(vec![1, 0]), ..none() }, "filter.media_kinds.all_of[1]"),
        (ArticleFilter { media_kinds: kinds(vec![77]), ..none() }, "filter.media_kinds.all_of[0]"),
        (ArticleFilter { annotations: digest("desk of sport=1"), ..none() }, "filter.annotations.any_of[0]"),
        (ArticleFilter { content_digests: digest("sha256:00"), ..none() }, "filter.content_digests.any_of[0]"),
        (ArticleFilter { stories: digest("articles/ferry"), ..none() }, "filter.stories.any_of[0]"),
        (ArticleFilter { stories: names(&[STORY, "stories/ferry"]), ..none() }, "filter.stories.any_of[1]"),
        (ArticleFilter { stories: names(&[STORY; 101]), ..none() }, "filter.stories.any_of"),
        (ArticleFilter { stories: Some(StringCondition::all_of([STORY])), ..none() }, "filter.stories.all_of"),
        (ArticleFilter { one_per_text: true, one_per_story: true, ..none() }, "filter.one_per_story"),
        (ArticleFilter { tags: full(), authors: full(), sections: full(), sources: full(), ..none() }, "filter"),
        (
            ArticleFilter { start_create_time: second(9), end_create_time: second(8), ..none() },
            "filter.end_create_time",
        ),
        (ArticleFilter { start_update_time: second(i64::MAX), ..none() }, "filter.start_update_time"),
    ];
    for (filter, field) in bad {
        let filter = Some(filter);
        let list = ListArticlesRequest { filter: filter.clone(), ..Default::default() };
        assert_eq!(fields(&reads.list_articles(list).await.unwrap_err()), [field]);
        let search = SearchArticlesRequest { query: "ferry".into(), filter: filter.clone(), ..Default::default() };
        assert_eq!(fields(&reads.search_articles(search).await.unwrap_err()), [field]);
        let watch = WatchArticlesRequest { filter: filter.clone(), ..Default::default() };
        assert_eq!(fields(&reads.watch_articles(watch).await.unwrap_err()), [field]);
        let export = ExportArticlesRequest { filter, ..Default::default() };
        assert_eq!(fields(&reads.export_articles(export).await.unwrap_err()), [field]);
    }
    let filter = Some(ArticleFilter { one_per_text: true, ..none() });
    let watch = WatchArticlesRequest { filter, ..Default::default() };
    assert_eq!(fields(&reads.watch_articles(watch).await.unwrap_err()), ["filter.one_per_text"]);
}

#[tokio::test]
async fn conditions_on_stories_are_refused_where_they_cannot_be_met() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let of_story = || Some(StringCondition::any_of(["stories/00000000000000000000000000"]));
    for (filter, field, is_for_lists_alone) in [
        (ArticleFilter { stories: of_story(), ..Default::default() }, "filter.stories", false),
        (ArticleFilter { one_per_story: true, ..Default::default() }, "filter.one_per_story", true),
    ] {
        let filter = Some(filter);
        let list = ListArticlesRequest { filter: filter.clone(), ..Default::default() };
        assert!(reads.list_articles(list).await.unwrap().into_inner().articles.is_empty());
        let search = SearchArticlesRequest { query: "ferry".into(), filter: filter.clone(), ..Default::default() };
        assert!(reads.search_articles(search).await.unwrap().into_inner().results.is_empty());
        let watch = WatchArticlesRequest { filter: filter.clone(), ..Default::default() };
        assert_eq!(fields(&reads.watch_articles(watch).await.unwrap_err()), [field]);
        let export = ExportArticlesRequest { filter: filter.clone(), ..Default::default() };
        assert_eq!(fields(&reads.export_articles(export).await.unwrap_err()), [field]);
        let count = AggregateArticlesRequest { filter: filter.clone(), ..Default::default() };
        let count = reads.aggregate_articles(count).await.map(drop);
        let tag = ValueField::Tag.into();
        let suggest =
            SuggestValuesRequest { field: tag, prefix: "har".into(), filter: filter.clone(), ..Default::default() };
        let suggest = reads.suggest_values(suggest).await.map(drop);
        for answer in [count, suggest] {
            match is_for_lists_alone {
                true => assert_eq!(fields(&answer.unwrap_err()), [field]),
                false => answer.unwrap(),
            }
        }
    }
}
