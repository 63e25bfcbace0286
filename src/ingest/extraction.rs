//! The threads that extract, by the size of documents; and how much memory the documents of calls may take.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Workers;

/// Documents of more bytes, decompressed, are large. Of 743 pages of news sites, one in eight is.
const LARGE_BYTES: usize = 512 << 10;
/// Large documents that wait for extraction or are in it, for each thread.
const LARGE_QUEUE: usize = 16;

/// Two pools of threads, so that large documents, which may take seconds, never keep ordinary ones waiting.
#[derive(Clone)]
pub struct Extraction {
    ordinary: Workers,
    large: Workers,
    /// Memory for the documents of calls, in KiB.
    memory: Arc<Semaphore>,
}

/// Memory for the document of a call, until this is dropped.
pub struct DocumentMemory {
    _permit: OwnedSemaphorePermit,
}

impl Extraction {
    /// Starts `threads` threads for ordinary and as many for large documents; at most `queue` ordinary ones wait or run at a
    /// time. The documents of calls may take `call_bytes` of memory.
    ///
    /// # Errors
    /// When the operating system has no more threads.
    pub fn start(threads: usize, queue: usize, call_bytes: usize) -> std::io::Result<Self> {
        Ok(Self {
            ordinary: Workers::start(threads, queue)?,
            large: Workers::start(threads, queue.min(threads.max(1) * LARGE_QUEUE))?,
            memory: Arc::new(Semaphore::new(call_bytes.div_ceil(1 << 10).max(1))),
        })
    }

    /// Returns the pool for a document of this size, decompressed.
    pub(super) fn pool(&self, bytes: usize) -> &Workers {
        if Self::is_large(bytes) { &self.large } else { &self.ordinary }
    }

    pub(super) fn is_large(bytes: usize) -> bool {
        bytes > LARGE_BYTES
    }

    /// Returns true if a document of this size would be refused now.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.pool(bytes).is_full()
    }

    /// Reserves memory for a document that has begun to arrive. None when there is not enough: the call is to be refused.
    pub fn reserve(&self, bytes: usize) -> Option<DocumentMemory> {
        let kib = u32::try_from(bytes.div_ceil(1 << 10)).ok()?;
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(kib).ok()?;
        Some(DocumentMemory { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_that_is_reserved_is_given_back() {
        let extraction = Extraction::start(1, 10, 10 << 20).expect("threads");
        let one = extraction.reserve(6 << 20).expect("there is room");
        assert!(extraction.reserve(6 << 20).is_none());
        drop(one);
        assert!(extraction.reserve(6 << 20).is_some());
    }
}
