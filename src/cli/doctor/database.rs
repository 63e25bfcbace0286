//! PostgreSQL, and its standbys.

use super::Finding;
use super::host::clock;
use crate::server::ServerOptions;
use crate::store::postgres::{DatabaseFacts, PostgresOptions, PostgresStore};

const PART: &str = "database";
/// The oldest that there is.
const OLDEST: i32 = 130_000;
/// What a replica takes besides the connections for reads.
const BESIDES: usize = 7;

pub(super) async fn look(postgres: &PostgresOptions, options: &ServerOptions, findings: &mut Vec<Finding>) {
    match PostgresStore::probe(postgres).await {
        Ok(facts) => primary(&facts, postgres, options, findings),
        Err(error) => findings.push(Finding::problem(
            PART,
            error.to_string(),
            "is it up, and reached from here? look at host, port, role and sslmode in `store`, and at pg_hba.conf",
        )),
    }
    for options in postgres.standbys.iter().flat_map(|standbys| &standbys.at) {
        standby(options, findings).await;
    }
}

fn primary(facts: &DatabaseFacts, postgres: &PostgresOptions, options: &ServerOptions, findings: &mut Vec<Finding>) {
    let place = &facts.place;
    let version = format!("{place} is PostgreSQL {}.{}", facts.version / 10_000, facts.version % 10_000);
    if facts.version < OLDEST {
        findings.push(Finding::problem(PART, version, "use 13 or newer"));
    } else {
        findings.push(Finding::ok(PART, format!("{version}, and answers in {:.1?}", facts.round_trip)));
    }
    if facts.encoding != "UTF8" {
        let advice = "articles are in every script: make a database with ENCODING 'UTF8'";
        findings.push(Finding::problem(PART, format!("its encoding is {}", facts.encoding), advice));
    }
    if facts.standby {
        let advice =
            "name the primary in `store`, or all hosts: postgres://one,two/news; standbys are for `store-read`";
        findings.push(Finding::problem(PART, "it is a standby, which cannot be written", advice));
    }
    findings.push(schema(facts));
    if facts.copying {
        let advice = "articles are missing: run `copydesk copy` with the same source and target again";
        findings.push(Finding::problem(PART, "a copy into it is under way or was interrupted", advice));
    }
    if !facts.lacks.is_empty() {
        let found = format!("the role may not {}", facts.lacks.join(", "));
        findings.push(Finding::problem(PART, found, "let the role own the schema, or GRANT it these"));
    }
    let commits = &facts.synchronous_commit;
    if matches!(commits.as_str(), "off" | "local") {
        let advice = "our own commits are `on` all the same; others' in this database are not as durable";
        findings.push(Finding::advice(PART, format!("synchronous_commit is {commits}"), advice));
    }
    let takes = postgres.connections + BESIDES;
    if facts.max_connections > 0 && i64::try_from(takes).is_ok_and(|takes| takes > facts.max_connections) {
        let found = format!("it takes {} connections, and a replica may want {takes}", facts.max_connections);
        findings.push(Finding::problem(PART, found, "raise max_connections, or lower store-connections"));
    }
    let bound = options.cache.as_ref().map(|cache| cache.staleness_bound);
    findings.push(clock(PART, facts.ahead, bound));
}

fn schema(facts: &DatabaseFacts) -> Finding {
    let (found, needed) = (facts.schema, facts.needed);
    match found {
        0 => Finding::problem(PART, "the schema is not there", "run `copydesk migrate` with the same settings"),
        _ if found < needed => {
            let found = format!("the schema is version {found}, and this program needs {needed}");
            Finding::problem(PART, found, "run `copydesk migrate` with the same settings")
        }
        _ if found > needed => {
            let found = format!("the schema is version {found}, and this program knows up to {needed}");
            Finding::problem(PART, found, "use a newer program")
        }
        _ => Finding::ok(PART, format!("the schema is version {found}, as needed")),
    }
}

async fn standby(options: &PostgresOptions, findings: &mut Vec<Finding>) {
    const PART: &str = "standby";
    findings.push(match PostgresStore::probe(options).await {
        Ok(facts) if !facts.standby => {
            let found = format!("{} is no standby", facts.place);
            Finding::advice(PART, found, "name streaming standbys in `store-read`; it is not used")
        }
        Ok(facts) if facts.schema != facts.needed => {
            let found = format!("{} has schema {}, not {}", facts.place, facts.schema, facts.needed);
            Finding::advice(PART, found, "it is used once it has replayed the migration of its primary")
        }
        Ok(facts) => Finding::ok(PART, format!("{} answers in {:.1?}", facts.place, facts.round_trip)),
        Err(error) => Finding::advice(PART, error.to_string(), "its reads go to the primary until it is back"),
    });
}
