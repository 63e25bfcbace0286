//! Tokens of an issuer (JWT, RFC 7519), by its public keys.

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

use super::Refusal;
use super::caller::{Caller, Standing, Trust};
use super::rate::{Bucket, Rate};
use super::scope::Scopes;
use crate::caller::CallerId;
use set::KeySet;
use signature::ALGORITHMS;
pub use source::JwksSource;

/// How far clocks may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// How long keys are believed that cannot be read again. An issuer's keys live for weeks; but one that was taken back must not
/// be good for ever because its issuer cannot be reached.
const BELIEVED: Duration = Duration::from_secs(3_600);
/// Tokens that need not be checked again, and subjects whose rates are kept.
const REMEMBERED: usize = 10_000;
/// Longer tokens are checked each time, so that memory is bounded, in bytes.
const TOKEN: usize = 4_096;
/// Longer subjects would make logs and answers too long.
const SUBJECT: usize = 256;

/// Whose tokens are taken, and for whom they must be.
#[derive(Clone, Debug)]
pub struct JwtOptions {
    /// The `iss` that they must have.
    pub issuer: String,
    /// The `aud` that must be among theirs.
    pub audience: String,
    /// Where the issuer's keys are.
    pub keys: JwksSource,
    /// Maximum lifetime of a token; no limit when absent.
    pub max_lifetime: Option<Duration>,
}

impl JwtOptions {
    /// Reads the issuer's keys, as a server does, and answers how many are of use; 0 when the set is well-formed and has none.
    ///
    /// # Errors
    /// When the set cannot be read or is malformed.
    pub async fn count_keys(&self) -> Result<usize, String> {
        signature::install();
        Ok(KeySet::read(&self.keys.read().await?)?.len())
    }
}

/// What of a token is of use. `exp`, `nbf`, `iss` and `aud` are checked by jsonwebtoken.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: f64,
    /// Read only when lifetimes are limited, so that an issuer's odd `iat` does no harm otherwise.
    #[serde(default)]
    iat: Option<serde_json::Value>,
    /// RFC 8693, and most issuers: words parted by spaces.
    #[serde(default)]
    scope: Words,
    /// Microsoft and Okta.
    #[serde(default)]
    scp: Words,
    /// Auth0.
    #[serde(default)]
    permissions: Words,
}

/// One string with words in it, or a list of them.
#[derive(Default, Deserialize)]
#[serde(untagged)]
enum Words {
    #[default]
    None,
    One(String),
    List(Vec<String>),
}

impl Words {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let list = match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::List(list) => list.as_slice(),
        };
        list.iter().flat_map(|text| text.split(' '))
    }
}

/// Refuses a token that is valid for longer than `max`. Without `iat`, and where `iat` is in the future, the lifetime is counted
/// from now; clocks may differ then.
fn check_lifetime(claims: &Claims, max: Duration, now: Timestamp) -> Result<(), Refusal> {
    let since = |from: f64| claims.exp - from;
    let issued = match &claims.iat {
        None | Some(serde_json::Value::Null) => None,
        Some(iat) => Some(iat.as_f64().ok_or(Refusal::Invalid)?),
    };
    let too_long = issued.is_some_and(|iat| since(iat) > max.as_secs_f64())
        || since(now.as_second() as f64) > (max + LEEWAY).as_secs_f64();
    if too_long { Err(Refusal::Lifetime) } else { Ok(()) }
}

/// Checks tokens.
pub(super) struct Tokens {
    options: JwtOptions,
    rate: Option<Rate>,
    validations: [Validation; ALGORITHMS.len()],
    trust: Arc<Trust>,
    set: RwLock<KeySet>,
    read: Mutex<Read>,
    /// When the keys were last asked for.
    tried: Mutex<Option<Instant>>,
    /// A token has named a key that is not among those we know.
    wanted: Notify,
    /// By the token itself: it is hashed with a seed that nobody knows, and that takes less than any digest.
    checked: Cache<Box<[u8]>, Arc<Caller>>,
    buckets: Cache<String, Arc<Bucket>>,
}

/// What is known of the last read of the keys.
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
            trust: Arc::new(Trust::none()),
            set: RwLock::default(),
            read: Mutex::new(Read { json: bytes::Bytes::new(), failing: false }),
            tried: Mutex::default(),
            wanted: Notify::new(),
            checked: Cache::new(REMEMBERED),
            buckets: Cache::new(REMEMBERED),
        }
    }

    /// Whose a token is.
    pub(super) fn caller(&self, token: &[u8], now: Instant) -> Result<Arc<Caller>, Refusal> {
        if let Some(caller) = self.checked.get(token) {
            // Whose key was taken back is looked at anew: it may have come back.
            if caller.is_alive() {
                return Ok(caller);
            }
        }
        if !self.trust.holds(now) {
            return Err(Refusal::Unavailable);
        }
        let caller = Arc::new(self.verify(token, now)?);
        if token.len() <= TOKEN {
            self.checked.insert(token.into(), Arc::clone(&caller));
        }
        Ok(caller)
    }

    fn verify(&self, token: &[u8], now: Instant) -> Result<Caller, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        // What its issuer says must be understood (RFC 7515, 4.1.11), and of that we understand nothing.
        if header.crit.is_some() {
            return Err(Refusal::Invalid);
        }
        let which = ALGORITHMS.iter().position(|algorithm| *algorithm == header.alg).ok_or(Refusal::Invalid)?;
        let set = self.set.read().unwrap_or_else(PoisonError::into_inner);
        let Some(key) = set.find(header.kid.as_deref(), header.alg) else {
            return Err(if self.look_again(now) { Refusal::Unavailable } else { Refusal::Invalid });
        };
        let claims: Claims = match decode(token, &key.key, &self.validations[which]) {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => return Err(Refusal::Expired),
            Err(_) => return Err(Refusal::Invalid),
        };
        if claims.sub.is_empty() || claims.sub.len() > SUBJECT {
            return Err(Refusal::Invalid);
        }
        if let Some(max) = self.options.max_lifetime {
            check_lifetime(&claims, max, Timestamp::now())?;
        }
        let words = claims.scope.iter().chain(claims.scp.iter()).chain(claims.permissions.iter());
        // An end that no calendar has is none.
        let end = Timestamp::from_second(claims.exp as i64).ok();
        let bucket = self.rate.map(|rate| self.bucket(&claims.sub, rate));
        let id = format!("token:{}", claims.sub);
        Ok(Caller {
            scopes: Scopes::among(words),
            shares: CallerId::principal(&id),
            id,
            name: self.options.issuer.clone(),
            expires: end.and_then(|end| end.checked_add(LEEWAY).ok()),
            bucket,
            life: key.life.subscribe(),
            trust: Arc::clone(&self.trust),
        })
    }

    /// Returns true while the issuer's keys are fresh enough to decide by.
    pub(super) fn can_check(&self, now: Instant) -> bool {
        self.trust.holds(now)
    }

    /// All tokens of a subject share one.
    fn bucket(&self, subject: &str, rate: Rate) -> Arc<Bucket> {
        let made = self.buckets.get_or_insert_with(subject, || Ok::<_, ()>(Arc::new(Bucket::new(rate))));
        made.unwrap_or_else(|()| Arc::new(Bucket::new(rate)))
    }

    /// Asks for the keys anew, unless that was done a moment ago. Whether it is worth while to try again.
    fn look_again(&self, now: Instant) -> bool {
        let tried = *self.tried.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = tried.is_none_or(|tried| now.saturating_duration_since(tried) >= self.options.keys.rest());
        if rested {
            self.wanted.notify_one();
        }
        rested
    }

    /// Reads the keys.
    pub(super) async fn pass(&self) {
        let began = Instant::now();
        let found = self.options.keys.read().await;
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let same = matches!(&found, Ok(json) if *json == read.json);
        let set = found.and_then(|json| if same { Ok(None) } else { KeySet::read(&json).map(|set| Some((json, set))) });
        match set {
            Ok(new) => {
                if let Some((json, mut set)) = new {
                    if set.len() == 0 {
                        tracing::warn!(from = %self.options.keys, "the issuer's key set has no usable key: every token is refused");
                    }
                    let mut held = self.set.write().unwrap_or_else(PoisonError::into_inner);
                    set.succeed(std::mem::take(&mut held));
                    *held = set;
                    read.json = json;
                }
                if std::mem::replace(&mut read.failing, false) {
                    tracing::info!(from = %self.options.keys, "the issuer's keys can be read again");
                }
                self.trust.renew(began, BELIEVED);
            }
            Err(cause) => {
                if !std::mem::replace(&mut read.failing, true) {
                    let believed_s = BELIEVED.as_secs();
                    tracing::error!(from = %self.options.keys, cause, believed_s, "the issuer's keys cannot be read");
                }
                if !self.trust.holds(Instant::now()) {
                    let mut held = self.set.write().unwrap_or_else(PoisonError::into_inner);
                    std::mem::take(&mut *held).end(Standing::Unknown);
                    read.json = bytes::Bytes::new();
                }
            }
        }
    }

    pub(super) async fn follow(&self) {
        loop {
            let failing = self.read.lock().unwrap_or_else(PoisonError::into_inner).failing;
            let every = if failing { self.options.keys.rest() } else { self.options.keys.every() };
            let _asked = tokio::time::timeout(every, self.wanted.notified()).await;
            self.pass().await;
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
            tokens.pass().await;
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
            assert!(tokens.trust.holds(Instant::now()), "{malformed}");
        }
        for without in [r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
            assert_eq!(after(without).await, 0, "{without}");
            assert!(tokens.trust.holds(Instant::now()), "{without}");
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
            assert_eq!(check(iat.clone(), exp), Err(Refusal::Lifetime), "{iat} {exp}");
        }
        assert_eq!(check(serde_json::json!("today"), 60), Err(Refusal::Invalid));
    }
}
