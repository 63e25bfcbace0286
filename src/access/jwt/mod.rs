//! Verification of an issuer's tokens (JWT, RFC 7519) with its public keys.

mod set;
mod signature;
mod source;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use quick_cache::sync::Cache;
use serde::Deserialize;
use tokio::sync::Notify;

use super::AuthError;
use super::caller::{Caller, CredentialState, Freshness};
use super::rate::{Bucket, Rate};
use super::scope::Scopes;
use crate::overload::caller::CallerId;
use set::KeySet;
use signature::ALGORITHMS;
pub use source::JwksSource;

/// Tolerated clock skew.
const LEEWAY: Duration = Duration::from_secs(30);
/// Time for which keys stay trusted after the last successful read. An issuer's keys live for weeks, but a revoked key
/// must not stay valid for ever because its issuer is unreachable.
const TRUST_PERIOD: Duration = Duration::from_secs(3_600);
/// Maximum number of cached tokens, and of subjects with a rate bucket.
const CACHED: usize = 10_000;
/// Maximum size of a cached token, in bytes. Longer tokens are verified on each call, so that memory is bounded.
const MAX_CACHED_TOKEN: usize = 4_096;
/// Maximum length of a subject, in bytes. Subjects are part of log lines and responses.
const MAX_SUBJECT: usize = 256;

/// Settings of accepted tokens.
#[derive(Clone, Debug)]
pub struct JwtOptions {
    /// Required `iss` claim.
    pub issuer: String,
    /// Required value in the `aud` claim.
    pub audience: String,
    /// Location of the issuer's keys.
    pub keys: JwksSource,
    /// Maximum lifetime of a token; no limit if absent.
    pub max_lifetime: Option<Duration>,
}

impl JwtOptions {
    /// Reads the issuer's keys and returns the number of usable ones; 0 if the set is well-formed and has none.
    ///
    /// # Errors
    /// Returns an error if the set cannot be read or is malformed.
    pub async fn count_keys(&self) -> Result<usize, String> {
        signature::install();
        Ok(KeySet::read(&self.keys.read().await?)?.len())
    }
}

/// Claims that are used here. jsonwebtoken checks `exp`, `nbf`, `iss` and `aud`.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    /// Read only if lifetimes are limited, so that an invalid `iat` does no harm otherwise.
    #[serde(default)]
    iat: Option<serde_json::Value>,
    /// Used by RFC 8693 and most issuers: space-separated words.
    #[serde(default)]
    scope: StringOrList,
    /// Used by Microsoft and Okta.
    #[serde(default)]
    scp: StringOrList,
    /// Used by Auth0.
    #[serde(default)]
    permissions: StringOrList,
}

/// One string of space-separated words, or a list of strings.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum StringOrList {
    #[default]
    None,
    One(String),
    List(Vec<String>),
}

impl StringOrList {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let list = match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::List(list) => list.as_slice(),
        };
        list.iter().flat_map(|text| text.split(' '))
    }
}

/// Refuses a token that is valid for longer than `max`. The lifetime counts from now, with tolerance for clock skew, if
/// `iat` is absent or in the future.
fn check_lifetime(claims: &Claims, max: Duration, now: Timestamp) -> Result<(), AuthError> {
    let since = |from: f64| claims.exp - from;
    let issued = match &claims.iat {
        None | Some(serde_json::Value::Null) => None,
        Some(iat) => Some(iat.as_f64().ok_or(AuthError::Invalid)?),
    };
    let too_long = issued.is_some_and(|iat| since(iat) > max.as_secs_f64())
        || since(now.as_second() as f64) > (max + LEEWAY).as_secs_f64();
    if too_long { Err(AuthError::Lifetime) } else { Ok(()) }
}

/// Verifier of tokens.
pub(super) struct Tokens {
    options: JwtOptions,
    rate: Option<Rate>,
    validations: [Validation; ALGORITHMS.len()],
    freshness: Arc<Freshness>,
    set: RwLock<KeySet>,
    read: Mutex<Read>,
    /// Time of the last read of the keys.
    last_read: Mutex<Option<Instant>>,
    /// Signals that a token has named an unknown key.
    refresh_requested: Notify,
    /// Keyed by the token itself: hashing it with a random seed is cheaper than any digest.
    checked: Cache<Box<[u8]>, Arc<Caller>>,
    buckets: Cache<String, Arc<Bucket>>,
}

/// Result of the last read of the keys.
struct Read {
    json: bytes::Bytes,
    failing: bool,
}

impl Tokens {
    pub(super) fn new(options: JwtOptions, rate: Option<Rate>) -> Self {
        signature::install();
        let validations = ALGORITHMS.map(|algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.set_issuer(&[&options.issuer]);
            validation.set_audience(&[&options.audience]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            validation.validate_nbf = true;
            validation.leeway = LEEWAY.as_secs();
            validation
        });
        Self {
            options,
            rate,
            validations,
            freshness: Arc::new(Freshness::none()),
            set: RwLock::default(),
            read: Mutex::new(Read { json: bytes::Bytes::new(), failing: false }),
            last_read: Mutex::default(),
            refresh_requested: Notify::new(),
            checked: Cache::new(CACHED),
            buckets: Cache::new(CACHED),
        }
    }

    /// Returns the caller of a token.
    pub(super) fn caller(&self, token: &[u8], now: Instant) -> Result<Arc<Caller>, AuthError> {
        if let Some(caller) = self.checked.get(token) {
            // A token whose key ended is verified again: the key may have been published again.
            if caller.is_alive() {
                return Ok(caller);
            }
        }
        if !self.freshness.is_fresh(now) {
            return Err(AuthError::Unavailable);
        }
        let caller = Arc::new(self.verify(token, now)?);
        if token.len() <= MAX_CACHED_TOKEN {
            self.checked.insert(token.into(), Arc::clone(&caller));
        }
        Ok(caller)
    }

    fn verify(&self, token: &[u8], now: Instant) -> Result<Caller, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Invalid)?;
        // Critical extensions must be understood (RFC 7515, 4.1.11); none are supported.
        if header.crit.is_some() {
            return Err(AuthError::Invalid);
        }
        let index = ALGORITHMS.iter().position(|algorithm| *algorithm == header.alg).ok_or(AuthError::Invalid)?;
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let mut candidates = set.candidates(header.kid.as_deref(), header.alg).peekable();
        if candidates.peek().is_none() {
            return Err(if self.request_refresh(now) { AuthError::Unavailable } else { AuthError::Invalid });
        }
        let decoded = candidates.map(|key| (key, decode::<Claims>(token, &key.key, &self.validations[index])));
        // Issuers publish several keys with one `kid`, or without any: the signature tells which it is.
        let is_signer = |decoded: &Result<_, jsonwebtoken::errors::Error>| match decoded {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), ErrorKind::InvalidSignature),
        };
        let Some((key, decoded)) = decoded.into_iter().find(|(_, decoded)| is_signer(decoded)) else {
            return Err(AuthError::Invalid);
        };
        let claims = match decoded {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => return Err(AuthError::Expired),
            Err(_) => return Err(AuthError::Invalid),
        };
        if claims.sub.is_empty() || claims.sub.len() > MAX_SUBJECT {
            return Err(AuthError::Invalid);
        }
        if let Some(max) = self.options.max_lifetime {
            check_lifetime(&claims, max, Timestamp::now())?;
        }
        let words = claims.scope.iter().chain(claims.scp.iter()).chain(claims.permissions.iter());
        // An `exp` beyond the calendar's range means no expiry.
        let end = Timestamp::from_second(claims.exp as i64).ok();
        let bucket = self.rate.map(|rate| self.bucket(&claims.sub, rate));
        let id = format!("token:{}", claims.sub);
        Ok(Caller {
            scopes: Scopes::among(words),
            caller_id: CallerId::principal(&id),
            id,
            name: self.options.issuer.clone(),
            expires: end.and_then(|end| end.checked_add(LEEWAY).ok()),
            bucket,
            state: key.state.subscribe(),
            freshness: Arc::clone(&self.freshness),
        })
    }

    /// Returns true while the issuer's keys are fresh enough to decide by.
    pub(super) fn can_check(&self, now: Instant) -> bool {
        self.freshness.is_fresh(now)
    }

    /// Returns the bucket that all tokens of a subject share.
    fn bucket(&self, subject: &str, rate: Rate) -> Arc<Bucket> {
        let made = self.buckets.get_or_insert_with(subject, || Ok::<_, ()>(Arc::new(Bucket::new(rate))));
        made.unwrap_or_else(|()| Arc::new(Bucket::new(rate)))
    }

    /// Requests a read of the keys unless one was made recently. Returns true if the caller should retry.
    fn request_refresh(&self, now: Instant) -> bool {
        let last_read = *self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last_read
            .is_none_or(|last_read| now.saturating_duration_since(last_read) >= self.options.keys.retry_interval());
        if due {
            self.refresh_requested.notify_one();
        }
        due
    }

    /// Reads the keys.
    pub(super) async fn refresh(&self) {
        let began = Instant::now();
        let found = self.options.keys.read().await;
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let same = matches!(&found, Ok(json) if *json == read.json);
        let set = found.and_then(|json| if same { Ok(None) } else { KeySet::read(&json).map(|set| Some((json, set))) });
        match set {
            Ok(new) => {
                if let Some((json, mut set)) = new {
                    if set.len() == 0 {
                        let source = &self.options.keys;
                        tracing::warn!(%source, "the issuer's key set has no usable key; every token is refused");
                    }
                    let mut current = self.set.write().unwrap_or_else(PoisonError::into_inner);
                    set.replace(std::mem::take(&mut current));
                    *current = set;
                    read.json = json;
                }
                if std::mem::replace(&mut read.failing, false) {
                    tracing::info!(source = %self.options.keys, "the issuer's keys were read after failures");
                }
                self.freshness.renew(began, TRUST_PERIOD);
            }
            Err(error) => {
                if !std::mem::replace(&mut read.failing, true) {
                    let trusted_ms = TRUST_PERIOD.as_secs_f64() * 1_000.0;
                    tracing::error!(source = %self.options.keys, error, trusted_ms, "the issuer's keys cannot be read");
                }
                if !self.freshness.is_fresh(Instant::now()) {
                    let mut current = self.set.write().unwrap_or_else(PoisonError::into_inner);
                    std::mem::take(&mut *current).end(CredentialState::Unknown);
                    read.json = bytes::Bytes::new();
                }
            }
        }
    }

    pub(super) async fn follow(&self) {
        loop {
            let failing = self.read.lock().unwrap_or_else(PoisonError::into_inner).failing;
            let every = if failing { self.options.keys.retry_interval() } else { self.options.keys.refresh_interval() };
            let _requested = tokio::time::timeout(every, self.refresh_requested.notified()).await;
            self.refresh().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[tokio::test]
    async fn only_a_well_formed_set_replaces_the_keys() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("jwks.json");
        let keys = JwksSource::File(file.clone());
        let options = JwtOptions { issuer: "i".into(), audience: "a".into(), keys, max_lifetime: None };
        let tokens = Tokens::new(options, None);
        let after = async |set: &str| {
            std::fs::write(&file, set).unwrap();
            tokens.refresh().await;
            tokens.set.read().unwrap().len()
        };
        let one = format!(r#"{{"keys":[{KEY}]}}"#);
        assert_eq!(after(&one).await, 1);
        for malformed in [
            "",
            "{",
            "{}",
            "[]",
            "null",
            r#"{"keys":null}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":[null]}"#,
            r#"{"keys":[{}]}"#,
        ] {
            assert_eq!(after(malformed).await, 1, "{malformed}");
            assert!(tokens.freshness.is_fresh(Instant::now()), "{malformed}");
        }
        for without in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
            assert_eq!(after(without).await, 0, "{without}");
            assert!(tokens.freshness.is_fresh(Instant::now()), "{without}");
            assert_eq!(after(&one).await, 1);
        }
    }

    #[test]
    fn lifetimes_count_from_iat_or_from_now() {
        let (now, hour) = (Timestamp::from_second(1_800_000_000).unwrap(), Duration::from_secs(3_600));
        let check = |iat: serde_json::Value, exp: i64| {
            let claims = serde_json::json!({"sub": "s", "iat": iat, "exp": now.as_second() + exp});
            check_lifetime(&serde_json::from_value(claims).unwrap(), hour, now)
        };
        let at = |offset: i64| serde_json::json!(now.as_second() + offset);
        let none = serde_json::Value::Null;
        for (iat, exp) in
            [(at(0), 3_600), (at(-3_000), 600), (at(20), 3_620), (none.clone(), 3_600), (none.clone(), 3_630)]
        {
            assert_eq!(check(iat.clone(), exp), Ok(()), "{iat} {exp}");
        }
        // An `iat` in the future does not make a long lifetime short.
        for (iat, exp) in [(at(0), 3_601), (at(-3_000), 601), (at(86_400), 90_000), (none, 3_631)] {
            assert_eq!(check(iat.clone(), exp), Err(AuthError::Lifetime), "{iat} {exp}");
        }
        assert_eq!(check(serde_json::json!("today"), 60), Err(AuthError::Invalid));
    }
}
