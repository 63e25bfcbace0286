//! Where the keys are by which tokens are checked.

use super::Finding;
use crate::access::JwtOptions;

const PART: &str = "issuer";

pub(super) async fn look(options: &JwtOptions, findings: &mut Vec<Finding>) {
    let keys = &options.keys;
    findings.push(match options.count_keys().await {
        Ok(1) => Finding::ok(PART, format!("{keys} has a key of use")),
        Ok(count) => Finding::ok(PART, format!("{keys} has {count} keys of use")),
        Err(cause) => Finding::problem(
            PART,
            format!("jwt-jwks = {keys}: {cause}"),
            "a server that starts now takes no token, only API keys; one that runs believes the keys that it has for an hour",
        ),
    });
}
