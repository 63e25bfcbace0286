//! Diagnosis of a database, for `copydesk doctor`.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::error::OpenError;
use super::{PostgresOptions, PostgresStore, migrate};

/// Table privileges that serving requires. One more table is only read.
const RIGHTS: &str = "('articles', 'SELECT'), ('articles', 'INSERT'), ('articles', 'UPDATE'), ('changes', 'SELECT'),
    ('changes', 'INSERT'), ('texts', 'SELECT'), ('texts', 'INSERT'), ('facets', 'SELECT'), ('facets', 'INSERT'),
    ('facets', 'DELETE'), ('requests', 'SELECT'), ('requests', 'INSERT'), ('requests', 'DELETE'), ('feed', 'SELECT'),
    ('feed', 'UPDATE'), ('leases', 'SELECT'), ('leases', 'INSERT'), ('leases', 'UPDATE'),
    ('story_members', 'SELECT'), ('story_members', 'INSERT'), ('story_members', 'UPDATE'),
    ('story_merges', 'SELECT'), ('story_merges', 'INSERT'), ('story_merges', 'UPDATE'), ('story_merges', 'DELETE'),
    ('grouping', 'SELECT'), ('grouping', 'UPDATE'), ('article_reads', 'SELECT'), ('article_reads', 'INSERT'),
    ('article_reads', 'UPDATE'), ('article_reads', 'DELETE')";

/// Facts that a database reports about itself.
#[derive(Clone, Debug)]
pub struct DatabaseFacts {
    /// Host, port and database.
    pub address: String,
    /// Server version; 150004 is 15.4.
    pub version: i32,
    /// Encoding; must be `UTF8`.
    pub encoding: String,
    /// Schema version; 0 if there is no schema.
    pub schema: i32,
    /// Schema version that this program requires.
    pub needed: i32,
    /// True for a standby.
    pub standby: bool,
    /// True while a copy into the database is under way or interrupted.
    pub copying: bool,
    /// Privileges that the role lacks, such as `INSERT articles`.
    pub lacks: Vec<String>,
    /// Default of `synchronous_commit`.
    pub synchronous_commit: String,
    /// Connection limit (`max_connections`).
    pub max_connections: i64,
    /// Clock offset, positive if its clock is ahead of ours; accurate to half the round trip.
    pub clock_offset: SignedDuration,
    /// Round-trip time.
    pub round_trip: Duration,
    /// True behind a connection pooler in transaction mode, such as pgbouncer.
    pub pooled: bool,
}

/// Maximum number of attempts to see two connections share a server process. A pooler usually takes the process that
/// was used last, so the first attempt shows it.
const SHARED_TRIES: usize = 3;

/// Returns true behind a connection pooler in transaction mode, where two connections have the same server process.
/// Prepared statements and LISTEN belong to a server process, so they do not work there.
pub(super) async fn is_pooled(options: &PostgresOptions) -> bool {
    let open = async || {
        let (client, connection) = options.connect().await.ok()?;
        tokio::spawn(connection);
        Some(client)
    };
    let (Some(one), Some(other)) = (open().await, open().await) else { return false };
    let process = async |client: &Client| {
        let sql = "SELECT pg_backend_pid()";
        let answered = tokio::time::timeout(options.statement_timeout, client.query_typed_one(sql, &[])).await;
        answered.ok()?.ok()?.try_get::<_, i32>(0).ok()
    };
    for _ in 0..SHARED_TRIES {
        let (first, second) = (process(&one).await, process(&other).await);
        if first.is_some() && first == second {
            return true;
        }
    }
    false
}

impl PostgresStore {
    /// Queries the facts of a database, and changes nothing.
    ///
    /// # Errors
    /// If it is unreachable or rejects the login.
    pub async fn probe(options: &PostgresOptions) -> Result<DatabaseFacts, OpenError> {
        let address = options.address();
        let (client, connection) = options.connect().await.map_err(|error| match error {
            Some(error) => OpenError::refused(&address, &error),
            None => OpenError::Refused { address: address.clone(), cause: "it does not answer".into() },
        })?;
        // The task ends with the client.
        tokio::spawn(connection);
        let facts = tokio::time::timeout(options.statement_timeout, query(&client, address.clone())).await;
        let timed_out = |_| OpenError::Refused { address: address.clone(), cause: "it does not answer".into() };
        let mut facts = facts.map_err(timed_out)?.map_err(|error| OpenError::refused(&address, &error))?;
        facts.pooled = is_pooled(options).await;
        Ok(facts)
    }
}

async fn query(client: &Client, address: String) -> Result<DatabaseFacts, Error> {
    let setting = async |name: &str| -> Result<String, Error> {
        client.query_typed_one("SELECT current_setting($1)", &[(&name, Type::TEXT)]).await?.try_get(0)
    };
    let version = setting("server_version_num").await?.parse().unwrap_or(0);
    let encoding = setting("server_encoding").await?;
    let synchronous_commit = setting("synchronous_commit").await?;
    let max_connections = setting("max_connections").await?.parse().unwrap_or(0);
    let standby = client.query_typed_one("SELECT pg_is_in_recovery()", &[]).await?.try_get(0)?;
    let (before, began) = (Timestamp::now(), Instant::now());
    let clock = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let micros: i64 = client.query_typed_one(clock, &[]).await?.try_get(0)?;
    let round_trip = began.elapsed();
    let local_time = before.as_microsecond() + (round_trip / 2).as_micros() as i64;
    let schema = migrate::version(client).await?;
    let copying = match schema {
        migrate::KNOWN => {
            let sql = "SELECT count(*) > 0 FROM copydesk.feed WHERE copying IS NOT NULL";
            client.query_typed_one(sql, &[]).await?.try_get(0)?
        }
        _ => false,
    };
    let lacks = if schema == migrate::KNOWN { lacks(client).await? } else { Vec::new() };
    Ok(DatabaseFacts {
        address,
        version,
        encoding,
        schema,
        needed: migrate::KNOWN,
        standby,
        copying,
        lacks,
        synchronous_commit,
        max_connections,
        clock_offset: SignedDuration::from_micros(micros - local_time),
        round_trip,
        pooled: false,
    })
}

async fn lacks(client: &Client) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT needed || ' ' || name FROM (VALUES {RIGHTS}) AS rights (name, needed)
         WHERE NOT has_schema_privilege('copydesk', 'USAGE') OR NOT has_table_privilege('copydesk.' || name, needed)"
    );
    client.query_typed(&sql, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}
