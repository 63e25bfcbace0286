//! Logs on standard error, as text or as JSON.
//!
//! Related field names are dotted, and names carry their units. A failure is logged once, where it is handled.
//! Keys, tokens and article bodies are never logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Log format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for terminals.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

/// Error of logging setup.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// Invalid level or filter.
    #[error("must be a level (error, warn, info, debug, trace, off) or a filter such as info,copydesk::store=debug")]
    Level,
    /// A global logger is already installed.
    #[error("logging is already initialized")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Checks a level or filter.
///
/// # Errors
/// Returns an error if a part of it is neither a level nor a filter with a level. The library would take a misspelt
/// level for the name of a module.
pub fn check_level(text: &str) -> Result<(), LoggingError> {
    let levels = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |part: &str| levels.contains(&part.to_ascii_lowercase().as_str());
    let is_part = |part: &str| part.contains(['[', ']']) || is_level(part.rsplit('=').next().unwrap_or(part).trim());
    let is_filter = text.split(',').all(|part| is_part(part.trim())) && EnvFilter::try_new(text).is_ok();
    if is_filter { Ok(()) } else { Err(LoggingError::Level) }
}

/// Initializes logging for the process. Panics are logged as errors.
pub fn init(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    // The audit log does not depend on the log level: `audit-log` switches it off.
    check_level(level)?;
    let invalid = |_error| LoggingError::Level;
    let audit = "copydesk::audit=info".parse().map_err(invalid)?;
    let mut filter = EnvFilter::try_new(level).map_err(invalid)?.add_directive(audit);
    // The library of the search index warns of merges that a commit has overtaken. It repeats them.
    if !["off", "error"].contains(&level) && !level.contains("tantivy") {
        filter = filter.add_directive("tantivy=error".parse().map_err(invalid)?);
    }
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Human => {
            // Colours on terminals only: escape sequences would end up in files and log collectors.
            let colored =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|off| off.is_empty());
            let layer = fmt::layer().with_ansi(colored).with_target(false);
            registry.with(layer.with_writer(std::io::stderr)).try_init()?;
        }
        LogFormat::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry.with(layer.with_writer(std::io::stderr)).try_init()?;
        }
    }
    std::panic::set_hook(Box::new(|panic| {
        // The panic's payload is left out: it may contain a caller's data.
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.location = location, "a thread panicked");
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for valid in ["info", "WARN", "off", "info,copydesk::store=debug", "copydesk=trace,hyper=warn"] {
            assert!(check_level(valid).is_ok(), "{valid}");
        }
        for invalid in ["", "loud", "info,copydesk", "copydesk=verbose", "inof"] {
            assert!(check_level(invalid).is_err(), "{invalid}");
        }
    }
}
