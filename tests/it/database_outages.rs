//! Database outages as clients see them: cached articles are served, other calls fail fast with a reason, and recovery
//! is automatic.

use std::time::{Duration, Instant};

use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt;

use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest, invented, ready};

/// Timeout that exceeds every wait here, and is far below the statement timeout.
const SOON: Duration = Duration::from_secs(60);

struct Desk {
    server: TestServer,
    reads: RetrievalServiceClient<Channel>,
    writes: IngestionServiceClient<Channel>,
    /// Name of a cached article.
    cached: String,
    /// Name of an article that is not cached.
    other: String,
}

impl Desk {
    /// Starts a server with a statement timeout of ten minutes.
    async fn open(database: &Database) -> Self {
        let mut store = database.options();
        store.statement_timeout = Duration::from_secs(600);
        store.connect_timeout = Duration::from_millis(500);
        let server = TestServer::with(|options| {
            options.store = StoreOptions::Postgres(Box::new(store));
            options.cache.as_mut().unwrap().staleness_bound = Duration::from_secs(600);
        })
        .await;
        let (mut writes, reads) = (server.ingestion().await, server.retrieval().await);
        let cached = ingest(&mut writes, invented(1)).await.article.unwrap().name;
        let other = ingest(&mut writes, invented(2)).await.article.unwrap().name;
        let desk = Self { server, reads, writes, cached, other };
        until(async || desk.layer(&desk.cached).await == Ok("local".into())).await;
        until(async || desk.at_least_as_fresh().await == Ok("local".into())).await;
        desk
    }

    /// Returns the layer that answers a read.
    async fn layer(&self, name: &str) -> Result<String, Code> {
        let answer = self.read(name, None).await.map_err(|status| status.code())?;
        Ok(answer.metadata().get("copydesk-cache").unwrap().to_str().unwrap().to_owned())
    }

    async fn read(
        &self,
        name: &str,
        consistency: Option<Consistency>,
    ) -> Result<tonic::Response<GetArticleResponse>, Status> {
        let request = GetArticleRequest { name: name.to_owned(), consistency, ..Default::default() };
        tokio::time::timeout(SOON, self.reads.clone().get_article(request)).await.expect("a read ends in time")
    }

    /// Returns the layer that answers a read of the cached article with its change token.
    async fn at_least_as_fresh(&self) -> Result<String, Code> {
        let cached = self.read(&self.cached, None).await.map_err(|status| status.code())?.into_inner();
        let requirement = Some(consistency::Requirement::AtLeastAsFresh(cached.article.unwrap().change_token));
        let answer =
            self.read(&self.cached, Some(Consistency { requirement })).await.map_err(|status| status.code())?;
        Ok(answer.metadata().get("copydesk-cache").unwrap().to_str().unwrap().to_owned())
    }

    /// Makes a read that the cache must not answer.
    async fn fresh(&self, name: &str) -> Result<(), Status> {
        let requirement = Some(consistency::Requirement::FullyConsistent(true));
        self.read(name, Some(Consistency { requirement })).await.map(drop)
    }

    async fn write(&self, number: usize) -> Result<(), Status> {
        let request = IngestArticleRequest { document: Some(ready(invented(number))), ..Default::default() };
        let written = tokio::time::timeout(SOON, self.writes.clone().ingest_article(request)).await;
        written.expect("a write ends in time").map(drop)
    }

    async fn is_ready(&self) -> bool {
        let mut health = HealthClient::new(self.server.channel().await);
        let request = HealthCheckRequest { service: "copydesk.v1.RetrievalService".into() };
        let serving = health.check(request).await.unwrap().into_inner().status() == ServingStatus::Serving;
        serving && self.server.http("/readyz").await.ends_with("ready\n")
    }

    /// Checks everything that holds during an outage.
    async fn fails_fast(&self, since: Instant, what: &str) {
        let list = async { self.reads.clone().list_articles(ListArticlesRequest::default()).await.map(drop) };
        let (one, two, listed, written) =
            tokio::join!(self.read(&self.other, None), self.fresh(&self.cached), list, self.write(3));
        println!("{what}: the first reads and a write failed after {:?}", since.elapsed());
        for refused in [one.map(drop), two, listed, written] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
            assert_eq!(refused.get_details_error_info().unwrap().reason, "STORE_UNAVAILABLE");
            assert!(refused.get_details_retry_info().unwrap().retry_delay.is_some());
        }
        until(async || !self.is_ready().await).await;
        self.server.until_metric("copydesk_store_breaker_open 1").await;
        assert_eq!(self.layer(&self.cached).await, Ok("local".into()));
        assert_eq!(self.at_least_as_fresh().await, Ok("local".into()));
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(self.layer(&self.other).await, Err(Code::Unavailable));
        }
        println!("{what}: later reads failed after {:?} each", began.elapsed() / 100);
    }

    async fn recovers(&self, since: Instant, what: &str) {
        until(async || self.layer(&self.other).await.is_ok()).await;
        println!("{what}: reads succeeded {:?} after the database's return", since.elapsed());
        until(async || self.write(4).await.is_ok()).await;
        until(async || self.is_ready().await).await;
        self.server.until_metric("copydesk_store_breaker_open 0").await;
        self.fresh(&self.cached).await.unwrap();
    }
}

async fn until(mut reached: impl AsyncFnMut() -> bool) {
    let reached = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, reached).await.expect("the condition is reached");
}

#[tokio::test]
async fn a_frozen_database_fails_calls_fast_and_recovers() {
    let cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let desk = Desk::open(&database).await;
    cluster.freeze();
    desk.fails_fast(Instant::now(), "frozen").await;
    cluster.thaw();
    desk.recovers(Instant::now(), "frozen").await;
}

#[tokio::test]
async fn a_restarted_database_fails_calls_fast_and_recovers() {
    let mut cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let desk = Desk::open(&database).await;
    cluster.crash();
    desk.fails_fast(Instant::now(), "killed").await;
    cluster.resume();
    desk.recovers(Instant::now(), "killed").await;
}
