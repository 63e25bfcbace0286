//! Articles by story, one article of each story, and the field `story`: over the wire, on both engines. Servers group
//! nothing: the memberships are put into their stores.

use std::collections::{BTreeMap, BTreeSet};

use copydesk::article::{ArticleId, StoryId};
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use copydesk::store::postgres::PostgresStore;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{GroupedUntil, GroupingStep, Store, StoryMember};
use prost_types::FieldMask;
use tokio_stream::StreamExt;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest, invented};

type Reads = RetrievalServiceClient<Channel>;

/// Articles of the stories of the tests; others are in none. The second story was two at first.
const STORIES: [&[usize]; 2] = [&[0, 2, 4, 6], &[1, 5, 8]];
const ARTICLES: usize = 10;

fn id(article: &Article) -> ArticleId {
    ArticleId::from_name(&article.name).unwrap()
}

/// A server with articles and their memberships.
struct Desk {
    server: Option<TestServer>,
    database: Option<Database>,
    reads: Reads,
    articles: Vec<Article>,
    /// Token of the last change.
    token: String,
}

/// Names of the stories, and a former name of the second one.
struct Names {
    first: String,
    second: String,
    former: String,
}

impl Desk {
    /// Starts servers on both engines.
    async fn both() -> [Self; 2] {
        let database = Cluster::shared().database().await;
        let store = StoreOptions::Postgres(Box::new(database.options()));
        let shared = Self::with(TestServer::with(|options| options.store = store).await, Some(database)).await;
        [Self::with(TestServer::start().await, None).await, shared]
    }

    async fn with(server: TestServer, database: Option<Database>) -> Self {
        let mut writes = server.ingestion().await;
        let mut articles = Vec::new();
        for number in 0..ARTICLES {
            // Three of the articles have one text; two of them are in no story.
            let text = if number == 9 || number == 7 { invented(3) } else { invented(number) };
            let article = Article {
                url: format!("https://site-{number}.example/news"),
                publish_time: invented(number).publish_time,
                // Some have the word more often.
                subheadline: "ferry ".repeat(number * 3 % 7),
                ..text
            };
            articles.push(ingest(&mut writes, article).await.article.unwrap());
        }
        let token = articles.last().unwrap().change_token.clone();
        let reads = server.retrieval().await;
        let mut desk = Self { server: Some(server), database, reads, articles, token };
        let founded = |article: &Article| StoryId::founded_by(&id(article), 0);
        let members = STORIES.iter().flat_map(|story| story.iter().map(|at| (*at, founded(&desk.articles[story[0]]))));
        let members: Vec<(usize, StoryId)> =
            members.map(|(at, of)| (at, if at == 8 { founded(&desk.articles[8]) } else { of })).collect();
        let merge = (founded(&desk.articles[8]), founded(&desk.articles[1]));
        desk.group(&members, &[]).await;
        desk.group(&[], &[merge]).await;
        desk
    }

    fn names(&self) -> Names {
        let name = |at: usize| StoryId::founded_by(&id(&self.articles[at]), 0).name();
        Names { first: name(0), second: name(1), former: name(8) }
    }

    /// Puts memberships and merges into the store.
    async fn group(&mut self, members: &[(usize, StoryId)], merges: &[(StoryId, StoryId)]) {
        let members = members.iter().map(|(at, story)| StoryMember {
            article: id(&self.articles[*at]),
            story: *story,
            by_editor: false,
            report: Vec::new(),
        });
        let members: Vec<StoryMember> = members.collect();
        match &self.database {
            Some(database) => {
                let store = PostgresStore::open(database.options()).await.unwrap();
                step(&store, members, merges.to_vec()).await;
            }
            None => {
                let dir = self.server.take().unwrap().stop().await;
                let store = SqliteStore::open(SqliteOptions::new(dir.path())).unwrap();
                step(&store, members, merges.to_vec()).await;
                drop(store);
                let server = TestServer::on(dir, |_| {}).await;
                self.reads = server.retrieval().await;
                self.server = Some(server);
            }
        }
    }

    fn fresh(&self) -> Option<Consistency> {
        Some(Consistency { requirement: Some(consistency::Requirement::AtLeastAsFresh(self.token.clone())) })
    }

    async fn withdraw(&mut self, at: usize) {
        let request = WithdrawArticleRequest { name: self.articles[at].name.clone(), ..Default::default() };
        let mut edits = self.server.as_ref().unwrap().editorial().await;
        let answer = edits.withdraw_article(request).await.unwrap().into_inner();
        self.token = answer.article.unwrap().change_token;
    }

    /// Returns the numbers of the articles with these names.
    fn numbers(&self, articles: impl IntoIterator<Item = Article>) -> Vec<usize> {
        let number = |article: Article| self.articles.iter().position(|known| known.name == article.name).unwrap();
        articles.into_iter().map(number).collect()
    }

    /// Lists the articles that match, page by page.
    async fn list(&mut self, filter: ArticleFilter, order_by: &str, page_size: i32) -> Vec<usize> {
        let (filter, consistency) = (Some(filter), self.fresh());
        let mut request =
            ListArticlesRequest { filter, page_size, consistency, order_by: order_by.into(), ..Default::default() };
        let mut listed = Vec::new();
        loop {
            let page = self.reads.list_articles(request.clone()).await.unwrap().into_inner();
            listed.extend(page.articles);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return self.numbers(listed);
            }
        }
    }

    /// Searches for a word that all articles have, page by page.
    async fn search(&mut self, filter: ArticleFilter, order_by: &str, page_size: i32) -> Vec<usize> {
        let (filter, consistency) = (Some(filter), self.fresh());
        let mut request = SearchArticlesRequest {
            query: "ferry".into(),
            filter,
            page_size,
            consistency,
            order_by: order_by.into(),
            ..Default::default()
        };
        let mut found = Vec::new();
        loop {
            let page = self.reads.search_articles(request.clone()).await.unwrap().into_inner();
            found.extend(page.results.into_iter().filter_map(|result| result.article));
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                return self.numbers(found);
            }
        }
    }

    async fn count(&mut self, filter: ArticleFilter) -> i64 {
        let request =
            AggregateArticlesRequest { filter: Some(filter), consistency: self.fresh(), ..Default::default() };
        self.reads.aggregate_articles(request).await.unwrap().into_inner().total_size
    }
}

async fn step(store: &dyn Store, members: Vec<StoryMember>, merges: Vec<(StoryId, StoryId)>) {
    let from: GroupedUntil = store.grouped_until().await.unwrap();
    let until = store.head().await.unwrap().into();
    store
        .apply_grouping(GroupingStep { from, until, members, renumbered: Vec::new(), merges })
        .await
        .unwrap()
        .expect("no other step");
}

fn of(stories: &[&str]) -> ArticleFilter {
    ArticleFilter { stories: Some(StringCondition::any_of(stories.iter().copied())), ..Default::default() }
}

fn not_of(stories: &[&str]) -> ArticleFilter {
    ArticleFilter { stories: Some(StringCondition::none_of(stories.iter().copied())), ..Default::default() }
}

#[tokio::test]
async fn a_filter_selects_the_readable_articles_of_stories() {
    for mut desk in Desk::both().await {
        desk.withdraw(2).await;
        let names = desk.names();
        let (first, second) = (names.first.as_str(), names.second.as_str());
        let none = "stories/00000000000000000000000000";
        for (filter, expected) in [
            (of(&[first]), &[0, 4, 6][..]),
            (of(&[second]), &[1, 5, 8]),
            (of(&[&names.former]), &[1, 5, 8]),
            (of(&[second, &names.former, first, none]), &[0, 1, 4, 5, 6, 8]),
            (of(&[none]), &[]),
            (not_of(&[first]), &[1, 3, 5, 7, 8, 9]),
            (not_of(&[first, &names.former]), &[3, 7, 9]),
            (not_of(&[none]), &[0, 1, 3, 4, 5, 6, 7, 8, 9]),
            (ArticleFilter { tags: Some(StringCondition::any_of(["ferry-0"])), ..of(&[first]) }, &[0, 6]),
        ] {
            for page_size in [1, 100] {
                assert_eq!(desk.list(filter.clone(), "publish_time", page_size).await, expected, "{filter:?}");
                let with_text = ArticleFilter { text: "ferry".into(), ..filter.clone() };
                assert_eq!(desk.list(with_text, "publish_time", page_size).await, expected, "{filter:?}");
                assert_eq!(desk.search(filter.clone(), "publish_time", page_size).await, expected, "{filter:?}");
            }
            assert_eq!(desk.count(filter.clone()).await, expected.len() as i64, "{filter:?}");
        }
        let suggest = SuggestValuesRequest {
            field: ValueField::Author.into(),
            prefix: "writer".into(),
            filter: Some(of(&[&names.former])),
            consistency: desk.fresh(),
            ..Default::default()
        };
        let suggested = desk.reads.suggest_values(suggest).await.unwrap().into_inner().suggestions;
        let suggested: BTreeSet<&str> = suggested.iter().map(|suggestion| suggestion.value.as_str()).collect();
        assert_eq!(suggested, BTreeSet::from(["Writer 1", "Writer 5"]));
        // Of a hidden story, as of none.
        for at in STORIES[1] {
            desk.withdraw(*at).await;
        }
        assert!(desk.list(of(&[second]), "", 0).await.is_empty());
        assert!(desk.search(of(&[second]), "", 0).await.is_empty());
        assert_eq!(desk.count(of(&[second])).await, 0);
    }
}

/// Returns the first articles of each story in an order, or of each text of those in no story.
fn firsts(order: &[usize]) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let group = |at: usize| match STORIES.iter().position(|story| story.contains(&at)) {
        Some(story) => story,
        None => STORIES.len() + if [3, 7, 9].contains(&at) { 0 } else { 1 + at },
    };
    order.iter().copied().filter(|at| seen.insert(group(*at))).collect()
}

#[tokio::test]
async fn one_article_of_each_story_is_shown() {
    for mut desk in Desk::both().await {
        let one = || ArticleFilter { one_per_story: true, ..Default::default() };
        let all = ArticleFilter::default;
        // At first the leads are readable, then they are hidden.
        for hidden in [None, Some(0), Some(1), Some(3)] {
            if let Some(hidden) = hidden {
                desk.withdraw(hidden).await;
            }
            let readable = desk.list(all(), "publish_time", 100).await;
            let earliest: BTreeSet<usize> = firsts(&readable).into_iter().collect();
            for order_by in ["publish_time", "publish_time desc", "create_time", "update_time desc"] {
                let expected: Vec<usize> = desk.list(all(), order_by, 100).await;
                let expected: Vec<usize> = expected.into_iter().filter(|at| earliest.contains(at)).collect();
                for page_size in [1, 2, 100] {
                    assert_eq!(desk.list(one(), order_by, page_size).await, expected, "{hidden:?} {order_by}");
                    let with_text = ArticleFilter { text: "ferry".into(), ..one() };
                    assert_eq!(desk.list(with_text, order_by, page_size).await, expected, "{hidden:?} {order_by}");
                }
            }
            for order_by in ["relevance", "publish_time", "publish_time desc"] {
                let expected = firsts(&desk.search(all(), order_by, 100).await);
                for page_size in [1, 2, 100] {
                    assert_eq!(desk.search(one(), order_by, page_size).await, expected, "{hidden:?} {order_by}");
                }
            }
        }
        // Among the articles that match.
        let tags = || Some(StringCondition::any_of(["ferry-0", "ferry-2"]));
        let tagged = ArticleFilter { tags: tags(), ..all() };
        let expected = firsts(&desk.list(tagged.clone(), "publish_time", 100).await);
        let one_tagged = ArticleFilter { tags: tags(), ..one() };
        assert_eq!(desk.list(one_tagged.clone(), "publish_time", 100).await, expected);
        let expected = firsts(&desk.search(tagged, "", 100).await);
        assert_eq!(desk.search(one_tagged, "", 1).await, expected);
        let story = ArticleFilter { one_per_story: true, ..of(&[&desk.names().former]) };
        assert_eq!(desk.list(story.clone(), "", 0).await, [5], "the first one is hidden");
        assert_eq!(desk.search(story, "publish_time desc", 0).await, [8]);
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

/// Returns the articles that every method returns with a mask, by their names.
async fn every_read(desk: &mut Desk, read_mask: &Option<FieldMask>, view: ArticleView) -> Vec<Vec<Article>> {
    let (read_mask, view, consistency) = (read_mask.clone(), i32::from(view), desk.fresh());
    let names: Vec<String> = desk.articles.iter().map(|article| article.name.clone()).collect();
    let reads = &mut desk.reads;
    let mut single = Vec::new();
    let mut looked_up = Vec::new();
    for article in &desk.articles {
        let request =
            GetArticleRequest { name: article.name.clone(), read_mask: read_mask.clone(), view, ..Default::default() };
        single.extend(reads.get_article(request.clone()).await.unwrap().into_inner().article);
        let editors = GetArticleRequest { any_state: true, ..request };
        assert_eq!(reads.get_article(editors).await.unwrap().into_inner().article.as_ref(), single.last());
        let key = Some(lookup_article_request::Key::Url(article.url.clone()));
        let request = LookupArticleRequest { key, read_mask: read_mask.clone(), view, ..Default::default() };
        looked_up.extend(reads.lookup_article(request).await.unwrap().into_inner().article);
    }
    let request = BatchGetArticlesRequest { names, read_mask: read_mask.clone(), view, ..Default::default() };
    let batch = reads.batch_get_articles(request).await.unwrap().into_inner().articles;
    let keys = desk.articles.iter().map(|article| LookupKey { key: Some(lookup_key::Key::Url(article.url.clone())) });
    let request =
        BatchLookupArticlesRequest { keys: keys.collect(), read_mask: read_mask.clone(), view, ..Default::default() };
    let results = reads.batch_lookup_articles(request).await.unwrap().into_inner().results;
    let keyed = results.into_iter().filter_map(|result| match result.result {
        Some(lookup_result::Result::Article(article)) => Some(article),
        _ => None,
    });
    let list = |text: &str| ListArticlesRequest {
        filter: Some(ArticleFilter { text: text.into(), ..Default::default() }),
        read_mask: read_mask.clone(),
        view,
        consistency: consistency.clone(),
        ..Default::default()
    };
    let listed = reads.list_articles(list("")).await.unwrap().into_inner().articles;
    let with_text = reads.list_articles(list("ferry")).await.unwrap().into_inner().articles;
    let search = SearchArticlesRequest { query: "ferry".into(), read_mask, view, consistency, ..Default::default() };
    let found = reads.search_articles(search).await.unwrap().into_inner().results;
    let found = found.into_iter().filter_map(|result| result.article);
    vec![single, looked_up, batch, keyed.collect(), listed, with_text, found.collect()]
}

#[tokio::test]
async fn an_article_has_its_story_if_a_mask_names_it() {
    for mut desk in Desk::both().await {
        let names = desk.names();
        let story = |at: usize| match () {
            () if STORIES[0].contains(&at) => names.first.clone(),
            () if STORIES[1].contains(&at) => names.second.clone(),
            () => String::new(),
        };
        let expected: BTreeMap<String, String> =
            desk.articles.iter().enumerate().map(|(at, article)| (article.name.clone(), story(at))).collect();
        let stories = |articles: Vec<Article>| -> BTreeMap<String, String> {
            articles.into_iter().map(|article| (article.name, article.story)).collect()
        };
        // Twice: the second time from a cache.
        for paths in [&["name", "story"][..], &["story", "name", "headline", "dateline.place"]] {
            let ways = every_read(&mut desk, &mask(paths), ArticleView::Unspecified).await;
            for (way, articles) in ways.iter().enumerate() {
                assert!(articles.iter().all(|article| article.body.is_empty()));
                assert_eq!(stories(articles.clone()), expected, "{way} {paths:?}");
            }
        }
        for (read_mask, view) in [
            (None, ArticleView::Unspecified),
            (None, ArticleView::Basic),
            (None, ArticleView::Full),
            (mask(&["*"]), ArticleView::Unspecified),
            (mask(&["name", "etag"]), ArticleView::Unspecified),
        ] {
            for articles in every_read(&mut desk, &read_mask, view).await {
                assert_eq!(articles.len(), ARTICLES);
                assert!(articles.iter().all(|article| article.story.is_empty()), "{read_mask:?} {view:?}");
            }
        }
        let name = desk.articles[3].name.clone();
        let get =
            |paths: &[&str]| GetArticleRequest { name: name.clone(), read_mask: mask(paths), ..Default::default() };
        let (both, only) = (get(&["etag", "story"]), get(&["story"]));
        let before = desk.reads.get_article(both.clone()).await.unwrap().into_inner().article.unwrap();
        assert_eq!((before.story.as_str(), before.etag.is_empty()), ("", false));
        let joined = StoryId::from_name(&names.first).unwrap();
        desk.group(&[(3, joined)], &[]).await;
        let after = desk.reads.get_article(both).await.unwrap().into_inner().article.unwrap();
        assert_eq!(after, Article { story: names.first.clone(), ..before.clone() }, "a new story, and the same etag");
        let alone = desk.reads.get_article(only).await.unwrap().into_inner().article.unwrap();
        assert_eq!(alone, Article { story: names.first.clone(), ..Article::default() });
        // Past states and streams have none.
        let read_mask = mask(&["name", "story"]);
        let watch = WatchArticlesRequest { read_mask, ..WatchArticlesRequest::from_beginning() };
        let mut events = desk.reads.watch_articles(watch).await.unwrap().into_inner();
        while let Some(event) = events.next().await {
            match event.unwrap().event.unwrap() {
                watch_articles_response::Event::Change(change) => assert_eq!(change.article.unwrap().story, ""),
                _ => break,
            }
        }
        let export = ExportArticlesRequest { read_mask: mask(&["name", "story"]), ..Default::default() };
        let mut items = desk.reads.export_articles(export).await.unwrap().into_inner();
        while let Some(item) = items.next().await {
            if let Some(export_articles_response::Item::Article(article)) = item.unwrap().item {
                assert_eq!(article.story, "");
            }
        }
    }
}

/// A story in a request is ignored, as all fields are that Copydesk sets.
#[tokio::test]
async fn a_sender_does_not_set_the_story() {
    let server = TestServer::start().await;
    let (mut writes, mut edits) = (server.ingestion().await, server.editorial().await);
    let story = "stories/00000000000000000000000000".to_owned();
    let sent = Article { story: story.clone(), ..invented(1) };
    let stored = ingest(&mut writes, sent).await.article.unwrap();
    assert_eq!(stored.story, "");
    let article = Some(Article { name: stored.name.clone(), story, headline: "Other".into(), ..Article::default() });
    let update = |paths: &[&str]| UpdateArticleRequest {
        article: article.clone(),
        update_mask: mask(paths),
        ..Default::default()
    };
    let updated = edits.update_article(update(&["story"])).await.unwrap().into_inner().article.unwrap();
    assert_eq!(updated, stored);
    let updated = edits.update_article(update(&["story", "headline"])).await.unwrap().into_inner().article.unwrap();
    assert_eq!((updated.headline.as_str(), updated.story.as_str()), ("Other", ""));
    let refused = edits.update_article(update(&["story.name"])).await.unwrap_err();
    assert_eq!(fields(&refused), ["update_mask.paths[0]"]);
}
