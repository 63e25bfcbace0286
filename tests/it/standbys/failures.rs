//! Failures of standbys: no read fails or is stale because of them.

use copydesk::article::ChangeKind;
use copydesk::store::postgres::OpenError;

use super::*;
use crate::conformance::fixtures::transition;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_that_is_frozen_killed_or_promoted_fails_no_read() {
    let mut pair = Pair::start(Duration::from_secs(1)).await;
    let store = pair.store();
    edition(&store, 1).await;
    pair.caught_up().await;
    pair.answers().await;
    pair.standby.freeze();
    pair.read(Consistency::Bounded, 1).await;
    until(&pair.standbys, |standbys| fresh(standbys) == 0).await;
    edition(&store, 2).await;
    pair.read(Consistency::Bounded, 1).await;
    pair.standby.thaw();
    pair.caught_up().await;
    pair.answers().await;

    pair.standby.crash();
    pair.read(Consistency::Bounded, 2).await;
    until(&pair.standbys, |standbys| fresh(standbys) == 0).await;
    pair.standby.resume();
    pair.caught_up().await;
    pair.answers().await;

    // It diverges, with as many changes as the primary.
    pair.standby.promote();
    let own = pair.standby.url(&pair.database.name);
    let own: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(&own).unwrap()).await.unwrap());
    for number in 3..6 {
        write(&own, update("ferry", ferry(100 + number), Precondition::None, at(number))).await.unwrap();
    }
    write(&own, transition("ferry", ChangeKind::Withdrawn, at(7))).await.unwrap();
    // Its answers are rejected, even if the promotion has not been detected yet.
    for kind in 0..KINDS {
        assert_eq!(read(&store, kind, Consistency::Bounded).await, 2, "{kind}");
    }
    until(&pair.standbys, |standbys| fresh(standbys) == 0).await;
    let before = pair.standbys.metrics().reads.get();
    edition(&store, 3).await;
    pair.read(Consistency::Full, 3).await;
    pair.read(Consistency::Bounded, 2).await;
    assert_eq!((pair.standbys.metrics().reads.get(), fresh(&pair.standbys)), (before, 0));
}

/// Between two checks of the follower, only the response itself shows that the server must not be used.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standby_promoted_between_checks_answers_no_read() {
    let mut pair = Pair::start(LONG).await;
    edition(&pair.store(), 1).await;
    pair.caught_up().await;
    let seldom = StandbyOptions { poll: LONG, ..options(vec![pair.database.at_standby(&pair.standby)], LONG) };
    let standbys = Arc::new(Standbys::before_store(&pair.store, &seldom, StandbyMetrics::default()).await.unwrap());
    let store = Arc::clone(&standbys) as Arc<dyn Store>;
    until(&standbys, |standbys| fresh(standbys) == 1 && standbys.replayed() == Position::of(1)).await;
    assert_eq!((read_list(&store).await, standbys.metrics().reads.get()), (1, 1));
    pair.standby.promote();
    let own = pair.standby.url(&pair.database.name);
    let own: Arc<dyn Store> = Arc::new(PostgresStore::open(PostgresOptions::new(&own).unwrap()).await.unwrap());
    write(&own, update("ferry", ferry(2), Precondition::None, at(2))).await.unwrap();
    assert_eq!(fresh(&standbys), 1, "not checked since");
    assert_eq!(read_list(&store).await, 1, "a read from the primary");
    let metrics = standbys.metrics();
    assert_eq!((metrics.reads.get(), metrics.fallbacks.get(), metrics.fresh.get()), (1, 1, 0));
}

/// The standby is fresh but does not answer: a lock that it has replayed lasts while replay is paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_fall_back_to_the_primary_when_a_standby_is_slow() {
    let pair = Pair::start(LONG).await;
    let mut at_standby = pair.database.at_standby(&pair.standby);
    at_standby.statement_timeout = Duration::from_millis(600);
    let options = options(vec![at_standby], LONG);
    let standbys = Arc::new(Standbys::before_store(&pair.store, &options, StandbyMetrics::default()).await.unwrap());
    let store = Arc::clone(&standbys) as Arc<dyn Store>;
    edition(&store, 1).await;
    let head = store.head().await.unwrap();
    until(&standbys, |standbys| fresh(standbys) == 1 && standbys.replayed() >= head).await;
    let holder = pair.database.client().await;
    holder.batch_execute("BEGIN; LOCK TABLE copydesk.texts").await.unwrap();
    let onlooker = pair.at_standby().await;
    let locked =
        "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'copydesk.texts'::regclass";
    while onlooker.query_one(locked, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        // A lock is replicated with the WAL that follows it.
        holder.batch_execute("SELECT pg_switch_wal()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    pair.replay(false).await;
    holder.batch_execute("COMMIT").await.unwrap();
    let counts = || (standbys.metrics().reads.get(), standbys.metrics().fallbacks.get());
    let (reads, fallbacks) = counts();
    assert_eq!(read(&store, 2, Consistency::Bounded).await, 1);
    assert_eq!(counts(), (reads, fallbacks + 1));
    pair.replay(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn configured_standbys_are_verified() {
    let (primary, standby) = Cluster::shared_pair();
    let (database, other) = (primary.database_without_template().await, primary.database_without_template().await);
    let store = Arc::new(PostgresStore::open(database.options()).await.unwrap());
    let seen = Arc::new(PostgresStore::open(other.options()).await.unwrap());
    let there = options(vec![other.at_standby(standby)], LONG);
    let own = Standbys::before_store(&seen, &there, StandbyMetrics::default()).await.unwrap();
    until(&own, |standbys| fresh(standbys) == 1).await;
    // A standby of another store.
    let refused = Standbys::before_store(&store, &there, StandbyMetrics::default()).await.err();
    assert!(matches!(refused, Some(OpenError::Foreign { .. })), "{refused:?}");
    // Unreachable, and not a standby at all: the primary and the valid standby answer.
    let away = PostgresOptions::standby("postgres://desk@127.0.0.1:1/news", None).unwrap();
    let itself = PostgresOptions::standby(&database.url, None).unwrap();
    let some = options(vec![away.clone(), itself, database.at_standby(standby)], LONG);
    let some = Arc::new(Standbys::before_store(&store, &some, StandbyMetrics::default()).await.unwrap());
    until(&some, |standbys| fresh(standbys) == 1).await;
    assert_eq!(some.metrics().configured.get(), 3);
    let some = some as Arc<dyn Store>;
    edition(&some, 1).await;
    assert_eq!(read(&some, 2, Consistency::Full).await, 1);
    let none = options(vec![away], LONG);
    let none = Arc::new(Standbys::before_store(&store, &none, StandbyMetrics::default()).await.unwrap());
    assert_eq!(fresh(&none), 0);
    assert_eq!(read(&(Arc::clone(&none) as Arc<dyn Store>), 2, Consistency::Bounded).await, 1);
    assert_eq!((none.metrics().reads.get(), none.metrics().fallbacks.get()), (0, 0));
}
