//! Conversions from the domain's types to the API's.

use std::ops::Range;

use crate::article::{ChangeKind, VersionPart};
use crate::proto;
use crate::store::Outcome;

pub(super) fn outcome(outcome: Outcome) -> i32 {
    use proto::IngestOutcome as Api;
    match outcome {
        Outcome::Created => Api::Created,
        Outcome::Revised => Api::Revised,
        Outcome::Unchanged => Api::Unchanged,
        Outcome::Duplicate => Api::Duplicate,
        Outcome::Stale => Api::Stale,
    }
    .into()
}

pub(super) fn version_part(part: Option<VersionPart>) -> i32 {
    use proto::VersionPart as Api;
    match part {
        None => Api::Unspecified,
        Some(VersionPart::Time) => Api::Time,
        Some(VersionPart::Number) => Api::SourceVersion,
        Some(VersionPart::Observed) => Api::FetchTime,
        Some(VersionPart::Digest) => Api::Content,
    }
    .into()
}

pub(super) fn change_kind(kind: ChangeKind) -> i32 {
    use proto::ChangeKind as Api;
    match kind {
        ChangeKind::Created => Api::Created,
        ChangeKind::Revised => Api::Revised,
        ChangeKind::Withdrawn => Api::Withdrawn,
        ChangeKind::Reinstated => Api::Reinstated,
        ChangeKind::Deleted => Api::Deleted,
        ChangeKind::Undeleted => Api::Undeleted,
        ChangeKind::Opened => Api::Opened,
        ChangeKind::Expired => Api::Expired,
    }
    .into()
}

pub(super) fn highlights(ranges: Vec<Range<usize>>) -> Vec<proto::Highlight> {
    // Snippets and headlines are far shorter than i32::MAX.
    let count = |at: usize| i32::try_from(at).unwrap_or(i32::MAX);
    ranges.into_iter().map(|range| proto::Highlight { start: count(range.start), end: count(range.end) }).collect()
}
