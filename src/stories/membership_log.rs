//! Memberships in the order of their changes, for watches.
//!
//! Watches that have caught up ask for the same page at the same moment. One of them reads it from the store, and the
//! others get the same copy. Reads are made one after the other, so watches together use one connection of the store,
//! however many they are.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::article::{ArticleId, StoryId};
use crate::store::{GroupedUntil, Store, StoreError};

/// Maximum number of memberships that are read at a time.
const PAGE: usize = 1_000;

/// Membership with the number of its last change, without the facts that grouping needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Number, ascending in the order of changes.
    pub number: u64,
    /// Article.
    pub article: ArticleId,
    /// Its story.
    pub story: StoryId,
}

/// Page that was read.
struct Page {
    after: u64,
    until: GroupedUntil,
    memberships: Arc<[Membership]>,
}

/// Reader of the memberships for all watches of a replica.
pub(super) struct MembershipLog {
    store: Arc<dyn Store>,
    latest: Mutex<Option<Page>>,
}

impl MembershipLog {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, latest: Mutex::default() }
    }

    /// Returns the first memberships with a number after `after` and up to that of `until`, in order.
    pub(super) async fn read(&self, after: u64, until: GroupedUntil) -> Result<Arc<[Membership]>, StoreError> {
        let mut latest = self.latest.lock().await;
        if let Some(page) = latest.as_ref().filter(|page| (page.after, page.until) == (after, until)) {
            return Ok(Arc::clone(&page.memberships));
        }
        let members = self.store.changed_members(after, PAGE, false).await?;
        // A later one belongs to a state that this replica does not know yet.
        let members = members.into_iter().take_while(|numbered| numbered.number <= until.number);
        let memberships: Arc<[Membership]> = members
            .map(|numbered| Membership {
                number: numbered.number,
                article: numbered.member.article,
                story: numbered.member.story,
            })
            .collect();
        *latest = Some(Page { after, until, memberships: Arc::clone(&memberships) });
        Ok(memberships)
    }
}
