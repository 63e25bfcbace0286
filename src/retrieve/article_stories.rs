//! Stories of the articles in a response: they are not part of a stored article, and are looked up if the read mask
//! names them.

use std::collections::HashMap;

use super::Retrieval;
use crate::article::{ArticleId, EncodedArticle, ReadMask, StoryId};
use crate::store::StoreError;

/// Stories of articles; none if the read mask does not name them.
#[derive(Default)]
pub(super) struct ArticleStories(HashMap<ArticleId, StoryId>);

impl ArticleStories {
    /// Returns an article with its story, if it is in one.
    pub(super) fn add_to(&self, id: &ArticleId, article: EncodedArticle) -> EncodedArticle {
        match self.0.get(id) {
            Some(story) => article.with_story(story),
            None => article,
        }
    }
}

/// Returns the articles whose stories a read mask asks for: all, or none.
pub(super) fn with_stories<'a>(mask: &ReadMask, ids: impl IntoIterator<Item = &'a ArticleId>) -> Vec<ArticleId> {
    match mask.has_story() {
        true => ids.into_iter().cloned().collect(),
        false => Vec::new(),
    }
}

impl Retrieval {
    /// Reads the stories that articles are in now.
    pub(super) async fn article_stories(&self, ids: Vec<ArticleId>) -> Result<ArticleStories, StoreError> {
        if ids.is_empty() {
            return Ok(ArticleStories::default());
        }
        let stories = self.store.stories_of(&ids).await?;
        Ok(ArticleStories(ids.into_iter().zip(stories).filter_map(|(id, story)| Some((id, story?))).collect()))
    }

    /// Returns an article with the story that it is in now, if the read mask names it.
    pub(super) async fn with_story(
        &self,
        mask: &ReadMask,
        id: &ArticleId,
        article: EncodedArticle,
    ) -> Result<EncodedArticle, StoreError> {
        match mask.has_story() {
            true => Ok(self.article_stories(vec![id.clone()]).await?.add_to(id, article)),
            false => Ok(article),
        }
    }
}
