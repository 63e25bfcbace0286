//! The search index.

use copydesk::article::{ChangeKind, Filter, Query};
use copydesk::proto::{Article, ArticleFilter};
use copydesk::store::{Consistency, Precondition, SearchQuery};

use super::engines::Engine;
use super::fixtures::{
    at, feed, hit_names, indexed, ingest, proto_at, search, titled, transition, turn, update, write,
};

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
    indexed(&store).await;
    let hits = search(&store, "LIGHTHOUSE", at(1)).await;
    assert_eq!(hit_names(&hits), ["headline", "body"]);
    assert!(hits[0].score > hits[1].score);
    let query = Query::parse("lighthouse", "query").unwrap();
    let second = SearchQuery {
        query,
        filter: Filter::default(),
        skip: 1,
        limit: 5,
        now: at(1),
        consistency: Consistency::Bounded,
    };
    assert_eq!(hit_names(&store.search(&second).await.unwrap().hits), ["body"]);
}

/// Does not wait for the index: its lag must not matter.
pub async fn withdrawn_articles_are_not_found(Engine { store, .. }: Engine) {
    let embargo = Article { embargo_time: proto_at(100), ..titled("Ferry embargoed") };
    write(&store, ingest("embargoed", embargo, at(0))).await.unwrap();
    write(&store, ingest("live", titled("Ferry sails"), at(0))).await.unwrap();
    indexed(&store).await;
    assert_eq!(hit_names(&search(&store, "ferry", at(1)).await), ["live"]);
    write(&store, transition("live", ChangeKind::Withdrawn, at(2))).await.unwrap();
    assert!(search(&store, "ferry", at(3)).await.is_empty());
    // An embargoed article is not in the index until the feed has the end of its embargo.
    assert!(search(&store, "ferry", at(100)).await.is_empty());
    turn(&store, at(100)).await;
    indexed(&store).await;
    assert_eq!(hit_names(&search(&store, "ferry", at(100)).await), ["embargoed"]);
    write(&store, transition("live", ChangeKind::Reinstated, at(101))).await.unwrap();
    indexed(&store).await;
    assert_eq!(search(&store, "ferry", at(102)).await.len(), 2);
}

pub async fn a_revised_text_is_found_by_its_new_words_only(Engine { store, .. }: Engine) {
    write(&store, ingest("ferry", titled("Fery sails"), at(0))).await.unwrap();
    indexed(&store).await;
    write(&store, update("ferry", titled("Ferry sails"), Precondition::None, at(1))).await.unwrap();
    indexed(&store).await;
    assert!(search(&store, "fery", at(2)).await.is_empty());
    assert_eq!(search(&store, "ferry", at(2)).await.len(), 1);
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
    indexed(&store).await;
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
        "near ferry*",
        "headline:report",
        "report -5x -5 (ferry OR bangkok)",
        "\"5 6\"",
        "{report}",
    ] {
        let query = Query::parse(text, "query").unwrap();
        let mut found: Vec<String> =
            search(&store, text, at(1)).await.iter().map(|hit| hit.record.id.to_string()).collect();
        found.sort();
        let expected: Vec<String> = stored
            .iter()
            .filter(|change| query.matches(&change.record.decode().unwrap()))
            .map(|change| change.record.id.to_string())
            .collect();
        assert_eq!(found, expected, "{text}");
        let filter = ArticleFilter { text: text.into(), ..ArticleFilter::default() };
        let listed = super::fixtures::page(filter, Default::default(), false, 100, at(1));
        let mut listed: Vec<String> = super::fixtures::names(&super::fixtures::list(&store, listed).await)
            .into_iter()
            .map(str::to_owned)
            .collect();
        listed.sort();
        assert_eq!(listed, expected, "list: {text}");
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
    indexed(&store).await;
    for (once, repeated) in [
        ("ferry", "ferry ".repeat(64)),
        ("harbour", "harbour Harbour HARBOUR".to_owned()),
        ("\"port ellery\"", "\"port ellery\" Port-Ellery".to_owned()),
        ("ferry OR harbour", "ferry OR harbour OR ferry harbour OR ferry".to_owned()),
        ("harbour -quiet", "harbour -quiet -quiet -Quiet".to_owned()),
    ] {
        let [once, repeated] = [once.to_owned(), repeated].map(|text| {
            let store = &store;
            async move {
                let hits = search(store, &text, at(1)).await;
                hits.iter().map(|hit| (hit.record.id.to_string(), hit.score)).collect::<Vec<_>>()
            }
        });
        let once = once.await;
        assert!(!once.is_empty());
        assert_eq!(once, repeated.await);
    }
}

/// For any number of hidden articles with the phrase, hidden in any way, with any history.
pub async fn hidden_articles_do_not_affect_scores(Engine { store, .. }: Engine) {
    for (name, headline, body) in [
        ("short", "Orchid ledger found", "The harbour was quiet."),
        ("long", "A calm day", "The orchid ledger is lost. The harbour was quiet, and the crossing took an hour."),
        ("other", "Another day", "The crossing took an hour and the harbour was quiet."),
    ] {
        write(&store, ingest(name, with_body(headline, body), at(0))).await.unwrap();
    }
    let scores = async |now| {
        indexed(&store).await;
        let hits = search(&store, "\"orchid ledger\"", at(now)).await;
        hits.iter().map(|hit| (hit.record.id.to_string(), hit.score)).collect::<Vec<_>>()
    };
    let alone = scores(1).await;
    assert_eq!(alone.len(), 2);
    let secret = |number: i64| with_body(&format!("Orchid ledger {number}"), "An orchid ledger, and what is in it.");
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
    assert_eq!(scores(20).await, alone);
    // Corrected while they are hidden.
    for (number, name) in hidden.iter().enumerate().filter(|(number, _)| number % 4 < 2) {
        let expire_time = if number % 4 == 1 { proto_at(200) } else { None };
        let article = Article { embargo_time: proto_at(100), expire_time, ..secret(900 + number as i64) };
        write(&store, update(name, article, Precondition::None, at(21))).await.unwrap();
    }
    assert_eq!(scores(22).await, alone);
    // Opened by the clock they are found, and hidden again they do not count.
    turn(&store, at(100)).await;
    assert_eq!(scores(101).await.len(), 2 + 6);
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
    assert_eq!(scores(201).await, alone);
}
