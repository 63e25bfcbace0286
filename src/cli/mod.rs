//! Commands, one file each. They share errors and output (`failure`) and the connection to a server (`connection`).

mod article_text;
mod connection;
mod consistency_check;
mod correct;
mod counts;
mod demo;
mod descriptors;
mod doctor;
mod edits;
mod examples;
mod export;
mod extract;
mod failure;
mod filter;
mod health;
mod help;
mod ingest;
mod input;
mod intake;
mod json;
mod keys;
mod most_read;
mod paging;
mod reads;
mod reprocess;
mod resume;
mod revisions;
mod serve;
mod similar;
mod source;
mod stories;
mod story_edits;
mod table;
mod target;
mod verify;
mod watch;
mod watch_stories;

use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::config::{SettingFlags, Settings, StoreFlags};
use failure::Failure;

/// Turns raw news pages, feeds and text dumps into clean articles, and serves them over gRPC
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
    /// Count articles by source, day and other properties
    Count(counts::CountArgs),
    /// Suggest values of a property, such as sources or tags, that begin with a text
    Suggest(counts::SuggestArgs),
    /// List articles on the same subject as an article
    Related(similar::RelatedArgs),
    /// List the copies of an article: with few edits, a part of it, or in a longer one
    Copies(similar::CopiesArgs),
    /// List the recent stories: what several sources report
    Stories(stories::StoriesArgs),
    /// Print a story and its articles
    Story(stories::StoryArgs),
    /// List the articles that are read most, as sites have reported their reads
    MostRead(most_read::MostReadArgs),
    /// Print changes of articles, or of their stories, as they happen
    Watch(watch::WatchArgs),
    /// Print all articles of one snapshot as JSON lines
    Export(export::ExportArgs),
    /// List the revisions of an article, or print the differences between two
    Revisions(revisions::RevisionsArgs),
    /// Print the document that an article was extracted from, or the report of the extraction
    Source(source::SourceArgs),
    /// List documents that were rejected, or ingested with a warning or little confidence
    Intake(intake::IntakeArgs),
    /// Extract kept documents again with this version
    Reprocess(reprocess::ReprocessArgs),
    /// Correct fields of an article
    Correct(correct::CorrectArgs),
    /// Withdraw (kill) an article: nobody can read it, and it is refused when it comes again
    Withdraw(edits::WithdrawArgs),
    /// Revert a withdrawal
    Reinstate(edits::OneEditArgs),
    /// Delete an article; it can be undeleted
    Delete(edits::OneEditArgs),
    /// Revert a deletion
    Undelete(edits::OneEditArgs),
    /// Move articles to another story, or make them a story by themselves
    MoveArticles(story_edits::MoveArticlesArgs),
    /// Merge a story into another one
    MergeStories(story_edits::MergeStoriesArgs),
    /// Extract articles from files, without a server
    Extract(extract::ExtractArgs),
    /// Compare reads from servers with their store and count stale reads
    ConsistencyCheck(consistency_check::ConsistencyCheckArgs),
    /// Create, list and revoke API keys
    Keys(keys::KeysArgs),
    /// Migrate the store to the schema of this version; `serve` migrates the embedded store automatically
    Migrate(StoreFlags),
    /// Verify the integrity of a store
    Verify(StoreFlags),
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
    /// Print the completions of a shell
    Completions(help::CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(help::ManArgs),
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
    let matches = help::grouped().get_matches_from(arguments());
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Command::Serve(flags) => serve::serve(&flags),
        Command::Demo(args) => demo::run(args),
        Command::Ingest(args) => block_on(ingest::run(args)),
        Command::Get(args) => block_on(reads::get(args)),
        Command::List(args) => block_on(reads::list(args)),
        Command::Search(args) => block_on(reads::search(args)),
        Command::Count(args) => block_on(counts::count(args)),
        Command::Suggest(args) => block_on(counts::suggest(args)),
        Command::Stories(args) => block_on(stories::stories(args)),
        Command::Story(args) => block_on(stories::story(args)),
        Command::MostRead(args) => block_on(most_read::most_read(args)),
        Command::Related(args) => block_on(similar::related(args)),
        Command::Copies(args) => block_on(similar::copies(args)),
        Command::Watch(args) => block_on(watch::watch(args)),
        Command::Export(args) => block_on(export::export(args)),
        Command::ConsistencyCheck(args) => block_on(consistency_check::run(args)),
        Command::Revisions(args) => block_on(revisions::revisions(args)),
        Command::Source(args) => block_on(source::source(args)),
        Command::Intake(args) => block_on(intake::intake(args)),
        Command::Reprocess(args) => block_on(reprocess::reprocess(args)),
        Command::Correct(args) => block_on(correct::correct(args)),
        Command::Withdraw(args) => block_on(edits::withdraw(args)),
        Command::Reinstate(args) => block_on(edits::reinstate(args)),
        Command::Delete(args) => block_on(edits::delete(args)),
        Command::Undelete(args) => block_on(edits::undelete(args)),
        Command::MoveArticles(args) => block_on(story_edits::move_articles(args)),
        Command::MergeStories(args) => block_on(story_edits::merge_stories(args)),
        Command::Extract(args) => extract::run(&args),
        Command::Keys(args) => keys::run(args),
        Command::Migrate(flags) => serve::migrate(&flags),
        Command::Verify(flags) => block_on_store(verify::verify(&flags)),
        Command::Copy(args) => block_on_store(verify::copy(args)),
        Command::Doctor(args) => block_on(doctor::run(args)),
        Command::Health(args) => block_on(health::run(args)),
        Command::Config(args) => config(&args),
        Command::Descriptors(args) => descriptors::run(&args),
        Command::Completions(args) => help::completions(&args),
        Command::Man(args) => help::man(&args),
        Command::Version => failure::print(&format!("copydesk {}", env!("CARGO_PKG_VERSION"))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Returns the command line. Words of a query that begin with one dash are exclusions, not flags: `search ferry
/// -sport`. A leading space makes clap accept them as words; the query parser ignores it.
fn arguments() -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|command| command == "search" || command == "count") {
        for word in &mut arguments[2..] {
            let text = word.to_string_lossy();
            if text.starts_with('-') && !text.starts_with("--") && text.len() > 2 {
                *word = format!(" {text}").into();
            }
        }
    }
    arguments
}

fn config(args: &ConfigArgs) -> Result<(), Failure> {
    let text = if args.list {
        Settings::list()
    } else {
        let settings = args.settings.load()?;
        if let Some(warning) = settings.warning() {
            failure::print_error(&warning);
        }
        settings.to_toml()
    };
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
