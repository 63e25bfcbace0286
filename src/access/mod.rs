//! Authentication and authorization: API keys, tokens of an issuer (JWT), their scopes and rates; and the audit log of
//! writes.
//!
//! Calls are decided from memory. Credentials are read in the background and trusted only while they are known to be
//! fresh: a revoked key is refused everywhere within the staleness bound, whatever fails.

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

pub use audit::{Audit, AuditError, AuditSource, AuditTarget};
pub use caller::Caller;
pub use jwt::{JwksSource, JwtOptions};
pub use rate::Rate;
pub use scope::{Requirement, Scope, Scopes, needs};
pub use secret::{NewKey, generate_key};

use crate::store::KeyStore;
use jwt::Tokens;
use keys::KeyRing;

/// Settings of authentication.
#[derive(Clone, Debug)]
pub struct AccessOptions {
    /// Maximum age of the known keys.
    pub staleness_bound: Duration,
    /// Default rate of callers without one; no limit if absent.
    pub rate: Option<Rate>,
    /// Settings of tokens; no token is accepted if absent.
    pub jwt: Option<JwtOptions>,
}

/// Reason why a call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// No credential was sent.
    Missing,
    /// The credential is unknown, malformed or revoked. The answer does not tell these apart.
    Invalid,
    /// The credential has expired.
    Expired,
    /// The token is valid for longer than the configured maximum.
    Lifetime,
    /// The credential cannot be checked at present.
    Unavailable,
    /// The credential lacks this scope.
    MissingScope(Scope),
    /// The method does not exist.
    Unknown,
    /// The caller has exceeded its rate.
    Rate {
        /// ID of the caller.
        subject: String,
        /// Its rate.
        rate: Rate,
        /// Time until a retry can succeed.
        wait: Duration,
    },
}

impl AuthError {
    /// Returns the label value in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Lifetime => "lifetime",
            Self::Unavailable => "unavailable",
            Self::MissingScope(_) => "scope",
            Self::Unknown => "method",
            Self::Rate { .. } => "rate",
        }
    }
}

/// Refused call.
#[derive(Debug)]
pub struct Refused {
    /// Reason.
    pub refusal: AuthError,
    /// Its caller, if known.
    pub caller: Option<Arc<Caller>>,
}

impl From<AuthError> for Refused {
    fn from(refusal: AuthError) -> Self {
        Self { refusal, caller: None }
    }
}

/// Authenticates and authorizes calls. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    keys: Arc<KeyRing>,
    tokens: Option<Arc<Tokens>>,
}

impl Access {
    /// Reads the keys for the first time. [`Access::follow`] retries those that cannot be read yet.
    pub async fn open(options: AccessOptions, store: Arc<dyn KeyStore>) -> Self {
        let keys = Arc::new(KeyRing::new(store, options.staleness_bound, options.rate));
        let tokens = options.jwt.map(|jwt| Arc::new(Tokens::new(jwt, options.rate)));
        let access = Self { keys, tokens };
        access.refresh().await;
        access
    }

    /// Reads all keys at once.
    pub async fn refresh(&self) {
        self.keys.refresh().await;
        if let Some(tokens) = &self.tokens {
            tokens.refresh().await;
        }
    }

    /// Keeps the keys fresh. Never returns.
    pub async fn follow(self) {
        let tokens = async {
            match &self.tokens {
                Some(tokens) => tokens.follow().await,
                None => std::future::pending().await,
            }
        };
        tokio::join!(self.keys.follow(), tokens);
    }

    /// Returns true if every kind of credential that is accepted can be checked now: the API keys were read within the
    /// bound, and so were the issuer's keys, if tokens are accepted.
    pub fn can_check(&self, now: Instant) -> bool {
        self.keys.can_check(now) && self.tokens.as_ref().is_none_or(|tokens| tokens.can_check(now))
    }

    /// Admits a call and returns its caller; none if its method needs no credential.
    ///
    /// # Errors
    /// Returns the reason if it is refused.
    pub fn admit(&self, path: &str, headers: &HeaderMap, now: Instant) -> Result<Option<Arc<Caller>>, Refused> {
        let needs = needs(path);
        if needs == Some(Requirement::Nothing) {
            return Ok(None);
        }
        let caller = self.caller(headers, now)?;
        // Charged before authorization, so that the rate limits refusals too: the audit log records them.
        let refusal = caller.charge_call(now).err().or(match needs {
            None => Some(AuthError::Unknown),
            // The error names the first one, which suffices.
            Some(Requirement::Scope(scopes)) if !scopes.iter().any(|scope| caller.may(*scope)) => {
                scopes.first().map(|scope| AuthError::MissingScope(*scope))
            }
            Some(_) => None,
        });
        match refusal {
            Some(refusal) => Err(Refused { refusal, caller: Some(caller) }),
            None => Ok(Some(caller)),
        }
    }

    /// Returns the caller of a request with exactly one credential.
    fn caller(&self, headers: &HeaderMap, now: Instant) -> Result<Arc<Caller>, AuthError> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(credential) = values.next() else { return Err(AuthError::Missing) };
        // A proxy in front of this server may have checked the other one.
        if values.next().is_some() {
            return Err(AuthError::Invalid);
        }
        let (scheme, credential) = credential.as_bytes().split_at_checked(7).ok_or(AuthError::Invalid)?;
        if !scheme.eq_ignore_ascii_case(b"bearer ") {
            return Err(AuthError::Invalid);
        }
        let caller = if credential.starts_with(secret::PREFIX.as_bytes()) {
            self.keys.caller(credential, now)?
        } else {
            let tokens = self.tokens.as_ref().ok_or(AuthError::Invalid)?;
            tokens.caller(credential, now)?
        };
        caller.check(now)?;
        Ok(caller)
    }
}
