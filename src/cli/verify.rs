//! `verify` and `copy`: what is done with a store itself, without a server.

use clap::Args;

use super::failure::{Failure, print, tell};
use crate::config::SettingFlags;
use crate::store;

#[derive(Args)]
pub(super) struct CopyArgs {
    /// Where to: `sqlite:FOLDER`, or `postgres://user@host/database`, which `copydesk migrate` has made ready. Better in the
    /// environment (COPYDESK_COPY_TO) if it has a password
    #[arg(long, env = "COPYDESK_COPY_TO", value_name = "STORE", hide_env_values = true)]
    to: String,
    /// Where from, by --store and --data-dir
    #[command(flatten)]
    from: SettingFlags,
}

/// Reads all of a store, and says what is wrong with it.
pub(super) async fn verify(flags: &SettingFlags) -> Result<(), Failure> {
    let options = flags.load()?.server_options()?;
    let store = options.store.open().await.map_err(Failure::failed)?;
    let found = store::verify(&*store).await.map_err(Failure::failed)?;
    let [readable, embargoed, withdrawn, deleted, expired] = found.states;
    print(&format!(
        "articles: {} ({readable} readable, {embargoed} embargoed, {withdrawn} withdrawn, {deleted} deleted, {expired} expired)",
        found.articles
    ))?;
    print(&format!("changes: {}, after {} up to {}", found.changes, found.from.sequence, found.to.sequence))?;
    print(&format!("digest: {}", found.digest))?;
    print(&format!("digest of what is readable: {}", found.readable))?;
    for problem in &found.problems {
        tell(problem);
    }
    print(&format!("problems: {}", found.count))?;
    match found.count {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} problems: this store is not as it was written"))),
    }
}

/// Copies all of a store into another.
pub(super) async fn copy(args: CopyArgs) -> Result<(), Failure> {
    let from = args.from.load()?.server_options()?.store;
    let to = match args.to.strip_prefix("sqlite:") {
        // What is set for a database is not for this one.
        Some(folder) => ["store-ca", "store-read", "feed-keep"]
            .into_iter()
            .zip(["", "", "off"])
            .fold(args.from.with("store", "sqlite").with("data-dir", folder), |flags, (name, value)| {
                flags.with(name, value)
            }),
        None => args.from.with("store", &args.to).with("store-read", ""),
    };
    let to = to.load()?.server_options()?.store;
    let from = from.open().await.map_err(Failure::failed)?;
    let to = to.open_for_copy(from.feed()).await.map_err(Failure::failed)?;
    let copied = store::copy(&*from, &*to.store()).await.map_err(Failure::failed)?;
    // Also when articles were refused: it has been said which, and another run would refuse them again.
    to.finish().await.map_err(Failure::failed)?;
    for refused in &copied.refused {
        tell(refused);
    }
    print(&format!("copied: {}, of which {} were there already", copied.articles, copied.unchanged))?;
    match copied.count {
        0 => Ok(()),
        count => Err(Failure::Failed(format!("{count} articles could not be copied"))),
    }
}
