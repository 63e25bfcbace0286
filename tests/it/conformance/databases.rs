//! What only the engine has that replicas share: several of them, transactions that stay open, schemas, and outages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use copydesk::article::{ChangeKind, Position, Record};
use copydesk::cache::{LocalCache, LocalCacheOptions};
use copydesk::store::postgres::{OpenError, PostgresOptions, PostgresStore};
use copydesk::store::{
    Change, Consistency, Layer, Outcome, Precondition, Standing, Store, StoreError, WriteError, Written,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::Client;

use super::fixtures::{
    at, feed, get, hit_names, id, indexed, ingest, request, search, titled, transition, update, write,
};
use crate::database::{Cluster, Database};

async fn open(options: PostgresOptions) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(options).await.unwrap())
}

fn cache_options(bound_ms: u64) -> LocalCacheOptions {
    LocalCacheOptions {
        bytes: 1 << 20,
        staleness_bound: Duration::from_millis(bound_ms),
        negative_ttl: Duration::from_secs(5),
        poll: Duration::from_millis(10),
    }
}

/// Several replicas on one database.
async fn replicas(database: &Database, count: usize) -> Vec<Arc<dyn Store>> {
    join_all((0..count).map(|_| open(database.options()))).await
}

/// A transaction that keeps writers from storing what is in this table, until it is dropped or ended.
async fn hold(database: &Database, table: &str) -> Client {
    let client = database.client().await;
    client.batch_execute(&format!("BEGIN; LOCK TABLE copydesk.{table} IN SHARE MODE")).await.unwrap();
    client
}

/// Waits until so many transactions wait for a lock.
async fn waiting(database: &Database, count: i64) {
    let client = database.client().await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let reached = async {
        while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) < count {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached).await.expect("they wait");
}

/// The feed as a follower reads it: in small pieces, each from where the last one ended.
async fn follow(store: &Arc<dyn Store>, until: usize) -> Vec<(u64, String)> {
    let mut after = Position::START;
    let mut followed = Vec::new();
    while followed.len() < until {
        for change in store.changes(after, 7).await.unwrap() {
            assert!(change.position > after, "positions only grow");
            after = change.position;
            followed.push((change.position.sequence, change.record.id.to_string()));
        }
    }
    followed
}

#[tokio::test]
async fn what_commits_late_is_not_passed() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    write(&stores[2], ingest("before", titled("0"), at(0))).await.unwrap();
    // The first writer has its place in the feed, and is held before its commit.
    let held = hold(&database, "facets").await;
    let article = copydesk::proto::Article { tags: vec!["sea".into()], ..titled("1") };
    let first = tokio::spawn({
        let (store, late) = (Arc::clone(&stores[0]), ingest("late", article, at(1)));
        async move { write(&store, late).await }
    });
    waiting(&database, 1).await;
    // Others come after it, and so does what they write: nobody is shown a feed with a place left open.
    let others: Vec<_> = (0..5)
        .map(|number| {
            let name = format!("other-{number}");
            let (store, other) = (Arc::clone(&stores[1]), ingest(&name, titled(&name), at(2)));
            tokio::spawn(async move { write(&store, other).await })
        })
        .collect();
    waiting(&database, 2).await;
    for store in &stores {
        assert_eq!(store.head().await.unwrap(), Position::of(1));
        assert_eq!(store.changes(Position::of(1), 10).await.unwrap().len(), 0);
        assert_eq!(store.touched(Position::START, 10).await.unwrap().len(), 1);
    }
    held.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().record.token.position, Position::of(2));
    for other in others {
        assert!(other.await.unwrap().unwrap().record.token.position > Position::of(2));
    }
    let followed = follow(&stores[2], 7).await;
    assert_eq!(followed.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(followed[1].1, "late");
}

#[tokio::test]
async fn what_is_not_in_the_feed_yet_holds_nobody_up() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    // A transaction of somebody else, which has written and stays open; and one of ours with a text and no place yet.
    let stranger = database.client().await;
    stranger.batch_execute("BEGIN; CREATE TABLE public.other (x int); SELECT pg_current_xact_id()").await.unwrap();
    let ours = database.client().await;
    ours.batch_execute("BEGIN; INSERT INTO copydesk.texts VALUES (gen_random_uuid(), '')").await.unwrap();
    for (number, store) in stores.iter().enumerate() {
        let written = write(store, ingest(&format!("a-{number}"), titled("1"), at(0))).await.unwrap();
        for other in &stores {
            assert_eq!(other.head().await.unwrap(), written.record.token.position);
            assert_eq!(feed(other).await.len(), number + 1);
        }
    }
}

#[tokio::test]
async fn the_feed_of_several_replicas_has_no_gap() {
    const WRITERS: usize = 12;
    const EACH: usize = 15;
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    let writing = (0..WRITERS).map(|writer| {
        let store = Arc::clone(&stores[writer % 3]);
        async move {
            let mut written = Vec::new();
            for number in 0..EACH {
                // Articles of their own, and one that all of them correct.
                let own = format!("a-{writer}-{number}");
                let shared = titled(&format!("{writer} {number}"));
                let writes = vec![ingest(&own, titled(&own), at(0)), ingest("shared", shared, at(0))];
                for answer in store.write(writes).await {
                    let record = answer.unwrap().record;
                    // Whoever was answered sees it, wherever it asks.
                    assert!(store.head().await.unwrap() >= record.token.position);
                    written.push((record.token.position.sequence, record.id.to_string()));
                }
            }
            written
        }
    });
    let total = WRITERS * EACH * 2;
    let (written, first, second) =
        futures::join!(join_all(writing), follow(&stores[0], total), follow(&stores[1], total));
    let mut written: Vec<_> = written.into_iter().flatten().collect();
    written.sort();
    assert_eq!(first, written, "each change once, in the order of its position");
    assert_eq!(second, written);
    assert!(written.iter().map(|(sequence, _)| *sequence).eq(1..=total as u64));
    let revisions = stores[2].revisions(&id("shared"), None, 1_000).await.unwrap();
    let numbers: Vec<i64> = revisions.iter().map(|revision| revision.record.revision).collect();
    assert!(numbers.iter().copied().eq((1..=(WRITERS * EACH) as i64).rev()));
    assert!(revisions.iter().all(|revision| revision.record.revision == 1 || revision.kind == ChangeKind::Revised));
    indexed(&stores[0]).await;
    assert_eq!(hit_names(&search(&stores[1], "\"a 3 7\"", at(1)).await), ["a-3-7"]);
}

/// What is exact in one process is exact between several: twins, requests, preconditions.
#[tokio::test]
async fn replicas_agree_on_who_was_first() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 4).await;
    let outcomes = |answers: &[Result<Written, WriteError>]| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for answer in answers {
            let what = answer.as_ref().map_or_else(|_| "refused".into(), |written| format!("{:?}", written.outcome));
            *counts.entry(what).or_default() += 1;
        }
        counts.into_iter().collect::<Vec<_>>()
    };
    for round in 0..10 {
        let text = format!("wire {round}");
        let twins = stores
            .iter()
            .enumerate()
            .map(|(number, store)| write(store, ingest(&format!("twin-{round}-{number}"), titled(&text), at(0))));
        let answers = join_all(twins).await;
        assert_eq!(outcomes(&answers), [("Created".into(), 1), ("Duplicate".into(), 3)]);
        let firsts: BTreeSet<_> =
            answers.iter().filter_map(|a| a.as_ref().unwrap().record.duplicate_of.clone()).collect();
        assert_eq!(firsts.len(), 1, "all are duplicates of one");

        let (name, request_id) = (format!("asked-{round}"), format!("r-{round}"));
        let asked = stores.iter().map(|store| write(store, request(&name, titled("asked"), &request_id, at(0))));
        let answers = join_all(asked).await;
        let first = answers[0].as_ref().unwrap();
        assert!(matches!(first.outcome, Outcome::Created | Outcome::Duplicate));
        let etags: BTreeSet<_> = answers.iter().map(|answer| answer.as_ref().unwrap().record.etag()).collect();
        assert_eq!(etags.len(), 1, "a repeated request has one answer");

        let corrected = stores.iter().enumerate().map(|(number, store)| {
            write(store, update(&name, titled(&format!("{number}")), Precondition::Revision(1), at(1)))
        });
        assert_eq!(outcomes(&join_all(corrected).await), [("Revised".into(), 1), ("refused".into(), 3)]);
    }
}

#[tokio::test]
async fn replicas_wake_each_other() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    let mut wake = stores[1].wake();
    // Listening begins a moment after opening; until it has, followers find news by asking.
    for number in 1.. {
        let written = write(&stores[0], ingest("ferry", titled(&number.to_string()), at(number))).await.unwrap();
        let position = written.record.token.position;
        let woken = tokio::time::timeout(Duration::from_millis(500), wake.wait_for(|news| *news >= position)).await;
        if woken.is_ok() {
            break;
        }
        assert!(number < 20, "it is never woken");
    }
}

#[tokio::test]
async fn several_may_migrate_and_all_others_are_told_to() {
    let database = Cluster::shared().empty_database().await;
    let refused = PostgresStore::open(database.options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Older { found: 0, .. }), "{refused:?}");
    assert!(refused.to_string().contains("copydesk migrate"), "{refused}");
    let options = database.options();
    for migrated in join_all((0..8).map(|_| PostgresStore::migrate(&options))).await {
        migrated.unwrap();
    }
    let store = open(database.options()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    PostgresStore::migrate(&options).await.unwrap();
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 1);
    let client = database.client().await;
    client.batch_execute("UPDATE copydesk.schema SET version = 999").await.unwrap();
    let newer = |refused: OpenError| assert!(matches!(refused, OpenError::Newer { found: 999, .. }), "{refused:?}");
    newer(PostgresStore::open(database.options()).await.err().unwrap());
    newer(PostgresStore::migrate(&options).await.err().unwrap());
}

#[tokio::test]
async fn an_outage_is_short_for_callers_and_over_by_itself() {
    let mut cluster = Cluster::start(true);
    let database = cluster.database_without_template().await;
    let store = open(database.options()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let cache: Arc<dyn Store> = Arc::new(LocalCache::new(Arc::clone(&store), cache_options(700)).await.unwrap());
    let cached = async || cache.get(&[id("ferry")], Consistency::Bounded).await.map(|mut read| read.remove(0).from);
    while cached().await != Ok(Layer::Local) {}
    // A write that is under way when the server dies: whether it was done is not known, so it is not said to be.
    let held = hold(&database, "facets").await;
    let article = copydesk::proto::Article { tags: vec!["sea".into()], ..titled("2") };
    let under_way = tokio::spawn({
        let (store, late) = (Arc::clone(&store), ingest("late", article, at(1)));
        async move { write(&store, late).await }
    });
    waiting(&database, 1).await;
    let crashed = Instant::now();
    cluster.crash();
    drop(held);
    // What is in the cache is served for as long as it cannot be older than the bound, and then not.
    if crashed.elapsed() < Duration::from_millis(300) {
        assert_eq!(cached().await, Ok(Layer::Local));
    }
    let answer = under_way.await.unwrap();
    assert!(matches!(answer, Err(WriteError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    let began = Instant::now();
    let read = store.get(&[id("ferry")], Consistency::Full).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let written = write(&store, ingest("none", titled("3"), at(2))).await;
    assert!(matches!(written, Err(WriteError::Store(StoreError::Unavailable(_)))), "{written:?}");
    assert!(store.ping().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(matches!(cached().await, Err(StoreError::Unavailable(_))));
    cluster.resume();
    // The first call after it finds a new connection.
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 1);
    assert!(get(&store, "late").await.is_none() && get(&store, "none").await.is_none());
    let written = write(&store, ingest("after", titled("4"), at(3))).await.unwrap();
    assert_eq!(written.record.token.position, Position::of(2));
    indexed(&store).await;
    assert_eq!(search(&store, "4", at(4)).await.len(), 1);
    let trusted = async { while cached().await != Ok(Layer::Local) {} };
    tokio::time::timeout(Duration::from_secs(5), trusted).await.expect("the cache is trusted again");
}

#[tokio::test]
async fn a_read_that_is_given_up_leaves_nothing_behind() {
    let database = Cluster::shared().database().await;
    let mut options = database.options();
    options.connections = 1;
    options.statement_timeout = Duration::from_millis(400);
    let store = open(options).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let holder = database.client().await;
    holder.batch_execute("BEGIN; LOCK TABLE copydesk.texts").await.unwrap();
    // One whose caller leaves, and one that takes too long.
    let left = tokio::time::timeout(Duration::from_millis(50), store.get(&[id("ferry")], Consistency::Full)).await;
    assert!(left.is_err());
    let late = store.get(&[id("ferry")], Consistency::Full).await;
    assert_eq!(late.err(), Some(StoreError::Unavailable("it took too long")));
    // Another's eyes: within a transaction, what a server shows of itself does not change.
    let onlooker = database.client().await;
    let stopped = async {
        let waits =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%a.id = ANY%'
             AND state = 'active' AND pid <> pg_backend_pid()";
        while onlooker.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), stopped).await.expect("the database was told");
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(get(&store, "ferry").await.unwrap().revision, 1);
}

/// As after a failover to a standby that had not got everything.
#[tokio::test]
async fn a_feed_that_lost_its_end_is_noticed() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    let cache: Arc<dyn Store> = Arc::new(LocalCache::new(Arc::clone(&store), cache_options(5_000)).await.unwrap());
    write(&cache, ingest("ferry", titled("1"), at(0))).await.unwrap();
    write(&cache, ingest("ferry", titled("2"), at(1))).await.unwrap();
    let read = async || cache.get(&[id("ferry")], Consistency::Bounded).await.unwrap().remove(0);
    let cached = async {
        while read().await.from != Layer::Local {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), cached).await.expect("it is cached");
    assert_eq!(read().await.record.unwrap().revision, 2);
    let client = database.client().await;
    client
        .batch_execute(
            "BEGIN; DELETE FROM copydesk.changes WHERE position = 2; UPDATE copydesk.feed SET position = 1;
             UPDATE copydesk.articles SET position = 1, revision = 1; COMMIT",
        )
        .await
        .unwrap();
    let noticed = async {
        while read().await.record.unwrap().revision != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), noticed).await.expect("the cache begins anew");
    assert_eq!(store.changes(Position::of(2), 10).await.err(), Some(StoreError::Foreign));
    assert_eq!(store.touched(Position::of(2), 10).await.err(), Some(StoreError::Foreign));
}

#[tokio::test]
async fn what_cannot_be_indexed_keeps_nothing_else_out() {
    let database = Cluster::shared().database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION copydesk.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON copydesk.search FOR EACH ROW WHEN (NEW.article = 2)
             EXECUTE FUNCTION copydesk.refuse()",
        )
        .await
        .unwrap();
    let store = open(database.options()).await;
    for number in 1..5 {
        write(&store, ingest(&format!("a-{number}"), titled(&format!("Ferry {number}")), at(number))).await.unwrap();
    }
    indexed(&store).await;
    let mut found = hit_names(&search(&store, "ferry", at(9)).await).into_iter().map(str::to_owned).collect::<Vec<_>>();
    found.sort();
    assert_eq!(found, ["a-1", "a-3", "a-4"]);
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    // A port that is open, and nobody behind it.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = PostgresOptions::new(&format!("postgres://desk@{}/news", silent.local_addr().unwrap())).unwrap();
    options.connect_timeout = Duration::from_millis(200);
    let began = Instant::now();
    let refused = PostgresStore::open(options).await.err().unwrap();
    assert!(matches!(&refused, OpenError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().ends_with("it does not answer"), "{refused}");
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn of_several_hosts_the_one_that_can_be_written_is_used() {
    let database = Cluster::shared().database().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let several = database.url.replacen('@', &format!("@{closed},"), 1);
    let store = open(PostgresOptions::new(&several).unwrap()).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let client = database.client().await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    client.batch_execute(&format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.unwrap();
    // As a standby is.
    assert!(matches!(PostgresStore::open(database.options()).await, Err(OpenError::Refused { .. })));
}

/// What a role needs is to make a schema; and our transactions have settings of their own, whatever the role has.
#[tokio::test]
async fn a_plain_role_is_enough_and_commits_are_durable() {
    let database = Cluster::shared().empty_database().await;
    let client = database.client().await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let role = format!("desk_{name}");
    client
        .batch_execute(&format!(
            "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {name} TO {role};
             ALTER ROLE {role} SET synchronous_commit = off;
             ALTER ROLE {role} SET default_transaction_isolation = serializable"
        ))
        .await
        .unwrap();
    let options = PostgresOptions::new(&database.url.replacen("copydesk@", &format!("{role}@"), 1)).unwrap();
    PostgresStore::migrate(&options).await.unwrap();
    client
        .batch_execute(
            "CREATE TABLE copydesk.seen (durable text, isolation text, idle text);
             CREATE FUNCTION copydesk.see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                INSERT INTO copydesk.seen VALUES (current_setting('synchronous_commit'),
                    current_setting('transaction_isolation'), current_setting('idle_in_transaction_session_timeout'));
                RETURN NEW; END $$;
             CREATE TRIGGER see AFTER UPDATE ON copydesk.feed FOR EACH ROW EXECUTE FUNCTION copydesk.see()",
        )
        .await
        .unwrap();
    let store = open(options).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    let seen = client.query_one("SELECT * FROM copydesk.seen", &[]).await.unwrap();
    let seen: [String; 3] = std::array::from_fn(|column| seen.get(column));
    assert_eq!(seen, ["on", "read committed", "5s"]);
    drop(store);
    client.batch_execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await.unwrap();
}

/// Of what is old, only what later readers cannot need is forgotten.
#[tokio::test]
async fn a_trimmed_feed_is_whole_from_where_it_begins() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    let now = Timestamp::now();
    let ago = |hours: i64| now - SignedDuration::from_hours(hours);
    // Positions 1 to 8; old up to 6.
    let all = [
        ingest("quiet", titled("Quiet"), ago(100)),
        ingest("corrected", titled("Fery"), ago(99)),
        update("corrected", titled("Ferry"), Precondition::None, ago(98)),
        ingest("revised", titled("One"), ago(97)),
        transition("quiet", ChangeKind::Withdrawn, ago(96)),
        transition("quiet", ChangeKind::Reinstated, ago(95)),
        update("revised", titled("Two"), Precondition::None, ago(1)),
        update("corrected", titled("Ferries"), Precondition::None, ago(1)),
    ];
    for change in all {
        write(&store, change).await.unwrap();
    }
    let whole = feed(&store).await;
    let at_six = store.snapshot(Position::of(6), None, 10).await.unwrap();
    let mut options = database.options();
    options.keep = Some(Duration::from_secs(48 * 3_600));
    let trimming = open(options).await;
    let trimmed = async {
        while store.changes(Position::of(5), 10).await.err() != Some(StoreError::Trimmed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), trimmed).await.expect("it is trimmed");
    for before in [Position::START, Position::of(5)] {
        assert_eq!(store.touched(before, 10).await.err(), Some(StoreError::Trimmed));
        assert_eq!(store.snapshot(before, None, 10).await.err(), Some(StoreError::Trimmed));
    }
    // From there on nothing is missing: changes, what was before them, and how things stood.
    let told = |changes: &[Change]| {
        let tell = |change: &Change| {
            (change.record.etag(), change.kind, change.before.as_ref().map(|record| record.etag()), change.now)
        };
        changes.iter().map(tell).collect::<Vec<_>>()
    };
    assert_eq!(told(&store.changes(Position::of(6), 10).await.unwrap()), told(&whole[6..]));
    assert_eq!(store.touched(Position::of(6), 10).await.unwrap().len(), 2);
    let etags = |snapshot: &[(Arc<Record>, Standing)]| {
        snapshot.iter().map(|(record, standing)| (record.etag(), *standing)).collect::<Vec<_>>()
    };
    assert_eq!(etags(&store.snapshot(Position::of(6), None, 10).await.unwrap()), etags(&at_six));
    for (name, kept) in [("quiet", vec![3]), ("corrected", vec![3, 2]), ("revised", vec![2, 1])] {
        let revisions = store.revisions(&id(name), None, 10).await.unwrap();
        assert_eq!(revisions.iter().map(|revision| revision.record.revision).collect::<Vec<_>>(), kept, "{name}");
        assert_eq!(get(&store, name).await.unwrap().revision, kept[0]);
    }
    // The text that two states of the quiet one shared is there; the one with the mistake is not.
    let client = database.client().await;
    assert_eq!(client.query_one("SELECT count(*) FROM copydesk.texts", &[]).await.unwrap().get::<_, i64>(0), 5);
    let written = write(&trimming, ingest("after", titled("3"), now)).await.unwrap();
    assert_eq!(written.record.token.position, Position::of(9));
}

#[tokio::test]
async fn a_call_that_cannot_be_stored_harms_no_other() {
    let database = Cluster::shared().database().await;
    let client = database.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION copydesk.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON copydesk.articles FOR EACH ROW WHEN (NEW.id LIKE 'bad-%')
             EXECUTE FUNCTION copydesk.refuse()",
        )
        .await
        .unwrap();
    let store = open(database.options()).await;
    // The first is a group of its own; the others wait for it, and then are one.
    let calls = (0..12).map(|number| {
        let name = format!("{}-{number}", if number % 4 == 3 { "bad" } else { "good" });
        let writes = vec![ingest(&name, titled(&name), at(0)), ingest(&format!("with-{number}"), titled("x"), at(0))];
        let store = &store;
        async move { (number, store.write(writes).await) }
    });
    for (number, answers) in join_all(calls).await {
        let stored = get(&store, &format!("with-{number}")).await.is_some();
        if number % 4 == 3 {
            assert!(
                answers.iter().all(|answer| answer.as_ref().err() == Some(&WriteError::Store(StoreError::Internal)))
            );
            assert!(!stored, "a call is done as a whole");
        } else {
            assert!(answers.iter().all(Result::is_ok) && stored);
        }
    }
    // What was not done has left no hole.
    let followed = follow(&store, 18).await;
    assert!(followed.iter().map(|(sequence, _)| *sequence).eq(1..=18));
}
