//! Session with one Redis server, from its identification until its identity or availability is in doubt. Counts its
//! hits, fills and failures, and ends after repeated timeouts.

pub(super) mod fill_queue;
pub(super) mod read_permission;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::fill_queue::{Fill, FillQueue};
use self::read_permission::ReadPermission;
use super::options::{Address, Mode, RedisOptions};
use super::protocol::connection::{Call, Connection, RedisError, ScriptCall, code, millis};
use super::protocol::entry::{CacheEntry, ExpiresAt, decode, digits, encode, entry_lifetime};
use super::protocol::generation;
use super::protocol::server_identity::ServerIdentity;
use super::protocol::slots::slot;
use crate::article::{ArticleId, Position};
use crate::cache::lease::Lease;
use crate::store::{Consistency, FeedCursor, Store};
use crate::telemetry::RedisMetrics;

/// Number of consecutive failures that end a session.
const FAILURES: u32 = 3;
/// Maximum scripts per round trip: each takes Redis some microseconds, and other clients wait.
const MAX_SCRIPTS: usize = 200;
/// Duration of a fill lease.
const LEASE: Duration = Duration::from_secs(1);

/// Result of a claim of a fill lease.
pub(super) enum FillLease {
    /// Granted, with this token.
    Granted(String),
    /// Held by another reader.
    HeldByOther,
    /// Not needed: there is an entry.
    NotNeeded(CacheEntry),
    /// Redis did not answer.
    Unavailable,
}

pub(super) struct Session {
    /// Connection for lookups, claims and fills, which transfer articles.
    reads: Connection,
    /// Connection for invalidations and marks, which large transfers must not delay.
    writes: Connection,
    /// Address, for logs.
    pub(super) address: Address,
    feed: Uuid,
    mode: Mode,
    pub(super) identity: ServerIdentity,
    mark_key: String,
    generation: String,
    /// Prefix of entry keys, which end with the article's ID in braces.
    prefix: String,
    lifetime: Duration,
    negative_ttl: Duration,
    /// Allows one refresh at a time: others are skipped, and later readers retry.
    refreshing: Semaphore,
    pub(super) lease: Lease,
    pub(super) fill_queue: FillQueue,
    /// Position up to which the generation was invalidated when the session began.
    pub(super) marked: FeedCursor,
    failures: AtomicU32,
    ended: CancellationToken,
    metrics: RedisMetrics,
}

/// Handoff to the next session with the same Cluster node: a generation, and the position up to which it is
/// invalidated. If the node has only lost slots since, both stay valid for the slots that it has kept, and their
/// entries are preserved.
pub(super) struct Handoff {
    identity: ServerIdentity,
    generation: String,
    cursor: FeedCursor,
}

impl Session {
    /// Connects, identifies the server, and opens or begins the generation of entries. `end` is the end of the change
    /// feed.
    pub(super) async fn open(
        options: &RedisOptions,
        address: Address,
        feed: Uuid,
        end: FeedCursor,
        handoff: Option<&Handoff>,
        metrics: RedisMetrics,
    ) -> Result<Self, RedisError> {
        let mode = options.mode();
        let open = || Connection::open(&address, &options.login, options.tls.as_ref());
        let (reads, writes) = tokio::try_join!(open(), open())?;
        let identity = ServerIdentity::of(&writes, mode).await?;
        if !ServerIdentity::of(&reads, mode).await?.is_server_of(&identity) {
            return Err(RedisError::Refused("two connections reached different servers".into()));
        }
        let mark_key = format!("copydesk:1:{}:epoch:{}", feed.simple(), identity.mark()?);
        let proposed = match handoff.filter(|handoff| identity.has_only_lost_slots_since(&handoff.identity)) {
            Some(handoff) => (handoff.generation.clone(), handoff.cursor),
            // The last bits of a version 7 UUID are random.
            None => (Uuid::now_v7().simple().to_string().split_off(16), end),
        };
        let (generation, marked) = generation::open(&writes, &mark_key, proposed).await?;
        let prefix = format!("copydesk:1:{}:{generation}:{{", feed.simple());
        Ok(Self {
            reads,
            writes,
            address,
            feed,
            mode,
            identity,
            mark_key,
            generation,
            prefix,
            lifetime: options.lifetime,
            negative_ttl: options.negative_ttl,
            refreshing: Semaphore::new(1),
            lease: Lease::new(options.staleness_bound, marked.position),
            fill_queue: FillQueue::default(),
            marked,
            failures: AtomicU32::new(0),
            ended: CancellationToken::new(),
            metrics,
        })
    }

    /// Returns true if the server has the entries of a slot.
    pub(super) fn owns_slot(&self, slot: u16) -> bool {
        self.identity.slot_set.as_ref().is_none_or(|slot_set| slot_set.slots.contains(slot))
    }

    /// Returns the handoff to the next session; entries are invalidated up to `cursor`.
    pub(super) fn handoff(&self, cursor: FeedCursor) -> Handoff {
        Handoff { identity: self.identity.clone(), generation: self.generation.clone(), cursor }
    }

    /// Returns the permission to serve entries to a read that begins now, if there is one.
    pub(super) fn read_permission(&self, consistency: Consistency) -> Option<ReadPermission> {
        // Taken before the lookup: later invalidations say nothing about the entry read.
        let repaired = self.lease.position();
        let until = self.lease.expires_at().filter(|until| Instant::now() < *until)?;
        match consistency {
            Consistency::Full => None,
            Consistency::Bounded => Some(ReadPermission { until, min_position: None }),
            Consistency::AtLeast(min_position) => {
                Some(ReadPermission { until, min_position: (repaired < min_position).then_some(min_position) })
            }
        }
    }

    /// Waits until the reconciler has invalidated everything up to `position`, or the session ends.
    pub(super) async fn repaired(&self, position: Position) {
        tokio::select! {
            () = self.lease.wait_for(position) => {}
            () = self.ended() => {}
        }
    }

    /// Waits until the session ends.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Ends the session and its connections, so that pending requests fail at once.
    pub(super) fn end(&self) {
        self.ended.cancel();
        self.reads.end();
        self.writes.end();
    }

    /// Looks up entries in one round trip. None if Redis does not answer.
    pub(super) async fn get(&self, ids: &[ArticleId]) -> Option<Vec<CacheEntry>> {
        if let [id] = ids {
            let answer = self.track_failures(self.reads.get(&self.key(id))).await?;
            return Some(vec![self.decode_value(id, answer)]);
        }
        let answers = self.track_failures(self.reads.get_all(ids.iter().map(|id| self.key(id)))).await?;
        Some(ids.iter().zip(answers).map(|(id, answer)| self.decode_value(id, answer)).collect())
    }

    /// Claims fill leases in one round trip. Foreign entries are removed first, which is always safe.
    pub(super) async fn claim(&self, ids: &[(ArticleId, bool)]) -> Vec<FillLease> {
        let foreign: Vec<&ArticleId> = ids.iter().filter(|(_, foreign)| *foreign).map(|(id, _)| id).collect();
        if !foreign.is_empty() && !self.remove(&foreign).await {
            return ids.iter().map(|_| FillLease::Unavailable).collect();
        }
        let mut tokens = Vec::with_capacity(ids.len());
        let mut calls = Vec::with_capacity(ids.len());
        for (id, _) in ids {
            let token = Uuid::now_v7().simple().to_string();
            let args = vec![token.clone().into_bytes(), millis(LEASE), millis(self.lifetime)];
            calls.push(Call { script: ScriptCall::GetLease, key: self.key(id), args });
            tokens.push(token);
        }
        let Some(answers) = self.track_failures(self.reads.run(&calls)).await else {
            return ids.iter().map(|_| FillLease::Unavailable).collect();
        };
        let claims = ids.iter().zip(tokens).zip(answers).map(|(((id, _), token), answer)| match answer {
            Value::BulkString(bytes) if bytes == b"l" => FillLease::Granted(token),
            Value::BulkString(bytes) if bytes == b"w" => FillLease::HeldByOther,
            Value::BulkString(bytes) => FillLease::NotNeeded(decode(id, self.feed, bytes.into())),
            _ => FillLease::Unavailable,
        });
        claims.collect()
    }

    /// Enqueues fills, so that the caller does not wait for them, and starts the task that drains them if none runs.
    pub(super) fn enqueue(self: &Arc<Self>, fills: Vec<Fill>) {
        if self.fill_queue.add(fills) {
            let session = Arc::clone(self);
            tokio::spawn(async move {
                while let batch @ [_, ..] = &*session.fill_queue.next() {
                    session.fill(batch).await;
                }
            });
        }
    }

    /// Fills claimed entries with the records read from the store.
    async fn fill(&self, claimed: &[Fill]) {
        let mut calls = Vec::with_capacity(claimed.len());
        for (id, token, record) in claimed {
            let lifetime = match record {
                Some(_) => entry_lifetime(self.lifetime),
                None => self.negative_ttl,
            };
            if lifetime.as_millis() > 0 {
                let args = vec![
                    token.clone().into_bytes(),
                    encode(id, record.as_deref(), ExpiresAt::after(lifetime)),
                    millis(lifetime),
                ];
                calls.push(Call { script: ScriptCall::Fill, key: self.key(id), args });
            }
        }
        for calls in calls.chunks(MAX_SCRIPTS) {
            let Some(answers) = self.track_failures(self.reads.run(calls)).await else { return };
            for answer in &answers {
                match answer {
                    Value::Int(1) => self.metrics.fills.inc(),
                    Value::Int(_) => self.metrics.rejected.inc(),
                    _ => self.metrics.errors.inc(),
                };
            }
        }
    }

    /// Refreshes entries near their expiry from the store.
    pub(super) async fn refresh(&self, store: &dyn Store, ids: &[ArticleId]) {
        let Ok(_permit) = self.refreshing.try_acquire() else { return };
        // The store logs its own failures.
        let Ok(fetched) = store.get(ids, Consistency::Bounded).await else { return };
        let calls: Vec<Call> = ids
            .iter()
            .zip(&fetched)
            .filter_map(|(id, fetched)| {
                let lifetime = entry_lifetime(self.lifetime);
                let entry = encode(id, Some(fetched.record.as_deref()?), ExpiresAt::after(lifetime));
                Some(Call { script: ScriptCall::Refresh, key: self.key(id), args: vec![entry, millis(lifetime)] })
            })
            .collect();
        for calls in calls.chunks(MAX_SCRIPTS) {
            let Some(answers) = self.track_failures(self.reads.run(calls)).await else { return };
            let refreshed = answers.iter().filter(|answer| **answer == Value::Int(1)).count();
            self.metrics.refreshes.inc_by(refreshed as u64);
        }
    }

    /// Invalidates the changed entries that belong to this server. True if all were accepted.
    pub(super) async fn invalidate(&self, changed: &BTreeMap<ArticleId, Position>) -> bool {
        let is_local = |id: &ArticleId| self.mode == Mode::Standalone || self.owns_slot(slot(id.as_str()));
        let changed: Vec<(&ArticleId, &Position)> = changed.iter().filter(|(id, _)| is_local(id)).collect();
        let calls: Vec<Call> = changed
            .iter()
            .map(|(id, position)| Call {
                script: ScriptCall::Invalidate,
                key: self.key(id),
                args: vec![digits(**position).into_bytes(), millis(self.lifetime)],
            })
            .collect();
        let ids: Vec<&ArticleId> = changed.iter().map(|(id, _)| *id).collect();
        for (calls, ids) in calls.chunks(MAX_SCRIPTS).zip(ids.chunks(MAX_SCRIPTS)) {
            let Some(answers) = self.track_failures(self.writes.run(calls)).await else { return false };
            let rejected: Vec<&ArticleId> = ids
                .iter()
                .zip(&answers)
                .filter(|(_, answer)| !matches!(answer, Value::Int(_)))
                .map(|(id, _)| *id)
                .collect();
            // Redis is full, or the entry is foreign. Removal is always safe and needs no memory.
            if !rejected.is_empty() && !self.remove(&rejected).await {
                return false;
            }
        }
        true
    }

    /// Records that everything up to `cursor` has been invalidated, if server and generation are still the same.
    /// Otherwise the session ends.
    pub(super) async fn mark(&self, cursor: FeedCursor) -> bool {
        let call = generation::record(&self.mark_key, &self.generation, cursor);
        // Identity is checked after the mark: it shows an earlier change of role, and the next pass detects a later
        // one.
        let identify = |pipeline: &mut Pipeline| ServerIdentity::query(self.mode, pipeline);
        let Some(answers) = self.track_failures(self.writes.run_then(&call, identify)).await else { return false };
        match answers.split_first() {
            // Redis has no memory for the mark: then it accepts no fills either.
            Some((mark, _)) if code(mark).is_some() => {
                self.metrics.errors.inc();
                false
            }
            Some((Value::Int(1), rest)) if ServerIdentity::parse(self.mode, rest).as_ref() == Ok(&self.identity) => {
                true
            }
            _ => {
                tracing::info!(redis = %self.address, "Redis session restarted: server flushed, replaced or resharded");
                self.end();
                false
            }
        }
    }

    /// Ends the generation of entries, for every replica.
    pub(super) async fn close(&self) {
        // A failure is harmless: the mark is beyond the feed's head or trimmed, and the next session detects that.
        let _ = self.writes.run(&[generation::close(&self.mark_key, &self.generation)]).await;
        self.end();
    }

    /// Sends a pipeline in one round trip. None if the server does not answer.
    pub(super) async fn send(&self, pipeline: &Pipeline) -> Option<Vec<Value>> {
        self.track_failures(self.writes.send(pipeline)).await
    }

    /// Removes entries, which is always safe. False if Redis does not confirm it.
    pub(super) async fn remove(&self, ids: &[&ArticleId]) -> bool {
        let mut pipeline = Pipeline::with_capacity(ids.len());
        for id in ids {
            pipeline.cmd("DEL").arg(self.key(id));
        }
        let answers = self.send(&pipeline).await;
        answers.is_some_and(|answers| answers.iter().all(|answer| matches!(answer, Value::Int(_))))
    }

    fn decode_value(&self, id: &ArticleId, answer: Value) -> CacheEntry {
        match answer {
            Value::Nil => CacheEntry::Absent,
            Value::BulkString(bytes) => decode(id, self.feed, bytes.into()),
            // A key of another Redis type.
            _ => CacheEntry::Foreign,
        }
    }

    fn key(&self, id: &ArticleId) -> String {
        let mut key = String::with_capacity(self.prefix.len() + id.as_str().len() + 1);
        key.push_str(&self.prefix);
        key.push_str(id.as_str());
        key.push('}');
        key
    }

    /// Counts failures. Ends the session after repeated timeouts, or at once if the server is unusable.
    async fn track_failures<T>(&self, answer: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let error = match answer.await {
            Ok(answer) => {
                self.failures.store(0, Ordering::Relaxed);
                return Some(answer);
            }
            // Another call has ended the session, and with it the connection.
            Err(_) if self.has_ended() => return None,
            Err(error) => error,
        };
        self.metrics.errors.inc();
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if (error != RedisError::TimedOut || failures >= FAILURES) && !self.has_ended() {
            tracing::warn!(redis = %self.address, %error, failures, "Redis disabled; reads fall back to the store");
            self.end();
        }
        None
    }
}
