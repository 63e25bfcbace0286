//! In-memory copy of the store's API keys.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use subtle::ConstantTimeEq;
use tokio::sync::watch;
use uuid::Uuid;

use super::AuthError;
use super::caller::{Caller, CredentialState, Freshness};
use super::rate::{Bucket, Rate};
use super::scope::Scopes;
use super::secret::{self, KeyId};
use crate::overload::caller::CallerId;
use crate::store::{KeyStore, StoredKey};

/// Minimum staleness bound. Keys are polled, so a shorter bound could not be kept.
const MIN_BOUND: Duration = Duration::from_millis(100);
/// Maximum interval between polls of the store.
const POLL: Duration = Duration::from_millis(250);

/// All valid API keys.
pub(super) struct KeyRing {
    store: Arc<dyn KeyStore>,
    bound: Duration,
    /// Default rate of keys without one.
    rate: Option<Rate>,
    freshness: Arc<Freshness>,
    snapshot: RwLock<KeySnapshot>,
}

#[derive(Default)]
struct KeySnapshot {
    version: Uuid,
    keys: HashMap<KeyId, Key>,
    /// True if the last pass succeeded. An outage is logged at its start and at its end.
    read: bool,
}

struct Key {
    stored: StoredKey,
    caller: Arc<Caller>,
    /// Notifies streams of changes.
    state: watch::Sender<CredentialState>,
}

impl KeyRing {
    pub(super) fn new(store: Arc<dyn KeyStore>, bound: Duration, rate: Option<Rate>) -> Self {
        let snapshot = RwLock::new(KeySnapshot { read: true, ..KeySnapshot::default() });
        Self { store, bound: bound.max(MIN_BOUND), rate, freshness: Arc::new(Freshness::none()), snapshot }
    }

    /// Returns the owner of a key. Unknown keys and wrong secrets take the same time and get the same answer.
    pub(super) fn caller(&self, credential: &[u8], now: Instant) -> Result<Arc<Caller>, AuthError> {
        let (id, digest) = secret::read(credential).ok_or(AuthError::Invalid)?;
        // Stale keys cannot show that a key is invalid, either.
        if !self.freshness.is_fresh(now) {
            return Err(AuthError::Unavailable);
        }
        let snapshot = self.snapshot.read().unwrap_or_else(PoisonError::into_inner);
        let key = snapshot.keys.get(&id);
        let expected = key.map_or(&[0; 32], |key| &key.stored.digest);
        let matches: bool = expected.ct_eq(&digest).into();
        key.filter(|_| matches).map(|key| Arc::clone(&key.caller)).ok_or(AuthError::Invalid)
    }

    /// Returns true while the known keys are fresh enough to decide by.
    pub(super) fn can_check(&self, now: Instant) -> bool {
        self.freshness.is_fresh(now)
    }

    /// Reads the keys if they have changed.
    pub(super) async fn refresh(&self) {
        let began = Instant::now();
        let version = self.snapshot.read().unwrap_or_else(PoisonError::into_inner).version;
        // Half of the bound leaves time for another attempt.
        let read = tokio::time::timeout(self.bound / 2, self.store.keys(version)).await;
        let mut snapshot = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(Ok(keys)) => {
                if let Some(keys) = keys {
                    snapshot.version = keys.version;
                    self.replace(&mut snapshot, keys.all);
                }
                if !std::mem::replace(&mut snapshot.read, true) {
                    tracing::info!("API keys were read after failures");
                }
                self.freshness.renew(began, self.bound);
            }
            failed => {
                if std::mem::replace(&mut snapshot.read, false) {
                    let error = match failed {
                        Ok(Err(error)) => error.to_string(),
                        _ => "the store timed out".to_owned(),
                    };
                    let bound_ms = self.bound.as_secs_f64() * 1_000.0;
                    tracing::error!(error, bound_ms, "the API keys cannot be read; calls by key fail after the bound");
                }
                if !self.freshness.is_fresh(Instant::now()) {
                    // Streams end, and the next pass reads all keys.
                    for (_, key) in snapshot.keys.drain() {
                        let _no_receiver = key.state.send(CredentialState::Unknown);
                    }
                    snapshot.version = Uuid::nil();
                }
            }
        }
    }

    pub(super) async fn follow(&self) {
        loop {
            tokio::time::sleep(POLL.min(self.bound / 4)).await;
            self.refresh().await;
        }
    }

    /// Replaces changed keys and ends the streams that use them. Unchanged keys keep the rest of their rate.
    fn replace(&self, snapshot: &mut KeySnapshot, all: Vec<StoredKey>) {
        let mut previous = std::mem::take(&mut snapshot.keys);
        for stored in all {
            let Ok(id) = KeyId::try_from(stored.id.as_bytes()) else { continue };
            if stored.revoked.is_some() {
                continue;
            }
            let key = match previous.remove(&id) {
                Some(key) if key.stored == stored => key,
                _ => match self.key(stored) {
                    Some(key) => key,
                    None => continue,
                },
            };
            snapshot.keys.insert(id, key);
        }
        for (_, key) in previous {
            let _no_receiver = key.state.send(CredentialState::Revoked);
        }
    }

    fn key(&self, stored: StoredKey) -> Option<Key> {
        let rate = match stored.rate.as_str() {
            "" => self.rate,
            text => match text.parse() {
                Ok(rate) => Some(rate),
                Err(_) => {
                    tracing::error!(key = stored.id, rate = stored.rate, "API key disabled: its rate is invalid");
                    return None;
                }
            },
        };
        let (state, alive) = watch::channel(CredentialState::Valid);
        let id = format!("key:{}", stored.id);
        let caller = Caller {
            caller_id: CallerId::principal(&id),
            id,
            name: stored.name.clone(),
            // Keys of a newer version may have scopes that are unknown here.
            scopes: Scopes::among(stored.scopes.split(' ')),
            expires: stored.expires,
            bucket: rate.map(|rate| Arc::new(Bucket::new(rate))),
            state: alive,
            freshness: Arc::clone(&self.freshness),
        };
        Some(Key { stored, caller: Arc::new(caller), state })
    }
}
