//! Change feed as a stream.
//!
//! Nothing is queued for a subscriber: the stream reads the feed when the transport has capacity. So a subscriber costs
//! one batch of memory, even if it is slow or stops reading.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::batch_size::Pace;
use super::{Retrieval, RetrieveError};
use crate::article::{ChangeKind, EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::WatchArticlesRequest;
use crate::store::{Change, Consistency, Originals, StoreError};

/// Maximum number of changes per read.
const BATCH: usize = 100;

/// Message of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// Change of an article.
    Change(Box<Watched>),
    /// Change token up to which all changes have been sent.
    Checkpoint(String),
}

/// Change of an article, as sent to subscribers.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Name of the article.
    pub name: String,
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Revision created by the change.
    pub revision: i64,
    /// Time of the change.
    pub time: Timestamp,
    /// Token to resume after this change.
    pub change_token: String,
    /// Article after the change, with the fields of the read mask, if it is readable now.
    pub article: Option<EncodedArticle>,
}

struct Watch {
    retrieval: Retrieval,
    filter: Filter,
    mask: ReadMask,
    wake: watch::Receiver<Position>,
    /// Position up to which all changes have been processed.
    after: Position,
    batch: VecDeque<Change>,
    /// Originals of the duplicates in the batch.
    originals: Originals,
    pace: Pace,
    /// True if a checkpoint is due once no change is left: at the start, and after changes that were sent.
    checkpoint_due: bool,
    checkpoint_at: Instant,
}

impl Retrieval {
    /// Streams changes from a position on, then each as it happens. The stream ends only with an error.
    pub async fn watch(
        &self,
        request: &WatchArticlesRequest,
    ) -> Result<impl Stream<Item = Result<Event, RetrieveError>> + Send + 'static, RetrieveError> {
        let mut violations = Violations::default();
        let mut note = |inner: Violations| violations.0.extend(inner.0);
        let filter = Filter::parse_for_readers(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(&mut note).ok();
        let from = match request.change_token.as_str() {
            "" => Some(None),
            token => self.position(token, "change_token").map_err(&mut note).ok().map(Some),
        };
        if request.from_beginning && !request.change_token.is_empty() {
            violations.add("from_beginning", "must not be set together with change_token");
        }
        let (Some(filter), Some(mask), Some(from), true) = (filter, mask, from, violations.0.is_empty()) else {
            return Err(violations.into());
        };
        let wake = self.store.subscribe();
        let head = self.store.head().await?;
        let after = match from {
            // The token is ahead of the store, which has lost changes.
            Some(position) if position > head => return Err(StoreError::UnknownPosition.into()),
            Some(position) => position,
            None if request.from_beginning => Position::START,
            None => head,
        };
        // Rejects a token before the feed's beginning now, not on the first message.
        self.store.changes(after, 1).await?;
        let watch = Watch {
            retrieval: self.clone(),
            filter,
            mask,
            wake,
            after,
            batch: VecDeque::new(),
            originals: Originals::default(),
            pace: Pace::default(),
            checkpoint_due: true,
            checkpoint_at: Instant::now() + self.limits.checkpoint_interval,
        };
        Ok(stream::try_unfold(watch, |mut watch| async move { Ok(Some((watch.next().await?, watch))) }))
    }
}

impl Watch {
    async fn next(&mut self) -> Result<Event, RetrieveError> {
        loop {
            while let Some(change) = self.batch.pop_front() {
                self.after = change.position;
                if let Some(event) = self.event(&change)? {
                    self.checkpoint_due = true;
                    return Ok(Event::Change(Box::new(event)));
                }
                // A filter may skip many articles before one matches. Checkpoints report the progress to the
                // subscriber, and yielding lets other tasks of this thread run.
                if Instant::now() >= self.checkpoint_at {
                    return Ok(self.checkpoint());
                }
                tokio::task::yield_now().await;
            }
            // Before the read, so that a later commit wakes the wait below.
            self.wake.borrow_and_update();
            self.batch = self.retrieval.store.changes(self.after, self.pace.limit(BATCH)).await?.into();
            let size = |change: &Change| change.record.weight() + change.before.as_ref().map_or(0, |it| it.weight());
            self.pace.read(self.batch.iter().map(size));
            if let Some(last) = self.batch.back() {
                let records = self.batch.iter().flat_map(|change| [Some(&change.record), change.before.as_ref()]);
                let records = records.flatten().map(|record| &**record);
                let consistency = Consistency::AtLeast(last.position);
                self.originals = self.retrieval.originals(records, consistency).await?;
                continue;
            }
            if self.checkpoint_due || Instant::now() >= self.checkpoint_at {
                self.checkpoint_due = false;
                return Ok(self.checkpoint());
            }
            let until = self.checkpoint_at.min(Instant::now() + self.retrieval.limits.poll);
            if let Ok(Err(_closed)) = tokio::time::timeout_at(until, self.wake.changed()).await {
                return Err(StoreError::Unavailable("it is closing").into());
            }
        }
    }

    fn checkpoint(&mut self) -> Event {
        self.checkpoint_at = Instant::now() + self.retrieval.limits.checkpoint_interval;
        Event::Checkpoint(self.retrieval.token(self.after))
    }

    fn event(&self, change: &Change) -> Result<Option<Watched>, RetrieveError> {
        let now = Timestamp::now();
        // Of an article that was put back under embargo, only the change that did so is sent.
        let embargoed = change.now.embargo_time.is_some_and(|time| now < time);
        let re_embargoed = embargoed && change.record.readable(now).is_ok();
        if !change.announced || re_embargoed || !self.matches(change, now)? {
            return Ok(None);
        }
        let record = self.originals.redact(&change.record, now);
        // A revision that was unreadable when written stays hidden.
        let article = match record.readable(record.update_time) {
            Ok(article) if change.now.readable(now) => Some(self.mask.apply(article)),
            _ => None,
        };
        Ok(Some(Watched {
            name: record.id.name(),
            kind: change.kind,
            revision: record.revision,
            time: record.update_time,
            change_token: record.token.encode(),
            article,
        }))
    }

    /// Returns true if the article matches the filter after the change, or before it: a subscriber must learn that an
    /// article no longer matches.
    fn matches(&self, change: &Change, now: Timestamp) -> Result<bool, StoreError> {
        if self.filter.is_empty() {
            return Ok(true);
        }
        let matches = |record: &Arc<Record>| -> Result<bool, StoreError> {
            let record = self.originals.redact(record, now);
            // Never matches an embargoed revision: a match would leak its text.
            Ok(!record.was_embargoed() && self.filter.matches(&record.decode().map_err(|_| StoreError::Damaged)?))
        };
        if matches(&change.record)? {
            return Ok(true);
        }
        change.before.as_ref().map_or(Ok(false), matches)
    }
}
