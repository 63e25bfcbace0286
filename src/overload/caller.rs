//! Identity of the caller that a thread works for. Contended resources are shared fairly between callers.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

thread_local! {
    /// Set while a call is polled.
    static CURRENT: Cell<CallerId> = const { Cell::new(CallerId::SERVER) };
}

/// Random for each process, so that no caller can choose an identity that collides with another's.
static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// Identity of a caller for fair sharing: the principal if callers are authenticated, else the peer's address. A hash,
/// so that it is small and anonymous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallerId(u64);

impl CallerId {
    /// The server's own work.
    pub(crate) const SERVER: Self = Self(0);

    /// Returns the identity of a credential's owner: `key:` and a key's ID, or `token:` and its subject.
    pub(crate) fn principal(id: &str) -> Self {
        Self(HASH.hash_one((0_u8, id)) | 1)
    }

    /// Returns the identity of an address; for IPv6 of its /64, the usual size of one host's network.
    pub(crate) fn peer(address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        };
        Self(HASH.hash_one((1_u8, network)) | 1)
    }

    /// Returns the caller that this thread works for.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    /// Sets the caller of this thread until the returned guard is dropped.
    #[must_use]
    pub(crate) fn enter(self) -> Entered {
        Entered(CURRENT.replace(self))
    }
}

/// Guard that restores the thread's previous caller when dropped.
pub(crate) struct Entered(CallerId);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Runs `work` for the current caller, on whichever threads it is polled. For tasks that a call spawns.
pub(crate) fn for_current<F: Future>(work: F) -> ForCaller<F> {
    ForCaller { caller: CallerId::current(), work }
}

pin_project! {
    /// Future that works for a caller.
    pub(crate) struct ForCaller<F> {
        caller: CallerId,
        #[pin]
        work: F,
    }
}

impl<F: Future> Future for ForCaller<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.caller.enter();
        this.work.poll(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart_by_principal_or_network() {
        let peer = |text: &str| CallerId::peer(text.parse().unwrap());
        assert_eq!(peer("192.0.2.1"), peer("::ffff:192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_ne!(CallerId::principal("key:a"), CallerId::principal("key:b"));
        assert_ne!(CallerId::principal("key:a"), CallerId::SERVER);
    }

    #[tokio::test]
    async fn work_that_is_handed_over_keeps_its_caller() {
        let caller = CallerId::principal("key:a");
        let spawned = {
            let _entered = caller.enter();
            tokio::spawn(for_current(async {
                tokio::task::yield_now().await;
                CallerId::current()
            }))
        };
        assert_eq!(CallerId::current(), CallerId::SERVER);
        assert_eq!(spawned.await.unwrap(), caller);
    }
}
