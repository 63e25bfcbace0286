//! One spell of using Redis: from when it is known whom we speak to, until that is in doubt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::RedisOptions;
use super::backlog::{Backlog, Fill};
use super::entry::{Seen, decode, digits, encode, position};
use super::identity::Identity;
use super::stats::Counters;
use super::wire::{Call, Step, Trouble, Wire, code, text};
use crate::article::{ArticleId, Position, Record};
use crate::cache::lease::Lease;
use crate::store::{Consistency, Place};

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
    /// For what readers do: look, claim, fill. It is full of articles.
    reads: Wire,
    /// For what changes do: invalidate, and say how far. Nothing large is in its way.
    writes: Wire,
    feed: Uuid,
    identity: Identity,
    mark_key: String,
    generation: String,
    /// Of the keys of its entries, which end with the article's ID in braces.
    prefix: String,
    negative_ttl: Duration,
    pub(super) lease: Lease,
    pub(super) backlog: Backlog,
    /// How far it had been repaired when the session began.
    pub(super) marked: Place,
    failures: AtomicU32,
    ended: CancellationToken,
    counters: Arc<Counters>,
}

impl Session {
    /// Connects, finds out to whom, and finds or begins the generation of entries. `end` is the feed's end.
    pub(super) async fn open(
        options: &RedisOptions,
        feed: Uuid,
        end: Place,
        counters: Arc<Counters>,
    ) -> Result<Self, Trouble> {
        let to = options.server().await?;
        let open = || Wire::open(&to, &options.login, options.tls.as_ref());
        let (reads, writes) = tokio::try_join!(open(), open())?;
        let identity = Identity::of(&writes).await?;
        if Identity::of(&reads).await? != identity {
            return Err(Trouble::Refused("two connections led to two servers".into()));
        }
        let mark_key = format!("copydesk:1:{}:epoch:{}:{}", feed.simple(), identity.run, identity.history);
        let (generation, marked) = generation(&writes, &mark_key, end).await?;
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
            lease: Lease::new(options.staleness_bound, marked.position),
            backlog: Backlog::default(),
            marked,
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
        let mut pipeline = Pipeline::with_capacity(ids.len());
        for id in ids {
            pipeline.cmd("GET").arg(self.key(id));
        }
        let answers = self.noted(self.reads.ask(&pipeline)).await?;
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
                Some(_) => jittered(LIFETIME),
                None => self.negative_ttl,
            };
            if lifetime.as_millis() > 0 {
                let args = vec![token.clone().into_bytes(), encode(id, record.as_deref()), millis(lifetime)];
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
        let args = vec![self.generation.clone().into_bytes(), written(place).into_bytes(), millis(GENERATION)];
        let call = Call { step: Step::Mark, key: self.mark_key.clone(), args };
        // Who it is, is asked after the mark: a change of role before it shows, and one after it is for the next pass.
        let Some(answers) = self.noted(self.writes.run_then(&call, Identity::ask)).await else { return false };
        match answers.split_first() {
            // No room even for that: then nothing can be filled either.
            Some((mark, _)) if code(mark).is_some() => {
                Counters::add(&self.counters.errors);
                false
            }
            Some((Value::Int(1), told)) if Identity::told(told).as_ref() == Ok(&self.identity) => true,
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
        let answers = self.noted(self.writes.ask(&pipeline)).await;
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
            tracing::warn!(%trouble, "Redis is not used any more until it has been repaired; reads go to the store");
            self.end();
        }
        None
    }
}

async fn generation(wire: &Wire, key: &str, end: Place) -> Result<(String, Place), Trouble> {
    // The end of a version 7 UUID is random.
    let ours = Uuid::now_v7().simple().to_string().split_off(16);
    let args = vec![ours.into_bytes(), written(end).into_bytes(), millis(GENERATION)];
    let answers = wire.run(&[Call { step: Step::Open, key: key.to_owned(), args }]).await?;
    let mark = answers.first().and_then(text);
    let parsed = mark
        .as_deref()
        .and_then(|mark| mark.split_once(':'))
        .and_then(|(generation, at)| Some((generation.to_owned(), place(at)?)));
    parsed.ok_or_else(|| Trouble::Refused("it does not keep the generation".into()))
}

/// A place as it stands in a mark: whichever is later in the feed is the greater text.
fn written(place: Place) -> String {
    format!("{}:{:016}", digits(place.position), place.time.map_or(0, Timestamp::as_microsecond))
}

fn place(written: &str) -> Option<Place> {
    let (at, time) = written.split_once(':')?;
    let time = time.parse().ok().filter(|micros| *micros != 0).map(Timestamp::from_microsecond);
    Some(Place { position: position(at)?, time: time.transpose().ok()? })
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
