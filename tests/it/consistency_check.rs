//! The consistency check counts reads older than the bound, and nothing else.

use std::time::Duration;

use copydesk::cache::{ConsistencyCheckOptions, RedisOptions};
use copydesk::proto::GetArticleRequest;

use crate::support::process::copydesk;
use crate::support::redis_server::RedisServer;
use crate::test_server::{TestServer, ingest, invented};

const BOUND: Duration = Duration::from_millis(200);

/// A server whose only cache is Redis: it returns the entries there.
async fn desk(redis: &RedisServer) -> TestServer {
    let mut options = RedisOptions::new(&redis.url()).unwrap();
    options.staleness_bound = BOUND;
    options.poll = Duration::from_millis(20);
    TestServer::with(|server| {
        server.cache = None;
        server.redis = Some(options);
        server.consistency_check =
            Some(ConsistencyCheckOptions { interval: Duration::from_millis(10), sample: 20, staleness_bound: BOUND });
    })
    .await
}

/// Waits until a metric is as it should be.
async fn until(server: &TestServer, metric: &str, reached: impl Fn(u64) -> bool) -> u64 {
    let waiting = async {
        loop {
            let text = server.http("/metrics").await;
            let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix("_total "));
            let value = line.unwrap_or_else(|| panic!("{metric} is not among the metrics")).parse().unwrap();
            if reached(value) {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.expect(metric)
}

fn put(redis: &RedisServer, key: &str, entry: &[u8]) {
    redis.ask::<()>(&[b"SET".as_slice(), key.as_bytes(), entry]);
}

/// Returns the output of the command, and true if it found a violation.
async fn check(server: &TestServer) -> (i32, String) {
    let address = format!("http://{}", server.address);
    let mut command =
        copydesk(&["consistency-check", "--addr", &address, "--bound", "200", "--rounds", "3", "--sample", "20"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_stale_entry_is_counted_as_violation() {
    let redis = RedisServer::start();
    let server = desk(&redis).await;
    let (mut ingestion, mut retrieval) = (server.ingestion().await, server.retrieval().await);
    let name = ingest(&mut ingestion, invented(1)).await.article.unwrap().name;
    let get = GetArticleRequest { name: name.clone(), ..Default::default() };
    let key = format!("*{{{}}}", name.strip_prefix("articles/").unwrap());
    // Filled by reads, and found to be consistent.
    let old: Vec<u8> = loop {
        retrieval.get_article(get.clone()).await.unwrap();
        let keys: Vec<String> = redis.ask(&["KEYS", &key]);
        let entry: Option<Vec<u8>> = keys.first().map(|key| redis.ask(&["GET", key]));
        match entry {
            Some(entry) if entry[0] == b'v' => break entry,
            _ => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    until(&server, "copydesk_consistency_check_checked", |count| count >= 10).await;
    assert_eq!(until(&server, "copydesk_consistency_check_violations", |_| true).await, 0);
    let (code, shown) = check(&server).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("reads checked: 3\n") && shown.contains("violations: 0\n"), "{shown}");

    // After a correction the test restores the old entry, which no fault of Copydesk can do.
    let mut corrected = invented(1);
    corrected.headline = "Ferry 1 does not return".into();
    ingest(&mut ingestion, corrected).await;
    let keys: Vec<String> = redis.ask(&["KEYS", &key]);
    let waiting = async {
        // Repeatedly, because the repair removes it.
        loop {
            put(&redis, &keys[0], &old);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = waiting => {}
        _ = until(&server, "copydesk_consistency_check_violations", |count| count > 0) => {}
    }
    put(&redis, &keys[0], &old);
    let (code, shown) = check(&server).await;
    assert_eq!(code, 1, "{shown}");
    assert!(!shown.contains("violations: 0\n"), "{shown}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_changes_are_not_violations() {
    let redis = RedisServer::start();
    let server = desk(&redis).await;
    let (mut ingestion, mut retrieval) = (server.ingestion().await, server.retrieval().await);
    let writing = async {
        for edition in 0_u64.. {
            for number in 0..5 {
                let mut article = invented(number);
                article.headline = format!("Ferry {number}, edition {edition}");
                let name = ingest(&mut ingestion, article).await.article.unwrap().name;
                // So that there are entries to look at.
                for _ in 0..3 {
                    let get = GetArticleRequest { name: name.clone(), ..Default::default() };
                    retrieval.get_article(get).await.unwrap();
                }
            }
        }
    };
    tokio::select! {
        () = writing => {}
        _ = until(&server, "copydesk_consistency_check_checked", |count| count >= 100) => {}
    }
    assert_eq!(until(&server, "copydesk_consistency_check_violations", |_| true).await, 0);
    server.stop().await;
}
