//! Versions of documents, as their source orders them.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use super::Digest;

/// Maximum time by which a publisher's clock is believed to be ahead of ours. A later time counts as this much after
/// arrival, so that a clock that is a year ahead does not freeze an article.
pub const MAX_AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// Version of a document. Versions of one article are ordered by time, then number, then time of observation, and then
/// by the digest of the document, so that any order of arrival ends with the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceVersion {
    /// The publisher's time of the last change; else the time at which the document was fetched. Absent for a document
    /// that states neither.
    pub stated: Option<Timestamp>,
    /// The publisher's version number; 0 if it has none.
    pub number: i64,
    /// Time at which the document was fetched; else the time of its arrival, if it orders the document.
    pub observed: Option<Timestamp>,
}

/// The part of a version that decided which of two documents is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VersionPart {
    /// Time.
    Time,
    /// Version number.
    Number,
    /// Time of observation.
    Observed,
    /// Digest of the document. The choice is arbitrary, and the same in every order of arrival.
    Digest,
}

impl SourceVersion {
    /// Returns the version of a document that states none.
    pub fn arrived(at: Timestamp) -> Self {
        Self { observed: Some(at), ..Self::default() }
    }

    /// Returns the version with no time later than [`MAX_AHEAD`] after `arrival`.
    #[must_use]
    pub fn bounded(self, arrival: Timestamp) -> Self {
        let latest = arrival.saturating_add(MAX_AHEAD).unwrap_or(arrival);
        let bounded = |time: Option<Timestamp>| time.map(|time| time.min(latest));
        Self { stated: bounded(self.stated), number: self.number, observed: bounded(self.observed) }
    }

    /// Returns the part by which a document is older than another one, or none if it is not. Each has a version and the
    /// digest of its content. Of two documents that state no time, none is older: clocks of replicas differ.
    pub fn older_than(&self, digest: &Digest, other: &Self, other_digest: &Digest) -> Option<VersionPart> {
        let both_arrived = self.stated.is_none() && other.stated.is_none();
        let time = |version: &Self| version.stated.or(version.observed).filter(|_| !both_arrived);
        let parts = [
            (time(self).cmp(&time(other)), VersionPart::Time),
            (self.number.cmp(&other.number), VersionPart::Number),
            (self.observed.cmp(&other.observed), VersionPart::Observed),
            (digest.cmp(other_digest), VersionPart::Digest),
        ];
        let mut parts = parts.into_iter().filter(|(_, part)| !both_arrived || *part == VersionPart::Number);
        let (ordering, part) = parts.find(|(ordering, _)| *ordering != Ordering::Equal)?;
        (ordering == Ordering::Less).then_some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).expect("a time"))
    }

    #[test]
    fn versions_are_ordered_by_their_parts() {
        let version = |stated, number, observed| SourceVersion { stated, number, observed };
        let older = |one: (SourceVersion, u8), other: (SourceVersion, u8)| {
            one.0.older_than(&Digest([one.1; 32]), &other.0, &Digest([other.1; 32]))
        };
        let newest = (version(at(10), 2, at(12)), 5);
        for (older_one, part) in [
            ((version(at(9), 9, at(99)), 9), Some(VersionPart::Time)),
            ((version(None, 9, at(9)), 9), Some(VersionPart::Time)),
            ((version(at(10), 1, at(99)), 9), Some(VersionPart::Number)),
            ((version(at(10), 2, None), 9), Some(VersionPart::Observed)),
            ((version(at(10), 2, at(12)), 4), Some(VersionPart::Digest)),
            (newest, None),
        ] {
            assert_eq!(older(older_one, newest), part, "{older_one:?}");
            assert_eq!(older(newest, older_one), None, "{older_one:?}");
        }
        let (one, other) =
            (SourceVersion::arrived(at(5).expect("a time")), SourceVersion::arrived(at(6).expect("a time")));
        assert_eq!(older((one, 1), (other, 2)), None, "clocks of replicas differ");
    }

    #[test]
    fn clocks_that_are_ahead_are_bounded() {
        let year_ahead = SourceVersion { stated: at(31_536_000), number: 1, observed: None };
        let bounded = year_ahead.bounded(at(0).expect("a time"));
        assert_eq!(bounded, SourceVersion { stated: at(300), ..year_ahead });
        assert_eq!(bounded.bounded(at(0).expect("a time")), bounded);
    }
}
