//! Audit log of writes: one line for each write that changed something or was refused for a missing scope. Contains no
//! article text.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use super::Caller;
use crate::{files, printable};

/// Maximum number of lines queued for the file. Further lines are lost, which is logged.
const MAX_QUEUED: usize = 65_536;
/// Maximum length of a logged header, in bytes. Longer values are omitted: callers choose them.
const MAX_HEADER: usize = 256;

/// Destination of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditTarget {
    /// Disabled.
    Off,
    /// Server log, as events with the target `copydesk::audit`.
    Log,
    /// File of JSON lines. It is reopened for each batch, so it can be rotated by renaming.
    File(PathBuf),
}

/// Error of opening the audit log.
#[derive(Debug, thiserror::Error)]
#[error("audit-log: {path}: {error}")]
pub struct AuditError {
    path: String,
    error: std::io::Error,
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

/// Call that a write belongs to. Empty if auditing is off.
#[derive(Clone, Default)]
pub struct AuditSource(Option<Box<WriteContext>>);

#[derive(Clone)]
struct WriteContext {
    audit: Audit,
    method: String,
    caller: Option<Arc<Caller>>,
    request_id: Option<String>,
    traceparent: Option<String>,
}

/// Subject of a write.
#[derive(Default)]
struct Subject<'a> {
    article: Option<&'a str>,
    revision: Option<i64>,
    story: Option<&'a str>,
    source_story: Option<&'a str>,
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
    story: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_story: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
}

impl Audit {
    /// Opens the audit log.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn open(target: &AuditTarget) -> Result<Self, AuditError> {
        Ok(Self(match target {
            AuditTarget::Off => Sink::Off,
            AuditTarget::Log => Sink::Log,
            AuditTarget::File(path) => {
                let failed = |error| AuditError { path: printable::path(path), error };
                append(path, &[]).map_err(failed)?;
                let (sender, lines) = sync_channel(MAX_QUEUED);
                let path = path.clone();
                let thread = std::thread::Builder::new().name("audit".into());
                // Ends when the last sender is dropped.
                thread.spawn(move || write(&path, &lines)).map_err(failed)?;
                Sink::File(Arc::new(sender))
            }
        }))
    }

    /// Returns the origin of the writes of a call.
    pub fn source(&self, method: &str, caller: Option<&Arc<Caller>>, headers: &HeaderMap) -> AuditSource {
        if matches!(self.0, Sink::Off) {
            return AuditSource(None);
        }
        let text = |name: &str| {
            let value = headers.get(name).filter(|value| value.len() <= MAX_HEADER)?;
            value.to_str().ok().map(str::to_owned)
        };
        AuditSource(Some(Box::new(WriteContext {
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
                story = line.story,
                source_story = line.source_story,
                request_id = line.request_id,
                traceparent = line.traceparent,
                "audit"
            ),
            Sink::File(lines) => {
                let mut json = serde_json::to_vec(line).expect("a line has only strings and numbers");
                json.push(b'\n');
                if let Err(TrySendError::Full(_)) = lines.try_send(json) {
                    tracing::error!(caller = line.caller, article = line.article, "audit log line lost");
                }
            }
        }
    }
}

impl AuditSource {
    /// Returns true if writes are audited.
    pub fn is_enabled(&self) -> bool {
        self.0.is_some()
    }

    /// Records a write with an unknown outcome.
    pub fn unknown(&self, article: &str) {
        self.line("UNKNOWN", Some(article), None);
    }

    /// Records a write that changed an article.
    pub fn changed(&self, outcome: &str, article: &str, revision: i64) {
        self.line(outcome, Some(article), Some(revision));
    }

    /// Records a write of an article that was refused for a missing scope.
    pub fn denied(&self, article: &str) {
        self.line("PERMISSION_DENIED", Some(article), None);
    }

    /// Records a call that was refused for a missing scope.
    pub fn refused(&self) {
        self.line("PERMISSION_DENIED", None, None);
    }

    /// Records that an article was moved to a story; to none if that is unknown.
    pub fn moved(&self, outcome: &str, article: &str, story: Option<&str>) {
        self.write(outcome, Subject { article: Some(article), story, ..Subject::default() });
    }

    /// Records that a story became part of another one.
    pub fn merged(&self, outcome: &str, story: &str, source: &str) {
        self.write(outcome, Subject { story: Some(story), source_story: Some(source), ..Subject::default() });
    }

    fn line(&self, outcome: &str, article: Option<&str>, revision: Option<i64>) {
        self.write(outcome, Subject { article, revision, ..Subject::default() });
    }

    fn write(&self, outcome: &str, Subject { article, revision, story, source_story }: Subject<'_>) {
        let Some(context) = &self.0 else { return };
        let (caller, caller_name) = match &context.caller {
            Some(caller) => (caller.id.as_str(), caller.name.as_str()),
            None => ("anonymous", ""),
        };
        context.audit.line(&Line {
            time: Timestamp::now().to_string(),
            caller,
            caller_name,
            method: &context.method,
            outcome,
            article,
            revision,
            story,
            source_story,
            request_id: context.request_id.as_deref(),
            traceparent: context.traceparent.as_deref(),
        });
    }
}

/// Writes queued lines in batches until all senders are dropped.
fn write(path: &std::path::Path, lines: &Receiver<Vec<u8>>) {
    // An outage is logged once, at its start.
    let mut failing = false;
    while let Ok(mut batch) = lines.recv() {
        while batch.len() < 1 << 20
            && let Ok(line) = lines.try_recv()
        {
            batch.extend(line);
        }
        let written = append(path, &batch);
        if let Err(error) = &written
            && !failing
        {
            tracing::error!(%error, path = printable::path(path), "audit log could not be written; lines are lost");
        }
        failing = written.is_err();
    }
}

fn append(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    files::append(path)?.write_all(bytes)
}
