//! The schema and its versions. Everything stands in the schema `copydesk` of the database.

use tokio_postgres::{Client, Error};
use uuid::Uuid;

use super::error::OpenError;
use super::{PostgresOptions, lock};

/// Each brings the schema from the version of its index to the next. Only ever appended to.
///
/// Times are in microseconds since 1970. A position is a whole number, one more for each change, in the order of commits;
/// an article's key is the position of its first change, so keys are in the order of creation.
const MIGRATIONS: &[&str] = &["
    -- How far the feed has come. Whoever commits changes holds this row from when they are numbered until they are visible.
    -- It is written at every commit: the page has room for its versions, and they are cut back in passing.
    CREATE TABLE copydesk.feed (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), id uuid NOT NULL, position bigint NOT NULL
    ) WITH (fillfactor = 10, autovacuum_vacuum_threshold = 500);

    -- Where the feed begins: what was replaced up to here has been forgotten.
    CREATE TABLE copydesk.trimmed (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
    INSERT INTO copydesk.trimmed (position) VALUES (0);

    -- One row for each article, narrow.
    CREATE TABLE copydesk.articles (
        key bigint PRIMARY KEY,
        id text COLLATE \"C\" NOT NULL UNIQUE,
        uid uuid NOT NULL,
        created bigint NOT NULL,
        position bigint NOT NULL UNIQUE, -- the newest change
        revision bigint NOT NULL,        -- its number
        sort_time bigint NOT NULL,       -- published, or else created
        lifecycle smallint NOT NULL,
        embargo bigint,
        expire bigint,
        due bigint,                      -- when the clock next changes it
        digest bytea NOT NULL,           -- of its text
        digest_head bigint NOT NULL,     -- the first 8 bytes of that
        fingerprint bytea NOT NULL,      -- of what was ingested last
        duplicate_of bigint,
        facets bigint[] NOT NULL,        -- the lists that it is in
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

    -- What articles say. Written before the feed's turn is taken, so that what is large keeps nobody waiting.
    CREATE TABLE copydesk.texts (text uuid PRIMARY KEY, content bytea NOT NULL);

    -- The feed and the history in one.
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
        new_text boolean NOT NULL        -- whether this change brought it
    );
    CREATE UNIQUE INDEX changes_by_article ON copydesk.changes (article, revision);

    -- What lists walk.
    CREATE TABLE copydesk.facets (
        facet bigint NOT NULL, sort_time bigint NOT NULL, article bigint NOT NULL,
        PRIMARY KEY (facet, sort_time, article)
    );

    CREATE TABLE copydesk.requests (
        id bytea NOT NULL, item bigint NOT NULL, digest bytea NOT NULL, article bigint NOT NULL,
        revision bigint NOT NULL, outcome smallint NOT NULL, time bigint NOT NULL, PRIMARY KEY (id, item)
    );
    CREATE INDEX requests_by_time ON copydesk.requests (time);

    -- The search index, derived from the feed, and how far it has followed it.
    CREATE TABLE copydesk.search (article bigint PRIMARY KEY, words tsvector NOT NULL);
    CREATE INDEX search_by_words ON copydesk.search USING gin (words);
    CREATE TABLE copydesk.indexed (one boolean PRIMARY KEY DEFAULT true CHECK (one), position bigint NOT NULL);
    INSERT INTO copydesk.indexed (position) VALUES (0);
", "
    -- Who may call. Of a key's secret there is only the SHA-256.
    CREATE TABLE copydesk.api_keys (
        id text COLLATE \"C\" PRIMARY KEY, name text NOT NULL, digest bytea NOT NULL, scopes text NOT NULL,
        rate text NOT NULL, created bigint NOT NULL, expires bigint, revoked bigint
    );
    -- Another after each change, so that servers ask for one row and not for all.
    CREATE TABLE copydesk.api_key_version (
        one boolean PRIMARY KEY DEFAULT true CHECK (one), version uuid NOT NULL
    );
    INSERT INTO copydesk.api_key_version (version) VALUES (gen_random_uuid());
", "
    -- Words with their places do not get smaller by compression; to try took a twelfth of the time that indexing took.
    ALTER TABLE copydesk.search ALTER COLUMN words SET STORAGE EXTERNAL;
", "
    -- The feed of the store of which a copy into this database has begun and is not finished.
    ALTER TABLE copydesk.feed ADD COLUMN IF NOT EXISTS copying uuid;
", "
    -- Fields that belong to editors, a bit each: 1 embargo_time, 2 expire_time. Of earlier changes it is not known who
    -- made them: a time that was ever another one is taken for an editor's, as is one whose first value has been
    -- forgotten.
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
    -- What nobody may read is not in the index until the feed says that it can be read: see codes::INDEXED.
    DELETE FROM copydesk.search s USING copydesk.articles a WHERE a.key = s.article AND NOT coalesce(a.lifecycle = 0
        AND (a.embargo IS NULL OR a.due IS NULL OR a.due <> a.embargo)
        AND (a.expire IS NULL OR a.due = a.expire), false);
"];

/// What this program needs.
pub(super) const KNOWN: i32 = MIGRATIONS.len() as i32;

/// Brings the schema up to date. Several may do so at once: one does, and the others find it done. Answers the version that
/// was found, which is 0 for a new database.
pub(super) async fn migrate(options: &PostgresOptions) -> Result<i32, OpenError> {
    let client = connect(options).await?;
    let place = options.place();
    let found = bring_up_to_date(&client).await.map_err(|error| OpenError::refused(&place, &error))?;
    if found > KNOWN { Err(OpenError::Newer { place, found, known: KNOWN }) } else { Ok(found) }
}

async fn bring_up_to_date(client: &Client) -> Result<i32, Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
    client.batch_execute(&format!("SELECT pg_advisory_xact_lock({}, {})", lock::CLASS, lock::MIGRATE)).await?;
    let found = version(client).await?;
    let done = usize::try_from(found).unwrap_or(0);
    if done == 0 {
        // Not IF NOT EXISTS, which asks for the right to make one even where there is one.
        let exists = client.query_typed_one("SELECT to_regnamespace('copydesk') IS NOT NULL", &[]).await?;
        if !exists.try_get::<_, bool>(0)? {
            client.batch_execute("CREATE SCHEMA copydesk").await?;
        }
        client.batch_execute("CREATE TABLE copydesk.schema (version int)").await?;
    }
    for step in MIGRATIONS.iter().skip(done) {
        client.batch_execute(step).await?;
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

/// A database whose schema is of the version that this program needs.
pub(super) struct Checked {
    /// Identity of the feed.
    pub(super) feed: Uuid,
    /// Feed of the store of which a copy into this database is not finished.
    pub(super) copying: Option<Uuid>,
}

/// Reads what identifies the database, if the schema is of the version that this program needs.
pub(super) async fn check(options: &PostgresOptions) -> Result<Checked, OpenError> {
    let client = connect(options).await?;
    let place = options.place();
    let refused = |error: Error| OpenError::refused(&place, &error);
    let found = version(&client).await.map_err(refused)?;
    match found.cmp(&KNOWN) {
        std::cmp::Ordering::Less => return Err(OpenError::Older { place, found, known: KNOWN }),
        std::cmp::Ordering::Greater => return Err(OpenError::Newer { place, found, known: KNOWN }),
        std::cmp::Ordering::Equal => {}
    }
    let row = client.query_typed_one("SELECT id, copying FROM copydesk.feed", &[]).await.map_err(refused)?;
    Ok(Checked { feed: row.try_get(0).map_err(refused)?, copying: row.try_get(1).map_err(refused)? })
}

/// The schema's version; 0 where there is none.
pub(super) async fn version(client: &Client) -> Result<i32, Error> {
    let row = client.query_typed_one("SELECT to_regclass('copydesk.schema') IS NOT NULL", &[]).await?;
    if !row.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    client.query_typed_one("SELECT max(version) FROM copydesk.schema", &[]).await?.try_get(0)
}

/// A connection that ends with its client.
async fn connect(options: &PostgresOptions) -> Result<Client, OpenError> {
    let connected = options.connect().await;
    let (client, connection) = connected.map_err(|error| match error {
        Some(error) => OpenError::refused(&options.place(), &error),
        None => OpenError::Refused { place: options.place(), cause: "it does not answer".into() },
    })?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(cause = %error, "a connection failed");
        }
    });
    let refused = |error: Error| OpenError::refused(&options.place(), &error);
    let row = client.query_typed_one("SELECT current_setting('server_encoding')", &[]).await.map_err(refused)?;
    let encoding: String = row.try_get(0).map_err(refused)?;
    if encoding != "UTF8" {
        let cause = format!(
            "its encoding is {encoding}, and articles are in every script; make a database with ENCODING 'UTF8'"
        );
        return Err(OpenError::Refused { place: options.place(), cause });
    }
    Ok(client)
}
