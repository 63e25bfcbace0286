//! Topology of a Redis Cluster: discovers primaries and runs a reconciler for each.

use std::collections::{BTreeSet, HashMap};
use std::sync::Weak;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use futures::future::{join_all, select_ok};
use tokio_util::task::AbortOnDropHandle;

use crate::cache::redis::options::{Address, Server};
use crate::cache::redis::protocol::connection::{Connection, RedisError, code, text};
use crate::cache::redis::{RedisContext, reconciler};
use crate::random::jittered;

/// Interval between topology queries: while all slots are covered, and while some are not.
const INTERVAL: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(250));

/// Runs one reconciler per primary until the cache is dropped or the task is aborted. Each reconciler queries the slots
/// from its node; this task only discovers addresses.
pub(in crate::cache::redis) async fn follow(context: Weak<RedisContext>, seeds: Vec<Address>) {
    let mut reconcilers: HashMap<Address, AbortOnDropHandle<()>> = HashMap::new();
    // Each outage is logged once, when it begins.
    let mut failing = false;
    while let Some(cache) = context.upgrade() {
        let known = seeds.iter().chain(reconcilers.keys()).collect();
        match primaries(&cache, known).await {
            Ok(primaries) => {
                failing = false;
                reconcilers.retain(|address, _| primaries.contains(address));
                for address in primaries {
                    reconcilers.entry(address.clone()).or_insert_with(|| {
                        let reconciler = reconciler::run(Weak::clone(&context), Server::At(address));
                        AbortOnDropHandle::new(tokio::spawn(reconciler))
                    });
                }
            }
            Err(error) if !std::mem::replace(&mut failing, true) => {
                let redis = cache.options.address();
                tracing::warn!(redis, %error, "Redis Cluster unreachable; reads fall back to the store");
            }
            Err(_) => {}
        }
        let pause = if cache.router.covers_all_slots() { INTERVAL.0 } else { INTERVAL.1 };
        tokio::select! {
            () = tokio::time::sleep(jittered(pause)) => {}
            () = cache.router.session_ended() => {}
        }
    }
}

/// Returns the primaries known to any node in use. While none is in use, the first answer of a configured or known node
/// wins. A wrong answer is harmless: the node itself reports that it is a replica or has no slots.
async fn primaries(cache: &RedisContext, known: BTreeSet<&Address>) -> Result<BTreeSet<Address>, RedisError> {
    let sessions = cache.router.sessions();
    let answers = join_all(sessions.iter().map(async |session| {
        let answers = session.send(&slots_query()).await?;
        parse_slots(&session.address.host, &answers).ok()
    }));
    let found: BTreeSet<Address> = answers.await.into_iter().flatten().flatten().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let queries = known.into_iter().map(|address| {
        Box::pin(async move {
            let connection = Connection::open(address, &cache.options.login, cache.options.tls.as_ref()).await?;
            parse_slots(&address.host, &connection.send(&slots_query()).await?)
        })
    });
    select_ok(queries).await.map(|(primaries, _)| primaries)
}

fn slots_query() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("CLUSTER").arg("SLOTS");
    pipeline
}

/// Parses CLUSTER SLOTS: for each range of slots its ends, its primary and its replicas. A node that does not know its
/// own address leaves the host empty; it is then the queried host.
fn parse_slots(queried: &str, answers: &[Value]) -> Result<BTreeSet<Address>, RedisError> {
    let ranges = match answers {
        [Value::Array(ranges)] => ranges,
        [answer] if code(answer) == Some("ERR") => {
            return Err(RedisError::Refused("server does not belong to a Cluster; use redis://host:port".into()));
        }
        _ => return Err(RedisError::Refused("server returned no slots".into())),
    };
    let primary = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let Value::Array(node) = range.get(2)? else { return None };
        let host = match node.first()? {
            Value::Nil => queried.to_owned(),
            host => text(host).map(|host| if host.is_empty() { queried.to_owned() } else { host })?,
        };
        // Placeholder of a node that is configured to announce a host name but has none.
        let known = host != "?";
        match node.get(1)? {
            Value::Int(port) if known => Some(Address { host, port: u16::try_from(*port).ok()? }),
            _ => None,
        }
    };
    let primaries: BTreeSet<Address> = ranges.iter().filter_map(primary).collect();
    match primaries.is_empty() {
        true => Err(RedisError::Refused("server knows no node with slots".into())),
        false => Ok(primaries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(host: Value, port: i64) -> Value {
        let node = vec![host, Value::Int(port), Value::SimpleString("id".into()), Value::Array(Vec::new())];
        let replica = vec![Value::SimpleString("replica".into()), Value::Int(9)];
        Value::Array(vec![Value::Int(0), Value::Int(9), Value::Array(node), Value::Array(replica)])
    }

    #[test]
    fn primaries_are_where_they_say() {
        let named = |host: &str| Value::BulkString(host.as_bytes().to_vec());
        let ranges = [range(named("a"), 1), range(named("b"), 2), range(named("a"), 1), range(Value::Nil, 3)];
        let ranges = ranges.into_iter().chain([range(named(""), 4), range(named("?"), 5)]).collect();
        let found: Vec<String> =
            parse_slots("seed", &[Value::Array(ranges)]).unwrap().iter().map(Address::to_string).collect();
        assert_eq!(found, ["a:1", "b:2", "seed:3", "seed:4"]);
        assert!(parse_slots("seed", &[Value::Array(vec![range(named("?"), 5)])]).is_err());
        assert!(parse_slots("seed", &[Value::Nil]).is_err() && parse_slots("seed", &[]).is_err());
    }
}
