//! Server certificate.

use jiff::Timestamp;

use super::Finding;
use crate::printable;
use crate::server::TlsOptions;

const PART: &str = "certificate";
const DAY: i64 = 24 * 3_600;
/// Days before expiry from which renewal is advised.
const RENEW_DAYS: i64 = 14;

pub(super) fn check(options: &TlsOptions, findings: &mut Vec<Finding>) {
    let ends = match options.ends() {
        Ok(ends) => ends,
        Err(error) => {
            return findings.push(Finding::problem(PART, error.to_string(), "replace the file with a valid one"));
        }
    };
    let Some(end) = ends.and_then(|end| Timestamp::from_second(end).ok()) else {
        return findings.push(Finding::advice(PART, "its expiry cannot be read", "inspect it with `openssl x509`"));
    };
    let days = (end.as_second() - Timestamp::now().as_second()).div_euclid(DAY);
    let found = format!("{} expires at {end}", printable::path(&options.cert));
    findings.push(match days {
        ..0 => Finding::problem(PART, found, "clients reject it: renew it; the server reloads it automatically"),
        0..RENEW_DAYS => {
            Finding::advice(PART, format!("{found}, in {days} days"), "renew it; the server reloads it automatically")
        }
        _ => Finding::ok(PART, found),
    });
}
