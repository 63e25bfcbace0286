//! Which nodes a Cluster has, and a keeper for each that is in charge of slots.

use std::collections::{BTreeSet, HashMap};
use std::sync::Weak;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use futures::future::{join_all, select_ok};
use tokio_util::task::AbortOnDropHandle;

use super::options::{Address, Server};
use super::session::jittered;
use super::wire::{Trouble, Wire, code, text};
use super::{Shared, keeper};

/// How often it is asked which nodes there are: while all is well, and while a part is not used.
const ASK: (Duration, Duration) = (Duration::from_secs(1), Duration::from_millis(250));

/// Keeps one keeper for each primary, until the cache is gone or the task is aborted. Which slots a node has, it says itself when
/// its keeper asks: here it is only a matter of whom to ask.
pub(super) async fn follow(shared: Weak<Shared>, seeds: Vec<Address>) {
    let mut keepers: HashMap<Address, AbortOnDropHandle<()>> = HashMap::new();
    // An outage is logged when it begins.
    let mut failing = false;
    while let Some(cache) = shared.upgrade() {
        let known = seeds.iter().chain(keepers.keys()).collect();
        match primaries(&cache, known).await {
            Ok(primaries) => {
                failing = false;
                keepers.retain(|address, _| primaries.contains(address));
                for address in primaries {
                    keepers.entry(address.clone()).or_insert_with(|| {
                        let keeper = keeper::keep(Weak::clone(&shared), Server::At(address));
                        AbortOnDropHandle::new(tokio::spawn(keeper))
                    });
                }
            }
            Err(trouble) if !std::mem::replace(&mut failing, true) => {
                tracing::warn!(redis = %cache.options.place(), %trouble, "no node of Redis Cluster answers; reads go to the store");
            }
            Err(_) => {}
        }
        let rest = if cache.router.is_whole() { ASK.0 } else { ASK.1 };
        tokio::select! {
            () = tokio::time::sleep(jittered(rest)) => {}
            () = cache.router.let_go() => {}
        }
    }
}

/// Whatever any node that is used takes for a primary. While none is, the first that answers is believed, of those that were
/// named and those that were known. A mistake does no harm: a node says itself that it is a replica, or has no slots.
async fn primaries(cache: &Shared, known: BTreeSet<&Address>) -> Result<BTreeSet<Address>, Trouble> {
    let sessions = cache.router.sessions();
    let told = join_all(sessions.iter().map(async |session| {
        let answers = session.ask(&question()).await?;
        read(&session.address.host, &answers).ok()
    }));
    let found: BTreeSet<Address> = told.await.into_iter().flatten().flatten().collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let asked = known.into_iter().map(|address| {
        Box::pin(async move {
            let wire = Wire::open(address, &cache.options.login, cache.options.tls.as_ref()).await?;
            read(&address.host, &wire.ask(&question()).await?)
        })
    });
    select_ok(asked).await.map(|(primaries, _)| primaries)
}

fn question() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("CLUSTER").arg("SLOTS");
    pipeline
}

/// Of CLUSTER SLOTS: for each range of slots its ends, its primary, and replicas. A node that has not been told where it is
/// itself says nothing of its host: it is where it was asked.
fn read(asked: &str, answers: &[Value]) -> Result<BTreeSet<Address>, Trouble> {
    let ranges = match answers {
        [Value::Array(ranges)] => ranges,
        [answer] if code(answer) == Some("ERR") => {
            return Err(Trouble::Refused("it is not of a Cluster: write redis://host:port for one server".into()));
        }
        _ => return Err(Trouble::Refused("it does not tell its slots".into())),
    };
    let primary = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let Value::Array(node) = range.get(2)? else { return None };
        let host = match node.first()? {
            Value::Nil => asked.to_owned(),
            host => text(host).map(|host| if host.is_empty() { asked.to_owned() } else { host })?,
        };
        // A node that should announce a host name, and does not.
        let known = host != "?";
        match node.get(1)? {
            Value::Int(port) if known => Some(Address { host, port: u16::try_from(*port).ok()? }),
            _ => None,
        }
    };
    let primaries: BTreeSet<Address> = ranges.iter().filter_map(primary).collect();
    match primaries.is_empty() {
        true => Err(Trouble::Refused("it knows of no node that has slots".into())),
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
            read("seed", &[Value::Array(ranges)]).unwrap().iter().map(Address::to_string).collect();
        assert_eq!(found, ["a:1", "b:2", "seed:3", "seed:4"]);
        assert!(read("seed", &[Value::Array(vec![range(named("?"), 5)])]).is_err());
        assert!(read("seed", &[Value::Nil]).is_err() && read("seed", &[]).is_err());
    }
}
