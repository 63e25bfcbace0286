//! Commands, one file each. They share errors and output (`failure`) and the connection to a server (`connection`).

mod article_text;
mod connection;
mod consistency_check;
mod demo;
mod descriptors;
mod doctor;
mod extract;
mod failure;
mod filter;
mod health;
mod ingest;
mod input;
mod json;
mod keys;
mod reads;
mod serve;
mod verify;
mod watch;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{SettingFlags, Settings};
use failure::Failure;

/// gRPC content service for news: clean copy in, never stale out
#[derive(Parser)]
#[command(name = "copydesk", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service
    Serve(SettingFlags),
    /// Run the service with sample news, show ingest, search and changes, and keep serving
    Demo(demo::DemoArgs),
    /// Ingest files, directories or standard input
    Ingest(ingest::IngestArgs),
    /// Print articles by name, URL or publisher's ID
    Get(reads::GetArgs),
    /// List articles that match a filter
    List(reads::ListArgs),
    /// Search articles
    Search(reads::SearchArgs),
    /// Print changes as they happen
    Watch(watch::WatchArgs),
    /// Print all articles of one snapshot as JSON lines
    Export(watch::ExportArgs),
    /// Extract articles from files as JSON lines, without a server
    Extract(extract::ExtractArgs),
    /// Compare reads from servers with their store and count stale reads
    ConsistencyCheck(consistency_check::ConsistencyCheckArgs),
    /// Create, list and revoke API keys
    Keys(keys::KeysArgs),
    /// Migrate the store to the schema of this version; `serve` migrates the embedded store automatically
    Migrate(SettingFlags),
    /// Verify the integrity of a store
    Verify(SettingFlags),
    /// Copy a whole store into another, of the same or the other engine
    Copy(verify::CopyArgs),
    /// Check everything that `serve` needs and suggest fixes; exit code 1 if there is a problem
    Doctor(doctor::DoctorArgs),
    /// Check the health of a server; exit code 1 if it is not serving
    Health(health::HealthArgs),
    /// Print the effective settings and the source of each, with secrets masked
    Config(ConfigArgs),
    /// Write the compiled API (FileDescriptorSet), for tools and gateways that do not use reflection
    Descriptors(descriptors::DescriptorsArgs),
    /// Print the version
    Version,
}

#[derive(Args)]
struct ConfigArgs {
    /// Print the table of all settings instead, as Markdown
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(flags) => serve::serve(&flags),
        Command::Demo(args) => demo::run(args),
        Command::Ingest(args) => block_on(ingest::run(args)),
        Command::Get(args) => block_on(reads::get(args)),
        Command::List(args) => block_on(reads::list(args)),
        Command::Search(args) => block_on(reads::search(args)),
        Command::Watch(args) => block_on(watch::watch(args)),
        Command::Export(args) => block_on(watch::export(args)),
        Command::ConsistencyCheck(args) => block_on(consistency_check::run(args)),
        Command::Extract(args) => extract::run(&args),
        Command::Keys(args) => keys::run(args),
        Command::Migrate(flags) => serve::migrate(&flags),
        Command::Verify(flags) => block_on_store(verify::verify(&flags)),
        Command::Copy(args) => block_on_store(verify::copy(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Health(args) => block_on(health::run(args)),
        Command::Config(args) => config(&args),
        Command::Descriptors(args) => descriptors::run(&args),
        Command::Version => failure::print(&format!("copydesk {}", env!("CARGO_PKG_VERSION"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn config(args: &ConfigArgs) -> Result<(), Failure> {
    let text = if args.list { Settings::list() } else { args.settings.load()?.to_toml() };
    failure::print(text.trim_end())
}

/// Runs a command on the multi-threaded runtime that a store's tasks need.
fn block_on_store(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Runs a client's command on one thread.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
