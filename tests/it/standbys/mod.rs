//! Standbys of PostgreSQL: reads that they answer, and reads that they must not answer.

use std::sync::Arc;
use std::time::Duration;

use copydesk::article::{ChangeToken, Position};
use copydesk::cache::LocalCache;
use copydesk::proto::{ArticleFilter, ListArticlesRequest, SearchArticlesRequest, StringCondition};
use copydesk::retrieve::{Hit, Retrieval};
use copydesk::server::StoreOptions;
use copydesk::store::postgres::{PostgresOptions, PostgresStore, StandbyOptions, Standbys};
use copydesk::store::{Consistency, Layer, ListQuery, OrderField, Precondition, SnapshotQuery, Store};
use copydesk::telemetry::{CacheMetrics, StandbyMetrics};
use prost::Message;
use tokio_postgres::Client;

use crate::conformance::databases::cache_options;
use crate::conformance::fixtures::{at, id, ingest, page, titled, update, write};
use crate::conformance::indexes::Index;
use crate::standby_catch_up::{fresh, until};
use crate::support::database::{Cluster, Database};
use crate::test_server::{TestServer, ingest as ingest_by_wire, invented, options as server_options};

mod failures; // standbys that are frozen, killed, promoted, slow, or none
mod random_histories; // random histories: no read is too old

/// Longer than any test takes: a standby stays fresh.
const LONG: Duration = Duration::from_secs(600);

fn options(servers: Vec<PostgresOptions>, staleness_bound: Duration) -> StandbyOptions {
    StandbyOptions { servers, staleness_bound, poll: Duration::from_millis(10) }
}

/// A primary with its own standby, and a store on both.
struct Pair {
    standby: Cluster,
    database: Database,
    store: Arc<PostgresStore>,
    standbys: Arc<Standbys>,
    // Dropped last, because databases are dropped on the primary.
    _primary: Cluster,
}

impl Pair {
    async fn start(bound: Duration) -> Self {
        let primary = Cluster::start_primary();
        let standby = primary.streaming_standby();
        let database = primary.database_without_template().await;
        let store = Arc::new(PostgresStore::open(database.options()).await.unwrap());
        let options = options(vec![database.at_standby(&standby)], bound);
        let standbys = Arc::new(Standbys::before_store(&store, &options, StandbyMetrics::default()).await.unwrap());
        // The database itself must be replicated first.
        until(&standbys, |standbys| fresh(standbys) == 1).await;
        Self { standby, database, store, standbys, _primary: primary }
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.standbys) as Arc<dyn Store>
    }

    /// Pauses or resumes the standby's replay.
    async fn replay(&self, on: bool) {
        let client = self.at_standby().await;
        let call = if on { "SELECT pg_wal_replay_resume()" } else { "SELECT pg_wal_replay_pause()" };
        client.execute(call, &[]).await.unwrap();
        let state = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        while client.query_one(state, &[]).await.unwrap().get::<_, bool>(0) == on {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn at_standby(&self) -> Client {
        let url = self.standby.url(&self.database.name);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Waits until the standby is used and has all writes.
    async fn caught_up(&self) {
        let head = self.store.head().await.unwrap();
        until(&self.standbys, |standbys| fresh(standbys) == 1 && standbys.replayed() >= head).await;
    }

    /// Reads the newest revision of the ferry by every kind of read. None may be older than `least`.
    async fn read(&self, consistency: Consistency, least: i64) {
        let store = self.store();
        for kind in 0..KINDS {
            let seen = read(&store, kind, consistency).await;
            assert!(seen >= least, "kind {kind} of {consistency:?} is older: {seen}, and not {least}");
        }
    }

    /// Waits until the standby answers.
    async fn answers(&self) {
        let before = self.standbys.metrics().reads.get();
        let answered = async {
            while self.standbys.metrics().reads.get() == before {
                self.read(Consistency::Bounded, 0).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answered).await.expect("the standby answers");
    }
}

/// Number of kinds of reads.
const KINDS: usize = 6;

/// Returns the newest revision of the ferry in a read of this kind; 0 if none.
async fn read(store: &Arc<dyn Store>, kind: usize, consistency: Consistency) -> i64 {
    let ferry = id("ferry");
    let tagged = ArticleFilter { tags: Some(StringCondition::any_of(["sea"])), ..ArticleFilter::default() };
    let list = async |field| {
        let query = ListQuery { consistency, ..page(tagged.clone(), field, true, 5, at(1_000)) };
        let listed = store.list(&query).await.unwrap().records;
        listed.first().map_or(0, |record| record.revision)
    };
    match kind {
        0 => store.get(&[ferry], consistency).await.unwrap()[0].record.as_ref().map_or(0, |record| record.revision),
        1 => {
            let several = [ferry, id("none")];
            store.get(&several, consistency).await.unwrap()[0].record.as_ref().map_or(0, |record| record.revision)
        }
        2 => list(OrderField::PublishTime).await,
        3 => list(OrderField::UpdateTime).await,
        4 => {
            let newest = store.revisions(&ferry, None, 1, consistency).await.unwrap();
            newest.first().map_or(0, |revision| revision.record.revision)
        }
        _ => {
            // Like `GetArticle`: the newest revision implies all before it.
            let newest = store.revisions(&ferry, None, 1, consistency).await.unwrap();
            let Some(newest) = newest.first().map(|revision| Arc::clone(&revision.record)) else { return 0 };
            let consistency = consistency.and(newest.token.position);
            store.get_revision(&ferry, newest.revision, consistency).await.unwrap().unwrap().revision
        }
    }
}

fn ferry(number: i64) -> copydesk::proto::Article {
    copydesk::proto::Article { tags: vec!["sea".into()], ..titled(&format!("edition {number}")) }
}

/// Writes the next revision of the ferry.
async fn edition(store: &Arc<dyn Store>, number: i64) -> Position {
    let next = if number == 1 {
        ingest("ferry", ferry(1), at(0))
    } else {
        update("ferry", ferry(number), Precondition::None, at(number))
    };
    let written = write(store, next).await.unwrap().record;
    assert_eq!(written.revision, number);
    written.token.position
}

async fn read_list(store: &Arc<dyn Store>) -> i64 {
    read(store, 2, Consistency::Bounded).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_standby_is_skipped_until_it_catches_up() {
    let pair = Pair::start(Duration::from_millis(500)).await;
    let store = pair.store();
    edition(&store, 1).await;
    pair.caught_up().await;
    pair.answers().await;
    pair.replay(false).await;
    let second = edition(&store, 2).await;
    // Reads by token immediately, and without one after the bound; the primary is not needed for that.
    pair.read(Consistency::AtLeast(second), 2).await;
    pair.read(Consistency::Full, 2).await;
    until(&pair.standbys, |standbys| fresh(standbys) == 0).await;
    let counts = || (pair.standbys.metrics().reads.get(), pair.standbys.metrics().fallbacks.get());
    let before = counts();
    pair.read(Consistency::Bounded, 2).await;
    assert_eq!(counts(), before);
    pair.replay(true).await;
    pair.caught_up().await;
    pair.read(Consistency::AtLeast(second), 2).await;
    pair.answers().await;
}

/// With an infinite bound, only the token can require the new revision.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_token_is_honoured_with_an_infinite_bound() {
    let pair = Pair::start(LONG).await;
    let store = pair.store();
    let first = edition(&store, 1).await;
    pair.caught_up().await;
    pair.replay(false).await;
    let second = edition(&store, 2).await;
    let before = pair.standbys.metrics().reads.get();
    pair.read(Consistency::AtLeast(first), 1).await;
    assert_eq!(read(&store, 2, Consistency::Bounded).await, 1, "within the bound");
    let between = pair.standbys.metrics().reads.get();
    assert!(between > before, "the standby has answered");
    pair.read(Consistency::AtLeast(second), 2).await;
    pair.read(Consistency::Full, 2).await;
    // An export of changes that it has not replayed.
    let exported = store.snapshot(&SnapshotQuery::of_all(second, None, 10)).await.unwrap();
    assert_eq!((exported.len(), exported[0].0.revision), (1, 2));
    assert_eq!(pair.standbys.metrics().reads.get(), between, "none of these is the standby's");
    let exported = store.snapshot(&SnapshotQuery::of_all(first, None, 10)).await.unwrap();
    assert_eq!((exported[0].0.revision, pair.standbys.metrics().reads.get()), (1, between + 1));
    // The search index follows the primary, as in the server: it has a text that the standby lacks.
    let index = Index::of(&(Arc::clone(&pair.store) as Arc<dyn Store>)).await;
    let dir = tempfile::tempdir().unwrap();
    let retrieval =
        Retrieval::new(store, Arc::clone(&index.index), None, Arc::default(), server_options(dir.path()).retrieve);
    let found = async |consistency| {
        let request = SearchArticlesRequest { query: "\"edition 2\"".into(), consistency, ..Default::default() };
        let hits = retrieval.search(&request).await.unwrap().hits;
        let decoded = |hit: &Hit| copydesk::proto::Article::decode(&hit.article.as_bytes()[..]).unwrap();
        hits.iter().map(|hit| decoded(hit).headline).collect::<Vec<_>>()
    };
    let token = ChangeToken { feed: pair.store.feed_id(), position: second }.encode();
    let requirement = Some(copydesk::proto::consistency::Requirement::AtLeastAsFresh(token));
    assert_eq!(found(Some(copydesk::proto::Consistency { requirement })).await, ["edition 2"]);
    let bounded = found(None).await;
    assert!(bounded.iter().all(|headline| headline == "edition 2"), "no result lacks the words: {bounded:?}");
    pair.replay(true).await;
    pair.caught_up().await;
    assert_eq!(found(None).await, ["edition 2"]);
}

/// The same store behind a cache that is behind standbys, composed as in the server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_cache_is_filled_from_a_standby() {
    let pair = Pair::start(LONG).await;
    let primary = Arc::clone(&pair.store) as Arc<dyn Store>;
    let cache: Arc<dyn Store> =
        Arc::new(LocalCache::new(Arc::clone(&primary), cache_options(600_000), CacheMetrics::default()).await.unwrap());
    let options = options(vec![pair.database.at_standby(&pair.standby)], LONG);
    let standbys = Arc::new(
        Standbys::before_caches(&pair.store, Arc::clone(&cache), &options, StandbyMetrics::default()).await.unwrap(),
    );
    let store = Arc::clone(&standbys) as Arc<dyn Store>;
    edition(&store, 1).await;
    let first = store.head().await.unwrap();
    until(&standbys, |standbys| fresh(standbys) == 1 && standbys.replayed() >= first).await;
    pair.replay(false).await;
    // Written without the cache, which gets the invalidation.
    edition(&primary, 2).await;
    let newest = async {
        loop {
            let read = store.get(&[id("ferry")], Consistency::Bounded).await.unwrap().remove(0);
            if read.from == Layer::Local && read.record.unwrap().revision == 2 {
                return;
            }
            // Stale reads of the standby in between must not fill the cache.
            assert_eq!(read_list(&store).await, 1);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), newest).await.expect("the cache has the newest");
    assert!(standbys.metrics().reads.get() > 0);
    for _ in 0..20 {
        assert_eq!(read_list(&store).await, 1);
        let read = store.get(&[id("ferry")], Consistency::Bounded).await.unwrap().remove(0);
        assert_eq!((read.from, read.record.unwrap().revision), (Layer::Local, 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_are_spread_over_standbys() {
    let (primary, standby) = Cluster::shared_pair();
    let database = primary.database().await;
    let store = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    // One server twice, distinguished by application name.
    let named = |name: &str| {
        let url = format!("{}?application_name={name}", standby.url(&database.name));
        PostgresOptions::standby(&url, None).unwrap()
    };
    let two = options(vec![named("one"), named("two")], LONG);
    let standbys = Arc::new(Standbys::before_store(&store, &two, StandbyMetrics::default()).await.unwrap());
    let spread = Arc::clone(&standbys) as Arc<dyn Store>;
    edition(&spread, 1).await;
    let head = spread.head().await.unwrap();
    until(&standbys, |standbys| fresh(standbys) == 2 && standbys.replayed() >= head).await;
    for _ in 0..10 {
        read_list(&spread).await;
    }
    assert_eq!(standbys.metrics().reads.get(), 10);
    let url = standby.url(&database.name);
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let query = "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE application_name IN ('one', 'two')
         AND query = 'COMMIT' AND datname = current_database()";
    assert_eq!(client.query_one(query, &[]).await.unwrap().get::<_, i64>(0), 2);
}

/// Over the wire, including pages.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_reads_from_its_standby() {
    let (primary, standby) = Cluster::shared_pair();
    let database = primary.database().await;
    let mut store = database.options();
    store.standbys = Some(options(vec![database.at_standby(standby)], Duration::from_secs(30)));
    let server = TestServer::with(|options| options.store = StoreOptions::Postgres(Box::new(store))).await;
    let (mut ingestion, mut retrieval) = (server.ingestion().await, server.retrieval().await);
    let mut expected = Vec::new();
    for number in 0..25 {
        expected.push(ingest_by_wire(&mut ingestion, invented(number)).await.article.unwrap());
    }
    let token = expected.last().unwrap().change_token.clone();
    let requirement = Some(copydesk::proto::consistency::Requirement::AtLeastAsFresh(token));
    let consistency = Some(copydesk::proto::Consistency { requirement });
    server.until_metric("copydesk_standbys_fresh 1").await;
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListArticlesRequest {
            page_size: 4,
            page_token,
            order_by: "create_time".into(),
            consistency: consistency.clone(),
            ..Default::default()
        };
        let page = retrieval.list_articles(request).await.unwrap().into_inner();
        listed.extend(page.articles.into_iter().map(|article| article.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(listed.iter().eq(expected.iter().map(|article| &article.name)));
    let search = SearchArticlesRequest { query: "ferry".into(), consistency, page_size: 100, ..Default::default() };
    assert_eq!(retrieval.search_articles(search).await.unwrap().into_inner().results.len(), 25);
    // The standby answers once it has caught up with the requested position.
    let answered = async {
        loop {
            retrieval.list_articles(ListArticlesRequest::default()).await.unwrap();
            let metrics = server.http("/metrics").await;
            let line = metrics.lines().find_map(|line| line.strip_prefix("copydesk_standby_reads_total "));
            if line.unwrap().parse::<u64>().unwrap() > 0 {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answered).await.expect("the standby answers");
    server.until_metric("copydesk_standbys 1").await;
}
