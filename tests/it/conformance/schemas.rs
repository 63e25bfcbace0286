//! The schema, and the role that creates it.

use copydesk::article::{ChangeKind, Digest};
use copydesk::proto::{Article, Author};
use copydesk::store::postgres::{OpenError, PostgresOptions, PostgresStore};
use copydesk::store::{Outcome, Precondition};
use futures::future::join_all;

use super::databases::open;
use super::fixtures::{at, former_content, get, ingest, proto_at, titled, transition, update, write};
use crate::support::database::Cluster;

/// Creates the tables of the search index, which versions before 14 had, and drops what they did not have.
pub const FORMER_SEARCH_TABLES: &str = "
    DROP TABLE copydesk.leases, copydesk.story_members, copydesk.story_merges, copydesk.grouping,
        copydesk.article_reads;
    CREATE TABLE copydesk.search (article bigint PRIMARY KEY, words tsvector NOT NULL);
    CREATE TABLE copydesk.indexed (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
    INSERT INTO copydesk.indexed (position) VALUES (0);
    INSERT INTO copydesk.search SELECT key, to_tsvector('simple', 'ferry') FROM copydesk.articles;";

#[tokio::test]
async fn concurrent_migrations_succeed_and_servers_require_one() {
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

/// From the schema of a version before API keys, with articles.
#[tokio::test]
async fn an_older_schema_is_migrated() {
    let database = Cluster::shared().database().await;
    let store = open(database.options()).await;
    let ferry = || Article { authors: vec![Author::named("Ida Quill")], ..titled("1") };
    write(&store, ingest("ferry", ferry(), at(0))).await.unwrap();
    let held = |embargo| Article { embargo_time: proto_at(embargo), ..titled("2") };
    for name in ["untouched", "moved"] {
        write(&store, ingest(name, held(500), at(0))).await.unwrap();
    }
    write(&store, update("moved", held(600), Precondition::None, at(1))).await.unwrap();
    write(&store, ingest("killed", titled("Gone"), at(1))).await.unwrap();
    write(&store, transition("killed", ChangeKind::Withdrawn, at(1))).await.unwrap();
    drop(store);
    let client = database.client().await;
    client.batch_execute(FORMER_SEARCH_TABLES).await.unwrap();
    // It had one address and one identifier of each article, and no other keys.
    let back = "DROP TABLE copydesk.originals, copydesk.revision_originals, copydesk.ingest_events;
        DROP TABLE copydesk.api_keys, copydesk.api_key_version, copydesk.keys,
             copydesk.purged_keys, copydesk.erasures, copydesk.article_sketches, copydesk.article_anchors;
         DROP INDEX copydesk.articles_by_deletion;
         ALTER TABLE copydesk.articles DROP COLUMN editor_fields, DROP COLUMN source_time,
             DROP COLUMN source_version, DROP COLUMN observed,
             ADD COLUMN url text COLLATE \"C\" NOT NULL DEFAULT '', ADD COLUMN url_hash bigint NOT NULL DEFAULT 0,
             ADD COLUMN external_id text COLLATE \"C\" NOT NULL DEFAULT '',
             ADD COLUMN external_hash bigint NOT NULL DEFAULT 0, ADD COLUMN duplicate_of bigint;
         ALTER TABLE copydesk.changes ADD COLUMN duplicate_of bigint;
         UPDATE copydesk.articles SET url = 'https://herald.example/1', source = 'herald.example', external_id = id;
         UPDATE copydesk.schema SET version = 1";
    client.batch_execute(back).await.unwrap();
    for row in client.query("SELECT text, content FROM copydesk.texts", &[]).await.unwrap() {
        let former = former_content(row.get(1));
        let rewrite = "UPDATE copydesk.texts SET content = $2 WHERE text = $1";
        client.execute(rewrite, &[&row.get::<_, uuid::Uuid>(0), &former]).await.unwrap();
        // The fingerprint of a document without embargo is the digest of its content.
        let digest = Digest::of_bytes(&former).0.to_vec();
        let rewrite = "UPDATE copydesk.articles SET fingerprint = $2 WHERE id = 'ferry' AND position =
            (SELECT position FROM copydesk.changes WHERE text = $1 AND new_text)";
        client.execute(rewrite, &[&row.get::<_, uuid::Uuid>(0), &digest]).await.unwrap();
    }
    let refused = PostgresStore::open(database.options()).await.err().unwrap();
    assert!(matches!(refused, OpenError::Older { found: 1, .. }), "{refused:?}");
    PostgresStore::migrate(&database.options()).await.unwrap();
    let store = open(database.options()).await;
    super::files::check_keys(&store).await;
    // Contents have the present fields, and a repeated document is recognised.
    assert_eq!(get(&store, "ferry").await.unwrap().decode().unwrap().authors, [Author::named("Ida Quill")]);
    let again = write(&store, ingest("ferry", ferry(), at(2))).await.unwrap();
    assert_eq!((again.outcome, again.record.revision), (Outcome::Unchanged, 1));
    client.query_one("SELECT version FROM copydesk.api_key_version", &[]).await.unwrap();
    let dropped = "SELECT to_regclass('copydesk.search') IS NULL AND to_regclass('copydesk.indexed') IS NULL";
    assert!(client.query_one(dropped, &[]).await.unwrap().get::<_, bool>(0));
    // A time that was ever another one may be an editor's.
    for (name, changed) in [("untouched", true), ("moved", false)] {
        let sent = write(&store, ingest(name, held(10), at(3))).await.unwrap();
        assert_eq!(sent.record.embargo_time == Some(at(10)), changed, "{name}");
    }
}

#[tokio::test]
async fn rejects_a_database_with_a_non_unicode_encoding() {
    let database = Cluster::shared().latin_database().await;
    let message = |refused: OpenError| {
        let refused = refused.to_string();
        assert!(refused.contains("LATIN1") && refused.contains("ENCODING 'UTF8'"), "{refused}");
    };
    message(PostgresStore::migrate(&database.options()).await.err().unwrap());
    message(PostgresStore::open(database.options()).await.err().unwrap());
}

/// An administrator may create the schema, without granting rights on the database.
#[tokio::test]
async fn a_role_with_its_own_schema_needs_no_right_on_the_database() {
    let database = Cluster::shared().empty_database().await;
    let client = database.client().await;
    let name: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let role = format!("owner_{name}");
    client
        .batch_execute(&format!("CREATE ROLE {role} LOGIN; CREATE SCHEMA copydesk AUTHORIZATION {role}"))
        .await
        .unwrap();
    let options = PostgresOptions::new(&database.url.replacen("copydesk@", &format!("{role}@"), 1)).unwrap();
    PostgresStore::migrate(&options).await.unwrap();
    let store = open(options).await;
    write(&store, ingest("ferry", titled("1"), at(0))).await.unwrap();
    drop(store);
    client.batch_execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await.unwrap();
}

/// A role only needs the right to create a schema; our transactions use their own settings, independent of the role's.
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
