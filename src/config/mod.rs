//! Settings from flags, environment, TOML file and defaults, in this order of precedence. Each is declared once, in
//! `table`.

mod access;
mod flags;
mod options;
mod parse;
mod table;

use std::collections::BTreeMap;
use std::path::Path;

use crate::printable;
use crate::server::ServerOptions;
use crate::telemetry::{self, LogFormat};
pub use flags::{SettingFlags, StoreFlags};
pub use table::{SETTINGS, Setting};

/// Prefix of environment variables. One that is neither a setting nor in [`OTHER_VARIABLES`] is an error.
const PREFIX: &str = "COPYDESK_";
/// Variables with the prefix that are not settings of the server.
const OTHER_VARIABLES: [&str; 8] = [
    "COPYDESK_CONFIG",
    "COPYDESK_ADDR",
    "COPYDESK_COPY_TO",
    "COPYDESK_TOKEN",
    "COPYDESK_TOKEN_FILE",
    "COPYDESK_CA",
    "COPYDESK_CLIENT_CERT",
    "COPYDESK_CLIENT_KEY",
];

/// Source of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingSource {
    /// Built-in default.
    Default,
    /// TOML file, by its path.
    File(String),
    /// Environment variable, by its name.
    Environment(String),
    /// Flag, by its name.
    Flag(String),
}

impl std::fmt::Display for SettingSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
        }
    }
}

/// Error in the settings. Names the setting, its source and the expected value.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// Unknown setting.
    #[error("{name} ({origin}): unknown setting; `copydesk config --list` prints all")]
    Unknown {
        /// Name as written.
        name: String,
        /// Source.
        origin: SettingSource,
    },
    /// Invalid value.
    #[error("{name} = {value:?} ({origin}): {expected}")]
    Value {
        /// Setting.
        name: &'static str,
        /// Value as written, with secrets masked.
        value: String,
        /// Source.
        origin: SettingSource,
        /// Expected value.
        expected: String,
    },
    /// File that cannot be read or parsed.
    #[error("{path}: {cause}")]
    File {
        /// Path.
        path: String,
        /// Reason.
        cause: String,
    },
}

/// Values of all settings, with their sources.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, (String, SettingSource)>,
    /// Variables with the prefix that Kubernetes has set.
    ignored: Vec<String>,
}

impl Settings {
    /// Merges the sources and validates every value.
    pub fn load(
        flags: &BTreeMap<String, String>,
        environment: impl IntoIterator<Item = (String, String)>,
        file: Option<&Path>,
    ) -> Result<Self, ConfigError> {
        let values = SETTINGS.iter().map(|s| (s.name, (s.default.to_owned(), SettingSource::Default))).collect();
        let mut settings = Self { values, ignored: Vec::new() };
        let environment: BTreeMap<String, String> =
            environment.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect();
        let named = environment.get("COPYDESK_CONFIG").map(std::path::PathBuf::from);
        if let Some(path) = file.or(named.as_deref()) {
            settings.read_file(path)?;
        }
        for (variable, value) in &environment {
            if is_service_link(variable) {
                settings.ignored.push(variable.clone());
            } else if !OTHER_VARIABLES.contains(&variable.as_str()) {
                let name = variable[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
                settings.set(&name, variable, value.clone(), SettingSource::Environment(variable.clone()))?;
            }
        }
        for (name, value) in flags {
            settings.set(name, name, value.clone(), SettingSource::Flag(name.clone()))?;
        }
        settings.server_options()?;
        settings.log_format()?;
        settings.get("log-level", |text| telemetry::check_level(text).map_err(|expected| expected.to_string()))?;
        Ok(settings)
    }

    fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let displayed = printable::path(path);
        let failed = |cause: String| ConfigError::File { path: displayed.clone(), cause };
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| failed(error.to_string()))?;
        for (name, value) in table {
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(on) => if on { "on" } else { "off" }.to_owned(),
                other => return Err(failed(format!("{name} must be a string, a number or a boolean, not {other}"))),
            };
            self.set(&name.replace('_', "-"), &name, text, SettingSource::File(displayed.clone()))?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, written: &str, value: String, origin: SettingSource) -> Result<(), ConfigError> {
        match SETTINGS.iter().find(|setting| setting.name == name) {
            // Secrets that are written with a shell often end with a newline.
            Some(setting) => drop(self.values.insert(setting.name, (value.trim().to_owned(), origin))),
            None => return Err(ConfigError::Unknown { name: written.to_owned(), origin }),
        }
        Ok(())
    }

    /// Returns a warning about variables that were ignored, if there are any.
    pub fn warning(&self) -> Option<String> {
        (!self.ignored.is_empty()).then(|| {
            format!(
                "{}: ignored, as set by Kubernetes for a Service named copydesk; `enableServiceLinks: false` in the \
                 pod avoids it",
                self.ignored.join(", ")
            )
        })
    }

    /// Returns a value, unparsed.
    pub fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", |(value, _)| value)
    }

    fn get<T>(&self, name: &'static str, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, ConfigError> {
        let (value, origin) = self.values.get(name).cloned().unwrap_or_else(|| (String::new(), SettingSource::Default));
        parse(&value).map_err(|expected| ConfigError::Value { name, value: masked(name, &value), origin, expected })
    }

    /// Returns the log format.
    pub fn log_format(&self) -> Result<LogFormat, ConfigError> {
        self.get("log-format", |text| match text {
            "human" => Ok(LogFormat::Human),
            "json" => Ok(LogFormat::Json),
            _ => Err("must be human or json".into()),
        })
    }

    /// Returns the server's options.
    pub fn server_options(&self) -> Result<ServerOptions, ConfigError> {
        options::server_options(self)
    }

    /// Returns the effective settings as TOML, with the source of each value. Secrets are masked.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        for setting in SETTINGS {
            let (value, origin) = &self.values[setting.name];
            let value = toml::Value::String(masked(setting.name, value));
            out += &format!("{} = {value} # {origin}\n", setting.name);
        }
        out
    }

    /// Returns the table of all settings, as Markdown.
    pub fn list() -> String {
        let mut out = String::from("| flag and file key | environment | default | description |\n|---|---|---|---|\n");
        for setting in SETTINGS {
            let variable = format!("{PREFIX}{}", setting.name.to_ascii_uppercase().replace('-', "_"));
            let default = if setting.default.is_empty() { "none".into() } else { format!("`{}`", setting.default) };
            out += &format!("| `{}` | `{variable}` | {default} | {} |\n", setting.name, setting.help);
        }
        out
    }
}

/// Returns true for a variable that Kubernetes sets in the pods of a namespace with a Service named `copydesk`:
/// `COPYDESK_SERVICE_HOST`, `COPYDESK_SERVICE_PORT_GRPC`, `COPYDESK_PORT`, `COPYDESK_PORT_50051_TCP_ADDR`.
fn is_service_link(variable: &str) -> bool {
    let Some(name) = variable.strip_prefix(PREFIX) else { return false };
    let is_port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix('_').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    matches!(name, "SERVICE_HOST" | "SERVICE_PORT")
        || name.starts_with("SERVICE_PORT_")
        || name.strip_prefix("PORT").is_some_and(is_port)
}

/// Returns a value without its secrets: passwords of URLs and values of headers.
fn masked(name: &str, value: &str) -> String {
    match name {
        "store" | "cache" | "otlp-endpoint" => masked_url(value),
        // Splits only if every part is a URL: a comma within a password would otherwise expose the rest of it.
        "store-read" if value.split(',').all(|url| url.trim().starts_with("postgres")) => {
            value.split(',').map(|url| masked_url(url.trim())).collect::<Vec<_>>().join(",")
        }
        "store-read" => value.find("://").map_or("***".to_owned(), |at| format!("{}***", &value[..at + 3])),
        // Shows only the names of headers.
        "otlp-headers" => {
            let name = |pair: &str| pair.split_once('=').map_or("***".to_owned(), |(name, _)| format!("{name}=***"));
            value.split(',').filter(|pair| !pair.trim().is_empty()).map(name).collect::<Vec<_>>().join(",")
        }
        _ => value.to_owned(),
    }
}

fn masked_url(value: &str) -> String {
    let Ok(mut url) = url::Url::parse(value) else {
        // An invalid URL may contain a password too: everything after its scheme is masked.
        let displayed = value.find(['@', '?']).and_then(|_| value.find("://")).map_or(value.len(), |at| at + 3);
        return if displayed < value.len() { format!("{}***", &value[..displayed]) } else { value.to_owned() };
    };
    let secret = |key: &str| key.to_ascii_lowercase().contains("password");
    if url.query_pairs().any(|(key, _)| secret(&key)) {
        let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let pairs = pairs.iter().map(|(key, value)| (key, if secret(key) { "***" } else { value }));
        url.query_pairs_mut().clear().extend_pairs(pairs);
    } else if url.password().is_none() {
        return value.to_owned();
    }
    if url.password().is_some() {
        // Fails only for a URL that cannot have a password.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::StoreOptions;
    use std::io::Write;

    fn pairs(items: &[(&str, &str)]) -> Vec<(String, String)> {
        items.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn load(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Result<Settings, ConfigError> {
        let mut path = tempfile::NamedTempFile::new().unwrap();
        path.write_all(file.as_bytes()).unwrap();
        Settings::load(&pairs(flags).into_iter().collect(), pairs(environment), Some(path.path()))
    }

    #[test]
    fn the_defaults_are_right() {
        load(&[], &[], "").unwrap();
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let file = "listen = \"127.0.0.1:1\"\nlog_format = \"json\"\nmax-page-size = 5";
        let environment = [("COPYDESK_LISTEN", "127.0.0.1:2"), ("COPYDESK_MAX_PAGE_SIZE", "6"), ("PATH", "x")];
        let settings = load(&[("listen", "127.0.0.1:3")], &environment, file).unwrap();
        assert_eq!(settings.text("listen"), "127.0.0.1:3");
        assert_eq!(settings.text("max-page-size"), "6");
        assert_eq!(settings.log_format(), Ok(LogFormat::Json));
        assert!(settings.to_toml().contains("max-page-size = \"6\" # environment COPYDESK_MAX_PAGE_SIZE"));
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named() {
        let unknown = load(&[], &[("COPYDESK_LISTN", "x")], "").unwrap_err().to_string();
        assert!(unknown.starts_with("COPYDESK_LISTN (environment"), "{unknown}");
        assert!(load(&[], &[], "lisen = \"x\"").unwrap_err().to_string().starts_with("lisen (file"));
        let invalid = load(&[("shutdown-grace", "soon")], &[], "").unwrap_err().to_string();
        assert!(invalid.contains("flag --shutdown-grace") && invalid.contains("500ms"), "{invalid}");
    }

    #[test]
    fn numbers_blanks_and_variables_of_kubernetes_are_accepted() {
        let settings = load(&[], &[("COPYDESK_OTLP_HEADERS", "")], "trace-sample = 0.25\nmax-page-size = 5").unwrap();
        assert_eq!((settings.text("trace-sample"), settings.text("max-page-size")), ("0.25", "5"));
        assert_eq!(settings.warning(), None);
        let settings = load(&[], &[("COPYDESK_DATA_DIR", "/var/lib/copydesk\n")], "").unwrap();
        assert_eq!(settings.text("data-dir"), "/var/lib/copydesk");
        let links = [
            ("COPYDESK_PORT", "tcp://10.0.0.1:50051"),
            ("COPYDESK_PORT_50051_TCP", "tcp://10.0.0.1:50051"),
            ("COPYDESK_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("COPYDESK_SERVICE_HOST", "10.0.0.1"),
            ("COPYDESK_SERVICE_PORT", "50051"),
            ("COPYDESK_SERVICE_PORT_GRPC", "50051"),
        ];
        let warning = load(&[], &links, "").unwrap().warning().unwrap();
        assert!(links.iter().all(|(name, _)| warning.contains(name)), "{warning}");
        assert!(
            load(&[], &[("COPYDESK_PORTS", "1")], "").is_err() && load(&[], &[("COPYDESK_SERVICE", "1")], "").is_err()
        );
    }

    #[test]
    fn secrets_are_shown_to_nobody() {
        for url in [
            "postgres://desk:hunter2@db.example/x",
            "postgres://db.example/x?user=desk&password=hunter2",
            "postgres://desk:also@db.example/x?Password=hunter2&application_name=a",
        ] {
            let settings = load(&[("store", url)], &[], "");
            let displayed = settings.map_or_else(|error| error.to_string(), |settings| settings.to_toml());
            assert!(
                displayed.contains("***") && !displayed.contains("hunter2") && !displayed.contains("also@"),
                "{displayed}"
            );
        }
        for invalid in [
            "postgres://desk:hunter2@db.example/x?sslmode=allow",
            "postgres://desk:hunter2@db.example:port/x",
            "mysql://desk:hunter2@db.example/x",
            "postgres://desk:p@hunter2@db.example/x",
            "postgres://desk:hunter2@db.example/x?channel_binding=require",
            "postgres://desk:hunter2@db.example/x?target_session_attrs=read-only",
        ] {
            let error = load(&[("store", invalid)], &[], "").unwrap_err().to_string();
            assert!(error.starts_with("store = ") && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_sent_to_the_collector_is_shown_by_name() {
        let headers = ("otlp-headers", "api-key=hunter2,x=hunter2");
        let settings = load(&[("otlp-endpoint", "http://collector.example:4317"), headers], &[], "").unwrap();
        let displayed = settings.to_toml();
        assert!(displayed.contains("api-key=***,x=***") && !displayed.contains("hunter2"), "{displayed}");
        assert!(!format!("{:?}", settings.server_options().unwrap()).contains("hunter2"));
        for invalid in [
            ("otlp-endpoint", "collector:4317"),
            ("otlp-endpoint", "http://desk:hunter2@collector.example"),
            ("otlp-endpoint", "off"),
            ("otlp-headers", "hunter2"),
        ] {
            let flags = [("otlp-endpoint", "http://collector.example:4317"), headers, invalid];
            let error = load(&flags, &[], "").unwrap_err().to_string();
            assert!(error.contains(invalid.0) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn standbys_are_a_list_of_urls_and_keep_their_secrets() {
        let store = ("store", "postgres://desk:hunter2@db.example/news");
        let one = "postgres://desk:hunter2@one.example/news";
        let standbys = |text: &str| load(&[store, ("store-read", text)], &[], "");
        for (valid, count) in [("", 0), (one, 1), (&format!("{one}, postgresql://two.example:5433/news"), 2)] {
            let settings = standbys(valid).unwrap();
            assert!(!settings.to_toml().contains("hunter2"), "{}", settings.to_toml());
            let StoreOptions::Postgres(options) = settings.server_options().unwrap().store else { panic!() };
            assert_eq!(options.standbys.map_or(0, |standbys| standbys.servers.len()), count, "{valid}");
        }
        for (invalid, expected) in [
            ("postgres://desk:hunter2@one.example,two.example/news", "must be postgres://"),
            ("postgres://desk:hun,ter2@one.example/news", "must be postgres://"),
            ("postgres://desk:hunter2@one.example/news,redis://two.example", "must be postgres://"),
            ("postgres://desk:hunter2@one.example/news?shape=round", "shape"),
            ("postgres://", "must name a host"),
        ] {
            let error = standbys(invalid).unwrap_err().to_string();
            assert!(error.starts_with("store-read = ") && error.contains(expected), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("ter2") && !error.contains("hun"), "{error}");
        }
        let embedded = load(&[("store-read", one)], &[], "").unwrap_err().to_string();
        assert!(embedded.contains("embedded store") && !embedded.contains("hunter2"), "{embedded}");
    }

    #[test]
    fn a_cache_is_local_off_or_one_redis() {
        for valid in [
            "local",
            "off",
            "redis://127.0.0.1",
            "redis://desk:hunter2@cache.example:6380/3",
            "redis://[::1]:6379",
            "redis-sentinel://desk:hunter2@one.example,two.example:27000/news",
            "redis://desk:hunter2@one.example:6379,two.example:6379",
            "redis-cluster://desk:hunter2@one.example",
        ] {
            let settings = load(&[("cache", valid)], &[], "").unwrap();
            assert!(!settings.to_toml().contains("hunter2"), "{valid}");
            let options = settings.server_options().unwrap();
            assert_eq!(options.redis.is_some(), valid.starts_with("redis"), "{valid}");
            assert!(!format!("{options:?}").contains("hunter2"), "{valid}");
        }
        for (invalid, expected) in [
            ("remote", "must be local, off, redis://"),
            ("memcached://desk:hunter2@one.example", "must be local, off, redis://"),
            ("rediss://desk:hunter2@one.example/news", "[/db]"),
            ("redis-sentinel://desk:hunter2@one.example", "/service"),
            ("redis://desk:hunter2@one.example:6379,two.example:6379/3", "Cluster"),
            ("redis://desk:hunter2@one.example/news", "[/db]"),
            ("redis://desk:hunter2@one.example/?protocol=resp3", "without parameters"),
            ("redis://", "must be local, off, redis://"),
        ] {
            let error = load(&[("cache", invalid)], &[], "").unwrap_err().to_string();
            assert!(error.starts_with("cache = ") && error.contains(expected) && !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn who_may_call_is_said_as_a_whole() {
        let jwt = |but: &str| {
            let all = [
                ("auth", "on"),
                ("jwt-issuer", "https://login.example/"),
                ("jwt-audience", "copydesk"),
                ("jwt-jwks", "/etc/copydesk/jwks.json"),
            ];
            all.into_iter().filter(|(name, _)| *name != but).collect::<Vec<_>>()
        };
        assert!(load(&jwt(""), &[], "").unwrap().server_options().unwrap().access.unwrap().jwt.is_some());
        assert!(load(&[("auth", "on")], &[], "").unwrap().server_options().unwrap().access.unwrap().jwt.is_none());
        assert!(load(&[], &[], "").unwrap().server_options().unwrap().access.is_none());
        for name in ["jwt-issuer", "jwt-audience", "jwt-jwks"] {
            let error = load(&jwt(name), &[], "").unwrap_err().to_string();
            assert!(error.starts_with(name) && error.contains("together"), "{error}");
        }
        assert!(load(&jwt("auth"), &[], "").unwrap_err().to_string().contains("requires `auth = on`"));
        let limited = [&jwt("")[..], &[("jwt-max-lifetime", "24h")]].concat();
        let access = load(&limited, &[], "").unwrap().server_options().unwrap().access.unwrap();
        assert_eq!(access.jwt.unwrap().max_lifetime, Some(std::time::Duration::from_secs(86_400)));
        assert!(load(&[("auth", "on"), limited[4]], &[], "").unwrap_err().to_string().contains("together"));
        assert!(load(&limited[4..], &[], "").unwrap_err().to_string().contains("requires `auth = on`"));
        for invalid in ["0s", "soon", ""] {
            let error = load(&[&jwt("")[..], &[("jwt-max-lifetime", invalid)]].concat(), &[], "").unwrap_err();
            assert!(
                error.to_string().starts_with("jwt-max-lifetime") && error.to_string().contains("or off"),
                "{error}"
            );
        }
        for (name, invalid) in [("rate-limit", "10"), ("jwt-jwks", "http://login.example/jwks"), ("audit-log", "")] {
            let error = load(&[("auth", "on"), (name, invalid)], &[], "").unwrap_err().to_string();
            assert!(error.starts_with(if name == "jwt-jwks" { "jwt-" } else { name }), "{error}");
        }
    }

    #[test]
    fn the_documented_list_is_this_one() {
        let documented =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
        assert!(
            documented.contains(&Settings::list()),
            "docs/configuration.md is out of date: paste the output of `copydesk config --list` into it"
        );
    }
}
