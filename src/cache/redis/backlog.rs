//! What readers have claimed and read, on its way into Redis: they do not wait for it. One task carries it, and takes along
//! what has come meanwhile; so there are fewer tasks and round trips the more there is to do.

use std::sync::{Arc, Mutex, PoisonError};

use super::session::Session;
use crate::article::{ArticleId, Record};

/// How many entries go at once: they are as large as articles, and reads come on the same connection.
const AT_ONCE: usize = 32;
/// How many may wait. What is more is not filled: its claim runs out, and the next reader fills it.
const MOST: usize = 2_000;

/// An article, the token that it was claimed with, and what the store has said since.
pub(super) type Fill = (ArticleId, String, Option<Arc<Record>>);

/// What waits.
#[derive(Default)]
pub(super) struct Backlog(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Fill>,
    carried: bool,
}

impl Backlog {
    /// Answers whether somebody must begin to carry.
    fn add(&self, fills: Vec<Fill>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting.len() + fills.len() <= MOST {
            state.waiting.extend(fills);
        }
        !state.waiting.is_empty() && !std::mem::replace(&mut state.carried, true)
    }

    /// What is next; nobody carries any more when there is nothing.
    fn next(&self) -> Vec<Fill> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let some = state.waiting.len().min(AT_ONCE);
        state.carried = some > 0;
        state.waiting.drain(..some).collect()
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
        assert!(backlog.add(fills(AT_ONCE)));
        assert!(!backlog.add(fills(3)), "somebody does");
        assert_eq!((backlog.next().len(), backlog.next().len()), (AT_ONCE, 3));
        assert!(!backlog.add(fills(1)), "who carries has not come back yet");
        assert_eq!((backlog.next().len(), backlog.next().len()), (1, 0));
        assert!(backlog.add(fills(MOST)), "who found nothing carries no more");
        assert!(!backlog.add(fills(1)));
        let mut carried = 0;
        while let some @ 1.. = backlog.next().len() {
            carried += some;
        }
        assert_eq!(carried, MOST, "what was too much is not kept");
    }
}
