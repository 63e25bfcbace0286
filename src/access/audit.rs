//! Who changed what: a line for each write that changed something, or was refused for lack of a scope. Never what an article
//! says.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use super::Caller;
use crate::{files, printable};

/// How many lines wait to be written to a file; more are lost, which is logged.
const WAITING: usize = 65_536;
/// Longer ones are the caller's, and are left out.
const HEADER: usize = 256;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Nowhere.
    Off,
    /// Into the log, as events of the target `copydesk::audit`.
    Log,
    /// Into a file, as JSON. It is opened anew for each batch, so it may be moved away.
    File(PathBuf),
}

/// Why there is no audit log.
#[derive(Debug, thiserror::Error)]
#[error("audit-log: {path}: {cause}")]
pub struct AuditError {
    path: String,
    cause: std::io::Error,
}

/// The audit log. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Sink);

#[derive(Clone)]
enum Sink {
    Off,
    Log,
    File(Arc<SyncSender<Vec<u8>>>),
}

/// Whose a write is. Empty when nothing is audited.
#[derive(Clone, Default)]
pub struct Origin(Option<Box<Whose>>);

#[derive(Clone)]
struct Whose {
    audit: Audit,
    method: String,
    caller: Option<Arc<Caller>>,
    request_id: Option<String>,
    traceparent: Option<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    time: String,
    caller: &'a str,
    caller_name: &'a str,
    method: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

impl Audit {
    /// Opens it.
    ///
    /// # Errors
    /// When the file cannot be written to.
    pub fn open(target: &AuditTarget) -> Result<Self, AuditError> {
        Ok(Self(match target {
            AuditTarget::Off => Sink::Off,
            AuditTarget::Log => Sink::Log,
            AuditTarget::File(path) => {
                let failed = |cause| AuditError { path: printable::path(path), cause };
                append(path, &[]).map_err(failed)?;
                let (sender, lines) = sync_channel(WAITING);
                let path = path.clone();
                let thread = std::thread::Builder::new().name("audit".into());
                // It ends when the last who could write a line is gone.
                thread.spawn(move || write(&path, &lines)).map_err(failed)?;
                Sink::File(Arc::new(sender))
            }
        }))
    }

    /// Whose the writes of a call are.
    pub fn of(&self, method: &str, caller: Option<&Arc<Caller>>, headers: &HeaderMap) -> Origin {
        if matches!(self.0, Sink::Off) {
            return Origin(None);
        }
        let text = |name: &str| {
            let value = headers.get(name).filter(|value| value.len() <= HEADER)?;
            value.to_str().ok().map(str::to_owned)
        };
        Origin(Some(Box::new(Whose {
            audit: self.clone(),
            method: method.trim_start_matches('/').to_owned(),
            caller: caller.cloned(),
            request_id: text("x-request-id"),
            traceparent: text("traceparent"),
        })))
    }

    fn line(&self, line: &Line<'_>) {
        match &self.0 {
            Sink::Off => {}
            Sink::Log => tracing::info!(
                target: "copydesk::audit",
                caller = line.caller,
                caller_name = line.caller_name,
                rpc.method = line.method,
                outcome = line.outcome,
                article = line.article,
                revision = line.revision,
                request_id = line.request_id,
                traceparent = line.traceparent,
                "audit"
            ),
            Sink::File(lines) => {
                let mut json = serde_json::to_vec(line).expect("it has only strings and numbers");
                json.push(b'\n');
                if let Err(TrySendError::Full(_)) = lines.try_send(json) {
                    tracing::error!(caller = line.caller, article = line.article, "a line of the audit log was lost");
                }
            }
        }
    }
}

impl Origin {
    /// Whether anything is written down at all.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// Of a write nobody knows whether it was done.
    pub fn unknown(&self, article: &str) {
        self.line("UNKNOWN", Some(article), None);
    }

    /// A write has changed an article.
    pub fn changed(&self, outcome: &str, article: &str, revision: i64) {
        self.line(outcome, Some(article), Some(revision));
    }

    /// A write of an article was refused for lack of a scope.
    pub fn denied(&self, article: &str) {
        self.line("PERMISSION_DENIED", Some(article), None);
    }

    /// A call was refused, for lack of a scope.
    pub fn refused(&self) {
        self.line("PERMISSION_DENIED", None, None);
    }

    fn line(&self, outcome: &str, article: Option<&str>, revision: Option<i64>) {
        let Some(whose) = &self.0 else { return };
        let (caller, caller_name) = match &whose.caller {
            Some(caller) => (caller.id.as_str(), caller.name.as_str()),
            None => ("anonymous", ""),
        };
        whose.audit.line(&Line {
            time: Timestamp::now().to_string(),
            caller,
            caller_name,
            method: &whose.method,
            outcome,
            article,
            revision,
            request_id: whose.request_id.as_deref(),
            traceparent: whose.traceparent.as_deref(),
        });
    }
}

/// Writes what waits, together, until nobody can write a line any more.
fn write(path: &std::path::Path, lines: &Receiver<Vec<u8>>) {
    // An outage is logged when it begins.
    let mut failing = false;
    while let Ok(mut batch) = lines.recv() {
        while batch.len() < 1 << 20
            && let Ok(line) = lines.try_recv()
        {
            batch.extend(line);
        }
        let written = append(path, &batch);
        if let Err(cause) = &written
            && !failing
        {
            tracing::error!(%cause, path = printable::path(path), "the audit log cannot be written; lines are lost");
        }
        failing = written.is_err();
    }
}

fn append(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    files::append(path)?.write_all(bytes)
}
