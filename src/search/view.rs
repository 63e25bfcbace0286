//! A state of the index: its segments, and the articles in them that readers may see.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::columnar::Column;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::index::{SegmentId, SegmentReader};
use tantivy::{DocId, Opstamp, Searcher};

use super::schema::{Fields, NO_EMBARGO, NO_EXPIRY, column};
use crate::article::{ArticleId, Lifecycle, Position, TextField};

/// Set of documents of a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct DocumentSet(Vec<u64>);

impl DocumentSet {
    fn new(len: u32) -> Self {
        Self(vec![0; (len as usize).div_ceil(64)])
    }

    fn insert(&mut self, doc: DocId) {
        self.0[doc as usize / 64] |= 1 << (doc % 64);
    }

    pub(super) fn has(&self, doc: DocId) -> bool {
        self.0[doc as usize / 64] & 1 << (doc % 64) != 0
    }
}

/// Article with an embargo or an expiry, whose visibility depends on the clock.
#[derive(Clone, Copy, Debug)]
struct Timed {
    doc: DocId,
    from: i64,
    until: i64,
}

/// Columns that every query reads.
pub(super) struct Columns {
    /// The ID as numbers; fewer if all IDs of the segment are short.
    id_parts: Vec<Column<u64>>,
    id_hash: Column<u64>,
    pub(super) lifecycle: Column<u64>,
    pub(super) embargo_time: Column<i64>,
    pub(super) expire_time: Column<i64>,
    pub(super) sort_time: Column<i64>,
    pub(super) create_time: Column<i64>,
    pub(super) update_time: Column<i64>,
    /// Position of the indexed revision in the feed.
    pub(super) sequence: Column<u64>,
    pub(super) digest: Column<u64>,
}

impl Columns {
    /// Returns the numbers by which results with equal ranks are ordered.
    pub(super) fn id_numbers(&self, doc: DocId) -> (u64, u64) {
        let first = self.id_parts.first().and_then(|part| part.first(doc));
        (first.unwrap_or(0), self.id_hash.first(doc).unwrap_or(0))
    }
}

/// One segment.
pub(super) struct Segment {
    pub(super) reader: SegmentReader,
    pub(super) columns: Columns,
    /// Lengths of the text fields.
    pub(super) lengths: Vec<FieldNormReader>,
    /// Publication or creation time of each document, in microseconds since 1970: each result of a search needs it.
    pub(super) sort_times: Vec<i64>,
    /// Documents that are readable at any time.
    readable: DocumentSet,
    readable_count: u64,
    /// Documents that are not in `readable`, in order.
    hidden: Vec<DocId>,
    /// Documents that are readable at some time.
    timed: Vec<Timed>,
    /// Total length of each text field over the documents in `readable`.
    tokens: [u64; TextField::ALL.len()],
    /// Indexes of the languages with stems that occur, as a set of bits.
    languages: u64,
}

impl Segment {
    fn open(reader: &SegmentReader, fields: &Fields) -> tantivy::Result<Self> {
        let fast = reader.fast_fields();
        let id_parts: tantivy::Result<Vec<_>> =
            column::ID_PARTS.iter().filter_map(|part| fast.column_opt(part).transpose()).collect();
        let columns = Columns {
            id_parts: id_parts?,
            id_hash: fast.u64(column::ID_HASH)?,
            lifecycle: fast.u64(column::LIFECYCLE)?,
            embargo_time: fast.i64(column::EMBARGO_TIME)?,
            expire_time: fast.i64(column::EXPIRE_TIME)?,
            sort_time: fast.i64(column::SORT_TIME)?,
            create_time: fast.i64(column::CREATE_TIME)?,
            update_time: fast.i64(column::UPDATE_TIME)?,
            sequence: fast.u64(column::SEQUENCE)?,
            digest: fast.u64(column::DIGEST)?,
        };
        let lengths: tantivy::Result<Vec<_>> =
            fields.texts.iter().map(|field| reader.get_fieldnorms_reader(*field)).collect();
        let mut sort_times = vec![0; reader.max_doc() as usize];
        columns.sort_time.clone().first_or_default_col(0).get_range(0, &mut sort_times);
        let mut segment = Self {
            reader: reader.clone(),
            columns,
            lengths: lengths?,
            sort_times,
            readable: DocumentSet::new(reader.max_doc()),
            readable_count: 0,
            hidden: Vec::new(),
            timed: Vec::new(),
            tokens: [0; TextField::ALL.len()],
            languages: 0,
        };
        let languages = fast.u64(column::LANGUAGE)?;
        for doc in reader.doc_ids_alive() {
            segment.languages |=
                languages.first(doc).filter(|number| *number > 0).map_or(0, |number| 1 << (number - 1));
            if segment.columns.lifecycle.first(doc) != Some(super::schema::lifecycle_number(Lifecycle::Live)) {
                continue;
            }
            let from = segment.columns.embargo_time.first(doc).unwrap_or(NO_EMBARGO);
            let until = segment.columns.expire_time.first(doc).unwrap_or(NO_EXPIRY);
            if from == NO_EMBARGO && until == NO_EXPIRY {
                segment.readable.insert(doc);
                segment.readable_count += 1;
                for (tokens, lengths) in segment.tokens.iter_mut().zip(&segment.lengths) {
                    *tokens += u64::from(lengths.fieldnorm(doc));
                }
            } else {
                segment.timed.push(Timed { doc, from, until });
            }
        }
        segment.hidden = (0..reader.max_doc()).filter(|doc| !segment.readable.has(*doc)).collect();
        Ok(segment)
    }

    /// Returns the number of documents, including those that were replaced.
    fn len(&self) -> u64 {
        u64::from(self.reader.max_doc())
    }

    /// Returns the documents that are readable at a time, in microseconds since 1970.
    pub(super) fn readable_at(&self, now: i64) -> Readable<'_> {
        let mut timed: Vec<DocId> =
            self.timed.iter().filter(|timed| timed.from <= now && now < timed.until).map(|timed| timed.doc).collect();
        timed.sort_unstable();
        Readable { segment: self, timed }
    }

    /// Returns true if an article in a language, with stems, may be in this segment.
    pub(super) fn has_language(&self, index: u8) -> bool {
        self.languages & 1 << index != 0
    }

    /// Returns the ID of an article.
    pub(super) fn id(&self, doc: DocId) -> tantivy::Result<ArticleId> {
        let parts = self.columns.id_parts.iter().map_while(|part| part.first(doc));
        super::schema::id_text(parts).parse().map_err(|_| missing(column::ID))
    }
}

fn missing(column: &str) -> tantivy::TantivyError {
    tantivy::TantivyError::SchemaError(format!("the column {column} is damaged"))
}

/// Documents of a segment that are readable at a time.
pub(super) struct Readable<'s> {
    segment: &'s Segment,
    timed: Vec<DocId>,
}

impl Readable<'_> {
    pub(super) fn has(&self, doc: DocId) -> bool {
        self.segment.readable.has(doc) || (!self.timed.is_empty() && self.timed.binary_search(&doc).is_ok())
    }

    /// Returns true if every document is readable, and none was replaced.
    pub(super) fn is_all(&self) -> bool {
        self.count() == self.segment.len()
    }

    /// Returns the documents that are not readable, in order.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = DocId> {
        let is_timed = |doc: &DocId| self.timed.binary_search(doc).is_ok();
        self.segment.hidden.iter().copied().filter(move |doc| !is_timed(doc))
    }

    /// Returns an upper bound of the number of documents that are not readable.
    pub(super) fn max_unreadable(&self) -> u64 {
        self.segment.hidden.len() as u64
    }

    pub(super) fn count(&self) -> u64 {
        self.segment.readable_count + self.timed.len() as u64
    }

    /// Returns the total length of a text field.
    pub(super) fn tokens(&self, field: TextField) -> u64 {
        let lengths = &self.segment.lengths[field.index()];
        let timed: u64 = self.timed.iter().map(|doc| u64::from(lengths.fieldnorm(*doc))).sum();
        self.segment.tokens[field.index()] + timed
    }
}

/// A state of the index.
pub(super) struct View {
    /// Keeps the files of the segments.
    searcher: Option<Searcher>,
    pub(super) segments: Vec<Arc<Segment>>,
    /// Position in the feed up to which changes are in it.
    pub(super) position: Position,
}

impl View {
    /// Returns the state of an index that has not been opened.
    pub(super) fn empty() -> Self {
        Self { searcher: None, segments: Vec::new(), position: Position::START }
    }

    /// Returns the searcher, which queries need to be scored.
    pub(super) fn searcher(&self) -> Option<&Searcher> {
        self.searcher.as_ref()
    }

    /// Opens the segments of a searcher. Those that `former` has are not read again.
    pub(super) fn open(
        searcher: Searcher,
        fields: &Fields,
        position: Position,
        former: &Self,
    ) -> tantivy::Result<Self> {
        let key =
            |reader: &SegmentReader| -> (SegmentId, Option<Opstamp>) { (reader.segment_id(), reader.delete_opstamp()) };
        let known: HashMap<_, &Arc<Segment>> =
            former.segments.iter().map(|segment| (key(&segment.reader), segment)).collect();
        let segments: tantivy::Result<Vec<Arc<Segment>>> = searcher
            .segment_readers()
            .iter()
            .map(|reader| match known.get(&key(reader)) {
                Some(segment) => Ok(Arc::clone(segment)),
                None => Segment::open(reader, fields).map(Arc::new),
            })
            .collect();
        Ok(Self { segments: segments?, searcher: Some(searcher), position })
    }
}
