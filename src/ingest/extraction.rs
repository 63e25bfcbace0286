//! Thread pools for extraction by document size, and the memory budget for documents of unary calls.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Workers;

/// Maximum number of large documents queued or in extraction, per thread.
const LARGE_QUEUE: usize = 16;

/// Two thread pools, so that large documents, which may take seconds, never delay ordinary ones.
#[derive(Clone)]
pub struct Extraction {
    ordinary: Workers,
    large: Workers,
    /// Memory for documents of unary calls, in KiB.
    memory: Arc<Semaphore>,
    call_kib: usize,
}

/// Permit for the memory of a unary call's document, released on drop.
pub struct DocumentMemory {
    _permit: OwnedSemaphorePermit,
}

impl Extraction {
    /// Size from which a document is large, decompressed, in bytes. Of 743 pages of news sites, one in eight is.
    pub(super) const LARGE_BYTES: usize = 512 << 10;

    /// Starts `threads` threads for ordinary documents and half as many for large ones. At most `queue` ordinary ones
    /// wait or run at a time. Documents of unary calls may take `call_bytes` of memory.
    ///
    /// # Errors
    /// Fails if the operating system cannot start the threads.
    pub fn start(threads: usize, queue: usize, call_bytes: usize) -> std::io::Result<Self> {
        let call_kib = call_bytes.div_ceil(1 << 10).max(1);
        let large = threads.max(1).div_ceil(2);
        Ok(Self {
            ordinary: Workers::start(threads, queue)?,
            large: Workers::start(large, queue.min(large * LARGE_QUEUE))?,
            memory: Arc::new(Semaphore::new(call_kib)),
            call_kib,
        })
    }

    /// Returns the pool for a document of this decompressed size.
    pub(super) fn pool(&self, bytes: usize) -> &Workers {
        if bytes >= Self::LARGE_BYTES { &self.large } else { &self.ordinary }
    }

    /// Returns true if a document of this size would be rejected now.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.pool(bytes).is_full()
    }

    /// Reserves memory for a document that has begun to arrive. None if there is not enough: the call must be rejected.
    pub fn reserve(&self, bytes: usize) -> Option<DocumentMemory> {
        // One that is larger than all of the memory gets all of it.
        let kib = u32::try_from(bytes.div_ceil(1 << 10).min(self.call_kib)).ok()?;
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(kib).ok()?;
        Some(DocumentMemory { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_that_is_reserved_is_given_back() {
        let extraction = Extraction::start(1, 10, 10 << 20).expect("threads should start");
        let one = extraction.reserve(6 << 20).expect("memory should be available");
        assert!(extraction.reserve(6 << 20).is_none());
        drop(one);
        let all = extraction.reserve(20 << 20).expect("a document larger than the memory gets all of it");
        assert!(extraction.reserve(1).is_none());
        drop(all);
        assert!(extraction.reserve(6 << 20).is_some());
    }
}
