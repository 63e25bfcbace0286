//! Follower that updates `search.db` asynchronously from the change feed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::erase::{overwrite_free_pages, truncate_log};
use super::open_files::OpenFiles;
use super::{SqliteOptions, migrate, rows};
use crate::article::{Lifecycle, Position, Query};
use crate::proto::Article;
use crate::store::enum_codes::{INDEXED, lifecycle};
use crate::telemetry::StoreMetrics;

/// Maximum number of changes per transaction of the index. A larger batch has more throughput and more latency.
const BATCH: usize = 4_000;
/// Poll interval of the feed.
const POLL: Duration = Duration::from_millis(50);
/// Size of one merge step, in pages of FTS5: some milliseconds, after which the feed is polled again.
const MERGE_PAGES: i64 = 500;
/// Delay after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Handle of the follower.
pub(super) struct Index {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    stopping: AtomicBool,
    position: Mutex<Position>,
    /// Time of the oldest change that is not in the index, in microseconds since 1970; 0 if there is none.
    behind_since: AtomicI64,
}

impl Index {
    /// Starts the follower's thread.
    pub(super) fn start(
        options: &SqliteOptions,
        wake: watch::Receiver<Position>,
        files: Arc<OpenFiles>,
        metrics: &StoreMetrics,
    ) -> rusqlite::Result<Self> {
        let search = migrate::connect_search(&options.search())?;
        let state = "SELECT position, erasure FROM state";
        let (position, erasure) = search.query_row(state, (), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let shared = Arc::new(Shared {
            stopping: AtomicBool::new(false),
            position: Mutex::new(rows::position(position)),
            behind_since: AtomicI64::new(0),
        });
        metrics.search_lag.read_from_weak(&shared, |shared| shared.lag().as_secs_f64());
        let mut follower = Follower {
            search,
            articles: None,
            path: options.articles(),
            files,
            position,
            tidied: false,
            erasure: Erasure::stored(erasure),
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new()
            .name("search-index".into())
            .spawn(move || follower.run(&wake))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Returns the feed position that the index has reached.
    pub(super) fn position(&self) -> Position {
        *self.shared.position.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Returns the age of the oldest change that is not in the index.
    fn lag(&self) -> Duration {
        match self.behind_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_micros((Timestamp::now().as_microsecond() - since).max(0).unsigned_abs()),
        }
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("search index follower panicked");
        }
    }
}

/// Progress of the removal of purged articles' words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Erasure {
    /// No words of purged articles.
    None,
    /// An article was purged.
    Due,
    /// All segments that existed then are being merged.
    Merging,
}

impl Erasure {
    fn stored(number: i64) -> Self {
        match number {
            0 => Self::None,
            2 => Self::Merging,
            _ => Self::Due,
        }
    }
}

/// Result of a step of the removal.
enum Step {
    /// The step is done; the next may follow.
    Done,
    /// Reads in progress must end first.
    Wait,
}

struct Follower {
    search: Connection,
    articles: Option<Connection>,
    path: PathBuf,
    files: Arc<OpenFiles>,
    position: i64,
    /// True if nothing is left to merge.
    tidied: bool,
    erasure: Erasure,
    shared: Arc<Shared>,
}

impl Follower {
    fn run(&mut self, wake: &watch::Receiver<Position>) {
        while !self.shared.stopping.load(Ordering::Relaxed) {
            self.erase();
            let head = rows::sequence(*wake.borrow());
            if head <= self.position {
                self.shared.behind_since.store(0, Ordering::Relaxed);
                if self.erasure == Erasure::None && !self.tidy() {
                    std::thread::park_timeout(POLL);
                }
                continue;
            }
            self.tidied = false;
            if let Err(error) = self.follow() {
                tracing::error!(%error, "the search index could not follow the feed");
                self.articles = None;
                std::thread::park_timeout(AFTER_FAILURE);
            }
        }
    }

    /// Merges some segments of the index while it is idle, since a search reads each segment. Returns true if there may
    /// be more to merge.
    fn tidy(&mut self) -> bool {
        if self.tidied {
            return false;
        }
        match self.merge() {
            Ok(more) => self.tidied = !more,
            Err(error) => {
                tracing::warn!(%error, "search index merge failed; searches are slower");
                self.tidied = true;
            }
        }
        !self.tidied
    }

    fn merge(&mut self) -> rusqlite::Result<bool> {
        self.merge_pages(MERGE_PAGES)
    }

    /// Writes at most this many pages of a merge. A negative number begins a merge of all segments.
    fn merge_pages(&mut self, pages: i64) -> rusqlite::Result<bool> {
        let before = self.search.total_changes();
        self.search.prepare_cached("INSERT INTO fts (fts, rank) VALUES ('merge', ?1)")?.execute([pages])?;
        // FTS5 documents that fewer than two changed rows mean that there was nothing to merge.
        Ok(self.search.total_changes() - before >= 2)
    }

    /// Removes the words of purged articles, a step at a time. A failed step is retried.
    fn erase(&mut self) {
        if self.erasure == Erasure::None {
            return;
        }
        match self.erase_step() {
            Ok(Step::Done) => {}
            // Reads in progress hold the log.
            Ok(Step::Wait) => std::thread::park_timeout(POLL),
            Err(error) => {
                tracing::warn!(%error, "words of purged articles not removed from the search index; retrying");
                std::thread::park_timeout(AFTER_FAILURE);
            }
        }
    }

    /// Performs a step of the removal. FTS5 marks rows as deleted, and drops their words when it merges the segments
    /// that have them. Merges that have begun are finished first, since they may have copied the words already.
    fn erase_step(&mut self) -> rusqlite::Result<Step> {
        if self.merge()? {
            return Ok(Step::Done);
        }
        if self.erasure == Erasure::Due {
            self.merge_pages(-MERGE_PAGES)?;
            self.search.execute("UPDATE state SET erasure = 2", ())?;
            self.erasure = Erasure::Merging;
            return Ok(Step::Done);
        }
        if overwrite_free_pages(&self.search)? {
            return Ok(Step::Done);
        }
        if !truncate_log(&self.search)? {
            return Ok(Step::Wait);
        }
        self.search.execute("UPDATE state SET erasure = 0", ())?;
        self.erasure = Erasure::None;
        tracing::info!("words of purged articles removed from the search index");
        Ok(Step::Done)
    }

    fn follow(&mut self) -> rusqlite::Result<()> {
        let articles = match self.articles.take() {
            Some(articles) => articles,
            None => {
                // Articles of another store must not be indexed here. The check has logged the failure.
                let opened = self.files.check().map(|()| connect(&self.path));
                let (Ok(opened), Ok(())) = (opened, self.files.check()) else {
                    std::thread::park_timeout(AFTER_FAILURE);
                    return Ok(());
                };
                opened?
            }
        };
        let answer = self.index_batch(&articles);
        self.articles = Some(articles);
        answer
    }

    /// Indexes the next changes of the feed and advances the position, in one transaction.
    fn index_batch(&mut self, articles: &Connection) -> rusqlite::Result<()> {
        let transaction = self.search.transaction()?;
        let mut position = self.position;
        {
            // Each changed article is indexed once per batch, in its current state. Its newest change may be far beyond
            // this batch, and readers that wait for this change must find the article.
            let mut changes = articles.prepare_cached(
                &[
                    "SELECT c.position, c.article, c.revision, c.time, coalesce(",
                    INDEXED,
                    ", 0), b.content, a.lifecycle FROM changes c
                     JOIN articles a ON a.key = c.article JOIN changes n ON n.position = a.position
                     JOIN changes b ON b.position = n.content_position
                     WHERE c.position > ?1 ORDER BY c.position LIMIT ?2",
                ]
                .concat(),
            )?;
            let mut done = HashSet::new();
            let mut erased = false;
            let mut time = 0;
            let mut remove = transaction.prepare_cached("DELETE FROM fts WHERE rowid = ?1")?;
            let mut insert =
                transaction.prepare_cached("INSERT INTO fts (rowid, headline, body, names) VALUES (?1, ?2, ?3, ?4)")?;
            let mut found = changes.query((position, BATCH as i64))?;
            while let Some(row) = found.next()? {
                time = row.get(3)?;
                if position == self.position {
                    self.shared.behind_since.store(time, Ordering::Relaxed);
                }
                position = row.get(0)?;
                let (key, revision): (i64, i64) = (row.get(1)?, row.get(2)?);
                if !done.insert(key) {
                    continue;
                }
                if revision > 1 {
                    remove.execute([key])?;
                    erased |= lifecycle(row.get(6)?) == Lifecycle::Purged;
                }
                if row.get(4)? {
                    let content = row.get_ref(5)?.as_blob()?;
                    let Ok(article) = Article::decode(content) else {
                        tracing::error!(position, "undecodable article omitted from the search index");
                        continue;
                    };
                    let [headline, body, names] = Query::fields(&article);
                    insert.execute((key, headline, body, names))?;
                }
            }
            transaction.prepare_cached("UPDATE state SET position = ?1, time = ?2")?.execute((position, time))?;
            if erased {
                transaction.execute("UPDATE state SET erasure = 1", ())?;
                self.erasure = Erasure::Due;
            }
        }
        transaction.commit()?;
        tracing::debug!(changes = position - self.position, "indexed");
        self.position = position;
        *self.shared.position.lock().unwrap_or_else(PoisonError::into_inner) = rows::position(position);
        Ok(())
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    migrate::configure_connection(&connection)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    Ok(connection)
}
