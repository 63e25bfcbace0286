//! Checks that ports are not exposed to other machines by mistake.

use std::net::SocketAddr;

/// Result of the check of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindPolicy {
    /// The port is opened.
    Allow,
    /// The port is opened, with this warning at each start.
    Warn(&'static str),
    /// The port is not opened unless `insecure` is set.
    Refuse,
}

/// Checks the port for calls. Clients that reach a port on loopback have an account on this machine.
pub(super) fn of_calls(address: SocketAddr, encrypted: bool, authenticated: bool, insecure: bool) -> BindPolicy {
    if is_loopback(address) {
        return BindPolicy::Allow;
    }
    match (encrypted, authenticated) {
        (true, true) => BindPolicy::Allow,
        (true, false) => BindPolicy::Warn("anyone who can reach this port can read and write: see `auth`"),
        (false, true) => BindPolicy::Warn(
            "credentials and articles are sent unencrypted to this port, unless a proxy in front of it terminates TLS",
        ),
        (false, false) if insecure => BindPolicy::Warn(
            "insecure: anyone who can reach this port can read and write, and anyone on the path can alter the traffic",
        ),
        (false, false) => BindPolicy::Refuse,
    }
}

/// Checks the port for metrics and probes. It has neither encryption nor authentication, and no articles. Monitoring
/// must reach it, so it does not need `insecure`, which would then cover two ports.
pub(super) fn of_metrics(address: SocketAddr) -> BindPolicy {
    if is_loopback(address) {
        BindPolicy::Allow
    } else {
        BindPolicy::Warn("anyone who can reach the metrics port can read the metrics: restrict it to monitoring")
    }
}

pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_for_others_needs_a_guard_or_a_word() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(of_calls(at(loopback), false, false, false), BindPolicy::Allow, "{loopback}");
            assert_eq!(of_metrics(at(loopback)), BindPolicy::Allow, "{loopback}");
        }
        for public in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:0.0.0.0]:1", "[2001:db8::1]:1"] {
            assert_eq!(of_calls(at(public), false, false, false), BindPolicy::Refuse, "{public}");
            assert!(matches!(of_calls(at(public), false, false, true), BindPolicy::Warn(_)), "{public}");
            assert!(matches!(of_calls(at(public), true, false, false), BindPolicy::Warn(_)), "{public}");
            assert!(matches!(of_calls(at(public), false, true, false), BindPolicy::Warn(_)), "{public}");
            assert_eq!(of_calls(at(public), true, true, false), BindPolicy::Allow, "{public}");
            assert!(matches!(of_metrics(at(public)), BindPolicy::Warn(_)), "{public}");
        }
    }
}
