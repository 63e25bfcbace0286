//! Authenticated callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::AuthError;
use super::rate::Bucket;
use super::scope::{Scope, Scopes};
use crate::overload::caller::CallerId;

/// Authenticated caller: an API key, or the subject of a token.
#[derive(Debug)]
pub struct Caller {
    /// `key:` and the key's ID, or `token:` and the subject.
    pub id: String,
    /// Name of the key, or issuer of the token.
    pub name: String,
    /// Identity for fair sharing, derived from `id`.
    pub(crate) caller_id: CallerId,
    pub(super) scopes: Scopes,
    pub(super) expires: Option<Timestamp>,
    pub(super) bucket: Option<Arc<Bucket>>,
    /// Changes when the API key, or the key that signed the token, ends.
    pub(super) state: watch::Receiver<CredentialState>,
    pub(super) freshness: Arc<Freshness>,
}

/// State of a credential that was valid once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialState {
    /// Still valid.
    Valid,
    /// Revoked.
    Revoked,
    /// Cannot be checked at present.
    Unknown,
}

/// Time until which the known credentials are fresh enough to decide by.
#[derive(Debug)]
pub(super) struct Freshness {
    began: Instant,
    /// Nanoseconds since `began`.
    until: AtomicU64,
}

impl Freshness {
    pub(super) fn none() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }

    /// Extends trust to `bound` after `read`.
    pub(super) fn renew(&self, read: Instant, bound: Duration) {
        let until = (read + bound).saturating_duration_since(self.began);
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began).as_nanos() < u128::from(self.until.load(Ordering::Acquire))
    }
}

impl Caller {
    /// Checks that the credential is still valid. Streams call it repeatedly.
    ///
    /// # Errors
    /// Returns the reason if it is not.
    pub fn check(&self, now: Instant) -> Result<(), AuthError> {
        if !self.freshness.is_fresh(now) {
            return Err(AuthError::Unavailable);
        }
        if !self.is_alive() {
            return Err(if *self.state.borrow() == CredentialState::Unknown {
                AuthError::Unavailable
            } else {
                AuthError::Invalid
            });
        }
        match self.expires {
            Some(end) if end <= Timestamp::now() => Err(AuthError::Expired),
            _ => Ok(()),
        }
    }

    /// Returns true if no revocation is known.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.state.has_changed(), Ok(false))
    }

    /// Waits until the credential may have ended; `check` decides.
    pub async fn ended(&self) {
        let mut state = self.state.clone();
        let expiry = async {
            match self.expires.map(|end| Duration::try_from(end.duration_since(Timestamp::now()))) {
                // Negative if it has passed.
                Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An error means that its sender is gone, and with it the key.
            _changed = state.changed() => {}
            () = expiry => {}
        }
    }

    /// Returns true if the credential has a scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Charges one call to the rate.
    pub(super) fn charge_call(&self, now: Instant) -> Result<(), AuthError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        bucket.take(now).map_err(|wait| AuthError::Rate { subject: self.id.clone(), rate: bucket.rate(), wait })
    }

    /// Charges documents beyond the one that their call was charged as.
    ///
    /// # Errors
    /// Returns an error if the rate has too few left.
    pub fn charge_documents(&self, now: Instant, documents: usize) -> Result<(), AuthError> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let refused = |wait| AuthError::Rate { subject: self.id.clone(), rate: bucket.rate(), wait };
        bucket.take_additional(now, documents).map_err(refused)
    }

    /// Charges documents beyond the one that their message was charged as. Returns the time that they have to wait.
    pub fn reserve_more(&self, now: Instant, documents: usize) -> Duration {
        self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.reserve_additional(now, documents))
    }

    /// Charges one document of a stream and waits until it may be ingested. Streams are slowed down instead of refused,
    /// so that nothing has to be sent again.
    pub async fn throttle(&self) {
        if let Some(bucket) = &self.bucket {
            let wait = bucket.reserve(Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }
}
