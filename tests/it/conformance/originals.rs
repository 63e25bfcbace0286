//! Documents as received, and the revisions that were extracted from them.

use std::sync::Arc;

use copydesk::article::{ChangeKind, SourceVersion};
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{
    Ingest, Original, OriginalDocument, Outcome, Precondition, Reprocessed, Store, StoredOriginal, Update, Write, copy,
    verify,
};
use jiff::Timestamp;

use super::engines::Engine;
use super::fixtures::{at, id, ingest, titled, transition, update, write};

/// No limit on the size.
const UNLIMITED: u64 = u64::MAX;

/// A document that compresses to about its own size.
fn document(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..size).map(byte).collect()
}

fn with_original(write: Write, document: &Arc<OriginalDocument>, time: Timestamp) -> Write {
    match write {
        Write::Ingest(ingest) => {
            let original = Some(Original::new(Arc::clone(document), b"the report", time));
            Write::Ingest(Box::new(Ingest { original, ..*ingest }))
        }
        other => other,
    }
}

/// Ingests an article that was extracted from a document.
async fn put(store: &Arc<dyn Store>, name: &str, headline: &str, content: &[u8], time: Timestamp) -> Outcome {
    let document = Arc::new(OriginalDocument::new(content));
    write(store, with_original(ingest(name, titled(headline), time), &document, time)).await.unwrap().outcome
}

async fn original(store: &Arc<dyn Store>, name: &str, revision: Option<i64>) -> Option<StoredOriginal> {
    store.original(&id(name), revision).await.unwrap()
}

/// Returns the articles that have a document.
async fn with_document(store: &Arc<dyn Store>, names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for name in names {
        found.extend(original(store, name, None).await.map(|_| (*name).to_owned()));
    }
    found
}

async fn evict(store: &Arc<dyn Store>, before: Timestamp, max_bytes: u64) -> usize {
    let mut all = 0;
    loop {
        match store.evict_originals(before, max_bytes).await.unwrap() {
            0 => return all,
            count => all += count,
        }
    }
}

pub async fn a_revision_has_its_document(Engine { store, .. }: Engine) {
    assert_eq!(put(&store, "a-1", "Ferry late", b"first", at(0)).await, Outcome::Created);
    assert_eq!(put(&store, "a-1", "Ferry later", b"second", at(1)).await, Outcome::Revised);
    // Neither a correction, nor a repeated or an older document has one.
    write(&store, update("a-1", titled("Ferry on time"), Precondition::None, at(2))).await.unwrap();
    assert_eq!(put(&store, "a-1", "Ferry later", b"third", at(3)).await, Outcome::Unchanged);
    let late = Arc::new(OriginalDocument::new(b"late"));
    let Write::Ingest(older) = ingest("a-1", titled("Ferry leaves"), at(4)) else { unreachable!() };
    let older = Ingest { version: SourceVersion { stated: Some(at(-9)), ..SourceVersion::default() }, ..*older };
    let stale = write(&store, with_original(Write::Ingest(Box::new(older)), &late, at(4))).await.unwrap();
    assert_eq!(stale.outcome, Outcome::Stale);
    let dry = with_original(ingest("a-2", titled("Tide high"), at(5)), &late, at(5));
    store.dry_run(dry).await.unwrap();
    let read = |found: Option<StoredOriginal>| found.map(|it| (it.revision, it.document, it.report, it.time));
    let expected = |revision, content: &[u8], time| Some((revision, content.to_vec(), b"the report".to_vec(), time));
    assert_eq!(read(original(&store, "a-1", None).await), expected(2, b"second", at(1)));
    assert_eq!(read(original(&store, "a-1", Some(1)).await), expected(1, b"first", at(0)));
    for (name, revision) in [("a-1", Some(3)), ("a-1", Some(9)), ("a-2", None), ("a-3", None)] {
        assert_eq!(original(&store, name, revision).await, None, "{name} {revision:?}");
    }
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_repeated_extraction_has_its_report(Engine { store, .. }: Engine) {
    put(&store, "a-1", "Ferry late", b"first", at(0)).await;
    let stored = original(&store, "a-1", None).await.unwrap();
    // Without a change: the report is of the present extractor.
    let again = |headline: &str, report: &[u8]| {
        let Write::Update(update) = update("a-1", titled(headline), Precondition::None, at(1)) else { unreachable!() };
        let fingerprint = update.article.fingerprint();
        let reprocessed = Some(Box::new(Reprocessed { fingerprint, original: stored.with_report(report) }));
        Write::Update(Box::new(Update { reprocessed, ..*update }))
    };
    let same = write(&store, again("Ferry late", b"a new report")).await.unwrap();
    assert_eq!(same.outcome, Outcome::Unchanged);
    assert_eq!(original(&store, "a-1", None).await.unwrap().report, b"a new report");
    let other = write(&store, again("Ferry very late", b"another report")).await.unwrap();
    assert_eq!((other.outcome, other.record.revision), (Outcome::Revised, 2));
    let found = original(&store, "a-1", None).await.unwrap();
    assert_eq!((found.revision, found.first_revision, found.report.as_slice()), (2, 1, &b"another report"[..]));
    assert_eq!(original(&store, "a-1", Some(1)).await.unwrap().report, b"a new report");
    // The document is known by the new extraction.
    assert_eq!(put(&store, "a-1", "Ferry very late", b"first", at(2)).await, Outcome::Unchanged);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn the_oldest_are_removed_beyond_the_limits(Engine { store, .. }: Engine) {
    let names = ["a-1", "a-2", "a-3", "a-4", "a-5"];
    for (number, name) in (0_u8..).zip(names) {
        let content = document(u64::from(number), 1_000);
        put(&store, name, &format!("Story {number}"), &content, at(number.into())).await;
    }
    assert_eq!(evict(&store, Timestamp::MIN, UNLIMITED).await, 0);
    assert_eq!(evict(&store, at(1), UNLIMITED).await, 1, "from before the time");
    assert_eq!(with_document(&store, &names).await, names[1..]);
    assert_eq!(evict(&store, at(1), 2_500).await, 2, "beyond the size");
    assert_eq!(with_document(&store, &names).await, names[3..]);
    assert_eq!(evict(&store, at(1), 2_500).await, 0);
    assert_eq!(evict(&store, at(9), 0).await, 2);
    assert_eq!(with_document(&store, &names).await, Vec::<String>::new());
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_purge_removes_documents(Engine { store, .. }: Engine) {
    // Items of one feed.
    let feed = Arc::new(OriginalDocument::new(b"<rss/>"));
    for name in ["a-1", "a-2"] {
        let item = ingest(name, titled(&format!("Headline of {name}")), at(0));
        write(&store, with_original(item, &feed, at(0))).await.unwrap();
    }
    put(&store, "a-1", "Ferry later", b"second", at(1)).await;
    put(&store, "a-3", "Tide high", b"another", at(1)).await;
    write(&store, transition("a-1", ChangeKind::Purged, at(2))).await.unwrap();
    // The feed has the text of the purged article, so its other items lose it.
    assert_eq!(with_document(&store, &["a-1", "a-2", "a-3"]).await, ["a-3"]);
    assert_eq!(original(&store, "a-1", Some(1)).await, None);
    // In one call: written and purged.
    let calls = vec![
        with_original(ingest("a-4", titled("Quay shut"), at(3)), &feed, at(3)),
        transition("a-4", ChangeKind::Purged, at(4)),
    ];
    assert!(store.write(calls).await.iter().all(Result::is_ok));
    assert_eq!(original(&store, "a-4", None).await, None);
    assert_eq!(verify(&*store).await.unwrap().problems, Vec::<String>::new());
}

pub async fn a_copy_has_the_documents(Engine { store, .. }: Engine) {
    let content = document(7, 3_000);
    put(&store, "a-1", "Ferry late", b"first", at(0)).await;
    put(&store, "a-1", "Ferry later", &content, at(1)).await;
    put(&store, "a-2", "Tide high", b"another", at(2)).await;
    write(&store, transition("a-2", ChangeKind::Withdrawn, at(3))).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let other: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    assert_eq!(copy(&*store, &*other).await.unwrap().refused, Vec::<String>::new());
    let copied = original(&other, "a-1", None).await.unwrap();
    assert_eq!((copied.document, copied.time), (content, at(1)));
    assert_eq!(verify(&*other).await.unwrap().problems, Vec::<String>::new());
}
