//! The change feed, as a stream.
//!
//! Nothing is queued for a subscriber: the stream reads the feed when the transport has room. So a slow subscriber costs one
//! batch of memory, and one that stops reading costs no more.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::pace::Pace;
use super::{Retrieval, RetrieveError};
use crate::article::{ChangeKind, EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::WatchArticlesRequest;
use crate::store::{Change, Consistency, Originals, StoreError};

/// How many changes are read at a time.
const BATCH: usize = 100;

/// A message of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// A change.
    Change(Box<Watched>),
    /// Every change up to here has been sent.
    Checkpoint(String),
}

/// A change of an article.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The article's name.
    pub name: String,
    /// What kind of change.
    pub kind: ChangeKind,
    /// The revision that it made.
    pub revision: i64,
    /// When.
    pub time: Timestamp,
    /// Go on from here.
    pub change_token: String,
    /// The article as the change left it, masked, if it can be read now.
    pub article: Option<EncodedArticle>,
}

struct Watch {
    retrieval: Retrieval,
    filter: Filter,
    mask: ReadMask,
    wake: watch::Receiver<Position>,
    /// Every change up to here has been looked at.
    after: Position,
    batch: VecDeque<Change>,
    /// Of the duplicates in the batch.
    originals: Originals,
    pace: Pace,
    /// Whether a checkpoint is due as soon as nothing is left: at the start, and after changes that were sent.
    behind: bool,
    checkpoint_at: Instant,
}

impl Retrieval {
    /// Changes from a position on, and then each as it happens. The stream ends only by an error.
    pub async fn watch(
        &self,
        request: &WatchArticlesRequest,
    ) -> Result<impl Stream<Item = Result<Event, RetrieveError>> + Send + 'static, RetrieveError> {
        let mut wrong = Violations::default();
        let mut note = |inner: Violations| wrong.0.extend(inner.0);
        let filter = Filter::parse(request.filter.as_ref()).map_err(&mut note).ok();
        let mask = ReadMask::parse(request.read_mask.as_ref()).map_err(&mut note).ok();
        let from = match request.change_token.as_str() {
            "" => Some(None),
            token => self.position(token, "change_token").map_err(&mut note).ok().map(Some),
        };
        if request.from_beginning && !request.change_token.is_empty() {
            wrong.add("from_beginning", "must not be set together with change_token");
        }
        let (Some(filter), Some(mask), Some(from), true) = (filter, mask, from, wrong.0.is_empty()) else {
            return Err(wrong.into());
        };
        let wake = self.store.wake();
        let head = self.store.head().await?;
        let after = match from {
            // From a store that has lost what the token saw.
            Some(position) if position > head => return Err(StoreError::Foreign.into()),
            Some(position) => position,
            None if request.from_beginning => Position::START,
            None => head,
        };
        // Refuses a token from before the feed's beginning now, not on the first message.
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
            behind: true,
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
                    self.behind = true;
                    return Ok(Event::Change(Box::new(event)));
                }
                // A filter may look at many articles before one matches. Who waits for it is told how far that has come; and
                // others have work on this thread.
                if Instant::now() >= self.checkpoint_at {
                    return Ok(self.checkpoint());
                }
                tokio::task::yield_now().await;
            }
            // Marks what is known now as seen, so that a commit from here on wakes the wait below.
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
            if self.behind || Instant::now() >= self.checkpoint_at {
                self.behind = false;
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
        // An article that was pulled back under embargo: of its changes, only the one that pulled it back is told.
        let embargoed = change.now.embargo_time.is_some_and(|time| now < time);
        let pulled_back = embargoed && change.record.readable(now).is_ok();
        if !change.announced || pulled_back || !self.matches(change, now)? {
            return Ok(None);
        }
        let record = self.originals.show(&change.record, now);
        // What could not be read when it was written is not shown later either.
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

    /// After the change, or before it: who watches a filter must learn that an article has left it.
    fn matches(&self, change: &Change, now: Timestamp) -> Result<bool, StoreError> {
        if self.filter.is_empty() {
            return Ok(true);
        }
        let matches = |record: &Arc<Record>| -> Result<bool, StoreError> {
            let record = self.originals.show(record, now);
            // Not of what was held back: whether a filter matches it would tell what it says.
            Ok(!record.was_held() && self.filter.matches(&record.decode().map_err(|_| StoreError::Damaged)?))
        };
        if matches(&change.record)? {
            return Ok(true);
        }
        change.before.as_ref().map_or(Ok(false), matches)
    }
}
