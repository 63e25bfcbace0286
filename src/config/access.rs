//! Settings of authentication and the audit log.

use std::path::Path;
use std::time::Duration;

use super::parse::{at_least, duration, switch};
use super::{ConfigError, Settings};
use crate::access::{AccessOptions, AuditTarget, JwksSource, JwtOptions, Rate};

/// Returns the options of authentication, or `None` with `auth = off`.
pub(super) fn access_options(
    settings: &Settings,
    staleness_bound: Duration,
) -> Result<Option<AccessOptions>, ConfigError> {
    let on = settings.get("auth", switch)?;
    let requires_auth = |text: &str| match text {
        "" | "off" => Ok(()),
        _ if on => Ok(()),
        _ => Err("requires `auth = on`".to_owned()),
    };
    for name in ["jwt-issuer", "jwt-audience", "jwt-jwks", "jwt-jwks-ca", "jwt-max-lifetime", "rate-limit"] {
        settings.get(name, requires_auth)?;
    }
    if !on {
        return Ok(None);
    }
    let rate = settings.get("rate-limit", |text| match text {
        "off" => Ok(None),
        text => text.parse::<Rate>().map(Some).map_err(|expected| format!("{expected}, or off")),
    })?;
    Ok(Some(AccessOptions { staleness_bound, rate, jwt: jwt(settings)? }))
}

/// Requires all three settings or none: without one of them, a JWT meant for another service would be accepted.
fn jwt(settings: &Settings) -> Result<Option<JwtOptions>, ConfigError> {
    let together = ["jwt-issuer", "jwt-audience", "jwt-jwks"];
    let ca = Some(settings.text("jwt-jwks-ca")).filter(|path| !path.is_empty()).map(Path::new);
    let max_lifetime = settings.get("jwt-max-lifetime", |text| match text {
        "off" => Ok(None),
        text => duration(text)
            .and_then(|max| at_least(max, Duration::from_secs(1)))
            .map(Some)
            .map_err(|expected| format!("{expected}, or off")),
    })?;
    if together.iter().all(|name| settings.text(name).is_empty()) && ca.is_none() && max_lifetime.is_none() {
        return Ok(None);
    }
    for name in together {
        settings.get(name, |text| match text {
            "" => Err("is required: set `jwt-issuer`, `jwt-audience` and `jwt-jwks` together".to_owned()),
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

/// Returns the destination of the audit log.
pub(super) fn audit_log(settings: &Settings, authenticated: bool) -> Result<AuditTarget, ConfigError> {
    settings.get("audit-log", |text| match text {
        // Without authentication, entries would name no caller.
        "auto" => Ok(if authenticated { AuditTarget::Log } else { AuditTarget::Off }),
        "log" => Ok(AuditTarget::Log),
        "off" => Ok(AuditTarget::Off),
        "" => Err("must be auto, log, off, or a file path".to_owned()),
        path => Ok(AuditTarget::File(path.into())),
    })
}
