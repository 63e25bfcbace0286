//! Read through Redis: look up entries, claim the missing ones, read the store, fill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::router::Route;
use super::protocol::entry::CacheEntry;
use super::session::read_permission::ReadPermission;
use super::session::{FillLease, Session};
use super::{RedisCache, RedisContext};
use crate::article::ArticleId;
use crate::store::{Consistency, Fetched, Layer, StoreError};

/// Wait for another reader to fill an entry.
const WAIT: Duration = Duration::from_millis(20);
/// Minimum interval between log lines about foreign entries.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl RedisCache {
    pub(super) async fn read(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        match self.context.router.route(ids) {
            Route::Whole(session) => self.read_from(session, ids, consistency).await,
            Route::Split(shares) => self.read_split(shares, ids.len(), consistency).await,
        }
    }

    /// Reads through one server.
    pub(super) async fn read_from(
        &self,
        session: Option<Arc<Session>>,
        ids: &[ArticleId],
        consistency: Consistency,
    ) -> Result<Vec<Fetched>, StoreError> {
        let context = &self.context;
        let usable = session.as_ref().and_then(|session| Some((session, session.read_permission(consistency)?)));
        let Some((session, permission)) = usable else {
            context.metrics.distrusted.inc_by(ids.len() as u64);
            return context.store.get(ids, consistency).await;
        };
        let mut answers: Vec<Option<Fetched>> = vec![None; ids.len()];
        let mut lookup = Lookup::default();
        // A single article that is probably missing is claimed at once: the claim returns the entry if there is one.
        if ids.len() == 1 && context.miss_rate.expects_miss() {
            lookup.absent.push((0, false));
        } else {
            let Some(entry) = session.get(ids).await else { return context.store.get(ids, consistency).await };
            for (at, entry) in entry.into_iter().enumerate() {
                lookup.record(context, at, entry, &permission, &mut answers);
            }
        }
        let claimed = self.claim(session, consistency, ids, &mut lookup, &mut answers).await;
        context.count(&answers, &lookup);
        if !lookup.expiring.is_empty() {
            let (context, session) = (Arc::clone(context), Arc::clone(session));
            let expiring: Vec<ArticleId> = lookup.expiring.iter().map(|at| ids[*at].clone()).collect();
            tokio::spawn(async move { session.refresh(context.store.as_ref(), &expiring).await });
        }
        let open: Vec<usize> = (0..ids.len()).filter(|at| answers[*at].is_none()).collect();
        if !open.is_empty() {
            let missing: Vec<ArticleId> = open.iter().map(|at| ids[*at].clone()).collect();
            for (at, fetched) in open.into_iter().zip(context.store.get(&missing, consistency).await?) {
                answers[at] = Some(fetched);
            }
            fill(session, ids, claimed, &answers);
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(Fetched::missing)).collect())
    }

    /// Claims the fill leases of absent entries. Returns the granted ones with their tokens.
    async fn claim(
        &self,
        session: &Arc<Session>,
        consistency: Consistency,
        ids: &[ArticleId],
        lookup: &mut Lookup,
        answers: &mut [Option<Fetched>],
    ) -> Vec<(usize, String)> {
        if lookup.absent.is_empty() {
            return Vec::new();
        }
        let Some(permission) = session.read_permission(consistency) else { return Vec::new() };
        let wanted: Vec<_> = lookup.absent.iter().map(|(at, foreign)| (ids[*at].clone(), *foreign)).collect();
        let (mut granted, mut foreign) = (Vec::new(), Vec::new());
        for ((at, _), claim) in std::mem::take(&mut lookup.absent).into_iter().zip(session.claim(&wanted).await) {
            match claim {
                FillLease::Granted(token) => {
                    lookup.absent.push((at, false));
                    granted.push((at, token));
                }
                FillLease::NotNeeded(entry) => {
                    // Removed, so that the next reader can claim it.
                    if matches!(entry, CacheEntry::Foreign) {
                        foreign.push(&ids[at]);
                    }
                    lookup.record(&self.context, at, entry, &permission, answers);
                }
                FillLease::HeldByOther => {
                    lookup.absent.push((at, false));
                    // A batch reads the rest from the store anyway.
                    if ids.len() == 1 {
                        answers[at] = retry_lookup(session, consistency, &ids[at]).await;
                    }
                }
                FillLease::Unavailable => lookup.absent.push((at, false)),
            }
        }
        if !foreign.is_empty() {
            session.remove(&foreign).await;
        }
        granted
    }
}

/// Lookup results of a read.
#[derive(Default)]
struct Lookup {
    /// Cache misses, with true if a foreign entry is in their place.
    absent: Vec<(usize, bool)>,
    /// Hits to refresh early.
    expiring: Vec<usize>,
}

impl Lookup {
    fn record(
        &mut self,
        context: &RedisContext,
        at: usize,
        entry: CacheEntry,
        permission: &ReadPermission,
        answers: &mut [Option<Fetched>],
    ) {
        match entry {
            CacheEntry::Found(record, expires_at) if permission.allows(record.as_deref()) => {
                if expires_at.should_refresh() {
                    self.expiring.push(at);
                }
                answers[at] = Some(Fetched { record, from: Layer::Redis });
            }
            // The entry is not provably fresh enough: there is nothing to fill.
            CacheEntry::Found(..) => {}
            CacheEntry::Absent => self.absent.push((at, false)),
            CacheEntry::Foreign => {
                context.count_foreign();
                self.absent.push((at, true));
            }
        }
    }
}

/// Looks up an entry again after the other reader has probably filled it.
async fn retry_lookup(session: &Session, consistency: Consistency, id: &ArticleId) -> Option<Fetched> {
    tokio::time::sleep(WAIT).await;
    let permission = session.read_permission(consistency)?;
    match session.get(std::slice::from_ref(id)).await?.pop()? {
        CacheEntry::Found(record, _) if permission.allows(record.as_deref()) => {
            Some(Fetched { record, from: Layer::Redis })
        }
        _ => None,
    }
}

/// Enqueues fills, so that the caller does not wait for them.
fn fill(session: &Arc<Session>, ids: &[ArticleId], claimed: Vec<(usize, String)>, answers: &[Option<Fetched>]) {
    let fills: Vec<_> = claimed
        .into_iter()
        .filter_map(|(at, token)| Some((ids[at].clone(), token, answers[at].as_ref()?.record.clone())))
        .collect();
    if !fills.is_empty() {
        session.enqueue(fills);
    }
}

impl RedisContext {
    fn count(&self, answers: &[Option<Fetched>], lookup: &Lookup) {
        let hits = answers.iter().flatten().count();
        let misses = lookup.absent.iter().filter(|(at, _)| answers[*at].is_none()).count();
        self.metrics.hits.inc_by(hits as u64);
        self.metrics.misses.inc_by(misses as u64);
        if answers.len() == 1 {
            self.miss_rate.record(misses == 1);
        }
    }

    fn count_foreign(&self) {
        self.metrics.foreign.inc();
        let mut logged = self.foreign_logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!("Redis entry ignored: not written by this version; article read from the store");
        }
    }
}
