//! Articles out. One file for each way to read; none of them knows whether a cache is in between.

mod error;
mod export;
mod get;
mod list;
mod pace;
mod page_token;
mod revisions;
mod search;
mod snippet;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use error::RetrieveError;
pub use export::{Export, Exported};
pub use get::{Batch, Got};
pub use list::Page;
pub use revisions::{RevisionEntry, RevisionPage};
pub use search::{Hit, Results};
pub use watch::{Event, Watched};

use crate::article::{ChangeToken, Position, Record, Violations};
use crate::proto;
use crate::store::{Consistency, Originals, Store, StoreError};

/// How much one call may ask for.
#[derive(Clone, Debug)]
pub struct RetrieveLimits {
    /// Articles on a page of a list.
    pub max_page_size: usize,
    /// Names in a batch.
    pub max_batch_size: usize,
    /// How often a watch without news says that it is alive.
    pub checkpoint_interval: Duration,
    /// How often a watch asks the feed when nothing wakes it.
    pub poll: Duration,
}

/// Reads articles.
#[derive(Clone)]
pub struct Retrieval {
    store: Arc<dyn Store>,
    limits: RetrieveLimits,
}

impl Retrieval {
    /// Reads from a store.
    pub fn new(store: Arc<dyn Store>, limits: RetrieveLimits) -> Self {
        Self { store, limits }
    }

    /// The consistency that a request asks for.
    fn consistency(&self, asked: Option<&proto::Consistency>) -> Result<Consistency, Violations> {
        use proto::consistency::Requirement;
        match asked.and_then(|asked| asked.requirement.as_ref()) {
            None | Some(Requirement::FullyConsistent(false)) => Ok(Consistency::Bounded),
            Some(Requirement::FullyConsistent(true)) => Ok(Consistency::Full),
            Some(Requirement::AtLeastAsFresh(token)) => {
                self.position(token, "consistency.at_least_as_fresh").map(Consistency::AtLeast)
            }
        }
    }

    /// The position that a client's token means.
    fn position(&self, token: &str, field: &str) -> Result<Position, Violations> {
        let token = ChangeToken::decode(token).map_err(|right| Violations::one(field, right))?;
        if token.feed == self.store.feed() {
            Ok(token.position)
        } else {
            Err(Violations::one(field, "must be a change_token of this store; this one is another store's"))
        }
    }

    /// Waits until the store's reads see a position. An engine with one writer sees all that it handed out, so a position
    /// that it has not is one that was lost, or made up.
    async fn reach(&self, consistency: Consistency) -> Result<(), RetrieveError> {
        match consistency {
            Consistency::AtLeast(position) if !self.store.reaches(position).await? => Err(StoreError::Foreign.into()),
            _ => Ok(()),
        }
    }

    /// Looks up the originals of those records that are duplicates.
    fn originals<'a, 's>(
        &'s self,
        records: impl IntoIterator<Item = &'a Record>,
        consistency: Consistency,
    ) -> BoxFuture<'s, Result<Originals, StoreError>> {
        Originals::of(&*self.store, records, consistency)
    }

    fn token(&self, position: Position) -> String {
        ChangeToken { feed: self.store.feed(), position }.encode()
    }
}

/// How many items a page shall have: `default` when not said, never more than `most`.
fn page_size(asked: i32, default: usize, most: usize) -> Result<usize, Violations> {
    match usize::try_from(asked) {
        Ok(0) => Ok(default.min(most)),
        Ok(size) => Ok(size.min(most)),
        Err(_) => Err(Violations::one("page_size", format!("must not be negative; 0 means {default}"))),
    }
}
