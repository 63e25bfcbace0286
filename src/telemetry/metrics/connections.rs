//! Connection metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Counters and gauges of connections.
#[derive(Debug, Default)]
pub struct ConnectionMetrics {
    open: Gauge,
    opened: Counter,
    refused: Counter,
    aged: Counter,
    handshakes_failed: Counter,
    reloads_failed: Counter,
    certificate_end: Gauge,
}

impl ConnectionMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.open.clone());
        registry.register("connections_opened", "Accepted connections", self.opened.clone());
        let help = "Connections closed on arrival because of the connection limit";
        registry.register("connections_refused", help, self.refused.clone());
        let help = "Connections asked to close because of their age";
        registry.register("connections_aged", help, self.aged.clone());
        let help = "TLS handshakes that failed or timed out";
        registry.register("tls_handshakes_failed", help, self.handshakes_failed.clone());
        let help = "Certificate reloads rejected because the files were invalid";
        registry.register("tls_reloads_failed", help, self.reloads_failed.clone());
        let help = "Expiry of the server certificate, in seconds since 1970; 0 without TLS";
        registry.register_with_unit("tls_certificate_end_timestamp", help, Unit::Seconds, self.certificate_end.clone());
    }

    /// Counts a connection, which stays open until the returned guard is dropped.
    #[must_use]
    pub fn opened(&self) -> OpenConnection {
        self.opened.inc();
        self.open.inc();
        OpenConnection(self.open.clone())
    }

    /// Counts a connection closed on arrival because of the limit.
    pub fn refused(&self) {
        self.refused.inc();
    }

    /// Counts a TLS handshake that failed or timed out.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Counts a rejected certificate reload.
    pub fn reload_failed(&self) {
        self.reloads_failed.inc();
    }

    /// Sets the expiry of the server certificate, in seconds since 1970.
    pub fn certificate_ends(&self, time: Option<i64>) {
        self.certificate_end.set(time.unwrap_or(0));
    }

    /// Counts a connection asked to close because of its age.
    pub fn aged(&self) {
        self.aged.inc();
    }
}

/// Guard of an open connection.
#[derive(Debug)]
pub struct OpenConnection(Gauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}
