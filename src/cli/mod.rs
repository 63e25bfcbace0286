//! The commands. A file each; what they share is how they fail, what they print, and where the server is.

mod article_text;
mod audit;
mod connection;
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

/// A gRPC content service for news: clean copy in, never stale out.
#[derive(Parser)]
#[command(name = "copydesk", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the service
    Serve(SettingFlags),
    /// Runs the service with invented news in it, shows what becomes of them, and stays up
    Demo(demo::DemoArgs),
    /// Ingests files, folders, or standard input
    Ingest(ingest::IngestArgs),
    /// Prints articles by name, URL, or their publisher's identifier
    Get(reads::GetArgs),
    /// Lists articles that match a filter
    List(reads::ListArgs),
    /// Searches
    Search(reads::SearchArgs),
    /// Prints changes as they happen
    Watch(watch::WatchArgs),
    /// Prints every article of one moment as JSON lines
    Export(watch::ExportArgs),
    /// Extracts articles from files without a server, as JSON lines
    Extract(extract::ExtractArgs),
    /// Compares what servers answer with what their store says, and counts what is older than the bound
    Audit(audit::AuditArgs),
    /// Makes, lists and takes back API keys, with the settings of `serve`
    Keys(keys::KeysArgs),
    /// Brings the store to this version's schema, which `serve` does by itself for the embedded one
    Migrate(SettingFlags),
    /// Reads all of a store and says what is not as it was written
    Verify(SettingFlags),
    /// Copies all of a store into another, whichever engine either is
    Copy(verify::CopyArgs),
    /// Looks at all that `serve` needs, with the same settings, and says what to do; exits with 1 when there is a problem
    Doctor(doctor::DoctorArgs),
    /// Asks a server whether it serves; exits with 1 when it does not
    Health(health::HealthArgs),
    /// Prints the settings in force and where each comes from, secrets masked
    Config(ConfigArgs),
    /// Writes the compiled API (a FileDescriptorSet), for tools and gateways that do not ask a server
    Descriptors(descriptors::DescriptorsArgs),
    /// Prints the version
    Version,
}

#[derive(Args)]
struct ConfigArgs {
    /// Print every setting and its meaning instead, as a Markdown table
    #[arg(long)]
    list: bool,
    #[command(flatten)]
    settings: SettingFlags,
}

/// Runs the command that this process was called with.
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
        Command::Audit(args) => block_on(audit::run(args)),
        Command::Extract(args) => extract::run(&args),
        Command::Keys(args) => keys::run(args),
        Command::Migrate(flags) => serve::migrate(&flags),
        Command::Verify(flags) => in_the_store(verify::verify(&flags)),
        Command::Copy(args) => in_the_store(verify::copy(args)),
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

/// With what a store's tasks need.
fn in_the_store(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// One thread is enough for a client.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}
