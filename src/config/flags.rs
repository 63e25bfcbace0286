//! The settings as flags of a command: made from the list, so that there is nothing to keep equal to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::{ConfigError, SETTINGS, Settings};

/// The flags that were given, as they were written.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags {
    given: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

impl SettingFlags {
    /// Puts the flags over the environment of this process, the file, and the defaults.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        // A variable that is not UTF-8 is none of ours: its name would have to be.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        Settings::load(&self.given, environment, self.file.as_deref())
    }

    /// Whether this setting was given as a flag.
    pub fn has(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// The same, but for one setting.
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.given.insert(name.to_owned(), value.into());
        other
    }

    /// Sets what was not given.
    pub fn or(mut self, name: &str, value: impl Into<String>) -> Self {
        self.given.entry(name.to_owned()).or_insert_with(|| value.into());
        self
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.name.to_owned(), matches.get_one::<String>(setting.name)?.clone())))
            .collect();
        Ok(Self { given, file: matches.get_one::<PathBuf>("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let file = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("A TOML file with settings [environment: COPYDESK_CONFIG]");
        let settings = SETTINGS.iter().map(|setting| {
            let default = if setting.default.is_empty() { "none" } else { setting.default };
            let help = format!("{} [default: {default}]", setting.help.replace('`', ""));
            Arg::new(setting.name).long(setting.name).value_name("VALUE").help(help).hide_short_help(setting.rare)
        });
        command.next_help_heading("Settings").arg(file).args(settings)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
