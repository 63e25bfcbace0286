//! Who calls, once that is known.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Refusal;
use super::rate::Bucket;
use super::scope::{Scope, Scopes};
use crate::caller::CallerId;

/// Who calls: a key, or the subject of a token.
#[derive(Debug)]
pub struct Caller {
    /// `key:` and its ID, or `token:` and its subject.
    pub id: String,
    /// What the key is called, or who issued the token.
    pub name: String,
    /// Identity by which it has shares: of its ID.
    pub(crate) shares: CallerId,
    pub(super) scopes: Scopes,
    pub(super) expires: Option<Timestamp>,
    pub(super) bucket: Option<Arc<Bucket>>,
    /// Ends with the key, or with what the token was signed with.
    pub(super) life: watch::Receiver<Standing>,
    pub(super) trust: Arc<Trust>,
}

/// How a credential stands that was good once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// As it was.
    Good,
    /// Taken back.
    Ended,
    /// Nobody can tell at present.
    Unknown,
}

/// Until when what is known of credentials may be believed.
#[derive(Debug)]
pub(super) struct Trust {
    began: Instant,
    /// In nanoseconds since it began.
    until: AtomicU64,
}

impl Trust {
    pub(super) fn none() -> Self {
        Self { began: Instant::now(), until: AtomicU64::new(0) }
    }

    /// What was read then may be believed so long.
    pub(super) fn renew(&self, read: Instant, bound: Duration) {
        let until = (read + bound).saturating_duration_since(self.began);
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    pub(super) fn holds(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began).as_nanos() < u128::from(self.until.load(Ordering::Acquire))
    }
}

impl Caller {
    /// Whether the credential is still good. For calls that last, too.
    ///
    /// # Errors
    /// Why it is not.
    pub fn check(&self, now: Instant) -> Result<(), Refusal> {
        if !self.trust.holds(now) {
            return Err(Refusal::Unavailable);
        }
        if !self.is_alive() {
            return Err(if *self.life.borrow() == Standing::Unknown { Refusal::Unavailable } else { Refusal::Invalid });
        }
        match self.expires {
            Some(end) if end <= Timestamp::now() => Err(Refusal::Expired),
            _ => Ok(()),
        }
    }

    /// Whether it has not been taken back, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        matches!(self.life.has_changed(), Ok(false))
    }

    /// Waits until the credential may have ended; `check` then says.
    pub async fn ended(&self) {
        let mut life = self.life.clone();
        let expiry = async {
            match self.expires.map(|end| Duration::try_from(end.duration_since(Timestamp::now()))) {
                // One that is past cannot be waited for.
                Some(left) => tokio::time::sleep(left.unwrap_or_default()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // An error means that nobody knows it any more.
            _changed = life.changed() => {}
            () = expiry => {}
        }
    }

    /// Returns true if the credential has a scope.
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.has(scope)
    }

    /// Counts a call.
    pub(super) fn count(&self, now: Instant) -> Result<(), Refusal> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        bucket.take(now).map_err(|wait| Refusal::Rate { subject: self.id.clone(), rate: bucket.rate(), wait })
    }

    /// Counts so many documents beside the one that their call has counted as.
    ///
    /// # Errors
    /// When there are not that many left.
    pub fn count_more(&self, now: Instant, documents: usize) -> Result<(), Refusal> {
        let Some(bucket) = &self.bucket else { return Ok(()) };
        let refused = |wait| Refusal::Rate { subject: self.id.clone(), rate: bucket.rate(), wait };
        bucket.take_more(now, documents).map_err(refused)
    }

    /// Counts so many documents beside the one that their message has counted as, and returns how long they have to
    /// wait.
    pub fn borrow_more(&self, now: Instant, documents: usize) -> Duration {
        self.bucket.as_ref().map_or(Duration::ZERO, |bucket| bucket.borrow_more(now, documents))
    }

    /// Counts a document of a stream, and waits until it may be taken in: a stream is slowed down rather than refused, so that
    /// nothing of it has to be sent again.
    pub async fn pace(&self) {
        if let Some(bucket) = &self.bucket {
            let wait = bucket.borrow(Instant::now());
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
        }
    }
}
