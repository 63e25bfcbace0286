//! Settings as command-line flags, generated from the list of settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};

use super::{ConfigError, SETTINGS, Setting, Settings};

/// Settings given as flags, unparsed.
#[derive(Clone, Debug, Default)]
pub struct SettingFlags {
    flags: BTreeMap<String, String>,
    file: Option<PathBuf>,
}

impl SettingFlags {
    /// Merges the flags with this process's environment, the file and the defaults. Flags win.
    pub fn load(&self) -> Result<Settings, ConfigError> {
        // A variable whose name is not UTF-8 cannot be a setting.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
        Settings::load(&self.flags, environment, self.file.as_deref())
    }

    /// Merges the flags with the defaults only, without environment and file.
    pub fn load_alone(&self) -> Result<Settings, ConfigError> {
        Settings::load(&self.flags, [], None)
    }

    /// Returns true if the setting was given as a flag.
    pub fn has(&self, name: &str) -> bool {
        self.flags.contains_key(name)
    }

    /// Returns a copy with one setting replaced.
    pub fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.flags.insert(name.to_owned(), value.into());
        other
    }

    /// Sets the value if the flag was not given.
    pub fn or(mut self, name: &str, value: impl Into<String>) -> Self {
        self.flags.entry(name.to_owned()).or_insert_with(|| value.into());
        self
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = SETTINGS
            .iter()
            .filter_map(|setting| {
                Some((setting.name.to_owned(), matches.try_get_one::<String>(setting.name).ok().flatten()?.clone()))
            })
            .collect();
        Ok(Self { flags, file: matches.get_one::<PathBuf>("config").cloned() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        command.next_help_heading("Settings").arg(file()).args(SETTINGS.iter().map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Settings of the commands that work on a store without a server: only the flags that matter there.
#[derive(Clone, Debug, Default)]
pub struct StoreFlags(pub SettingFlags);

/// Flags of [`StoreFlags`].
const OF_STORES: [&str; 5] = ["store", "data-dir", "store-ca", "store-connect-timeout", "store-statement-timeout"];

impl FromArgMatches for StoreFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        SettingFlags::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

impl Args for StoreFlags {
    fn augment_args(command: Command) -> Command {
        let settings = SETTINGS.iter().filter(|setting| OF_STORES.contains(&setting.name));
        command.next_help_heading("Store").arg(file()).args(settings.map(flag))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn file() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("TOML file with settings [env: COPYDESK_CONFIG]")
}

fn flag(setting: &Setting) -> Arg {
    let default = if setting.default.is_empty() { "none" } else { setting.default };
    let help = format!("{} [default: {default}]", setting.help.replace('`', ""));
    Arg::new(setting.name).long(setting.name).value_name("VALUE").help(help).hide_short_help(setting.rare)
}
