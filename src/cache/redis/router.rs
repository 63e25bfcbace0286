//! Which server an article's entry is in.

use std::sync::{Arc, PoisonError, RwLock};

use futures::future::try_join_all;
use tokio::sync::Notify;

use super::RedisCache;
use super::identity::Mode;
use super::session::Session;
use super::slots::{Slots, slot};
use crate::article::ArticleId;
use crate::store::{Consistency, Fetched, StoreError};

/// The sessions that there are: of a server that is alone one, of a Cluster one with each node that has slots.
pub(super) struct Router {
    mode: Mode,
    /// The latest of a Cluster's configurations first: of two nodes that both take themselves for a slot's, the one that took it
    /// last. Nothing depends on it but what is asked in vain, since each is repaired.
    sessions: RwLock<Vec<Arc<Session>>>,
    let_go: Notify,
}

/// Where a read goes.
pub(super) enum Route {
    /// All of it to one server; or to the store, if there is none to be used.
    Whole(Option<Arc<Session>>),
    /// To several.
    Parted(Vec<Share>),
}

/// What of a read goes to one server, or to the store.
pub(super) struct Share {
    session: Option<Arc<Session>>,
    ids: Vec<ArticleId>,
    /// Where they stand in the read.
    places: Vec<usize>,
}

/// A session that is used, as long as this is held.
pub(super) struct Held<'a> {
    router: &'a Router,
    session: Arc<Session>,
}

impl Router {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode, sessions: RwLock::default(), let_go: Notify::new() }
    }

    /// Hands a session out to readers and writers.
    pub(super) fn hold(&self, session: Arc<Session>) -> Held<'_> {
        let epoch = |session: &Session| session.identity.share.as_ref().map(|share| share.epoch);
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.push(Arc::clone(&session));
        sessions.sort_by_key(|session| std::cmp::Reverse(epoch(session)));
        Held { router: self, session }
    }

    /// Waits until a session has ended since this was last asked.
    pub(super) async fn let_go(&self) {
        self.let_go.notified().await;
    }

    /// Those that are used.
    pub(super) fn sessions(&self) -> Vec<Arc<Session>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().filter(|session| !session.has_ended()).map(Arc::clone).collect()
    }

    /// Whether every article's entry is in a server that is used.
    pub(super) fn is_whole(&self) -> bool {
        let sessions = self.sessions();
        if self.mode == Mode::Alone {
            return !sessions.is_empty();
        }
        let mut slots = Slots::none();
        sessions.iter().filter_map(|session| session.identity.share.as_ref()).for_each(|share| slots.add(&share.slots));
        slots.are_all()
    }

    pub(super) fn route(&self, ids: &[ArticleId]) -> Route {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        let mut used = sessions.iter().filter(|session| !session.has_ended());
        if self.mode == Mode::Alone {
            return Route::Whole(used.next().map(Arc::clone));
        }
        let mut shares: Vec<Share> = Vec::new();
        for (place, id) in ids.iter().enumerate() {
            let slot = slot(id.as_str());
            let session = used.clone().find(|session| session.holds(slot));
            let known =
                shares.iter().position(|share| share.session.as_ref().map(Arc::as_ptr) == session.map(Arc::as_ptr));
            let at = known.unwrap_or_else(|| {
                shares.push(Share { session: session.map(Arc::clone), ids: Vec::new(), places: Vec::new() });
                shares.len() - 1
            });
            shares[at].ids.push(id.clone());
            shares[at].places.push(place);
        }
        match <[Share; 1]>::try_from(shares) {
            Ok([share]) => Route::Whole(share.session),
            Err(shares) => Route::Parted(shares),
        }
    }
}

impl RedisCache {
    /// Reads every share as if there were no others, all at once.
    pub(super) async fn read_parted(
        &self,
        shares: Vec<Share>,
        count: usize,
        consistency: Consistency,
    ) -> Result<Vec<Fetched>, StoreError> {
        let read = shares.iter().map(|share| self.read_from(share.session.clone(), &share.ids, consistency));
        let read = try_join_all(read).await?;
        let mut answers = vec![Fetched::missing(); count];
        for (share, found) in shares.iter().zip(read) {
            for (place, fetched) in share.places.iter().zip(found) {
                answers[*place] = fetched;
            }
        }
        Ok(answers)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.session.end();
        let mut sessions = self.router.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| !Arc::ptr_eq(session, &self.session));
        self.router.let_go.notify_one();
    }
}
