//! `keys`: API keys. They are stored with the articles, and every server follows them.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use uuid::Uuid;

use super::failure::{Failure, print};
use super::table::Table;
use crate::access::{self, NewKey, Rate, Scopes};
use crate::config::StoreFlags;
use crate::printable;
use crate::server::StoreOptions;
use crate::store::{KeyStore, StoredKey};

#[derive(Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    command: Keys,
}

#[derive(Subcommand)]
enum Keys {
    /// Create a key and print it; it cannot be shown again
    Create(CreateArgs),
    /// List all keys with their state, scopes and rate, without secrets
    List(StoreFlags),
    /// Revoke a key; all servers reject it within the staleness bound
    Revoke(RevokeArgs),
}

#[derive(Args)]
struct CreateArgs {
    /// Comma-separated scopes: articles.read, articles.write, articles.edit, articles.admin, articles.record_reads
    #[arg(long, value_name = "SCOPES")]
    scopes: Scopes,
    /// Human-readable name of the owner
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Time until the key expires: 90d, 12h or 30m; default: never
    #[arg(long, value_parser = period)]
    expires: Option<Duration>,
    /// Rate limit on calls and documents, per replica: 100/s, 6000/m or 100000/h; default: that of `rate-limit`
    #[arg(long)]
    rate: Option<Rate>,
    #[command(flatten)]
    settings: StoreFlags,
}

#[derive(Args)]
struct RevokeArgs {
    /// ID of the key, from `copydesk keys list`, or the key itself
    id: String,
    #[command(flatten)]
    settings: StoreFlags,
}

/// Maximum length of a key's name, in bytes.
const MAX_NAME_BYTES: usize = 100;

pub(super) fn period(text: &str) -> Result<Duration, String> {
    let invalid = || "must be a number and a unit: 90d, 12h, 30m or 30s".to_owned();
    let (number, seconds) = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .ok_or_else(invalid)?;
    let number: u64 = number.parse().map_err(|_| invalid())?;
    number.checked_mul(seconds).filter(|seconds| *seconds > 0).map(Duration::from_secs).ok_or_else(invalid)
}

pub(super) fn run(args: KeysArgs) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        match args.command {
            Keys::Create(args) => create(args).await,
            Keys::List(settings) => list(&settings).await,
            Keys::Revoke(args) => revoke(args).await,
        }
    })
}

async fn open(settings: &StoreFlags) -> Result<Arc<dyn KeyStore>, Failure> {
    let store = settings.0.load()?.server_options()?.store;
    if let StoreOptions::Sqlite(options) = &store
        && !options.dir.is_dir()
    {
        let dir = printable::path(&options.dir);
        return Err(Failure::Usage(format!(
            "there is no store in {dir}: see `data-dir`, or start `copydesk serve` once"
        )));
    }
    store.keys().await.map_err(Failure::failed)
}

async fn create(args: CreateArgs) -> Result<(), Failure> {
    if args.name.len() > MAX_NAME_BYTES || args.name.chars().any(char::is_control) {
        return Err(Failure::Usage(format!("--name must be at most {MAX_NAME_BYTES} bytes on one line")));
    }
    let created = Timestamp::now();
    let expires = args.expires.map(|after| created.checked_add(after)).transpose();
    let expires = expires.map_err(|_| Failure::Usage("--expires is out of range: must be a shorter time".into()))?;
    let store = open(&args.settings).await?;
    let NewKey { id, text, digest } =
        access::generate_key().map_err(|_| Failure::Failed("the system's random number generator failed".into()))?;
    let (scopes, rate) = (args.scopes.to_string(), args.rate.map(|rate| rate.to_string()).unwrap_or_default());
    let key = StoredKey { id: id.clone(), name: args.name, digest, scopes, rate, created, expires, revoked: None };
    store.add_key(key).await.map_err(Failure::failed)?;
    // On standard error, so that a script can read the key from standard output.
    writeln!(std::io::stderr(), "key {id} created; save it now, it cannot be shown again:")?;
    print(&text)
}

async fn list(settings: &StoreFlags) -> Result<(), Failure> {
    let keys = open(settings).await?.keys(Uuid::nil()).await.map_err(Failure::failed)?;
    let now = Timestamp::now();
    let mut table = Table::new(["ID", "STATE", "SCOPES", "RATE", "CREATED", "NAME"]);
    for key in keys.map(|keys| keys.all).unwrap_or_default() {
        let second =
            |time: Timestamp| time.to_string().split('.').next().unwrap_or_default().trim_end_matches('Z').to_owned();
        let state = match (key.revoked, key.expires) {
            (Some(revoked), _) => format!("revoked {}", second(revoked)),
            (None, Some(expires)) if expires <= now => format!("expired {}", second(expires)),
            (None, Some(expires)) => format!("expires {}", second(expires)),
            (None, None) => "active".to_owned(),
        };
        let rate = if key.rate.is_empty() { "-".to_owned() } else { key.rate };
        table.row([key.id, state, key.scopes.replace(' ', ","), rate, second(key.created), key.name]);
    }
    table.print("no keys")
}

async fn revoke(args: RevokeArgs) -> Result<(), Failure> {
    // Accepts a whole key too, so that a leaked one can be revoked as found.
    let id = args.id.strip_prefix("cd_").map_or(args.id.as_str(), |rest| rest.split('_').next().unwrap_or(rest));
    match open(&args.settings).await?.revoke_key(id, Timestamp::now()).await.map_err(Failure::failed)? {
        true => print(&format!("revoked {id}")),
        false => Err(Failure::Failed(format!("no active key {id}: unknown or already revoked"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_as_people_write_them() {
        assert_eq!(period("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(period("30m"), Ok(Duration::from_secs(1_800)));
        for invalid in ["", "90", "d", "-1d", "0d", "1.5h", "99999999999999999d", "1w"] {
            assert!(period(invalid).is_err(), "{invalid}");
        }
    }
}
