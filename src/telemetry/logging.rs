//! Logs on standard error, as text or as JSON.
//!
//! Related field names are dotted, and names carry their units. A failure is logged once, where it is handled.
//! Keys, tokens and article bodies are never logged.

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
    #[error("must be a level (error, warn, info, debug, trace) or a filter such as info,copydesk=debug: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// A global logger is already installed.
    #[error("logging is already initialized")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Initializes logging for the process. Panics are logged as errors.
pub fn init(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    // The audit log does not depend on the log level: `audit-log` switches it off.
    let filter = EnvFilter::try_new(level)?.add_directive("copydesk::audit=info".parse()?);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Human => registry.with(fmt::layer().with_writer(std::io::stderr).with_target(false)).try_init()?,
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
