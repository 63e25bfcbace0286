//! Lists by story: the articles of some stories, those of no story, and one article of each.

use std::sync::Arc;

use copydesk::article::{ChangeKind, StoryId};
use copydesk::proto::{Article, ArticleFilter, StringCondition};
use copydesk::store::{ListQuery, OrderField, Store};

use super::engines::Engine;
use super::fixtures::{at, ingest, list, names, page, proto_at, titled, transition, write};
use super::stories::{apply, member, story};

const ARTICLES: usize = 30;
/// Articles that are withdrawn: the earliest of two stories, and one of no story.
const HIDDEN: [usize; 3] = [0, 11, 12];

/// Article in the test, as it is expected.
#[derive(Clone, Debug)]
struct Known {
    name: String,
    /// Time by which it is ordered.
    time: i64,
    headline: String,
    tag: &'static str,
    story: Option<&'static str>,
    is_hidden: bool,
}

/// Returns the story of an article, by the name of its founder, before `s-3` is merged into `s-1`.
fn story_of(number: usize) -> Option<&'static str> {
    [Some("s-1"), Some("s-2"), None, Some("s-3"), None][number % 5]
}

fn known() -> Vec<Known> {
    let article = |number: usize| Known {
        name: format!("a-{number:02}"),
        time: (number * 7 % 11) as i64,
        headline: format!("Ferry {}", number % 4),
        tag: ["sea", "land", "port"][number % 3],
        story: story_of(number).map(|founder| if founder == "s-3" { "s-1" } else { founder }),
        is_hidden: HIDDEN.contains(&number),
    };
    (0..ARTICLES).map(article).collect()
}

/// Stores the articles with their memberships.
async fn fill(store: &Arc<dyn Store>) -> Vec<Known> {
    let known = known();
    for (number, article) in known.iter().enumerate() {
        let stored = Article {
            publish_time: proto_at(article.time),
            tags: vec![article.tag.into()],
            ..titled(&article.headline)
        };
        write(store, ingest(&article.name, stored, at(100 + number as i64))).await.unwrap();
    }
    let members: Vec<_> = known
        .iter()
        .enumerate()
        .filter_map(|(number, article)| Some(member(&article.name, story_of(number)?, "report")))
        .collect();
    apply(store, &members, &[]).await;
    apply(store, &[], &[("s-3", "s-1")]).await;
    // Last: a standby that has these writes also has the steps before.
    for number in HIDDEN {
        write(store, transition(&known[number].name, ChangeKind::Withdrawn, at(200))).await.unwrap();
    }
    known
}

pub async fn the_articles_of_stories_are_found_by_every_name(Engine { store, .. }: Engine) {
    let known = fill(&store).await;
    let expected = |founder: &str| -> Vec<(StoryId, String)> {
        let of_story = known.iter().filter(|article| article.story == Some(founder));
        of_story.map(|article| (story(founder), article.name.clone())).collect()
    };
    let read = async |founders: &[&str], limit: usize| {
        let stories: Vec<StoryId> = founders.iter().map(|founder| story(founder)).collect();
        let found = store.articles_of_stories(&stories, limit).await.unwrap();
        let mut found: Vec<(StoryId, String)> =
            found.into_iter().map(|(story, article)| (story, article.as_str().to_owned())).collect();
        found.sort();
        found
    };
    assert_eq!(read(&[], 100).await, []);
    assert_eq!(read(&["none"], 100).await, []);
    assert_eq!(read(&["s-2"], 100).await, expected("s-2"));
    // By both names, once.
    for names in [&["s-1"][..], &["s-3"], &["s-3", "s-1", "s-3", "none"]] {
        assert_eq!(read(names, 100).await, expected("s-1"), "{names:?}");
    }
    let mut both = [expected("s-1"), expected("s-2")].concat();
    both.sort();
    assert_eq!(read(&["s-2", "s-3"], 100).await, both);
    // Of each, those whose memberships changed first: a merge has changed those of s-3.
    let unmerged = |founder: &str| {
        let names = (0..ARTICLES).filter(|number| story_of(*number) == Some(founder)).map(|number| &known[number].name);
        names.take(3).map(|name| (story(founder), name.clone())).collect::<Vec<_>>()
    };
    let mut limited = [unmerged("s-1"), unmerged("s-2")].concat();
    limited.sort();
    assert_eq!(read(&["s-2", "s-3"], 3).await, limited);
}

pub async fn lists_select_by_story_and_one_of_each(Engine { store, .. }: Engine) {
    let known = fill(&store).await;
    for (number, (stories, not_stories, tags, one_per_story)) in conditions().into_iter().enumerate() {
        let matches = |article: &&Known| {
            let is_in = |names: &[&str]| {
                names.iter().any(|name| article.story == Some(if *name == "s-3" { "s-1" } else { *name }))
            };
            !article.is_hidden
                && (stories.is_empty() || is_in(stories))
                && !is_in(not_stories)
                && (tags.is_empty() || tags.contains(&article.tag))
        };
        let mut expected: Vec<&Known> = known.iter().filter(matches).collect();
        if one_per_story {
            let all = expected.clone();
            expected.retain(|article| {
                let is_same = |other: &&&Known| match article.story {
                    Some(story) => other.story == Some(story),
                    None => other.headline == article.headline,
                };
                let place = |of: &Known| (of.time, of.name.clone());
                !all.iter().filter(is_same).any(|other| place(other) < place(article))
            });
        }
        let of = |names: &[&str]| names.iter().map(|founder| story(founder).name()).collect::<Vec<_>>();
        let condition = StringCondition { any_of: of(stories), none_of: of(not_stories), ..Default::default() };
        let filter = ArticleFilter {
            stories: Some(condition),
            tags: Some(StringCondition::any_of(tags.iter().copied())),
            one_per_story,
            ..ArticleFilter::default()
        };
        for (field, descending) in [
            (OrderField::PublishTime, true),
            (OrderField::PublishTime, false),
            (OrderField::CreateTime, false),
            (OrderField::UpdateTime, true),
        ] {
            // The articles are created, and not updated, in the order of their names.
            expected.sort_by_key(|article| match field {
                OrderField::PublishTime => (article.time, article.name.clone()),
                OrderField::CreateTime | OrderField::UpdateTime => (0, article.name.clone()),
            });
            if descending {
                expected.reverse();
            }
            let expected: Vec<&str> = expected.iter().map(|article| article.name.as_str()).collect();
            // Every third in pages.
            let (limit, examine) = if number % 3 == 0 { (2, 3) } else { (50, 1_000) };
            let query = ListQuery { examine, ..page(filter.clone(), field, descending, limit, at(300)) };
            let listed = list(&store, query).await;
            assert_eq!(names(&listed), expected, "{filter:?} {field:?} {descending} {limit}");
        }
    }
}

/// Values of a condition.
type Values = &'static [&'static str];

/// Returns stories to be in, stories not to be in, tags, and if there is one article of each story.
fn conditions() -> Vec<(Values, Values, Values, bool)> {
    let stories: [&[&str]; 6] = [&[], &["s-1"], &["s-3"], &["s-2"], &["s-2", "s-3", "none"], &["none"]];
    let not_stories: [&[&str]; 3] = [&[], &["s-3"], &["s-2", "none"]];
    let tags: [&[&str]; 2] = [&[], &["land", "port"]];
    let mut all = Vec::new();
    for stories in stories {
        for not_stories in not_stories {
            for tags in tags {
                all.extend([true, false].map(|one_per_story| (stories, not_stories, tags, one_per_story)));
            }
        }
    }
    all
}
