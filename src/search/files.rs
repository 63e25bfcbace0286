//! The index on disk: its folder and lock, and the position in the feed that is stored with each commit.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tantivy::directory::MmapDirectory;
use tantivy::error::DataCorruption;
use tantivy::index::{SegmentComponent, SegmentId, SegmentMeta};
use tantivy::indexer::IndexWriterOptions;
use tantivy::merge_policy::LogMergePolicy;
use tantivy::query::EmptyQuery;
use tantivy::schema::Schema;
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{Index, IndexReader, IndexWriter, ReloadPolicy, TantivyError};
use uuid::Uuid;

use super::OpenError;
use super::schema::{FORMAT, Fields};
use super::tokenizer::{TOKENIZER, Words};
use crate::article::Position;
use crate::files;
use crate::overload::thread_priority::lower_thread_priority;
use crate::printable;
use crate::store::FeedCursor;

/// Number of segments of about one size that are merged.
const MERGED_SEGMENTS: usize = 8;
/// Segments with fewer documents count as equal when segments are chosen for a merge.
const MIN_SEGMENT: u32 = 1_000;
/// Share of replaced documents in a segment above which it is written again.
const MAX_DELETED: f32 = 0.3;
/// Maximum wait for the lock: a server that stops in this process holds it until its last step ends.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_POLL: Duration = Duration::from_millis(20);

/// Data that are stored with each commit.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Committed {
    /// Version of the fields and the analysis.
    pub(super) format: u32,
    /// ID of the change feed.
    pub(super) feed: Uuid,
    transaction: u64,
    sequence: u64,
    /// Time of the change at that position, in nanoseconds since 1970, if it is known.
    time: Option<i128>,
    /// True if words of purged articles may still be in segments.
    pub(super) erasing: bool,
}

impl Committed {
    pub(super) fn new(feed: Uuid, cursor: FeedCursor, erasing: bool) -> Self {
        let Position { transaction, sequence } = cursor.position;
        let time = cursor.time.map(Timestamp::as_nanosecond);
        Self { format: FORMAT, feed, transaction, sequence, time, erasing }
    }

    pub(super) fn cursor(&self) -> FeedCursor {
        let position = Position { transaction: self.transaction, sequence: self.sequence };
        FeedCursor { position, time: self.time.and_then(|time| Timestamp::from_nanosecond(time).ok()) }
    }
}

/// Folder of the index, locked by this process.
#[derive(Clone)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: Arc<File>,
}

impl Folder {
    /// Creates the folder, if it is missing, and locks it.
    pub(super) async fn lock(path: &Path) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Folder { path: printable::path(path), cause };
        files::create_folder(path).map_err(failed)?;
        let name = path.join("lock");
        files::create_file(&name).map_err(failed)?;
        let lock = File::options().write(true).open(&name).map_err(failed)?;
        let began = Instant::now();
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok(Self { path: path.to_owned(), _lock: Arc::new(lock) }),
                Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => tokio::time::sleep(LOCK_POLL).await,
                Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path: printable::path(path) }),
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
        }
    }

    pub(super) fn index(&self) -> PathBuf {
        self.path.join("index")
    }

    /// Returns the folder in which a snapshot is unpacked.
    pub(super) fn incoming(&self) -> PathBuf {
        self.path.join("incoming")
    }

    /// Removes the index.
    pub(super) fn clear(&self) -> std::io::Result<()> {
        for folder in [self.index(), self.incoming()] {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Open index.
pub(super) struct OpenIndex {
    pub(super) index: Index,
    pub(super) reader: IndexReader,
    pub(super) writer: IndexWriter,
    /// Its last commit; none if it is empty.
    pub(super) committed: Option<Committed>,
}

impl OpenIndex {
    /// Opens the index of a folder, or creates an empty one.
    pub(super) fn open(folder: &Folder, fields: &Fields, memory: usize) -> tantivy::Result<Self> {
        // The threads of the writer inherit it.
        lower_thread_priority();
        let path = folder.index();
        files::create_folder(&path)?;
        let mut index = Index::open_or_create(MmapDirectory::open(&path)?, fields.schema.clone())?;
        register(&mut index);
        let committed = committed(&index)?;
        // Damage that opening a segment does not notice would be wrong results.
        if committed.is_some()
            && let Some(damaged) = damaged_file(&index, &path)?
        {
            let comment = format!("{} is missing or damaged", damaged.display());
            return Err(TantivyError::DataCorruption(DataCorruption::comment_only(comment)));
        }
        let writer = writer(&index, memory, 1)?;
        // Files of a commit that a killed process did not end: one of deletions may have the name of the next commit's.
        writer.garbage_collect_files().wait()?;
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { index, reader, writer, committed })
    }

    /// Lets several threads analyze what is added, or one again. What was added must be committed.
    pub(super) fn with_threads(self, memory: usize, threads: usize) -> tantivy::Result<Self> {
        let Self { index, reader, writer: former, committed } = self;
        // It has the lock of the index.
        drop(former);
        let writer = writer(&index, memory, threads)?;
        Ok(Self { index, reader, writer, committed })
    }

    /// Commits what was added, durably, together with the position.
    pub(super) fn commit(&mut self, committed: &Committed) -> tantivy::Result<()> {
        let payload =
            serde_json::to_string(committed).map_err(|error| TantivyError::InternalError(error.to_string()))?;
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&payload);
        prepared.commit()?;
        self.committed = Some(committed.clone());
        self.reader.reload()
    }

    /// Returns the segments that have replaced documents.
    pub(super) fn with_replaced(&self) -> tantivy::Result<Vec<SegmentId>> {
        let segments = self.index.searchable_segment_metas()?;
        Ok(segments.into_iter().filter(SegmentMeta::has_deletes).map(|segment| segment.id()).collect())
    }

    /// Writes those of these segments again that still exist, without their replaced documents, and removes the former
    /// files. Returns false if a segment is part of a merge in progress: then the rest has to wait for that.
    pub(super) fn rewrite(&mut self, segments: &[SegmentId]) -> tantivy::Result<bool> {
        let existing = self.index.searchable_segment_ids()?;
        for segment in segments.iter().filter(|segment| existing.contains(segment)) {
            if let Err(error) = self.writer.merge(&[*segment]).wait() {
                tracing::debug!(%error, "segment of the search index not rewritten yet");
            }
        }
        let existing = self.index.searchable_segment_ids()?;
        if segments.iter().any(|segment| existing.contains(segment)) {
            return Ok(false);
        }
        self.reader.reload()?;
        self.writer.garbage_collect_files().wait()?;
        Ok(true)
    }
}

/// Opens the writer of an index, with some threads that analyze documents.
fn writer(index: &Index, memory: usize, threads: usize) -> tantivy::Result<IndexWriter> {
    let options = IndexWriterOptions::builder()
        .memory_budget_per_thread(memory)
        .num_worker_threads(threads)
        .num_merge_threads(1)
        .build();
    let writer: IndexWriter = index.writer_with_options(options)?;
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(MERGED_SEGMENTS);
    policy.set_min_layer_size(MIN_SEGMENT);
    policy.set_del_docs_ratio_before_merge(MAX_DELETED);
    writer.set_merge_policy(Box::new(policy));
    // tantivy 0.27 numbers the first operation of a writer like the last commit. A merge takes segments in which that
    // commit deleted documents for up to date then, and can lose a deletion with that number. This one deletes nothing.
    writer.delete_query(Box::new(EmptyQuery))?;
    Ok(writer)
}

/// Returns a file of the index that is missing or differs from its checksum.
fn damaged_file(index: &Index, folder: &Path) -> tantivy::Result<Option<PathBuf>> {
    use SegmentComponent::{Delete, FastFields, FieldNorms, Positions, Postings, Terms};
    for segment in index.searchable_segment_metas()? {
        let deletes = segment.has_deletes().then_some(Delete);
        let components = [Postings, Positions, Terms, FastFields, FieldNorms].into_iter().chain(deletes);
        let mut files = components.map(|component| segment.relative_path(component));
        if let Some(missing) = files.find(|file| !folder.join(file).exists()) {
            return Ok(Some(missing));
        }
    }
    Ok(index.validate_checksum()?.into_iter().next())
}

/// Registers the tokenizer of the text fields.
pub(super) fn register(index: &mut Index) {
    index.tokenizers().register(TOKENIZER, TextAnalyzer::from(Words));
}

/// Reads what was stored with the last commit of an index; none if there was none, or by another version.
pub(super) fn committed(index: &Index) -> tantivy::Result<Option<Committed>> {
    let payload = index.load_metas()?.payload;
    Ok(payload.and_then(|payload| serde_json::from_str(&payload).ok()))
}

/// Returns true if an index was built with these fields.
pub(super) fn has_schema(index: &Index, schema: &Schema) -> bool {
    index.schema() == *schema
}

#[cfg(test)]
mod tests {
    use tantivy::doc;

    use super::*;
    use crate::article::ArticleId;

    /// Minimum memory of a writer.
    const MEMORY: usize = 15_000_000;

    #[tokio::test]
    async fn the_first_deletion_after_opening_is_not_lost_in_a_merge() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).await.unwrap();
        let fields = Fields::new();
        let term = |id: &str| fields.id_term(&id.parse::<ArticleId>().unwrap());
        let committed = Committed::new(Uuid::nil(), FeedCursor::from(Position::START), false);
        let mut index = OpenIndex::open(&folder, &fields, MEMORY).unwrap();
        for ids in [["one", "two"], ["three", "four"]] {
            for id in ids {
                index.writer.add_document(doc!(term(id).field() => id)).unwrap();
            }
            index.commit(&committed).unwrap();
        }
        index.writer.delete_term(term("three"));
        index.commit(&committed).unwrap();
        drop(index);

        let mut index = OpenIndex::open(&folder, &fields, MEMORY).unwrap();
        index.writer.delete_term(term("four"));
        // The merged segment continues with the deletions after those of the first one.
        let mut segments = index.index.searchable_segment_metas().unwrap();
        segments.sort_by_key(SegmentMeta::has_deletes);
        let segments: Vec<_> = segments.iter().map(SegmentMeta::id).collect();
        assert_eq!(segments.len(), 2);
        index.writer.merge(&segments).wait().unwrap();
        index.commit(&committed).unwrap();
        assert_eq!(index.reader.searcher().num_docs(), 2, "only those of the first segment are left");
    }
}
