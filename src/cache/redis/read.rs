//! Read through Redis: look up entries, claim the missing ones, read the store, fill.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cluster::router::Route;
use super::protocol::entry::CacheEntry;
use super::session::read_permission::ReadPermission;
use super::session::{FillLease, Session};
use super::{RedisCache, Shared};
use crate::article::ArticleId;
use crate::store::{Consistency, Fetched, Layer, StoreError};

/// Wait for another reader to fill an entry.
const WAIT: Duration = Duration::from_millis(20);
/// Minimum interval between log lines about foreign entries.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl RedisCache {
    pub(super) async fn read(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        match self.shared.router.route(ids) {
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
        let shared = &self.shared;
        let trusted = session.as_ref().and_then(|session| Some((session, session.trust(consistency)?)));
        let Some((session, trust)) = trusted else {
            shared.metrics.distrusted.inc_by(ids.len() as u64);
            return shared.store.get(ids, consistency).await;
        };
        let mut answers: Vec<Option<Fetched>> = vec![None; ids.len()];
        let mut found = Found::default();
        // A single article that is probably missing is claimed at once: the claim returns the entry if there is one.
        if ids.len() == 1 && shared.miss_rate.are_likely_misses() {
            found.absent.push((0, false));
        } else {
            let Some(seen) = session.get(ids).await else { return shared.store.get(ids, consistency).await };
            for (at, seen) in seen.into_iter().enumerate() {
                found.take(shared, at, seen, &trust, &mut answers);
            }
        }
        let claimed = self.claim(session, consistency, ids, &mut found, &mut answers).await;
        shared.count(&answers, &found);
        if !found.ending.is_empty() {
            let (shared, session) = (Arc::clone(shared), Arc::clone(session));
            let ending: Vec<ArticleId> = found.ending.iter().map(|at| ids[*at].clone()).collect();
            tokio::spawn(async move { session.refresh(shared.store.as_ref(), &ending).await });
        }
        let open: Vec<usize> = (0..ids.len()).filter(|at| answers[*at].is_none()).collect();
        if !open.is_empty() {
            let missing: Vec<ArticleId> = open.iter().map(|at| ids[*at].clone()).collect();
            for (at, fetched) in open.into_iter().zip(shared.store.get(&missing, consistency).await?) {
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
        found: &mut Found,
        answers: &mut [Option<Fetched>],
    ) -> Vec<(usize, String)> {
        if found.absent.is_empty() {
            return Vec::new();
        }
        let Some(trust) = session.trust(consistency) else { return Vec::new() };
        let wanted: Vec<_> = found.absent.iter().map(|(at, foreign)| (ids[*at].clone(), *foreign)).collect();
        let (mut ours, mut foreign) = (Vec::new(), Vec::new());
        for ((at, _), claim) in std::mem::take(&mut found.absent).into_iter().zip(session.claim(&wanted).await) {
            match claim {
                FillLease::Ours(token) => {
                    found.absent.push((at, false));
                    ours.push((at, token));
                }
                FillLease::CacheEntry(seen) => {
                    // Removed, so that the next reader can claim it.
                    if matches!(seen, CacheEntry::Foreign) {
                        foreign.push(&ids[at]);
                    }
                    found.take(&self.shared, at, seen, &trust, answers);
                }
                FillLease::Theirs => {
                    found.absent.push((at, false));
                    // A batch reads the rest from the store anyway.
                    if ids.len() == 1 {
                        answers[at] = look_again(session, consistency, &ids[at]).await;
                    }
                }
                FillLease::None => found.absent.push((at, false)),
            }
        }
        if !foreign.is_empty() {
            session.remove(&foreign).await;
        }
        ours
    }
}

/// Lookup results of a read.
#[derive(Default)]
struct Found {
    /// Cache misses, with true if a foreign entry is in their place.
    absent: Vec<(usize, bool)>,
    /// Hits to refresh early.
    ending: Vec<usize>,
}

impl Found {
    fn take(
        &mut self,
        shared: &Shared,
        at: usize,
        seen: CacheEntry,
        trust: &ReadPermission,
        answers: &mut [Option<Fetched>],
    ) {
        match seen {
            CacheEntry::Found(record, ends) if trust.allows(record.as_deref()) => {
                if ends.should_refresh() {
                    self.ending.push(at);
                }
                answers[at] = Some(Fetched { record, from: Layer::Redis });
            }
            // The entry is not provably fresh enough: there is nothing to fill.
            CacheEntry::Found(..) => {}
            CacheEntry::Nothing => self.absent.push((at, false)),
            CacheEntry::Foreign => {
                shared.found_foreign();
                self.absent.push((at, true));
            }
        }
    }
}

/// Looks up an entry again after the other reader has probably filled it.
async fn look_again(session: &Session, consistency: Consistency, id: &ArticleId) -> Option<Fetched> {
    tokio::time::sleep(WAIT).await;
    let trust = session.trust(consistency)?;
    match session.get(std::slice::from_ref(id)).await?.pop()? {
        CacheEntry::Found(record, _) if trust.allows(record.as_deref()) => Some(Fetched { record, from: Layer::Redis }),
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

impl Shared {
    fn count(&self, answers: &[Option<Fetched>], found: &Found) {
        let hits = answers.iter().flatten().count();
        let misses = found.absent.iter().filter(|(at, _)| answers[*at].is_none()).count();
        self.metrics.hits.inc_by(hits as u64);
        self.metrics.misses.inc_by(misses as u64);
        if answers.len() == 1 {
            self.miss_rate.note(misses == 1);
        }
    }

    fn found_foreign(&self) {
        self.metrics.foreign.inc();
        let mut logged = self.foreign_logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!("Redis entry ignored: not written by this version; article read from the store");
        }
    }
}
