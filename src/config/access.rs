//! Who may call: what these settings mean together.

use std::path::Path;
use std::time::Duration;

use super::parse::{at_least, duration, switch};
use super::{ConfigError, Settings};
use crate::access::{AccessOptions, AuditTarget, JwksSource, JwtOptions, Rate};

/// How callers are told apart, if they are.
pub(super) fn access_options(
    settings: &Settings,
    staleness_bound: Duration,
) -> Result<Option<AccessOptions>, ConfigError> {
    let on = settings.get("auth", switch)?;
    let idle = |text: &str| match text {
        "" | "off" => Ok(()),
        _ if on => Ok(()),
        _ => Err("has no use without auth = on".to_owned()),
    };
    for name in ["jwt-issuer", "jwt-audience", "jwt-jwks", "jwt-jwks-ca", "jwt-max-lifetime", "rate-limit"] {
        settings.get(name, idle)?;
    }
    if !on {
        return Ok(None);
    }
    let rate = settings.get("rate-limit", |text| match text {
        "off" => Ok(None),
        text => text.parse::<Rate>().map(Some).map_err(|right| format!("{right}, or off")),
    })?;
    Ok(Some(AccessOptions { staleness_bound, rate, jwt: jwt(settings)? }))
}

/// All three, or none: a token without any one of them would be somebody else's.
fn jwt(settings: &Settings) -> Result<Option<JwtOptions>, ConfigError> {
    let together = ["jwt-issuer", "jwt-audience", "jwt-jwks"];
    let ca = Some(settings.text("jwt-jwks-ca")).filter(|path| !path.is_empty()).map(Path::new);
    let max_lifetime = settings.get("jwt-max-lifetime", |text| match text {
        "off" => Ok(None),
        text => duration(text)
            .and_then(|max| at_least(max, Duration::from_secs(1)))
            .map(Some)
            .map_err(|right| format!("{right}, or off")),
    })?;
    if together.iter().all(|name| settings.text(name).is_empty()) && ca.is_none() && max_lifetime.is_none() {
        return Ok(None);
    }
    for name in together {
        settings.get(name, |text| match text {
            "" => Err("is needed: jwt-issuer, jwt-audience and jwt-jwks go together".to_owned()),
            _ => Ok(()),
        })?;
    }
    Ok(Some(JwtOptions {
        issuer: settings.text("jwt-issuer").to_owned(),
        audience: settings.text("jwt-audience").to_owned(),
        keys: settings.get("jwt-jwks", |text| JwksSource::new(text, ca))?,
        max_lifetime,
    }))
}

/// Where it is written who changed what.
pub(super) fn audit_log(settings: &Settings, authenticated: bool) -> Result<AuditTarget, ConfigError> {
    settings.get("audit-log", |text| match text {
        // Where nobody is known, there is nobody to name.
        "auto" => Ok(if authenticated { AuditTarget::Log } else { AuditTarget::Off }),
        "log" => Ok(AuditTarget::Log),
        "off" => Ok(AuditTarget::Off),
        "" => Err("must be auto, log, off, or a file".to_owned()),
        path => Ok(AuditTarget::File(path.into())),
    })
}
