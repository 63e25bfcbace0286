//! Searches over the wire: ranking, orders, fields, languages, pages and what requests must not have.

use std::time::Duration;

use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use tonic::Code;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::test_server::{TestServer, ingest, invented};

/// A server with articles that are in its search index.
pub struct Desk {
    pub server: TestServer,
    pub reads: RetrievalServiceClient<Channel>,
    writes: IngestionServiceClient<Channel>,
    token: String,
}

impl Desk {
    pub async fn with(articles: impl IntoIterator<Item = Article>) -> Self {
        let server = TestServer::start().await;
        let (reads, writes) = (server.retrieval().await, server.ingestion().await);
        let mut desk = Self { server, reads, writes, token: String::new() };
        for article in articles {
            desk.add(article).await;
        }
        desk
    }

    pub async fn add(&mut self, article: Article) -> Article {
        let added = ingest(&mut self.writes, article).await.article.unwrap();
        self.token.clone_from(&added.change_token);
        added
    }

    pub async fn withdraw(&mut self, name: &str) {
        let request = WithdrawArticleRequest { name: name.to_owned(), ..Default::default() };
        let answer = self.server.editorial().await.withdraw_article(request).await.unwrap().into_inner();
        self.token = answer.article.unwrap().change_token;
    }

    /// Requires all changes so far.
    pub fn fresh(&self) -> Option<Consistency> {
        let requirement = Some(consistency::Requirement::AtLeastAsFresh(self.token.clone()));
        Some(Consistency { requirement })
    }

    pub async fn search(&self, request: SearchArticlesRequest) -> SearchArticlesResponse {
        let request = SearchArticlesRequest { consistency: self.fresh(), ..request };
        self.reads.clone().search_articles(request).await.unwrap().into_inner()
    }

    /// Returns the results of a query by the last part of their URL, with their scores.
    pub async fn scored(&self, request: SearchArticlesRequest) -> Vec<(String, f32)> {
        let results = self.search(request).await.results;
        let found = results.into_iter().map(|result| (last_part(&result.article.unwrap().url), result.score));
        found.collect()
    }

    pub async fn found(&self, request: SearchArticlesRequest) -> Vec<String> {
        self.scored(request).await.into_iter().map(|(name, _)| name).collect()
    }
}

fn last_part(url: &str) -> String {
    url.rsplit('/').next().unwrap().to_owned()
}

/// Returns an article of one time with a name in its URL.
pub fn article(name: &str, headline: &str, body: &str) -> Article {
    Article {
        url: format!("https://herald.example/news/{name}"),
        headline: headline.into(),
        body: body.into(),
        language_code: "en".into(),
        publish_time: days_ago(1),
        ..Article::default()
    }
}

fn days_ago(days: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() - days * 86_400, nanos: 0 })
}

pub fn query(text: &str) -> SearchArticlesRequest {
    SearchArticlesRequest { query: text.into(), ..Default::default() }
}

#[tokio::test]
async fn exact_words_rank_before_inflected_ones_and_headlines_before_bodies() {
    let desk = Desk::with([
        article("inflected", "Harbour fares rise", "Nobody was asked about the ferries in the harbour."),
        article("body", "Harbour dues rise", "Nobody was asked about the fare of the ferry."),
        article("exact", "Harbour fare rises", "Nobody was asked about the ferries in the harbour."),
        article("none", "Harbour farewell party", "Nobody was asked about the crossing."),
        article("often", "Harbour boats wait", "The fare, and again the fare of the ferry."),
    ])
    .await;
    for (text, expected) in [
        ("fare", &["exact", "inflected", "often", "body"][..]),
        ("FARES", &["inflected", "exact", "often", "body"]),
        ("\"fares\"", &["inflected"]),
        ("\"harbour fare\"", &["exact"]),
        ("\"harbour rise\"~1", &["inflected", "body"]),
        ("farew*", &["none"]),
        ("fare -rise -\"ferry\"", &[]),
        ("fare -boats (ferry OR ferries) -headline:dues", &["exact", "inflected"]),
        ("author:fare", &[]),
    ] {
        let mut found = desk.found(query(text)).await;
        // Equal scores are in the order of IDs, which are hashes.
        let mut expected = expected.to_vec();
        if text.contains('~') {
            found.sort();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "{text}");
    }
}

#[tokio::test]
async fn newer_articles_rank_first_unless_recency_has_no_weight() {
    let aged = |name: &str, days| Article {
        publish_time: days_ago(days),
        ..article(name, &format!("Ferry {name}"), "The crossing was calm.")
    };
    let desk = Desk::with([aged("old", 400), aged("new", 0), aged("middle", 14)]).await;
    assert_eq!(desk.found(query("ferry")).await, ["new", "middle", "old"]);
    let with = |half_life: Option<i64>, weight| SearchArticlesRequest {
        recency: Some(Recency {
            half_life: half_life.map(|days| prost_types::Duration { seconds: days * 86_400, nanos: 0 }),
            weight,
        }),
        ..query("ferry")
    };
    let equal = desk.scored(with(None, Some(0.0))).await;
    assert!(equal.iter().all(|(_, score)| *score == equal[0].1 && *score > 0.0), "{equal:?}");
    // 1 + weight × 2^(−age / half-life).
    for (half_life, weight, of_middle) in [(None, None, 1.5), (Some(7), None, 1.25), (Some(14), Some(2.0), 2.0)] {
        let scored = desk.scored(with(half_life, weight)).await;
        let ratio = scored[1].1 / equal[0].1;
        assert!(scored[1].0 == "middle" && (ratio - of_middle).abs() < 0.01, "{half_life:?} {weight:?}: {scored:?}");
    }
}

#[tokio::test]
async fn results_are_ordered_by_a_time_on_request() {
    let named =
        |name: &str, days| Article { publish_time: days_ago(days), ..article(name, &format!("Ferry {name}"), "-") };
    let desk = Desk::with([named("b", 2), named("a", 3), Article { publish_time: None, ..named("c", 0) }]).await;
    for (order_by, expected) in [
        ("publish_time", ["a", "b", "c"]),
        ("publish_time desc", ["c", "b", "a"]),
        ("create_time asc", ["b", "a", "c"]),
        ("update_time  desc", ["c", "a", "b"]),
    ] {
        let request = SearchArticlesRequest { order_by: order_by.into(), ..query("ferry") };
        let scored = desk.scored(request).await;
        assert_eq!(scored, expected.map(|name| (name.to_owned(), 0.0)), "{order_by}");
        // Lists by text have the same orders.
        let filter = Some(ArticleFilter { text: "ferry".into(), ..Default::default() });
        let list =
            ListArticlesRequest { filter, order_by: order_by.into(), consistency: desk.fresh(), ..Default::default() };
        let listed = desk.reads.clone().list_articles(list).await.unwrap().into_inner().articles;
        assert!(listed.iter().map(|article| last_part(&article.url)).eq(expected), "{order_by}");
    }
    let relevance = SearchArticlesRequest { order_by: "relevance".into(), ..query("ferry") };
    assert_eq!(desk.found(relevance).await, desk.found(query("ferry")).await);
}

#[tokio::test]
async fn fields_and_languages_limit_the_words() {
    use SearchField::{Authors, Body, Headline, Names, Source, Subheadline};
    let all = Article {
        subheadline: "Zwei Fahrten".into(),
        authors: vec![Author::named("Jane Roe")],
        tags: vec!["quayside".into()],
        section: "Lokales".into(),
        language_code: "de".into(),
        ..article("all", "Fähren im Hafen", "Der Kapitän schläft.")
    };
    let desk = Desk::with([all, article("english", "The ferry", "Nothing else.")]).await;
    for (text, fields, language, is_found) in [
        ("hafen", &[][..], "", true),
        ("hafen", &[Body], "", false),
        ("hafen", &[Body, Headline], "", true),
        ("zwei", &[Subheadline], "", true),
        ("roe", &[Authors], "", true),
        ("quayside lokales", &[Names], "", true),
        ("herald", &[], "", false),
        ("herald", &[Source], "", true),
        ("source:herald hafen", &[], "", true),
        ("headline:kapitan", &[], "", false),
        // Inflected words, in the language of the article only.
        ("fahrt", &[], "", true),
        ("fahrt", &[], "de", true),
        ("fahrt", &[], "de-AT", true),
        ("fahrt", &[], "en", false),
        ("fahrten", &[], "en", true),
        ("fahrten", &[], "xx", true),
    ] {
        let fields = fields.iter().map(|field| i32::from(*field)).collect();
        let request = SearchArticlesRequest { fields, language_code: language.into(), ..query(text) };
        let found = desk.found(request).await;
        assert_eq!(found.iter().any(|name| name == "all"), is_found, "{text} {language}: {found:?}");
    }
}

/// While articles come, change and go, every page is read from another state of the index.
#[tokio::test]
async fn pages_neither_skip_nor_repeat_unchanged_articles() {
    const COUNT: usize = 30;
    for order_by in ["", "publish_time desc", "create_time"] {
        let mut desk = Desk::with((0..COUNT).map(invented)).await;
        let all = SearchArticlesRequest { page_size: 100, order_by: order_by.into(), ..query("ferry") };
        let before: Vec<(String, f32)> = desk.scored(all).await;
        assert_eq!(before.len(), COUNT);
        let mut request = SearchArticlesRequest {
            page_size: 4,
            include_total_size: true,
            order_by: order_by.into(),
            ..query("ferry")
        };
        let (mut shown, mut gone, mut round) = (Vec::new(), Vec::new(), 0);
        loop {
            let page = desk.search(request.clone()).await;
            assert!(page.total_size > 0);
            for result in page.results {
                shown.push((last_part(&result.article.unwrap().url), result.score));
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
            round += 1;
            // A new article of the same words, another without them, and one less.
            desk.add(invented(100 + round)).await;
            desk.add(article(&format!("other-{round}"), "Harbour dredged", "The mud is gone.")).await;
            let (last, _) = &before[COUNT - round];
            let url = Some(lookup_article_request::Key::Url(format!("https://herald.example/news/{last}")));
            let request = LookupArticleRequest { key: url, ..Default::default() };
            let found = desk.reads.lookup_article(request).await.unwrap().into_inner();
            desk.withdraw(&found.article.unwrap().name).await;
            gone.push(last.clone());
        }
        assert!(round >= 6, "{round} pages");
        let kept: Vec<&String> = before.iter().map(|(name, _)| name).filter(|name| !gone.contains(name)).collect();
        for name in &kept {
            let times = shown.iter().filter(|(shown, _)| shown == *name).count();
            assert_eq!(times, 1, "{name} by {order_by:?}: {shown:?}");
        }
        // In the same order, with one score; a withdrawn article is not shown after its withdrawal.
        assert!(shown.iter().map(|(name, _)| name).filter(|name| kept.contains(name)).eq(kept.iter().copied()));
        assert!(shown.is_sorted_by(|one, other| one.1 >= other.1), "{shown:?}");
        assert!(!shown.iter().any(|(name, _)| name == &gone[0]));
    }
}

#[tokio::test]
async fn the_total_is_of_all_pages_and_only_on_request() {
    let mut desk = Desk::with((0..7).map(invented)).await;
    let held = Article { embargo_time: days_ago(-1), ..invented(7) };
    desk.add(held).await;
    let mut request = SearchArticlesRequest { page_size: 3, include_total_size: true, ..query("ferry") };
    for results in [3, 3, 1] {
        let page = desk.search(request.clone()).await;
        assert_eq!((page.results.len(), page.total_size), (results, 7));
        request.page_token = page.next_page_token;
    }
    assert_eq!(desk.search(query("ferry")).await.total_size, 0);
}

#[tokio::test]
async fn a_text_filter_selects_and_changes_no_score() {
    let desk = Desk::with((0..20).map(invented)).await;
    let all = desk.scored(SearchArticlesRequest { page_size: 100, ..query("ferry") }).await;
    let filter = Some(ArticleFilter { text: "ferry 7 OR \"ferry 8\" OR numbered -7".into(), ..Default::default() });
    let filtered = desk.scored(SearchArticlesRequest { filter, page_size: 100, ..query("ferry") }).await;
    let expected: Vec<_> = all.iter().filter(|(name, _)| name != "7").cloned().collect();
    assert_eq!(filtered, expected);
}

#[tokio::test]
async fn snippets_have_ellipses_where_the_body_is_cut() {
    let filler = "Nothing of note was said about it at the quay. ".repeat(20);
    let desk = Desk::with([
        article("middle", "Harbour", &format!("{filler}The lighthouse is lit. {filler}")),
        article("start", "Harbour", &format!("The lighthouse is lit. {filler}")),
        article("whole", "Harbour", "The lighthouse is lit."),
    ])
    .await;
    for result in desk.search(query("lighthouses")).await.results {
        let whole: String = result.snippet.iter().map(|part| part.text.as_str()).collect();
        let name = last_part(&result.article.unwrap().url);
        let cut = (whole.starts_with('…'), whole.ends_with('…'));
        assert_eq!(cut, (name == "middle", name != "whole"), "{name}: {whole}");
        assert!(whole.chars().count() <= 202, "{whole}");
        let matched: Vec<&str> = result.snippet.iter().filter(|part| part.matched).map(|part| &*part.text).collect();
        assert_eq!(matched, ["lighthouse"], "{name}");
    }
}

#[tokio::test]
async fn rejects_invalid_searches() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let recency = |seconds: i64, weight| SearchArticlesRequest {
        recency: Some(Recency { half_life: Some(prost_types::Duration { seconds, nanos: 0 }), weight: Some(weight) }),
        ..query("ferry")
    };
    let text = |text: &str| Some(ArticleFilter { text: text.into(), ..Default::default() });
    for (request, field, part) in [
        (query(""), "query", "at least one word"),
        (query("a \"b"), "query", "character 3: the quotation mark is not closed"),
        (query("Käse (b"), "query", "character 6: the bracket is not closed"),
        (query("a) b"), "query", "character 2: there is no bracket to close"),
        (query("ferry OR"), "query", "character 7"),
        (query("-ferry"), "query", "not excluded"),
        (query(&"x".repeat(1_001)), "query", "1,000 characters"),
        (SearchArticlesRequest { filter: text("a (b"), ..query("ferry") }, "filter.text", "character 3"),
        (SearchArticlesRequest { filter: text("-a"), ..query("ferry") }, "filter.text", "not excluded"),
        (SearchArticlesRequest { order_by: "score".into(), ..query("ferry") }, "order_by", "relevance"),
        (SearchArticlesRequest { order_by: "relevance asc".into(), ..query("ferry") }, "order_by", "must be"),
        (SearchArticlesRequest { order_by: "publish_time up".into(), ..query("ferry") }, "order_by", "must be"),
        (SearchArticlesRequest { page_size: -1, ..query("ferry") }, "page_size", "negative"),
        (SearchArticlesRequest { fields: vec![1, 0], ..query("ferry") }, "fields[1]", "must be"),
        (SearchArticlesRequest { fields: vec![99], ..query("ferry") }, "fields[0]", "must be"),
        (SearchArticlesRequest { language_code: "e n".into(), ..query("ferry") }, "language_code", "BCP 47"),
        (recency(0, 1.0), "recency.half_life", "at least"),
        (recency(-9, 1.0), "recency.half_life", "at least"),
        (recency(9, -0.5), "recency.weight", "0 to 100"),
        (recency(9, f32::NAN), "recency.weight", "0 to 100"),
        (SearchArticlesRequest { page_token: "x".into(), ..query("ferry") }, "page_token", "must be"),
    ] {
        let refused = reads.search_articles(request.clone()).await.unwrap_err();
        assert_eq!((refused.code(), fields(&refused)), (Code::InvalidArgument, vec![field.to_owned()]), "{request:?}");
        assert!(refused.message().contains(part), "{request:?}: {}", refused.message());
    }
}

/// A token is of one request, and its search continues although the server has started again.
#[tokio::test]
async fn pages_continue_after_a_restart_and_with_no_other_request() {
    let desk = Desk::with((0..10).map(invented)).await;
    let request = SearchArticlesRequest { page_size: 4, ..query("ferry") };
    let all = desk.found(SearchArticlesRequest { page_size: 100, ..query("ferry") }).await;
    let first = desk.search(request.clone()).await;
    let next = SearchArticlesRequest { page_token: first.next_page_token, consistency: desk.fresh(), ..request };
    let other = SearchArticlesRequest { order_by: "create_time".into(), ..next.clone() };
    let refused = desk.reads.clone().search_articles(other).await.unwrap_err();
    assert_eq!(fields(&refused), ["page_token"]);
    let dir = desk.server.stop().await;
    let server = TestServer::on(dir, |options| options.retrieve.poll = Duration::from_millis(50)).await;
    let page = server.retrieval().await.search_articles(next).await.unwrap().into_inner();
    let names: Vec<String> = page.results.into_iter().map(|result| last_part(&result.article.unwrap().url)).collect();
    assert_eq!(names, all[4..8]);
}
