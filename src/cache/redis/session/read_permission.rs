//! Permission to serve entries.

use std::time::Instant;

use crate::article::{Position, Record};

/// Permission to serve entries.
#[derive(Clone, Copy)]
pub(in crate::cache::redis) struct ReadPermission {
    pub(in crate::cache::redis) until: Instant,
    /// Minimum position of an entry; set if invalidations have not been replayed that far.
    pub(in crate::cache::redis) min_position: Option<Position>,
}

impl ReadPermission {
    /// Returns true if the record may be served now.
    pub(in crate::cache::redis) fn allows(&self, record: Option<&Record>) -> bool {
        let fresh = match self.min_position {
            None => true,
            Some(min_position) => record.is_some_and(|record| record.token.position >= min_position),
        };
        fresh && self.is_valid()
    }

    pub(in crate::cache::redis) fn is_valid(&self) -> bool {
        Instant::now() < self.until
    }
}
