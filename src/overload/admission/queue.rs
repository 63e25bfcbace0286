//! Semaphore with a bounded fair queue: a caller with many requests mostly waits behind its own.
//!
//! A free place goes to the caller that holds the fewest places. Among equals it goes to the one that was granted the
//! least weight since it began to wait (start-time fair queueing; Goyal, Vin and Cheng 1997). A single caller can use
//! all places and the whole queue. If the queue is full, the newest request of the caller with the most queued requests
//! is rejected ("longest queue drop"; McKenney's stochastic fairness queueing and FQ-CoDel, RFC 8290).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::overload::caller::CallerId;
use crate::overload::codel::CodelLimit;

/// Number of accounts above which idle ones are dropped.
const ACCOUNTS: usize = 1_024;

/// Request for a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Weight in the fair queue; 1 for a cheap request.
    pub(super) weight: u64,
    /// True if it may be rejected instead of waiting.
    pub(super) refusable: bool,
    /// True if its place may be revoked in favor of a caller that has fewer.
    pub(super) revocable: bool,
}

/// Fixed number of places with a wait queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct WaitQueue(Arc<Shared>);

struct Shared {
    size: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    codel: CodelLimit,
    /// Number of queued requests that may be rejected; the limit of the queue applies to these.
    refusable: usize,
    /// Number of all queued requests.
    waiting: usize,
    /// Virtual time: the start tag of the last granted request.
    clock: u64,
    /// Counter of requests that arrived; numbers them.
    arrivals: u64,
    accounts: HashMap<CallerId, Account>,
}

/// Places and queued requests of a caller.
#[derive(Default)]
struct Account {
    /// Start tag of its next request.
    tag: u64,
    queue: VecDeque<Waiting>,
    refusable: usize,
    held: Vec<Held>,
}

struct Waiting {
    number: u64,
    request: Request,
    /// Dropped if the request is rejected.
    answer: oneshot::Sender<Place>,
}

struct Held {
    number: u64,
    revoke: Option<oneshot::Sender<()>>,
    revoked: bool,
}

/// Granted place, until it is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    caller: CallerId,
    number: u64,
    /// Signal that the place is revoked.
    pub(super) revoked: Option<oneshot::Receiver<()>>,
    granted: bool,
}

/// Queued request, removed when this is dropped: a caller may cancel at any time.
struct Ticket<'a> {
    shared: &'a Shared,
    caller: CallerId,
    number: u64,
}

impl WaitQueue {
    /// Creates a queue for `size` places, in which at most `queue` refusable requests wait.
    pub(super) fn new(size: usize, queue: usize) -> Self {
        let state = State {
            free: size,
            codel: CodelLimit::new(queue),
            refusable: 0,
            waiting: 0,
            clock: 0,
            arrivals: 0,
            accounts: HashMap::new(),
        };
        Self(Arc::new(Shared { size, state: Mutex::new(state) }))
    }

    /// Returns the number of places in use.
    pub(super) fn taken(&self) -> usize {
        self.0.size - self.0.state().free
    }

    /// Returns the number of queued requests.
    pub(super) fn waiting(&self) -> usize {
        self.0.state().waiting
    }

    /// Waits for a place for the current caller. Returns none if the request is rejected.
    pub(super) async fn pass(&self, request: Request) -> Option<Place> {
        let (caller, shared) = (CallerId::current(), &*self.0);
        let (ticket, answered) = {
            let mut state = shared.state();
            state.arrivals += 1;
            let number = state.arrivals;
            // If a place is free, the queue is empty.
            if state.free > 0 {
                state.codel.empty();
                return Some(state.grant(&self.0, caller, number, request));
            }
            if request.refusable && state.refusable >= state.codel.max_len() && !state.make_room(caller) {
                return None;
            }
            let (answer, answered) = oneshot::channel();
            state.push(caller, Waiting { number, request, answer });
            (Ticket { shared, caller, number }, answered)
        };
        let place = answered.await.ok();
        drop(ticket);
        place
    }

    /// Revokes the newest place of the caller that holds the most, if the current caller does not hold more than that
    /// one afterwards.
    pub(super) fn recall(&self) {
        let mut state = self.0.state();
        let own = state.accounts.get(&CallerId::current()).map_or(0, Account::holds);
        let revocable = |account: &Account| account.held.iter().any(|held| held.revoke.is_some());
        let others = state.accounts.values_mut().filter(|account| account.holds() > own + 1 && revocable(account));
        let Some(largest) = others.max_by_key(|account| account.holds()) else { return };
        let newest = largest.held.iter_mut().rev().find_map(|held| Some((held.revoke.take()?, &mut held.revoked)));
        if let Some((revoke, revoked)) = newest {
            *revoked = true;
            // Fails if the read has just ended.
            let _ended = revoke.send(());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Returns the number of places that are held and not revoked.
    fn holds(&self) -> usize {
        self.held.iter().filter(|held| !held.revoked).count()
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.held.is_empty()
    }
}

impl State {
    fn push(&mut self, caller: CallerId, waiting: Waiting) {
        let clock = self.clock;
        let account = self.accounts.entry(caller).or_default();
        if account.queue.is_empty() {
            // An idle caller accumulates no credit.
            account.tag = account.tag.max(clock);
        }
        let refusable = usize::from(waiting.request.refusable);
        account.queue.push_back(waiting);
        account.refusable += refusable;
        self.refusable += refusable;
        self.waiting += 1;
    }

    /// Removes a request from the queue, by its index among its caller's.
    fn pull(&mut self, caller: CallerId, at: usize) -> Option<Waiting> {
        let account = self.accounts.get_mut(&caller)?;
        let waiting = account.queue.remove(at)?;
        let refusable = usize::from(waiting.request.refusable);
        account.refusable -= refusable;
        self.refusable -= refusable;
        self.waiting -= 1;
        Some(waiting)
    }

    /// Returns the caller with the most refusable requests in the queue, and their number.
    fn longest(&self) -> Option<(CallerId, usize)> {
        let longest = self.accounts.iter().max_by_key(|(_, account)| account.refusable)?;
        Some((*longest.0, longest.1.refusable)).filter(|(_, count)| *count > 0)
    }

    /// Rejects a request of the caller with the most, in favor of one of `caller`. Returns false if that would leave it
    /// with fewer than `caller`.
    fn make_room(&mut self, caller: CallerId) -> bool {
        let own = self.accounts.get(&caller).map_or(0, |account| account.refusable);
        let Some((longest, count)) = self.longest().filter(|(_, count)| *count > own + 1) else { return false };
        debug_assert!(count > 1);
        let newest = self.accounts[&longest].queue.iter().rposition(|waiting| waiting.request.refusable);
        newest.and_then(|at| self.pull(longest, at)).is_some()
    }

    fn grant(&mut self, shared: &Arc<Shared>, caller: CallerId, number: u64, request: Request) -> Place {
        let (revoke, revoked) = match request.revocable {
            true => {
                let (revoke, revoked) = oneshot::channel();
                (Some(revoke), Some(revoked))
            }
            false => (None, None),
        };
        self.free -= 1;
        let account = self.accounts.entry(caller).or_default();
        account.tag = account.tag.max(self.clock) + request.weight;
        account.held.push(Held { number, revoke, revoked: false });
        Place { shared: Arc::clone(shared), caller, number, revoked, granted: true }
    }

    /// Grants free places to queued requests.
    fn grant_free(&mut self, shared: &Arc<Shared>) {
        while self.free > 0 && self.waiting > 0 {
            // In a standing queue, the requests at the head are rejected while too many are queued behind them.
            while self.codel.too_many(self.refusable.saturating_sub(1)) {
                let Some((longest, _)) = self.longest() else { break };
                let oldest = self.accounts[&longest].queue.iter().position(|waiting| waiting.request.refusable);
                let _refused = oldest.and_then(|at| self.pull(longest, at));
            }
            let waiting = self.accounts.iter().filter_map(|(caller, account)| {
                let first = account.queue.front()?;
                Some(((account.held.len(), account.tag, first.number), *caller))
            });
            let Some((_, caller)) = waiting.min() else { break };
            let Some(Waiting { number, request, answer }) = self.pull(caller, 0) else { break };
            if answer.is_closed() {
                continue;
            }
            self.codel.on_dequeue();
            self.clock = self.accounts.get(&caller).map_or(0, |account| account.tag).max(self.clock);
            let place = self.grant(shared, caller, number, request);
            if let Err(mut place) = answer.send(place) {
                // It was cancelled just now. Dropping a granted place would deadlock on the lock held here.
                place.granted = false;
                self.release(caller, number);
            }
        }
        self.tidy();
    }

    fn release(&mut self, caller: CallerId, number: u64) {
        self.free += 1;
        if let Some(account) = self.accounts.get_mut(&caller) {
            account.held.retain(|held| held.number != number);
        }
    }

    /// Drops accounts that have no effect any more.
    fn tidy(&mut self) {
        if self.waiting == 0 {
            // With an empty queue, no caller has an advantage to make up for.
            self.clock = 0;
            self.accounts.retain(|_, account| {
                account.tag = 0;
                !account.is_idle()
            });
        } else if self.accounts.len() > ACCOUNTS {
            let clock = self.clock;
            self.accounts.retain(|_, account| !account.is_idle() || account.tag > clock);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.granted {
            let mut state = self.shared.state();
            state.release(self.caller, self.number);
            state.grant_free(&self.shared);
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let queue = state.accounts.get(&self.caller).map(|account| &account.queue);
        let at = queue.and_then(|queue| queue.iter().position(|waiting| waiting.number == self.number));
        if let Some(at) = at {
            let _left = state.pull(self.caller, at);
            state.tidy();
        }
    }
}

#[cfg(test)]
mod tests;
