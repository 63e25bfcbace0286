//! Snapshots of the index in a folder or object storage, so that a new replica need not build the index.
//!
//! A snapshot is the files of one commit and a manifest, which is written last. Files of an index never change, so the
//! next snapshot writes only new ones.

use std::path::Path as FilePath;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tantivy::Index;
use tantivy::index::SegmentMeta;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;
use xxhash_rust::xxh3::Xxh3;

use super::files::{Committed, Folder};
use super::schema::FORMAT;
use crate::files;

/// Size of the pieces in which files are copied, in bytes.
const PIECE: usize = 1 << 20;
/// Maximum size of a manifest, in bytes.
const MAX_MANIFEST: u64 = 16 << 20;

/// Error of a snapshot.
#[derive(Debug, thiserror::Error)]
pub(super) enum SnapshotError {
    #[error(transparent)]
    Storage(#[from] object_store::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
    #[error(transparent)]
    Index(#[from] tantivy::TantivyError),
    /// The snapshot cannot be used.
    #[error("{0}")]
    Refused(String),
}

/// File of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Entry {
    name: String,
    bytes: u64,
    /// Checksum of the content (XXH3, 128 bits), hexadecimal.
    checksum: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    committed: Committed,
    /// `meta.json` of the commit.
    meta: String,
    files: Vec<Entry>,
}

/// Place of the snapshots of a feed.
#[derive(Clone, Debug)]
pub(super) struct Snapshots {
    storage: Arc<dyn ObjectStore>,
    feed: Uuid,
}

impl Snapshots {
    /// Opens a folder, which is created if it is missing.
    pub(super) fn open(folder: &FilePath, feed: Uuid) -> Result<Self, SnapshotError> {
        files::create_folder(folder)?;
        let storage = LocalFileSystem::new_with_prefix(folder)?;
        Ok(Self { storage: Arc::new(storage), feed })
    }

    fn manifest(&self) -> Path {
        Path::from(format!("{}/manifest.json", self.feed))
    }

    fn files(&self) -> Path {
        Path::from(format!("{}/files", self.feed))
    }

    fn file(&self, name: &str) -> Path {
        self.files().join(name)
    }

    /// Returns the manifest; none if there is no snapshot yet.
    async fn read_manifest(&self) -> Result<Option<Manifest>, SnapshotError> {
        let found = match self.storage.get(&self.manifest()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if found.meta.size > MAX_MANIFEST {
            return Err(SnapshotError::Refused("the manifest is too large".to_owned()));
        }
        let manifest: Manifest = serde_json::from_slice(&found.bytes().await?)
            .map_err(|error| SnapshotError::Refused(format!("the manifest cannot be read: {error}")))?;
        if manifest.format != FORMAT || manifest.committed.format != FORMAT {
            return Err(SnapshotError::Refused(format!(
                "its format is {}, this version reads {FORMAT}",
                manifest.format
            )));
        }
        if manifest.committed.feed != self.feed {
            return Err(SnapshotError::Refused("it is of another store".to_owned()));
        }
        Ok(Some(manifest))
    }

    /// Publishes the last commit of an index. Returns the number of files that were written, none if the newest
    /// snapshot is of that commit.
    pub(super) async fn publish(&self, index: &Index, folder: &FilePath) -> Result<Option<usize>, SnapshotError> {
        // While it is alive, the files of its segments are kept.
        let meta = index.load_metas()?;
        let Some(committed) = meta.payload.as_deref().and_then(|payload| serde_json::from_str(payload).ok()) else {
            return Ok(None);
        };
        let former = self.read_manifest().await.unwrap_or(None);
        if former.as_ref().is_some_and(|former| former.committed == committed) {
            return Ok(None);
        }
        let known = former.map(|former| former.files).unwrap_or_default();
        let mut files = Vec::new();
        let mut written = 0;
        for found in std::fs::read_dir(folder)? {
            let found = found?;
            let name = found.file_name().to_string_lossy().into_owned();
            if !meta.segments.iter().any(|segment| is_file_of(segment, &name)) {
                continue;
            }
            let (path, metadata) = (found.path(), found.metadata()?);
            let entry = match known.iter().find(|entry| entry.name == name && entry.bytes == metadata.len()) {
                Some(entry) if self.storage.head(&self.file(&name)).await.is_ok() => entry.clone(),
                _ => {
                    written += 1;
                    self.upload(&path, name).await?
                }
            };
            files.push(entry);
        }
        let meta = serde_json::to_string(&meta).map_err(|error| SnapshotError::Refused(error.to_string()))?;
        let manifest = Manifest { format: FORMAT, committed, meta, files };
        let bytes = serde_json::to_vec(&manifest).map_err(|error| SnapshotError::Refused(error.to_string()))?;
        self.storage.put(&self.manifest(), PutPayload::from(bytes)).await?;
        self.remove_others(&manifest).await?;
        Ok(Some(written))
    }

    async fn upload(&self, path: &FilePath, name: String) -> Result<Entry, SnapshotError> {
        let mut file = tokio::fs::File::open(path).await?;
        let mut writer = BufWriter::new(Arc::clone(&self.storage), self.file(&name));
        let mut checksum = Xxh3::new();
        let mut piece = vec![0; PIECE];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut piece).await?;
            if read == 0 {
                break;
            }
            checksum.update(&piece[..read]);
            bytes += read as u64;
            writer.write_all(&piece[..read]).await?;
        }
        writer.shutdown().await?;
        Ok(Entry { name, bytes, checksum: format!("{:032x}", checksum.digest128()) })
    }

    /// Removes the files of former snapshots, among them those with words of articles that have been purged. A replica
    /// that is reading them starts again.
    async fn remove_others(&self, manifest: &Manifest) -> Result<(), SnapshotError> {
        let mut found = self.storage.list(Some(&self.files()));
        while let Some(object) = found.next().await {
            let location = object?.location;
            let is_kept = manifest.files.iter().any(|entry| Some(entry.name.as_str()) == location.filename());
            if !is_kept {
                self.storage.delete(&location).await?;
            }
        }
        Ok(())
    }

    /// Puts the newest snapshot into the place of the index. Returns false if there is none.
    pub(super) async fn restore(&self, folder: &Folder) -> Result<bool, SnapshotError> {
        let Some(manifest) = self.read_manifest().await? else { return Ok(false) };
        folder.clear()?;
        let incoming = folder.incoming();
        files::create_folder(&incoming)?;
        for entry in &manifest.files {
            self.download(entry, &incoming).await?;
        }
        let mut managed: Vec<&str> = manifest.files.iter().map(|entry| entry.name.as_str()).collect();
        managed.push("meta.json");
        let managed = serde_json::to_vec(&managed).map_err(|error| SnapshotError::Refused(error.to_string()))?;
        tokio::fs::write(incoming.join("meta.json"), &manifest.meta).await?;
        tokio::fs::write(incoming.join(".managed.json"), managed).await?;
        check(&incoming, &manifest.committed)?;
        tokio::fs::rename(&incoming, folder.index()).await?;
        Ok(true)
    }

    async fn download(&self, entry: &Entry, folder: &FilePath) -> Result<(), SnapshotError> {
        let is_name = !entry.name.is_empty()
            && entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        if !is_name || entry.name.starts_with('.') {
            return Err(SnapshotError::Refused("the manifest names a file that no index has".to_owned()));
        }
        let mut pieces = self.storage.get(&self.file(&entry.name)).await?.into_stream();
        let mut file = tokio::fs::File::create(folder.join(&entry.name)).await?;
        let mut checksum = Xxh3::new();
        let mut bytes = 0;
        while let Some(piece) = pieces.try_next().await? {
            checksum.update(&piece);
            bytes += piece.len() as u64;
            file.write_all(&piece).await?;
        }
        file.sync_all().await?;
        if bytes != entry.bytes || format!("{:032x}", checksum.digest128()) != entry.checksum {
            return Err(SnapshotError::Refused(format!("{} is damaged", entry.name)));
        }
        Ok(())
    }
}

/// Returns true for a file of a segment in its present state. Former lists of its replaced documents are others.
fn is_file_of(segment: &SegmentMeta, name: &str) -> bool {
    let Some((id, rest)) = name.split_once('.') else { return false };
    let is_current = |opstamp: u64| rest == format!("{opstamp}.del");
    id == segment.id().uuid_string() && (!rest.ends_with("del") || segment.delete_opstamp().is_some_and(is_current))
}

/// Checks that a folder has an index with this commit.
fn check(folder: &FilePath, committed: &Committed) -> Result<(), SnapshotError> {
    let index = Index::open_in_dir(folder)?;
    match super::files::committed(&index)? {
        Some(found) if found == *committed => Ok(()),
        _ => Err(SnapshotError::Refused("its files are of another commit".to_owned())),
    }
}
