//! Routing of articles to the server that has their entries.

use std::sync::{Arc, PoisonError, RwLock};

use futures::future::try_join_all;
use tokio::sync::Notify;

use crate::article::ArticleId;
use crate::cache::redis::RedisCache;
use crate::cache::redis::options::Mode;
use crate::cache::redis::protocol::slots::{Slots, slot};
use crate::cache::redis::session::Session;
use crate::store::{Consistency, Fetched, StoreError};

/// Open sessions: one for a standalone server, one per node with slots for a Cluster.
pub(in crate::cache::redis) struct Router {
    mode: Mode,
    /// Ordered by configuration epoch, latest first: if two nodes claim a slot, the later owner is tried first. The
    /// order only avoids wasted requests, since every node receives invalidations.
    sessions: RwLock<Vec<Arc<Session>>>,
    released: Notify,
}

/// Route of a read.
pub(in crate::cache::redis) enum Route {
    /// To one server, or to the store if no server is usable.
    Whole(Option<Arc<Session>>),
    /// To several servers.
    Split(Vec<NodeRead>),
}

/// Part of a read that goes to one server, or to the store.
pub(in crate::cache::redis) struct NodeRead {
    session: Option<Arc<Session>>,
    ids: Vec<ArticleId>,
    /// Indexes of `ids` in the read.
    indexes: Vec<usize>,
}

/// Guard of a session: the router uses the session until this is dropped.
pub(in crate::cache::redis) struct SessionGuard<'a> {
    router: &'a Router,
    session: Arc<Session>,
}

impl Router {
    pub(in crate::cache::redis) fn new(mode: Mode) -> Self {
        Self { mode, sessions: RwLock::default(), released: Notify::new() }
    }

    /// Makes a session available to readers and writers.
    pub(in crate::cache::redis) fn register(&self, session: Arc<Session>) -> SessionGuard<'_> {
        let epoch = |session: &Session| session.identity.slot_set.as_ref().map(|slot_set| slot_set.epoch);
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.push(Arc::clone(&session));
        sessions.sort_by_key(|session| std::cmp::Reverse(epoch(session)));
        SessionGuard { router: self, session }
    }

    /// Waits for the end of a session since the last call.
    pub(in crate::cache::redis) async fn session_ended(&self) {
        self.released.notified().await;
    }

    /// Returns the sessions in use.
    pub(in crate::cache::redis) fn sessions(&self) -> Vec<Arc<Session>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter(|session| !session.has_ended()).map(Arc::clone).collect()
    }

    /// Returns true if the sessions in use cover all entries.
    pub(in crate::cache::redis) fn covers_all_slots(&self) -> bool {
        let sessions = self.sessions();
        if self.mode == Mode::Standalone {
            return !sessions.is_empty();
        }
        let mut slots = Slots::none();
        sessions
            .iter()
            .filter_map(|session| session.identity.slot_set.as_ref())
            .for_each(|slot_set| slots.add(&slot_set.slots));
        slots.is_complete()
    }

    pub(in crate::cache::redis) fn route(&self, ids: &[ArticleId]) -> Route {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let mut used = sessions.iter().filter(|session| !session.has_ended());
        if self.mode == Mode::Standalone {
            return Route::Whole(used.next().map(Arc::clone));
        }
        let mut node_reads: Vec<NodeRead> = Vec::new();
        for (index, id) in ids.iter().enumerate() {
            let slot = slot(id.as_str());
            let session = used.clone().find(|session| session.owns_slot(slot));
            let existing = node_reads
                .iter()
                .position(|node_read| node_read.session.as_ref().map(Arc::as_ptr) == session.map(Arc::as_ptr));
            let at = existing.unwrap_or_else(|| {
                node_reads.push(NodeRead { session: session.map(Arc::clone), ids: Vec::new(), indexes: Vec::new() });
                node_reads.len() - 1
            });
            node_reads[at].ids.push(id.clone());
            node_reads[at].indexes.push(index);
        }
        match <[NodeRead; 1]>::try_from(node_reads) {
            Ok([node_read]) => Route::Whole(node_read.session),
            Err(node_reads) => Route::Split(node_reads),
        }
    }
}

impl RedisCache {
    /// Reads all shares concurrently and merges the results.
    pub(in crate::cache::redis) async fn read_split(
        &self,
        node_reads: Vec<NodeRead>,
        count: usize,
        consistency: Consistency,
    ) -> Result<Vec<Fetched>, StoreError> {
        let reads =
            node_reads.iter().map(|node_read| self.read_from(node_read.session.clone(), &node_read.ids, consistency));
        let results = try_join_all(reads).await?;
        let mut answers = vec![Fetched::missing(); count];
        for (node_read, result) in node_reads.iter().zip(results) {
            for (index, fetched) in node_read.indexes.iter().zip(result) {
                answers[*index] = fetched;
            }
        }
        Ok(answers)
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.session.end();
        let mut sessions = self.router.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| !Arc::ptr_eq(session, &self.session));
        self.router.released.notify_one();
    }
}
