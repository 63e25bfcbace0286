//! Conversion of a document to an article that is ready to be written.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use prost::Message;

use super::document_parts::DocumentParts;
use super::draft::from_draft;
use super::keys::{Disbelief, Statements, believe};
use super::{Contents, IngestError, IngestOptions, Prepared, Target, report};
use crate::article::{
    ArticleId, ArticleKey, ChangeKind, CleanArticle, MAX_REASON_CHARS, SourceVersion, Violations, canonical_url,
    clean_line, from_proto, host_of, same_domain, source_name, to_proto,
};
use crate::extract::{
    self, Budget, ExtractError, Extracted, Extraction, Hints, Payload, Signal, WireFields, Withdrawal,
};
use crate::proto::document::Payload as Sent;
use crate::proto::{
    Article, Author, Document, DocumentFormat, ExternalKey, ExtractionMethod, ExtractionReport, IngestArticleRequest,
    Rights, TimePrecision, Warning, WarningCode,
};
use crate::store::{
    Authority, Ingest, IngestSource, Missing, Original, OriginalDocument, Precondition, RequestKey, StoreError,
    Transition, Write,
};

/// Maximum size of structured articles that are normalised on the I/O thread, in bytes: it takes microseconds, less
/// than a switch of threads.
const LIGHT_BYTES: usize = 64 << 10;

/// Returns true if preparing the document is fast enough for an I/O thread.
pub(super) fn is_light(document: &Document) -> bool {
    matches!(&document.payload, Some(Sent::Article(_)) if prost::Message::encoded_len(document) <= LIGHT_BYTES)
}

/// Returns true if the document must be decompressed before its size is known.
pub(super) fn is_compressed(document: &Document) -> bool {
    matches!(&document.payload, Some(Sent::Raw(raw)) if extract::is_gzip(&raw.data))
}

/// Returns the size of the input to extraction, in bytes.
pub(super) fn size(document: &Document) -> usize {
    match &document.payload {
        Some(Sent::Text(text) | Sent::Html(text)) => text.len(),
        Some(Sent::Raw(raw)) => raw.data.len(),
        // Its text is only normalised, which costs little at any size.
        Some(Sent::Article(_)) | None => 0,
    }
}

/// Returns the size of a compressed document after decompression, in bytes, but at most `max`.
pub(super) fn decompressed_size(document: &Document, max: usize) -> usize {
    match &document.payload {
        Some(Sent::Raw(raw)) => extract::gzip_size(&raw.data, max),
        _ => 0,
    }
}

/// Extracts a document, merges the sender's metadata, cleans the result and derives its ID.
pub(super) fn prepare(
    sent: IngestArticleRequest,
    request: Option<RequestKey>,
    time: Timestamp,
    options: &IngestOptions,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<Contents<Prepared>, IngestError> {
    let IngestArticleRequest { document, reject_non_articles, .. } = sent;
    let document = document.ok_or_else(|| Violations::one("document", "is required"))?;
    let metadata = SenderMetadata::check(&document)?;
    let field = document.payload.as_ref().map_or("document", report::field);
    let extraction = match document.payload {
        None => return Err(Violations::one("document.payload", "is required: set text, html, raw or article").into()),
        Some(Sent::Article(article)) => {
            let report =
                ExtractionReport { method: ExtractionMethod::Article.into(), confidence: 1.0, ..Default::default() };
            let statements = metadata.statements_of(&article);
            let article = Merged { article, report, statements, version: None, note: String::new(), original: None };
            return metadata.finish(article, request, time, options, field).map(Contents::Article);
        }
        Some(ref sent) => {
            let payload = match sent {
                Sent::Text(text) => Payload::Text(text),
                Sent::Html(html) => Payload::Html(html),
                Sent::Raw(raw) => Payload::Raw {
                    bytes: &raw.data,
                    content_type: Some(raw.mime_type.as_str()).filter(|text| !text.is_empty()),
                },
                Sent::Article(_) => unreachable!("handled above"),
            };
            let hints = Hints { reject_non_articles, format: format_of(sent)?, ..metadata.hints() };
            let document = extract::Document { payload, url: non_empty(&metadata.url), hints };
            let budget = Budget::new(&options.extract, is_abandoned);
            match extract::extract(&document, &budget) {
                Err(ExtractError::Withdrawn(withdrawal)) => {
                    return metadata.withdraw(&withdrawal, &metadata.url, request, time).map(Contents::Article);
                }
                extracted => extracted.map_err(|error| report::violation(sent, &error))?,
            }
        }
    };
    let keep = |document: &Document| Arc::new(OriginalDocument::new(&document.encode_to_vec()));
    match extraction {
        Extraction::Article(extracted) => {
            let original = options.keep_originals.then(|| keep(&document));
            let merged = Merged { original, ..metadata.merge(*extracted, None) };
            metadata.finish(merged, request, time, options, field).map(Contents::Article)
        }
        Extraction::Feed(entries) => {
            // Each item has the document without the others: a purge could not find the feeds that have its text.
            let (mut whole, mut parts) = (None, None);
            match (options.keep_originals, entries.len()) {
                (false, _) => {}
                (true, 1) => whole = Some(keep(&document)),
                (true, count) => parts = DocumentParts::of(document, count, options.extract.max_bytes),
            }
            let original_of = |at: usize, external_id: &str| match &parts {
                Some(parts) => parts.document(at, external_id).map(|part| keep(&part)),
                None => whole.clone(),
            };
            let items = entries.into_iter().enumerate().map(|(at, entry)| {
                // The document's identity is that of the feed; each item has its own identity and result.
                let request = request
                    .as_ref()
                    .map(|key| RequestKey { item: u32::try_from(at).unwrap_or(u32::MAX), ..key.clone() });
                let item = SenderMetadata {
                    url: String::new(),
                    external_id: String::new(),
                    article_id: String::new(),
                    ..metadata.clone()
                };
                let prepared = match entry.result {
                    Ok(extracted) => {
                        let original = original_of(at, &entry.external_id);
                        let merged = Merged { original, ..item.merge(extracted, Some(&metadata.url)) };
                        item.finish(merged, request, time, options, field)
                    }
                    Err(ExtractError::Withdrawn(withdrawal)) => {
                        item.withdraw(&withdrawal, &metadata.url, request, time)
                    }
                    Err(error) => Err(report::entry_violation(&error).into()),
                };
                (entry.external_id, prepared)
            });
            Ok(Contents::Feed(items.collect()))
        }
    }
}

/// Returns the format that the sender states.
fn format_of(sent: &Sent) -> Result<Option<extract::DocumentFormat>, Violations> {
    use extract::DocumentFormat as To;
    let Sent::Raw(raw) = sent else { return Ok(None) };
    let Ok(stated) = DocumentFormat::try_from(raw.format) else {
        return Err(Violations::one("document.raw.format", "must be one of the document formats"));
    };
    Ok(match stated {
        DocumentFormat::Unspecified => None,
        DocumentFormat::Html => Some(To::Html),
        DocumentFormat::Text => Some(To::Text),
        DocumentFormat::SyndicationFeed => Some(To::Feed),
        DocumentFormat::NewsmlG2 => Some(To::NewsmlG2),
        DocumentFormat::Newsml1 => Some(To::Newsml1),
        DocumentFormat::Nitf => Some(To::Nitf),
        DocumentFormat::Ninjs => Some(To::Ninjs),
        DocumentFormat::Iptc7901 => Some(To::Iptc7901),
        DocumentFormat::WordpressExport => Some(To::Wxr),
        DocumentFormat::SchemaOrg => Some(To::SchemaOrg),
        DocumentFormat::Markdown => Some(To::Markdown),
    })
}

fn non_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Validated metadata from the sender of a document.
#[derive(Clone)]
struct SenderMetadata {
    url: String,
    source: String,
    external_id: String,
    article_id: String,
    rights: Option<Rights>,
    headline: String,
    language_code: String,
    authors: Vec<Author>,
    section: String,
    tags: Vec<String>,
    publisher: String,
    publish_time: Option<Timestamp>,
    fetch_time: Option<Timestamp>,
    source_version: i64,
    embargo_time: Option<prost_types::Timestamp>,
    expire_time: Option<prost_types::Timestamp>,
    annotations: BTreeMap<String, String>,
}

/// Article with the sender's and the document's statements, before cleaning.
struct Merged {
    article: Article,
    report: ExtractionReport,
    statements: Statements,
    /// The version that a wire item states.
    version: Option<i64>,
    /// The note of a wire item that corrects or updates an earlier one.
    note: String,
    original: Option<Arc<OriginalDocument>>,
}

impl SenderMetadata {
    fn check(document: &Document) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let hints = document.hints.clone().unwrap_or_default();
        let url = match document.url.as_str() {
            "" => String::new(),
            url => canonical_url(url).unwrap_or_else(|expected| {
                violations.add("document.url", expected);
                String::new()
            }),
        };
        let mut time = |field: &str, time: &Option<prost_types::Timestamp>| {
            let time = time.as_ref()?;
            from_proto(time).map_err(|expected| violations.add(format!("document.{field}"), expected)).ok()
        };
        let publish_time = time("hints.publish_time", &hints.publish_time);
        let embargo_time = time("embargo_time", &document.embargo_time).map(to_proto);
        let expire_time = time("expire_time", &document.expire_time).map(to_proto);
        let fetch_time = time("fetch_time", &document.fetch_time);
        if document.source_version < 0 {
            violations.add("document.source_version", "must be 0 (none) or more");
        }
        if !document.article_id.is_empty() {
            let parsed: Result<ArticleId, _> = document.article_id.parse();
            if let Err(expected) = parsed {
                violations.add("document.article_id", expected);
            }
        }
        violations.or(Self {
            url,
            source: source_name(&document.source),
            external_id: clean_line(&document.external_id),
            article_id: document.article_id.clone(),
            rights: document.rights.clone(),
            headline: clean_line(&hints.headline),
            language_code: hints.language_code,
            authors: hints.authors,
            section: hints.section,
            tags: hints.tags,
            publisher: hints.publisher,
            publish_time,
            fetch_time,
            source_version: document.source_version,
            embargo_time,
            expire_time,
            annotations: document.annotations.clone(),
        })
    }

    fn hints(&self) -> Hints<'_> {
        Hints {
            headline: non_empty(&self.headline),
            language: non_empty(&self.language_code),
            source: non_empty(&self.source),
            publish_time: self.publish_time,
            fetch_time: self.fetch_time,
            format: None,
            reject_non_articles: false,
        }
    }

    /// Returns the statements of an article that is already clean.
    fn statements_of(&self, article: &Article) -> Statements {
        let fetched = if self.url.is_empty() { &article.url } else { &self.url };
        let believed = Some(&article.url).filter(|url| !url.is_empty());
        Statements {
            fetched: fetched.clone(),
            believed: believed.into_iter().cloned().collect(),
            is_item: false,
            is_foreign: false,
            states_external_id: true,
        }
    }

    /// Converts an extracted draft to an article. Its URL is the first that is believed, or the one that the document
    /// was fetched from. `feed` is the URL of the feed of an item, which may be empty.
    fn merge(&self, extracted: Extracted, feed: Option<&str>) -> Merged {
        let Extracted { mut draft, report } = extracted;
        let mut report = report::to_proto(report);
        let stated = draft.url.take().into_iter().chain(std::mem::take(&mut draft.alternate_urls));
        let mut believed: Vec<String> = Vec::new();
        for url in stated.filter_map(|url| canonical_url(&url).ok()) {
            let warning = match believe(&url, non_empty(&self.url), &draft.headline) {
                Ok(()) => {
                    believed.push(url);
                    continue;
                }
                Err(Disbelief::OtherDomain) => "canonical URL ignored: it belongs to another site",
                Err(Disbelief::SaysNothing) => {
                    "canonical URL ignored: it names another page, a section or a front page"
                }
            };
            if !report.warnings.iter().any(|known| known.message == warning) {
                report
                    .warnings
                    .push(Warning { code: WarningCode::CanonicalUrlIgnored.into(), message: warning.into() });
            }
        }
        let url = believed.first().map_or_else(|| self.url.clone(), |url| secure(url, &self.url));
        let is_wire = report.method() == ExtractionMethod::Wire;
        let states_external_id = !self.external_id.is_empty() || (is_wire && draft.wire.has_story_id);
        let is_foreign = feed.is_some_and(|feed| !feed.is_empty() && !same_domain(feed, &url));
        let (fetched, is_item) = (self.url.clone(), feed.is_some());
        let statements = Statements { fetched, believed, is_item, is_foreign, states_external_id };
        let (version, note) = (draft.wire.version, revision_note(&draft.wire));
        // The source of an item without a link is the host of its feed.
        let source = feed.filter(|_| url.is_empty()).and_then(host_of).unwrap_or_default();
        let article = Article { url, source, ..from_draft(draft) };
        Merged { article, report, statements, version, note, original: None }
    }

    /// Overrides the article's metadata with the sender's, cleans the article and collects its keys.
    fn finish(
        self,
        merged: Merged,
        request: Option<RequestKey>,
        time: Timestamp,
        options: &IngestOptions,
        field: &str,
    ) -> Result<Prepared, IngestError> {
        let Merged { mut article, mut report, statements, version, note, original } = merged;
        let is_extracted = report.method() != ExtractionMethod::Article;
        let mut set_by_request = |field: &str| {
            if is_extracted && !field.is_empty() {
                report::set_by_request(&mut report, field);
            }
        };
        // For an extracted page, `merge` has chosen the URL.
        if article.url.is_empty() {
            article.url.clone_from(&self.url);
        }
        for (field, sent, extracted) in [
            ("", &self.source, &mut article.source),
            ("", &self.external_id, &mut article.external_id),
            ("headline", &self.headline, &mut article.headline),
            ("language_code", &self.language_code, &mut article.language_code),
            ("section", &self.section, &mut article.section),
            ("publisher", &self.publisher, &mut article.publisher),
        ] {
            if !sent.is_empty() {
                extracted.clone_from(sent);
                set_by_request(field);
            }
        }
        if !self.authors.is_empty() {
            article.authors.clone_from(&self.authors);
            set_by_request("authors");
        }
        article.tags.extend(self.tags.iter().cloned());
        if let Some(rights) = &self.rights {
            override_rights(article.rights.get_or_insert_default(), rights);
        }
        if let Some(time) = self.publish_time {
            article.publish_time = Some(to_proto(time));
            article.publish_time_precision = TimePrecision::Second.into();
            article.publish_utc_offset = None;
            set_by_request("publish_time");
        }
        article.annotations.extend(self.annotations.clone());
        article.embargo_time = self.embargo_time.or(article.embargo_time);
        article.expire_time = self.expire_time.or(article.expire_time);
        if article.source.is_empty() && article.url.is_empty() {
            article.source = source_name(&article.publisher);
        }
        let article = CleanArticle::new(article, &options.article).map_err(|violations| violations.within(field))?;
        let keys = statements.keys(&article);
        let is_named = !self.article_id.is_empty();
        // The document states a key or its text is one; `check` has validated a client's ID.
        let id = match self.article_id.parse() {
            Ok(id) if is_named => id,
            _ => keys.first().map(|stated| ArticleId::of_key(&stated.key)).ok_or(StoreError::Internal)?,
        };
        let number = if self.source_version == 0 { version.unwrap_or(0) } else { self.source_version };
        let version = SourceVersion { number, ..self.version(&article, statements.is_item, time) };
        // `Ingestion::write_of` sets the authority of the caller.
        let from = IngestSource::Publisher(Authority::Write);
        let original = original.map(|document| Original::new(document, &report.encode_to_vec(), time));
        let late_copies = options.late_copies;
        let ingest = Ingest { id, is_named, keys, article, version, request, from, late_copies, original, note, time };
        Ok(Prepared { write: Write::Ingest(Box::new(ingest)), report })
    }

    /// Returns the withdrawal of the article that a wire item takes back: the one with its ID at the same source, so
    /// that a sender can take down its own articles only. If it has not arrived, it will be rejected. `url` is that
    /// of the document.
    fn withdraw(
        &self,
        withdrawal: &Withdrawal,
        url: &str,
        request: Option<RequestKey>,
        time: Timestamp,
    ) -> Result<Prepared, IngestError> {
        let source = if self.source.is_empty() { host_of(url).unwrap_or_default() } else { self.source.clone() };
        if source.is_empty() {
            let expected = "is required, or url: a canceled item takes back the article with its ID at this source";
            return Err(Violations::one("document.source", expected).into());
        }
        let external = ExternalKey { source, external_id: withdrawal.external_id.clone() };
        let (id, key, article) = Target { external: Some(&external), ..Target::default() }.resolve()?;
        let keys = key.iter().map(|key| ArticleKey { key: *key, is_certain: true }).collect();
        let missing = Some(Box::new(Missing { article, keys, digest: None }));
        let reason: String = clean_line(&withdrawal.reason).chars().take(MAX_REASON_CHARS).collect();
        let (kind, precondition) = (ChangeKind::Withdrawn, Precondition::None);
        let transition = Transition { id, key, missing, kind, with_copies: false, precondition, reason, request, time };
        let report = ExtractionReport { method: ExtractionMethod::Wire.into(), confidence: 1.0, ..Default::default() };
        Ok(Prepared { write: Write::Transition(transition), report })
    }

    /// Returns the version of the document. Feeds repeat their items with the time of publication, so the time at which
    /// an item was fetched orders it too.
    fn version(&self, article: &CleanArticle, is_item: bool, arrival: Timestamp) -> SourceVersion {
        let update_time = article.source_update_time();
        let stated = update_time.or(self.fetch_time);
        let observed = self.fetch_time.or((is_item || stated.is_none()).then_some(arrival));
        SourceVersion { stated, number: self.source_version, observed }.bounded(arrival)
    }
}

/// Returns the note of a wire item that corrects or updates an earlier version; empty for any other.
fn revision_note(wire: &WireFields) -> String {
    let signal = match wire.signals.first() {
        None => return String::new(),
        Some(Signal::Correction) => "correction",
        Some(Signal::Update) => "update",
    };
    let note = if wire.editor_note.is_empty() { signal } else { &wire.editor_note };
    clean_line(note).chars().take(MAX_REASON_CHARS).collect()
}

/// Returns an address by the scheme of the fetched one: templates often state the address that a site had before HTTPS.
fn secure(stated: &str, fetched: &str) -> String {
    match (stated.strip_prefix("http://"), fetched.starts_with("https://")) {
        (Some(rest), true) if host_of(stated) == host_of(fetched) => format!("https://{rest}"),
        _ => stated.to_owned(),
    }
}

/// Overrides the fields that the sender has set.
fn override_rights(rights: &mut Rights, sent: &Rights) {
    // Without `..`, so that no field is forgotten.
    let Rights { notice, holder, usage_terms, license_uri, data_mining, access } = sent;
    for (sent, extracted) in [
        (notice, &mut rights.notice),
        (holder, &mut rights.holder),
        (usage_terms, &mut rights.usage_terms),
        (license_uri, &mut rights.license_uri),
    ] {
        if !sent.is_empty() {
            extracted.clone_from(sent);
        }
    }
    for (sent, extracted) in [(data_mining, &mut rights.data_mining), (access, &mut rights.access)] {
        if *sent != 0 {
            *extracted = *sent;
        }
    }
}
