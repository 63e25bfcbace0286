//! `doctor`: checks everything that `serve` needs, with the same settings, and suggests fixes.

mod certificates;
mod collector;
mod database;
mod folder;
mod host;
mod issuer;
mod ports;
mod redis;
mod running;

use std::fmt;

use clap::Args;
use serde::Serialize;

use super::failure::{Failure, print};
use crate::access::AuditTarget;
use crate::config::SettingFlags;
use crate::server::{ServerOptions, StoreOptions};

#[derive(Args)]
pub(super) struct DoctorArgs {
    /// Print JSON lines
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// Works, but should be improved.
    Advice,
    /// Does not work, or will fail.
    Problem,
}

/// Result of one check. It contains no secrets: addresses are without users and passwords.
#[derive(Debug, Serialize)]
struct Finding {
    level: Level,
    part: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(part: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, part, found: found.into(), advice: None }
    }

    fn advice(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Advice, part, found: found.into(), advice: Some(advice.into()) }
    }

    fn problem(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Problem, part, found: found.into(), advice: Some(advice.into()) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Advice => "advice",
            Level::Problem => "problem",
        };
        write!(f, "{level:<8} {:<12} {}", self.part, self.found)?;
        self.advice.as_ref().map_or(Ok(()), |advice| write!(f, "\n{:22}-> {advice}", ""))
    }
}

pub(super) async fn run(args: DoctorArgs) -> Result<(), Failure> {
    let findings = match args.settings.load().and_then(|settings| settings.server_options()) {
        Ok(options) => check(&options).await,
        Err(error) => {
            vec![Finding::problem(
                "settings",
                error.to_string(),
                "fix the setting; `copydesk config --list` prints all settings",
            )]
        }
    };
    for finding in &findings {
        let line =
            if args.json { serde_json::to_string(finding).map_err(Failure::failed)? } else { finding.to_string() };
        print(&line)?;
    }
    match findings.iter().filter(|finding| finding.level == Level::Problem).count() {
        0 => Ok(()),
        1 => Err(Failure::failed("1 problem")),
        count => Err(Failure::failed(format!("{count} problems"))),
    }
}

async fn check(options: &ServerOptions) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("settings", "all settings are valid")];
    let running = running::metrics(options).await;
    match &options.store {
        StoreOptions::Sqlite(sqlite) => folder::check(sqlite, &mut findings),
        StoreOptions::Postgres(postgres) => database::check(postgres, options, &mut findings).await,
    }
    // A part of the data folder is checked with it.
    if !matches!(&options.store, StoreOptions::Sqlite(sqlite) if options.search.dir.starts_with(&sqlite.dir)) {
        folder::search_index(&options.search.dir, &mut findings);
    }
    if let AuditTarget::File(path) = &options.audit_log {
        findings.extend(folder::for_others("audit log", path));
    }
    if let Some(redis) = &options.redis {
        redis::check(redis, &mut findings).await;
    }
    if let Some(tls) = &options.tls {
        certificates::check(tls, &mut findings);
    }
    if let Some(jwt) = options.access.as_ref().and_then(|access| access.jwt.as_ref()) {
        issuer::check(jwt, &mut findings).await;
    }
    if let Some(trace) = &options.trace {
        collector::check(trace, &mut findings).await;
    }
    ports::check(options, running.is_some(), &mut findings).await;
    host::check(options, &mut findings);
    match running {
        Some(metrics) => running::check(&metrics, options, &mut findings),
        None => findings.push(Finding::ok("server", "no server answers at http-listen: its metrics were not checked")),
    }
    findings
}
