//! One spell of using Redis: from when it is known whom we speak to, until that is in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::backlog::{Backlog, Fill};
use super::entry::{Ends, Seen, decode, digits, encode, random};
use super::identity::{Identity, Mode};
use super::mark;
use super::options::{Address, RedisOptions};
use super::slots::slot;
use super::stats::Counters;
use super::wire::{Call, Step, Trouble, Wire, code};
use crate::article::{ArticleId, Position, Record};
use crate::cache::lease::Lease;
use crate::store::{Consistency, Place, Store};

/// How many failures in a row end a session.
const FAILURES: u32 = 3;
/// How many steps go in one round trip: each takes Redis some microseconds, and other callers wait.
const STEPS: usize = 200;
/// How long only one may fill an entry.
const LEASE: Duration = Duration::from_secs(1);

/// What is known about whether entries may be served.
#[derive(Clone, Copy)]
pub(super) struct Trust {
    until: Instant,
    /// An entry must itself be as new as this: what was repaired does not reach so far.
    floor: Option<Position>,
}

impl Trust {
    /// Whether it may be served now.
    pub(super) fn allows(&self, record: Option<&Record>) -> bool {
        let new_enough = match self.floor {
            None => true,
            Some(floor) => record.is_some_and(|record| record.token.position >= floor),
        };
        new_enough && self.ends_later()
    }

    pub(super) fn ends_later(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Who may fill an entry.
pub(super) enum Claim {
    /// We, with this token.
    Ours(String),
    /// Somebody else.
    Theirs,
    /// There is an entry after all.
    Seen(Seen),
    /// Redis did not say.
    None,
}

pub(super) struct Session {
    /// For what readers do: look, claim, fill. It is full of articles.
    reads: Wire,
    /// For what changes do: invalidate, and say how far. Nothing large is in its way.
    writes: Wire,
    /// Where it is, to be told.
    pub(super) address: Address,
    feed: Uuid,
    mode: Mode,
    pub(super) identity: Identity,
    mark_key: String,
    generation: String,
    /// Of the keys of its entries, which end with the article's ID in braces.
    prefix: String,
    lifetime: Duration,
    negative_ttl: Duration,
    /// One at a time: who finds another at it leaves it to the readers to come.
    refreshing: Semaphore,
    pub(super) lease: Lease,
    pub(super) backlog: Backlog,
    /// How far it had been repaired when the session began.
    pub(super) marked: Place,
    failures: AtomicU32,
    ended: CancellationToken,
    counters: Arc<Counters>,
}

/// What a session leaves to the next one with the same node of a Cluster: a generation, and how far it is known to be repaired.
/// If the node has only given slots away since, that holds for those that it has kept, and their entries need not be given up.
pub(super) struct Legacy {
    identity: Identity,
    generation: String,
    place: Place,
}

impl Session {
    /// Connects, finds out to whom, and finds or begins the generation of entries. `end` is the feed's end.
    pub(super) async fn open(
        options: &RedisOptions,
        address: Address,
        feed: Uuid,
        end: Place,
        legacy: Option<&Legacy>,
        counters: Arc<Counters>,
    ) -> Result<Self, Trouble> {
        let mode = options.mode();
        let open = || Wire::open(&address, &options.login, options.tls.as_ref());
        let (reads, writes) = tokio::try_join!(open(), open())?;
        let identity = Identity::of(&writes, mode).await?;
        if !Identity::of(&reads, mode).await?.is_server_of(&identity) {
            return Err(Trouble::Refused("two connections led to two servers".into()));
        }
        let mark_key = format!("copydesk:1:{}:epoch:{}", feed.simple(), identity.mark()?);
        let proposed = match legacy.filter(|legacy| identity.is_less_than(&legacy.identity)) {
            Some(legacy) => (legacy.generation.clone(), legacy.place),
            // The end of a version 7 UUID is random.
            None => (Uuid::now_v7().simple().to_string().split_off(16), end),
        };
        let (generation, marked) = mark::open(&writes, &mark_key, proposed).await?;
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
            backlog: Backlog::default(),
            marked,
            failures: AtomicU32::new(0),
            ended: CancellationToken::new(),
            counters,
        })
    }

    /// Whether it has the entries of a slot.
    pub(super) fn holds(&self, slot: u16) -> bool {
        self.identity.share.as_ref().is_none_or(|share| share.slots.contains(slot))
    }

    /// What the next one may go on with, when this one has repaired everything up to `place`.
    pub(super) fn legacy(&self, place: Place) -> Legacy {
        Legacy { identity: self.identity.clone(), generation: self.generation.clone(), place }
    }

    /// Whether, and until when, entries may be served to a read that begins now.
    pub(super) fn trust(&self, consistency: Consistency) -> Option<Trust> {
        // Before the entry is asked for: what is repaired afterwards says nothing of it.
        let repaired = self.lease.position();
        let until = self.lease.until().filter(|until| Instant::now() < *until)?;
        match consistency {
            Consistency::Full => None,
            Consistency::Bounded => Some(Trust { until, floor: None }),
            Consistency::AtLeast(floor) => Some(Trust { until, floor: (repaired < floor).then_some(floor) }),
        }
    }

    /// Waits until the keeper has repaired everything up to `position`, but no longer than the session lasts.
    pub(super) async fn repaired(&self, position: Position) {
        tokio::select! {
            () = self.lease.reached(position) => {}
            () = self.ended() => {}
        }
    }

    /// Ends when somebody has found that it must.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    /// Nobody asks any more; and who has asked waits no longer, since the connections end too.
    pub(super) fn end(&self) {
        self.ended.cancel();
        self.reads.end();
        self.writes.end();
    }

    /// Looks at entries, in one round trip. None when Redis does not answer.
    pub(super) async fn look(&self, ids: &[ArticleId]) -> Option<Vec<Seen>> {
        if let [id] = ids {
            let answer = self.noted(self.reads.get(&self.key(id))).await?;
            return Some(vec![self.seen(id, answer)]);
        }
        let answers = self.noted(self.reads.get_all(ids.iter().map(|id| self.key(id)))).await?;
        Some(ids.iter().zip(answers).map(|(id, answer)| self.seen(id, answer)).collect())
    }

    /// Asks to fill entries, in one round trip. What is foreign is removed first, which is always safe.
    pub(super) async fn claim(&self, ids: &[(ArticleId, bool)]) -> Vec<Claim> {
        let foreign: Vec<&ArticleId> = ids.iter().filter(|(_, foreign)| *foreign).map(|(id, _)| id).collect();
        if !foreign.is_empty() && !self.remove(&foreign).await {
            return ids.iter().map(|_| Claim::None).collect();
        }
        let mut tokens = Vec::with_capacity(ids.len());
        let mut calls = Vec::with_capacity(ids.len());
        for (id, _) in ids {
            let token = Uuid::now_v7().simple().to_string();
            let args = vec![token.clone().into_bytes(), millis(LEASE), millis(self.lifetime)];
            calls.push(Call { step: Step::GetLease, key: self.key(id), args });
            tokens.push(token);
        }
        let Some(answers) = self.noted(self.reads.run(&calls)).await else {
            return ids.iter().map(|_| Claim::None).collect();
        };
        let claims = ids.iter().zip(tokens).zip(answers).map(|(((id, _), token), answer)| match answer {
            Value::BulkString(bytes) if bytes == b"l" => Claim::Ours(token),
            Value::BulkString(bytes) if bytes == b"w" => Claim::Theirs,
            Value::BulkString(bytes) => Claim::Seen(decode(id, self.feed, bytes.into())),
            _ => Claim::None,
        });
        claims.collect()
    }

    /// Fills what was claimed with what the store has answered since.
    pub(super) async fn fill(&self, claimed: Vec<Fill>) {
        let mut calls = Vec::with_capacity(claimed.len());
        for (id, token, record) in &claimed {
            let lifetime = match record {
                Some(_) => jittered(self.lifetime),
                None => self.negative_ttl,
            };
            if lifetime.as_millis() > 0 {
                let args = vec![
                    token.clone().into_bytes(),
                    encode(id, record.as_deref(), Ends::after(lifetime)),
                    millis(lifetime),
                ];
                calls.push(Call { step: Step::Fill, key: self.key(id), args });
            }
        }
        for calls in calls.chunks(STEPS) {
            let Some(answers) = self.noted(self.reads.run(calls)).await else { return };
            for answer in &answers {
                match answer {
                    Value::Int(1) => Counters::add(&self.counters.fills),
                    Value::Int(_) => Counters::add(&self.counters.rejected),
                    _ => Counters::add(&self.counters.errors),
                }
            }
        }
    }

    /// Gives entries that are near their end another life, with what the store has of them now.
    pub(super) async fn refresh(&self, store: &dyn Store, ids: &[ArticleId]) {
        let Ok(_alone) = self.refreshing.try_acquire() else { return };
        // Who reads the store otherwise says what is wrong with it.
        let Ok(fetched) = store.get(ids, Consistency::Bounded).await else { return };
        let calls: Vec<Call> = ids
            .iter()
            .zip(&fetched)
            .filter_map(|(id, fetched)| {
                let lifetime = jittered(self.lifetime);
                let entry = encode(id, Some(fetched.record.as_deref()?), Ends::after(lifetime));
                Some(Call { step: Step::Refresh, key: self.key(id), args: vec![entry, millis(lifetime)] })
            })
            .collect();
        for calls in calls.chunks(STEPS) {
            let Some(answers) = self.noted(self.reads.run(calls)).await else { return };
            let taken = answers.iter().filter(|answer| **answer == Value::Int(1)).count();
            self.counters.refreshes.fetch_add(taken as u64, Ordering::Relaxed);
        }
    }

    /// Tells those entries of changes that are here. True when all of them know.
    pub(super) async fn invalidate(&self, changed: &BTreeMap<ArticleId, Position>) -> bool {
        let here = |id: &ArticleId| self.mode == Mode::Alone || self.holds(slot(id.as_str()));
        let changed: Vec<(&ArticleId, &Position)> = changed.iter().filter(|(id, _)| here(id)).collect();
        let calls: Vec<Call> = changed
            .iter()
            .map(|(id, position)| Call {
                step: Step::Invalidate,
                key: self.key(id),
                args: vec![digits(**position).into_bytes(), millis(self.lifetime)],
            })
            .collect();
        let ids: Vec<&ArticleId> = changed.iter().map(|(id, _)| *id).collect();
        for (calls, ids) in calls.chunks(STEPS).zip(ids.chunks(STEPS)) {
            let Some(answers) = self.noted(self.writes.run(calls)).await else { return false };
            let refused: Vec<&ArticleId> = ids
                .iter()
                .zip(&answers)
                .filter(|(_, answer)| !matches!(answer, Value::Int(_)))
                .map(|(id, _)| *id)
                .collect();
            // Redis is full, or something foreign is there: an entry may always be removed, and that takes no room.
            if !refused.is_empty() && !self.remove(&refused).await {
                return false;
            }
        }
        true
    }

    /// Records that everything up to `place` has been repaired, if this still is the Redis and the generation that was
    /// repaired. Otherwise the session ends.
    pub(super) async fn mark(&self, place: Place) -> bool {
        let call = mark::record(&self.mark_key, &self.generation, place);
        // Who it is, is asked after the mark: a change of role before it shows, and one after it is for the next pass.
        let ask = |pipeline: &mut Pipeline| Identity::ask(self.mode, pipeline);
        let Some(answers) = self.noted(self.writes.run_then(&call, ask)).await else { return false };
        match answers.split_first() {
            // No room even for that: then nothing can be filled either.
            Some((mark, _)) if code(mark).is_some() => {
                Counters::add(&self.counters.errors);
                false
            }
            Some((Value::Int(1), told)) if Identity::told(self.mode, told).as_ref() == Ok(&self.identity) => true,
            _ => {
                tracing::info!(redis = %self.address, "Redis has been flushed, is another, or has other slots; it is looked at anew");
                self.end();
                false
            }
        }
    }

    /// Ends the generation of entries, for every replica.
    pub(super) async fn close(&self) {
        // If this fails, nothing is lost: where the feed does not go on, the mark is beyond its head or is trimmed.
        let _ = self.writes.run(&[mark::close(&self.mark_key, &self.generation)]).await;
        self.end();
    }

    /// Asks the server something, in one round trip. None when it does not answer.
    pub(super) async fn ask(&self, pipeline: &Pipeline) -> Option<Vec<Value>> {
        self.noted(self.writes.ask(pipeline)).await
    }

    /// Removes entries, which is always safe. False when Redis does not say that it has.
    pub(super) async fn remove(&self, ids: &[&ArticleId]) -> bool {
        let mut pipeline = Pipeline::with_capacity(ids.len());
        for id in ids {
            pipeline.cmd("DEL").arg(self.key(id));
        }
        let answers = self.ask(&pipeline).await;
        answers.is_some_and(|answers| answers.iter().all(|answer| matches!(answer, Value::Int(_))))
    }

    fn seen(&self, id: &ArticleId, answer: Value) -> Seen {
        match answer {
            Value::Nil => Seen::Nothing,
            Value::BulkString(bytes) => decode(id, self.feed, bytes.into()),
            // Of another type.
            _ => Seen::Foreign,
        }
    }

    fn key(&self, id: &ArticleId) -> String {
        let mut key = String::with_capacity(self.prefix.len() + id.as_str().len() + 1);
        key.push_str(&self.prefix);
        key.push_str(id.as_str());
        key.push('}');
        key
    }

    /// Counts, and ends the session when Redis fails again and again, or says that it is not the one to ask.
    async fn noted<T>(&self, answer: impl Future<Output = Result<T, Trouble>>) -> Option<T> {
        let trouble = match answer.await {
            Ok(answer) => {
                self.failures.store(0, Ordering::Relaxed);
                return Some(answer);
            }
            // Another call has found it, and ended the connection under this one.
            Err(_) if self.has_ended() => return None,
            Err(trouble) => trouble,
        };
        Counters::add(&self.counters.errors);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if (trouble != Trouble::Late || failures >= FAILURES) && !self.has_ended() {
            tracing::warn!(redis = %self.address, %trouble, "Redis is not used any more until it has been repaired; reads go to the store");
            self.end();
        }
        None
    }
}

pub(super) fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into_bytes()
}

/// Up to a tenth more or less, so that what came together does not go together.
pub(super) fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.9 + 0.2 * random())
}
