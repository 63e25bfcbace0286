//! Schema migrations. All tables are in the schema `copydesk` of the database.

use prost::Message;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::bulk::array_text;
use super::error::OpenError;
use super::rows::{NEWEST, facet_numbers};
use super::{PostgresOptions, key_table, lock, sketch_table};
use crate::article::{Facet, Lifecycle};
use crate::proto::Article;
use crate::store::enum_codes::lifecycle_number;
use crate::store::former;
use crate::store::identity::keys_of;

/// Migrations, each from the version of its index to the next. Append only.
///
/// Times are in microseconds since 1970. Positions are integers that increase by one per change, in commit order. An
/// article's key is the position of its first change, so keys are in the order of creation.
const MIGRATIONS: &[&str] = &[
    "
    -- Newest position of the feed. A writer locks this row from the numbering of its changes until they are visible.
    -- It is updated by every commit: the page has room for its row versions, which are pruned on access.
    CREATE TABLE copydesk.feed (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), id uuid NOT NULL, position bigint NOT NULL
    ) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500);

    -- Start of the feed: revisions replaced up to this position have been deleted.
    CREATE TABLE copydesk.trimmed (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
    INSERT INTO copydesk.trimmed (position) VALUES (0);

    -- One narrow row per article.
    CREATE TABLE copydesk.articles (
        key bigint PRIMARY KEY,
        id text COLLATE \"C\" NOT NULL UNIQUE,
        uid uuid NOT NULL,
        created bigint NOT NULL,
        position bigint NOT NULL UNIQUE, -- of the newest change
        revision bigint NOT NULL,        -- of the newest change
        sort_time bigint NOT NULL,       -- publish time, else creation time
        lifecycle smallint NOT NULL,
        embargo bigint,
        expire bigint,
        due bigint,                      -- time of the next transition
        digest bytea NOT NULL,           -- of the text
        digest_head bigint NOT NULL,     -- first 8 bytes of the digest
        fingerprint bytea NOT NULL,      -- of the last ingested document
        duplicate_of bigint,
        facets bigint[] NOT NULL,        -- lists that contain the article
        url text COLLATE \"C\" NOT NULL,
        url_hash bigint NOT NULL,
        source text COLLATE \"C\" NOT NULL,
        external_id text COLLATE \"C\" NOT NULL,
        external_hash bigint NOT NULL    -- of source and external ID
    );
    CREATE INDEX articles_by_sort_time ON copydesk.articles (sort_time, key);
    CREATE INDEX articles_by_digest ON copydesk.articles (digest_head);
    CREATE INDEX articles_by_url ON copydesk.articles (url_hash) WHERE url <> '';
    CREATE INDEX articles_by_external_id ON copydesk.articles (external_hash) WHERE external_id <> '';
    CREATE INDEX articles_by_due ON copydesk.articles (due, key) WHERE due IS NOT NULL;

    -- Texts of articles. Written before the feed is locked, so that large texts do not delay other writers.
    CREATE TABLE copydesk.texts (text uuid PRIMARY KEY, content bytea NOT NULL);

    -- Change feed and revision history.
    CREATE TABLE copydesk.changes (
        position bigint PRIMARY KEY,
        article bigint NOT NULL,
        revision bigint NOT NULL,
        kind smallint NOT NULL,
        time bigint NOT NULL,
        announced boolean NOT NULL,
        lifecycle smallint NOT NULL,
        embargo bigint,
        expire bigint,
        publish bigint,
        deleted bigint,
        duplicate_of bigint,
        digest bytea NOT NULL,
        reason text NOT NULL,
        text uuid NOT NULL,
        new_text boolean NOT NULL        -- true if this change replaced the text
    );
    CREATE UNIQUE INDEX changes_by_article ON copydesk.changes (article, revision);

    -- Index of lists.
    CREATE TABLE copydesk.facets (
        facet bigint NOT NULL, sort_time bigint NOT NULL, article bigint NOT NULL,
        PRIMARY KEY (facet, sort_time, article)
    );

    CREATE TABLE copydesk.requests (
        id bytea NOT NULL, item bigint NOT NULL, digest bytea NOT NULL, article bigint NOT NULL,
        revision bigint NOT NULL, outcome smallint NOT NULL, time bigint NOT NULL, PRIMARY KEY (id, item)
    );
    CREATE INDEX requests_by_time ON copydesk.requests (time);

    -- Search index, derived from the feed, and the position that it has reached.
    CREATE TABLE copydesk.search (article bigint PRIMARY KEY, words tsvector NOT NULL);
    CREATE INDEX search_by_words ON copydesk.search USING gin (words);
    CREATE TABLE copydesk.indexed (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
    INSERT INTO copydesk.indexed (position) VALUES (0);
",
    "
    -- API keys. Of the secret only the SHA-256 is stored.
    CREATE TABLE copydesk.api_keys (
        id text COLLATE \"C\" PRIMARY KEY, name text NOT NULL, digest bytea NOT NULL, scopes text NOT NULL,
        rate text NOT NULL, created bigint NOT NULL, expires bigint, revoked bigint
    );
    -- Changes with every change of a key, so that servers poll one row and not all.
    CREATE TABLE copydesk.api_key_version (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), version uuid NOT NULL
    );
    INSERT INTO copydesk.api_key_version (version) VALUES (gen_random_uuid());
",
    "
    -- Words with positions do not compress; trying took a twelfth of the indexing time.
    ALTER TABLE copydesk.search ALTER COLUMN words SET STORAGE EXTERNAL;
",
    "
    -- Feed ID of the source while a copy into this database is unfinished.
    ALTER TABLE copydesk.feed ADD COLUMN IF NOT EXISTS copying uuid;
",
    "
    -- Fields that belong to editors, one bit each: 1 embargo_time, 2 expire_time. The authors of earlier changes are
    -- unknown: a time that was ever different counts as an editor's, as does one whose first value has been deleted.
    ALTER TABLE copydesk.articles ADD COLUMN editor_fields smallint NOT NULL DEFAULT 0;
    UPDATE copydesk.articles a SET editor_fields = w.fields FROM (
        SELECT h.key, (
            CASE WHEN h.embargo IS NOT NULL AND first.article IS NULL OR EXISTS (
                SELECT FROM copydesk.changes c WHERE c.article = h.key AND c.embargo IS DISTINCT FROM h.embargo
            ) THEN 1 ELSE 0 END
            + CASE WHEN h.expire IS NOT NULL AND first.article IS NULL OR EXISTS (
                SELECT FROM copydesk.changes c WHERE c.article = h.key AND c.expire IS DISTINCT FROM h.expire
            ) THEN 2 ELSE 0 END)::smallint AS fields
        FROM copydesk.articles h
        LEFT JOIN copydesk.changes first ON first.article = h.key AND first.revision = 1) w
    WHERE w.key = a.key AND w.fields <> 0;
    -- Removes unreadable articles from the index until the feed announces them as readable.
    DELETE FROM copydesk.search s USING copydesk.articles a WHERE a.key = s.article AND NOT coalesce(a.lifecycle = 0
        AND (a.embargo IS NULL OR a.due IS NULL OR a.due <> a.embargo)
        AND (a.expire IS NULL OR a.due = a.expire), false);
",
    "
    -- The article that has a key: an address or a publisher's identifier, as a hash.
    -- A key that is not certain is only claimed by a document of the article.
    CREATE TABLE copydesk.keys (key uuid PRIMARY KEY, article bigint NOT NULL, is_certain boolean NOT NULL);
    CREATE INDEX keys_by_article ON copydesk.keys (article);
    -- Version of the last ingested document.
    ALTER TABLE copydesk.articles ADD COLUMN source_time bigint;
    ALTER TABLE copydesk.articles ADD COLUMN source_version bigint NOT NULL DEFAULT 0;
    ALTER TABLE copydesk.articles ADD COLUMN observed bigint;
",
    "
    ALTER TABLE copydesk.articles
        DROP COLUMN url, DROP COLUMN url_hash, DROP COLUMN external_id, DROP COLUMN external_hash;
",
    "
    -- Filled in below, with hosts and kinds of media.
    TRUNCATE copydesk.facets;
    -- The articles with one text, in the order in which one of them is shown.
    DROP INDEX copydesk.articles_by_digest;
    CREATE INDEX articles_by_digest ON copydesk.articles (digest_head, sort_time);
    -- Decided by each read.
    ALTER TABLE copydesk.articles DROP COLUMN duplicate_of;
    ALTER TABLE copydesk.changes DROP COLUMN duplicate_of;
",
    "
    -- Contents have the fields of an article at the release: see `convert_contents`.
",
    "
    -- The purged article that had a text with this key.
    CREATE TABLE copydesk.purged_keys (key uuid PRIMARY KEY, article bigint NOT NULL);
    CREATE INDEX articles_by_deletion ON copydesk.articles (position) WHERE lifecycle = 2;
    -- Last purge, its transaction, and the last one whose texts have been removed from the files of the tables. The
    -- history has to be rewritten too if reasons were erased.
    CREATE TABLE copydesk.erasures (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), due bigint NOT NULL, transaction bigint NOT NULL,
        reasons boolean NOT NULL, done bigint NOT NULL
    );
    INSERT INTO copydesk.erasures (due, transaction, reasons, done) VALUES (0, 0, false, 0);
    -- Statistics of a column contain values of it, and are not erased.
    ALTER TABLE copydesk.texts ALTER COLUMN content SET STATISTICS 0;
    ALTER TABLE copydesk.changes ALTER COLUMN reason SET STATISTICS 0;
    ALTER TABLE copydesk.search ALTER COLUMN words SET STATISTICS 0;
",
    "
    -- Sketch of the body of an article, and the anchors of the sketch: as an array, by which they are removed, and as
    -- an index. Filled in below. Purged articles have neither, so statistics must not have values of them.
    CREATE TABLE copydesk.article_sketches (
        article bigint PRIMARY KEY, anchors bigint[] NOT NULL, sketch bytea NOT NULL
    );
    CREATE TABLE copydesk.article_anchors (
        anchor bigint NOT NULL, article bigint NOT NULL, PRIMARY KEY (anchor, article)
    );
    ALTER TABLE copydesk.article_sketches ALTER COLUMN anchors SET STATISTICS 0;
    ALTER TABLE copydesk.article_sketches ALTER COLUMN sketch SET STATISTICS 0;
    ALTER TABLE copydesk.article_anchors ALTER COLUMN anchor SET STATISTICS 0;
",
    "
    -- Documents as received, compressed. `size` is that before compression, `stored` that of the content.
    CREATE TABLE copydesk.originals (
        digest bytea PRIMARY KEY, time bigint NOT NULL, size int NOT NULL, stored int NOT NULL, content bytea NOT NULL
    );
    CREATE INDEX originals_by_time ON copydesk.originals (time, digest) INCLUDE (stored);
    -- The document from which a revision was extracted, and the report of the extraction.
    CREATE TABLE copydesk.revision_originals (
        article bigint NOT NULL, revision bigint NOT NULL, original bytea NOT NULL, report bytea NOT NULL,
        PRIMARY KEY (article, revision)
    );
    CREATE INDEX revision_originals_by_original ON copydesk.revision_originals (original);
    -- The journal of ingestion.
    CREATE TABLE copydesk.ingest_events (key bigserial PRIMARY KEY, event bytea NOT NULL);
    -- Compressed already. Statistics of a column contain values of it, and are not erased.
    ALTER TABLE copydesk.originals ALTER COLUMN content SET STORAGE EXTERNAL;
    ALTER TABLE copydesk.originals ALTER COLUMN content SET STATISTICS 0;
    ALTER TABLE copydesk.revision_originals ALTER COLUMN report SET STORAGE EXTERNAL;
    ALTER TABLE copydesk.revision_originals ALTER COLUMN report SET STATISTICS 0;
",
    "
    -- The folding of words has changed: the index is filled again from the feed, and the sketches below.
    DELETE FROM copydesk.search;
    TRUNCATE copydesk.article_anchors, copydesk.article_sketches;
    UPDATE copydesk.indexed SET position = 0;
",
    "
    -- The search index is no longer in the database: see docs/decisions/0044.
    DROP TABLE copydesk.search, copydesk.indexed;
    -- Tasks that one replica at a time does.
    CREATE TABLE copydesk.leases (task text PRIMARY KEY, holder uuid NOT NULL, until timestamptz NOT NULL);
",
    "
    -- Memberships of articles in stories. `number` is that of the last change, and the report is empty if grouping
    -- does not need it.
    CREATE TABLE copydesk.story_members (
        article bigint PRIMARY KEY, story uuid NOT NULL, number bigint NOT NULL UNIQUE, by_editor boolean NOT NULL,
        report bytea NOT NULL
    );
    CREATE INDEX story_members_by_story ON copydesk.story_members (story, number);
    CREATE INDEX story_members_needed ON copydesk.story_members (number) WHERE report <> '';
    -- A report is derived from the text of its article. Statistics of a column have values of it, and are not erased.
    ALTER TABLE copydesk.story_members ALTER COLUMN report SET STORAGE EXTERNAL;
    ALTER TABLE copydesk.story_members ALTER COLUMN report SET STATISTICS 0;
    -- Stories that are part of another one. An heir has no row.
    CREATE TABLE copydesk.story_merges (story uuid PRIMARY KEY, heir uuid NOT NULL);
    CREATE INDEX story_merges_by_heir ON copydesk.story_merges (heir);
    -- Number of the newest membership, and position and time of the change up to which articles are grouped.
    CREATE TABLE copydesk.grouping (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), number bigint NOT NULL, sequence bigint NOT NULL,
        time bigint
    );
    INSERT INTO copydesk.grouping (number, sequence) VALUES (0, 0);
",
    "
    -- Reads of articles that callers have reported. Hours are counted from 1970. Rows of the current hour are updated
    -- often: pages have room for their versions.
    CREATE TABLE copydesk.article_reads (
        hour bigint NOT NULL, article bigint NOT NULL, count bigint NOT NULL, PRIMARY KEY (hour, article)
    ) WITH (fillfactor = 70);
    CREATE INDEX article_reads_by_article ON copydesk.article_reads (article);
",
];

/// Number of migrations before the contents are converted, which SQL cannot do.
const BEFORE_CONTENTS: usize = 9;
/// Contents per statement while they are converted.
const CONTENTS_BATCH: i64 = 500;
/// Version since which the lists have all of today's facets. They are filled in after all migrations: only then can
/// this version decode the articles.
const FACETS_SINCE: usize = 8;
/// Version since which articles have today's sketches. They are filled in after all migrations, for the same reason.
const SKETCHES_SINCE: usize = 13;
/// Articles per statement while lists are filled in.
const FACETS_BATCH: i64 = 1_000;

/// Number of migrations before the keys of existing articles are filled in, which SQL cannot do.
const BEFORE_KEYS: usize = 6;
/// Articles per statement while keys are filled in.
const KEYS_BATCH: i64 = 10_000;

/// Schema version that this program requires.
pub(super) const KNOWN: i32 = MIGRATIONS.len() as i32;

/// Migrates the schema to the latest version. Safe to run concurrently: one process migrates, the others find it done.
/// Returns the version before, 0 for a new database.
pub(super) async fn migrate(options: &PostgresOptions) -> Result<i32, OpenError> {
    let client = connect(options).await?;
    let address = options.address();
    let found = apply_migrations(&client).await.map_err(|error| OpenError::refused(&address, &error))?;
    if found > KNOWN { Err(OpenError::Newer { address, found, known: KNOWN }) } else { Ok(found) }
}

async fn apply_migrations(client: &Client) -> Result<i32, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    client.batch_execute(&format!("SELECT pg_advisory_xact_lock({}, {})", lock::CLASS, lock::MIGRATE)).await?;
    let found = version(client).await?;
    let done = usize::try_from(found).unwrap_or(0);
    if done == 0 {
        // Not IF NOT EXISTS, which requires the privilege to create a schema even if it exists.
        let exists = client.query_typed_one("SELECT to_regnamespace('copydesk') IS NOT NULL", &[]).await?;
        if !exists.try_get::<_, bool>(0)? {
            client.batch_execute("CREATE SCHEMA copydesk").await?;
        }
        client.batch_execute("CREATE TABLE copydesk.schema (version int)").await?;
    }
    for (at, step) in MIGRATIONS.iter().enumerate().skip(done) {
        client.batch_execute(step).await?;
        if at + 1 == BEFORE_KEYS && done > 0 {
            fill_keys(client).await?;
        }
        if at + 1 == BEFORE_CONTENTS && done > 0 {
            convert_contents(client).await?;
        }
    }
    if done > 0 && done < FACETS_SINCE {
        fill_facets(client).await?;
    }
    if done > 0 && done < SKETCHES_SINCE {
        sketch_table::fill(client).await?;
    }
    if done == 0 {
        let feed = Uuid::now_v7();
        let first = format!(
            "INSERT INTO copydesk.feed (id, position) VALUES ('{feed}', 0);
             INSERT INTO copydesk.schema VALUES ({KNOWN})"
        );
        client.batch_execute(&first).await?;
    } else if found < KNOWN {
        client.batch_execute(&format!("UPDATE copydesk.schema SET version = {KNOWN}")).await?;
    }
    client.batch_execute("COMMIT").await?;
    Ok(found)
}

/// Adds the keys of existing articles. Of several articles with a key, a withdrawn one gets it, so that its kill holds
/// for all of them; else the earliest.
async fn fill_keys(client: &Client) -> Result<(), Error> {
    let withdrawn = format!("lifecycle = {}", lifecycle_number(Lifecycle::Withdrawn));
    for only in [withdrawn.as_str(), "true"] {
        let read = format!(
            "SELECT key, url, source, external_id FROM copydesk.articles
             WHERE {only} AND key > $1 ORDER BY key LIMIT $2"
        );
        let mut after = 0_i64;
        loop {
            let rows = client.query_typed(&read, &[(&after, Type::INT8), (&KEYS_BATCH, Type::INT8)]).await?;
            let Some(last) = rows.last() else { break };
            after = last.try_get(0)?;
            let (mut keys, mut articles) = (Vec::<Uuid>::new(), Vec::<i64>::new());
            for row in &rows {
                let of_row = keys_of(row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
                articles.extend(std::iter::repeat_n(row.try_get::<_, i64>(0)?, of_row.len()));
                keys.extend(of_row.iter().map(|key| key_table::stored(&key.key)));
            }
            let insert = "INSERT INTO copydesk.keys (key, article, is_certain)
                          SELECT key, article, true FROM unnest($1, $2) t(key, article) ON CONFLICT DO NOTHING";
            client.execute_typed(insert, &[(&keys, Type::UUID_ARRAY), (&articles, Type::INT8_ARRAY)]).await?;
        }
    }
    Ok(())
}

/// Adds every article to the lists of its facets. One that cannot be decoded is in none.
async fn fill_facets(client: &Client) -> Result<(), Error> {
    let read = format!("SELECT a.key, b.content FROM {NEWEST} WHERE a.key > $1 ORDER BY a.key LIMIT $2");
    let mut after = 0_i64;
    loop {
        let rows = client.query_typed(&read, &[(&after, Type::INT8), (&FACETS_BATCH, Type::INT8)]).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = last.try_get(0)?;
        let (mut articles, mut facets) = (Vec::<i64>::new(), Vec::<String>::new());
        for row in &rows {
            let article = Article::decode(row.try_get::<_, &[u8]>(1)?).unwrap_or_default();
            articles.push(row.try_get(0)?);
            facets.push(array_text(&facet_numbers(&Facet::of(&article))));
        }
        let store = "WITH t AS (SELECT key, facets::bigint[] FROM unnest($1, $2) t(key, facets)),
                     listed AS (INSERT INTO copydesk.facets (facet, sort_time, article)
                        SELECT unnest(t.facets), a.sort_time, a.key FROM t JOIN copydesk.articles a USING (key))
                     UPDATE copydesk.articles a SET facets = t.facets FROM t WHERE a.key = t.key";
        client.execute_typed(store, &[(&articles, Type::INT8_ARRAY), (&facets, Type::TEXT_ARRAY)]).await?;
    }
}

/// Converts the contents to the present fields of an article, and the fingerprints of their documents. Damaged contents
/// stay, and `copydesk verify` names them.
async fn convert_contents(client: &Client) -> Result<(), Error> {
    let read = "SELECT text, content FROM copydesk.texts WHERE text > $1 ORDER BY text LIMIT $2";
    let update = "UPDATE copydesk.texts SET content = new.content
                  FROM unnest($1, $2) new(text, content) WHERE texts.text = new.text";
    let keep = "INSERT INTO copydesk.former_fingerprints SELECT * FROM unnest($1, $2, $3)";
    client
        .batch_execute("CREATE TABLE copydesk.former_fingerprints (text uuid, former bytea, fingerprint bytea)")
        .await?;
    let mut after = Uuid::nil();
    loop {
        let rows = client.query_typed(read, &[(&after, Type::UUID), (&CONTENTS_BATCH, Type::INT8)]).await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get(0)?;
        let (mut texts, mut contents) = (Vec::<Uuid>::new(), Vec::<Vec<u8>>::new());
        let (mut of_text, mut formers, mut fingerprints) = (Vec::<Uuid>::new(), Vec::new(), Vec::new());
        for row in &rows {
            let text = row.try_get(0)?;
            let Some(converted) = former::convert(row.try_get(1)?) else { continue };
            for former in converted.former_fingerprints {
                of_text.push(text);
                formers.push(former.0.to_vec());
                fingerprints.push(converted.fingerprint.0.to_vec());
            }
            texts.push(text);
            contents.push(converted.content);
        }
        let (uuids, bytes) = (Type::UUID_ARRAY, Type::BYTEA_ARRAY);
        client.execute_typed(update, &[(&texts, uuids.clone()), (&contents, bytes.clone())]).await?;
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&of_text, uuids), (&formers, bytes.clone()), (&fingerprints, bytes)];
        client.execute_typed(keep, &parameters).await?;
    }
    client
        .batch_execute(
            "UPDATE copydesk.articles a SET fingerprint = f.fingerprint
             FROM copydesk.changes c JOIN copydesk.former_fingerprints f ON f.text = c.text
             WHERE a.key = c.article AND a.fingerprint = f.former;
             DROP TABLE copydesk.former_fingerprints",
        )
        .await
}

/// Identity of a database with the required schema version.
pub(super) struct Checked {
    /// ID of the feed.
    pub(super) feed: Uuid,
    /// Feed ID of the source while a copy into this database is unfinished.
    pub(super) copying: Option<Uuid>,
}

/// Checks the schema version and reads the identity of the database.
pub(super) async fn check(options: &PostgresOptions) -> Result<Checked, OpenError> {
    let client = connect(options).await?;
    let address = options.address();
    let refused = |error: Error| OpenError::refused(&address, &error);
    let found = version(&client).await.map_err(refused)?;
    match found.cmp(&KNOWN) {
        std::cmp::Ordering::Less => return Err(OpenError::Older { address, found, known: KNOWN }),
        std::cmp::Ordering::Greater => return Err(OpenError::Newer { address, found, known: KNOWN }),
        std::cmp::Ordering::Equal => {}
    }
    let row = client.query_typed_one("SELECT id, copying FROM copydesk.feed", &[]).await.map_err(refused)?;
    Ok(Checked { feed: row.try_get(0).map_err(refused)?, copying: row.try_get(1).map_err(refused)? })
}

/// Reads the schema version; 0 if there is no schema.
pub(super) async fn version(client: &Client) -> Result<i32, Error> {
    let row = client.query_typed_one("SELECT to_regclass('copydesk.schema') IS NOT NULL", &[]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    client.query_typed_one("SELECT max(version) FROM copydesk.schema", &[]).await?.try_get(0)
}

/// Connects to the database. The connection ends when its client is dropped.
async fn connect(options: &PostgresOptions) -> Result<Client, OpenError> {
    let connected = options.connect().await;
    let (client, connection) = connected.map_err(|error| match error {
        Some(error) => OpenError::refused(&options.address(), &error),
        None => OpenError::Refused { address: options.address(), cause: "it does not answer".into() },
    })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection failed");
        }
    });
    let refused = |error: Error| OpenError::refused(&options.address(), &error);
    let row = client.query_typed_one("SELECT current_setting('server_encoding')", &[]).await.map_err(refused)?;
    let encoding: String = row.try_get(0).map_err(refused)?;
    if encoding != "UTF8" {
        let cause = format!("database encoding is {encoding}, must be UTF8; create the database with ENCODING 'UTF8'");
        return Err(OpenError::Refused { address: options.address(), cause });
    }
    Ok(client)
}
