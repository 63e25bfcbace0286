//! Retrieval of articles: one file per way to read. None of them depends on a cache.

mod aggregate;
mod article_stories;
mod batch;
mod batch_size;
mod copies;
mod diff;
mod error;
mod export;
mod export_token;
mod find;
mod get;
mod ingest_events;
mod list;
mod lookup;
mod matching;
mod most_read;
mod page_token;
mod record_reads;
mod related;
mod revisions;
mod search;
mod snippet;
mod source;
mod stories;
mod story_choice;
mod top_stories;
mod watch;
mod watch_start;
mod watch_stories;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use aggregate::{Aggregated, ArticleCounts, CountKey};
pub use batch::{Batch, Lookups};
pub use copies::{CopyEntry, CopyPage};
pub use error::RetrieveError;
pub use export::{Export, ExportProgress, Exported};
pub use get::Got;
pub use list::Page;
pub use most_read::{MostReadEntry, MostReadPage};
pub use related::{RelatedEntry, RelatedPage};
pub use revisions::{RevisionEntry, RevisionPage};
pub use search::{Hit, Results};
pub use snippet::TextPart;
pub use stories::StoryArticles;
pub use top_stories::{ListedStory, StoryPage};
pub use watch::{Event, Watched};
pub use watch_stories::{StoryEvent, WatchedMembership};

use crate::article::{ChangeToken, Position, Violations};
use crate::proto;
use crate::read_counts::ReadCounts;
use crate::search::SearchIndex;
use crate::store::{Consistency, Store, StoreError};
use crate::stories::Stories;

/// Limits and intervals of retrieval.
#[derive(Clone, Debug)]
pub struct RetrieveLimits {
    /// Maximum number of articles per page of a list.
    pub max_page_size: usize,
    /// Maximum number of names per batch.
    pub max_batch_size: usize,
    /// Interval of checkpoints in a watch without changes, and of progress messages in an export.
    pub checkpoint_interval: Duration,
    /// Maximum number of articles between progress messages in an export.
    pub progress_articles: usize,
    /// Time after which deleted articles are purged, shown to editors; never if absent.
    pub deleted_keep: Option<Duration>,
    /// Maximum staleness of counts: without a count, the index may be older.
    pub staleness_bound: Duration,
    /// Interval at which a watch polls the change feed if it is not notified.
    pub poll: Duration,
}

/// Callers for whom an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Readers see readable articles.
    Readers,
    /// Editors see articles in every state.
    Editors,
}

/// Service that reads articles.
#[derive(Clone)]
pub struct Retrieval {
    store: Arc<dyn Store>,
    index: Arc<SearchIndex>,
    stories: Option<Arc<Stories>>,
    read_counts: Arc<ReadCounts>,
    limits: RetrieveLimits,
    /// Permits of comparisons, which take processor time: half of the processors stay free of them.
    diffs: Arc<Semaphore>,
}

impl Retrieval {
    /// Creates a service that reads from a store, its search index, its stories, unless they are off, and the counts of
    /// reads.
    pub fn new(
        store: Arc<dyn Store>,
        index: Arc<SearchIndex>,
        stories: Option<Arc<Stories>>,
        read_counts: Arc<ReadCounts>,
        limits: RetrieveLimits,
    ) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let diffs = Arc::new(Semaphore::new((processors / 2).max(1)));
        Self { store, index, stories, read_counts, limits, diffs }
    }

    /// Parses the consistency of a request.
    fn consistency(&self, requested: Option<&proto::Consistency>) -> Result<Consistency, Violations> {
        use proto::consistency::Requirement;
        match requested.and_then(|requested| requested.requirement.as_ref()) {
            None | Some(Requirement::FullyConsistent(false)) => Ok(Consistency::Bounded),
            Some(Requirement::FullyConsistent(true)) => Ok(Consistency::Full),
            Some(Requirement::AtLeastAsFresh(token)) => {
                self.position(token, "consistency.at_least_as_fresh").map(Consistency::AtLeast)
            }
        }
    }

    /// Decodes a change token of a client.
    fn position(&self, token: &str, field: &str) -> Result<Position, Violations> {
        let token = ChangeToken::decode(token).map_err(|expected| Violations::one(field, expected))?;
        if token.feed == self.store.feed_id() {
            Ok(token.position)
        } else {
            Err(Violations::one(field, "belongs to another store; must be a change_token of this store"))
        }
    }

    /// Waits until reads of the store see a position. An engine with one writer sees every position it has issued, so a
    /// later one was lost or forged.
    async fn reach(&self, consistency: Consistency) -> Result<(), RetrieveError> {
        match consistency {
            Consistency::AtLeast(position) if !self.store.reaches(position).await? => {
                Err(StoreError::UnknownPosition.into())
            }
            _ => Ok(()),
        }
    }

    fn token(&self, position: Position) -> String {
        ChangeToken { feed: self.store.feed_id(), position }.encode()
    }
}

/// Returns the size of a page: `default` if not requested, at most `max`.
fn page_size(requested: i32, default: usize, max: usize) -> Result<usize, Violations> {
    match usize::try_from(requested) {
        Ok(0) => Ok(default.min(max)),
        Ok(size) => Ok(size.min(max)),
        Err(_) => Err(Violations::one("page_size", format!("must not be negative; 0 means {default}"))),
    }
}
