//! Who may call what: API keys, tokens of an issuer (JWT), their scopes and rates; and the audit log of what they changed.
//!
//! A call is decided on from memory. What that rests on is read in the background, and believed only as long as it is known to
//! be fresh: a key that was taken back is refused everywhere within the staleness bound, whatever fails.

mod audit;
mod caller;
mod jwt;
mod keys;
mod rate;
mod scope;
mod secret;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, header};

pub use audit::{Audit, AuditError, AuditTarget, Origin};
pub use caller::Caller;
pub use jwt::{JwksSource, JwtOptions};
pub use rate::Rate;
pub use scope::{Needs, Scope, Scopes, needs};
pub use secret::{NewKey, make};

use crate::store::KeyStore;
use jwt::Tokens;
use keys::KeyRing;

/// How callers are told apart.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// How old what is known of keys may be.
    pub staleness_bound: Duration,
    /// The rate of callers that have none of their own; no limit when absent.
    pub rate: Option<Rate>,
    /// Whose tokens are taken, if anybody's.
    pub jwt: Option<JwtOptions>,
}

/// Why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It has no credential.
    Missing,
    /// Its credential is none of ours, or no longer. Which of these is not told.
    Invalid,
    /// Its credential was good, and has ended.
    Expired,
    /// Its token is valid for longer than the configured maximum.
    Lifetime,
    /// Nobody can tell at present whether its credential is good.
    Unavailable,
    /// Its credential lacks this scope.
    Lacks(Scope),
    /// There is no such method.
    Unknown,
    /// Its caller has had its share.
    Rate {
        /// Whose.
        subject: String,
        /// How much that is.
        rate: Rate,
        /// When there is more.
        wait: Duration,
    },
}

impl Refusal {
    /// As metrics call it.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Lifetime => "lifetime",
            Self::Unavailable => "unavailable",
            Self::Lacks(_) => "scope",
            Self::Unknown => "method",
            Self::Rate { .. } => "rate",
        }
    }
}

/// A call that is refused, and whose it was, if that is known.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Whose.
    pub caller: Option<Arc<Caller>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, caller: None }
    }
}

/// Decides who may call what. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    keys: Arc<KeyRing>,
    tokens: Option<Arc<Tokens>>,
}

impl Access {
    /// Reads what it rests on for the first time; what cannot be read yet is read by [`Access::follow`].
    pub async fn open(options: AccessOptions, store: Arc<dyn KeyStore>) -> Self {
        let keys = Arc::new(KeyRing::new(store, options.staleness_bound, options.rate));
        let tokens = options.jwt.map(|jwt| Arc::new(Tokens::new(jwt, options.rate)));
        keys.pass().await;
        if let Some(tokens) = &tokens {
            tokens.pass().await;
        }
        Self { keys, tokens }
    }

    /// Keeps what it rests on fresh, for ever.
    pub async fn follow(self) {
        let tokens = async {
            match &self.tokens {
                Some(tokens) => tokens.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.keys.follow(), tokens);
    }

    /// Returns true if every kind of credential that is accepted can be checked now: the API keys were read within the bound,
    /// and so were the issuer's keys, if tokens are accepted.
    pub fn can_check(&self, now: Instant) -> bool {
        self.keys.can_check(now) && self.tokens.as_ref().is_none_or(|tokens| tokens.can_check(now))
    }

    /// Whether a call may be made, and whose it is; nobody's when its method is open to all.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(&self, path: &str, headers: &HeaderMap, now: Instant) -> Result<Option<Arc<Caller>>, Refused> {
        let needs = needs(path);
        if needs == Some(Needs::Nothing) {
            return Ok(None);
        }
        let caller = self.caller(headers, now)?;
        // Counted before it is looked at further: refusals, which stand in the audit log, are not to be had without end either.
        let refusal = caller.count(now).err().or(match needs {
            None => Some(Refusal::Unknown),
            Some(Needs::Scope(scope)) if !caller.may(scope) => Some(Refusal::Lacks(scope)),
            Some(_) => None,
        });
        match refusal {
            Some(refusal) => Err(Refused { refusal, caller: Some(caller) }),
            None => Ok(Some(caller)),
        }
    }

    /// Whose a call is, by its one credential.
    fn caller(&self, headers: &HeaderMap, now: Instant) -> Result<Arc<Caller>, Refusal> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let Some(credential) = given.next() else { return Err(Refusal::Missing) };
        // Of two, whoever stands before us may have looked at the other.
        if given.next().is_some() {
            return Err(Refusal::Invalid);
        }
        let (scheme, credential) = credential.as_bytes().split_at_checked(7).ok_or(Refusal::Invalid)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(Refusal::Invalid);
        }
        let caller = if credential.starts_with(secret::PREFIX.as_bytes()) {
            self.keys.caller(credential, now)?
        } else {
            let tokens = self.tokens.as_ref().ok_or(Refusal::Invalid)?;
            tokens.caller(credential, now)?
        };
        caller.check(now)?;
        Ok(caller)
    }
}
