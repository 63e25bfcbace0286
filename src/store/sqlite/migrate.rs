//! Files of the store, their schema and its versions.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::path::Path;

use prost::Message;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use super::facets::{self, FacetNames};
use super::{OpenError, SqliteOptions, key_table, sketch_table};
use crate::article::Facet;
use crate::files;
use crate::printable;
use crate::proto::Article;
use crate::store::former;
use crate::store::identity::keys_of;

/// "Copy": distinguishes our files from databases of other programs.
const APPLICATION_ID: i64 = 0x436f_7079;
/// Page size. Two or three articles fit into a page; with the default of 4 KiB, each would take one.
const PAGE_BYTES: u64 = 8_192;

/// Schema migration.
struct Migration {
    sql: &'static str,
    /// Conversion of existing data that SQL cannot express.
    then: fn(&Connection) -> rusqlite::Result<()>,
}

/// Schema migrations; each upgrades from the version of its index to the next. Append only.
const MIGRATIONS: &[Migration] = &[
    Migration::sql(
        "
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

    -- One row for each article, narrow, in the order of creation. Times are in microseconds since 1970.
    CREATE TABLE articles (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        uid BLOB NOT NULL,
        created INTEGER NOT NULL,
        position INTEGER NOT NULL,    -- the newest change
        sort_time INTEGER NOT NULL,   -- published, or else created
        lifecycle INTEGER NOT NULL,
        embargo INTEGER,
        expire INTEGER,
        due INTEGER,                  -- when the clock next changes it
        digest_head INTEGER NOT NULL, -- the first 8 bytes of the digest
        fingerprint BLOB NOT NULL,    -- of what was ingested last
        duplicate_of INTEGER,
        url TEXT NOT NULL,
        source TEXT NOT NULL,
        external_id TEXT NOT NULL
    );
    CREATE UNIQUE INDEX articles_by_id ON articles (id);
    CREATE UNIQUE INDEX articles_by_position ON articles (position);
    CREATE INDEX articles_by_digest ON articles (digest_head);
    CREATE INDEX articles_by_url ON articles (url) WHERE url <> '';
    CREATE INDEX articles_by_external_id ON articles (external_id, source) WHERE external_id <> '';
    CREATE INDEX articles_by_due ON articles (due) WHERE due IS NOT NULL;

    -- The feed, the history and the text in one: written at its end only.
    CREATE TABLE changes (
        position INTEGER PRIMARY KEY,
        article INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        time INTEGER NOT NULL,
        announced INTEGER NOT NULL,
        lifecycle INTEGER NOT NULL,
        embargo INTEGER,
        expire INTEGER,
        publish INTEGER,
        deleted INTEGER,
        duplicate_of INTEGER,
        digest BLOB NOT NULL,
        reason TEXT NOT NULL,
        content_position INTEGER NOT NULL, -- the change that brought the text: this one, if content is not null
        content BLOB
    );
    CREATE UNIQUE INDEX changes_by_article ON changes (article, revision);

    -- What lists walk: facet 0 is every article.
    CREATE TABLE facet_names (facet INTEGER PRIMARY KEY, kind INTEGER NOT NULL, value TEXT NOT NULL);
    CREATE UNIQUE INDEX facet_names_by_value ON facet_names (kind, value);
    CREATE TABLE facets (
        facet INTEGER NOT NULL, sort_time INTEGER NOT NULL, article INTEGER NOT NULL,
        PRIMARY KEY (facet, sort_time, article)
    ) WITHOUT ROWID;

    CREATE TABLE requests (
        id TEXT NOT NULL, item INTEGER NOT NULL, digest BLOB NOT NULL, article INTEGER NOT NULL,
        revision INTEGER NOT NULL, outcome INTEGER NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (id, item)
    ) WITHOUT ROWID;
    CREATE INDEX requests_by_time ON requests (time);
",
    ),
    Migration::sql(
        "
    -- Fields that belong to editors, a bit each: 1 embargo_time, 2 expire_time. Of earlier changes it is not known who
    -- made them: a time that was ever another one is taken for an editor's.
    ALTER TABLE articles ADD COLUMN editor_fields INTEGER NOT NULL DEFAULT 0;
    UPDATE articles SET editor_fields =
        EXISTS (SELECT 1 FROM changes c WHERE c.article = articles.key AND c.embargo IS NOT articles.embargo)
        + 2 * EXISTS (SELECT 1 FROM changes c WHERE c.article = articles.key AND c.expire IS NOT articles.expire);
",
    ),
    Migration {
        sql: "
    -- The article that has a key: an address or a publisher's identifier, as a hash.
    -- A key that is not certain is only claimed by a document of the article.
    CREATE TABLE keys (key BLOB PRIMARY KEY, article INTEGER NOT NULL, is_certain INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX keys_by_article ON keys (article);
    -- Version of the document that was ingested last. Times are in microseconds since 1970.
    ALTER TABLE articles ADD COLUMN source_time INTEGER;
    ALTER TABLE articles ADD COLUMN source_version INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE articles ADD COLUMN observed INTEGER;
",
        then: fill_keys,
    },
    Migration::sql(
        "
    DROP INDEX articles_by_url;
    DROP INDEX articles_by_external_id;
    ALTER TABLE articles DROP COLUMN url;
    ALTER TABLE articles DROP COLUMN external_id;
",
    ),
    Migration::sql(
        "
    -- Filled in below, with hosts and kinds of media.
    DELETE FROM facets;
    DELETE FROM facet_names;
    -- The articles with one text, in the order in which one of them is shown.
    DROP INDEX articles_by_digest;
    CREATE INDEX articles_by_digest ON articles (digest_head, sort_time);
    -- Decided by each read.
    ALTER TABLE articles DROP COLUMN duplicate_of;
    ALTER TABLE changes DROP COLUMN duplicate_of;
",
    ),
    Migration { sql: "", then: convert_contents },
    Migration::sql(
        "
    -- The purged article that had a text with this key.
    CREATE TABLE purged_keys (key BLOB PRIMARY KEY, article INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX articles_by_deletion ON articles (position) WHERE lifecycle = 2;
",
    ),
    Migration::sql(
        "
    -- Sketch of the body of an article, and the anchors of the sketch. Filled in below.
    CREATE TABLE article_sketches (article INTEGER PRIMARY KEY, sketch BLOB NOT NULL);
    CREATE TABLE article_anchors (
        anchor INTEGER NOT NULL, article INTEGER NOT NULL, PRIMARY KEY (anchor, article)
    ) WITHOUT ROWID;
",
    ),
    Migration::sql(
        "
    -- Documents as received, compressed. `size` is that before compression, `stored` that of the content.
    CREATE TABLE originals (
        key INTEGER PRIMARY KEY, digest BLOB NOT NULL, time INTEGER NOT NULL, size INTEGER NOT NULL,
        stored INTEGER NOT NULL, content BLOB NOT NULL
    );
    CREATE UNIQUE INDEX originals_by_digest ON originals (digest);
    CREATE INDEX originals_by_time ON originals (time, stored);
    -- The document from which a revision was extracted, and the report of the extraction.
    CREATE TABLE revision_originals (
        article INTEGER NOT NULL, revision INTEGER NOT NULL, original INTEGER NOT NULL, report BLOB NOT NULL,
        PRIMARY KEY (article, revision)
    ) WITHOUT ROWID;
    CREATE INDEX revision_originals_by_original ON revision_originals (original);
    -- The journal of ingestion. Keys are not used again.
    CREATE TABLE ingest_events (key INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
",
    ),
    // Sketches have hashes of folded words, whose folding has changed. They are filled in below.
    Migration::sql("DELETE FROM article_anchors; DELETE FROM article_sketches;"),
    Migration::sql(
        "
    -- Memberships of articles in stories. `number` is that of the last change, and the report is empty if grouping
    -- does not need it.
    CREATE TABLE story_members (
        article INTEGER PRIMARY KEY, story BLOB NOT NULL, number INTEGER NOT NULL UNIQUE, by_editor INTEGER NOT NULL,
        report BLOB NOT NULL
    );
    CREATE INDEX story_members_by_story ON story_members (story, number);
    CREATE INDEX story_members_needed ON story_members (number) WHERE report <> x'';
    -- Stories that are part of another one. An heir has no row.
    CREATE TABLE story_merges (story BLOB PRIMARY KEY, heir BLOB NOT NULL) WITHOUT ROWID;
    CREATE INDEX story_merges_by_heir ON story_merges (heir);
    -- Number of the newest membership, and position and time of the change up to which articles are grouped.
    CREATE TABLE grouping (
        one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL, sequence INTEGER NOT NULL, time INTEGER
    );
    INSERT INTO grouping (one, number, sequence) VALUES (1, 0, 0);
",
    ),
    Migration::sql(
        "
    -- Reads of articles that callers have reported. Hours are counted from 1970.
    CREATE TABLE article_reads (
        hour INTEGER NOT NULL, article INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (hour, article)
    ) WITHOUT ROWID;
    CREATE INDEX article_reads_by_article ON article_reads (article);
",
    ),
];

/// Version since which the lists have all of today's facets. They are filled in after all migrations: only then can
/// this version decode the articles.
const FACETS_SINCE: usize = 5;
/// Version since which articles have today's sketches. They are filled in after all migrations, for the same reason.
const SKETCHES_SINCE: usize = 10;

impl Migration {
    const fn sql(sql: &'static str) -> Self {
        Self { sql, then: |_| Ok(()) }
    }
}

/// Adds the keys of existing articles. Of several articles with a key, a withdrawn one gets it, so that its kill holds
/// for all of them; else the earliest.
fn fill_keys(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT key, url, source, external_id FROM articles ORDER BY lifecycle = 1, key DESC")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let (article, url): (i64, String) = (row.get(0)?, row.get(1)?);
        let keys = keys_of(&url, &row.get::<_, String>(2)?, &row.get::<_, String>(3)?);
        // The last one gets it.
        key_table::give(connection, &keys, article)?;
    }
    Ok(())
}

/// Adds every article to the lists of its facets. One that cannot be decoded is only in the list of all articles.
fn fill_facets(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT a.key, a.sort_time, b.content FROM articles a JOIN changes c ON c.position = a.position
         JOIN changes b ON b.position = c.content_position ORDER BY a.key";
    let mut names = FacetNames::default();
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let content: Vec<u8> = row.get(2)?;
        let article = Article::decode(content.as_slice()).unwrap_or_default();
        let of_article = Facet::of(&article).into_iter().map(|facet| names.intern(connection, facet));
        let of_article = of_article.collect::<Result<Vec<_>, _>>()?;
        facets::insert(connection, &of_article, row.get(1)?, row.get(0)?)?;
    }
    Ok(())
}

/// Converts the contents to the present fields of an article, and the fingerprints of their documents. Damaged contents
/// stay, and `copydesk verify` names them.
fn convert_contents(connection: &Connection) -> rusqlite::Result<()> {
    let mut update = connection.prepare("UPDATE changes SET content = ?2 WHERE position = ?1")?;
    let mut update_fingerprint =
        connection.prepare("UPDATE articles SET fingerprint = ?2 WHERE key = ?1 AND fingerprint IN (?3, ?4, ?5)")?;
    let read = "SELECT position, article, content FROM changes
                WHERE position > ?1 AND content IS NOT NULL ORDER BY position LIMIT 1";
    let mut read = connection.prepare(read)?;
    let mut after = 0_i64;
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?));
    while let Some((position, article, content)) = read.query_row([after], row).optional()? {
        after = position;
        let Some(converted) = former::convert(&content) else { continue };
        update.execute((position, &converted.content))?;
        let [normal, timeless, whole] = converted.former_fingerprints.map(|digest| digest.0);
        update_fingerprint.execute((article, converted.fingerprint.0, normal, timeless, whole))?;
    }
    Ok(())
}

/// Configures a new connection. Query plans must not depend on bound values: otherwise SQLite recompiles a statement
/// for each value that could affect the use of a partial index, which took two thirds of the writer's time.
pub(super) fn configure_connection(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

/// Locks the folder for this process.
pub(super) fn lock(options: &SqliteOptions) -> Result<File, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |cause| OpenError::Io { path, cause }
    };
    files::create_folder(&options.dir).map_err(io(&options.dir))?;
    let path = options.dir.join("lock");
    files::create_file(&path).map_err(io(&path))?;
    let file = OpenOptions::new().write(true).open(&path).map_err(io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path: options.dir.clone() }),
        Err(std::fs::TryLockError::Error(cause)) => Err(OpenError::Io { path, cause }),
    }
}

/// Opens `articles.db` for writing, and migrates its schema.
pub(super) fn open_articles(options: &SqliteOptions) -> Result<Connection, OpenError> {
    let path = options.articles();
    check_length(&path)?;
    // SQLite gives the write-ahead log and its index the mode of the database.
    files::create_file(&path).map_err(|cause| OpenError::Io { path: path.clone(), cause })?;
    let sqlite = |cause: rusqlite::Error| OpenError::sqlite(&path, &cause);
    let mut connection = Connection::open(&path).map_err(sqlite)?;
    let version = version(&connection, &path)?;
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(OpenError::Newer { path, found: version, known });
    }
    configure(&mut connection, version, options).map_err(sqlite)?;
    if version < known {
        tracing::info!(from = version, to = known, "schema migrated");
    }
    Ok(connection)
}

fn configure(connection: &mut Connection, version: i64, options: &SqliteOptions) -> rusqlite::Result<()> {
    configure_connection(connection)?;
    if version == 0 {
        connection.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A response means durable: every commit is synced to disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // Little is ever deleted, but no byte of a purged article may stay in a page.
    connection.pragma_update(None, "secure_delete", "ON")?;
    // Copies of pages, by which a failed statement is undone, in no temporary file: each would be several system calls.
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    if let Some(bytes) = options.max_bytes {
        connection.pragma_update(
            None,
            "max_page_count",
            i64::try_from(bytes / PAGE_BYTES).unwrap_or(i64::MAX).max(1),
        )?;
    }
    let done = usize::try_from(version).unwrap_or(0);
    if done < MIGRATIONS.len() {
        let transaction = connection.transaction()?;
        for migration in &MIGRATIONS[done..] {
            transaction.execute_batch(migration.sql)?;
            (migration.then)(&transaction)?;
        }
        if done > 0 && done < FACETS_SINCE {
            fill_facets(&transaction)?;
        }
        if done > 0 && done < SKETCHES_SINCE {
            sketch_table::fill(&transaction)?;
        }
        if done == 0 {
            let feed = Uuid::now_v7();
            transaction.execute("INSERT INTO meta (key, value) VALUES ('feed', ?1)", [feed.as_bytes().as_slice()])?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", MIGRATIONS.len() as i64)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Returns the version of the schema; 0 for a new file.
fn version(connection: &Connection, path: &Path) -> Result<i64, OpenError> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", (), |row| row.get(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    };
    let (application, version, tables) = read().map_err(|cause| OpenError::sqlite(path, &cause))?;
    if application == APPLICATION_ID || (application == 0 && version == 0 && tables == 0) {
        return Ok(version);
    }
    Err(OpenError::Damaged { path: path.to_owned(), what: "database of another program".into() })
}

/// Compares the length of the file with its header: a truncated file can open, and fail much later. While there is a
/// write-ahead log, the newest pages may be in the log instead.
fn check_length(path: &Path) -> Result<(), OpenError> {
    let io = |cause| OpenError::Io { path: path.to_owned(), cause };
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io(error)),
    };
    let length = file.metadata().map_err(io)?.len();
    if length == 0 {
        return Ok(());
    }
    let damaged = |what: String| OpenError::Damaged { path: path.to_owned(), what };
    let mut header = [0; 100];
    if length < 100 {
        return Err(damaged("file is shorter than a database header".into()));
    }
    file.read_exact(&mut header).map_err(io)?;
    if !header.starts_with(b"SQLite format 3\0") {
        return Err(damaged("not an SQLite database".into()));
    }
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        bytes => u64::from(bytes),
    };
    let pages = u64::from(u32::from_be_bytes([header[28], header[29], header[30], header[31]]));
    let wal = path.with_extension("db-wal");
    let logged = wal.metadata().is_ok_and(|metadata| metadata.len() > 0);
    if !logged && length < page * pages {
        return Err(damaged(format!("file is {length} bytes long, must be {}", page * pages)));
    }
    Ok(())
}

/// Reads the ID of the feed.
pub(super) fn feed(connection: &Connection) -> rusqlite::Result<Uuid> {
    connection.query_row("SELECT value FROM meta WHERE key = 'feed'", (), |row| {
        let bytes: Vec<u8> = row.get(0)?;
        Uuid::from_slice(&bytes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
    })
}

/// Deletes the full-text index of former versions. It has words of articles that have been purged since.
pub(super) fn delete_former_index(options: &SqliteOptions) -> Result<(), OpenError> {
    for name in ["search.db", "search.db-wal", "search.db-shm", "search.db-journal"] {
        let path = options.dir.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => tracing::info!(path = printable::path(&path), "search index of a former version deleted"),
            Err(cause) if cause.kind() == ErrorKind::NotFound => {}
            Err(cause) => return Err(OpenError::Io { path, cause }),
        }
    }
    Ok(())
}
