//! Key set (JWKS) of the issuer of JWTs.

use super::Finding;
use crate::access::JwtOptions;

const PART: &str = "issuer";

pub(super) async fn check(options: &JwtOptions, findings: &mut Vec<Finding>) {
    let keys = &options.keys;
    let problem = |error: &str| {
        Finding::problem(
            PART,
            format!("jwt-jwks = {keys}: {error}"),
            "make it available: a server started now accepts no JWT and is not ready (/readyz); a running one uses its \
             keys for another hour",
        )
    };
    findings.push(match options.count_keys().await {
        Ok(0) => Finding::problem(
            PART,
            format!("jwt-jwks = {keys}: has no key for RS256, ES256 or EdDSA"),
            "publish a key at the issuer, or unset jwt-issuer, jwt-audience and jwt-jwks: servers accept no JWT, only \
             API keys",
        ),
        Ok(1) => Finding::ok(PART, format!("{keys} has 1 usable key")),
        Ok(count) => Finding::ok(PART, format!("{keys} has {count} usable keys")),
        Err(error) => problem(&error),
    });
}
