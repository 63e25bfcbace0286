//! Meter that charges ingested documents to the caller's rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Extensions;

use crate::access::{AuthError, Caller};
use crate::ingest::{Meter, OverRate};

/// Returns the meter of a call's caller; none if callers are not authenticated.
pub(super) fn rate(extensions: &Extensions) -> Option<Arc<dyn Meter>> {
    let caller = extensions.get::<Arc<Caller>>()?;
    Some(Arc::new(Rated(Arc::clone(caller))))
}

struct Rated(Arc<Caller>);

impl Meter for Rated {
    fn take(&self, documents: usize) -> Result<(), OverRate> {
        match self.0.count_more(Instant::now(), documents) {
            Err(AuthError::Rate { subject, rate, wait }) => {
                Err(OverRate { documents, subject, rate: rate.to_string(), wait })
            }
            // `count_more` fails for no other reason.
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn borrow(&self, documents: usize) -> Duration {
        self.0.borrow_more(Instant::now(), documents)
    }
}
