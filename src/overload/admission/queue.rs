//! Semaphore with a bounded fair queue: a caller with many requests mostly waits behind its own.
//!
//! A free slot goes to the caller that holds the fewest slots. Among equals it goes to the one that was granted the
//! least weight since it began to wait (start-time fair queueing; Goyal, Vin and Cheng 1997). A single caller can use
//! all slots and the whole queue. If the queue is full, the newest request of the caller with the most queued requests
//! is rejected ("longest queue drop"; McKenney's stochastic fairness queueing and FQ-CoDel, RFC 8290).

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::overload::caller::CallerId;
use crate::overload::codel::CodelLimit;

/// Number of accounts above which idle ones are dropped.
const ACCOUNTS: usize = 1_024;

/// Request for a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// Weight in the fair queue; 1 for a cheap request.
    pub(super) weight: u64,
    /// True if it may be rejected instead of waiting.
    pub(super) rejectable: bool,
    /// True if its slot may be revoked in favor of a caller that has fewer.
    pub(super) revocable: bool,
}

/// Fixed number of slots with a wait queue. Cheap to clone.
#[derive(Clone)]
pub(super) struct WaitQueue(Arc<QueueInner>);

struct QueueInner {
    size: usize,
    state: Mutex<QueueState>,
}

struct QueueState {
    free: usize,
    codel: CodelLimit,
    /// Number of queued requests that may be rejected; the limit of the queue applies to these.
    rejectable: usize,
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
    rejectable: usize,
    held: Vec<HeldSlot>,
}

struct Waiting {
    number: u64,
    request: Request,
    /// Dropped if the request is rejected.
    answer: oneshot::Sender<Slot>,
}

struct HeldSlot {
    number: u64,
    revoke: Option<oneshot::Sender<()>>,
    revoked: bool,
}

/// Granted slot, until it is dropped.
pub(super) struct Slot {
    shared: Arc<QueueInner>,
    caller: CallerId,
    number: u64,
    /// Signal that the slot is revoked.
    pub(super) revoked: Option<oneshot::Receiver<()>>,
    granted: bool,
}

/// Queued request, removed when this is dropped: a caller may cancel at any time.
struct QueueEntry<'a> {
    shared: &'a QueueInner,
    caller: CallerId,
    number: u64,
}

impl WaitQueue {
    /// Creates a queue for `size` slots, in which at most `queue` refusable requests wait.
    pub(super) fn new(size: usize, queue: usize) -> Self {
        let state = QueueState {
            free: size,
            codel: CodelLimit::new(queue),
            rejectable: 0,
            waiting: 0,
            clock: 0,
            arrivals: 0,
            accounts: HashMap::new(),
        };
        Self(Arc::new(QueueInner { size, state: Mutex::new(state) }))
    }

    /// Returns the number of slots in use.
    pub(super) fn taken(&self) -> usize {
        self.0.size - self.0.state().free
    }

    /// Returns the number of queued requests.
    pub(super) fn waiting(&self) -> usize {
        self.0.state().waiting
    }

    /// Waits for a slot for the current caller. Returns none if the request is rejected.
    pub(super) async fn acquire(&self, request: Request) -> Option<Slot> {
        let (caller, shared) = (CallerId::current(), &*self.0);
        let (entry, response) = {
            let mut state = shared.state();
            state.arrivals += 1;
            let number = state.arrivals;
            // If a slot is free, the queue is empty.
            if state.free > 0 {
                state.codel.on_empty();
                return Some(state.grant(&self.0, caller, number, request));
            }
            if request.rejectable && state.rejectable >= state.codel.max_len() && !state.make_room(caller) {
                return None;
            }
            let (answer, response) = oneshot::channel();
            state.push(caller, Waiting { number, request, answer });
            (QueueEntry { shared, caller, number }, response)
        };
        let slot = response.await.ok();
        drop(entry);
        slot
    }

    /// Revokes the newest slot of the caller that holds the most, if the current caller does not hold more than that
    /// one afterwards.
    pub(super) fn revoke_newest(&self) {
        let mut state = self.0.state();
        let own = state.accounts.get(&CallerId::current()).map_or(0, Account::held_slots);
        let revocable = |account: &Account| account.held.iter().any(|held| held.revoke.is_some());
        let others = state.accounts.values_mut().filter(|account| account.held_slots() > own + 1 && revocable(account));
        let Some(largest) = others.max_by_key(|account| account.held_slots()) else { return };
        let newest = largest.held.iter_mut().rev().find_map(|held| Some((held.revoke.take()?, &mut held.revoked)));
        if let Some((revoke, revoked)) = newest {
            *revoked = true;
            // Fails if the read has just ended.
            let _ended = revoke.send(());
        }
    }
}

impl QueueInner {
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// Returns the number of slots that are held and not revoked.
    fn held_slots(&self) -> usize {
        self.held.iter().filter(|held| !held.revoked).count()
    }

    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.held.is_empty()
    }
}

impl QueueState {
    fn push(&mut self, caller: CallerId, waiting: Waiting) {
        let clock = self.clock;
        let account = self.accounts.entry(caller).or_default();
        if account.queue.is_empty() {
            // An idle caller accumulates no credit.
            account.tag = account.tag.max(clock);
        }
        let rejectable = usize::from(waiting.request.rejectable);
        account.queue.push_back(waiting);
        account.rejectable += rejectable;
        self.rejectable += rejectable;
        self.waiting += 1;
    }

    /// Removes a request from the queue, by its index among its caller's.
    fn pull(&mut self, caller: CallerId, at: usize) -> Option<Waiting> {
        let account = self.accounts.get_mut(&caller)?;
        let waiting = account.queue.remove(at)?;
        let rejectable = usize::from(waiting.request.rejectable);
        account.rejectable -= rejectable;
        self.rejectable -= rejectable;
        self.waiting -= 1;
        Some(waiting)
    }

    /// Returns the caller with the most refusable requests in the queue, and their number.
    fn longest(&self) -> Option<(CallerId, usize)> {
        let longest = self.accounts.iter().max_by_key(|(_, account)| account.rejectable)?;
        Some((*longest.0, longest.1.rejectable)).filter(|(_, count)| *count > 0)
    }

    /// Rejects a request of the caller with the most, in favor of one of `caller`. Returns false if that would leave it
    /// with fewer than `caller`.
    fn make_room(&mut self, caller: CallerId) -> bool {
        let own = self.accounts.get(&caller).map_or(0, |account| account.rejectable);
        let Some((longest, count)) = self.longest().filter(|(_, count)| *count > own + 1) else { return false };
        debug_assert!(count > 1);
        let newest = self.accounts[&longest].queue.iter().rposition(|waiting| waiting.request.rejectable);
        newest.and_then(|at| self.pull(longest, at)).is_some()
    }

    fn grant(&mut self, shared: &Arc<QueueInner>, caller: CallerId, number: u64, request: Request) -> Slot {
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
        account.held.push(HeldSlot { number, revoke, revoked: false });
        Slot { shared: Arc::clone(shared), caller, number, revoked, granted: true }
    }

    /// Grants free slots to queued requests.
    fn grant_free_slots(&mut self, shared: &Arc<QueueInner>) {
        while self.free > 0 && self.waiting > 0 {
            // In a standing queue, the requests at the head are rejected while too many are queued behind them.
            while self.codel.should_drop(self.rejectable.saturating_sub(1)) {
                let Some((longest, _)) = self.longest() else { break };
                let oldest = self.accounts[&longest].queue.iter().position(|waiting| waiting.request.rejectable);
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
            let slot = self.grant(shared, caller, number, request);
            if let Err(mut slot) = answer.send(slot) {
                // It was cancelled just now. Dropping a granted slot would deadlock on the lock held here.
                slot.granted = false;
                self.release(caller, number);
            }
        }
        self.prune_accounts();
    }

    fn release(&mut self, caller: CallerId, number: u64) {
        self.free += 1;
        if let Some(account) = self.accounts.get_mut(&caller) {
            account.held.retain(|held| held.number != number);
        }
    }

    /// Drops accounts that have no effect any more.
    fn prune_accounts(&mut self) {
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

impl Drop for Slot {
    fn drop(&mut self) {
        if self.granted {
            let mut state = self.shared.state();
            state.release(self.caller, self.number);
            state.grant_free_slots(&self.shared);
        }
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        let queue = state.accounts.get(&self.caller).map(|account| &account.queue);
        let at = queue.and_then(|queue| queue.iter().position(|waiting| waiting.number == self.number));
        if let Some(at) = at {
            let _left = state.pull(self.caller, at);
            state.prune_accounts();
        }
    }
}

#[cfg(test)]
mod tests;
