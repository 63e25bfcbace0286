//! PostgreSQL and its standbys.

use super::Finding;
use super::host::clock;
use crate::server::ServerOptions;
use crate::store::postgres::{DatabaseFacts, PostgresOptions, PostgresStore};

const PART: &str = "database";
/// Oldest supported version.
const MIN_VERSION: i32 = 130_000;
/// Connections of a replica besides those for reads.
const OTHER_CONNECTIONS: usize = 10;

pub(super) async fn check(postgres: &PostgresOptions, options: &ServerOptions, findings: &mut Vec<Finding>) {
    match PostgresStore::probe(postgres).await {
        Ok(facts) => primary(&facts, postgres, options, findings),
        Err(error) => findings.push(Finding::problem(
            PART,
            error.to_string(),
            "check that it is running and reachable from here, and check host, port, role and sslmode in `store`, and \
             pg_hba.conf",
        )),
    }
    for options in postgres.standbys.iter().flat_map(|standbys| &standbys.servers) {
        standby(options, findings).await;
    }
}

fn primary(facts: &DatabaseFacts, postgres: &PostgresOptions, options: &ServerOptions, findings: &mut Vec<Finding>) {
    let address = &facts.address;
    let version = format!("{address} is PostgreSQL {}.{}", facts.version / 10_000, facts.version % 10_000);
    if facts.version < MIN_VERSION {
        findings.push(Finding::problem(PART, version, "upgrade to PostgreSQL 13 or newer"));
    } else {
        findings.push(Finding::ok(PART, format!("{version}, round trip {:.1?}", facts.round_trip)));
    }
    if facts.encoding != "UTF8" {
        let advice = "create a database with ENCODING 'UTF8': articles use any script";
        findings.push(Finding::problem(PART, format!("the database encoding is {}, not UTF8", facts.encoding), advice));
    }
    if facts.standby {
        let advice =
            "set `store` to the primary or to all hosts (postgres://one,two/news), and standbys in `store-read`";
        findings.push(Finding::problem(PART, "the server is a standby, which is read-only", advice));
    }
    findings.push(schema(facts));
    if facts.copying {
        let advice = "run `copydesk copy` with the same source and target again: articles are missing";
        findings.push(Finding::problem(PART, "a copy into this database is in progress or was interrupted", advice));
    }
    if !facts.lacks.is_empty() {
        let found = format!("the role lacks privileges: {}", facts.lacks.join(", "));
        findings.push(Finding::problem(PART, found, "GRANT them, or make the role the owner of the schema"));
    }
    if facts.pooled && postgres.listen {
        let found = "connections go through a pooler in transaction mode (pgbouncer)";
        let advice = "set `store-listen = off`, which serve then does by itself, with a warning at each start";
        findings.push(Finding::advice(PART, found, advice));
    }
    let commits = &facts.synchronous_commit;
    if matches!(commits.as_str(), "off" | "local") {
        let advice = "set it to `on` for other clients of this database; Copydesk sets it to `on` for its own commits";
        findings.push(Finding::advice(PART, format!("synchronous_commit is {commits}"), advice));
    }
    let needed = postgres.connections + OTHER_CONNECTIONS;
    if facts.max_connections > 0 && i64::try_from(needed).is_ok_and(|needed| needed > facts.max_connections) {
        let found = format!("max_connections is {}, and a replica may use {needed}", facts.max_connections);
        findings.push(Finding::problem(PART, found, "raise max_connections, or lower store-connections"));
    }
    let bound = options.cache.as_ref().map(|cache| cache.staleness_bound);
    findings.push(clock(PART, facts.clock_offset, bound));
}

fn schema(facts: &DatabaseFacts) -> Finding {
    let (found, needed) = (facts.schema, facts.needed);
    match found {
        0 => Finding::problem(PART, "the schema does not exist", "run `copydesk migrate` with the same settings"),
        _ if found < needed => {
            let found = format!("the schema has version {found}, this program needs {needed}");
            Finding::problem(PART, found, "run `copydesk migrate` with the same settings")
        }
        _ if found > needed => {
            let found = format!("the schema has version {found}, this program supports up to {needed}");
            Finding::problem(PART, found, "use a newer version of copydesk")
        }
        _ => Finding::ok(PART, format!("schema is up to date (version {found})")),
    }
}

async fn standby(options: &PostgresOptions, findings: &mut Vec<Finding>) {
    const PART: &str = "standby";
    findings.push(match PostgresStore::probe(options).await {
        Ok(facts) if !facts.standby => {
            let found = format!("{} is not a standby", facts.address);
            Finding::advice(PART, found, "set `store-read` to streaming standbys only; this server is not used")
        }
        Ok(facts) if facts.schema != facts.needed => {
            let found = format!("{} has schema version {}, not {}", facts.address, facts.schema, facts.needed);
            Finding::advice(
                PART,
                found,
                "wait until it has replayed the migration of its primary; until then it is not used",
            )
        }
        Ok(facts) => Finding::ok(PART, format!("{}, round trip {:.1?}", facts.address, facts.round_trip)),
        Err(error) => Finding::advice(PART, error.to_string(), "bring it back; until then its reads go to the primary"),
    });
}
