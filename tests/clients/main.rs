//! The clients of clients/, each in its own language, run the scenario of clients/scenario.md: against one embedded
//! server, and against three replicas with Redis and PostgreSQL. Their output must be clients/report.txt in every
//! language.
//!
//! Run by `make clients`, which builds them first. `LANGUAGES` names those to run; if it is not set, the test is
//! skipped.
#![allow(clippy::unwrap_used)] // a panic shows the failed line

#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes
mod target_servers; // the servers that a client calls

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use target_servers::{Kind, TargetServers};

/// Timeout of a client. No client spends most of it waiting on purpose.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A client, and its support of the service config.
#[derive(Clone, Copy)]
pub struct Client {
    language: &'static str,
    /// True if it supports `healthCheckConfig`.
    heeds_health: bool,
    /// False for a release that gets no compressed responses: see docs/clients.md, "Compression".
    is_compressed: bool,
}

impl Client {
    /// Returns the expected output.
    fn report(self, report: &str) -> String {
        if self.is_compressed { report.to_owned() } else { report.replacen("response=gzip", "response=none", 1) }
    }
}

const CLIENTS: [Client; 6] = [
    Client { language: "python", heeds_health: true, is_compressed: false },
    Client { language: "typescript", heeds_health: false, is_compressed: true },
    Client { language: "go", heeds_health: true, is_compressed: true },
    Client { language: "java", heeds_health: true, is_compressed: true },
    Client { language: "cpp", heeds_health: true, is_compressed: true },
    Client { language: "rust", heeds_health: true, is_compressed: true },
];

fn main() -> ExitCode {
    let Some(languages) = std::env::var("LANGUAGES").ok().filter(|languages| !languages.is_empty()) else {
        println!("LANGUAGES is not set; see `make clients`");
        return ExitCode::SUCCESS;
    };
    let chosen = languages.split_whitespace().map(|language| {
        let found = CLIENTS.iter().find(|client| client.language == language);
        *found.unwrap_or_else(|| panic!("LANGUAGES: no client in {language}"))
    });
    let chosen: Vec<Client> = chosen.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let is_ok = runtime.block_on(run(&chosen));
    // Remaining tasks are abandoned.
    runtime.shutdown_background();
    if is_ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(chosen: &[Client]) -> bool {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let report = std::fs::read_to_string(clients.join("report.txt")).unwrap();
    let mut failures = 0;
    for kind in [Kind::Embedded, Kind::Replicas] {
        for client in chosen {
            // One set of servers for each run, because the scenario begins with an empty store.
            let servers = TargetServers::open(kind).await;
            let began = Instant::now();
            let said = scenario(&clients, client.language, &servers).await;
            let seconds = began.elapsed().as_secs_f64();
            let mut problems =
                said.map_or_else(|problem| vec![problem], |said| differences(&client.report(&report), &said));
            problems.extend(servers.problems(client));
            let verdict = if problems.is_empty() { "passed" } else { "FAILED" };
            let Seen { reached, health } = Seen::of(&servers);
            println!(
                "{:10} {:10} {verdict} in {seconds:4.1} s; {reached} of {} servers called, health {health}",
                kind.name(),
                client.language,
                servers.fronts.len()
            );
            problems.iter().for_each(|problem| println!("    {problem}"));
            failures += usize::from(!problems.is_empty());
        }
    }
    println!("clients that differ from clients/report.txt: {failures}");
    failures == 0
}

struct Seen {
    reached: usize,
    health: &'static str,
}

impl Seen {
    fn of(servers: &TargetServers) -> Self {
        let reached = servers.fronts.iter().filter(|front| front.seen().calls > 0).count();
        let watched = servers.fronts.iter().any(|front| front.seen().health_watches > 0);
        Self { reached, health: if watched { "watched" } else { "not watched" } }
    }
}

/// Returns the client's output, or the reason why it did not finish.
async fn scenario(clients: &Path, language: &str, servers: &TargetServers) -> Result<String, String> {
    let mut command = Command::new("make");
    command.args(["-s", "--no-print-directory", "-C"]).arg(clients.join(language)).arg("run");
    command.env("COPYDESK_ADDRESSES", servers.addresses()).env("COPYDESK_WITNESS", servers.proxy.address());
    command.env("COPYDESK_CLIENTS", PathBuf::from(clients)).stdin(Stdio::null()).stdout(Stdio::piped());
    // Within `make clients`, make would use the outer make's settings.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
    // A separate process group, so that processes started by make can be killed with it.
    let mut child = command.process_group(0).spawn().map_err(|error| format!("make does not start: {error}"))?;
    let group = Pid::from_raw(child.id().try_into().unwrap());
    let mut printed = child.stdout.take().unwrap();
    let ending = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        printed.read_to_string(&mut said).map_err(|error| format!("cannot read its output: {error}"))?;
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(said) } else { Err(format!("it ended with {status}, after:\n{said}")) }
    });
    match tokio::time::timeout(TIMEOUT, ending).await {
        Ok(ended) => ended.unwrap(),
        Err(_elapsed) => {
            // It may have exited just now.
            let _ = killpg(group, Signal::SIGKILL);
            Err(format!("it did not finish within {} s", TIMEOUT.as_secs()))
        }
    }
}

/// Compares line by line.
fn differences(report: &str, said: &str) -> Vec<String> {
    let (expected, printed): (Vec<&str>, Vec<&str>) = (report.lines().collect(), said.lines().collect());
    let at = |lines: &[&str], at: usize| lines.get(at).copied().unwrap_or("(nothing)").to_owned();
    (0..expected.len().max(printed.len()))
        .filter(|line| expected.get(*line) != printed.get(*line))
        .map(|line| format!("expected: {}\n     printed: {}", at(&expected, line), at(&printed, line)))
        .collect()
}
