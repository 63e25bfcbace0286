//! Conversions from the domain's types to the API's.

use std::time::Duration;

use jiff::Timestamp;

use crate::article::{ChangeKind, CopyKind, EncodedArticle, Record, VersionPart};
use crate::proto;
use crate::retrieve::{StoryEvent, TextPart, WatchedMembership};
use crate::store::Outcome;

/// Returns the whole article for its editor, in any state. Deleted articles are purged after `deleted_keep`.
pub(super) fn whole(record: &Record, deleted_keep: Option<Duration>) -> EncodedArticle {
    record.for_editor(Timestamp::now(), deleted_keep)
}

pub(super) fn outcome(outcome: Outcome) -> i32 {
    use proto::IngestOutcome as Api;
    match outcome {
        Outcome::Created => Api::Created,
        Outcome::Revised => Api::Revised,
        Outcome::Unchanged => Api::Unchanged,
        Outcome::Duplicate => Api::Duplicate,
        Outcome::Stale => Api::Stale,
        Outcome::Held => Api::Held,
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
        ChangeKind::Merged => Api::Merged,
        ChangeKind::Purged => Api::Purged,
        ChangeKind::Reprocessed => Api::Reprocessed,
    }
    .into()
}

pub(super) fn text_parts(parts: Vec<TextPart>) -> Vec<proto::TextPart> {
    parts.into_iter().map(|TextPart { text, matched }| proto::TextPart { text, matched }).collect()
}

/// Returns the kind of a copy; an exact one has none.
pub(super) fn copy_kind(kind: Option<CopyKind>) -> proto::CopyKind {
    match kind {
        None => proto::CopyKind::Exact,
        Some(CopyKind::Near) => proto::CopyKind::Near,
        Some(CopyKind::Contains) => proto::CopyKind::Contains,
        Some(CopyKind::Contained) => proto::CopyKind::Contained,
    }
}

pub(super) fn story_watch_message(event: StoryEvent) -> proto::WatchStoriesResponse {
    use proto::watch_stories_response::Event as Api;
    let event = match event {
        StoryEvent::Checkpoint(watch_token) => Api::Checkpoint(proto::StoryCheckpoint { watch_token }),
        StoryEvent::Change(WatchedMembership { article, story, watch_token }) => {
            Api::Change(proto::StoryChange { article, story, watch_token })
        }
    };
    proto::WatchStoriesResponse { event: Some(event) }
}
