//! Reads of single articles, put together where many come at once: a statement, its round trip and its wake-ups cost more than
//! the article that it finds. So few statements run at a time, and who comes meanwhile shares the next one. Nobody waits for
//! company: while a lane is free, a read begins at once. Measured in docs/decisions/0021.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::error::means_lost;
use super::pool::{Pool, statement};
use super::rows::{self, ARTICLES};
use crate::article::ArticleId;
use crate::store::{Fetched, StoreError};

/// How many statements run at a time, of those that are not slow.
const LANES: usize = 2;
/// How long a statement counts. What takes longer waits for a disk, or brings something large: there, more at a time help.
const SLOW: Duration = Duration::from_millis(5);
/// How many articles one statement reads at most: each may be large, and who waits for the first waits for the last.
const TOGETHER: usize = 16;

type Answer = Result<Fetched, StoreError>;

/// The way of single articles to the database. Who comes has been let in by the gate: there are never more statements than
/// that has places.
pub(super) struct Gather(Arc<Shared>);

struct Shared {
    pool: Arc<Pool>,
    feed: Uuid,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// When each statement began that is under way.
    begun: Vec<Instant>,
    waiting: VecDeque<Waiting>,
}

struct Waiting {
    id: ArticleId,
    answer: oneshot::Sender<Answer>,
}

impl Gather {
    pub(super) fn new(pool: Arc<Pool>, feed: Uuid) -> Self {
        Self(Arc::new(Shared { pool, feed, state: Mutex::default() }))
    }

    /// One article, as it is once this has been called: no statement that had begun before is shared.
    pub(super) async fn get(&self, id: &ArticleId) -> Answer {
        let shared = &self.0;
        if let Some(lane) = shared.alone() {
            return lane.run(shared.ask_one(id)).await;
        }
        let part = statement(&ARTICLES);
        let (answer, answered) = oneshot::channel();
        shared.state().waiting.push_back(Waiting { id: id.clone(), answer });
        shared.go_on();
        // It is unanswered after a panic, of which the log tells, or when the process ends.
        let answer = answered.await.unwrap_or(Err(StoreError::Internal));
        if let (Some(part), Err(_)) = (part, &answer) {
            part.fail();
        }
        answer
    }
}

impl State {
    /// Begins a statement, if one more may run.
    fn begin(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let quick = self.begun.iter().filter(|begun| now.duration_since(**begun) < SLOW).count();
        (quick < LANES).then(|| {
            self.begun.push(now);
            now
        })
    }

    fn end(&mut self, begun: Instant) {
        if let Some(at) = self.begun.iter().position(|other| *other == begun) {
            self.begun.swap_remove(at);
        }
    }

    /// Those who share the next statement: none of those who have left.
    fn together(&mut self) -> Vec<Waiting> {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        let count = self.waiting.len().min(TOGETHER);
        self.waiting.drain(..count).collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane, if one is free and nobody waits for it.
    fn alone(self: &Arc<Self>) -> Option<Lane> {
        let mut state = self.state();
        let begun = if state.waiting.is_empty() { state.begin() } else { None }?;
        Some(Lane { shared: Arc::clone(self), begun })
    }

    /// Begins statements for those who wait, as long as there are lanes.
    fn go_on(self: &Arc<Self>) {
        // Without one, the process ends, and nobody waits.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        while let Some((some, lane)) = self.next() {
            runtime.spawn(async move { lane.run(lane.shared.answer(some)).await });
        }
    }

    fn next(self: &Arc<Self>) -> Option<(Vec<Waiting>, Lane)> {
        let mut state = self.state();
        if state.waiting.is_empty() {
            return None;
        }
        let begun = state.begin()?;
        let some = state.together();
        if some.is_empty() {
            state.end(begun);
            return None;
        }
        Some((some, Lane { shared: Arc::clone(self), begun }))
    }

    async fn ask(&self, ids: &[ArticleId]) -> Result<Vec<Answer>, StoreError> {
        rows::fetch_each(&*self.pool, self.feed, ids).await
    }

    async fn ask_one(&self, id: &ArticleId) -> Answer {
        self.ask(std::slice::from_ref(id)).await?.pop().ok_or(StoreError::Internal)?
    }

    /// What is wrong with one of several is not the others' fault: then each is asked for alone. For each there is a place.
    async fn ask_all(&self, ids: &[ArticleId]) -> Vec<Answer> {
        match self.ask(ids).await {
            Ok(answers) => answers,
            Err(lost) if means_lost(&lost) => vec![Err(lost); ids.len()],
            Err(_logged) => join_all(ids.iter().map(|id| self.ask_one(id))).await,
        }
    }

    async fn answer(&self, mut some: Vec<Waiting>) {
        let ids: Vec<ArticleId> = some.iter().map(|waiting| waiting.id.clone()).collect();
        let answers = tokio::select! {
            biased;
            // A statement that nobody waits for any more is stopped: so there are no more of them than the gate has let in.
            () = all_left(&mut some) => return,
            answers = self.ask_all(&ids) => answers,
        };
        for (waiting, answer) in some.into_iter().zip(answers) {
            // Who has left meanwhile needs none.
            let _left = waiting.answer.send(answer);
        }
    }
}

async fn all_left(some: &mut [Waiting]) {
    for waiting in some {
        waiting.answer.closed().await;
    }
}

/// The right to run a statement. Whoever lets go of it, also by leaving, hands it to those who wait.
struct Lane {
    shared: Arc<Shared>,
    begun: Instant,
}

impl Lane {
    /// Runs a statement. When that is slow, those who wait need not wait for its end, also if nobody else comes.
    async fn run<T>(&self, statement: impl Future<Output = T>) -> T {
        let mut statement = pin!(statement);
        if let Ok(done) = tokio::time::timeout(SLOW, &mut statement).await {
            return done;
        }
        self.shared.go_on();
        statement.await
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.shared.state().end(self.begun);
        self.shared.go_on();
    }
}
