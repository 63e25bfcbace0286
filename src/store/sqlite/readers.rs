//! Many readers, each with a connection of its own, off the I/O threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::{SqliteOptions, migrate};
use crate::store::StoreError;

/// How many of SQLite's steps pass between looks at whether the caller is still there.
const STEPS: i32 = 2_000;

/// A connection that reads.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) feed: Uuid,
}

/// How long a read may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What other reads wait for: what caches follow, and whether the store answers. Has a place of its own.
    First,
    /// Of a few rows.
    Short,
    /// A walk. Leaves a place for the short ones.
    Walk,
}

/// A pool of them.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    places: Arc<Semaphore>,
    first: Arc<Semaphore>,
    walks: Arc<Semaphore>,
    options: SqliteOptions,
    feed: Uuid,
}

impl Readers {
    pub(super) fn new(options: &SqliteOptions, feed: Uuid) -> Self {
        Self {
            idle: Arc::default(),
            places: Arc::new(Semaphore::new(options.readers.max(1))),
            first: Arc::new(Semaphore::new(1)),
            walks: Arc::new(Semaphore::new(options.readers.saturating_sub(1).max(1))),
            options: options.clone(),
            feed,
        }
    }

    /// Runs a read. When the future is dropped, the read stops.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        kind: Kind,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let take = async |places: &Arc<Semaphore>| {
            let place = Arc::clone(places).acquire_owned().await;
            place.map_err(|_closed| StoreError::Unavailable("it is closing"))
        };
        let walk = if kind == Kind::Walk { Some(take(&self.walks).await?) } else { None };
        let place = take(if kind == Kind::First { &self.first } else { &self.places }).await?;
        let idle = Arc::clone(&self.idle);
        let (options, feed) = (self.options.clone(), self.feed);
        let caller = CallerGone(Arc::default());
        let gone = Arc::clone(&caller.0);
        let task = tokio::task::spawn_blocking(move || {
            let _places = (place, walk);
            let kept = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match kept {
                Some(reader) => reader,
                None => Reader { connection: connect(&options)?, feed },
            };
            let given_up = Arc::clone(&gone);
            reader.connection.progress_handler(STEPS, Some(move || given_up.load(Ordering::Relaxed)))?;
            let answer = read(&reader);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            answer
        });
        let answer = task.await;
        drop(caller);
        answer.unwrap_or_else(|error| {
            tracing::error!(cause = %error, "a read did not finish");
            Err(StoreError::Internal)
        })
    }
}

/// Tells the read, when it is dropped, that nobody waits for it.
struct CallerGone(Arc<AtomicBool>);

impl Drop for CallerGone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn connect(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(options.articles(), flags)?;
    migrate::steady(&connection)?;
    connection.execute("ATTACH DATABASE ?1 AS search", [options.search().to_string_lossy()])?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    Ok(connection)
}
