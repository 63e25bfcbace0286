//! How commands fail: one line on standard error that says what and why, and an exit code.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use tonic::Status;
use tonic_types::StatusExt;

use crate::client::ConnectError;
use crate::config::ConfigError;
use crate::printable;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was asked wrongly: exit code 2.
    Usage(String),
    /// It could not: exit code 1.
    Failed(String),
    /// Whoever read its output has gone, as `head` does: no failure at all.
    ReaderGone,
}

impl Failure {
    pub(super) fn failed(cause: impl ToString) -> Self {
        Self::Failed(cause.to_string())
    }

    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::ReaderGone => return ExitCode::SUCCESS,
        };
        tell(&message);
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::failed(error),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Address { .. } | ConnectError::Tls { .. } => Self::Usage(error.to_string()),
            ConnectError::Unreachable { .. } => Self::failed(error),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Failed(describe(&status))
    }
}

/// A status in one line: its code, what it says, and each field at fault.
pub(super) fn describe(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    for violation in status.get_details_bad_request().into_iter().flat_map(|details| details.field_violations) {
        if !text.contains(&violation.description) {
            text += &format!("; {}: {}", violation.field, violation.description);
        }
    }
    if let Some(info) = status.get_details_error_info() {
        text += &format!(" [{}]", info.reason);
    }
    text
}

/// Writes a message to standard error. It may quote what others have written: control characters are escaped.
pub(super) fn tell(message: &str) {
    // With standard error gone, too, there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "copydesk: {}", printable::message(message));
}

/// A line on standard output.
pub(super) fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
