//! Documents as they were received, from which articles were extracted, and the reports of their extraction.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use zstd::bulk::{Compressor, Decompressor};

use super::StoreError;
use crate::article::Digest;

/// Level of compression: higher ones take more time than extraction leaves, for a few percent.
const LEVEL: i32 = 3;
/// Start of a compressed frame.
const MAGIC: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// Maximum size of a report that is read, in bytes: what a report of the largest document can have.
const MAX_REPORT: usize = 64 << 20;

thread_local! {
    // A context has tables, which cost more to create than a short document to compress.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
}

/// A received document, compressed. The items of a syndication feed share one.
#[derive(Debug, PartialEq, Eq)]
pub struct OriginalDocument {
    /// Digest of the document.
    pub digest: Digest,
    /// The encoded [`crate::proto::Document`], compressed.
    pub content: Vec<u8>,
    /// Size before compression, in bytes.
    pub size: usize,
}

impl OriginalDocument {
    /// Compresses an encoded document.
    pub fn new(encoded: &[u8]) -> Self {
        Self { digest: Digest::of_bytes(encoded), content: compress(encoded), size: encoded.len() }
    }
}

/// The document of a revision, with the report of its extraction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// The document.
    pub document: Arc<OriginalDocument>,
    /// The encoded [`crate::proto::ExtractionReport`], compressed.
    pub report: Vec<u8>,
    /// Time of ingestion.
    pub time: Timestamp,
}

impl Original {
    /// Adds the encoded report to a document.
    pub fn new(document: Arc<OriginalDocument>, report: &[u8], time: Timestamp) -> Self {
        Self { document, report: compress(report), time }
    }
}

/// The stored original of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOriginal {
    /// The revision that was extracted from it.
    pub revision: i64,
    /// The first revision that was extracted from it: when it was ingested.
    pub first_revision: i64,
    /// Time of ingestion.
    pub time: Timestamp,
    /// Digest of the document.
    pub digest: Digest,
    /// The encoded [`crate::proto::Document`].
    pub document: Vec<u8>,
    /// The encoded [`crate::proto::ExtractionReport`].
    pub report: Vec<u8>,
}

impl StoredOriginal {
    /// Returns false if the document does not match its digest.
    pub fn is_intact(&self) -> bool {
        Digest::of_bytes(&self.document) == self.digest
    }

    /// Returns the original with another report.
    pub fn with_report(&self, report: &[u8]) -> Original {
        Original::new(Arc::new(OriginalDocument::new(&self.document)), report, self.time)
    }
}

/// A stored original before decompression.
pub(super) struct CompressedOriginal {
    pub(super) revision: i64,
    pub(super) first_revision: i64,
    pub(super) time: Timestamp,
    pub(super) digest: Digest,
    pub(super) size: usize,
    pub(super) document: Vec<u8>,
    pub(super) report: Vec<u8>,
}

impl CompressedOriginal {
    pub(super) fn decompress(self) -> Result<StoredOriginal, StoreError> {
        let Self { revision, first_revision, time, digest, size, document, report } = self;
        Ok(StoredOriginal {
            revision,
            first_revision,
            time,
            digest,
            document: decompress(&document, size)?,
            report: decompress(&report, MAX_REPORT)?,
        })
    }
}

/// Compresses bytes. They stay as they are, without the magic number of a compressed frame, if that fails.
fn compress(bytes: &[u8]) -> Vec<u8> {
    COMPRESSOR.with_borrow_mut(|compressor| {
        if compressor.is_none() {
            *compressor = Compressor::new(LEVEL).ok();
        }
        // The library fails only without memory.
        compressor.as_mut().and_then(|it| it.compress(bytes).ok()).unwrap_or_else(|| bytes.to_vec())
    })
}

fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, StoreError> {
    // Stored as they were: see `compress`.
    if !bytes.is_empty() && !bytes.starts_with(&MAGIC) {
        return Ok(bytes.to_vec());
    }
    let broken = |error: std::io::Error| {
        tracing::error!(%error, "an original document cannot be decompressed");
        StoreError::Damaged
    };
    let size = Decompressor::upper_bound(bytes).map_or(max, |bound| bound.min(max));
    Decompressor::new().and_then(|mut it| it.decompress(bytes, size)).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_compressed_and_damage_is_detected() {
        let document = "The council will dredge the northern channel before winter. ".repeat(100).into_bytes();
        let original = OriginalDocument::new(&document);
        assert!(original.content.len() * 10 < original.size);
        assert_eq!(decompress(&original.content, original.size), Ok(document));
        assert_eq!(decompress(&original.content[..20], original.size), Err(StoreError::Damaged));
        assert_eq!(decompress(&compress(b""), 0), Ok(Vec::new()));
    }
}
