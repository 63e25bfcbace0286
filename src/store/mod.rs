//! Where articles are kept, behind one trait; and the change feed, in which every write is announced by the very
//! transaction that makes it.
//!
//! Each engine passes one conformance suite (`tests/it/conformance`). Caches are decorators of the same trait, and pass it
//! too.

mod codes;
mod copy;
mod error;
mod gate;
mod keys;
mod originals;
mod page;
mod plan;
pub mod postgres;
mod read;
pub mod sqlite;
mod stats;
mod times;
mod traced;
mod verify;
mod write;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

pub use copy::{Copied, copy};
pub use error::{StoreError, WriteError};
pub use keys::{KeyStore, Keys, StoredKey};
pub use originals::Originals;
pub use page::{ListCursor, ListQuery, Order, OrderField, SearchHit, SearchPage, SearchQuery};
pub use read::{Change, Consistency, Fetched, Layer, LookupKey, Place, Revision, Standing, Touched};
pub use stats::StoreStats;
pub use traced::Traced;
pub use verify::{Total, Verified, verify};
pub use write::{
    Authority, Ingest, IngestSource, Outcome, Precondition, RequestKey, Transition, Update, Write, Written,
};

use crate::article::{ArticleId, Position, Record};

/// Articles, their revisions, and the feed of their changes.
///
/// Every method may be dropped before it is done: a read then stops, and a write is either done or not, never half.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The identity of the change feed: made with the store, and the same on every replica.
    fn feed(&self) -> Uuid;

    /// Applies writes in their order. Each has its own answer; one that is refused does not stop the others. `Ok` means
    /// durable, and that the change is in the feed.
    async fn write(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>>;

    /// What a write would do, without doing it. The record is what it would become; its position is `Position::START`.
    async fn rehearse(&self, write: Write) -> Result<Written, WriteError>;

    /// The newest revisions of articles, in whatever state they are, in the order asked for.
    async fn get(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError>;

    /// An article as a past revision left it.
    async fn get_revision(
        &self,
        id: &ArticleId,
        revision: i64,
        consistency: Consistency,
    ) -> Result<Option<Arc<Record>>, StoreError>;

    /// Which article a URL or an external ID means: of several, the readable one that was created last.
    async fn lookup(
        &self,
        key: &LookupKey,
        now: Timestamp,
        consistency: Consistency,
    ) -> Result<Option<ArticleId>, StoreError>;

    /// A page of readable articles.
    async fn list(&self, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError>;

    /// A page of readable articles that match, best first.
    async fn search(&self, query: &SearchQuery) -> Result<SearchPage, StoreError>;

    /// Revisions of an article, newest first, older than `before`.
    async fn revisions(
        &self,
        id: &ArticleId,
        before: Option<i64>,
        limit: usize,
        consistency: Consistency,
    ) -> Result<Vec<Revision>, StoreError>;

    /// Changes after a position, in order, at most `limit`. Fewer than `limit` means that there were no more.
    /// [`StoreError::Trimmed`] when the feed no longer reaches back to `after`.
    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>, StoreError>;

    /// Which articles changed after a place, in order, at most `limit`: what caches follow. Costs less than `changes`.
    /// [`StoreError::Foreign`] when the feed has lost its end: it does not reach `after` any more (which `changes` says as well),
    /// or has another change there.
    async fn touched(&self, after: Place, limit: usize) -> Result<Touched, StoreError>;

    /// The position of the newest change.
    async fn head(&self) -> Result<Position, StoreError>;

    /// Whether the feed has come as far as a position. A cache that has followed it so far need not ask.
    async fn reaches(&self, position: Position) -> Result<bool, StoreError> {
        Ok(self.head().await? >= position)
    }

    /// Articles as they were at a position, in the order of their creation, after the one named. Articles that did not
    /// exist then are left out; the standing says whether each can be read now.
    async fn snapshot(
        &self,
        at: Position,
        after: Option<&ArticleId>,
        limit: usize,
    ) -> Result<Vec<(Arc<Record>, Standing)>, StoreError>;

    /// Wakes when there may be new changes. A hint: to be sure, ask again.
    fn wake(&self) -> watch::Receiver<Position>;

    /// How far the search index has followed the feed.
    async fn indexed(&self) -> Result<Position, StoreError>;

    /// Writes the changes that the clock makes: embargoes that have ended, articles that have expired. Answers how many.
    async fn turn_clock(&self, now: Timestamp) -> Result<usize, StoreError>;

    /// Whether the store answers.
    async fn ping(&self) -> Result<(), StoreError>;
}
