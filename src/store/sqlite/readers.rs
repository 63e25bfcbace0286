//! Pool of read connections, used outside the I/O threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::open_files::OpenFiles;
use super::{SqliteOptions, migrate};
use crate::overload::admission::{Gate, ReadKind};
use crate::overload::thread_priority::lower_thread_priority;
use crate::store::StoreError;
use crate::telemetry::ReadMetrics;

/// Number of SQLite's virtual machine steps between checks for cancellation.
const STEPS: i32 = 2_000;

/// Read-only connection.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) feed: Uuid,
}

/// Pool of read-only connections.
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    gate: Gate,
    priority: Arc<Semaphore>,
    follower: Arc<Semaphore>,
    options: SqliteOptions,
    feed: Uuid,
    files: Arc<OpenFiles>,
}

impl Readers {
    pub(super) fn new(options: &SqliteOptions, feed: Uuid, files: Arc<OpenFiles>, metrics: ReadMetrics) -> Self {
        Self {
            idle: Arc::default(),
            gate: Gate::new(options.readers, options.read_queue, options.read_wait, metrics),
            priority: Arc::new(Semaphore::new(1)),
            follower: Arc::new(Semaphore::new(1)),
            options: options.clone(),
            feed,
            files,
        }
    }

    /// Runs a read of a caller. It stops when the future is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        kind: ReadKind,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (permit, revocation) = self.gate.enter(kind).await?;
        revocation.run_unless_revoked(self.run_in(permit, read)).await
    }

    /// Runs a read that other reads depend on (the feed for caches, health checks), with a reserved permit.
    pub(super) async fn run_priority<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_reserved(&self.priority, read).await
    }

    /// Runs a read of a follower of the feed, with a reserved permit.
    pub(super) async fn run_for_follower<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_reserved(&self.follower, read).await
    }

    async fn run_reserved<T: Send + 'static>(
        &self,
        permits: &Arc<Semaphore>,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(permits).acquire_owned().await;
        self.run_in(permit.map_err(|_closed| StoreError::Unavailable("it is closing"))?, read).await
    }

    async fn run_in<T: Send + 'static>(
        &self,
        permit: impl Send + 'static,
        read: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let idle = Arc::clone(&self.idle);
        let (options, feed, files) = (self.options.clone(), self.feed, Arc::clone(&self.files));
        let caller = CallerGone(Arc::default());
        let cancelled = Arc::clone(&caller.0);
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            // The threads of `spawn_blocking` do little else, so their priority may be lowered.
            lower_thread_priority();
            let reader = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut reader = match reader {
                Some(reader) => reader,
                None => Reader { connection: connect(&options, &files)?, feed },
            };
            let is_cancelled = Arc::clone(&cancelled);
            reader.connection.progress_handler(STEPS, Some(move || is_cancelled.load(Ordering::Relaxed)))?;
            let answer = read(&reader);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
            answer
        });
        let answer = task.await;
        drop(caller);
        answer.unwrap_or_else(|error| {
            tracing::error!(%error, "read did not finish");
            Err(StoreError::Internal)
        })
    }
}

/// Cancels the read when the caller drops its future.
struct CallerGone(Arc<AtomicBool>);

impl Drop for CallerGone {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Opens a connection to the files that the store has open, never to replacements.
fn connect(options: &SqliteOptions, files: &OpenFiles) -> Result<Connection, StoreError> {
    files.check()?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(options.articles(), flags)?;
    migrate::configure_connection(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -4_096)?;
    files.check()?;
    Ok(connection)
}
