//! What readers have claimed and read, on its way into Redis: they do not wait for it. One task carries it, and takes along
//! what has come meanwhile; so there are fewer tasks and round trips the more there is to do.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::session::Session;
use crate::article::{ArticleId, Record};

/// How many entries go at once, and how many bytes after which no more do: reads come on the same connection.
const AT_ONCE: (usize, usize) = (32, 512 << 10);
/// How many may wait, and how many bytes of them. What is more is not filled: its claim runs out, and the next reader fills it.
const MOST: (usize, usize) = (2_000, 16 << 20);

/// An article, the token that it was claimed with, and what the store has said since.
pub(super) type Fill = (ArticleId, String, Option<Arc<Record>>);

/// What waits.
#[derive(Default)]
pub(super) struct Backlog(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Fill>,
    bytes: usize,
    carried: bool,
}

/// About what a fill takes.
fn weight(fill: &Fill) -> usize {
    fill.2.as_ref().map_or(0, |record| record.weight())
}

impl Backlog {
    /// Answers whether somebody must begin to carry.
    fn add(&self, fills: Vec<Fill>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for fill in fills {
            let bytes = state.bytes + weight(&fill);
            if state.waiting.len() < MOST.0 && bytes <= MOST.1 {
                state.bytes = bytes;
                state.waiting.push_back(fill);
            }
        }
        !state.waiting.is_empty() && !std::mem::replace(&mut state.carried, true)
    }

    /// What is next; nobody carries any more when there is nothing.
    fn next(&self) -> Vec<Fill> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut some, mut bytes) = (Vec::new(), 0);
        while some.len() < AT_ONCE.0 && bytes < AT_ONCE.1 {
            let Some(fill) = state.waiting.pop_front() else { break };
            bytes += weight(&fill);
            some.push(fill);
        }
        state.bytes -= bytes;
        state.carried = !some.is_empty();
        some
    }
}

/// Fills, but not now.
pub(super) fn fill(session: &Arc<Session>, fills: Vec<Fill>) {
    if session.backlog.add(fills) {
        tokio::spawn(carry(Arc::clone(session)));
    }
}

async fn carry(session: Arc<Session>) {
    loop {
        let some = session.backlog.next();
        if some.is_empty() {
            return;
        }
        session.fill(some).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_carries_and_nothing_waits_without_bound() {
        let fills = |count: usize| vec![("ferry".parse().expect("valid"), String::new(), None); count];
        let backlog = Backlog::default();
        assert!(!backlog.add(fills(0)), "there is nothing to carry");
        assert!(backlog.add(fills(AT_ONCE.0)));
        assert!(!backlog.add(fills(3)), "somebody does");
        assert_eq!((backlog.next().len(), backlog.next().len()), (AT_ONCE.0, 3));
        assert!(!backlog.add(fills(1)), "who carries has not come back yet");
        assert_eq!((backlog.next().len(), backlog.next().len()), (1, 0));
        assert!(backlog.add(fills(MOST.0)), "who found nothing carries no more");
        assert!(!backlog.add(fills(1)));
        let mut carried = 0;
        while let some @ 1.. = backlog.next().len() {
            carried += some;
        }
        assert_eq!(carried, MOST.0, "what was too much is not kept");
    }
}
