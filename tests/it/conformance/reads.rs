//! Counts of reads by hour.

use std::sync::Arc;

use copydesk::article::ChangeKind;
use copydesk::proto::Article;
use copydesk::store::{HourlyReads, Store, hour_of};
use futures::future::join_all;
use jiff::Timestamp;

use super::databases::replicas;
use super::engines::Engine;
use super::fixtures::{at, id, ingest, merge, proto_at, titled, transition, write};
use super::stories::{purge, put};
use crate::support::database::Cluster;

async fn add(store: &Arc<dyn Store>, reads: &[(&str, i64, u64)], now: Timestamp) {
    let reads = reads.iter().map(|(name, hour, count)| HourlyReads { article: id(name), hour: *hour, count: *count });
    store.add_reads(reads.collect(), now).await.unwrap();
}

async fn of_hour(store: &Arc<dyn Store>, hour: i64) -> Vec<(String, u64)> {
    let reads = store.reads_of_hour(hour, 100).await.unwrap();
    reads.into_iter().map(|(article, count)| (article.as_str().to_owned(), count)).collect()
}

fn counts(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn hours_are_counted_from_1970() {
    let second = |second| hour_of(Timestamp::from_second(second).unwrap());
    assert_eq!([second(0), second(3_599), second(3_600), second(-1)], [0, 0, 1, -1]);
}

pub async fn reads_are_summed_by_hour(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2", "a-3"]).await;
    assert_eq!(of_hour(&store, 7).await, []);
    add(&store, &[], at(1)).await;
    add(&store, &[("a-1", 7, 2), ("none", 7, 9), ("a-2", 7, 3), ("a-1", 8, 1), ("a-1", 7, 2)], at(1)).await;
    assert_eq!(of_hour(&store, 7).await, counts(&[("a-1", 4), ("a-2", 3)]));
    add(&store, &[("a-3", 7, 4), ("a-2", 7, 1_000_000_000_000)], at(1)).await;
    let found = counts(&[("a-2", 1_000_000_000_003), ("a-1", 4), ("a-3", 4)]);
    assert_eq!(of_hour(&store, 7).await, found, "most read first, then in the order of creation");
    assert_eq!(of_hour(&store, 8).await, counts(&[("a-1", 1)]));
    assert_eq!(store.reads_of_hour(7, 1).await.unwrap().len(), 1);
    // The article is created later: its reads of before are not kept.
    put(&store, &["none"]).await;
    assert_eq!(of_hour(&store, 7).await, found);
}

pub async fn reads_of_hidden_articles_are_left_out(Engine { store, .. }: Engine) {
    put(&store, &["withdrawn", "kept", "merged"]).await;
    let hidden = Article { embargo_time: proto_at(100), expire_time: proto_at(200), ..titled("later") };
    write(&store, ingest("later", hidden, at(0))).await.unwrap();
    add(&store, &[("withdrawn", 1, 5)], at(1)).await;
    write(&store, transition("withdrawn", ChangeKind::Withdrawn, at(2))).await.unwrap();
    write(&store, merge("kept", &["merged"], at(2))).await.unwrap();
    // By the clock, not by the transitions that were written.
    for time in [50, 100, 199, 200] {
        add(&store, &[("later", 1, 1), ("withdrawn", 1, 1), ("merged", 1, 1)], at(time)).await;
    }
    assert_eq!(of_hour(&store, 1).await, counts(&[("withdrawn", 5), ("later", 2)]));
}

pub async fn old_reads_are_removed(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    for hour in -1..4 {
        add(&store, &[("a-1", hour, 1), ("a-2", hour, 1)], at(1)).await;
    }
    let mut removed = 0;
    loop {
        match store.remove_reads_before(2).await.unwrap() {
            0 => break,
            count => removed += count,
        }
    }
    assert_eq!(removed, 6);
    for hour in -1..4 {
        assert_eq!(of_hour(&store, hour).await.len(), if hour < 2 { 0 } else { 2 }, "{hour}");
    }
}

pub async fn a_purge_removes_reads(Engine { store, .. }: Engine) {
    put(&store, &["a-1", "a-2"]).await;
    add(&store, &[("a-1", 1, 1), ("a-1", 2, 1), ("a-2", 1, 1)], at(1)).await;
    purge(&store, "a-1").await;
    add(&store, &[("a-1", 3, 1)], at(2)).await;
    assert_eq!(of_hour(&store, 1).await, counts(&[("a-2", 1)]));
    assert_eq!((of_hour(&store, 2).await, of_hour(&store, 3).await), (Vec::new(), Vec::new()));
}

/// Each adds to the same rows in another order, while articles with reads are purged and old reads are removed.
#[tokio::test]
async fn replicas_add_to_the_same_counts() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 3).await;
    let names: Vec<String> = (0..40).map(|number| format!("a-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    put(&stores[0], &names).await;
    let rounds = 20;
    let adding = stores.iter().enumerate().map(|(replica, store)| {
        let names = &names;
        async move {
            for round in 0..rounds {
                let mut reads: Vec<_> =
                    (0..5).flat_map(|hour| names.iter().map(move |name| (*name, hour, 1))).collect();
                let start = (replica * 67 + round * 31) % reads.len();
                reads.rotate_left(start);
                if replica == 1 {
                    reads.reverse();
                }
                add(store, &reads, at(1)).await;
                if replica == 2 && round < 10 {
                    purge(store, names[30 + round]).await;
                    store.remove_reads_before(1).await.unwrap();
                }
            }
        }
    });
    join_all(adding).await;
    let found = of_hour(&stores[1], 3).await;
    for name in &names[..30] {
        let count = found.iter().find(|(found, _)| found == name).map(|(_, count)| *count);
        assert_eq!(count, Some(3 * rounds as u64), "{name}");
    }
}
