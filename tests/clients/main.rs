//! The clients of clients/, each in its own language, run the scenario of clients/scenario.md: against one embedded server, and
//! against three replicas with Redis and PostgreSQL. What they print must be clients/report.txt, whatever the language.
//!
//! Run by `make clients`, which builds them first. `LANGUAGES` names those to run; without it there is nothing to do.
#![allow(clippy::unwrap_used)] // a test that cannot go on should say where

#[allow(dead_code)] // what other tests need of it
#[path = "../it/database.rs"]
mod database;
mod place; // the servers that a client calls
#[allow(dead_code)] // what other tests need of it
#[path = "../it/process.rs"]
mod process;
#[allow(dead_code)] // what other tests need of it
#[path = "../it/redis_server.rs"]
mod redis_server;
mod witness; // what stands in front of them, and sees what a client's channel does by itself

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use place::{Kind, Place};

/// How long a client may take. Most of it is waited for on purpose by none of them.
const PATIENCE: Duration = Duration::from_secs(180);

/// A client, and what its gRPC makes of the service config.
#[derive(Clone, Copy)]
pub struct Client {
    language: &'static str,
    /// Whether `healthCheckConfig` is heeded.
    heeds_health: bool,
}

const CLIENTS: [Client; 6] = [
    Client { language: "python", heeds_health: true },
    Client { language: "typescript", heeds_health: false },
    Client { language: "go", heeds_health: true },
    Client { language: "java", heeds_health: true },
    Client { language: "cpp", heeds_health: true },
    Client { language: "rust", heeds_health: true },
];

fn main() -> ExitCode {
    let Some(languages) = std::env::var("LANGUAGES").ok().filter(|languages| !languages.is_empty()) else {
        println!("no LANGUAGES to run the clients of: see `make clients`");
        return ExitCode::SUCCESS;
    };
    let chosen = languages.split_whitespace().map(|language| {
        let known = CLIENTS.iter().find(|client| client.language == language);
        *known.unwrap_or_else(|| panic!("LANGUAGES: there is no client in {language}"))
    });
    let chosen: Vec<Client> = chosen.collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let right = runtime.block_on(run(&chosen));
    // What is left waits for nobody.
    runtime.shutdown_background();
    if right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(chosen: &[Client]) -> bool {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let report = std::fs::read_to_string(clients.join("report.txt")).unwrap();
    let mut wrong = 0;
    for kind in [Kind::Embedded, Kind::Replicas] {
        for client in chosen {
            // A place of its own: the scenario begins on an empty store.
            let place = Place::open(kind).await;
            let began = Instant::now();
            let said = scenario(&clients, client.language, &place).await;
            let seconds = began.elapsed().as_secs_f64();
            let mut problems = said.map_or_else(|problem| vec![problem], |said| differences(&report, &said));
            problems.extend(place.problems(client));
            let verdict = if problems.is_empty() { "passed" } else { "FAILED" };
            let Seen { reached, health } = Seen::of(&place);
            println!(
                "{:10} {:10} {verdict} in {seconds:4.1} s; {reached} of {} servers called, health {health}",
                kind.name(),
                client.language,
                place.fronts.len()
            );
            problems.iter().for_each(|problem| println!("    {problem}"));
            wrong += usize::from(!problems.is_empty());
        }
    }
    println!("clients that differ from clients/report.txt: {wrong}");
    wrong == 0
}

struct Seen {
    reached: usize,
    health: &'static str,
}

impl Seen {
    fn of(place: &Place) -> Self {
        let reached = place.fronts.iter().filter(|front| front.seen().calls > 0).count();
        let watched = place.fronts.iter().any(|front| front.seen().health_watches > 0);
        Self { reached, health: if watched { "watched" } else { "not watched" } }
    }
}

/// What the client prints, or why it did not come to its end.
async fn scenario(clients: &Path, language: &str, place: &Place) -> Result<String, String> {
    let mut command = Command::new("make");
    command.args(["-s", "--no-print-directory", "-C"]).arg(clients.join(language)).arg("run");
    command.env("COPYDESK_ADDRESSES", place.addresses()).env("COPYDESK_WITNESS", place.witness.address());
    command.env("COPYDESK_CLIENTS", PathBuf::from(clients)).stdin(Stdio::null()).stdout(Stdio::piped());
    // Within `make clients`, make would take ours for one of its own.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
    // A group of its own, so that what make has started can be ended with it.
    let mut child = command.process_group(0).spawn().map_err(|error| format!("make does not start: {error}"))?;
    let group = Pid::from_raw(child.id().try_into().unwrap());
    let mut printed = child.stdout.take().unwrap();
    let ending = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        printed.read_to_string(&mut said).map_err(|error| format!("what it printed cannot be read: {error}"))?;
        let status = child.wait().map_err(|error| error.to_string())?;
        if status.success() { Ok(said) } else { Err(format!("it ended with {status}, after:\n{said}")) }
    });
    match tokio::time::timeout(PATIENCE, ending).await {
        Ok(ended) => ended.unwrap(),
        Err(_elapsed) => {
            // It may have ended just now.
            let _ = killpg(group, Signal::SIGKILL);
            Err(format!("it was not done after {} s", PATIENCE.as_secs()))
        }
    }
}

/// Line by line.
fn differences(report: &str, said: &str) -> Vec<String> {
    let (expected, printed): (Vec<&str>, Vec<&str>) = (report.lines().collect(), said.lines().collect());
    let at = |lines: &[&str], at: usize| lines.get(at).copied().unwrap_or("(nothing)").to_owned();
    (0..expected.len().max(printed.len()))
        .filter(|line| expected.get(*line) != printed.get(*line))
        .map(|line| format!("expected: {}\n     printed: {}", at(&expected, line), at(&printed, line)))
        .collect()
}
