//! Start of a watch: a token, a time, the beginning of the feed, or a snapshot.

use jiff::{SignedDuration, Timestamp};

use super::export_token::ExportPosition;
use super::{Retrieval, RetrieveError};
use crate::article::{Position, Violations, from_proto};
use crate::proto::WatchArticlesRequest;
use crate::proto::watch_articles_request::Start as Sent;
use crate::store::{Shard, StoreError};

/// Maximum disorder of times along the change feed: clocks of replicas differ, and step back.
pub(super) const CLOCK_DISORDER: SignedDuration = SignedDuration::from_hours(1);

/// Validated start of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Changes from now on.
    Now,
    /// Changes after a position.
    After(Position),
    /// Changes from the first one at or after a time.
    At(Timestamp),
    /// Articles of a snapshot, from its start or from a position, then the changes after it.
    Snapshot(Option<ExportPosition>),
}

impl Retrieval {
    /// Validates the start of a watch.
    pub(super) fn watch_start(&self, request: &WatchArticlesRequest) -> Result<Start, Violations> {
        let start = match &request.start {
            None if request.snapshot_first => return Ok(Start::Snapshot(None)),
            None => Start::Now,
            Some(Sent::ChangeToken(token)) => Start::After(self.position(token, "change_token")?),
            Some(Sent::StartTime(time)) => {
                Start::At(from_proto(time).map_err(|expected| Violations::one("start_time", expected))?)
            }
            Some(Sent::Beginning(true)) => Start::After(Position::START),
            Some(Sent::Beginning(false)) => {
                return Err(Violations::one("beginning", "must be true, or another start must be set, or none"));
            }
            Some(Sent::ExportToken(token)) => {
                let digest = self.export_digest(request.filter.as_ref(), Shard::default());
                Start::Snapshot(Some(ExportPosition::decode(token, self.store.feed_id(), &digest)?))
            }
        };
        match request.snapshot_first {
            true => Err(Violations::one("snapshot_first", "must be false with a start; a snapshot is one itself")),
            false => Ok(start),
        }
    }

    /// Returns the position before the first change at or after a time, or an earlier one: by at most the disorder of
    /// the changes' times.
    ///
    /// # Errors
    /// [`StoreError::Trimmed`] if there may have been such a change before the start of the feed.
    pub(super) async fn position_at(&self, time: Timestamp) -> Result<Position, RetrieveError> {
        let head = self.store.head().await?;
        let is_late = |change: Timestamp| time.duration_since(change) <= CLOCK_DISORDER;
        // The first position after which every change is late enough, or may be.
        let (mut low, mut high) = (0, head.sequence);
        let mut is_trimmed_before_low = false;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.store.changes(Position::of(middle), 1).await {
                Ok(changes) if changes.first().is_none_or(|change| is_late(change.record.update_time)) => high = middle,
                Ok(_) => (low, is_trimmed_before_low) = (middle + 1, false),
                Err(StoreError::Trimmed) => (low, is_trimmed_before_low) = (middle + 1, true),
                Err(error) => return Err(error.into()),
            }
        }
        if is_trimmed_before_low {
            return Err(StoreError::Trimmed.into());
        }
        Ok(Position::of(low))
    }
}
