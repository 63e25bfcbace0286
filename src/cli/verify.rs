//! `verify` and `copy`, which work on a store without a server.

use clap::Args;

use super::failure::{Failure, print, print_error};
use crate::config::{ConfigError, StoreFlags};
use crate::store;

#[derive(Args)]
pub(super) struct CopyArgs {
    /// Target: sqlite:DIRECTORY, or postgres://user@host/database after `copydesk migrate`; keep passwords out of flags
    #[arg(long, env = "COPYDESK_COPY_TO", value_name = "STORE", hide_env_values = true)]
    to: String,
    /// Source: --store and --data-dir
    #[command(flatten)]
    from: StoreFlags,
}

/// Returns an error in the target as one of `--to`, which was given instead of the setting.
fn named_to(error: ConfigError, to: &str) -> Failure {
    match error {
        ConfigError::Value { name: "store", expected, .. } if !to.contains("://") => Failure::Usage(format!(
            "--to {to}: must be sqlite:DIRECTORY, or postgres://user@host/database ({expected})"
        )),
        ConfigError::Value { name: "store", expected, .. } => Failure::Usage(format!("--to: {expected}")),
        other => other.into(),
    }
}

/// Reads a whole store and prints its problems.
pub(super) async fn verify(flags: &StoreFlags) -> Result<(), Failure> {
    let options = flags.0.load()?.server_options()?;
    options.store.must_exist().map_err(Failure::Usage)?;
    let store = options.store.open().await.map_err(Failure::failed)?;
    let found = store::verify(&*store).await.map_err(Failure::failed)?;
    let [readable, embargoed, withdrawn, deleted, expired, expected, merged, purged] = found.states;
    print(&format!(
        "articles: {} ({readable} readable, {embargoed} embargoed, {withdrawn} withdrawn, {deleted} deleted, \
         {expired} expired, {expected} not ingested yet, {merged} merged, {purged} purged)",
        found.articles
    ))?;
    print(&format!("changes: {}, after sequence {} up to {}", found.changes, found.from.sequence, found.to.sequence))?;
    print(&format!("digest: {}", found.digest))?;
    print(&format!("digest of readable articles: {}", found.readable))?;
    for problem in &found.problems {
        print_error(problem);
    }
    print(&format!("problems: {}", found.count))?;
    match found.count {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("integrity check failed with {count} problems"))),
    }
}

/// Copies a whole store into another.
pub(super) async fn copy(args: CopyArgs) -> Result<(), Failure> {
    let from = args.from.0.load()?.server_options()?.store;
    from.must_exist().map_err(Failure::Usage)?;
    let to = match args.to.strip_prefix("sqlite:") {
        // Settings of the source database do not apply to the embedded store.
        Some(folder) => ["store-ca", "store-read", "feed-keep"]
            .into_iter()
            .zip(["", "", "off"])
            .fold(args.from.0.with("store", "sqlite").with("data-dir", folder), |flags, (name, value)| {
                flags.with(name, value)
            }),
        None => args.from.0.with("store", &args.to).with("store-read", ""),
    };
    let to = to.load().map_err(|error| named_to(error, &args.to))?.server_options()?.store;
    let from = from.open().await.map_err(Failure::failed)?;
    let to = to.open_for_copy(from.feed_id()).await.map_err(Failure::failed)?;
    let copied = store::copy(&*from, &*to.store()).await.map_err(Failure::failed)?;
    // Also if articles were rejected: they are reported, and another run would reject them again.
    to.finish().await.map_err(Failure::failed)?;
    for rejected in &copied.refused {
        print_error(rejected);
    }
    print(&format!("copied: {}, of which {} already existed", copied.articles, copied.unchanged))?;
    match copied.count {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} articles could not be copied"))),
    }
}
