//! Conversion of a document to an article that is ready to be written.

use jiff::Timestamp;

use super::{Contents, IngestError, IngestOptions, Prepared, report};
use crate::article::{
    CleanArticle, Identity, Violations, canonical_url, clean_line, fold, from_proto, host_of, to_proto,
};
use crate::extract::{self, Budget, Draft, Extracted, Extraction, Hints, Payload};
use crate::proto::document::Payload as Sent;
use crate::proto::{Article, Block, BlockKind, Dateline, Document, ExtractionReport, Link, Media, MediaKind};
use crate::store::{Authority, Ingest, IngestSource, RequestKey};

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
            return metadata.finish(article, report, request, time, options, field).map(Contents::Article);
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
            metadata.merge(*extracted, request, time, options, field).map(Contents::Article)
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
                    Ok(extracted) => item.merge(extracted, request, time, options, field),
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
    embargo_time: Option<prost_types::Timestamp>,
    expire_time: Option<prost_types::Timestamp>,
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
        time("fetch_time", &document.fetch_time);
        if !document.article_id.is_empty() {
            let parsed: Result<crate::article::ArticleId, _> = document.article_id.parse();
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

    /// Converts an extracted draft to an article.
    fn merge(
        self,
        extracted: Extracted,
        request: Option<RequestKey>,
        time: Timestamp,
        options: &IngestOptions,
        field: &str,
    ) -> Result<Prepared, IngestError> {
        let Extracted { draft, report } = extracted;
        let mut report = report::to_proto(report);
        let url = self.select_url(&draft, &mut report);
        let article = Article { url, ..from_draft(draft) };
        self.finish(article, report, request, time, options, field)
    }

    /// Returns the page's canonical URL, or the sender's URL if the canonical one belongs to another site or is a front
    /// page.
    fn select_url(&self, draft: &Draft, report: &mut ExtractionReport) -> String {
        let Some(canonical) = draft.url.as_deref().and_then(|url| canonical_url(url).ok()) else {
            return self.url.clone();
        };
        if self.url.is_empty() {
            return canonical;
        }
        let warning = if !same_site(&self.url, &canonical) {
            "canonical URL ignored: it belongs to another site"
        } else if is_front_page(&canonical) && !is_front_page(&self.url) {
            "canonical URL ignored: it is the front page of the site"
        } else {
            return canonical;
        };
        report.warnings.push(warning.into());
        self.url.clone()
    }

    /// Overrides the article's metadata with the sender's, cleans the article and derives its ID.
    fn finish(
        self,
        mut article: Article,
        report: ExtractionReport,
        request: Option<RequestKey>,
        time: Timestamp,
        options: &IngestOptions,
        field: &str,
    ) -> Result<Prepared, IngestError> {
        // For an extracted page, `select_url` has chosen the URL.
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
            article.authors = self.authors;
        }
        article.tags.extend(self.tags);
        article.publish_time = self.publish_time.map(to_proto).or(article.publish_time);
        article.embargo_time = self.embargo_time.or(article.embargo_time);
        article.expire_time = self.expire_time.or(article.expire_time);
        if article.source.is_empty() && article.url.is_empty() {
            article.source = fold(&article.publisher);
        }
        let article = CleanArticle::new(article, &options.article).map_err(|violations| violations.within(field))?;
        let identity = Identity {
            article_id: &self.article_id,
            source: &article.article().source,
            external_id: &article.article().external_id,
            url: &article.article().url,
            digest: &article.digest(),
        };
        let id = identity.derive().map_err(|violations| violations.within("document"))?;
        // `Ingestion::write_of` sets the authority of the caller.
        let from = IngestSource::Publisher(Authority::Write);
        Ok(Prepared { ingest: Ingest { id, article, request, from, time }, report })
    }
}

/// Returns true if two URLs belong to the same site: the same host, apart from the prefixes of mobile and other
/// editions. Other subdomains do not count: on some domains each has a different owner.
fn same_site(one: &str, other: &str) -> bool {
    const EDITIONS: [&str; 4] = ["m.", "mobile.", "amp.", "www."];
    let site = |url: &str| {
        let host = host_of(url)?;
        Some(EDITIONS.iter().find_map(|edition| host.strip_prefix(edition)).unwrap_or(&host).to_owned())
    };
    site(one).is_some_and(|one| site(other) == Some(one))
}

/// Returns true if a URL is the front page of a site.
fn is_front_page(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| url.path() == "/" && url.query().is_none())
}

fn from_draft(draft: Draft) -> Article {
    // Without `..`, so that no field of a draft is forgotten.
    let Draft {
        url: _, // chosen by `select_url`
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
