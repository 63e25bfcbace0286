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
use super::export::{Export, ExportProgress, Exported};
use super::watch_start::Start;
use super::{Retrieval, RetrieveError};
use crate::article::{ChangeKind, EncodedArticle, Filter, Position, ReadMask, Record, Violations};
use crate::proto::{self, ArticleView, WatchArticlesRequest};
use crate::store::{Change, Shard, StoreError};

/// Maximum number of changes per read.
const BATCH: usize = 100;

/// Message of a watch.
#[derive(Clone, Debug)]
pub enum Event {
    /// Change of an article.
    Change(Box<Watched>),
    /// Change token up to which all changes have been sent.
    Checkpoint(String),
    /// Article of the snapshot.
    Article(EncodedArticle),
    /// Progress of the snapshot.
    Progress(ExportProgress),
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
    /// Kinds of changes to send; all if empty.
    kinds: Vec<ChangeKind>,
    mask: ReadMask,
    /// The rest of the snapshot that is sent before the changes.
    snapshot: Option<Box<Export>>,
    /// Time before which changes are skipped, until the first one that is not.
    skip_before: Option<Timestamp>,
    wake: watch::Receiver<Position>,
    /// Position up to which all changes have been processed.
    after: Position,
    batch: VecDeque<Change>,
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
        let filter = Filter::parse_for_stream(request.filter.as_ref()).map_err(&mut note).ok();
        if filter.as_ref().is_some_and(|filter| filter.one_per_text) {
            // When the article of a text is withdrawn, another one takes its place, without a separate change.
            let expected = "must be false in WatchArticles; group changes by content_digest instead";
            note(Violations::one("filter.one_per_text", expected));
        }
        let mask = ReadMask::parse(request.read_mask.as_ref(), request.view, request.body_format, ArticleView::Full)
            .map_err(&mut note)
            .ok();
        let kinds = kinds(&request.kinds).map_err(&mut note).ok();
        let start = self.watch_start(request).map_err(&mut note).ok();
        let (Some(filter), Some(mask), Some(kinds), Some(start), true) =
            (filter, mask, kinds, start, violations.0.is_empty())
        else {
            return Err(violations.into());
        };
        let wake = self.store.subscribe();
        let head = self.store.head().await?;
        let (mut snapshot, mut skip_before) = (None, None);
        let after = match start {
            // The token is ahead of the store, which has lost changes.
            Start::After(position) if position > head => return Err(StoreError::UnknownPosition.into()),
            Start::After(position) => position,
            Start::Now => head,
            Start::At(time) => {
                skip_before = Some(time);
                self.position_at(time).await?
            }
            Start::Snapshot(position) => {
                let (shard, filter) = (Shard::default(), filter.clone());
                let digest = self.export_digest(request.filter.as_ref(), shard);
                let export = self.export_from(filter, mask.clone(), shard, digest, position).await?;
                snapshot.insert(Box::new(export)).at()
            }
        };
        // Rejects a token before the feed's beginning now, not on the first message.
        self.store.changes(after, 1).await?;
        let watch = Watch {
            retrieval: self.clone(),
            filter,
            kinds,
            mask,
            snapshot,
            skip_before,
            wake,
            after,
            batch: VecDeque::new(),
            pace: Pace::default(),
            checkpoint_due: true,
            checkpoint_at: Instant::now() + self.limits.checkpoint_interval,
        };
        Ok(stream::try_unfold(watch, |mut watch| async move { Ok(Some((watch.next().await?, watch))) }))
    }
}

/// Validates the kinds of changes of a request.
fn kinds(kinds: &[i32]) -> Result<Vec<ChangeKind>, Violations> {
    let mut violations = Violations::default();
    let mut known = Vec::with_capacity(kinds.len().min(16));
    for (at, kind) in kinds.iter().enumerate() {
        match proto::ChangeKind::try_from(*kind).ok().and_then(change_kind) {
            Some(kind) if known.contains(&kind) => {}
            Some(kind) => known.push(kind),
            None => violations.add(format!("kinds[{at}]"), "must be a kind of change, such as CHANGE_KIND_WITHDRAWN"),
        }
    }
    violations.or(known)
}

fn change_kind(kind: proto::ChangeKind) -> Option<ChangeKind> {
    use proto::ChangeKind as Api;
    Some(match kind {
        Api::Unspecified => return None,
        Api::Created => ChangeKind::Created,
        Api::Revised => ChangeKind::Revised,
        Api::Withdrawn => ChangeKind::Withdrawn,
        Api::Reinstated => ChangeKind::Reinstated,
        Api::Deleted => ChangeKind::Deleted,
        Api::Undeleted => ChangeKind::Undeleted,
        Api::Opened => ChangeKind::Opened,
        Api::Expired => ChangeKind::Expired,
        Api::Merged => ChangeKind::Merged,
        Api::Purged => ChangeKind::Purged,
        Api::Reprocessed => ChangeKind::Reprocessed,
    })
}

impl Watch {
    async fn next(&mut self) -> Result<Event, RetrieveError> {
        if let Some(snapshot) = &mut self.snapshot {
            match snapshot.next().await? {
                Exported::Article(article) => return Ok(Event::Article(article)),
                Exported::Progress(progress) => return Ok(Event::Progress(progress)),
                Exported::Summary { .. } => {
                    self.snapshot = None;
                    return Ok(self.checkpoint());
                }
            }
        }
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
            if !self.batch.is_empty() {
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

    fn event(&mut self, change: &Change) -> Result<Option<Watched>, RetrieveError> {
        let now = Timestamp::now();
        let record = &change.record;
        if self.skip_before.is_some_and(|time| record.update_time < time) {
            return Ok(None);
        }
        self.skip_before = None;
        // Of an article that was put back under embargo, only the change that did so is sent.
        let embargoed = change.now.embargo_time.is_some_and(|time| now < time);
        let re_embargoed = embargoed && record.readable(now).is_ok();
        let is_requested = self.kinds.is_empty() || self.kinds.contains(&change.kind);
        if !change.announced || re_embargoed || !is_requested || !self.matches(change)? {
            return Ok(None);
        }
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
    fn matches(&self, change: &Change) -> Result<bool, StoreError> {
        // The fields that matched were erased: a subscriber that has the article must learn it in any case.
        if self.filter.is_empty() || change.kind == ChangeKind::Purged {
            return Ok(true);
        }
        let matches = |record: &Arc<Record>| -> Result<bool, StoreError> {
            // Never matches an embargoed revision: a match would leak its text.
            Ok(!record.was_embargoed() && self.filter.matches(&record.decode().map_err(|_| StoreError::Damaged)?))
        };
        if matches(&change.record)? {
            return Ok(true);
        }
        change.before.as_ref().map_or(Ok(false), matches)
    }
}
