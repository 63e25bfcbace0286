//! Redis. When it does not work, reads go to the store: so most of what is wrong with it is advice, unless no read could ever be
//! answered by it.

use std::time::Duration;

use super::Finding;
use super::host::clock;
use crate::cache::{RedisCache, RedisFacts, RedisOptions};

const PART: &str = "redis";
/// A call is given 40 ms.
const SLOW: Duration = Duration::from_millis(10);
const TOO_SLOW: Duration = Duration::from_millis(35);

pub(super) async fn look(options: &RedisOptions, findings: &mut Vec<Finding>) {
    for (place, facts) in RedisCache::probe(options).await {
        match facts {
            Ok(facts) => server(&place, &facts, options, findings),
            Err(trouble) => findings.push(Finding::problem(
                PART,
                format!("{place}: {trouble}"),
                "is it up, and reached from here? look at host, port, user and password in `cache`; until then the store answers",
            )),
        }
    }
}

fn server(place: &str, facts: &RedisFacts, options: &RedisOptions, findings: &mut Vec<Finding>) {
    let found = format!("{place} is {} {}, {}", facts.version, facts.mode, facts.role);
    if !new_enough(&facts.version) {
        findings.push(Finding::problem(PART, found, "use Redis 6.2 or newer"));
    } else if facts.mode == "sentinel" {
        findings.push(Finding::problem(PART, found, "name it in redis-sentinel://…/service"));
    } else if facts.role != "master" && facts.mode != "cluster" {
        findings.push(Finding::problem(PART, found, "name the primary, or let Sentinels: redis-sentinel://…/service"));
    } else {
        findings.push(Finding::ok(PART, format!("{found}, and answers in {:.1?}", facts.round_trip)));
    }
    if facts.round_trip > SLOW {
        let found = format!("an answer takes {:.1?}", facts.round_trip);
        let advice = "it should be in the same network, and have a processor";
        findings.push(match facts.round_trip > TOO_SLOW {
            true => Finding::problem(PART, found, format!("{advice}: no call waits for longer than 40 ms")),
            false => Finding::advice(PART, found, advice),
        });
    }
    findings.push(memory(facts));
    match facts.refuses.as_deref() {
        None | Some("OOM") => {}
        Some("NOPERM") => findings.push(Finding::problem(
            PART,
            "the user may not do what is needed",
            "let it GET, GETRANGE, SET, DEL, TIME, EVAL, EVALSHA and INFO, on copydesk:*",
        )),
        Some(code) => findings.push(Finding::problem(PART, format!("it takes no entry: {code}"), "see its log")),
    }
    findings.push(clock(PART, facts.ahead, Some(options.staleness_bound)));
}

fn memory(facts: &RedisFacts) -> Finding {
    const ADVICE: &str = "set maxmemory, and maxmemory-policy allkeys-lru";
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let used = format!("{} MiB of {} in use, {}", mib(facts.used_memory), mib(facts.max_memory), facts.policy);
    match facts.policy.as_str() {
        _ if facts.refuses.as_deref() == Some("OOM") => {
            Finding::problem(PART, format!("it is full, and takes no entry: {used}"), ADVICE)
        }
        _ if facts.max_memory == 0 => {
            Finding::advice(PART, "maxmemory is not set: it grows until the machine has no more", ADVICE)
        }
        "noeviction" => Finding::advice(PART, format!("{used}: once it is full it takes no entry"), ADVICE),
        _ => Finding::ok(PART, used),
    }
}

fn new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next(), parts.next()) >= (Some(6), Some(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers() {
        assert!(["6.2.0", "7.0.15", "10.0"].iter().all(|version| new_enough(version)));
        assert!(["6.0.16", "5.9", ""].iter().all(|version| !new_enough(version)));
    }
}
