//! The search index.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{ChangeKind, EncodedArticle, Filter, Query};
use copydesk::proto::{Article, ArticleFilter, ListArticlesRequest, SearchArticlesRequest};
use copydesk::retrieve::Retrieval;
use copydesk::search::{
    Aggregate, CountedField, Ranking, Recency, SearchIndex, SearchOptions, SuggestedField, TimeKey, ValueField,
};
use copydesk::store::Precondition;
use copydesk::telemetry::SearchMetrics;
use jiff::Timestamp;
use prost::Message;

use super::engines::Engine;
use super::fixtures::{at, feed, ingest, proto_at, titled, transition, turn, update, write};
use super::indexes::{Index, by_relevance, found};
use crate::test_server::{options, search_options};

fn with_body(headline: &str, body: &str) -> Article {
    Article { body: body.into(), ..titled(headline) }
}

pub async fn headline_matches_score_higher(Engine { store, .. }: Engine) {
    let filler = "The harbour was quiet, and the crossing took an hour.";
    for (name, headline, body) in [
        ("body", "A calm day", "The lighthouse is lit."),
        ("headline", "Lighthouse lit", "A calm day."),
        ("none", "Calm", filler),
    ] {
        write(&store, ingest(name, with_body(headline, body), at(0))).await.unwrap();
    }
    let index = Index::of(&store).await;
    let hits = index.search("LIGHTHOUSE", at(1)).await;
    assert_eq!(found(&hits), ["headline", "body"]);
    assert!(hits[0].score > hits[1].score);
    let query = Query::parse("lighthouse", "query").unwrap();
    let first = index.page(Some(&query), &Filter::default(), by_relevance(), at(1), None, 1).await;
    let from = Some((first.candidates[0].cursor(), first.statistics));
    let second = index.page(Some(&query), &Filter::default(), by_relevance(), at(1), from, 5).await;
    assert_eq!(found(&second.candidates), ["body"]);
}

pub async fn withdrawn_articles_are_not_found(Engine { store, .. }: Engine) {
    let embargo = Article { embargo_time: proto_at(100), ..titled("Ferry embargoed") };
    write(&store, ingest("embargoed", embargo, at(0))).await.unwrap();
    write(&store, ingest("live", titled("Ferry sails"), at(0))).await.unwrap();
    let index = Index::of(&store).await;
    assert_eq!(found(&index.search("ferry", at(1)).await), ["live"]);
    write(&store, transition("live", ChangeKind::Withdrawn, at(2))).await.unwrap();
    index.catch_up().await;
    assert!(index.search("ferry", at(3)).await.is_empty());
    // The clock ends an embargo, whether or not the feed has it.
    assert_eq!(found(&index.search("ferry", at(100)).await), ["embargoed"]);
    turn(&store, at(100)).await;
    index.catch_up().await;
    assert_eq!(found(&index.search("ferry", at(100)).await), ["embargoed"]);
    write(&store, transition("live", ChangeKind::Reinstated, at(101))).await.unwrap();
    index.catch_up().await;
    assert_eq!(index.search("ferry", at(102)).await.len(), 2);
}

/// The index has none of the changes; the store decides.
pub async fn a_late_index_shows_no_withdrawn_article(Engine { store, .. }: Engine) {
    let now = Timestamp::now();
    for name in ["kept", "withdrawn", "deleted", "purged", "hidden", "corrected", "reworded"] {
        write(&store, ingest(name, titled(&format!("Ferry {name}")), now)).await.unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let late =
        SearchOptions { commit_interval: Duration::from_secs(3_600), ..search_options(&dir.path().join("index")) };
    let index = SearchIndex::open(Arc::clone(&store), late, SearchMetrics::default()).await.unwrap();
    assert!(index.reach(store.head().await.unwrap(), Duration::from_secs(60)).await);
    let retrieval =
        Retrieval::new(Arc::clone(&store), Arc::new(index), None, Arc::default(), options(dir.path()).retrieve);
    for kind in [ChangeKind::Withdrawn, ChangeKind::Deleted, ChangeKind::Purged] {
        let name = format!("{kind:?}").to_lowercase();
        write(&store, transition(&name, kind, now)).await.unwrap();
    }
    let embargo_time = Some(copydesk::article::to_proto(now + Duration::from_secs(3_600)));
    let hidden = Article { embargo_time, ..titled("Ferry hidden") };
    write(&store, update("hidden", hidden, Precondition::None, now)).await.unwrap();
    write(&store, update("corrected", titled("Boat corrected"), Precondition::None, now)).await.unwrap();
    write(&store, update("reworded", titled("Ferry once more"), Precondition::None, now)).await.unwrap();
    let names = ["articles/kept", "articles/reworded"];
    for page_size in [1, 10] {
        let mut search = SearchArticlesRequest { query: "ferry".into(), page_size, ..Default::default() };
        let text = Some(ArticleFilter { text: "ferry".into(), ..Default::default() });
        let mut list = ListArticlesRequest { filter: text, page_size, ..Default::default() };
        let (mut searched, mut listed) = (Vec::new(), Vec::new());
        loop {
            let results = retrieval.search(&search).await.unwrap();
            searched.extend(results.hits.iter().map(|hit| decoded(&hit.article).name));
            search.page_token = results.next_page_token;
            if search.page_token.is_empty() {
                break;
            }
        }
        loop {
            let page = retrieval.list(&list).await.unwrap();
            listed.extend(page.articles.iter().map(|article| decoded(article).name));
            list.page_token = page.next_page_token;
            if list.page_token.is_empty() {
                break;
            }
        }
        searched.sort();
        listed.sort();
        assert_eq!(
            (searched.as_slice(), listed.as_slice()),
            (&names.map(String::from)[..], &names.map(String::from)[..])
        );
    }
}

/// Clients choose IDs too.
pub async fn ids_with_a_long_common_beginning_are_paged(Engine { store, .. }: Engine) {
    let names: Vec<String> = (0..9).map(|number| format!("herald-example-2027-01-15-{number}")).collect();
    for name in names.iter().rev() {
        let article = Article { publish_time: proto_at(0), ..titled("Ferry sails") };
        write(&store, ingest(name, article, at(0))).await.unwrap();
    }
    let index = Index::of(&store).await;
    let query = Query::parse("ferry", "query").unwrap();
    let by_time = Ranking::Time { key: TimeKey::Publish, descending: true };
    for ranking in [by_relevance(), by_time] {
        let (mut walked, mut from) = (Vec::new(), None);
        loop {
            let page = index.page(Some(&query), &Filter::default(), ranking, at(1), from.take(), 2).await;
            from = page.candidates.last().map(|last| (last.cursor(), page.statistics));
            walked.extend(page.candidates.iter().map(|found| found.id.to_string()));
            if page.candidates.len() < 2 {
                break;
            }
        }
        walked.sort();
        walked.sort();
        assert_eq!(walked, names, "{ranking:?}");
    }
}

pub async fn a_revised_text_is_found_by_its_new_words_only(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("Fery sails"), at(0))).await.unwrap();
    let index = Index::of(&store).await;
    write(&store, update("ferry", titled("Ferry sails"), Precondition::None, at(1))).await.unwrap();
    index.catch_up().await;
    assert!(index.search("fery", at(2)).await.is_empty());
    assert_eq!(index.search("ferry", at(2)).await.len(), 1);
}

pub async fn the_index_and_the_query_tokenize_equally(Engine { store, .. }: Engine) {
    let texts = [
        "Missile-defense dispute grows",
        "The defense of a missile",
        "在东京举行的会议",
        "L'été à Port-Éllery, 5x",
        "Übergröße straße STRASSE",
        "Москва, Ёлка; 5.6 million",
        "กรุงเทพมหานคร and Bangkok",
        "AND OR NOT NEAR the ferry*",
    ];
    for (number, text) in texts.iter().enumerate() {
        let article = with_body(&format!("Report {number}"), text);
        write(&store, ingest(&format!("a-{number}"), article, at(0))).await.unwrap();
    }
    let index = Index::of(&store).await;
    let stored = feed(&store).await;
    for text in [
        "\"missile defense\"",
        "missile defense",
        "defense -missile",
        "defense -dispute",
        "东京",
        "京东",
        "\"东京举行\"",
        "ete",
        "été",
        "\"port ellery\"",
        "straße",
        "strasse",
        "ёлка",
        "елка",
        "МОСКВА",
        "กรุงเทพ",
        "bangkok OR москва",
        "and",
        "\"AND OR NOT\"",
        "near ferr*",
        "headline:report",
        "report -5x (ferry OR bangkok)",
        "disputes",
        "meetings OR grow",
        "bangk*",
        "\"missile dispute\"~2",
        "(missile OR 东京) -(dispute grows)",
        "body:missile headline:report",
        "\"5 6\"",
        "{report}",
    ] {
        let query = Query::parse(text, "query").unwrap();
        let mut found: Vec<String> = index.search(text, at(1)).await.iter().map(|found| found.id.to_string()).collect();
        found.sort();
        let expected: Vec<String> = stored
            .iter()
            .filter(|change| query.matches(&change.record.decode().unwrap()))
            .map(|change| change.record.id.to_string())
            .collect();
        assert_eq!(found, expected, "{text}");
        let filter = Filter::parse(Some(&ArticleFilter { text: text.into(), ..ArticleFilter::default() })).unwrap();
        let filtered = index.top(None, &filter, by_relevance(), at(1)).await;
        let mut filtered: Vec<String> = filtered.candidates.iter().map(|found| found.id.to_string()).collect();
        filtered.sort();
        assert_eq!(filtered, expected, "filter: {text}");
    }
}

/// A repeated word, phrase, alternative or exclusion changes neither the matches nor their scores.
pub async fn repeated_query_terms_change_no_score(Engine { store, .. }: Engine) {
    for (name, headline, body) in [
        ("one", "Ferry to Port Ellery", "The ferry left the harbour."),
        ("two", "Harbour dredged", "No ferry sailed from Port Ellery."),
        ("three", "Calm", "The harbour was quiet."),
    ] {
        write(&store, ingest(name, with_body(headline, body), at(0))).await.unwrap();
    }
    let index = Index::of(&store).await;
    for (once, repeated) in [
        ("ferry", "ferry ".repeat(64)),
        ("harbour", "harbour Harbour HARBOUR".to_owned()),
        ("\"port ellery\"", "\"port ellery\" \"Port-Ellery\"".to_owned()),
        ("ferry OR harbour", "ferry OR harbour OR ferry harbour OR ferry".to_owned()),
        ("harbour -quiet", "harbour -quiet -quiet -Quiet".to_owned()),
    ] {
        let [once, repeated] = [once.to_owned(), repeated].map(|text| {
            let index = &index;
            async move {
                let hits = index.search(&text, at(1)).await;
                hits.iter().map(|hit| (hit.id.to_string(), hit.score)).collect::<Vec<_>>()
            }
        });
        let once = once.await;
        assert!(!once.is_empty());
        assert_eq!(once, repeated.await);
    }
}

/// For any number of hidden articles with the phrase, hidden in any way, with any history.
pub async fn hidden_articles_do_not_affect_what_readers_see(Engine { store, .. }: Engine) {
    for (name, headline, body) in [
        ("short", "Orchid ledger found", "The harbour was quiet."),
        ("long", "A calm day", "The orchid ledger is lost. The harbour was quiet, and the crossing took an hour."),
        ("other", "Another day", "The crossing took an hour and the harbour was quiet."),
    ] {
        write(&store, ingest(name, with_body(headline, body), at(0))).await.unwrap();
    }
    let index = Index::of(&store).await;
    // All that readers see of the index. Ages are of the same time.
    let seen = async |now| {
        index.catch_up().await;
        let query = Query::parse("\"orchid ledger\"", "query").unwrap();
        let top = index.top(Some(&query), &Filter::default(), without_recency(), at(now)).await;
        let hits: Vec<_> = top.candidates.iter().map(|hit| (hit.id.to_string(), hit.score)).collect();
        let field = CountedField::Value(ValueField::Tag);
        let tags = vec![Aggregate::Values { field, limit: 10 }];
        let counts = index.count(None, &Filter::default(), tags, at(now)).await;
        let tags = index.suggest(SuggestedField::Value(ValueField::Tag), "s", &Filter::default(), at(now)).await;
        let words = index.suggest(SuggestedField::HeadlineWord, "orch", &Filter::default(), at(now)).await;
        let counts = (top.total, counts.total, counts.results[0].buckets.clone());
        (hits, top.statistics, counts, tags, words)
    };
    let alone = seen(1).await;
    assert_eq!((alone.0.len(), alone.3.len(), alone.4.len()), (2, 0, 1));
    let secret = |number: i64| Article {
        tags: vec!["secret".into(), format!("secret {number}")],
        ..with_body(&format!("Orchid ledger {number} orchidarium"), "An orchid ledger, and what is in it.")
    };
    let mut hidden = Vec::new();
    for number in 0..12_i64 {
        let name = format!("hidden-{number}");
        let (embargo_time, expire_time) = match number % 4 {
            0 => (proto_at(100), None),
            1 => (proto_at(100), proto_at(200)),
            2 => (None, proto_at(10)),
            _ => (None, None),
        };
        write(&store, ingest(&name, Article { embargo_time, expire_time, ..secret(number) }, at(1))).await.unwrap();
        hidden.push(name);
    }
    for name in hidden.iter().skip(3).step_by(4) {
        let kind = if name.ends_with('3') { ChangeKind::Withdrawn } else { ChangeKind::Deleted };
        write(&store, transition(name, kind, at(2))).await.unwrap();
    }
    turn(&store, at(20)).await;
    assert_eq!(seen(20).await, alone);
    // Corrected while they are hidden.
    for (number, name) in hidden.iter().enumerate().filter(|(number, _)| number % 4 < 2) {
        let expire_time = if number % 4 == 1 { proto_at(200) } else { None };
        let article = Article { embargo_time: proto_at(100), expire_time, ..secret(900 + number as i64) };
        write(&store, update(name, article, Precondition::None, at(21))).await.unwrap();
    }
    assert_eq!(seen(22).await, alone);
    // Opened by the clock they are found, and hidden again they do not count.
    turn(&store, at(100)).await;
    let opened = seen(101).await;
    assert_eq!((opened.0.len(), opened.3[0].count, opened.4.len()), (2 + 6, 6, 2));
    for (number, name) in hidden.iter().enumerate().filter(|(number, _)| number % 4 == 0) {
        match number % 3 {
            0 => write(&store, transition(name, ChangeKind::Withdrawn, at(102))).await.unwrap(),
            1 => write(&store, transition(name, ChangeKind::Deleted, at(102))).await.unwrap(),
            _ => {
                let article = Article { embargo_time: proto_at(900), ..secret(900 + number as i64) };
                write(&store, update(name, article, Precondition::None, at(102))).await.unwrap()
            }
        };
    }
    turn(&store, at(200)).await;
    assert_eq!(seen(201).await, alone);
}

fn decoded(article: &EncodedArticle) -> Article {
    Article::decode(&article.as_bytes()[..]).unwrap()
}

fn without_recency() -> Ranking {
    Ranking::Relevance(Recency { weight: 0.0, ..Recency::default() })
}
