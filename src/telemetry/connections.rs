//! What is counted of connections.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// The counters.
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
        registry.register("connections", "Connections that are open", self.open.clone());
        registry.register("connections_opened", "Connections that came in", self.opened.clone());
        let help = "Connections closed as they came, because there were as many as may be";
        registry.register("connections_refused", help, self.refused.clone());
        let help = "Connections that were asked to end because they were old";
        registry.register("connections_aged", help, self.aged.clone());
        let help = "TLS handshakes that failed or took too long";
        registry.register("tls_handshakes_failed", help, self.handshakes_failed.clone());
        let help = "Changes of the certificates that were not taken over, for what is in the files";
        registry.register("tls_reloads_failed", help, self.reloads_failed.clone());
        let help = "When the certificate that is shown ends, in seconds since 1970; 0 without TLS";
        registry.register_with_unit("tls_certificate_end_timestamp", help, Unit::Seconds, self.certificate_end.clone());
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

    /// A handshake failed, or took too long.
    pub fn handshake_failed(&self) {
        self.handshakes_failed.inc();
    }

    /// Certificates changed and are not right.
    pub fn reload_failed(&self) {
        self.reloads_failed.inc();
    }

    /// The certificate that is shown ends then, in seconds since 1970.
    pub fn certificate_ends(&self, time: Option<i64>) {
        self.certificate_end.set(time.unwrap_or(0));
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
