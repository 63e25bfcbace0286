//! This machine: its clock beside others', its disk, and how many files may be open.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::printable;
use crate::server::{ServerOptions, StoreOptions};

/// How much of a disk should be free, in bytes; and below what writes will soon fail.
const ROOM: u64 = 1 << 30;
const NO_ROOM: u64 = 64 << 20;
/// Files that are open besides connections.
const BESIDES: u64 = 200;
/// How far clocks may differ where no bound is set.
const DIFFERENCE: Duration = Duration::from_secs(1);

/// How another's clock is beside ours. Nothing is served stale for it: embargoes end, and entries expire, by so much too early
/// or too late.
pub(super) fn clock(part: &'static str, ahead: SignedDuration, bound: Option<Duration>) -> Finding {
    let differs = ahead.unsigned_abs();
    let found = format!("its clock is {:.3} s ahead of ours", ahead.as_secs_f64());
    let bound = bound.unwrap_or(DIFFERENCE).max(Duration::from_millis(100));
    if differs > bound {
        Finding::advice(part, found, "let NTP keep both clocks: embargoes and expiries go by ours")
    } else {
        Finding::ok(part, found)
    }
}

/// How much room the disk of a folder has.
pub(super) fn room(part: &'static str, dir: &Path) -> Finding {
    let stat = match statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            return Finding::advice(part, format!("{}: {error}", printable::path(dir)), "look how much room there is");
        }
    };
    let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
    let found = format!("{} MiB free in {}", free >> 20, printable::path(dir));
    match free {
        ..NO_ROOM => Finding::problem(part, found, "make room: writes fail when there is none, and reads go on"),
        NO_ROOM..ROOM => Finding::advice(part, found, "make room before there is none"),
        _ => Finding::ok(part, found),
    }
}

pub(super) fn look(options: &ServerOptions, findings: &mut Vec<Finding>) {
    const PART: &str = "files";
    let store = match &options.store {
        StoreOptions::Sqlite(sqlite) => sqlite.readers * 3,
        StoreOptions::Postgres(postgres) => {
            postgres.connections * (1 + postgres.standbys.iter().flat_map(|s| &s.at).count())
        }
    };
    let wanted = BESIDES + (options.connections.most as u64).saturating_add(store as u64);
    findings.push(match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft < wanted => Finding::advice(
            PART,
            format!(
                "{soft} files may be open here, and {wanted} are wanted for max-connections = {}",
                options.connections.most
            ),
            "raise the limit of the server (ulimit -n, LimitNOFILE), or lower max-connections",
        ),
        Ok((soft, _)) => Finding::ok(PART, format!("{soft} files may be open here, {wanted} are wanted at most")),
        Err(error) => Finding::advice(PART, format!("the limit cannot be read: {error}"), "look at ulimit -n"),
    });
}
