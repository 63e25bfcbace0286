//! Errors, as gRPC statuses with `google.rpc` details. The codes are chosen by what the caller can do: a code that clients
//! retry (UNAVAILABLE, RESOURCE_EXHAUSTED with RetryInfo) is used only where trying again can help.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::access::{Refusal, Scope};
use crate::article::{Lifecycle, Unreadable, Violations};
use crate::ingest::{IngestError, OverRate};
use crate::retrieve::RetrieveError;
use crate::store::{StoreError, WriteError};

/// The domain of every reason.
const DOMAIN: &str = "copydesk";
/// What resources are called in details.
const RESOURCE_TYPE: &str = "copydesk.v1.Article";

fn details(reason: &str) -> ErrorDetails {
    let mut details = ErrorDetails::new();
    details.set_error_info(reason, DOMAIN, HashMap::new());
    details
}

fn with_retry(reason: &str, delay: Duration) -> ErrorDetails {
    let mut details = details(reason);
    details.set_retry_info(Some(delay));
    details
}

/// Says so to channels that retry by code: RESOURCE_EXHAUSTED is retried for the sake of OVERLOADED, and not every one of them
/// is better the next time.
fn for_good(mut status: Status) -> Status {
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from_static("-1"));
    status
}

fn about(reason: &str, name: &str, what: &str) -> ErrorDetails {
    let mut details = details(reason);
    details.set_resource_info(RESOURCE_TYPE, name, "", what);
    details
}

/// Statuses travel in headers, for which clients have a limit (8 KiB in all is usual), and details in Base64: so much of what
/// is wrong is told, in bytes, and so much of that said in words as well.
const TOLD_BYTES: usize = 2_000;
const MESSAGE_BYTES: usize = 600;

/// A request that is wrong.
pub fn invalid(violations: &Violations) -> Status {
    let mut details = details("INVALID_FIELD");
    let mut fields = Vec::new();
    let mut bytes = 0;
    for wrong in &violations.0 {
        bytes += wrong.field.len() + wrong.description.len();
        if bytes > TOLD_BYTES && !fields.is_empty() {
            break;
        }
        fields.push(FieldViolation::new(wrong.field.clone(), wrong.description.clone()));
    }
    details.set_bad_request(fields);
    Status::with_error_details(Code::InvalidArgument, shortened(&violations.to_string()), details)
}

fn shortened(message: &str) -> String {
    match (0..=MESSAGE_BYTES.min(message.len())).rev().find(|at| message.is_char_boundary(*at)) {
        Some(end) if end < message.len() => format!("{}…", &message[..end]),
        _ => message.to_owned(),
    }
}

/// Kinds of streams, each of which has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Watches and exports.
    Reading,
    /// Documents.
    Ingesting,
}

/// What there may be too much of.
#[derive(Clone, Copy, Debug)]
pub enum TooMany {
    /// Unary calls.
    Calls,
    /// Streams of a kind.
    Streams(StreamKind),
    /// Streams of a kind, of one caller.
    StreamsOfCaller(StreamKind),
    /// Documents that have to be looked at.
    Documents,
    /// Reads of the store.
    Reads,
}

impl StreamKind {
    /// Name of these streams in messages, and of the setting that limits them.
    fn limit(self) -> (&'static str, &'static str) {
        match self {
            Self::Reading => ("watches and exports", "max-concurrent-streams"),
            Self::Ingesting => ("streams of documents", "max-ingest-streams"),
        }
    }
}

/// The server has more to do than it is set to take on.
pub fn overloaded(what: TooMany) -> Status {
    // Made once: under overload there is nothing that is said more often.
    static CALLS: LazyLock<Status> = LazyLock::new(|| too_many("calls"));
    static DOCUMENTS: LazyLock<Status> = LazyLock::new(|| too_many("documents"));
    static READS: LazyLock<Status> = LazyLock::new(|| too_many("reads"));
    let status = match what {
        TooMany::Calls => &CALLS,
        TooMany::Streams(kind) => {
            let (what, limit) = kind.limit();
            return busy(format!("too many {what} are open ({limit}); try again"));
        }
        TooMany::StreamsOfCaller(kind) => {
            let (what, limit) = kind.limit();
            return busy(format!(
                "this caller has as many {what} open as it may while others need them (a share of {limit}); \
                 end one, or try again"
            ));
        }
        TooMany::Documents => &DOCUMENTS,
        TooMany::Reads => &READS,
    };
    Status::clone(status)
}

fn too_many(what: &str) -> Status {
    busy(format!("too many {what} are under way; try again"))
}

fn busy(message: String) -> Status {
    Status::with_error_details(Code::ResourceExhausted, message, with_retry("OVERLOADED", Duration::from_millis(100)))
}

/// A stream whose answers nobody reads holds what others could use.
pub fn unread() -> Status {
    let message = "the answers were not read; those that are missing may have been done: send their documents again";
    Status::with_error_details(
        Code::ResourceExhausted,
        message,
        with_retry("ANSWERS_UNREAD", Duration::from_millis(100)),
    )
}

/// The connection ends: the server stops, or the connection is old.
pub fn stopping() -> Status {
    let message = "this connection is ending; call again on another";
    Status::with_error_details(Code::Unavailable, message, with_retry("STOPPING", Duration::from_millis(100)))
}

/// A call that took longer than its caller, or the server, allows.
pub fn deadline_exceeded() -> Status {
    Status::with_error_details(Code::DeadlineExceeded, "the call's deadline has passed", details("DEADLINE_EXCEEDED"))
}

/// A defect. What it was is in the log.
pub fn internal() -> Status {
    Status::with_error_details(Code::Internal, "an internal error, which has been logged", details("INTERNAL"))
}

/// A call that its caller may not make, or not now.
pub fn access(refusal: &Refusal) -> Status {
    let (code, reason, message) = match refusal {
        Refusal::Missing => {
            let message = "this call needs a credential, in the metadata authorization: Bearer …";
            (Code::Unauthenticated, "CREDENTIAL_MISSING", message)
        }
        Refusal::Invalid => (Code::Unauthenticated, "CREDENTIAL_INVALID", "the credential is not valid"),
        Refusal::Expired => (Code::Unauthenticated, "CREDENTIAL_EXPIRED", "the credential has expired"),
        Refusal::Lifetime => (
            Code::Unauthenticated,
            "CREDENTIAL_LIFETIME",
            "the token is valid for longer than this server accepts; request one with a shorter lifetime",
        ),
        Refusal::Unknown => (Code::Unimplemented, "METHOD_UNKNOWN", "there is no such method"),
        Refusal::Unavailable => {
            let details = with_retry("CREDENTIALS_UNAVAILABLE", Duration::from_millis(500));
            let message = "credentials cannot be checked at present; try again";
            return Status::with_error_details(Code::Unavailable, message, details);
        }
        Refusal::Lacks(scope) => {
            let scope = scope.as_str();
            let mut details = ErrorDetails::new();
            details.set_error_info("SCOPE_MISSING", DOMAIN, HashMap::from([("scope".to_owned(), scope.to_owned())]));
            let message = format!("this call needs the scope {scope}");
            return Status::with_error_details(Code::PermissionDenied, message, details);
        }
        Refusal::Rate { subject, rate, wait } => {
            return over_rate(format!("more than {rate}; try again later"), subject, rate, *wait);
        }
    };
    Status::with_error_details(code, message, details(reason))
}

/// A call, or what it brings, is more than its caller may have now.
fn over_rate(message: String, subject: &str, rate: impl Display, wait: Duration) -> Status {
    let mut details = with_retry("RATE_LIMITED", wait);
    details.add_quota_failure_violation(subject, format!("{rate} calls and documents, on this replica"));
    let mut status = Status::with_error_details(Code::ResourceExhausted, message, details);
    // Channels that retry by themselves wait that long. At least a moment: 0 is at once.
    let pause = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from(pause));
    status
}

/// A call by a name that may be that of a web page.
pub fn host_not_allowed() -> Status {
    let message = "the host that this call names (:authority, Host) must be localhost, an IP address, \
        or one of the server's allowed-hosts";
    Status::with_error_details(Code::PermissionDenied, message, details("HOST_NOT_ALLOWED"))
}

/// A call for a web page that may not call.
pub fn origin_not_allowed() -> Status {
    let message = "the Origin of this call must be of the host that it calls, or one of the server's grpc-web-origins";
    Status::with_error_details(Code::PermissionDenied, message, details("ORIGIN_NOT_ALLOWED"))
}

/// A read that has no answer.
pub fn retrieve(error: &RetrieveError) -> Status {
    match error {
        RetrieveError::Invalid(violations) => invalid(violations),
        RetrieveError::NotFound(name) => not_found(name),
        RetrieveError::Unreadable { name, why } => {
            let (reason, what) = match why {
                Unreadable::Embargoed => return not_found(name),
                Unreadable::Withdrawn => ("ARTICLE_WITHDRAWN", "was withdrawn"),
                Unreadable::Deleted => ("ARTICLE_DELETED", "was deleted"),
                Unreadable::Expired => ("ARTICLE_EXPIRED", "has expired"),
            };
            Status::with_error_details(Code::NotFound, format!("{name} {what}"), about(reason, name, what))
        }
        RetrieveError::IndexLate => {
            let message = "the search index has not followed the feed that far yet; try again";
            Status::with_error_details(Code::Unavailable, message, with_retry("INDEX_LATE", Duration::from_secs(1)))
        }
        RetrieveError::Store(error) => store(error),
    }
}

fn not_found(name: &str) -> Status {
    Status::with_error_details(
        Code::NotFound,
        format!("{name} does not exist"),
        about("ARTICLE_NOT_FOUND", name, "does not exist"),
    )
}

/// A document that was not taken in, or a change that was not made.
pub fn ingest(error: &IngestError) -> Status {
    match error {
        IngestError::Invalid(violations) => invalid(violations),
        IngestError::Busy => overloaded(TooMany::Documents),
        IngestError::Contended(id) => {
            let message = format!("{} is being changed by others all the time; try again", id.name());
            let details = with_retry("CONTENDED", Duration::from_millis(50));
            Status::with_error_details(Code::Aborted, message, details)
        }
        IngestError::OverRate(over) => {
            let OverRate { documents, subject, rate, wait } = over;
            over_rate(format!("{documents} more documents exceed {rate}; try again later"), subject, rate, *wait)
        }
        IngestError::Extraction => internal(),
        IngestError::Write(error) => write(error),
    }
}

fn write(error: &WriteError) -> Status {
    match error {
        WriteError::NotFound(id) => not_found(&id.name()),
        WriteError::State { id, lifecycle } => {
            let name = id.name();
            let (reason, message) = match lifecycle {
                Lifecycle::Withdrawn => ("ARTICLE_WITHDRAWN", "was withdrawn; reinstate it first"),
                Lifecycle::Deleted => ("ARTICLE_DELETED", "was deleted; undelete it first"),
                Lifecycle::Live => ("ARTICLE_LIVE", "is live"),
            };
            let mut details = about(reason, &name, message);
            details.add_precondition_failure_violation(reason, name.clone(), message);
            Status::with_error_details(Code::FailedPrecondition, format!("{name} {message}"), details)
        }
        WriteError::Conflict(id) => {
            let name = id.name();
            let message = format!("{name} has changed since it was read; read it and try again");
            let mut details = about("ETAG_MISMATCH", &name, "has changed");
            details.add_precondition_failure_violation("ETAG_MISMATCH", name, "etag must be the newest revision's");
            Status::with_error_details(Code::Aborted, message, details)
        }
        WriteError::TakedownDenied { id, field } => {
            let (name, scope) = (id.name(), Scope::Admin.as_str());
            let message = format!(
                "{field} would hide {name}, which is readable: that needs the scope {scope}; leave {field} as it \
                 stands, or ask for a credential with that scope"
            );
            let metadata = [("scope", scope), ("field", field)].map(|(key, value)| (key.to_owned(), value.to_owned()));
            let mut details = about("SCOPE_MISSING", &name, "is readable");
            details.set_error_info("SCOPE_MISSING", DOMAIN, HashMap::from(metadata));
            Status::with_error_details(Code::PermissionDenied, message, details)
        }
        WriteError::TimesContradict { id, field, stands } => {
            let (order, other) = match *field {
                "embargo_time" => ("earlier", "expire_time"),
                _ => ("later", "embargo_time"),
            };
            let right =
                format!("must be {order} than the {other} of {} that stands, {stands}; or send both", id.name());
            invalid(&Violations::one(*field, right))
        }
        WriteError::RequestReused => {
            let mut details = details("REQUEST_ID_REUSED");
            let right = "must be new for each request, and the same only when that request is repeated";
            details.add_bad_request_violation("request_id", right);
            Status::with_error_details(Code::AlreadyExists, format!("request_id: {right}"), details)
        }
        WriteError::Store(error) => store(error),
    }
}

fn store(error: &StoreError) -> Status {
    let (code, reason) = match error {
        StoreError::Unavailable(_) => {
            let details = with_retry("STORE_UNAVAILABLE", Duration::from_millis(500));
            return Status::with_error_details(Code::Unavailable, error.to_string(), details);
        }
        StoreError::Busy => return overloaded(TooMany::Reads),
        StoreError::Full => {
            let full = Status::with_error_details(Code::ResourceExhausted, error.to_string(), details("STORE_FULL"));
            return for_good(full);
        }
        StoreError::Damaged => (Code::DataLoss, "STORE_DAMAGED"),
        StoreError::Trimmed => (Code::OutOfRange, "FEED_TRIMMED"),
        StoreError::Foreign => (Code::OutOfRange, "POSITION_UNKNOWN"),
        StoreError::Internal => return internal(),
    };
    let message = match error {
        StoreError::Trimmed => "the change feed no longer reaches back that far; export anew".to_owned(),
        StoreError::Foreign => {
            "the token is from after the newest change of this store, which must have lost some; export anew".to_owned()
        }
        error => error.to_string(),
    };
    Status::with_error_details(code, message, details(reason))
}

/// How tonic's words for what it cannot read begin.
const UNREADABLE: [&str; 5] = [
    "failed to decode Protobuf message",
    "Error decompressing",
    "protocol error: received",
    "Unexpected EOF decoding stream",
    "Missing request message",
];

/// What of a response's headers is the caller's to mend: see [`undecodable`].
pub fn of_undecodable(headers: &HeaderMap) -> Option<Status> {
    if headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    undecodable(&Status::from_header_map(headers)?)
}

/// tonic answers a message that it cannot decode with INTERNAL, and one that is too large with OUT_OF_RANGE or, when it is
/// found out while decompressing, RESOURCE_EXHAUSTED; all without details. These are the caller's to mend.
pub fn undecodable(status: &Status) -> Option<Status> {
    let message = status.message();
    match status.code() {
        Code::Internal if UNREADABLE.iter().any(|start| message.starts_with(start)) => {
            // Which field is in the message; what stands in it is not.
            let right = format!("must be one encoded message of its type, with UTF-8 in every string ({message})");
            Some(invalid(&Violations::one("request", right)))
        }
        Code::OutOfRange | Code::ResourceExhausted
            if message.contains("message length too large") || message.contains("Error decompressing: size limit") =>
        {
            let mut details = details("MESSAGE_TOO_LARGE");
            details.add_bad_request_violation("request", "must be smaller than the server's max-message-bytes");
            Some(for_good(Status::with_error_details(Code::ResourceExhausted, message, details)))
        }
        _ => None,
    }
}

/// The same status, as it stands in a message.
pub fn to_message(status: &Status) -> tonic_types::Status {
    // `with_error_details` encodes exactly this message into the details.
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}
