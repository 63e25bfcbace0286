//! Meter that charges ingested documents to the caller's rate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Extensions;

use crate::access::{AuthError, Caller};
use crate::ingest::{Meter, OverRate};

/// Returns the meter of a call's caller; none if callers are not authenticated.
pub(super) fn meter(extensions: &Extensions) -> Option<Arc<dyn Meter>> {
    let caller = extensions.get::<Arc<Caller>>()?;
    Some(Arc::new(CallerMeter(Arc::clone(caller))))
}

struct CallerMeter(Arc<Caller>);

impl Meter for CallerMeter {
    fn take(&self, documents: usize) -> Result<(), OverRate> {
        match self.0.charge_documents(Instant::now(), documents) {
            Err(AuthError::Rate { subject, rate, wait }) => {
                Err(OverRate { documents, subject, rate: rate.to_string(), wait })
            }
            // `count_more` fails for no other reason.
            Err(_) | Ok(()) => Ok(()),
        }
    }

    fn reserve(&self, documents: usize) -> Duration {
        self.0.reserve_more(Instant::now(), documents)
    }
}
