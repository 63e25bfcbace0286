//! Filters: every condition but a text query, and combinations of them, for comparison with the model; and limits of a
//! page's work.

use copydesk::proto::{Article, ArticleFilter, MediaKind, MediaKindCondition, StringCondition};
use copydesk::store::{ListQuery, OrderField};

use super::engines::Engine;
use super::fixtures::{at, ingest, list, names, page, proto_at, titled, write};
use super::model::Model;

/// Returns filters with every condition that a store evaluates, and combinations of them.
pub fn every_condition(model: &Model) -> Vec<ArticleFilter> {
    let none = ArticleFilter::default;
    let any = |words: &[&str]| Some(StringCondition::any_of(words.iter().copied()));
    let all = |words: &[&str]| Some(StringCondition::all_of(words.iter().copied()));
    let not = |words: &[&str]| Some(StringCondition::none_of(words.iter().copied()));
    let both = |any: &[&str], not: &[&str]| {
        let none_of = not.iter().map(|word| (*word).to_owned()).collect();
        Some(StringCondition { none_of, ..StringCondition::any_of(any.iter().copied()) })
    };
    let kinds = |kinds: &[MediaKind]| kinds.iter().map(|kind| i32::from(*kind)).collect::<Vec<_>>();
    let media = MediaKindCondition::default;
    let pictures_and_video = MediaKindCondition { all_of: kinds(&[MediaKind::Image, MediaKind::Video]), ..media() };
    let some_media = MediaKindCondition { any_of: kinds(&[MediaKind::Video, MediaKind::Image]), ..media() };
    let no_video = MediaKindCondition { none_of: kinds(&[MediaKind::Video]), ..media() };
    let digests: Vec<String> = model.newest().map(|state| state.article.digest().to_string()).take(2).collect();
    let (any_digest, all_digests) = (StringCondition::any_of(&digests), StringCondition::all_of(&digests));
    let not_first = StringCondition::none_of(digests.iter().take(1));
    vec![
        none(),
        ArticleFilter { tags: any(&["Sea", "port"]), ..none() },
        ArticleFilter { tags: any(&["land"]), authors: any(&["writer 1"]), ..none() },
        ArticleFilter { tags: all(&["sea", "port"]), ..none() },
        ArticleFilter { tags: not(&["PORT", "unknown"]), ..none() },
        ArticleFilter { tags: both(&["sea", "port"], &["land"]), ..none() },
        ArticleFilter { languages: any(&["pt"]), ..none() },
        ArticleFilter { languages: not(&["pt"]), sections: not(&["harbour"]), ..none() },
        ArticleFilter { sections: any(&["Harbour"]), ..none() },
        ArticleFilter { agencies: any(&["reuters"]), hosts: not(&["mirror.example"]), ..none() },
        ArticleFilter { hosts: any(&["MIRROR.example", "none.example"]), ..none() },
        ArticleFilter { media_kinds: Some(pictures_and_video), ..none() },
        ArticleFilter { media_kinds: Some(some_media), agencies: not(&["AP"]), ..none() },
        ArticleFilter { media_kinds: Some(no_video), ..none() },
        ArticleFilter { annotations: any(&["desk=1", "desk=2"]), ..none() },
        ArticleFilter { annotations: not(&["desk=1", "DESK"]), tags: any(&["sea"]), ..none() },
        ArticleFilter { annotations: both(&["desk"], &["desk=2"]), ..none() },
        ArticleFilter { sources: any(&["herald.example"]), one_per_text: true, ..none() },
        ArticleFilter { one_per_text: true, ..none() },
        ArticleFilter { one_per_text: true, authors: any(&["writer 1"]), start_publish_time: proto_at(0), ..none() },
        ArticleFilter { one_per_text: true, agencies: not(&["AP"]), ..none() },
        ArticleFilter { content_digests: Some(any_digest), ..none() },
        ArticleFilter { content_digests: Some(not_first), ..none() },
        ArticleFilter { content_digests: Some(all_digests), one_per_text: true, ..none() },
        ArticleFilter { start_publish_time: proto_at(-2), end_publish_time: proto_at(7), ..none() },
        ArticleFilter { languages: any(&["en"]), start_publish_time: proto_at(1), ..none() },
        ArticleFilter { start_create_time: proto_at(3), end_create_time: proto_at(20), ..none() },
        ArticleFilter { start_update_time: proto_at(5), tags: any(&["sea"]), ..none() },
        ArticleFilter { end_update_time: proto_at(12), one_per_text: true, ..none() },
    ]
}

pub async fn a_page_examines_a_limited_number_of_articles(Engine { store, .. }: Engine) {
    for number in 0..20 {
        let tags = vec![if number == 7 { "sea" } else { "land" }.to_owned()];
        let article = Article { publish_time: proto_at(number), tags, ..titled(&format!("Ferry {number}")) };
        write(&store, ingest(&format!("a-{number}"), article, at(100))).await.unwrap();
    }
    let filter = ArticleFilter { tags: Some(StringCondition::none_of(["land"])), ..ArticleFilter::default() };
    for field in [OrderField::PublishTime, OrderField::CreateTime, OrderField::UpdateTime] {
        let query = ListQuery { examine: 5, ..page(filter.clone(), field, false, 3, at(200)) };
        let first = store.list(&query).await.unwrap();
        assert!(first.records.is_empty(), "{field:?}");
        assert_eq!(first.examined.unwrap().id.as_str(), "a-4", "{field:?}");
        assert_eq!(names(&list(&store, query).await), ["a-7"], "{field:?}");
    }
    // Of two lists, one ends early: articles beyond that place are on a later page.
    let filter = ArticleFilter { tags: Some(StringCondition::any_of(["sea", "land"])), ..ArticleFilter::default() };
    let filter = ArticleFilter { authors: None, start_create_time: proto_at(0), ..filter };
    let query = ListQuery { examine: 4, ..page(filter, OrderField::PublishTime, true, 20, at(200)) };
    let all: Vec<String> = (0..20).rev().map(|number| format!("a-{number}")).collect();
    assert_eq!(names(&list(&store, query).await), all);
}
