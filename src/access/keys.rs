//! The API keys, in memory, as the store has them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio::sync::watch;
use uuid::Uuid;

use super::Refusal;
use super::caller::{Caller, Standing, Trust};
use super::rate::{Bucket, Rate};
use super::scope::Scopes;
use super::secret::{self, KeyId};
use crate::caller::CallerId;
use crate::store::{KeyStore, StoredKey};

/// The bound that is kept where a shorter one is set: keys are asked for, and that takes a moment.
const LEAST_BOUND: Duration = Duration::from_millis(100);
/// How often they are asked for at least.
const POLL: Duration = Duration::from_millis(250);

/// Every key that is good.
pub(super) struct KeyRing {
    store: Arc<dyn KeyStore>,
    bound: Duration,
    /// Of keys that have no rate of their own.
    rate: Option<Rate>,
    trust: Arc<Trust>,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    version: Uuid,
    keys: HashMap<KeyId, Key>,
    /// Whether the last pass succeeded: an outage is logged when it begins and when it ends.
    read: bool,
}

struct Key {
    stored: StoredKey,
    caller: Arc<Caller>,
    /// Calls that last are told by it.
    life: watch::Sender<Standing>,
}

impl KeyRing {
    pub(super) fn new(store: Arc<dyn KeyStore>, bound: Duration, rate: Option<Rate>) -> Self {
        let known = RwLock::new(Known { read: true, ..Known::default() });
        Self { store, bound: bound.max(LEAST_BOUND), rate, trust: Arc::new(Trust::none()), known }
    }

    /// Whose a key is. An unknown one costs what a wrong one does, and is answered alike.
    pub(super) fn caller(&self, credential: &[u8], now: Instant) -> Result<Arc<Caller>, Refusal> {
        let (id, digest) = secret::read(credential).ok_or(Refusal::Invalid)?;
        // Nothing is known then: not even that it is wrong.
        if !self.trust.holds(now) {
            return Err(Refusal::Unavailable);
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let key = known.keys.get(&id);
        let kept = key.map_or(&[0; 32], |key| &key.stored.digest);
        let same: bool = kept.ct_eq(&digest).into();
        key.filter(|_| same).map(|key| Arc::clone(&key.caller)).ok_or(Refusal::Invalid)
    }

    /// Returns true while what is known of the keys is fresh enough to decide by.
    pub(super) fn can_check(&self, now: Instant) -> bool {
        self.trust.holds(now)
    }

    /// Reads what is new.
    pub(super) async fn pass(&self) {
        let began = Instant::now();
        let version = self.known.read().unwrap_or_else(PoisonError::into_inner).version;
        // Half of the bound, so that there is time for another try.
        let read = tokio::time::timeout(self.bound / 2, self.store.keys(version)).await;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(Ok(keys)) => {
                if let Some(keys) = keys {
                    known.version = keys.version;
                    self.replace(&mut known, keys.all);
                }
                if !std::mem::replace(&mut known.read, true) {
                    tracing::info!("the API keys can be read again");
                }
                self.trust.renew(began, self.bound);
            }
            failed => {
                if std::mem::replace(&mut known.read, false) {
                    let cause = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => "the store took too long".to_owned(),
                    };
                    tracing::error!(cause, "the API keys cannot be read; soon, no call by key will be taken");
                }
                if !self.trust.holds(Instant::now()) {
                    // Calls that last end, and all is read anew.
                    for (_, key) in known.keys.drain() {
                        let _unheard = key.life.send(Standing::Unknown);
                    }
                    known.version = Uuid::nil();
                }
            }
        }
    }

    pub(super) async fn follow(&self) {
        loop {
            tokio::time::sleep(POLL.min(self.bound / 4)).await;
            self.pass().await;
        }
    }

    /// Those that have changed are others from now on, and calls that last by them end; the rest stays as it is, and keeps what
    /// is left of its rate.
    fn replace(&self, known: &mut Known, all: Vec<StoredKey>) {
        let mut before = std::mem::take(&mut known.keys);
        for stored in all {
            let Ok(id) = KeyId::try_from(stored.id.as_bytes()) else { continue };
            if stored.revoked.is_some() {
                continue;
            }
            let key = match before.remove(&id) {
                Some(key) if key.stored == stored => key,
                _ => match self.key(stored) {
                    Some(key) => key,
                    None => continue,
                },
            };
            known.keys.insert(id, key);
        }
        for (_, key) in before {
            let _unheard = key.life.send(Standing::Ended);
        }
    }

    fn key(&self, stored: StoredKey) -> Option<Key> {
        let rate = match stored.rate.as_str() {
            "" => self.rate,
            text => match text.parse() {
                Ok(rate) => Some(rate),
                Err(_) => {
                    tracing::error!(key = stored.id, "a key's rate cannot be read; it is not taken");
                    return None;
                }
            },
        };
        let (life, alive) = watch::channel(Standing::Good);
        let id = format!("key:{}", stored.id);
        let caller = Caller {
            shares: CallerId::principal(&id),
            id,
            name: stored.name.clone(),
            // A newer version may know more of them.
            scopes: Scopes::among(stored.scopes.split(' ')),
            expires: stored.expires,
            bucket: rate.map(|rate| Arc::new(Bucket::new(rate))),
            life: alive,
            trust: Arc::clone(&self.trust),
        };
        Some(Key { stored, caller: Arc::new(caller), life })
    }
}
