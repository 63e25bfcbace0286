//! Tests of fairness, limits and revocation of the queue, also with random requests.

use std::pin::Pin;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;

const PAGE: Request = Request { weight: 1, rejectable: true, revocable: true };

type Acquiring = Pin<Box<dyn Future<Output = Option<Slot>> + Send>>;

fn caller(number: usize) -> CallerId {
    CallerId::principal(&format!("key:{number}"))
}

/// Requests a place for a caller. Returns the immediate outcome, or the future of a queued request.
fn try_acquire(queue: &WaitQueue, number: usize, request: Request) -> Result<Option<Slot>, Acquiring> {
    let _entered = caller(number).enter();
    let queue = queue.clone();
    let mut passing: Acquiring = Box::pin(tokio::task::unconstrained(async move { queue.acquire(request).await }));
    match passing.as_mut().now_or_never() {
        Some(answer) => Ok(answer),
        None => Err(passing),
    }
}

fn waits(queue: &WaitQueue, number: usize, request: Request) -> Acquiring {
    try_acquire(queue, number, request).err().expect("it waits")
}

fn granted(queue: &WaitQueue, number: usize) -> Slot {
    try_acquire(queue, number, PAGE).ok().flatten().expect("a place is free")
}

#[test]
fn callers_take_turns_by_weight() {
    let queue = WaitQueue::new(1, 100);
    let mut slot = granted(&queue, 9);
    let expensive = Request { weight: 4, ..PAGE };
    let mut waiting: Vec<_> = (0..3).map(|_| (0, waits(&queue, 0, expensive))).collect();
    waiting.extend((0..9).map(|_| (1, waits(&queue, 1, PAGE))));
    let mut order = Vec::new();
    while !waiting.is_empty() {
        drop(slot);
        let next = waiting.iter_mut().enumerate().find_map(|(at, (_, passing))| {
            passing.as_mut().now_or_never().map(|slot| (at, slot.expect("nobody is refused")))
        });
        let (at, next) = next.expect("a free place is given away");
        order.push(waiting.remove(at).0);
        slot = next;
    }
    assert_eq!(order, [0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 0, 1], "four cheap requests for each expensive one");
}

#[test]
fn where_the_queue_is_full_the_caller_with_the_most_in_it_is_refused() {
    let queue = WaitQueue::new(1, 4);
    let slot = granted(&queue, 0);
    let mut first: Vec<_> = (0..4).map(|_| waits(&queue, 0, PAGE)).collect();
    assert!(matches!(try_acquire(&queue, 0, PAGE), Ok(None)), "its own queue is full");
    let mut other = waits(&queue, 1, PAGE);
    assert!(first.pop().unwrap().now_or_never().expect("refused at once").is_none());
    let mut third = waits(&queue, 2, PAGE);
    assert!(first.pop().unwrap().now_or_never().expect("refused at once").is_none());
    assert!(matches!(try_acquire(&queue, 1, PAGE), Ok(None)), "it would have as many as the first");
    // They are served before the remaining requests of the first caller.
    drop(slot);
    let slot = other.as_mut().now_or_never().flatten().expect("its turn");
    drop(slot);
    let slot = third.as_mut().now_or_never().flatten().expect("its turn");
    assert!(first.iter_mut().all(|passing| passing.as_mut().now_or_never().is_none()));
    drop((slot, first));
    assert_eq!((queue.taken(), queue.waiting()), (0, 0));
}

#[test]
fn places_are_taken_back_from_a_caller_that_has_more() {
    let queue = WaitQueue::new(3, 4);
    let mut held: Vec<_> = (0..3).map(|_| granted(&queue, 0)).collect();
    let mut signals: Vec<_> = held.iter_mut().map(|slot| slot.revoked.take().expect("revocable")).collect();
    let mut other = waits(&queue, 1, PAGE);
    let recall = |number| {
        let _entered = caller(number).enter();
        queue.revoke_newest();
    };
    recall(0);
    assert!(signals.iter_mut().all(|signal| signal.try_recv().is_err()), "a caller revokes none of its own");
    recall(1);
    let revoked = signals.iter_mut().map(|signal| signal.try_recv().is_ok()).collect::<Vec<_>>();
    assert_eq!(revoked, [false, false, true], "the newest");
    drop(held.pop());
    let slot = other.as_mut().now_or_never().flatten().expect("it gets it");
    recall(1);
    assert!(signals[..2].iter_mut().all(|signal| signal.try_recv().is_err()), "two and one cannot be more equal");
    drop(slot);
    let stream = try_acquire(&queue, 0, Request { revocable: false, ..PAGE }).ok().flatten().expect("a place is free");
    assert!(stream.revoked.is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Ask { caller: usize, weight: u64, rejectable: bool },
    End(usize),
    Leave(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_usize..5, 1_u64..64, prop::bool::weighted(0.8))
            .prop_map(|(caller, weight, rejectable)| Step::Ask { caller, weight, rejectable }),
        2 => (0_usize..64).prop_map(Step::End),
        1 => (0_usize..64).prop_map(Step::Leave),
    ]
}

proptest! {
    /// Invariants: no place is free while a request is queued, none is granted twice, the queue is bounded, and a
    /// caller with one request at a time is never rejected while there are fewer callers than queue slots.
    #[test]
    fn places_are_shared(steps in prop::collection::vec(step(), 1..200)) {
        const SIZE: usize = 2;
        const QUEUE: usize = 6;
        let queue = WaitQueue::new(SIZE, QUEUE);
        let mut held: Vec<Slot> = Vec::new();
        let mut waiting: Vec<(usize, bool, Acquiring)> = Vec::new();
        for step in steps {
            match step {
                // The first caller has at most one queued request.
                Step::Ask { caller: 0, .. } if waiting.iter().any(|(caller, ..)| *caller == 0) => {}
                Step::Ask { caller, weight, rejectable } => {
                    match try_acquire(&queue, caller, Request { weight, rejectable, revocable: true }) {
                        Ok(Some(slot)) => held.push(slot),
                        Ok(None) => prop_assert!(rejectable && caller != 0, "{} was refused", caller),
                        Err(passing) => waiting.push((caller, rejectable, passing)),
                    }
                }
                Step::End(at) if at < held.len() => drop(held.remove(at)),
                Step::Leave(at) if at < waiting.len() => drop(waiting.remove(at)),
                Step::End(_) | Step::Leave(_) => {}
            }
            let mut still = Vec::new();
            for (caller, rejectable, mut passing) in waiting {
                match passing.as_mut().now_or_never() {
                    Some(Some(slot)) => held.push(slot),
                    Some(None) => prop_assert!(rejectable && caller != 0, "{} was refused", caller),
                    None => still.push((caller, rejectable, passing)),
                }
            }
            waiting = still;
            prop_assert_eq!(queue.taken(), held.len());
            prop_assert_eq!(queue.waiting(), waiting.len());
            prop_assert!(held.len() <= SIZE && (waiting.is_empty() || held.len() == SIZE));
            prop_assert!(waiting.iter().filter(|(_, rejectable, _)| *rejectable).count() <= QUEUE);
        }
        drop((held, waiting));
        prop_assert_eq!((queue.taken(), queue.waiting()), (0, 0));
        prop_assert!(queue.0.state().accounts.is_empty());
    }
}
