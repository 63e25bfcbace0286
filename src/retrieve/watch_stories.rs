//! Changes of memberships in stories as a stream.
//!
//! As in a watch of articles, nothing is queued for a subscriber: the stream reads when the transport has capacity. A
//! membership is sent as it is now. It gets a new number whenever its article moves, is hidden or is shown again, so a
//! subscriber that has received all of them knows the story of each readable article.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::{Stream, stream};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;

use super::batch_size::Pace;
use super::{Retrieval, RetrieveError};
use crate::article::{ArticleId, Record, Violations, WatchToken};
use crate::proto::WatchStoriesRequest;
use crate::proto::watch_stories_request::Start as Sent;
use crate::store::{Consistency, GroupedUntil, StoreError};
use crate::stories::{Membership, Stories};

/// Maximum number of articles that are read at a time, to check that readers may see them.
const BATCH: usize = 200;

/// Message of a watch of stories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoryEvent {
    /// Change of a membership.
    Change(WatchedMembership),
    /// Watch token up to which all changes have been sent.
    Checkpoint(String),
}

/// Membership, as sent to subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedMembership {
    /// Name of the article.
    pub article: String,
    /// Name of its story; empty if the article is not readable.
    pub story: String,
    /// Token to resume after this change.
    pub watch_token: String,
}

/// Start of a watch of stories.
enum Start {
    /// Changes from now on.
    Now,
    /// Changes after a number.
    After(u64),
}

struct StoryWatch {
    retrieval: Retrieval,
    stories: Arc<Stories>,
    /// Signals the state of grouping that this replica has read.
    reached: watch::Receiver<GroupedUntil>,
    /// Number up to which all changes have been sent.
    after: u64,
    /// Memberships that were read, and the number of those that are checked.
    page: Arc<[Membership]>,
    checked: usize,
    /// Freshness of the articles of the page: at least as of the decisions about them.
    consistency: Consistency,
    /// Changes to be sent, each with the number of its membership.
    batch: VecDeque<(u64, WatchedMembership)>,
    pace: Pace,
    /// True if a checkpoint is due once no change is left: at the start, and after changes that were sent.
    checkpoint_due: bool,
    checkpoint_at: Instant,
}

impl Retrieval {
    /// Streams the memberships that have changed after a token, then each as it changes. The stream ends only with an
    /// error.
    pub async fn watch_stories(
        &self,
        request: &WatchStoriesRequest,
    ) -> Result<impl Stream<Item = Result<StoryEvent, RetrieveError>> + Send + 'static, RetrieveError> {
        let stories = Arc::clone(self.recent_stories()?);
        let start = self.story_watch_start(request)?;
        let stored = self.store.grouped_until().await?.number;
        let after = match start {
            Start::Now => stored,
            // The token is ahead of the store, which has lost changes.
            Start::After(number) if number > stored => return Err(StoreError::UnknownPosition.into()),
            Start::After(number) => number,
        };
        let watch = StoryWatch {
            retrieval: self.clone(),
            reached: stories.subscribe(),
            stories,
            after,
            page: Arc::default(),
            checked: 0,
            consistency: Consistency::Full,
            batch: VecDeque::new(),
            pace: Pace::default(),
            checkpoint_due: true,
            checkpoint_at: Instant::now() + self.limits.checkpoint_interval,
        };
        Ok(stream::try_unfold(watch, |mut watch| async move { Ok(Some((watch.next().await?, watch))) }))
    }

    /// Validates the start of a watch of stories.
    fn story_watch_start(&self, request: &WatchStoriesRequest) -> Result<Start, Violations> {
        match &request.start {
            None => Ok(Start::Now),
            Some(Sent::WatchToken(token)) => {
                let invalid = |expected| Violations::one("watch_token", expected);
                let token = WatchToken::decode(token).map_err(invalid)?;
                if token.feed != self.store.feed_id() {
                    return Err(invalid("belongs to another store; must be a watch_token of this store"));
                }
                Ok(Start::After(token.number))
            }
            Some(Sent::Beginning(true)) => Ok(Start::After(0)),
            Some(Sent::Beginning(false)) => {
                Err(Violations::one("beginning", "must be true, or another start must be set, or none"))
            }
        }
    }

    /// Encodes a number of a membership for clients.
    fn watch_token(&self, number: u64) -> String {
        WatchToken { feed: self.store.feed_id(), number }.encode()
    }
}

impl StoryWatch {
    async fn next(&mut self) -> Result<StoryEvent, RetrieveError> {
        loop {
            if let Some((number, change)) = self.batch.pop_front() {
                self.after = number;
                self.checkpoint_due = true;
                return Ok(StoryEvent::Change(change));
            }
            if self.checked < self.page.len() {
                self.check().await?;
                continue;
            }
            // Before the read, so that a later step wakes the wait below.
            let reached = *self.reached.borrow_and_update();
            if reached.number > self.after {
                self.read(reached).await?;
                continue;
            }
            // This replica has not yet read what another one has sent, or the store has lost its last changes.
            if reached.number < self.after && self.retrieval.store.grouped_until().await?.number < self.after {
                return Err(StoreError::UnknownPosition.into());
            }
            if self.checkpoint_due || Instant::now() >= self.checkpoint_at {
                self.checkpoint_due = false;
                self.checkpoint_at = Instant::now() + self.retrieval.limits.checkpoint_interval;
                return Ok(StoryEvent::Checkpoint(self.retrieval.watch_token(self.after)));
            }
            if let Ok(Err(_closed)) = tokio::time::timeout_at(self.checkpoint_at, self.reached.changed()).await {
                return Err(StoreError::Unavailable("it is closing").into());
            }
        }
    }

    /// Reads the next page of memberships up to a state. If there are none, all up to it have been sent.
    async fn read(&mut self, until: GroupedUntil) -> Result<(), RetrieveError> {
        self.page = self.stories.memberships(self.after, until).await?;
        self.checked = 0;
        self.consistency = match self.page.last() {
            // As of the decisions or later: otherwise an article that was hidden would be sent with its story, and
            // nothing would follow.
            Some(last) if last.number == until.number => Consistency::AtLeast(until.cursor.position),
            // Caches keep what readers ask for, and this may be a pass over all articles.
            Some(_) => Consistency::Full,
            None => {
                self.after = until.number;
                Consistency::Full
            }
        };
        Ok(())
    }

    /// Checks which of the next articles of the page readers may see.
    async fn check(&mut self) -> Result<(), RetrieveError> {
        let rest = &self.page[self.checked..];
        let next = &rest[..rest.len().min(self.pace.limit(BATCH))];
        let ids: Vec<ArticleId> = next.iter().map(|membership| membership.article.clone()).collect();
        let found = self.retrieval.store.get(&ids, self.consistency).await?;
        self.pace.read(found.iter().map(|fetched| fetched.record.as_ref().map_or(0, |record| record.weight())));
        let now = Timestamp::now();
        for (membership, fetched) in next.iter().zip(found) {
            // The clock of the replica that has ended an embargo may be ahead of this one's.
            let is_shown = |record: &Record| record.readable(now.max(record.update_time)).is_ok();
            let story = match fetched.record.is_some_and(|record| is_shown(&record)) {
                true => membership.story.name(),
                false => String::new(),
            };
            let watch_token = self.retrieval.watch_token(membership.number);
            let article = membership.article.name();
            self.batch.push_back((membership.number, WatchedMembership { article, story, watch_token }));
        }
        self.checked += ids.len();
        Ok(())
    }
}
