//! Conversion of errors to gRPC statuses with `google.rpc` details. Codes that clients retry (UNAVAILABLE,
//! RESOURCE_EXHAUSTED with RetryInfo) are used only if a retry can help.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use prost::Message;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::access::{AuthError, Scope};
use crate::article::{Lifecycle, RevisionName, Unreadable, Violations};
use crate::ingest::{IngestError, OverRate};
use crate::retrieve::RetrieveError;
use crate::store::{StoreError, WriteError};
use crate::stories::{MAX_EDITED, StoryEditError};

/// Domain of every reason.
const DOMAIN: &str = "copydesk.dev";
/// Description of a merged article.
const MERGED: &str = "was merged into another article";

/// Resource type of a name in details.
fn resource_type(name: &str) -> &'static str {
    if name.parse::<RevisionName>().is_ok() { "copydesk.v1.ArticleRevision" } else { "copydesk.v1.Article" }
}

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

/// Forbids retries by channels that retry by code: RESOURCE_EXHAUSTED is retried because of OVERLOADED, but a retry
/// does not help for every reason.
fn without_retry(mut status: Status) -> Status {
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from_static("-1"));
    status
}

fn about(reason: &str, name: &str, what: &str) -> ErrorDetails {
    let mut details = details(reason);
    details.set_resource_info(resource_type(name), name, "", what);
    details
}

/// Maximum size of field violations in details, in bytes. Statuses are sent in headers, with details in Base64, and
/// clients limit headers (usually to 8 KiB in all).
const VIOLATION_BYTES: usize = 2_000;
/// Maximum size of a status message, in bytes.
const MESSAGE_BYTES: usize = 600;

/// Returns the status of an invalid request.
pub fn invalid(violations: &Violations) -> Status {
    let mut details = details("INVALID_FIELD");
    let mut fields = Vec::new();
    let mut bytes = 0;
    for violation in &violations.0 {
        bytes += violation.field.len() + violation.description.len();
        if bytes > VIOLATION_BYTES && !fields.is_empty() {
            break;
        }
        fields.push(FieldViolation::new(violation.field.clone(), violation.description.clone()));
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

/// Kind of stream. Each has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamKind {
    /// Watches and exports.
    Reading,
    /// Streams of documents.
    Ingesting,
}

/// Exhausted limit.
#[derive(Clone, Copy, Debug)]
pub enum TooMany {
    /// Unary calls.
    Calls,
    /// Streams of a kind.
    Streams(StreamKind),
    /// Streams of a kind, of one caller.
    StreamsOfCaller(StreamKind),
    /// Documents to extract.
    Documents,
    /// Reads of the store.
    Reads,
}

impl StreamKind {
    /// Returns the name of these streams in messages, and the setting that limits them.
    fn limit(self) -> (&'static str, &'static str) {
        match self {
            Self::Reading => ("watches and exports", "max-concurrent-streams"),
            Self::Ingesting => ("streams of documents", "max-ingest-streams"),
        }
    }
}

/// Returns the status of a call that exceeds a limit of concurrency.
pub fn overloaded(what: TooMany) -> Status {
    // Built once: these are the most frequent responses under overload.
    static CALLS: LazyLock<Status> = LazyLock::new(|| too_many("calls"));
    static DOCUMENTS: LazyLock<Status> = LazyLock::new(|| too_many("documents"));
    static READS: LazyLock<Status> = LazyLock::new(|| too_many("reads"));
    let status = match what {
        TooMany::Calls => &CALLS,
        TooMany::Streams(kind) => {
            let (what, limit) = kind.limit();
            return busy(format!("too many {what} are open ({limit}); retry"));
        }
        TooMany::StreamsOfCaller(kind) => {
            let (what, limit) = kind.limit();
            return busy(format!("this caller has used up its share of {what} ({limit}); close one, or retry"));
        }
        TooMany::Documents => &DOCUMENTS,
        TooMany::Reads => &READS,
    };
    Status::clone(status)
}

fn too_many(what: &str) -> Status {
    busy(format!("too many concurrent {what}; retry"))
}

fn busy(message: String) -> Status {
    Status::with_error_details(Code::ResourceExhausted, message, with_retry("OVERLOADED", Duration::from_millis(100)))
}

/// Returns the status of a stream that is ended because its client does not read responses: they hold memory that
/// others need.
pub fn unread() -> Status {
    let message = "responses were not read in time; documents without one may have been written: send them again";
    Status::with_error_details(
        Code::ResourceExhausted,
        message,
        with_retry("ANSWERS_UNREAD", Duration::from_millis(100)),
    )
}

/// Returns the status of a call whose connection ends: the server stops, or the connection is too old.
pub fn stopping() -> Status {
    let message = "this connection is closing; retry on another one";
    Status::with_error_details(Code::Unavailable, message, with_retry("STOPPING", Duration::from_millis(100)))
}

/// Returns the status of a call past its deadline or the server's maximum.
pub fn deadline_exceeded() -> Status {
    Status::with_error_details(Code::DeadlineExceeded, "the call's deadline has passed", details("DEADLINE_EXCEEDED"))
}

/// Returns the status of a defect. Its details are in the server's log.
pub fn internal() -> Status {
    Status::with_error_details(Code::Internal, "internal error; see the server's log", details("INTERNAL"))
}

/// Returns the status of a call that is refused by authentication, authorization or rate limiting.
pub fn access(refusal: &AuthError) -> Status {
    let (code, reason, message) = match refusal {
        AuthError::Missing => {
            let message = "missing credential; send the metadata authorization: Bearer …";
            (Code::Unauthenticated, "CREDENTIAL_MISSING", message)
        }
        AuthError::Invalid => (Code::Unauthenticated, "CREDENTIAL_INVALID", "the credential is invalid"),
        AuthError::Expired => (Code::Unauthenticated, "CREDENTIAL_EXPIRED", "the credential has expired"),
        AuthError::Lifetime => (
            Code::Unauthenticated,
            "CREDENTIAL_LIFETIME",
            "the token's lifetime exceeds the server's maximum; request a token with a shorter one",
        ),
        AuthError::Unknown => (Code::Unimplemented, "METHOD_UNKNOWN", "unknown method"),
        AuthError::Unavailable => {
            let details = with_retry("CREDENTIALS_UNAVAILABLE", Duration::from_millis(500));
            let message = "credentials cannot be checked at present; retry";
            return Status::with_error_details(Code::Unavailable, message, details);
        }
        AuthError::MissingScope(scope) => {
            let scope = scope.as_str();
            let mut details = ErrorDetails::new();
            details.set_error_info("SCOPE_MISSING", DOMAIN, HashMap::from([("scope".to_owned(), scope.to_owned())]));
            let message = format!("the credential lacks the scope {scope}");
            return Status::with_error_details(Code::PermissionDenied, message, details);
        }
        AuthError::Rate { subject, rate, wait } => {
            return over_rate(format!("the rate limit of {rate} is exceeded; retry later"), subject, rate, *wait);
        }
    };
    Status::with_error_details(code, message, details(reason))
}

/// Returns the status of a call that exceeds its caller's rate, by itself or with its documents.
fn over_rate(message: String, subject: &str, rate: impl Display, wait: Duration) -> Status {
    let mut details = with_retry("RATE_LIMITED", wait);
    details.add_quota_failure_violation(subject, format!("{rate} calls and documents per replica"));
    let mut status = Status::with_error_details(Code::ResourceExhausted, message, details);
    // Channels that retry automatically wait this long. 0 would mean an immediate retry.
    let pause = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    status.metadata_mut().insert("grpc-retry-pushback-ms", MetadataValue::from(pause));
    status
}

/// Returns the status of a call with a host name that may belong to a web page (DNS rebinding).
pub fn host_not_allowed() -> Status {
    let message = "the called host is not allowed; :authority and Host must be localhost, an IP address, \
        or one of the server's allowed-hosts";
    Status::with_error_details(Code::PermissionDenied, message, details("HOST_NOT_ALLOWED"))
}

/// Returns the status of a call from a web page of an origin that is not allowed.
pub fn origin_not_allowed() -> Status {
    let message = "the Origin is not allowed; it must have the called host, or be one of the server's grpc-web-origins";
    Status::with_error_details(Code::PermissionDenied, message, details("ORIGIN_NOT_ALLOWED"))
}

/// Returns the status of a read of articles in every state by a caller without the scope.
pub fn needs_editor() -> Status {
    access(&AuthError::MissingScope(Scope::Edit))
}

/// Returns the status of a failed read.
pub fn retrieve(error: &RetrieveError) -> Status {
    match error {
        RetrieveError::Invalid(violations) => invalid(violations),
        RetrieveError::NotFound(name) => not_found(name),
        RetrieveError::Unreadable { name, why, since } => {
            let (reason, what) = match why {
                Unreadable::Embargoed | Unreadable::Expected => return not_found(name),
                Unreadable::Withdrawn => ("ARTICLE_WITHDRAWN", "was withdrawn"),
                Unreadable::Deleted => ("ARTICLE_DELETED", "was deleted"),
                Unreadable::Expired => ("ARTICLE_EXPIRED", "has expired"),
                Unreadable::Merged => ("ARTICLE_MERGED", MERGED),
                Unreadable::Purged => ("ARTICLE_PURGED", "was purged"),
            };
            let mut details = about(reason, name, what);
            let metadata = HashMap::from([("time".to_owned(), since.to_string())]);
            details.set_error_info(reason, DOMAIN, metadata);
            Status::with_error_details(Code::NotFound, format!("{name} {what}"), details)
        }
        RetrieveError::Merged { name, since, successor } => {
            let mut metadata = HashMap::from([("time".to_owned(), since.to_string())]);
            metadata.extend(successor.iter().map(|successor| ("successor".to_owned(), successor.clone())));
            let mut details = about("ARTICLE_MERGED", name, MERGED);
            details.set_error_info("ARTICLE_MERGED", DOMAIN, metadata);
            let message = match successor {
                Some(successor) => format!("{name} was merged into {successor}; read that one"),
                None => format!("{name} {MERGED}"),
            };
            Status::with_error_details(Code::NotFound, message, details)
        }
        RetrieveError::SourceNotFound(name) => source_not_found(name),
        RetrieveError::IndexLate => {
            let message = "the search index is not fresh enough yet; retry";
            Status::with_error_details(Code::Unavailable, message, with_retry("INDEX_LATE", Duration::from_secs(1)))
        }
        RetrieveError::StoryNotFound(name) => {
            let message = format!("{name} does not exist");
            let mut details = details("STORY_NOT_FOUND");
            details.set_resource_info("copydesk.v1.Story", name, "", "does not exist");
            Status::with_error_details(Code::NotFound, message, details)
        }
        RetrieveError::StoriesLate => {
            let message = "the stories are not fresh enough yet; retry";
            Status::with_error_details(Code::Unavailable, message, with_retry("STORIES_LATE", Duration::from_secs(1)))
        }
        RetrieveError::StoriesOff => {
            let message = "stories are off on this server (the setting `stories`)";
            Status::with_error_details(Code::Unimplemented, message, details("STORIES_OFF"))
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

fn source_not_found(name: &str) -> Status {
    let what = "has no kept document: it is older than source-keep, was evicted, or was an article already";
    Status::with_error_details(Code::NotFound, format!("{name} {what}"), about("SOURCE_NOT_FOUND", name, what))
}

/// Returns the status of a failed write.
pub fn ingest(error: &IngestError) -> Status {
    match error {
        IngestError::Invalid(violations) => invalid(violations),
        IngestError::Busy => overloaded(TooMany::Documents),
        IngestError::Contended(id) => {
            let message = format!("too many concurrent updates of {}; retry", id.name());
            let details = with_retry("CONTENDED", Duration::from_millis(50));
            Status::with_error_details(Code::Aborted, message, details)
        }
        IngestError::OverRate(over) => {
            let OverRate { documents, subject, rate, wait } = over;
            let message = format!("{documents} more documents exceed the rate limit of {rate}; retry later");
            over_rate(message, subject, rate, *wait)
        }
        IngestError::NoSuchKey(key) => not_found(key),
        IngestError::NoSuchRevision(revision) => {
            let name = revision.to_string();
            let message = format!("{name} does not exist; list the revisions of the article");
            Status::with_error_details(Code::NotFound, message, about("REVISION_NOT_FOUND", &name, "does not exist"))
        }
        IngestError::NoDocument(id) => source_not_found(&id.name()),
        IngestError::NoText(revision) => {
            let name = revision.to_string();
            let what = "has no text, because the article was withdrawn before it arrived; name a later revision";
            let mut details = about("REVISION_EMPTY", &name, what);
            details.add_precondition_failure_violation("REVISION_EMPTY", name.clone(), what);
            Status::with_error_details(Code::FailedPrecondition, format!("{name} {what}"), details)
        }
        IngestError::Extraction => internal(),
        IngestError::Write(error) => write(error),
    }
}

/// Returns the status of an editor's decision about stories that could not be applied.
pub fn story_edit(error: &StoryEditError) -> Status {
    match error {
        StoryEditError::Invalid(violations) => invalid(violations),
        StoryEditError::NotFound(id) => retrieve(&RetrieveError::StoryNotFound(id.name())),
        StoryEditError::TooLarge(id) => {
            let name = id.name();
            let what = format!("has or would have more than {MAX_EDITED} articles, the most that editors may change");
            let mut details = details("STORY_TOO_LARGE");
            details.set_resource_info("copydesk.v1.Story", &name, "", &what);
            details.add_precondition_failure_violation("STORY_TOO_LARGE", name.clone(), &what);
            Status::with_error_details(Code::FailedPrecondition, format!("{name} {what}"), details)
        }
        StoryEditError::Purged(id) => {
            write(&WriteError::WrongLifecycle { id: id.clone(), lifecycle: Lifecycle::Purged })
        }
        StoryEditError::Contended => {
            let details = with_retry("CONTENDED", Duration::from_millis(50));
            Status::with_error_details(Code::Aborted, "too many concurrent changes of stories; retry", details)
        }
        StoryEditError::Store(error) => store(error),
    }
}

fn write(error: &WriteError) -> Status {
    match error {
        WriteError::NotFound(id) => not_found(&id.name()),
        WriteError::WrongLifecycle { id, lifecycle } => {
            let name = id.name();
            let (reason, message) = match lifecycle {
                Lifecycle::Withdrawn => ("ARTICLE_WITHDRAWN", "was withdrawn; reinstate it first"),
                Lifecycle::Deleted => ("ARTICLE_DELETED", "was deleted; undelete it first"),
                Lifecycle::Live => ("ARTICLE_LIVE", "is live"),
                Lifecycle::Expected => ("ARTICLE_EXPECTED", "has not been ingested yet"),
                Lifecycle::Merged => ("ARTICLE_MERGED", MERGED),
                Lifecycle::Purged => ("ARTICLE_PURGED", "was purged: its text is erased, and it is not accepted again"),
            };
            let mut details = about(reason, &name, message);
            details.add_precondition_failure_violation(reason, name.clone(), message);
            Status::with_error_details(Code::FailedPrecondition, format!("{name} {message}"), details)
        }
        WriteError::Merged { id, successor } => {
            let (name, successor) = (id.name(), successor.name());
            let message = format!("{name} was merged into {successor}; use that one");
            let mut details = about("ARTICLE_MERGED", &name, MERGED);
            let metadata = HashMap::from([("successor".to_owned(), successor)]);
            details.set_error_info("ARTICLE_MERGED", DOMAIN, metadata);
            details.add_precondition_failure_violation("ARTICLE_MERGED", name, &message);
            Status::with_error_details(Code::FailedPrecondition, message, details)
        }
        WriteError::Conflict(id) => {
            let name = id.name();
            let message = format!("{name} has changed since it was read; read it again and retry");
            let mut details = about("ETAG_MISMATCH", &name, "has changed");
            details.add_precondition_failure_violation("ETAG_MISMATCH", name, "etag must be the newest revision's");
            Status::with_error_details(Code::Aborted, message, details)
        }
        WriteError::TakedownDenied { id, field } => {
            let (name, scope) = (id.name(), Scope::Edit.as_str());
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
            let expected =
                format!("must be {order} than the {other} of {} that stands, {stands}; or send both", id.name());
            invalid(&Violations::one(*field, expected))
        }
        WriteError::RequestReused => {
            let mut details = details("REQUEST_ID_REUSED");
            let expected = "was used by another request; must be unique, and the same only in retries of one request";
            details.add_bad_request_violation("request_id", expected);
            Status::with_error_details(Code::AlreadyExists, format!("request_id: {expected}"), details)
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
            return without_retry(full);
        }
        StoreError::Damaged => (Code::DataLoss, "STORE_DAMAGED"),
        StoreError::Trimmed => (Code::OutOfRange, "FEED_TRIMMED"),
        StoreError::UnknownPosition => (Code::OutOfRange, "POSITION_UNKNOWN"),
        StoreError::Internal => return internal(),
    };
    let message = match error {
        StoreError::Trimmed => {
            "the change feed no longer reaches back that far; start a new export, and watch from its change_token"
                .to_owned()
        }
        StoreError::UnknownPosition => {
            "the token is newer than this store's newest change, so the store has lost changes; export again".to_owned()
        }
        error => error.to_string(),
    };
    Status::with_error_details(code, message, details(reason))
}

/// Prefixes of tonic's messages about undecodable requests.
const UNREADABLE: [&str; 5] = [
    "failed to decode Protobuf message",
    "Error decompressing",
    "protocol error: received",
    "Unexpected EOF decoding stream",
    "Missing request message",
];

/// Returns the status for response headers that report an undecodable request: see [`undecodable`].
pub fn of_undecodable(headers: &HeaderMap) -> Option<Status> {
    if headers.contains_key("grpc-status-details-bin") {
        return None;
    }
    undecodable(&Status::from_header_map(headers)?)
}

/// Replaces tonic's statuses about requests that the caller has to fix. tonic answers an undecodable message with
/// INTERNAL, and one that is too large with OUT_OF_RANGE, or with RESOURCE_EXHAUSTED if decompression shows it; all
/// without details.
pub fn undecodable(status: &Status) -> Option<Status> {
    let message = status.message();
    match status.code() {
        Code::Internal if UNREADABLE.iter().any(|start| message.starts_with(start)) => {
            // tonic's message names the field and does not quote its value.
            let expected = format!("must be one encoded message of its type, with UTF-8 in every string ({message})");
            Some(invalid(&Violations::one("request", expected)))
        }
        Code::OutOfRange | Code::ResourceExhausted
            if message.contains("message length too large") || message.contains("Error decompressing: size limit") =>
        {
            let mut details = details("MESSAGE_TOO_LARGE");
            details.add_bad_request_violation("request", "must be smaller than the server's max-message-bytes");
            Some(without_retry(Status::with_error_details(Code::ResourceExhausted, message, details)))
        }
        _ => None,
    }
}

/// Converts a status to its Protobuf message.
pub fn to_message(status: &Status) -> tonic_types::Status {
    // `with_error_details` encodes exactly this message into the details.
    tonic_types::Status::decode(status.details()).unwrap_or_else(|_| tonic_types::Status {
        code: status.code() as i32,
        message: status.message().to_owned(),
        details: Vec::new(),
    })
}
