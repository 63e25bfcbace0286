//! When the connection that a call came by ends.

use std::sync::Arc;

use http::Extensions;
use tokio_util::sync::CancellationToken;

/// When the connection of a call ends: with the server, or because it has been open for long. In the extensions of requests.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<CancellationToken>); // One count, where a clone of the token would take a lock, in every call.

impl Ending {
    /// The connection ends when the token is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self(Arc::new(token))
    }

    /// Of the connection that a request came by; of one that came by none, never.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Whether it ends.
    pub fn has_come(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it ends.
    pub async fn come(self) {
        self.0.cancelled().await;
    }
}
