//! Copies of a readable article with the edits that newsrooms make.

use std::sync::Arc;

use copydesk::article::ChangeKind;
use copydesk::proto::Article;
use copydesk::store::postgres::PostgresStore;
use copydesk::store::sqlite::{SqliteOptions, SqliteStore};
use copydesk::store::{Outcome, Precondition, Store, copy};
use jiff::Timestamp;

use super::databases::{open, replicas};
use super::engines::{Engine, postgres, sqlite};
use super::fixtures::{at, ingest, proto_at, transition, update, write};
use crate::support::database::Cluster;

/// Invented wire story.
pub(super) const STORY: &str = "The harbour board of Port Ellery agreed on Monday to dredge the northern channel \
    before the winter, after two ferries ran aground within a week and a third was delayed by 6 hours.\n\nThe works \
    will cost 14 million crowns and take until October, the chairwoman of the board, Ida Quill, told reporters. \
    Half of the sum will come from the county.\n\n\"We cannot wait for another accident,\" Quill said. \"The \
    channel has been silting up for more than a year, and every skipper here knows it.\"\n\nThe association of the \
    fishermen welcomed the decision, but asked the board to spare the oyster beds at Tarn Head, which lie 300 \
    metres from the channel.\n\n A first attempt to dredge the channel was stopped by a court in the spring, \
    because the board had not asked the neighbours of the quay.";

/// Another invented story.
pub(super) const OTHER: &str = "The old lighthouse of Lowmouth will stay lit until the spring, the coast service \
    said on Tuesday, although a new one on the pier has been in use since August.\n\nSkippers had complained that \
    the lamp on the pier cannot be seen in fog. The service will now test a stronger lamp, and decide in \
    April.\n\nThe lighthouse was built by the grandfather of the present keeper, Carl Moor, who is to retire in the \
    summer. A museum would like to take over the building, and to show the lamp to visitors.";

pub(super) fn story(name: &str, headline: &str, body: &str) -> Article {
    let source = format!("{name}.example");
    Article { source, headline: headline.into(), body: body.into(), ..Article::default() }
}

pub(super) fn put(name: &str, body: &str, time: Timestamp) -> copydesk::store::Write {
    ingest(name, story(name, &format!("Headline of {name}"), body), time)
}

/// Returns the outcome that a document would have.
async fn outcome(store: &Arc<dyn Store>, name: &str, body: &str, time: Timestamp) -> Outcome {
    store.dry_run(put(name, body, time)).await.unwrap().outcome
}

/// Returns the story with each edit.
pub(super) fn edited() -> Vec<(&'static str, String)> {
    let paragraphs: Vec<&str> = STORY.split("\n\n").collect();
    vec![
        ("another headline", STORY.to_owned()),
        ("last paragraph cut", paragraphs[..4].join("\n\n")),
        ("last two paragraphs cut", paragraphs[..3].join("\n\n")),
        ("foot line", format!("{STORY}\n\nThis story was supplied by Northwire and has not been edited by our desk.")),
        ("dateline", format!("PORT ELLERY (Northwire) — {STORY}")),
        ("quotes", STORY.replace(" \"", " »").replace("\"", "«")),
        ("one word", STORY.replace("chairwoman", "head")),
        ("one number", STORY.replace("300 metres", "1,250 metres")),
        ("paragraphs merged", paragraphs.join(" ")),
        ("paragraphs moved", [paragraphs[0], paragraphs[3], paragraphs[2], paragraphs[1], paragraphs[4]].join("\n\n")),
        ("spelling", STORY.replace("harbour", "harbor").replace("neighbours", "neighbors")),
    ]
}

pub async fn edited_copies_of_a_readable_article_are_duplicates(Engine { store, .. }: Engine) {
    assert_eq!(write(&store, put("first", STORY, at(0))).await.unwrap().outcome, Outcome::Created);
    for (edit, body) in edited() {
        assert_eq!(outcome(&store, "copy", &body, at(1)).await, Outcome::Duplicate, "{edit}");
    }
    for body in [OTHER, "The harbour board of Port Ellery agreed on Monday to dredge the northern channel."] {
        assert_eq!(outcome(&store, "other", body, at(1)).await, Outcome::Created);
    }
    // The shorter one may come first.
    let short = STORY.split("\n\n").take(4).collect::<Vec<_>>().join("\n\n");
    write(&store, transition("first", ChangeKind::Deleted, at(2))).await.unwrap();
    assert_eq!(write(&store, put("short", &short, at(3))).await.unwrap().outcome, Outcome::Created);
    assert_eq!(write(&store, put("long", STORY, at(4))).await.unwrap().outcome, Outcome::Duplicate);
}

pub async fn copies_of_an_unreadable_article_are_created(Engine { store, .. }: Engine) {
    let cut = STORY.split("\n\n").take(4).collect::<Vec<_>>().join("\n\n");
    write(&store, put("first", STORY, at(0))).await.unwrap();
    for (hide, show) in [(ChangeKind::Withdrawn, ChangeKind::Reinstated), (ChangeKind::Deleted, ChangeKind::Undeleted)]
    {
        write(&store, transition("first", hide, at(1))).await.unwrap();
        assert_eq!(outcome(&store, "copy", &cut, at(2)).await, Outcome::Created, "{hide:?}");
        write(&store, transition("first", show, at(3))).await.unwrap();
        assert_eq!(outcome(&store, "copy", &cut, at(4)).await, Outcome::Duplicate, "{show:?}");
    }
    let timed = Article { embargo_time: proto_at(10), expire_time: proto_at(20), ..story("first", "Timed", STORY) };
    write(&store, update("first", timed, Precondition::None, at(5))).await.unwrap();
    for (time, expected) in [(6, Outcome::Created), (10, Outcome::Duplicate), (20, Outcome::Created)] {
        assert_eq!(outcome(&store, "copy", &cut, at(time)).await, expected, "{time}");
    }
}

pub async fn a_revision_moves_the_sketch(Engine { store, .. }: Engine) {
    let foot = |body: &str| format!("{body}\n\nThis story was supplied by Northwire.");
    write(&store, put("first", STORY, at(0))).await.unwrap();
    for (body, old) in [(OTHER, STORY), (STORY, OTHER), ("Short.", STORY), (OTHER, STORY)] {
        let revised = story("first", &format!("Revised: {}", body.len()), body);
        write(&store, update("first", revised, Precondition::None, at(1))).await.unwrap();
        assert_eq!(outcome(&store, "copy", &foot(old), at(2)).await, Outcome::Created);
        if body.len() > 100 {
            assert_eq!(outcome(&store, "copy", &foot(body), at(2)).await, Outcome::Duplicate);
        }
    }
}

pub async fn writes_of_one_call_see_each_others_texts(Engine { store, .. }: Engine) {
    let foot = |body: &str| format!("{body}\n\nThis story was supplied by Northwire.");
    write(&store, put("stored", OTHER, at(0))).await.unwrap();
    let answers = store
        .write(vec![
            put("a", STORY, at(1)),
            put("b", &foot(STORY), at(1)),
            transition("a", ChangeKind::Deleted, at(1)),
            update("b", story("b", "Revised", "Short."), Precondition::None, at(1)),
            put("c", STORY, at(1)),
            put("d", &foot(OTHER), at(1)),
            update("stored", story("stored", "Revised", "Short."), Precondition::None, at(1)),
            update("d", story("d", "Revised", "Short too."), Precondition::None, at(1)),
            put("e", &foot(&foot(OTHER)), at(1)),
        ])
        .await;
    let outcomes: Vec<Outcome> = answers.into_iter().map(|answer| answer.unwrap().outcome).collect();
    use Outcome::{Created, Duplicate, Revised};
    let expected = [Created, Duplicate, Revised, Revised, Created, Duplicate, Revised, Revised, Created];
    assert_eq!(outcomes, expected);
    // What was stored is the last state of each.
    assert_eq!(outcome(&store, "copy", &foot(STORY), at(2)).await, Duplicate);
    assert_eq!(outcome(&store, "copy", OTHER, at(2)).await, Duplicate, "of e");
}

/// In one call and in several: the number of candidates is limited.
pub async fn many_copies_of_one_article_are_duplicates(Engine { store, .. }: Engine) {
    let copies = |numbers: std::ops::Range<i64>| {
        numbers.map(|number| put(&format!("copy-{number}"), &format!("{STORY} Sent as {number}."), at(number)))
    };
    write(&store, put("first", STORY, at(0))).await.unwrap();
    for batch in [0..150, 150..300] {
        for answer in store.write(copies(batch).collect()).await {
            assert_eq!(answer.unwrap().outcome, Outcome::Duplicate);
        }
    }
    assert_eq!(outcome(&store, "last", STORY, at(400)).await, Outcome::Duplicate);
    assert_eq!(outcome(&store, "other", OTHER, at(400)).await, Outcome::Created);
}

pub async fn a_purge_removes_the_sketch(Engine { store, .. }: Engine) {
    let cut = STORY.split("\n\n").take(4).collect::<Vec<_>>().join("\n\n");
    write(&store, put("first", STORY, at(0))).await.unwrap();
    write(&store, transition("first", ChangeKind::Purged, at(1))).await.unwrap();
    assert_eq!(write(&store, put("copy", &cut, at(2))).await.unwrap().outcome, Outcome::Created);
    write(&store, transition("copy", ChangeKind::Purged, at(3))).await.unwrap();
    assert_eq!(outcome(&store, "again", STORY, at(4)).await, Outcome::Created);
}

/// An acknowledged article is found by every replica, and after a restart.
#[tokio::test]
async fn any_replica_finds_an_acknowledged_article() {
    let database = Cluster::shared().database().await;
    let stores = replicas(&database, 2).await;
    write(&stores[0], put("first", STORY, at(0))).await.unwrap();
    for (edit, body) in edited() {
        assert_eq!(outcome(&stores[1], "copy", &body, at(1)).await, Outcome::Duplicate, "{edit}");
    }
    drop(stores);
    let store = open(database.options()).await;
    assert_eq!(outcome(&store, "copy", &STORY.replace("chairwoman", "head"), at(1)).await, Outcome::Duplicate);
    let dir = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap()) };
    write(&open(), put("first", STORY, at(0))).await.unwrap();
    assert_eq!(outcome(&open(), "copy", &STORY.replace("chairwoman", "head"), at(1)).await, Outcome::Duplicate);
}

#[tokio::test]
async fn copies_of_stores_find_near_duplicates() {
    let stores = [sqlite().await, postgres().await, sqlite().await];
    write(&stores[0].store, put("first", STORY, at(0))).await.unwrap();
    for pair in stores.windows(2) {
        assert_eq!(copy(&*pair[0].store, &*pair[1].store).await.unwrap().articles, 1);
        let body = STORY.replace("chairwoman", "head");
        assert_eq!(outcome(&pair[1].store, "copy", &body, at(1)).await, Outcome::Duplicate);
    }
}

/// From the version before sketches.
#[tokio::test]
async fn a_migration_adds_the_sketches_of_existing_articles() {
    let body = STORY.replace("chairwoman", "head");
    let dir = tempfile::tempdir().unwrap();
    let open_folder = || -> Arc<dyn Store> { Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap()) };
    let database = Cluster::shared().database().await;
    for store in [open_folder(), open(database.options()).await] {
        write(&store, put("first", STORY, at(0))).await.unwrap();
        write(&store, put("short", "Short.", at(0))).await.unwrap();
    }
    let articles = rusqlite::Connection::open(dir.path().join("articles.db")).unwrap();
    let back = "DROP TABLE article_sketches; DROP TABLE article_anchors; DROP TABLE originals;
        DROP TABLE revision_originals; DROP TABLE ingest_events; DROP TABLE story_members;
        DROP TABLE story_merges; DROP TABLE grouping; DROP TABLE article_reads; PRAGMA user_version = 7";
    articles.execute_batch(back).unwrap();
    drop(articles);
    let back = "DROP TABLE copydesk.article_sketches, copydesk.article_anchors, copydesk.originals,
                copydesk.revision_originals, copydesk.ingest_events;
                UPDATE copydesk.schema SET version = 10";
    let client = database.client().await;
    client.batch_execute(back).await.unwrap();
    client.batch_execute(super::schemas::FORMER_SEARCH_TABLES).await.unwrap();
    PostgresStore::migrate(&database.options()).await.unwrap();
    for store in [open_folder(), open(database.options()).await] {
        assert_eq!(outcome(&store, "copy", &body, at(1)).await, Outcome::Duplicate);
        assert_eq!(outcome(&store, "other", OTHER, at(1)).await, Outcome::Created);
        // A purge removes what the migration has added.
        write(&store, transition("first", ChangeKind::Purged, at(2))).await.unwrap();
        assert_eq!(outcome(&store, "copy", &body, at(3)).await, Outcome::Created);
    }
}

/// Nothing of a purged article is left in the tables.
#[tokio::test]
async fn a_purge_leaves_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let folder: Arc<dyn Store> = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path())).unwrap());
    let database = Cluster::shared().database().await;
    let shared = open(database.options()).await;
    let client = database.client().await;
    for (name, body) in [("first", STORY), ("other", OTHER)] {
        for store in [&folder, &shared] {
            write(store, put(name, body, at(0))).await.unwrap();
        }
    }
    for (expected, name) in [(2, None), (1, Some("first")), (0, Some("other"))] {
        if let Some(name) = name {
            for store in [&folder, &shared] {
                write(store, transition(name, ChangeKind::Purged, at(1))).await.unwrap();
            }
        }
        let articles = rusqlite::Connection::open(dir.path().join("articles.db")).unwrap();
        for (table, of_each) in [("article_sketches", 1), ("article_anchors", 4)] {
            let sql = format!("SELECT count(*) FROM {table}");
            let rows: i64 = articles.query_row(&sql, (), |row| row.get(0)).unwrap();
            assert_eq!(rows, expected * of_each, "{table}");
            let sql = format!("SELECT count(*) FROM copydesk.{table}");
            assert_eq!(client.query_one(&sql, &[]).await.unwrap().get::<_, i64>(0), expected * of_each, "{table}");
        }
    }
}
