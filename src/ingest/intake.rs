//! The journal of ingestion: documents that were rejected, or ingested with a warning or little confidence. It is
//! collected here and written to the store from time to time, so that no sender waits for it; what does not fit is
//! counted.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use url::Url;

use super::{Contents, IngestError, Prepared, report};
use crate::article::{ArticleId, Lifecycle, host_of, source_name, to_proto};
use crate::proto::document::Payload;
use crate::proto::{Document, ExtractionReport, IngestEvent, IngestEventKind, Warning, WarningCode};
use crate::store::{Store, StoreError, Write, WriteError};
use crate::telemetry::{IngestMetrics, LogRateLimiter};

/// Confidence below which an extraction is noted.
const LOW_CONFIDENCE: f32 = 0.5;
/// Maximum number of events that wait to be written.
const MAX_PENDING: usize = 1_000;
/// Maximum length of the texts of an event, in characters.
const SOURCE_CHARS: usize = 255;
const URL_CHARS: usize = 2_048;
const ID_CHARS: usize = 512;
const MESSAGE_CHARS: usize = 500;
/// Minimum interval between log lines.
const LOG_INTERVAL: Duration = Duration::from_secs(1);

/// Events of this replica that are not written yet.
#[derive(Debug)]
pub struct Intake {
    pending: Mutex<VecDeque<IngestEvent>>,
    /// Held while events are written.
    writing: tokio::sync::Mutex<()>,
    metrics: IngestMetrics,
    logged: LogRateLimiter,
}

impl Intake {
    /// Creates an empty journal.
    pub fn new(metrics: IngestMetrics) -> Self {
        Self {
            pending: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            metrics,
            logged: LogRateLimiter::new(LOG_INTERVAL),
        }
    }

    /// Writes the pending events to the store. If that fails, they stay.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn flush(&self, store: &dyn Store) -> Result<(), StoreError> {
        let _writing = self.writing.lock().await;
        let events: Vec<IngestEvent> = self.lock().iter().cloned().collect();
        if events.is_empty() {
            return Ok(());
        }
        store.record_events(events.iter().map(Message::encode_to_vec).collect()).await?;
        let mut pending = self.lock();
        let written = events.len().min(pending.len());
        pending.drain(..written);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<IngestEvent>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, event: IngestEvent) {
        self.metrics.count_event(&event.source, &event.reason);
        if event.kind() == IngestEventKind::Rejected
            && let Some(suppressed) = self.logged.now()
        {
            let IngestEvent { source, external_id, reason, .. } = &event;
            tracing::info!(source, external_id, reason, suppressed, "document rejected");
        }
        let mut pending = self.lock();
        if pending.len() < MAX_PENDING {
            pending.push_back(event);
        } else {
            self.metrics.count_dropped_event();
        }
    }
}

/// Identity of a document, for its events.
pub(super) struct DocumentIdentity {
    event: IngestEvent,
    /// True if an error may quote the article: its message is not noted, since a purge does not reach the journal.
    may_quote: bool,
}

impl DocumentIdentity {
    pub(super) fn of(document: &Document) -> Self {
        let host = host_of(&document.url).unwrap_or_default();
        let source = if document.source.is_empty() { &host } else { &document.source };
        let event = IngestEvent {
            source: start(&source_name(source), SOURCE_CHARS),
            url: public_url(&document.url),
            external_id: start(&document.external_id, ID_CHARS),
            ..IngestEvent::default()
        };
        Self { event, may_quote: matches!(document.payload, Some(Payload::Article(_))) }
    }

    /// Notes a prepared document: a rejection of it or of one of its items, warnings, little confidence.
    pub(super) fn note(&self, intake: &Intake, result: &Result<Contents<Prepared>, IngestError>) {
        let one = |external_id: &str, result: Result<&Prepared, &IngestError>| match result {
            Ok(prepared) => self.extracted(intake, external_id, prepared),
            Err(error) => self.rejected(intake, external_id, error),
        };
        match result {
            Ok(Contents::Article(prepared)) => one("", Ok(prepared)),
            Ok(Contents::Feed(items)) => items.iter().for_each(|(id, item)| one(id, item.as_ref())),
            Err(error) => one("", Err(error)),
        }
    }

    fn rejected(&self, intake: &Intake, external_id: &str, error: &IngestError) {
        let IngestError::Invalid(violations) = error else { return };
        let messages = violations.0.iter().map(|violation| match self.may_quote {
            true => violation.field.clone(),
            false => format!("{}: {}", violation.field, violation.description),
        });
        let message = messages.collect::<Vec<_>>().join("; ");
        let kind = IngestEventKind::Rejected;
        intake.record(self.event(external_id, kind, "INVALID_FIELD", &message));
    }

    fn extracted(&self, intake: &Intake, external_id: &str, prepared: &Prepared) {
        let ExtractionReport { warnings, confidence, .. } = &prepared.report;
        let (kind, reason, message) = if let Some(warning) = warnings.first() {
            let code = warning.code().as_str_name().trim_start_matches("WARNING_CODE_");
            // Those of wire items quote the text.
            let is_safe =
                |warning: &&Warning| !matches!(warning.code(), WarningCode::KillAdvisory | WarningCode::FieldSkipped);
            let messages: Vec<&str> = warnings.iter().filter(is_safe).map(|it| it.message.as_str()).collect();
            (IngestEventKind::Warned, code, messages.join("; "))
        } else if *confidence < LOW_CONFIDENCE {
            (IngestEventKind::LowConfidence, "LOW_CONFIDENCE", format!("confidence {confidence:.2}"))
        } else {
            return;
        };
        let mut event = self.event(external_id, kind, reason, &message);
        if let Write::Ingest(ingest) = &prepared.write {
            let article = ingest.article.article();
            event.source.clone_from(&article.source);
            event.confidence = *confidence;
        }
        intake.record(event);
    }

    fn event(&self, external_id: &str, kind: IngestEventKind, reason: &str, message: &str) -> IngestEvent {
        let mut event = self.event.clone();
        if !external_id.is_empty() {
            event.external_id = start(external_id, ID_CHARS);
        }
        event.create_time = Some(to_proto(Timestamp::now()));
        event.set_kind(kind);
        event.reason = reason.to_owned();
        event.message = start(message, MESSAGE_CHARS);
        event
    }
}

/// Identity of a document that the store may reject or hold, such as one of a withdrawn article.
pub(super) struct RejectionContext(IngestEvent);

impl RejectionContext {
    pub(super) fn of(write: &Write) -> Option<Self> {
        let Write::Ingest(ingest) = write else { return None };
        let article = ingest.article.article();
        Some(Self(IngestEvent {
            source: article.source.clone(),
            url: public_url(&article.url),
            external_id: start(&article.external_id, ID_CHARS),
            ..IngestEvent::default()
        }))
    }

    pub(super) fn refused(&self, intake: &Intake, error: &WriteError) {
        if let WriteError::Store(_) = error {
            return;
        }
        self.record(intake, IngestEventKind::Rejected, reason_of(error), &error.to_string());
    }

    /// Notes that the article is held because it is a copy of a withdrawn one.
    pub(super) fn held(&self, intake: &Intake, copied: &ArticleId) {
        let Warning { message, .. } = report::held(copied);
        self.record(intake, IngestEventKind::Warned, "COPY_OF_WITHDRAWN", &message);
    }

    fn record(&self, intake: &Intake, kind: IngestEventKind, reason: &str, message: &str) {
        let mut event = self.0.clone();
        event.create_time = Some(to_proto(Timestamp::now()));
        event.set_kind(kind);
        event.reason = reason.to_owned();
        event.message = start(message, MESSAGE_CHARS);
        intake.record(event);
    }
}

/// Returns the reason that the caller gets.
fn reason_of(error: &WriteError) -> &'static str {
    match error {
        WriteError::NotFound(_) => "ARTICLE_NOT_FOUND",
        WriteError::WrongLifecycle { lifecycle: Lifecycle::Withdrawn, .. } => "ARTICLE_WITHDRAWN",
        WriteError::WrongLifecycle { lifecycle: Lifecycle::Deleted, .. } => "ARTICLE_DELETED",
        WriteError::WrongLifecycle { lifecycle: Lifecycle::Purged, .. } => "ARTICLE_PURGED",
        WriteError::WrongLifecycle { .. } => "ARTICLE_LIVE",
        WriteError::Merged { .. } => "ARTICLE_MERGED",
        WriteError::Conflict(_) => "ETAG_MISMATCH",
        WriteError::TakedownDenied { .. } => "SCOPE_MISSING",
        WriteError::TimesContradict { .. } => "INVALID_FIELD",
        WriteError::RequestReused => "REQUEST_ID_REUSED",
        WriteError::Store(_) => "STORE",
    }
}

/// Returns a URL without user information, query and fragment, which may have secrets.
fn public_url(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return String::new() };
    url.set_query(None);
    url.set_fragment(None);
    // Fails for URLs that have no host, and so no user either.
    let _ = (url.set_username(""), url.set_password(None));
    start(url.as_str(), URL_CHARS)
}

fn start(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
