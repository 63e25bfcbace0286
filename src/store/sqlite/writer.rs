//! Writer thread with group commit: queued writes are committed together, and answered when they are durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use uuid::Uuid;

use super::apply::Applier;
use super::facets::FacetNames;
use super::open_files::OpenFiles;
use super::original_table;
use super::rows;
use super::statements::trim_requests;
use super::{erase, event_table, read_table, story_tables};
use crate::article::Position;
use crate::store::plan::without_position;
use crate::store::{
    GroupedUntil, GroupingStep, HourlyReads, MAX_REMOVED_READS, StoreError, Write, WriteError, Written,
};
use crate::telemetry::StoreMetrics;
use crate::telemetry::trace::{SpanGuard, SpanKind, TraceContext, current_context};

/// Maximum number of writes per commit, so that the first does not wait long for the last.
const MAX_GROUP: usize = 2_000;
/// Maximum number of queued batches.
const QUEUE: usize = 256;
/// Maximum number of timed transitions per commit.
const MAX_DUE: usize = 1_000;
/// Maximum number of originals that are removed per commit.
const MAX_EVICTED: usize = 200;
/// Retention of request IDs.
const REQUEST_RETENTION: SignedDuration = SignedDuration::from_hours(24);
/// Interval of tries to truncate the log after an article was purged.
const TRUNCATE_INTERVAL: Duration = Duration::from_millis(200);
/// Interval of deleting expired request IDs.
const REQUEST_TRIM_INTERVAL: Duration = Duration::from_secs(60);

type WriteResults = Vec<Result<Written, WriteError>>;
/// State after a step; none if the step was not applied.
type StepResult = Option<GroupedUntil>;

enum Command {
    /// With the trace context of the caller, if it is traced.
    Write(Vec<Write>, oneshot::Sender<WriteResults>, Option<TraceContext>),
    DryRun(Box<Write>, oneshot::Sender<Result<Written, WriteError>>),
    ApplyDueTransitions(Timestamp, oneshot::Sender<Result<usize, StoreError>>),
    /// Time and total size in bytes.
    EvictOriginals(Timestamp, u64, oneshot::Sender<Result<usize, StoreError>>),
    RecordEvents(Vec<Vec<u8>>, oneshot::Sender<Result<usize, StoreError>>),
    AddReads(Vec<HourlyReads>, Timestamp, oneshot::Sender<Result<usize, StoreError>>),
    /// Hour before which counts are removed.
    RemoveReads(i64, oneshot::Sender<Result<usize, StoreError>>),
    ApplyGrouping(Box<GroupingStep>, oneshot::Sender<Result<StepResult, StoreError>>),
}

/// Command and its queue slot, which is occupied until the command is done: a cancelled call frees no slot.
type Queued = (Command, OwnedSemaphorePermit);

/// Handle of the writer thread.
pub(super) struct Writer {
    commands: Option<mpsc::Sender<Queued>>,
    slots: Arc<Semaphore>,
    wake: watch::Receiver<Position>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread on a connection.
    pub(super) fn start(
        connection: Connection,
        feed: Uuid,
        files: Arc<OpenFiles>,
        metrics: &StoreMetrics,
    ) -> rusqlite::Result<Self> {
        let newest = connection.query_row("SELECT coalesce(max(position), 0) FROM changes", (), |row| row.get(0))?;
        let (announce, wake) = watch::channel(rows::position(newest));
        let (commands, inbox) = mpsc::channel();
        let applier = Applier { feed, facet_names: FacetNames::default(), has_erased: true };
        let state = WriterThread {
            connection,
            files,
            applier,
            announce,
            metrics: metrics.clone(),
            trimmed: Instant::now(),
            truncated: None,
            runtime: Handle::try_current().ok(),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || state.run(&inbox))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        let slots = Arc::new(Semaphore::new(QUEUE));
        metrics.queue.read_from_weak(&slots, |slots| (QUEUE - slots.available_permits()) as u64);
        Ok(Self { commands: Some(commands), slots, wake, thread: Some(thread) })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.wake.clone()
    }

    /// Returns true if the thread is running.
    pub(super) fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    pub(super) async fn write(&self, writes: Vec<Write>) -> WriteResults {
        let count = writes.len();
        let failed = |error: StoreError| (0..count).map(|_| Err(error.clone().into())).collect();
        match self.send(|answer| Command::Write(writes, answer, current_context())).await {
            Ok(answers) => answers,
            Err(error) => failed(error),
        }
    }

    pub(super) async fn dry_run(&self, write: Write) -> Result<Written, WriteError> {
        self.send(|answer| Command::DryRun(Box::new(write), answer)).await?
    }

    pub(super) async fn apply_due_transitions(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.send(|answer| Command::ApplyDueTransitions(now, answer)).await?
    }

    pub(super) async fn evict_originals(&self, before: Timestamp, max_bytes: u64) -> Result<usize, StoreError> {
        self.send(|answer| Command::EvictOriginals(before, max_bytes, answer)).await?
    }

    pub(super) async fn record_events(&self, events: Vec<Vec<u8>>) -> Result<usize, StoreError> {
        self.send(|answer| Command::RecordEvents(events, answer)).await?
    }

    pub(super) async fn add_reads(&self, reads: Vec<HourlyReads>, now: Timestamp) -> Result<usize, StoreError> {
        self.send(|answer| Command::AddReads(reads, now, answer)).await?
    }

    pub(super) async fn remove_reads_before(&self, hour: i64) -> Result<usize, StoreError> {
        self.send(|answer| Command::RemoveReads(hour, answer)).await?
    }

    pub(super) async fn apply_grouping(&self, step: GroupingStep) -> Result<StepResult, StoreError> {
        self.send(|answer| Command::ApplyGrouping(Box::new(step), answer)).await?
    }

    /// Sends a command and waits for its result. A command that was sent is executed even if the caller is cancelled.
    async fn send<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, StoreError> {
        const CLOSING: StoreError = StoreError::Unavailable("it is closing");
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_closed| CLOSING)?;
        let (answer, response) = oneshot::channel();
        let commands = self.commands.as_ref().ok_or(CLOSING)?;
        commands.send((command(answer), slot)).map_err(|_closed| CLOSING)?;
        response.await.map_err(|_closed| StoreError::Internal)
    }
}

impl Drop for Writer {
    /// Drains the queue.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("store writer panicked");
        }
    }
}

struct WriterThread {
    connection: Connection,
    files: Arc<OpenFiles>,
    applier: Applier,
    announce: watch::Sender<Position>,
    metrics: StoreMetrics,
    trimmed: Instant,
    /// Time of the last try to truncate the log of erased texts. It may have some from before a crash.
    truncated: Option<Instant>,
    /// Runtime of the callers, if the store was opened within one.
    runtime: Option<Handle>,
}

/// Result of a command whose transaction is durable.
enum Done {
    Written(WriteResults),
    /// Number of rows.
    Counted(usize),
    Grouped(StepResult),
}

impl Done {
    /// Returns the number of its writes in the commit; 0 if no timed transition was due.
    fn writes(&self) -> usize {
        match self {
            Self::Written(answers) => answers.len(),
            Self::Counted(count) => *count,
            Self::Grouped(state) => usize::from(state.is_some()),
        }
    }
}

impl Command {
    fn writes(&self) -> usize {
        match self {
            Self::Write(writes, ..) => writes.len(),
            Self::ApplyGrouping(step, _) => step.members.len().max(1),
            Self::AddReads(reads, ..) => reads.len().max(1),
            Self::DryRun(..)
            | Self::ApplyDueTransitions(..)
            | Self::EvictOriginals(..)
            | Self::RecordEvents(..)
            | Self::RemoveReads(..) => 1,
        }
    }

    /// Begins the span of its commit. None if its call is not traced.
    fn span(&self) -> Option<SpanGuard> {
        match self {
            Self::Write(_, _, Some(trace)) => trace.span(SpanKind::Internal, "store.commit"),
            _ => None,
        }
    }

    fn is_dry_run(&self) -> bool {
        matches!(self, Self::DryRun(..))
    }

    /// Sends the result to the caller, unless it was cancelled.
    fn answer(self, done: Result<Done, StoreError>) {
        match (self, done) {
            (Self::Write(_, caller, _), Ok(Done::Written(answers))) => drop(caller.send(answers)),
            (
                Self::ApplyDueTransitions(_, caller)
                | Self::EvictOriginals(_, _, caller)
                | Self::RecordEvents(_, caller)
                | Self::AddReads(_, _, caller)
                | Self::RemoveReads(_, caller),
                Ok(Done::Counted(count)),
            ) => {
                drop(caller.send(Ok(count)));
            }
            (Self::Write(writes, caller, _), done) => {
                let error = done.err().unwrap_or(StoreError::Internal);
                drop(caller.send(writes.iter().map(|_| Err(error.clone().into())).collect()));
            }
            (
                Self::ApplyDueTransitions(_, caller)
                | Self::EvictOriginals(_, _, caller)
                | Self::RecordEvents(_, caller)
                | Self::AddReads(_, _, caller)
                | Self::RemoveReads(_, caller),
                done,
            ) => drop(caller.send(Err(done.err().unwrap_or(StoreError::Internal)))),
            (Self::ApplyGrouping(_, caller), Ok(Done::Grouped(state))) => drop(caller.send(Ok(state))),
            (Self::ApplyGrouping(_, caller), done) => {
                drop(caller.send(Err(done.err().unwrap_or(StoreError::Internal))));
            }
            (Self::DryRun(_, caller), done) => {
                drop(caller.send(Err(done.err().unwrap_or(StoreError::Internal).into())));
            }
        }
    }
}

impl WriterThread {
    fn run(mut self, inbox: &mpsc::Receiver<Queued>) {
        let mut next = self.receive(inbox);
        while let Some((command, slot)) = next.take() {
            let mut slots = vec![slot];
            let mut group = vec![command];
            // Queued commands join the commit; it does not wait for more to arrive. A dry run is never grouped.
            let mut count = group[0].writes();
            while count < MAX_GROUP && next.is_none() && !group[0].is_dry_run() {
                match inbox.try_recv() {
                    Ok((command, slot)) if command.is_dry_run() => next = Some((command, slot)),
                    Ok((command, slot)) => {
                        count += command.writes();
                        group.push(command);
                        slots.push(slot);
                    }
                    Err(_none) => break,
                }
            }
            // Callers see a dropped channel. The panic hook has logged the location, and dropping the transaction
            // rolled it back.
            if catch_unwind(AssertUnwindSafe(|| self.perform(group))).is_err() {
                tracing::error!(writes = count, "commit panicked and was rolled back");
                self.applier.facet_names.clear();
            }
            drop(slots);
            next = next.or_else(|| self.receive(inbox));
        }
        if let Err(error) = self.connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
            tracing::warn!(%error, "final checkpoint failed; the next start repeats it");
        }
    }

    /// Returns the next command. Truncates the log meanwhile if it has text of purged articles.
    fn receive(&mut self, inbox: &mpsc::Receiver<Queued>) -> Option<Queued> {
        while self.applier.has_erased {
            let next = self.truncated.map_or(Duration::ZERO, |last| TRUNCATE_INTERVAL.saturating_sub(last.elapsed()));
            if next.is_zero() {
                self.truncate_log();
                continue;
            }
            match inbox.recv_timeout(next) {
                Ok(queued) => return Some(queued),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
        inbox.recv().ok()
    }

    fn truncate_log(&mut self) {
        self.truncated = Some(Instant::now());
        match erase::truncate_log(&self.connection) {
            Ok(truncated) => self.applier.has_erased = !truncated,
            Err(error) => tracing::warn!(%error, "log with text of purged articles not truncated; retrying"),
        }
    }

    fn perform(&mut self, mut group: Vec<Command>) {
        match group.pop() {
            Some(Command::DryRun(write, caller)) => drop(caller.send(self.dry_run(&write))),
            last => {
                group.extend(last);
                self.commit(group);
            }
        }
    }

    /// Commits a group in one transaction. If that fails, commits each command alone, so that a failing one does not
    /// affect the others.
    fn commit(&mut self, mut group: Vec<Command>) {
        match self.transact(&group) {
            Ok(done) => self.answer(group.into_iter().zip(done).collect()),
            Err(error) if group.len() == 1 => self.answer(group.drain(..).map(|it| (it, Err(error.clone()))).collect()),
            Err(_) => {
                for command in group {
                    let done = self.transact(std::slice::from_ref(&command)).map(|mut done| done.pop());
                    let done = done.and_then(|done| done.unwrap_or(Err(StoreError::Internal)));
                    self.answer(vec![(command, done)]);
                }
            }
        }
    }

    /// Commits commands. An outer error means that the transaction was rolled back. Inner errors mean that it was
    /// committed into files that may be deleted, so success must not be reported.
    fn transact(&mut self, commands: &[Command]) -> Result<Vec<Result<Done, StoreError>>, StoreError> {
        self.files.check()?;
        let began = Instant::now();
        // One span for each traced call in the group.
        let spans: Vec<SpanGuard> = commands.iter().filter_map(Command::span).collect();
        let done = self.apply_all(commands).map_err(StoreError::from);
        if done.is_err() {
            spans.iter().for_each(SpanGuard::fail);
        }
        drop(spans);
        match done {
            Ok(done) => {
                self.record(began.elapsed(), done.iter().map(Done::writes).sum());
                // The folder may have been deleted since the first check. A deletion after this check removes
                // acknowledged writes, which nothing can prevent.
                let in_place = self.files.check();
                Ok(done.into_iter().map(|done| in_place.clone().map(|()| done)).collect())
            }
            Err(error) => {
                self.applier.facet_names.clear();
                // The cause was logged when it was converted to a store error.
                tracing::debug!(%error, commands = commands.len(), "commit failed and was rolled back");
                Err(error)
            }
        }
    }

    fn apply_all(&mut self, commands: &[Command]) -> rusqlite::Result<Vec<Done>> {
        // Rolled back if dropped before its commit.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut done = Vec::with_capacity(commands.len());
        for command in commands {
            done.push(match command {
                Command::Write(writes, ..) => {
                    let answers = writes.iter().map(|write| self.applier.apply(&transaction, write));
                    Done::Written(answers.collect::<Result<_, _>>()?)
                }
                Command::ApplyDueTransitions(now, _) => {
                    if self.trimmed.elapsed() > REQUEST_TRIM_INTERVAL {
                        self.trimmed = Instant::now();
                        trim_requests(&transaction, *now - REQUEST_RETENTION)?;
                    }
                    Done::Counted(self.applier.apply_due_transitions(&transaction, *now, MAX_DUE)?)
                }
                Command::EvictOriginals(before, max_bytes, _) => {
                    Done::Counted(original_table::evict(&transaction, *before, *max_bytes, MAX_EVICTED)?)
                }
                Command::RecordEvents(events, _) => {
                    event_table::record(&transaction, events)?;
                    Done::Counted(events.len())
                }
                Command::AddReads(reads, now, _) => {
                    read_table::add(&transaction, reads, *now)?;
                    Done::Counted(reads.len())
                }
                Command::RemoveReads(hour, _) => {
                    Done::Counted(read_table::remove_before(&transaction, *hour, MAX_REMOVED_READS)?)
                }
                Command::ApplyGrouping(step, _) => Done::Grouped(story_tables::apply(&transaction, step)?),
                // Never grouped: see `run`.
                Command::DryRun(..) => Done::Counted(0),
            });
        }
        transaction.commit()?;
        Ok(done)
    }

    /// Applies a write in a transaction that is rolled back.
    fn dry_run(&mut self, write: &Write) -> Result<Written, WriteError> {
        let answer = {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
            transaction.and_then(|transaction| self.applier.apply(&transaction, write)).map_err(StoreError::from)
        };
        self.applier.facet_names.clear();
        answer.map_err(WriteError::Store)?.map(without_position)
    }

    /// Sends the results from a task of the runtime, where waking a caller costs a queue push. From this thread it
    /// would cost a system call per caller (measured: a sixth of this thread's time).
    fn answer(&self, answers: Vec<(Command, Result<Done, StoreError>)>) {
        let answer = move || answers.into_iter().for_each(|(command, done)| command.answer(done));
        match &self.runtime {
            Some(runtime) => drop(runtime.spawn(async move { answer() })),
            None => answer(),
        }
    }

    fn record(&self, elapsed: Duration, writes: usize) {
        let newest = self.connection.prepare_cached("SELECT coalesce(max(position), 0) FROM changes");
        let newest = newest.and_then(|mut statement| statement.query_row((), |row| row.get(0)));
        if let Ok(newest) = newest {
            self.announce.send_if_modified(|position| {
                let newest = rows::position(newest);
                std::mem::replace(position, newest) != newest
            });
        }
        if writes > 0 {
            self.metrics.committed(writes, elapsed);
            tracing::debug!(writes, duration_ms = elapsed.as_secs_f64() * 1_000.0, "committed");
        }
    }
}
