//! `doctor`: looks at everything that `serve` needs, with its settings, and says what to do.

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

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// It works, and could be better.
    Advice,
    /// It does not work, or will not.
    Problem,
}

/// One thing that was looked at. Never holds a secret: places are without users and passwords.
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
        Ok(options) => look(&options).await,
        Err(error) => {
            vec![Finding::problem("settings", error.to_string(), "`copydesk config --list` shows all settings")]
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
        many => Err(Failure::failed(format!("{many} problems"))),
    }
}

async fn look(options: &ServerOptions) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("settings", "every one is known and can be")];
    let running = running::metrics(options).await;
    match &options.store {
        StoreOptions::Sqlite(sqlite) => folder::look(sqlite, &mut findings),
        StoreOptions::Postgres(postgres) => database::look(postgres, options, &mut findings).await,
    }
    if let AuditTarget::File(path) = &options.audit_log {
        findings.extend(folder::for_others("audit log", path));
    }
    if let Some(redis) = &options.redis {
        redis::look(redis, &mut findings).await;
    }
    if let Some(tls) = &options.tls {
        certificates::look(tls, &mut findings);
    }
    if let Some(jwt) = options.access.as_ref().and_then(|access| access.jwt.as_ref()) {
        issuer::look(jwt, &mut findings).await;
    }
    if let Some(trace) = &options.trace {
        collector::look(trace, &mut findings).await;
    }
    ports::look(options, running.is_some(), &mut findings).await;
    host::look(options, &mut findings);
    match running {
        Some(metrics) => running::look(&metrics, options, &mut findings),
        None => findings.push(Finding::ok("server", "none answers at http-listen: nothing to look at")),
    }
    findings
}
