//! Resumption of streams that break.

use std::time::Duration;

use tonic::{Code, Status};

use super::failure::{Failure, describe, print_error};

/// Initial and maximum backoff before a broken stream is resumed.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// Backoff of a stream that is resumed.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(RETRY.0)
    }

    /// Notes that the server answers.
    pub(super) fn reset(&mut self) {
        self.0 = RETRY.0;
    }

    /// Waits after a stream has ended, with an error or without one.
    ///
    /// # Errors
    /// Returns an error that a retry does not correct.
    pub(super) async fn wait(&mut self, broken: Option<Status>) -> Result<(), Failure> {
        if let Some(status) = broken {
            if !matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) {
                return Err(status.into());
            }
            print_error(&format!("{}; retrying", describe(&status)));
        }
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY.1);
        Ok(())
    }
}
