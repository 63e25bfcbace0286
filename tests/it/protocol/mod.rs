//! The protocol of the shared cache, as a model: what each script does to an entry.

mod explore; // every order of events, at small sizes
mod trace; // the model and the real scripts, side by side

/// What is under a key. Who claimed it is a number; real tokens are as unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    Absent,
    Invalidated { revision: u8, token: Option<u8> },
    Value { revision: u8 },
}

/// The protocol, and what somebody might think would do as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// As it is.
    Right,
    /// A fill is a SET.
    PlainSet,
    /// A fill is refused only by a newer revision.
    RevisionOnly,
    /// A fill is refused only for its token, and an invalidation leaves a token be, as it knows no revision.
    TokenOnly,
    /// Revisions are not compared at all, and an invalidation always takes the token away: leases as they were first told of.
    LeaseAlone,
    /// A fill finds nothing, and is accepted.
    AbsentAccepts,
    /// A fill must find an invalidated entry that is not newer, whoever claimed it.
    TokenIgnored,
    /// Nobody repeats invalidations.
    NoFollower,
    /// A replica trusts entries however late its follower is.
    NoLease,
    /// A replica that starts takes what is there as repaired.
    StartsAtHead,
    /// After a flush, or a failover to a replica that was behind, the same keys are read.
    NoGeneration,
    /// What fills is read from a replica of the store that may be behind.
    LaggingStore,
    /// A refresh finds nothing, and is accepted.
    RefreshesAbsent,
    /// A refresh finds an invalidated entry that is not newer, and is accepted.
    RefreshesInvalidated,
    /// A refresh finds an entry, and replaces it whatever its revision.
    RefreshesNewer,
}

impl Variant {
    /// GETLEASE. `over` says whether the time of whoever claimed it has run out. Answers whether it is ours.
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

    /// FILL. Answers whether it was accepted.
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

    /// REFRESH. Answers whether it was accepted.
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
