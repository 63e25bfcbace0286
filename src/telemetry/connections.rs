//! What is counted of connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The counters.
#[derive(Debug, Default)]
pub struct ConnectionMetrics {
    open: Gauge,
    opened: Counter,
    refused: Counter,
    aged: Counter,
}

impl ConnectionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Connections that are open", self.open.clone());
        registry.register("connections_opened", "Connections that came in", self.opened.clone());
        let help = "Connections closed as they came, because there were as many as may be";
        registry.register("connections_refused", help, self.refused.clone());
        let help = "Connections that were asked to end because they were old";
        registry.register("connections_aged", help, self.aged.clone());
    }

    /// One opens; it is open until what this returns is dropped.
    #[must_use]
    pub fn opened(&self) -> OpenConnection {
        self.opened.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// One was closed as it came.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// One has become old.
    pub fn aged(&self) {
        self.aged.inc();
    }
}

/// A connection that is open.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
