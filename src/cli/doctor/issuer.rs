//! Where the keys are by which tokens are checked.

use super::Finding;
use crate::access::JwtOptions;

const PART: &str = "issuer";

pub(super) async fn look(options: &JwtOptions, findings: &mut Vec<Finding>) {
    let keys = &options.keys;
    let problem = |cause: &str| {
        Finding::problem(
            PART,
            format!("jwt-jwks = {keys}: {cause}"),
            "a server that starts now takes no token and is not ready (/readyz); one that runs believes the keys that it has for an hour",
        )
    };
    findings.push(match options.count_keys().await {
        Ok(0) => Finding::problem(
            PART,
            format!("jwt-jwks = {keys}: has no key for RS256, ES256 or EdDSA"),
            "servers take no token, only API keys; publish a key at the issuer, or unset jwt-issuer, jwt-audience and jwt-jwks",
        ),
        Ok(1) => Finding::ok(PART, format!("{keys} has a key of use")),
        Ok(count) => Finding::ok(PART, format!("{keys} has {count} keys of use")),
        Err(cause) => problem(&cause),
    });
}
