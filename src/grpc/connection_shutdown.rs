//! End of the connection that carries a call.

use std::sync::Arc;

use http::Extensions;
use tokio_util::sync::CancellationToken;

/// Signal that the connection of a call ends: the server stops, or the connection is too old. In the extensions of
/// requests.
#[derive(Clone, Debug, Default)]
pub struct ConnectionShutdown(Arc<CancellationToken>); // Cloning the token itself would take a lock in every call.

impl ConnectionShutdown {
    /// Ends when the token is cancelled.
    pub fn new(token: CancellationToken) -> Self {
        Self(Arc::new(token))
    }

    /// Returns the signal of a request's connection; without a connection it never ends.
    pub fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Returns true if the connection is ending.
    pub fn has_started(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until the connection ends.
    pub async fn started(self) {
        self.0.cancelled().await;
    }
}
