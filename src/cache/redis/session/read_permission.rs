//! Permission to serve entries.

use std::time::Instant;

use crate::article::{Position, Record};

/// Permission to serve entries.
#[derive(Clone, Copy)]
pub(in crate::cache::redis) struct ReadPermission {
    pub(in crate::cache::redis) until: Instant,
    /// Minimum position of an entry; set if invalidations have not been replayed that far.
    pub(in crate::cache::redis) floor: Option<Position>,
}

impl ReadPermission {
    /// Returns true if the record may be served now.
    pub(in crate::cache::redis) fn allows(&self, record: Option<&Record>) -> bool {
        let fresh = match self.floor {
            None => true,
            Some(floor) => record.is_some_and(|record| record.token.position >= floor),
        };
        fresh && self.ends_later()
    }

    pub(in crate::cache::redis) fn ends_later(&self) -> bool {
        Instant::now() < self.until
    }
}
