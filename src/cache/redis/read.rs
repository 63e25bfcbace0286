//! A read through Redis: look, claim what is not there, read the store, fill.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::entry::Seen;
use super::router::Route;
use super::session::{Claim, Session};
use super::stats::Counters;
use super::{RedisCache, Shared, backlog};
use crate::article::ArticleId;
use crate::store::{Consistency, Fetched, Layer, StoreError};

/// How long who may not fill an entry waits for who may.
const WAIT: Duration = Duration::from_millis(20);
/// How often foreign entries are logged at most.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl RedisCache {
    pub(super) async fn read(&self, ids: &[ArticleId], consistency: Consistency) -> Result<Vec<Fetched>, StoreError> {
        match self.shared.router.route(ids) {
            Route::Whole(session) => self.read_from(session, ids, consistency).await,
            Route::Parted(shares) => self.read_parted(shares, ids.len(), consistency).await,
        }
    }

    /// Of one server.
    pub(super) async fn read_from(
        &self,
        session: Option<Arc<Session>>,
        ids: &[ArticleId],
        consistency: Consistency,
    ) -> Result<Vec<Fetched>, StoreError> {
        let shared = &self.shared;
        let trusted = session.as_ref().and_then(|session| Some((session, session.trust(consistency)?)));
        let Some((session, trust)) = trusted else {
            shared.counters.distrusted.fetch_add(ids.len() as u64, Ordering::Relaxed);
            return shared.store.get(ids, consistency).await;
        };
        let Some(seen) = session.look(ids).await else { return shared.store.get(ids, consistency).await };
        let mut answers: Vec<Option<Fetched>> = Vec::with_capacity(ids.len());
        let mut absent = Vec::new();
        let mut ending = Vec::new();
        for ((at, id), seen) in ids.iter().enumerate().zip(seen) {
            let foreign = matches!(seen, Seen::Foreign);
            if foreign {
                shared.found_foreign();
            }
            answers.push(match seen {
                Seen::Found(record, ends) if trust.allows(record.as_deref()) => {
                    Counters::add(&shared.counters.hits);
                    if ends.is_near() {
                        ending.push(id.clone());
                    }
                    Some(Fetched { record, from: Layer::Redis })
                }
                // There is an entry, and it cannot be shown to be new enough: there is nothing to fill.
                Seen::Found(..) => None,
                Seen::Nothing | Seen::Foreign => {
                    Counters::add(&shared.counters.misses);
                    absent.push((at, (id.clone(), foreign)));
                    None
                }
            });
        }
        if !ending.is_empty() {
            let (shared, session) = (Arc::clone(shared), Arc::clone(session));
            tokio::spawn(async move { session.refresh(shared.store.as_ref(), &ending).await });
        }
        let claimed = self.claim(session, consistency, absent, &mut answers).await;
        let wanted: Vec<usize> = (0..ids.len()).filter(|at| answers[*at].is_none()).collect();
        if !wanted.is_empty() {
            let missing: Vec<ArticleId> = wanted.iter().map(|at| ids[*at].clone()).collect();
            for (at, fetched) in wanted.into_iter().zip(shared.store.get(&missing, consistency).await?) {
                answers[at] = Some(fetched);
            }
            fill(session, ids, claimed, &answers);
        }
        Ok(answers.into_iter().map(|answer| answer.unwrap_or_else(Fetched::missing)).collect())
    }

    /// Asks to fill what is absent. Answers with what may be filled, and the tokens for it.
    async fn claim(
        &self,
        session: &Arc<Session>,
        consistency: Consistency,
        absent: Vec<(usize, (ArticleId, bool))>,
        answers: &mut [Option<Fetched>],
    ) -> Vec<(usize, String)> {
        if absent.is_empty() {
            return Vec::new();
        }
        let alone = answers.len() == 1;
        let (places, wanted): (Vec<usize>, Vec<_>) = absent.into_iter().unzip();
        let Some(trust) = session.trust(consistency) else { return Vec::new() };
        let mut ours = Vec::new();
        for ((at, (id, _)), claim) in places.into_iter().zip(&wanted).zip(session.claim(&wanted).await) {
            match claim {
                Claim::Ours(token) => ours.push((at, token)),
                Claim::Seen(Seen::Found(record, _)) if trust.allows(record.as_deref()) => {
                    answers[at] = Some(Fetched { record, from: Layer::Redis });
                }
                // Of a batch, the store is asked for the rest anyway.
                Claim::Theirs if alone => answers[at] = look_again(session, consistency, id).await,
                Claim::Theirs | Claim::Seen(_) | Claim::None => {}
            }
        }
        ours
    }
}

/// Who fills the entry is most likely done by now.
async fn look_again(session: &Session, consistency: Consistency, id: &ArticleId) -> Option<Fetched> {
    tokio::time::sleep(WAIT).await;
    let trust = session.trust(consistency)?;
    match session.look(std::slice::from_ref(id)).await?.pop()? {
        Seen::Found(record, _) if trust.allows(record.as_deref()) => Some(Fetched { record, from: Layer::Redis }),
        _ => None,
    }
}

/// Hands over what is to be filled: the caller has its answer, and need not wait or stay.
fn fill(session: &Arc<Session>, ids: &[ArticleId], claimed: Vec<(usize, String)>, answers: &[Option<Fetched>]) {
    let filled: Vec<_> = claimed
        .into_iter()
        .filter_map(|(at, token)| Some((ids[at].clone(), token, answers[at].as_ref()?.record.clone())))
        .collect();
    if !filled.is_empty() {
        backlog::fill(session, filled);
    }
}

impl Shared {
    fn found_foreign(&self) {
        Counters::add(&self.counters.foreign);
        let mut logged = self.foreign_logged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!("an entry in Redis is not as this version writes them; the article is read from the store");
        }
    }
}
