//! A bounded number of places, and a fair queue for them: callers take turns, so that one that asks for much waits
//! behind itself.
//!
//! A place that becomes free goes to the caller that holds the fewest. Of those that hold equally many, to the one that
//! has been
//! granted the least, by weight, since it began to wait (start-time fair queueing; Goyal, Vin and Cheng 1997). A caller
//! alone can have
//! all places and all of the queue. Where the queue is full, the caller with the most in it is refused, be it its
//! newest ("longest queue drop"; McKenney's stochastic fairness queueing and FQ-CoDel, RFC 8290).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::burst::Burst;
use crate::caller::CallerId;

/// Accounts of callers that are kept before those that are of no use are dropped.
const ACCOUNTS: usize = 1_024;

/// A request for a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Share of its caller's turns that it takes: 1 for what is cheap.
    pub(super) weight: u64,
    /// Whether it may be refused instead of waiting.
    pub(super) refusable: bool,
    /// Whether its place may be taken back, for a caller that has fewer.
    pub(super) revocable: bool,
}

/// A number of places, and the queue for them. Cheap to clone.
#[derive(Clone)]
pub(super) struct WaitQueue(Arc<Shared>);

struct Shared {
    size: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    burst: Burst,
    /// Number of requests in the queue that may be refused: those that its bound is for.
    refusable: usize,
    /// Number of all of them.
    waiting: usize,
    /// Virtual time: the start tag of the request that was granted last.
    clock: u64,
    /// Numbers requests in the order of their arrival.
    arrivals: u64,
    accounts: HashMap<CallerId, Account>,
}

/// A caller's places and requests.
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
    /// Dropped when it is refused.
    answer: oneshot::Sender<Place>,
}

struct Held {
    number: u64,
    revoke: Option<oneshot::Sender<()>>,
    revoked: bool,
}

/// The right to read, until it is dropped.
pub(super) struct Place {
    shared: Arc<Shared>,
    caller: CallerId,
    number: u64,
    /// Tells when the place is wanted back.
    pub(super) revoked: Option<oneshot::Receiver<()>>,
    granted: bool,
}

/// A request in the queue, until it is dropped: a caller may leave at any time.
struct Ticket<'a> {
    shared: &'a Shared,
    caller: CallerId,
    number: u64,
}

impl WaitQueue {
    /// `size` places; at most `queue` refusable requests wait for one.
    pub(super) fn new(size: usize, queue: usize) -> Self {
        let state = State {
            free: size,
            burst: Burst::new(queue),
            refusable: 0,
            waiting: 0,
            clock: 0,
            arrivals: 0,
            accounts: HashMap::new(),
        };
        Self(Arc::new(Shared { size, state: Mutex::new(state) }))
    }

    /// Number of places that are taken.
    pub(super) fn taken(&self) -> usize {
        self.0.size - self.0.state().free
    }

    /// Number of requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.state().waiting
    }

    /// Waits for a place for the current caller; none when it is refused.
    pub(super) async fn pass(&self, request: Request) -> Option<Place> {
        let (caller, shared) = (CallerId::current(), &*self.0);
        let (ticket, answered) = {
            let mut state = shared.state();
            state.arrivals += 1;
            let number = state.arrivals;
            // Where a place is free nobody waits.
            if state.free > 0 {
                state.burst.empty();
                return Some(state.grant(&self.0, caller, number, request));
            }
            if request.refusable && state.refusable >= state.burst.most() && !state.make_room(caller) {
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

    /// Takes back the newest place of the caller that holds the most, if the current one would still have no more than
    /// that one after it got the place.
    pub(super) fn recall(&self) {
        let mut state = self.0.state();
        let own = state.accounts.get(&CallerId::current()).map_or(0, Account::holds);
        let revocable = |account: &Account| account.held.iter().any(|held| held.revoke.is_some());
        let others = state.accounts.values_mut().filter(|account| account.holds() > own + 1 && revocable(account));
        let Some(most) = others.max_by_key(|account| account.holds()) else { return };
        let newest = most.held.iter_mut().rev().find_map(|held| Some((held.revoke.take()?, &mut held.revoked)));
        if let Some((revoke, revoked)) = newest {
            *revoked = true;
            // One that has just ended need not be told.
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
    /// Number of places that it holds and keeps.
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
            // What it did not use while it asked for nothing, it does not get later.
            account.tag = account.tag.max(clock);
        }
        let refusable = usize::from(waiting.request.refusable);
        account.queue.push_back(waiting);
        account.refusable += refusable;
        self.refusable += refusable;
        self.waiting += 1;
    }

    /// Takes a request out of the queue, by its place in its caller's.
    fn pull(&mut self, caller: CallerId, at: usize) -> Option<Waiting> {
        let account = self.accounts.get_mut(&caller)?;
        let waiting = account.queue.remove(at)?;
        let refusable = usize::from(waiting.request.refusable);
        account.refusable -= refusable;
        self.refusable -= refusable;
        self.waiting -= 1;
        Some(waiting)
    }

    /// The caller with the most refusable requests in the queue, and how many.
    fn fattest(&self) -> Option<(CallerId, usize)> {
        let fattest = self.accounts.iter().max_by_key(|(_, account)| account.refusable)?;
        Some((*fattest.0, fattest.1.refusable)).filter(|(_, count)| *count > 0)
    }

    /// Refuses a request of the caller with the most, for one more of `caller`. False if that would leave it with fewer
    /// than `caller`.
    fn make_room(&mut self, caller: CallerId) -> bool {
        let own = self.accounts.get(&caller).map_or(0, |account| account.refusable);
        let Some((fattest, count)) = self.fattest().filter(|(_, count)| *count > own + 1) else { return false };
        debug_assert!(count > 1);
        let newest = self.accounts[&fattest].queue.iter().rposition(|waiting| waiting.request.refusable);
        newest.and_then(|at| self.pull(fattest, at)).is_some()
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

    /// Gives free places to those that wait.
    fn go_on(&mut self, shared: &Arc<Shared>) {
        while self.free > 0 && self.waiting > 0 {
            // In a queue that stands, those that have waited longest are refused, as long as too many wait behind.
            while self.burst.too_many(self.refusable.saturating_sub(1)) {
                let Some((fattest, _)) = self.fattest() else { break };
                let oldest = self.accounts[&fattest].queue.iter().position(|waiting| waiting.request.refusable);
                let _refused = oldest.and_then(|at| self.pull(fattest, at));
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
            self.burst.turn();
            self.clock = self.accounts.get(&caller).map_or(0, |account| account.tag).max(self.clock);
            let place = self.grant(shared, caller, number, request);
            if let Err(mut place) = answer.send(place) {
                // It has left at this moment. Dropped as it is, the place would wait for this lock.
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

    /// Forgets what nobody needs any more.
    fn tidy(&mut self) {
        if self.waiting == 0 {
            // Where nobody waits, nobody has taken anything from others.
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
            state.go_on(&self.shared);
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
