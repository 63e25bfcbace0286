//! Diagnosis of a Redis server, for `copydesk doctor`.

use std::time::{Duration, Instant};

use ::redis::{Pipeline, Value};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::RedisCache;
use super::options::{Address, Endpoint, Mode, RedisOptions};
use super::protocol::connection::{Connection, RedisError, code, text};

/// Facts that a Redis server reports about itself.
#[derive(Clone, Debug)]
pub struct RedisFacts {
    /// Redis version, such as `7.0.15`; for Valkey, the compatible version of Redis.
    pub version: String,
    /// `master` or `slave`.
    pub role: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// Memory limit, in bytes; 0 for none.
    pub max_memory: u64,
    /// Used memory, in bytes.
    pub used_memory: u64,
    /// Eviction policy (`maxmemory-policy`).
    pub policy: String,
    /// Error code with which it rejects an entry; not tested in a Cluster, whose nodes have only their slots.
    pub write_error: Option<String>,
    /// Clock offset, positive if its clock is ahead of ours; accurate to half the round trip.
    pub clock_offset: SignedDuration,
    /// Round-trip time.
    pub round_trip: Duration,
}

impl RedisCache {
    /// Queries the facts of each configured server, and returns them by address. Its test entry expires after one
    /// second.
    pub async fn probe(options: &RedisOptions) -> Vec<(String, Result<RedisFacts, String>)> {
        let addresses = match &options.endpoint {
            Endpoint::Cluster(seeds) => seeds.clone(),
            Endpoint::One(server) => match options.find(server).await {
                Ok(address) => vec![address],
                Err(error) => return vec![(server.to_string(), Err(error.to_string()))],
            },
        };
        let mut found = Vec::with_capacity(addresses.len());
        for address in addresses {
            let facts = query(options, &address).await.map_err(|error| error.to_string());
            found.push((address.to_string(), facts));
        }
        found
    }
}

async fn query(options: &RedisOptions, address: &Address) -> Result<RedisFacts, RedisError> {
    let connection = Connection::open(address, &options.login, options.tls.as_ref()).await?;
    let mut info = Pipeline::new();
    for section in ["server", "replication", "memory"] {
        info.cmd("INFO").arg(section);
    }
    let response: String = connection.send(&info).await?.iter().filter_map(text).collect::<Vec<_>>().join("\n");
    let field = |name: &str| {
        let line = response.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(str::trim).unwrap_or_default().to_owned()
    };
    let mode = if field("redis_mode").is_empty() { field("server_mode") } else { field("redis_mode") };
    let number = |name: &str| field(name).parse().unwrap_or(0);
    let mut time = Pipeline::new();
    time.cmd("TIME");
    let (before, began) = (Timestamp::now(), Instant::now());
    let clock = connection.send(&time).await?;
    let round_trip = began.elapsed();
    let local_time = before.as_microsecond() + (round_trip / 2).as_micros() as i64;
    let clock_offset = SignedDuration::from_micros(micros(&clock).map_or(0, |server_time| server_time - local_time));
    let writable = options.mode() == Mode::Standalone && field("role") == "master";
    let write_error = if writable { test_write(&connection).await? } else { None };
    Ok(RedisFacts {
        version: field("redis_version"),
        role: field("role"),
        mode,
        max_memory: number("maxmemory"),
        used_memory: number("used_memory"),
        policy: field("maxmemory_policy"),
        write_error,
        clock_offset,
        round_trip,
    })
}

/// Parses the response to TIME.
fn micros(answers: &[Value]) -> Option<i64> {
    let Some(Value::Array(parts)) = answers.first() else { return None };
    let part = |at: usize| text(parts.get(at)?)?.parse::<i64>().ok();
    Some(part(0)? * 1_000_000 + part(1)?)
}

/// Runs the cache's commands on a test key, and returns the code of the first error.
async fn test_write(connection: &Connection) -> Result<Option<String>, RedisError> {
    let key = format!("copydesk:1:doctor:{}", Uuid::now_v7().simple());
    let mut pipeline = Pipeline::new();
    pipeline.cmd("SET").arg(&key).arg("x").arg("PX").arg(1_000);
    pipeline.cmd("EVAL").arg("return redis.call('GETRANGE', KEYS[1], 0, 0)").arg(1).arg(&key);
    pipeline.cmd("GET").arg(&key).cmd("DEL").arg(&key);
    match connection.send(&pipeline).await {
        Ok(answers) => Ok(answers.iter().find_map(code).map(str::to_owned)),
        Err(RedisError::Refused(code)) => Ok(Some(code)),
        Err(error) => Err(error),
    }
}
