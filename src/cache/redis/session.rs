//! One spell of using Redis: from when it is known whom we speak to, until that is in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::RedisOptions;
use super::entry::{Seen, decode, digits, encode, position};
use super::stats::Counters;
use super::wire::{Call, Step, Trouble, Wire, code, text};
use crate::article::{ArticleId, Position, Record};
use crate::cache::lease::Lease;
use crate::store::Consistency;

/// How many failures in a row end a session.
const FAILURES: u32 = 3;
/// How many steps go in one round trip: each takes Redis some microseconds, and other callers wait.
const STEPS: usize = 200;
/// How long an entry lives, give or take a tenth.
const LIFETIME: Duration = Duration::from_secs(3_600);
/// How long only one may fill an entry.
const LEASE: Duration = Duration::from_secs(1);
/// How long a generation outlives the last replica that used it.
const GENERATION: Duration = Duration::from_secs(24 * 3_600);

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
    reads: Wire,
    writes: Wire,
    feed: Uuid,
    identity: Identity,
    mark_key: String,
    generation: String,
    /// Of the keys of its entries, which end with the article's ID in braces.
    prefix: String,
    negative_ttl: Duration,
    pub(super) lease: Lease,
    failures: AtomicU32,
    ended: CancellationToken,
    counters: Arc<Counters>,
}

/// Which Redis, and which history of its data: it begins another with every start and every change of role.
#[derive(Clone, PartialEq, Eq)]
struct Identity {
    run: String,
    history: String,
}

impl Session {
    /// Connects, finds out to whom, and finds or begins the generation of entries. `head` is the feed's newest position.
    pub(super) async fn open(
        options: &RedisOptions,
        feed: Uuid,
        head: Position,
        counters: Arc<Counters>,
    ) -> Result<Self, Trouble> {
        let to = options.connection();
        let (reads, writes) = tokio::try_join!(Wire::open(&to), Wire::open(&to))?;
        let identity = identify(&writes).await?;
        if identify(&reads).await? != identity {
            return Err(Trouble::Refused("two connections led to two servers".into()));
        }
        let mark_key = format!("copydesk:1:{}:epoch:{}:{}", feed.simple(), identity.run, identity.history);
        let (generation, marked) = generation(&writes, &mark_key, head).await?;
        let prefix = format!("copydesk:1:{}:{generation}:{{", feed.simple());
        Ok(Self {
            reads,
            writes,
            feed,
            identity,
            mark_key,
            generation,
            prefix,
            negative_ttl: options.negative_ttl,
            lease: Lease::new(options.staleness_bound, marked),
            failures: AtomicU32::new(0),
            ended: CancellationToken::new(),
            counters,
        })
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

    /// Ends when somebody has found that it must.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    pub(super) fn end(&self) {
        self.ended.cancel();
    }

    /// Looks at entries, in one round trip. None when Redis does not answer.
    pub(super) async fn look(&self, ids: &[ArticleId]) -> Option<Vec<Seen>> {
        if let [id] = ids {
            let answer = self.noted(self.reads.get(&self.key(id)).await)?;
            return Some(vec![self.seen(id, answer)]);
        }
        let mut pipeline = Pipeline::with_capacity(ids.len());
        for id in ids {
            pipeline.cmd("GET").arg(self.key(id));
        }
        let answers = self.noted(self.reads.ask(&pipeline).await)?;
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
            let args = vec![token.clone().into_bytes(), millis(LEASE), millis(LIFETIME)];
            calls.push(Call { step: Step::GetLease, key: self.key(id), args });
            tokens.push(token);
        }
        let Some(answers) = self.noted(self.writes.run(&calls).await) else {
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
    pub(super) async fn fill(&self, claimed: Vec<(ArticleId, String, Option<Arc<Record>>)>) {
        let mut calls = Vec::with_capacity(claimed.len());
        for (id, token, record) in &claimed {
            let lifetime = match record {
                Some(_) => jittered(LIFETIME),
                None => self.negative_ttl,
            };
            if lifetime.as_millis() > 0 {
                let args = vec![token.clone().into_bytes(), encode(id, record.as_deref()), millis(lifetime)];
                calls.push(Call { step: Step::Fill, key: self.key(id), args });
            }
        }
        for calls in calls.chunks(STEPS) {
            let Some(answers) = self.noted(self.writes.run(calls).await) else { return };
            for answer in &answers {
                match answer {
                    Value::Int(1) => Counters::add(&self.counters.fills),
                    Value::Int(_) => Counters::add(&self.counters.rejected),
                    _ => Counters::add(&self.counters.errors),
                }
            }
        }
    }

    /// Tells entries of changes. True when all of them know.
    pub(super) async fn invalidate(&self, changed: &BTreeMap<ArticleId, Position>) -> bool {
        let calls: Vec<Call> = changed
            .iter()
            .map(|(id, position)| Call {
                step: Step::Invalidate,
                key: self.key(id),
                args: vec![digits(*position).into_bytes(), millis(LIFETIME)],
            })
            .collect();
        let ids: Vec<&ArticleId> = changed.keys().collect();
        for (calls, ids) in calls.chunks(STEPS).zip(ids.chunks(STEPS)) {
            let Some(answers) = self.noted(self.writes.run(calls).await) else { return false };
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

    /// Records that everything up to `position` has been repaired, if this still is the Redis and the generation that was
    /// repaired. Otherwise the session ends.
    pub(super) async fn mark(&self, position: Position) -> bool {
        let Some(identity) = self.noted(identify(&self.writes).await) else { return false };
        let args = vec![self.generation.clone().into_bytes(), digits(position).into_bytes(), millis(GENERATION)];
        let call = Call { step: Step::Mark, key: self.mark_key.clone(), args };
        let Some(answers) = self.noted(self.writes.run(&[call]).await) else { return false };
        match answers.first() {
            Some(Value::Int(1)) if identity == self.identity => true,
            // No room even for that: then nothing can be filled either.
            Some(answer) if code(answer).is_some() => {
                Counters::add(&self.counters.errors);
                false
            }
            _ => {
                tracing::info!("Redis has been flushed, or is another; its entries begin anew");
                self.end();
                false
            }
        }
    }

    /// Ends the generation of entries, for every replica.
    pub(super) async fn close(&self) {
        // If this fails, nothing is lost: where the feed does not go on, the mark is beyond its head or is trimmed.
        let _ = close(&self.writes, &self.mark_key, &self.generation).await;
        self.end();
    }

    async fn remove(&self, ids: &[&ArticleId]) -> bool {
        let mut pipeline = Pipeline::with_capacity(ids.len());
        for id in ids {
            pipeline.cmd("DEL").arg(self.key(id));
        }
        let answers = self.noted(self.writes.ask(&pipeline).await);
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
    fn noted<T>(&self, answer: Result<T, Trouble>) -> Option<T> {
        let trouble = match answer {
            Ok(answer) => {
                self.failures.store(0, Ordering::Relaxed);
                return Some(answer);
            }
            Err(trouble) => trouble,
        };
        Counters::add(&self.counters.errors);
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if (trouble != Trouble::Late || failures >= FAILURES) && !self.has_ended() {
            tracing::warn!(%trouble, "Redis is not used any more until it has been repaired; reads go to the store");
            self.end();
        }
        None
    }
}

async fn identify(wire: &Wire) -> Result<Identity, Trouble> {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO").arg("server").cmd("INFO").arg("replication");
    let answers = wire.ask(&pipeline).await?;
    let told: String = answers.iter().filter_map(text).collect::<Vec<_>>().join("\n");
    let field = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    if field("redis_mode") != "standalone" {
        return Err(Trouble::Refused("it is not a server of its own, but of a Cluster or a Sentinel".into()));
    }
    if field("role") != "master" {
        return Err(Trouble::Refused("it is a replica".into()));
    }
    let identity = Identity { run: field("run_id"), history: field("master_replid") };
    if identity.run.is_empty() || identity.history.is_empty() {
        return Err(Trouble::Refused("INFO does not say who it is".into()));
    }
    Ok(identity)
}

async fn generation(wire: &Wire, key: &str, head: Position) -> Result<(String, Position), Trouble> {
    // The end of a version 7 UUID is random.
    let ours = Uuid::now_v7().simple().to_string().split_off(16);
    let args = vec![ours.into_bytes(), digits(head).into_bytes(), millis(GENERATION)];
    let answers = wire.run(&[Call { step: Step::Open, key: key.to_owned(), args }]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, at)| Some((generation.to_owned(), position(at)?)));
    parsed.ok_or_else(|| Trouble::Refused("it does not keep the generation".into()))
}

async fn close(wire: &Wire, key: &str, generation: &str) -> Result<(), Trouble> {
    let call = Call { step: Step::Close, key: key.to_owned(), args: vec![generation.as_bytes().to_vec()] };
    wire.run(&[call]).await.map(drop)
}

fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().to_string().into_bytes()
}

/// Up to a tenth more or less, so that what came together does not go together.
pub(super) fn jittered(duration: Duration) -> Duration {
    // The end of a version 7 UUID is random.
    let random = f64::from(Uuid::now_v7().as_u128() as u32) / f64::from(u32::MAX);
    duration.mul_f64(0.9 + 0.2 * random)
}
