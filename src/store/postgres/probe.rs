//! What can be found out about a database without opening it as a store: for whoever looks for what is wrong.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use super::error::OpenError;
use super::{PostgresOptions, PostgresStore, migrate};

/// What each table must allow whoever serves. Of one more, serving needs nothing but to read it.
const RIGHTS: &str = "('articles', 'SELECT'), ('articles', 'INSERT'), ('articles', 'UPDATE'), ('changes', 'SELECT'),
    ('changes', 'INSERT'), ('texts', 'SELECT'), ('texts', 'INSERT'), ('facets', 'SELECT'), ('facets', 'INSERT'),
    ('facets', 'DELETE'), ('requests', 'SELECT'), ('requests', 'INSERT'), ('requests', 'DELETE'), ('feed', 'SELECT'),
    ('feed', 'UPDATE'), ('search', 'INSERT'), ('indexed', 'UPDATE')";

/// A database, as it says of itself.
#[derive(Clone, Debug)]
pub struct DatabaseFacts {
    /// Host, port and database.
    pub place: String,
    /// 150004 is 15.4.
    pub version: i32,
    /// What texts are stored in; must be `UTF8`.
    pub encoding: String,
    /// The schema's version; 0 where there is none.
    pub schema: i32,
    /// The version that this program needs.
    pub needed: i32,
    /// Whether it is a standby.
    pub standby: bool,
    /// Whether a copy into it is under way or was interrupted.
    pub copying: bool,
    /// What the role may not do that serving needs: `INSERT articles`.
    pub lacks: Vec<String>,
    /// What a commit waits for, if we do not say otherwise.
    pub synchronous_commit: String,
    /// How many connections it takes.
    pub max_connections: i64,
    /// How far its clock is ahead of ours, give or take half the round trip.
    pub ahead: SignedDuration,
    /// How long it took to answer.
    pub round_trip: Duration,
}

impl PostgresStore {
    /// Asks a database what it is, whatever that is, and changes nothing.
    ///
    /// # Errors
    /// When it cannot be reached, or does not let us in.
    pub async fn probe(options: &PostgresOptions) -> Result<DatabaseFacts, OpenError> {
        let place = options.place();
        let (client, connection) = options.connect().await.map_err(|error| match error {
            Some(error) => OpenError::refused(&place, &error),
            None => OpenError::Refused { place: place.clone(), cause: "it does not answer".into() },
        })?;
        // It ends with the client.
        tokio::spawn(connection);
        let asked = tokio::time::timeout(options.statement_timeout, ask(&client, place.clone())).await;
        let late = |_| OpenError::Refused { place: place.clone(), cause: "it does not answer".into() };
        asked.map_err(late)?.map_err(|error| OpenError::refused(&place, &error))
    }
}

async fn ask(client: &Client, place: String) -> Result<DatabaseFacts, Error> {
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
    let ours = before.as_microsecond() + (round_trip / 2).as_micros() as i64;
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
        place,
        version,
        encoding,
        schema,
        needed: migrate::KNOWN,
        standby,
        copying,
        lacks,
        synchronous_commit,
        max_connections,
        ahead: SignedDuration::from_micros(micros - ours),
        round_trip,
    })
}

async fn lacks(client: &Client) -> Result<Vec<String>, Error> {
    let sql = format!(
        "SELECT needed || ' ' || name FROM (VALUES {RIGHTS}) AS rights (name, needed)
         WHERE NOT has_schema_privilege('copydesk', 'USAGE') OR NOT has_table_privilege('copydesk.' || name, needed)"
    );
    client.query_typed(&sql, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}
