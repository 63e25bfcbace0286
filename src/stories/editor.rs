//! Decisions of editors: articles that move to another story, and stories that are merged.
//!
//! A decision is a step like those of the replica that groups articles, at the same position in the change feed. It is
//! applied only if no other step came first; then the stories are read again. So it works on every replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Stories;
use super::editing::{pin, place};
use crate::article::{ArticleId, Lifecycle, StoryId, Violations};
use crate::overload::caller::for_current;
use crate::proto::{MergeStoriesRequest, MoveStoryArticlesRequest};
use crate::store::{Consistency, GroupedUntil, GroupingStep, Store, StoreError, StoryMember};
use crate::telemetry::trace::{current_context, with_context};

/// Maximum number of articles of a story that an editor's decision makes.
pub const MAX_EDITED: usize = 1_000;
/// Maximum number of articles that are moved in one call.
const MAX_MOVED: usize = 100;
/// Number of memberships that are read at a time.
const PAGE: usize = 1_000;
/// Number of tries, each after another step came first.
const MAX_TRIES: u32 = 10;
/// Pause after the first try. It grows by as much after each.
const PAUSE: Duration = Duration::from_millis(10);
/// Expected name of a story that an article or a story is to go to.
const OTHER_STORY: &str = "must be another story";

/// Decision of an editor.
#[derive(Clone, Debug)]
pub enum StoryEdit {
    /// Articles move to another story, or become a story by themselves.
    Move {
        /// Story that they are in.
        parent: StoryId,
        /// Articles, in the order of the request.
        articles: Vec<ArticleId>,
        /// Story that they move to; none to divide them from their story.
        destination: Option<StoryId>,
    },
    /// A story becomes part of another one.
    Merge {
        /// Story that remains.
        story: StoryId,
        /// Story that becomes part of it.
        source: StoryId,
    },
}

/// Story that an editor has changed.
#[derive(Clone, Debug)]
pub struct EditedStory {
    /// Story that has the articles now.
    pub story: StoryId,
    /// All memberships in it, at most [`MAX_EDITED`].
    pub members: Vec<StoryMember>,
    /// False if everything was as decided before.
    pub is_changed: bool,
}

/// Error of an editor's decision.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum StoryEditError {
    /// The request is invalid, or an article is not in the story.
    #[error("{0}")]
    Invalid(#[from] Violations),
    /// The story does not exist.
    #[error("{0:?} does not exist")]
    NotFound(StoryId),
    /// The story has more than [`MAX_EDITED`] articles, or would have.
    #[error("{0:?} would have too many articles")]
    TooLarge(StoryId),
    /// The article was purged.
    #[error("{0:?} was purged")]
    Purged(ArticleId),
    /// Too many other steps came first. Retryable.
    #[error("too many concurrent changes of stories")]
    Contended,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes of a decision, as of a state.
struct Plan {
    story: StoryId,
    /// Memberships of the story that stay as they are.
    present: Vec<StoryMember>,
    changed: Vec<StoryMember>,
    merges: Vec<(StoryId, StoryId)>,
}

/// Callback with the result of a decision.
type Observer = Box<dyn FnOnce(&Result<EditedStory, StoryEditError>) + Send>;

/// Service that applies decisions of editors.
#[derive(Clone)]
pub struct StoryEditor {
    store: Arc<dyn Store>,
    stories: Arc<Stories>,
}

impl StoryEdit {
    /// Parses a request to move articles.
    ///
    /// # Errors
    /// Returns all invalid fields.
    pub fn of_move(request: &MoveStoryArticlesRequest) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let parent = StoryId::from_name(&request.parent).map_err(|expected| violations.add("parent", expected)).ok();
        let destination = match request.destination_story.as_str() {
            "" => None,
            name => StoryId::from_name(name).map_err(|expected| violations.add("destination_story", expected)).ok(),
        };
        if destination.is_some() && destination == parent {
            violations.add("destination_story", OTHER_STORY);
        }
        let names = &request.articles;
        if names.is_empty() || names.len() > MAX_MOVED {
            violations.add("articles", format!("must be 1 to {MAX_MOVED} names"));
        }
        let (mut seen, mut articles) = (BTreeSet::new(), Vec::new());
        for (at, name) in names.iter().enumerate().take(MAX_MOVED) {
            match ArticleId::from_name(name) {
                _ if !seen.insert(name) => violations.add(article_field(at), "must not be named twice"),
                Ok(id) => articles.push(id),
                Err(expected) => violations.add(article_field(at), expected),
            }
        }
        match parent {
            Some(parent) if violations.0.is_empty() => Ok(Self::Move { parent, articles, destination }),
            _ => Err(violations),
        }
    }

    /// Parses a request to merge stories.
    ///
    /// # Errors
    /// Returns all invalid fields.
    pub fn of_merge(request: &MergeStoriesRequest) -> Result<Self, Violations> {
        let mut violations = Violations::default();
        let mut parse =
            |field: &str, name: &str| StoryId::from_name(name).map_err(|expected| violations.add(field, expected)).ok();
        match (parse("name", &request.name), parse("source_story", &request.source_story)) {
            (Some(story), Some(source)) if story == source => Err(Violations::one("source_story", OTHER_STORY)),
            (Some(story), Some(source)) => Ok(Self::Merge { story, source }),
            _ => Err(violations),
        }
    }
}

impl StoryEditor {
    /// Creates a service for the stories of a store.
    pub fn new(store: Arc<dyn Store>, stories: Arc<Stories>) -> Self {
        Self { store, stories }
    }

    /// Applies a decision, or returns the result that it would have. Goes on when its caller leaves, so that the
    /// observer, which is not called for a dry run, sees every result.
    ///
    /// # Errors
    /// Returns an error if the decision cannot be applied. Nothing is changed then, unless the store is unavailable.
    pub async fn apply(
        &self,
        edit: StoryEdit,
        validate_only: bool,
        observer: Observer,
    ) -> Result<EditedStory, StoryEditError> {
        if validate_only {
            return self.decide(&edit, true).await;
        }
        let editor = self.clone();
        let applying = async move {
            let result = editor.decide(&edit, false).await;
            observer(&result);
            result
        };
        match tokio::spawn(with_context(current_context(), for_current(applying))).await {
            Ok(result) => result,
            // The panic hook has logged a panic; otherwise the process ends.
            Err(_ended) => Err(StoreError::Internal.into()),
        }
    }

    async fn decide(&self, edit: &StoryEdit, validate_only: bool) -> Result<EditedStory, StoryEditError> {
        let mut refused = StoryEditError::Contended;
        for tries in 1..=MAX_TRIES {
            // Read before the stories: a step that changes them later is noticed.
            let from = self.store.grouped_until().await?;
            refused = match self.plan(edit, from).await {
                Ok(plan) if validate_only || self.store_plan(&plan, from).await? => return Ok(plan.into_edited()),
                Ok(_outdated) => StoryEditError::Contended,
                Err(error @ StoryEditError::Store(_)) => return Err(error),
                Err(error) if self.store.grouped_until().await? == from => return Err(error),
                // The stories may have changed between two reads.
                Err(error) => error,
            };
            tokio::time::sleep(PAUSE * tries).await;
        }
        Err(refused)
    }

    /// Stores the changes of a decision. Returns false, without effect, if another step was done since `from`.
    async fn store_plan(&self, plan: &Plan, from: GroupedUntil) -> Result<bool, StoreError> {
        if plan.changed.is_empty() {
            return Ok(true);
        }
        let (members, merges) = (plan.changed.clone(), plan.merges.clone());
        let applied = self
            .store
            .apply_grouping(GroupingStep { from, until: from.cursor, members, renumbered: Vec::new(), merges })
            .await?;
        self.stories.wake();
        Ok(applied.is_some())
    }

    async fn plan(&self, edit: &StoryEdit, from: GroupedUntil) -> Result<Plan, StoryEditError> {
        match edit {
            StoryEdit::Move { parent, articles, destination } => {
                self.plan_move(*parent, articles, *destination, from).await
            }
            StoryEdit::Merge { story, source } => self.plan_merge(*story, *source, from).await,
        }
    }

    async fn plan_move(
        &self,
        parent: StoryId,
        articles: &[ArticleId],
        destination: Option<StoryId>,
        from: GroupedUntil,
    ) -> Result<Plan, StoryEditError> {
        let (parent_id, ids) = (self.resolve(parent).await?, articles.iter().cloned().collect());
        let (mut moved, has_others) = self.divide(parent_id, &ids).await?;
        if moved.is_empty() && !has_others {
            return Err(StoryEditError::NotFound(parent));
        }
        let story = match destination {
            Some(destination) => self.resolve(destination).await?,
            // All of its articles: they are a story by themselves.
            None if !has_others => parent_id,
            None => StoryId::divided_from(parent_id, &ids),
        };
        let present = match self.members(story).await {
            Ok(present) => present,
            Err(StoryEditError::NotFound(_)) if destination.is_none() => Vec::new(),
            Err(StoryEditError::NotFound(_)) => return Err(StoryEditError::NotFound(destination.unwrap_or(story))),
            Err(error) => return Err(error),
        };
        if story == parent_id {
            moved.clear();
        }
        // Those that are in the destination were moved before: a call can be repeated.
        let (named, others): (Vec<_>, Vec<_>) = present.into_iter().partition(|member| ids.contains(&member.article));
        let mut violations = Violations::default();
        for (at, id) in articles.iter().enumerate() {
            if !moved.contains_key(id) && !named.iter().any(|member| member.article == *id) {
                violations.add(article_field(at), format!("must be in {}", parent.name()));
            }
        }
        violations.or(())?;
        self.check_purged(articles).await?;
        if moved.len() + named.len() + others.len() > MAX_EDITED {
            return Err(StoryEditError::TooLarge(story));
        }
        let merges = match has_others || moved.is_empty() {
            true => Vec::new(),
            false => vec![(parent_id, story)],
        };
        let mut changed = pin(named.iter());
        let mut present = others;
        present.extend(named.into_iter().filter(|member| member.by_editor));
        let known: Vec<StoryMember> = present.iter().chain(&changed).cloned().collect();
        changed.extend(place(moved.into_values().collect(), story, &known, new_number(from)));
        Ok(Plan { story, present, changed, merges })
    }

    async fn plan_merge(&self, story: StoryId, source: StoryId, from: GroupedUntil) -> Result<Plan, StoryEditError> {
        let (story_id, source_id) = (self.resolve(story).await?, self.resolve(source).await?);
        let requested = |requested: StoryId| {
            move |error| match error {
                StoryEditError::NotFound(_) => StoryEditError::NotFound(requested),
                error => error,
            }
        };
        let present = self.members(story_id).await.map_err(requested(story))?;
        if story_id == source_id {
            return Ok(Plan { story: story_id, present, changed: Vec::new(), merges: Vec::new() });
        }
        let moved = self.members(source_id).await.map_err(requested(source))?;
        if present.len() + moved.len() > MAX_EDITED {
            return Err(StoryEditError::TooLarge(story_id));
        }
        let changed = place(moved, story_id, &present, new_number(from));
        Ok(Plan { story: story_id, present, changed, merges: vec![(source_id, story_id)] })
    }

    /// Returns the story that a name stands for: the one that it has become part of, or itself.
    async fn resolve(&self, story: StoryId) -> Result<StoryId, StoreError> {
        Ok(self.store.merged_into(story).await?.unwrap_or(story))
    }

    /// Reads all memberships of a story. Fails if there is none, or if there are too many.
    async fn members(&self, story: StoryId) -> Result<Vec<StoryMember>, StoryEditError> {
        let members = self.store.story_members(story, 0, MAX_EDITED + 1).await?;
        match members.len() {
            0 => Err(StoryEditError::NotFound(story)),
            1..=MAX_EDITED => Ok(members.into_iter().map(|numbered| numbered.member).collect()),
            _ => Err(StoryEditError::TooLarge(story)),
        }
    }

    /// Reads the memberships of some articles of a story of any size. Returns also true if it has other articles.
    async fn divide(
        &self,
        story: StoryId,
        articles: &BTreeSet<ArticleId>,
    ) -> Result<(BTreeMap<ArticleId, StoryMember>, bool), StoreError> {
        let (mut found, mut has_others, mut after) = (BTreeMap::new(), false, 0);
        while found.len() < articles.len() || !has_others {
            let page = self.store.story_members(story, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.number;
            for member in page.into_iter().map(|numbered| numbered.member) {
                if articles.contains(&member.article) {
                    found.insert(member.article.clone(), member);
                } else {
                    has_others = true;
                }
            }
        }
        Ok((found, has_others))
    }

    /// Fails if one of the articles was purged.
    async fn check_purged(&self, articles: &[ArticleId]) -> Result<(), StoryEditError> {
        let found = self.store.get(articles, Consistency::Full).await?;
        let purged = found
            .into_iter()
            .filter_map(|fetched| fetched.record)
            .find(|record| matches!(record.lifecycle, Lifecycle::Purged));
        purged.map_or(Ok(()), |record| Err(StoryEditError::Purged(record.id.clone())))
    }
}

impl Plan {
    fn into_edited(self) -> EditedStory {
        let is_changed = !self.changed.is_empty();
        let members = self.present.into_iter().chain(self.changed).collect();
        EditedStory { story: self.story, members, is_changed }
    }
}

/// Returns a number that no article and no story has: the changes of a step take the numbers after that of its state,
/// and new articles get one of them only from the replica that groups articles.
fn new_number(from: GroupedUntil) -> u64 {
    from.number + 1
}

fn article_field(at: usize) -> String {
    format!("articles[{at}]")
}
