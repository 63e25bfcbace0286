//! This machine: clock difference to other servers, disk space, limit of open files.

use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use super::Finding;
use crate::printable;
use crate::server::{ServerOptions, StoreOptions};

/// Free disk space that should remain, in bytes.
const LOW_SPACE: u64 = 1 << 30;
/// Free disk space below which writes will soon fail, in bytes.
const NO_SPACE: u64 = 64 << 20;
/// Open files besides connections.
const OTHER_FILES: u64 = 200;
/// Maximum clock difference without a staleness bound.
const MAX_DIFFERENCE: Duration = Duration::from_secs(1);

/// Checks the difference between another server's clock and ours. It causes no stale reads, but embargoes end and
/// entries expire too early or too late by the difference.
pub(super) fn clock(part: &'static str, offset: SignedDuration, bound: Option<Duration>) -> Finding {
    let difference = offset.unsigned_abs();
    let found = format!("its clock is {:.3} s ahead of this machine's", offset.as_secs_f64());
    let bound = bound.unwrap_or(MAX_DIFFERENCE).max(Duration::from_millis(100));
    if difference > bound {
        Finding::advice(part, found, "synchronize both clocks with NTP: embargoes and expiries use this machine's")
    } else {
        Finding::ok(part, found)
    }
}

/// Checks the free disk space of a directory.
pub(super) fn disk_space(part: &'static str, dir: &Path) -> Finding {
    let stat = match statvfs(dir) {
        Ok(stat) => stat,
        Err(error) => {
            return Finding::advice(part, format!("{}: {error}", printable::path(dir)), "check the free disk space");
        }
    };
    let free = (stat.blocks_available() as u64).saturating_mul(stat.fragment_size() as u64);
    let found = format!("{} MiB free in {}", free >> 20, printable::path(dir));
    match free {
        ..NO_SPACE => Finding::problem(part, found, "free disk space: writes fail when it runs out, reads do not"),
        NO_SPACE..LOW_SPACE => Finding::advice(part, found, "free disk space before it runs out"),
        _ => Finding::ok(part, found),
    }
}

pub(super) fn check(options: &ServerOptions, findings: &mut Vec<Finding>) {
    const PART: &str = "files";
    let store = match &options.store {
        StoreOptions::Sqlite(sqlite) => sqlite.readers * 3,
        StoreOptions::Postgres(postgres) => {
            postgres.connections * (1 + postgres.standbys.iter().flat_map(|standbys| &standbys.servers).count())
        }
    };
    let needed = OTHER_FILES + (options.connections.max as u64).saturating_add(store as u64);
    findings.push(match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) if soft < needed => Finding::advice(
            PART,
            format!("the limit of open files is {soft}, max-connections = {} needs {needed}", options.connections.max),
            "raise the limit (ulimit -n, LimitNOFILE) or lower max-connections",
        ),
        Ok((soft, _)) => Finding::ok(PART, format!("the limit of open files is {soft}, at most {needed} are needed")),
        Err(error) => {
            Finding::advice(PART, format!("the limit of open files cannot be read: {error}"), "check `ulimit -n`")
        }
    });
}
