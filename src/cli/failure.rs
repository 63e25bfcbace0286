//! Errors of commands: one line on standard error and an exit code.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use copydesk_client::ConnectError;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::config::ConfigError;
use crate::printable;

/// Error of a command.
#[derive(Debug)]
pub(super) enum Failure {
    /// Invalid arguments or settings: exit code 2.
    Usage(String),
    /// Failed command: exit code 1.
    Failed(String),
    /// Closed standard output, such as by `head`: exit code 0.
    OutputClosed,
}

impl Failure {
    pub(super) fn failed(error: impl ToString) -> Self {
        Self::Failed(error.to_string())
    }

    pub(super) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Failed(message) => (message, 1),
            Self::OutputClosed => return ExitCode::SUCCESS,
        };
        print_error(&message);
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::OutputClosed,
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

/// Formats a status on one line: code, message, each invalid field, and for a missing credential how to pass one. A
/// refused document is described by its error alone.
pub(super) fn describe(status: &Status) -> String {
    let violations = status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    if let [violation] = violations.as_slice()
        && violation.field.starts_with("document.")
    {
        // The content of a file, which the label names already.
        return match violation.field.as_str() {
            "document.raw.data" => violation.description.clone(),
            field => format!("{field}: {}", violation.description),
        };
    }
    let mut text = format!("{:?}: {}", status.code(), status.message());
    for violation in violations {
        if !text.contains(&violation.description) {
            text += &format!("; {}: {}", violation.field, violation.description);
        }
    }
    if let Some(info) = status.get_details_error_info() {
        text += &format!(" [{}]", info.reason);
    }
    if status.code() == Code::Unauthenticated {
        text += "; pass a key in COPYDESK_TOKEN, or in a file with --token-file";
    }
    text
}

/// Writes a message to standard error. Control characters are escaped, since it may quote untrusted text.
pub(super) fn print_error(message: &str) {
    // A closed standard error leaves nowhere to report to.
    let _ = writeln!(std::io::stderr(), "copydesk: {}", printable::message(message));
}

/// Writes a note for people to standard error.
pub(super) fn print_note(note: &str) {
    let _ = writeln!(std::io::stderr(), "{}", printable::message(note));
}

/// Writes a line to standard output.
pub(super) fn print(line: &str) -> Result<(), Failure> {
    Ok(writeln!(std::io::stdout().lock(), "{line}")?)
}
