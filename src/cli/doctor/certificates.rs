//! The certificates that are shown to callers.

use jiff::Timestamp;

use super::Finding;
use crate::printable;
use crate::server::TlsOptions;

const PART: &str = "certificate";
const DAY: i64 = 24 * 3_600;
/// How long before its end it is told.
const SOON: i64 = 14;

pub(super) fn look(options: &TlsOptions, findings: &mut Vec<Finding>) {
    let ends = match options.ends() {
        Ok(ends) => ends,
        Err(wrong) => return findings.push(Finding::problem(PART, wrong.to_string(), "put the right file there")),
    };
    let Some(end) = ends.and_then(|end| Timestamp::from_second(end).ok()) else {
        return findings.push(Finding::advice(PART, "its end cannot be read", "look at it with openssl x509"));
    };
    let days = (end.as_second() - Timestamp::now().as_second()).div_euclid(DAY);
    let found = format!("{} ends at {end}", printable::path(&options.cert));
    findings.push(match days {
        ..0 => Finding::problem(PART, found, "callers refuse it: renew it; the server takes it over by itself"),
        0..SOON => {
            Finding::advice(PART, format!("{found}, in {days} days"), "renew it; the server takes it over by itself")
        }
        _ => Finding::ok(PART, found),
    });
}
