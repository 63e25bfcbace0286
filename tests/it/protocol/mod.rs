//! The protocol of the shared cache, as a model: the effect of each script on an entry.

mod exhaustive; // exhaustive exploration at small sizes
mod random_traces; // the model and the real scripts, side by side

/// Content of a key. Claim tokens are numbers; real tokens are as unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    Absent,
    Invalidated { revision: u8, token: Option<u8> },
    Value { revision: u8 },
}

/// The protocol, and flawed variants of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The actual protocol.
    Right,
    /// A fill is a SET.
    PlainSet,
    /// A fill is rejected only by a newer revision.
    RevisionOnly,
    /// A fill is rejected only for its token, and an invalidation keeps the token, as it compares no revisions.
    TokenOnly,
    /// Revisions are not compared at all, and an invalidation always removes the token: leases as first published.
    LeaseAlone,
    /// A fill of an absent entry is accepted.
    AbsentAccepts,
    /// A fill needs an invalidated entry that is not newer, with any claim token.
    TokenIgnored,
    /// Lost invalidations are not repeated.
    NoFollower,
    /// A replica trusts entries regardless of its follower's lag.
    NoLease,
    /// A replica that starts assumes that all entries are repaired.
    StartsAtHead,
    /// After a flush, or a failover to a replica that was behind, the same keys are read.
    NoGeneration,
    /// Fills read a replica of the store that may be behind.
    LaggingStore,
    /// A refresh of an absent entry is accepted.
    RefreshesAbsent,
    /// A refresh of an invalidated entry that is not newer is accepted.
    RefreshesInvalidated,
    /// A refresh replaces an entry with any revision.
    RefreshesNewer,
}

impl Variant {
    /// GETLEASE. `over` is true if the current claim has expired. Returns true if the claim succeeds.
    pub fn claim(self, entry: &mut Entry, token: u8, over: bool) -> bool {
        let revision = match *entry {
            Entry::Value { .. } => return false,
            Entry::Invalidated { token: Some(theirs), .. } if theirs != token && !over => return false,
            Entry::Invalidated { revision, .. } => revision,
            Entry::Absent => 0,
        };
        *entry = Entry::Invalidated { revision, token: Some(token) };
        true
    }

    /// FILL. Returns true if it was accepted.
    pub fn fill(self, entry: &mut Entry, token: u8, revision: u8) -> bool {
        let accepted = match (self, *entry) {
            (Self::PlainSet, _) | (Self::AbsentAccepts | Self::RevisionOnly, Entry::Absent) => true,
            (Self::RevisionOnly, Entry::Invalidated { revision: seen, .. } | Entry::Value { revision: seen }) => {
                revision >= seen
            }
            (Self::TokenIgnored, Entry::Invalidated { revision: seen, .. }) => revision >= seen,
            (Self::TokenOnly | Self::LeaseAlone, Entry::Invalidated { token: claimed, .. }) => claimed == Some(token),
            (_, Entry::Invalidated { revision: seen, token: claimed }) => claimed == Some(token) && revision >= seen,
            (_, Entry::Absent | Entry::Value { .. }) => false,
        };
        if accepted {
            *entry = Entry::Value { revision };
        }
        accepted
    }

    /// REFRESH. Returns true if it was accepted.
    pub fn refresh(self, entry: &mut Entry, revision: u8) -> bool {
        let accepted = match *entry {
            Entry::Absent => self == Self::RefreshesAbsent,
            Entry::Invalidated { revision: seen, .. } => self == Self::RefreshesInvalidated && revision >= seen,
            Entry::Value { revision: seen } => revision >= seen || self == Self::RefreshesNewer,
        };
        if accepted {
            *entry = Entry::Value { revision };
        }
        accepted
    }

    /// INVALIDATE.
    pub fn invalidate(self, entry: &mut Entry, revision: u8) {
        let (seen, claimed) = match *entry {
            Entry::Absent => return,
            Entry::Invalidated { revision, token } => (revision, token),
            Entry::Value { revision } => (revision, None),
        };
        if seen < revision || self == Self::LeaseAlone {
            let token = claimed.filter(|_| self == Self::TokenOnly);
            *entry = Entry::Invalidated { revision, token };
        }
    }
}
