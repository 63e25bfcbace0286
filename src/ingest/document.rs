//! Conversion of a document to an article that is ready to be written.

use jiff::Timestamp;

use super::keys::{Disbelief, Statements, believe};
use super::{Contents, IngestError, IngestOptions, Prepared, report};
use crate::article::{
    ArticleId, CleanArticle, SourceVersion, Violations, canonical_url, clean_line, fold, from_proto, same_domain,
    to_proto,
};
use crate::extract::{self, Budget, Draft, Extracted, Extraction, Hints, Payload};
use crate::proto::document::Payload as Sent;
use crate::proto::{Article, Block, BlockKind, Dateline, Document, ExtractionReport, Link, Media, MediaKind};
use crate::store::{Authority, Ingest, IngestSource, RequestKey, StoreError};

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
    document: Document,
    request: Option<RequestKey>,
    time: Timestamp,
    options: &IngestOptions,
    is_abandoned: &dyn Fn() -> bool,
) -> Result<Contents<Prepared>, IngestError> {
    let metadata = SenderMetadata::check(&document)?;
    let field = document.payload.as_ref().map_or("document", report::field);
    let extraction = match document.payload {
        None => return Err(Violations::one("document.payload", "is required: set text, html, raw or article").into()),
        Some(Sent::Article(article)) => {
            let report = ExtractionReport { method: "article".into(), confidence: 1.0, ..Default::default() };
            let statements = metadata.statements_of(&article);
            let article = Merged { article, report, statements };
            return metadata.finish(article, request, time, options, field).map(Contents::Article);
        }
        Some(ref sent) => {
            let payload = match sent {
                Sent::Text(text) => Payload::Text(text),
                Sent::Html(html) => Payload::Html(html),
                Sent::Raw(raw) => Payload::Raw {
                    bytes: &raw.data,
                    content_type: Some(raw.content_type.as_str()).filter(|text| !text.is_empty()),
                },
                Sent::Article(_) => unreachable!("handled above"),
            };
            let document = extract::Document { payload, url: non_empty(&metadata.url), hints: metadata.hints() };
            let budget = Budget::new(&options.extract, is_abandoned);
            extract::extract(&document, &budget).map_err(|error| report::violation(sent, &error))?
        }
    };
    match extraction {
        Extraction::Article(extracted) => {
            let merged = metadata.merge(*extracted, None);
            metadata.finish(merged, request, time, options, field).map(Contents::Article)
        }
        Extraction::Feed(entries) => {
            let items = (0..).zip(entries).map(|(item, entry)| {
                // The document's identity is that of the feed; each item has its own identity and result.
                let request = request.as_ref().map(|key| RequestKey { item, ..key.clone() });
                let item = SenderMetadata {
                    url: String::new(),
                    external_id: String::new(),
                    article_id: String::new(),
                    ..metadata.clone()
                };
                let prepared = match entry.result {
                    Ok(extracted) => {
                        let merged = item.merge(extracted, Some(&metadata.url));
                        item.finish(merged, request, time, options, field)
                    }
                    Err(error) => Err(report::entry_violation(&error).into()),
                };
                (entry.external_id, prepared)
            });
            Ok(Contents::Feed(items.collect()))
        }
    }
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
    rights: String,
    headline: String,
    language: String,
    authors: Vec<String>,
    section: String,
    tags: Vec<String>,
    publisher: String,
    publish_time: Option<Timestamp>,
    fetch_time: Option<Timestamp>,
    source_version: i64,
    embargo_time: Option<prost_types::Timestamp>,
    expire_time: Option<prost_types::Timestamp>,
}

/// Article with the sender's and the document's statements, before cleaning.
struct Merged {
    article: Article,
    report: ExtractionReport,
    statements: Statements,
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
            source: fold(&document.source),
            external_id: clean_line(&document.external_id),
            article_id: document.article_id.clone(),
            rights: document.rights.clone(),
            headline: clean_line(&hints.headline),
            language: hints.language,
            authors: hints.authors,
            section: hints.section,
            tags: hints.tags,
            publisher: hints.publisher,
            publish_time,
            fetch_time,
            source_version: document.source_version,
            embargo_time,
            expire_time,
        })
    }

    fn hints(&self) -> Hints<'_> {
        Hints {
            headline: non_empty(&self.headline),
            language: non_empty(&self.language),
            source: non_empty(&self.source),
            publish_time: self.publish_time,
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
            if !report.warnings.iter().any(|known| known == warning) {
                report.warnings.push(warning.into());
            }
        }
        let url = believed.first().unwrap_or(&self.url).clone();
        let states_external_id = !self.external_id.is_empty();
        let is_foreign = feed.is_some_and(|feed| !feed.is_empty() && !same_domain(feed, &url));
        let (fetched, is_item) = (self.url.clone(), feed.is_some());
        let statements = Statements { fetched, believed, is_item, is_foreign, states_external_id };
        Merged { article: Article { url, ..from_draft(draft) }, report, statements }
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
        let Merged { mut article, report, statements } = merged;
        // For an extracted page, `merge` has chosen the URL.
        if article.url.is_empty() {
            article.url.clone_from(&self.url);
        }
        for (sent, extracted) in [
            (&self.source, &mut article.source),
            (&self.external_id, &mut article.external_id),
            (&self.rights, &mut article.rights),
            (&self.headline, &mut article.headline),
            (&self.language, &mut article.language),
            (&self.section, &mut article.section),
            (&self.publisher, &mut article.publisher),
        ] {
            if !sent.is_empty() {
                extracted.clone_from(sent);
            }
        }
        if !self.authors.is_empty() {
            article.authors.clone_from(&self.authors);
        }
        article.tags.extend(self.tags.iter().cloned());
        article.publish_time = self.publish_time.map(to_proto).or(article.publish_time);
        article.embargo_time = self.embargo_time.or(article.embargo_time);
        article.expire_time = self.expire_time.or(article.expire_time);
        if article.source.is_empty() && article.url.is_empty() {
            article.source = fold(&article.publisher);
        }
        let article = CleanArticle::new(article, &options.article).map_err(|violations| violations.within(field))?;
        let keys = statements.keys(&article);
        let is_named = !self.article_id.is_empty();
        // The document states a key or its text is one; `check` has validated a client's ID.
        let id = match self.article_id.parse() {
            Ok(id) if is_named => id,
            _ => keys.first().map(|stated| ArticleId::of_key(&stated.key)).ok_or(StoreError::Internal)?,
        };
        let version = self.version(&article, statements.is_item, time);
        // `Ingestion::write_of` sets the authority of the caller.
        let from = IngestSource::Publisher(Authority::Write);
        Ok(Prepared { ingest: Ingest { id, is_named, keys, article, version, request, from, time }, report })
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

fn from_draft(draft: Draft) -> Article {
    // Without `..`, so that no field of a draft is forgotten.
    let Draft {
        url: _,            // chosen by `merge`
        alternate_urls: _, // keys, collected by `merge`
        external_id,
        headline,
        subheadline,
        authors,
        dateline,
        agency,
        publisher,
        language,
        section,
        tags,
        body,
        blocks,
        media,
        links,
        rights,
        publish_time,
        update_time,
    } = draft;
    let index = |index: Option<usize>| index.and_then(|index| i32::try_from(index).ok()).unwrap_or(0);
    Article {
        external_id: external_id.unwrap_or_default(),
        headline,
        subheadline,
        authors,
        dateline: dateline.map(|dateline| Dateline { place: dateline.place, text: dateline.text }),
        agency,
        publisher,
        language,
        section,
        tags,
        body,
        blocks: blocks
            .into_iter()
            .map(|block| Block {
                kind: match block.kind {
                    extract::BlockKind::Paragraph => BlockKind::Paragraph,
                    extract::BlockKind::Heading => BlockKind::Heading,
                    extract::BlockKind::Quote => BlockKind::Quote,
                    extract::BlockKind::ListItem => BlockKind::ListItem,
                    extract::BlockKind::Image => BlockKind::Image,
                }
                .into(),
                paragraph: index(block.paragraph),
                level: i32::from(block.level),
                media: index(block.media),
            })
            .collect(),
        media: media
            .into_iter()
            .map(|media| Media {
                kind: match media.kind {
                    extract::MediaKind::Image => MediaKind::Image,
                    extract::MediaKind::Video => MediaKind::Video,
                    extract::MediaKind::Audio => MediaKind::Audio,
                }
                .into(),
                url: media.url,
                caption: media.caption,
                credit: media.credit,
                width: pixels(media.width),
                height: pixels(media.height),
            })
            .collect(),
        links: links.into_iter().map(|link| Link { url: link.url, text: link.text }).collect(),
        rights,
        publish_time: publish_time.map(to_proto),
        source_update_time: update_time.map(to_proto),
        ..Article::default()
    }
}

fn pixels(size: Option<u32>) -> i32 {
    size.and_then(|size| i32::try_from(size).ok()).unwrap_or(0)
}
