//! Whether a port may be opened to others: not by oversight.

use std::net::SocketAddr;

/// What is to be said about a port before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    /// Nothing.
    Fine,
    /// It is opened, and each start warns of this.
    Warn(&'static str),
    /// It is not opened, unless whoever runs the server insists.
    Refuse,
}

/// Of the port for calls. Whoever reaches a port on loopback has an account on this machine.
pub(super) fn of_calls(address: SocketAddr, encrypted: bool, authenticated: bool, insecure: bool) -> Exposure {
    if is_loopback(address) {
        return Exposure::Fine;
    }
    match (encrypted, authenticated) {
        (true, true) => Exposure::Fine,
        (true, false) => Exposure::Warn("whoever can reach this port may read and write: see `auth`"),
        (false, true) => Exposure::Warn(
            "credentials and articles can be read on the way to this port, unless something in front of it encrypts",
        ),
        (false, false) if insecure => Exposure::Warn(
            "insecure: whoever can reach this port may read and write, and whoever is on the way may read and change it",
        ),
        (false, false) => Exposure::Refuse,
    }
}

/// Of the port for metrics and probes, which has neither encryption nor authentication, and no articles. It must be reached by
/// those who watch, so it needs no insistence: that would be one word for two ports.
pub(super) fn of_metrics(address: SocketAddr) -> Exposure {
    if is_loopback(address) {
        Exposure::Fine
    } else {
        Exposure::Warn("whoever can reach the port for metrics may read them: let only those who watch reach it")
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
        for here in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(of_calls(at(here), false, false, false), Exposure::Fine, "{here}");
            assert_eq!(of_metrics(at(here)), Exposure::Fine, "{here}");
        }
        for there in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1", "[::ffff:0.0.0.0]:1", "[2001:db8::1]:1"] {
            assert_eq!(of_calls(at(there), false, false, false), Exposure::Refuse, "{there}");
            assert!(matches!(of_calls(at(there), false, false, true), Exposure::Warn(_)), "{there}");
            assert!(matches!(of_calls(at(there), true, false, false), Exposure::Warn(_)), "{there}");
            assert!(matches!(of_calls(at(there), false, true, false), Exposure::Warn(_)), "{there}");
            assert_eq!(of_calls(at(there), true, true, false), Exposure::Fine, "{there}");
            assert!(matches!(of_metrics(at(there)), Exposure::Warn(_)), "{there}");
        }
    }
}
