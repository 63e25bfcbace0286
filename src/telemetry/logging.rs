//! Logs, on standard error: for people or as JSON.
//!
//! Field names are dotted where they belong together, and carry their units. A failure is logged once, where it is handled.
//! Keys, tokens and articles' bodies are never logged.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How logs look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is no filter.
    #[error("must be a level (error, warn, info, debug, trace) or a filter such as info,copydesk=debug: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else set logs up.
    #[error("logs are set up already")]
    Again(#[from] tracing_subscriber::util::TryInitError),
}

/// Sets logs up for the process. Panics are logged as errors.
pub fn init(format: LogFormat, level: &str) -> Result<(), LoggingError> {
    // Who changed what is not a matter of how much one wants to read: `audit-log` switches it off.
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
        // Not the panic's payload: it may hold what a caller sent.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.location = place, "a thread panicked");
    }));
    Ok(())
}
