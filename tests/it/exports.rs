//! Exports that are cut and go on, on any replica and while articles change; and shards.

use std::collections::{BTreeMap, BTreeSet};

use copydesk::proto::export_articles_response::Item;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use tokio_stream::StreamExt;
use tonic::Code;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest, invented};

type Reads = RetrievalServiceClient<Channel>;
type Writes = IngestionServiceClient<Channel>;

/// Articles per progress message in these tests.
const PROGRESS: usize = 3;

/// Returns a server with an embedded store, and two replicas on one database, which is removed when dropped.
async fn servers() -> ([Vec<TestServer>; 2], Database) {
    let database = Cluster::shared().database().await;
    let mut replicas = Vec::new();
    for _ in 0..2 {
        let store = StoreOptions::Postgres(Box::new(database.options()));
        replicas.push(
            TestServer::with(|options| {
                options.store = store;
                options.retrieve.progress_articles = PROGRESS;
            })
            .await,
        );
    }
    let embedded = TestServer::with(|options| options.retrieve.progress_articles = PROGRESS).await;
    ([vec![embedded], replicas], database)
}

/// Random numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Export as a client keeps it: the articles up to the last progress message, and its token.
#[derive(Default)]
struct Kept {
    articles: Vec<Article>,
    token: String,
    summary: Option<ExportSummary>,
}

impl Kept {
    /// Reads a number of messages, or all that there are.
    async fn read(&mut self, reads: &mut Reads, request: &ExportArticlesRequest, messages: usize) {
        let request = ExportArticlesRequest { export_token: self.token.clone(), ..request.clone() };
        let mut stream = reads.export_articles(request).await.unwrap().into_inner();
        let mut since = Vec::new();
        for _ in 0..messages {
            match stream.next().await.expect("a summary ends the stream").unwrap().item.unwrap() {
                Item::Article(article) => since.push(article),
                Item::Progress(progress) => {
                    assert!(since.len() <= PROGRESS, "progress is due");
                    self.articles.append(&mut since);
                    assert_eq!(progress.article_count, self.articles.len() as i64);
                    self.token = progress.export_token;
                }
                Item::Summary(summary) => {
                    self.articles.append(&mut since);
                    assert_eq!(summary.article_count, self.articles.len() as i64);
                    self.summary = Some(summary);
                    return;
                }
            }
        }
    }

    fn names(&self) -> Vec<&str> {
        self.articles.iter().map(|article| article.name.as_str()).collect()
    }
}

async fn fill(writes: &mut Writes, articles: usize) -> BTreeMap<String, Article> {
    let mut stored = BTreeMap::new();
    for number in 0..articles {
        let article = ingest(writes, invented(number)).await.article.unwrap();
        stored.insert(article.name.clone(), article);
    }
    stored
}

#[tokio::test]
async fn an_export_that_is_cut_goes_on_in_the_same_snapshot_on_any_replica() {
    let (servers, _database) = servers().await;
    for (engine, replicas) in servers.into_iter().enumerate() {
        let (mut writes, mut edits) = (replicas[0].ingestion().await, replicas[0].editorial().await);
        let stored = fill(&mut writes, 40).await;
        for seed in 0..6 {
            let mut random = Random(seed);
            let request = ExportArticlesRequest { view: ArticleView::Full.into(), ..Default::default() };
            let mut kept = Kept::default();
            let mut cuts = 0;
            // The first export is not cut, and shows the state that the others must be of.
            let expected = {
                let mut whole = Kept::default();
                let mut reads = replicas[0].retrieval().await;
                kept.read(&mut reads, &request, 1).await;
                let request = ExportArticlesRequest { export_token: kept.token.clone(), ..request.clone() };
                whole.token.clone_from(&kept.token);
                whole.read(&mut reads, &request, usize::MAX).await;
                whole
            };
            assert_eq!(expected.articles.len(), stored.len());
            while kept.summary.is_none() {
                let server = &replicas[random.below(replicas.len() as u64) as usize];
                let mut reads = server.retrieval().await;
                kept.read(&mut reads, &request, 1 + random.below(9) as usize).await;
                cuts += 1;
                // Articles are revised and created meanwhile: the snapshot is of before.
                let number = random.below(40) as usize;
                let headline = format!("Ferry {number} is late, edition {seed}.{cuts}");
                ingest(&mut writes, Article { headline, ..invented(number) }).await;
                let new = ingest(&mut writes, invented(1_000 + (seed * 1_000 + cuts) as usize)).await;
                let request = DeleteArticleRequest { name: new.article.unwrap().name, ..Default::default() };
                edits.delete_article(request).await.unwrap();
            }
            assert!(cuts > 5, "{cuts}");
            assert_eq!(kept.names(), expected.names(), "engine {engine}, seed {seed}");
            let headlines = |kept: &Kept| kept.articles.iter().map(|it| it.headline.clone()).collect::<Vec<_>>();
            assert_eq!(headlines(&kept), headlines(&expected));
            assert_eq!(kept.summary, expected.summary);
        }
    }
}

#[tokio::test]
async fn shards_are_disjoint_and_complete_in_one_snapshot() {
    let (servers, _database) = servers().await;
    for replicas in servers {
        let mut writes = replicas[0].ingestion().await;
        let stored = fill(&mut writes, 30).await;
        let mut reads = replicas[0].retrieval().await;
        let whole = ExportArticlesRequest::default();
        let mut start = Kept::default();
        start.read(&mut reads, &whole, 1).await;
        // Not in the snapshot.
        ingest(&mut writes, invented(500)).await;
        for shard_count in [1, 2, 7, 256] {
            let mut found = BTreeSet::new();
            let mut tokens = BTreeSet::new();
            for shard_index in 0..shard_count {
                let request = ExportArticlesRequest { shard_index, shard_count, ..whole.clone() };
                let mut kept = Kept { token: start.token.clone(), ..Kept::default() };
                kept.read(&mut reads, &request, usize::MAX).await;
                for name in kept.names() {
                    assert!(found.insert(name.to_owned()), "{name} is in two shards");
                }
                tokens.insert(kept.summary.unwrap().change_token);
            }
            assert_eq!(found, stored.keys().cloned().collect(), "{shard_count}");
            assert_eq!(tokens.len(), 1, "one snapshot");
        }
    }
}

#[tokio::test]
async fn an_article_that_is_hidden_meanwhile_is_not_sent_and_named_by_no_token() {
    let server = TestServer::with(|options| options.retrieve.progress_articles = 1).await;
    let (mut writes, mut edits, mut reads) =
        (server.ingestion().await, server.editorial().await, server.retrieval().await);
    let stored = fill(&mut writes, 4).await;
    let mut kept = Kept::default();
    kept.read(&mut reads, &ExportArticlesRequest::default(), 1).await;
    let last = kept_last(&stored);
    let request = WithdrawArticleRequest { name: last.clone(), ..Default::default() };
    edits.withdraw_article(request).await.unwrap();
    let request = ExportArticlesRequest { export_token: kept.token.clone(), ..Default::default() };
    let mut stream = reads.export_articles(request).await.unwrap().into_inner();
    let id = last.strip_prefix("articles/").unwrap().to_owned();
    let mut sent = 0;
    while let Some(message) = stream.next().await {
        match message.unwrap().item.unwrap() {
            Item::Article(article) => {
                assert_ne!(article.name, last);
                sent += 1;
            }
            Item::Progress(progress) => {
                let bytes = data_encoding::BASE64URL_NOPAD.decode(progress.export_token.as_bytes()).unwrap();
                assert!(!String::from_utf8_lossy(&bytes).contains(&id));
            }
            Item::Summary(summary) => assert_eq!(summary.article_count, sent),
        }
    }
    assert_eq!(sent, 3);
}

/// Returns the name of the article that was stored last.
fn kept_last(stored: &BTreeMap<String, Article>) -> String {
    let last = stored.values().max_by_key(|article| article.create_time.map(|time| (time.seconds, time.nanos)));
    last.unwrap().name.clone()
}

#[tokio::test]
async fn rejects_invalid_tokens_and_shards() {
    let server = TestServer::with(|options| options.retrieve.progress_articles = 1).await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    fill(&mut writes, 3).await;
    let whole = ExportArticlesRequest::default();
    let mut kept = Kept::default();
    kept.read(&mut reads, &whole, 5).await;
    let token = kept.token;
    let other = TestServer::start().await;
    let filter = Some(ArticleFilter { one_per_text: true, ..Default::default() });
    let bad = [
        (ExportArticlesRequest { export_token: "nonsense".into(), ..whole.clone() }, "export_token"),
        (ExportArticlesRequest { export_token: token[1..].into(), ..whole.clone() }, "export_token"),
        (ExportArticlesRequest { export_token: token.clone(), filter, ..whole.clone() }, "export_token"),
        (ExportArticlesRequest { export_token: token.clone(), shard_count: 2, ..whole.clone() }, "export_token"),
        (ExportArticlesRequest { shard_count: 257, ..whole.clone() }, "shard_count"),
        (ExportArticlesRequest { shard_count: -1, ..whole.clone() }, "shard_count"),
        (ExportArticlesRequest { shard_index: 1, ..whole.clone() }, "shard_index"),
        (ExportArticlesRequest { shard_index: -1, shard_count: 3, ..whole.clone() }, "shard_index"),
    ];
    for (request, field) in bad {
        assert_eq!(fields(&reads.export_articles(request).await.unwrap_err()), [field]);
    }
    let request = ExportArticlesRequest { export_token: token, ..whole };
    let mut others = other.retrieval().await;
    assert_eq!(fields(&others.export_articles(request).await.unwrap_err()), ["export_token"]);
}

#[tokio::test]
async fn an_expired_snapshot_is_out_of_range() {
    let database = Cluster::shared().database().await;
    let server = TestServer::with(|options| options.store = StoreOptions::Postgres(Box::new(database.options()))).await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    fill(&mut writes, 3).await;
    let mut kept = Kept::default();
    kept.read(&mut reads, &ExportArticlesRequest::default(), 1).await;
    fill(&mut writes, 1).await;
    ingest(&mut writes, invented(9)).await;
    // As after the retention of the feed.
    let trimmed = "UPDATE copydesk.trimmed SET position = (SELECT position FROM copydesk.feed)";
    database.client().await.batch_execute(trimmed).await.unwrap();
    let request = ExportArticlesRequest { export_token: kept.token.clone(), ..Default::default() };
    let expired = reads.export_articles(request).await.unwrap_err();
    assert_eq!(expired.code(), Code::OutOfRange);
    assert!(expired.message().contains("start a new export"), "{}", expired.message());
    let start = Some(watch_articles_request::Start::ExportToken(kept.token));
    let watch = WatchArticlesRequest { start, ..Default::default() };
    assert_eq!(reads.watch_articles(watch).await.unwrap_err().code(), Code::OutOfRange);
    // Changes before the retention may be missing.
    let time = Some(prost_types::Timestamp { seconds: 1_000_000_000, nanos: 0 });
    let start = time.map(watch_articles_request::Start::StartTime);
    let watch = WatchArticlesRequest { start, ..Default::default() };
    assert_eq!(reads.watch_articles(watch).await.unwrap_err().code(), Code::OutOfRange);
}
