//! Error details beyond the status code: https://google.aip.dev/193.

use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Error with the details that Copydesk sends. `reason` is stable: branch on it, never on the message.
pub struct Problem {
    pub code: &'static str,
    pub reason: String,
    pub resource: String,
    pub fields: Vec<String>,
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        let details = status.get_error_details();
        let violations = details.bad_request().map(|request| request.field_violations.as_slice()).unwrap_or_default();
        let mut fields: Vec<String> = violations.iter().map(|violation| violation.field.clone()).collect();
        fields.sort();
        Self {
            code: name(status.code()),
            reason: details.error_info().map(|info| info.reason.clone()).unwrap_or_default(),
            resource: details.resource_info().map(|resource| resource.resource_name.clone()).unwrap_or_default(),
            fields,
        }
    }
}

/// Returns the protocol's name of a code.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
