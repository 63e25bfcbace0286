//! Several server processes on one database: the others know every change that one has confirmed.

use std::collections::BTreeMap;

use copydesk::proto::consistency::Requirement;
use copydesk::proto::ingest_articles_response::Result as Answer;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use copydesk_client::Client;
use tokio_stream::StreamExt;

use crate::support::database::{Cluster, Database};
use crate::support::process::{Serve, run};
use crate::test_server::{invented, ready};

/// Returns the flags of a server on a database. It stores nothing in the data folder that every server gets.
fn flags(database: &Database) -> [&str; 4] {
    ["--store", &database.url, "--log-level", "error"]
}

fn at_least(token: &str) -> Option<Consistency> {
    Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(token.to_owned())) })
}

async fn headline(client: &mut Client, name: &str, consistency: Option<Consistency>) -> String {
    let request = GetArticleRequest { name: name.to_owned(), consistency, ..Default::default() };
    client.retrieval.get_article(request).await.unwrap().into_inner().article.unwrap().headline
}

#[test]
fn a_server_on_an_old_schema_names_the_migrate_command() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Cluster::shared().empty_database());
    let serve = || run(&["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--store", &database.url]);
    let (code, _, errors) = serve();
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("version is 0") && errors.contains("copydesk migrate"), "{errors}");
    let (code, shown, errors) = run(&["migrate", "--store", &database.url]);
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("schema is up to date") && shown.starts_with("127.0.0.1:"), "{shown}");
    let dir = tempfile::tempdir().unwrap();
    Serve::on(dir.path(), &flags(&database)).stop();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the data folder is not empty");
    let (code, _, errors) = run(&[
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--http-listen",
        "off",
        "--store",
        "postgres://desk:hunter2@127.0.0.1:1/none",
    ]);
    assert_eq!(code, 1);
    assert!(errors.contains("127.0.0.1:1/none") && !errors.contains("hunter2"), "{errors}");
}

#[tokio::test]
async fn confirmed_writes_are_visible_on_every_replica() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let servers = [Serve::on(dir.path(), &flags(&database)), Serve::on(dir.path(), &flags(&database))];
    let (mut one, mut other) = (servers[0].client().await, servers[1].client().await);
    let watch = WatchArticlesRequest::from_beginning();
    let mut watch = other.retrieval.watch_articles(watch).await.unwrap().into_inner();
    for round in 0..20 {
        let mut article = invented(1);
        article.headline = format!("Ferry returns, edition {round}");
        let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
        let written = one
            .ingestion
            .ingest_article(request)
            .await
            .unwrap()
            .into_inner()
            .into_first()
            .unwrap_or_default()
            .article
            .unwrap();
        let (name, token) = (written.name.as_str(), written.change_token.as_str());
        // The other replica has the previous edition in its cache, and the token shows that it is stale.
        assert_eq!(headline(&mut other, name, at_least(token)).await, written.headline);
        let search = SearchArticlesRequest {
            query: format!("\"edition {round}\""),
            consistency: at_least(token),
            ..Default::default()
        };
        assert_eq!(other.retrieval.search_articles(search).await.unwrap().into_inner().results.len(), 1);
        // Without a token the read is within the staleness bound.
        let bound = async {
            while headline(&mut other, name, None).await != written.headline {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(2), bound)
            .await
            .expect("the change is visible within the bound");
        loop {
            if let Event::Change(change) = watch.next().await.unwrap().unwrap().event.unwrap() {
                assert_eq!((change.revision, change.change_token.as_str()), (round + 1, token));
                break;
            }
        }
    }
    servers.into_iter().for_each(|server| drop(server.stop()));
}

#[tokio::test]
async fn acknowledged_writes_survive_kills_of_replicas() {
    const KILLS: i64 = 12;
    const SENT: i64 = 300;
    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let dir = tempfile::tempdir().unwrap();
    let stays = Serve::on(dir.path(), &flags(&database));
    let mut onlooker = stays.client().await;
    let mut answered: BTreeMap<String, i64> = BTreeMap::new();
    for life in 0..KILLS {
        let server = Serve::on(dir.path(), &flags(&database));
        let mut client = server.client().await;
        let requests = (0..SENT).map(move |n| {
            let mut article = invented((life * SENT / 2 + n) as usize);
            article.headline = format!("Ferry {n}, edition {life}");
            IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(n, ready(article)) }
        });
        let mut answers = client.ingestion.ingest_articles(tokio_stream::iter(requests)).await.unwrap().into_inner();
        for _ in 0..(life * 97) % (SENT - 50) + 1 {
            let Some(Answer::Ingested(ingested)) = answers.next().await.unwrap().unwrap().result else { panic!() };
            let article = ingested.into_first().unwrap().article.unwrap();
            let revision = answered.entry(article.name).or_default();
            *revision = article.revision.max(*revision);
        }
        server.kill();
    }
    // The other replica has kept running, and its feed has each revision once.
    let watch = WatchArticlesRequest::from_beginning();
    let mut watch = onlooker.retrieval.watch_articles(watch).await.unwrap().into_inner();
    let mut newest: BTreeMap<String, i64> = BTreeMap::new();
    // The first checkpoint shows that the watch has caught up.
    while let Event::Change(change) = watch.next().await.unwrap().unwrap().event.unwrap() {
        let revision = newest.entry(change.name.clone()).or_default();
        assert_eq!(change.revision, *revision + 1, "{}", change.name);
        *revision = change.revision;
    }
    assert!(answered.len() > 300, "too few articles were confirmed for the check: {}", answered.len());
    for (name, revision) in &answered {
        assert!(newest.get(name).is_some_and(|seen| seen >= revision), "{name} was confirmed and lost");
    }
    stays.stop();
}
