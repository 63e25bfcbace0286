//! A response means durable: repeated SIGKILL during streaming ingestion. The search index, which commits all the time
//! meanwhile, has each article once. `KILLS=500` for more.

use std::collections::{BTreeMap, BTreeSet};

use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use copydesk_client::Client;
use tokio_stream::StreamExt;

use crate::support::process::Serve;
use crate::test_server::{invented, ready};

/// Number of articles sent in each life of the server; it dies before it has ingested them all.
const SENT: i64 = 400;

// Two threads: the last client must notice that the server stops, while the test waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_kills() {
    let kills: usize = std::env::var("KILLS").map_or(50, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut answered: BTreeMap<String, i64> = BTreeMap::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for life in 0..kills as i64 {
        // A server without a local cache, so that reads come from the disk.
        let flags = ["--cache", "off", "--log-level", "error", "--search-commit-interval", "10ms"];
        let server = Serve::on(dir.path(), &flags);
        let mut client = server.client().await;
        all_there(&mut client, &answered).await;

        // Half of the articles are new, half are corrections of earlier ones.
        let requests = (0..SENT).map(move |n| {
            let number = if n % 2 == 0 { life * SENT + n } else { (life * SENT + n) / 2 };
            let mut article = invented(number as usize);
            article.headline = format!("Ferry {number} returns, edition {life}-{n}");
            IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(n, ready(article)) }
        });
        let mut answers = client.ingestion.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut until_killed = (random >> 33) as i64 % (SENT - 50) + 1;
        while until_killed > 0 {
            let answer = answers.next().await.unwrap().unwrap();
            let Some(Answer::Ingested(ingested)) = answer.result else { panic!("{answer:?}") };
            let article = ingested.into_first().unwrap().article.unwrap();
            let revision = answered.entry(article.name).or_default();
            *revision = article.revision.max(*revision);
            until_killed -= 1;
        }
        server.kill();
    }
    let server = Serve::on(dir.path(), &["--log-level", "error"]);
    let mut client = server.client().await;
    all_there(&mut client, &answered).await;
    assert!(answered.len() > kills * 20, "too few articles were answered to show anything: {}", answered.len());
    each_change_once(&mut client, &answered).await;
    found_once(&mut client, &answered).await;
    server.stop();
}

async fn all_there(client: &mut Client, answered: &BTreeMap<String, i64>) {
    let names: Vec<&String> = answered.keys().collect();
    for names in names.chunks(1_000) {
        let request = BatchGetArticlesRequest {
            names: names.iter().map(|name| (*name).clone()).collect(),
            read_mask: Some(prost_types::FieldMask { paths: vec!["name".into(), "revision".into()] }),
            ..Default::default()
        };
        let answer = client.retrieval.batch_get_articles(request).await.unwrap().into_inner();
        assert!(answer.not_found.is_empty(), "acknowledged, but lost: {:?}", answer.not_found);
        for article in answer.articles {
            assert!(article.revision >= answered[&article.name], "{} lost a revision", article.name);
        }
    }
}

/// Checks the feed from its beginning: each article's revisions from 1 up, each once, and no token twice.
async fn each_change_once(client: &mut Client, answered: &BTreeMap<String, i64>) {
    let request = WatchArticlesRequest {
        read_mask: Some(prost_types::FieldMask { paths: vec!["name".into()] }),
        ..WatchArticlesRequest::from_beginning()
    };
    let mut watch = client.retrieval.watch_articles(request).await.unwrap().into_inner();
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    let mut tokens = BTreeSet::new();
    // The end of the feed is a checkpoint after a change.
    loop {
        match watch.next().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => {
                let revision = newest.entry(change.name.clone()).or_default();
                assert_eq!(change.revision, *revision + 1, "{}", change.name);
                *revision = change.revision;
                assert!(tokens.insert(change.change_token), "a token came twice");
            }
            Event::Checkpoint(_) if !newest.is_empty() => break,
            Event::Checkpoint(_) => {}
            Event::Article(_) | Event::Progress(_) => panic!("no snapshot was requested"),
        }
    }
    for (name, revision) in answered {
        assert!(newest.get(name).is_some_and(|seen| seen >= revision), "{name} is not in the feed as it was answered");
    }
}

/// Checks that the index has each article once, in its newest revision, and counts it once. The newest: a checkpoint of
/// the feed may lie before changes that were indexed between two pages.
async fn found_once(client: &mut Client, answered: &BTreeMap<String, i64>) {
    let mut found: BTreeMap<String, i64> = BTreeMap::new();
    let mut page_of: BTreeMap<String, usize> = BTreeMap::new();
    let requirement = Some(consistency::Requirement::FullyConsistent(true));
    let mut request = SearchArticlesRequest {
        query: "edition".into(),
        page_size: 100,
        include_total_size: true,
        consistency: Some(Consistency { requirement }),
        read_mask: Some(prost_types::FieldMask { paths: vec!["name".into(), "revision".into()] }),
        ..Default::default()
    };
    let mut number = 0;
    let total = loop {
        let page = client.retrieval.search_articles(request.clone()).await.unwrap().into_inner();
        number += 1;
        for (score, article) in page.results.into_iter().map(|result| (result.score, result.article.unwrap())) {
            // Twice on one page: the index has two documents. On two pages, its place has changed between them.
            if let Some(before) = page_of.insert(article.name.clone(), number) {
                let revision = (found[&article.name], article.revision);
                panic!("{} came on pages {before} and {number}: {score}, {revision:?}", article.name);
            }
            found.insert(article.name, article.revision);
        }
        if page.next_page_token.is_empty() {
            break page.total_size;
        }
        request.page_token = page.next_page_token;
    };
    assert_eq!(total, found.len() as i64);
    for (name, revision) in answered {
        assert!(found.get(name).is_some_and(|seen| seen >= revision), "{name} is not found");
    }
}
