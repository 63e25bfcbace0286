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

pub async fn headlines_weigh_more(Engine { store, .. }: Engine) {
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
pub async fn what_is_withdrawn_is_not_found(Engine { store, .. }: Engine) {
    let embargo = Article { embargo_time: proto_at(100), ..titled("Ferry embargoed") };
    write(&store, ingest("embargoed", embargo, at(0))).await.unwrap();
    write(&store, ingest("live", titled("Ferry sails"), at(0))).await.unwrap();
    indexed(&store).await;
    assert_eq!(hit_names(&search(&store, "ferry", at(1)).await), ["live"]);
    write(&store, transition("live", ChangeKind::Withdrawn, at(2))).await.unwrap();
    assert!(search(&store, "ferry", at(3)).await.is_empty());
    assert_eq!(hit_names(&search(&store, "ferry", at(100)).await), ["embargoed"]);
    turn(&store, at(100)).await;
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

pub async fn the_index_and_the_query_agree(Engine { store, .. }: Engine) {
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
