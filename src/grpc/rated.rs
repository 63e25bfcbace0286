//! The rate of a caller, as ingestion counts documents against it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Extensions;

use crate::access::{Caller, Refusal};
use crate::ingest::{Meter, OverRate};

/// The meter of a call's caller; none where callers are not authenticated.
pub(super) fn rate(extensions: &Extensions) -> Option<Arc<dyn Meter>> {
    let caller = extensions.get::<Arc<Caller>>()?;
    Some(Arc::new(Rated(Arc::clone(caller))))
}

struct Rated(Arc<Caller>);

impl Meter for Rated {
    fn take(&self, documents: usize) -> Result<(), OverRate> {
        match self.0.count_more(Instant::now(), documents) {
            Err(Refusal::Rate { subject, rate, wait }) => {
                Err(OverRate { documents, subject, rate: rate.to_string(), wait })
            }
            // It refuses for nothing else.
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn borrow(&self, documents: usize) -> Duration {
        self.0.borrow_more(Instant::now(), documents)
    }
}
