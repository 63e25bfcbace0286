//! Redis. Reads fall back to the store without it, so most findings are advice; a problem means that Redis can answer
//! no read at all.

use std::time::Duration;

use super::Finding;
use super::host::clock;
use crate::cache::{RedisCache, RedisFacts, RedisOptions};

const PART: &str = "redis";
/// Round trip from which it is slow. The timeout of a call is 40 ms.
const SLOW: Duration = Duration::from_millis(10);
const TOO_SLOW: Duration = Duration::from_millis(35);

pub(super) async fn check(options: &RedisOptions, findings: &mut Vec<Finding>) {
    for (address, facts) in RedisCache::probe(options).await {
        match facts {
            Ok(facts) => server(&address, &facts, options, findings),
            Err(error) => findings.push(Finding::problem(
                PART,
                format!("{address}: {error}"),
                "check that it is running and reachable from here, and check host, port, user and password in `cache`; \
                 until then reads go to the store",
            )),
        }
    }
}

fn server(address: &str, facts: &RedisFacts, options: &RedisOptions, findings: &mut Vec<Finding>) {
    let found = format!("{address} is {} {}, {}", facts.version, facts.mode, facts.role);
    if !is_supported(&facts.version) {
        findings.push(Finding::problem(PART, found, "upgrade to Redis 6.2 or newer"));
    } else if facts.mode == "sentinel" {
        findings.push(Finding::problem(PART, found, "set `cache` to redis-sentinel://…/service for a Sentinel"));
    } else if facts.role != "master" && facts.mode != "cluster" {
        findings.push(Finding::problem(
            PART,
            found,
            "set `cache` to the primary, or to Sentinels: redis-sentinel://…/service",
        ));
    } else {
        findings.push(Finding::ok(PART, format!("{found}, round trip {:.1?}", facts.round_trip)));
    }
    if facts.round_trip > SLOW {
        let found = format!("the round trip takes {:.1?}", facts.round_trip);
        let advice = "run it in the same network with enough CPU";
        findings.push(match facts.round_trip > TOO_SLOW {
            true => Finding::problem(PART, found, format!("{advice}: calls time out after 40 ms")),
            false => Finding::advice(PART, found, advice),
        });
    }
    findings.push(memory(facts));
    match facts.write_error.as_deref() {
        None | Some("OOM") => {}
        Some("NOPERM") => findings.push(Finding::problem(
            PART,
            "the user lacks privileges",
            "allow GET, GETRANGE, SET, DEL, TIME, EVAL, EVALSHA and INFO on copydesk:*",
        )),
        Some(code) => findings.push(Finding::problem(PART, format!("it rejects writes: {code}"), "check its log")),
    }
    findings.push(clock(PART, facts.clock_offset, Some(options.staleness_bound)));
}

fn memory(facts: &RedisFacts) -> Finding {
    const ADVICE: &str = "set maxmemory, and maxmemory-policy allkeys-lru";
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let used = format!("{} MiB of {} in use, {}", mib(facts.used_memory), mib(facts.max_memory), facts.policy);
    match facts.policy.as_str() {
        _ if facts.write_error.as_deref() == Some("OOM") => {
            Finding::problem(PART, format!("it is full and rejects writes: {used}"), ADVICE)
        }
        _ if facts.max_memory == 0 => Finding::advice(PART, "maxmemory is not set: memory use is unlimited", ADVICE),
        "noeviction" => Finding::advice(PART, format!("{used}: it rejects writes once it is full"), ADVICE),
        _ => Finding::ok(PART, used),
    }
}

fn is_supported(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(6), Some(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert!(["6.2.0", "7.0.15", "10.0"].iter().all(|version| is_supported(version)));
        assert!(["6.0.16", "5.9", ""].iter().all(|version| !is_supported(version)));
    }
}
