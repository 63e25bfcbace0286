//! Help: commands in groups, completions and manual pages.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::examples;
use super::failure::{Failure, print};
use crate::printable;

/// Commands by task, in the order of the help.
const GROUPS: [(&str, &[&str]); 5] = [
    ("Start here", &["demo", "serve", "ingest", "extract"]),
    (
        "Read",
        &[
            "get",
            "list",
            "search",
            "count",
            "suggest",
            "related",
            "copies",
            "stories",
            "story",
            "most-read",
            "watch",
            "revisions",
            "source",
            "export",
        ],
    ),
    ("Edit", &["correct", "withdraw", "reinstate", "delete", "undelete", "move-articles", "merge-stories"]),
    (
        "Operate",
        &[
            "doctor",
            "health",
            "keys",
            "migrate",
            "verify",
            "copy",
            "intake",
            "reprocess",
            "consistency-check",
            "config",
        ],
    ),
    ("Tools", &["descriptors", "completions", "man", "version", "help"]),
];

#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// Shell: bash, zsh, fish, elvish or powershell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct ManArgs {
    /// Write the pages of all commands to this directory, instead of printing that of `copydesk`
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

/// Width of the help, and of the column of the commands. Text that is wrapped by clap has no hanging indent.
const WIDTH: usize = 80;
const COLUMN: usize = 21;

/// Returns the command line, with examples in the help of each command.
fn command() -> Command {
    examples::add_to(Cli::command())
}

/// Returns the command line with its commands in groups in the help.
pub(super) fn grouped() -> Command {
    let command = command();
    let about = |name: &str| {
        let found = command.get_subcommands().find(|command| command.get_name() == name);
        found.and_then(|command| command.get_about()).map_or_else(|| "Print help".to_owned(), ToString::to_string)
    };
    let group = |(title, names): &(&str, &[&str])| {
        let lines: Vec<String> = names.iter().map(|name| format!("  {name:<18} {}", hanging(&about(name)))).collect();
        format!("{title}:\n{}", lines.join("\n"))
    };
    let groups = GROUPS.iter().map(group).collect::<Vec<_>>().join("\n\n");
    let more = "`copydesk help COMMAND` prints the flags and examples of a command.";
    command
        .help_template("{about-with-newline}\n{usage-heading} {usage}{after-help}\n\nOptions:\n{options}\n")
        .after_help(format!("{groups}\n\n{more}"))
}

/// Wraps a description in the column beside its command.
fn hanging(text: &str) -> String {
    let (mut wrapped, mut used) = (String::new(), COLUMN);
    for word in text.split(' ') {
        if used + word.len() > WIDTH {
            wrapped.truncate(wrapped.trim_end().len());
            wrapped.push('\n');
            wrapped.extend(std::iter::repeat_n(' ', COLUMN));
            used = COLUMN;
        }
        wrapped.push_str(word);
        wrapped.push(' ');
        used += word.len() + 1;
    }
    wrapped.truncate(wrapped.trim_end().len());
    wrapped
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), Failure> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "copydesk", &mut text);
    print(String::from_utf8_lossy(&text).trim_end())
}

pub(super) fn man(args: &ManArgs) -> Result<(), Failure> {
    match &args.dir {
        Some(dir) => {
            let failed = |error| Failure::Failed(format!("{}: {error}", printable::path(dir)));
            clap_mangen::generate_to(command(), Path::new(dir)).map_err(failed)
        }
        None => {
            let mut text = Vec::new();
            clap_mangen::Man::new(grouped()).render(&mut text)?;
            print(String::from_utf8_lossy(&text).trim_end())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_has_a_description() {
        let command = Cli::command();
        let known: BTreeSet<&str> = command.get_subcommands().map(Command::get_name).chain(["help"]).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!(grouped.iter().copied().collect::<BTreeSet<_>>(), known);
        assert_eq!(grouped.len(), known.len(), "a command is in two groups");
        command.clone().debug_assert();
        assert!(command.get_subcommands().all(|command| command.get_about().is_some()));
    }

    #[test]
    fn descriptions_are_wrapped_in_their_column() {
        let help = grouped().render_help().to_string();
        assert!(help.lines().skip(1).all(|line| line.len() <= WIDTH), "{help}");
        assert!(help.contains("Usage: copydesk <COMMAND>\n\nStart here:\n"), "{help}");
        assert!(help.contains("\n                     changes, and keep serving\n"), "{help}");
    }
}
