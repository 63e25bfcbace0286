//! Limits on open streams: separate pools for reading and ingesting, each shared fairly between callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::grpc::status::{StreamKind, TooMany};
use crate::overload::caller::CallerId;

/// Pool of a bounded number of streams. Cheap to clone.
///
/// An authenticated caller may open another stream while it has fewer open than are free (dynamic thresholds; Choudhury
/// and Hahne 1998): one caller gets at most half, two get a third each, and a caller that has none finds one free.
#[derive(Clone)]
pub(crate) struct StreamPool(Arc<StreamPoolInner>);

struct StreamPoolInner {
    kind: StreamKind,
    max: usize,
    open: Mutex<OpenStreams>,
}

#[derive(Default)]
struct OpenStreams {
    all: usize,
    /// Number of streams of each authenticated caller that has any.
    callers: HashMap<CallerId, usize>,
}

/// Permit of an open stream, until it is dropped.
pub(crate) struct StreamPermit {
    pool: StreamPool,
    caller: Option<CallerId>,
}

impl StreamPool {
    pub(crate) fn new(kind: StreamKind, max: usize) -> Self {
        Self(Arc::new(StreamPoolInner { kind, max, open: Mutex::default() }))
    }

    /// Opens a stream of a caller; none without authentication, since all callers behind a gateway would count as one.
    pub(crate) fn open(&self, caller: Option<CallerId>) -> Result<StreamPermit, TooMany> {
        let StreamPoolInner { kind, max, .. } = *self.0;
        let mut open = self.open_streams();
        if open.all >= max {
            return Err(TooMany::Streams(kind));
        }
        if let Some(caller) = caller {
            let free = max - open.all;
            let own = open.callers.entry(caller).or_default();
            if *own >= free {
                return Err(TooMany::StreamsOfCaller(kind));
            }
            *own += 1;
        }
        open.all += 1;
        Ok(StreamPermit { pool: self.clone(), caller })
    }

    fn open_streams(&self) -> MutexGuard<'_, OpenStreams> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.pool.open_streams();
        open.all -= 1;
        let Some(caller) = self.caller else { return };
        let left = open.callers.get_mut(&caller).map(|own| {
            *own -= 1;
            *own
        });
        if left == Some(0) {
            open.callers.remove(&caller);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn caller(number: usize) -> Option<CallerId> {
        Some(CallerId::principal(&format!("key:{number}")))
    }

    fn fill(pool: &StreamPool, caller: Option<CallerId>) -> Vec<StreamPermit> {
        std::iter::from_fn(|| pool.open(caller).ok()).collect()
    }

    #[test]
    fn one_caller_gets_half_and_another_finds_room() {
        let pool = StreamPool::new(StreamKind::Reading, 256);
        let first = fill(&pool, caller(1));
        assert_eq!(first.len(), 128);
        assert!(matches!(pool.open(caller(1)), Err(TooMany::StreamsOfCaller(StreamKind::Reading))));
        let second = fill(&pool, caller(2));
        assert_eq!(second.len(), 64);
        assert!(pool.open(caller(3)).is_ok());
        drop(second);
        assert_eq!(fill(&pool, caller(2)).len(), 64, "closed streams were not released");
        drop(first);
        assert!(pool.open_streams().callers.is_empty() && pool.open_streams().all == 0);
    }

    #[test]
    fn where_nobody_is_authenticated_the_pool_is_the_bound() {
        let pool = StreamPool::new(StreamKind::Ingesting, 5);
        let open = fill(&pool, None);
        assert_eq!(open.len(), 5);
        assert!(matches!(pool.open(None), Err(TooMany::Streams(StreamKind::Ingesting))));
    }

    proptest! {
        /// A caller without a stream gets one, for any number of callers that take as many as they get in any order, as
        /// long as repeated halving leaves a free stream.
        #[test]
        fn a_newcomer_gets_a_stream(order in prop::collection::vec(0_usize..5, 0..600)) {
            let pool = StreamPool::new(StreamKind::Reading, 256);
            let open: Vec<_> = order.into_iter().filter_map(|number| pool.open(caller(number)).ok()).collect();
            prop_assert!(open.len() < 256);
            prop_assert!(pool.open(caller(9)).is_ok());
        }
    }
}
