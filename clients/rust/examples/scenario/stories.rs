//! Steps of the scenario that concern stories: articles that report one event.

use std::error::Error;
use std::time::Duration;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::{
    Article, Document, GetStoryRequest, IngestArticleRequest, ListRelatedArticlesRequest, ListStoryArticlesRequest,
    ListTopStoriesRequest, Story, StoryFilter, WithdrawArticleRequest, WithdrawScope,
};

use crate::{Outcome, Scenario, failure, fresh, yes};

impl Scenario {
    /// Returns the first article of the story, and the story.
    pub(crate) async fn story(&self) -> Result<(Article, Story), Box<dyn Error>> {
        let first = self.ingest_text("story-one.txt", "https://northline.example/kelmore-fire").await?;
        let second = self.ingest_text("story-two.txt", "https://ellery-herald.example/kelmore-fire").await?;
        let mut retrieval = self.client.retrieval.clone();
        let filter = StoryFilter {
            sources: vec!["northline.example".into(), "ellery-herald.example".into()],
            min_source_count: 2,
            ..StoryFilter::default()
        };
        let request = ListTopStoriesRequest {
            filter: Some(filter),
            max_story_articles: 2,
            // Waits until the second article is grouped.
            consistency: fresh(&second),
            ..Default::default()
        };
        let top = retrieval.list_top_stories(request).await?.into_inner().top_stories;
        let top = top.into_iter().next().ok_or("there is no top story")?;
        let story = top.story.unwrap_or_default();
        let request = GetStoryRequest { name: format!("{}/story", second.name) };
        let of_second = retrieval.get_story(request).await?.into_inner().story.unwrap_or_default();
        let request = ListStoryArticlesRequest { parent: story.name.clone(), ..Default::default() };
        let listed = retrieval.list_story_articles(request).await?.into_inner().articles;
        let request = ListRelatedArticlesRequest {
            name: first.name.clone(),
            consistency: fresh(&second),
            ..ListRelatedArticlesRequest::default()
        };
        let related = retrieval.list_related_articles(request).await?.into_inner().related_articles;
        let related = related.first().ok_or("the article has no related ones")?;
        let same_name = yes(of_second.name == story.name);
        let is_second = related.article.as_ref().is_some_and(|article| article.name == second.name);
        let same_story = yes(related.same_story && is_second);
        println!(
            "27 story articles={} sources={} copies={} shown={} same-name={same_name} listed={} same-story={}",
            story.article_count,
            story.source_count,
            story.copy_count,
            top.articles.len(),
            listed.len(),
            same_story
        );
        Ok((first, story))
    }

    async fn ingest_text(&self, file: &str, url: &str) -> Result<Article, Box<dyn Error>> {
        let payload = Some(Payload::Text(std::fs::read_to_string(self.data.join(file))?));
        let document = Some(Document { payload, url: url.into(), ..Document::default() });
        let request = IngestArticleRequest { document, ..Default::default() };
        let response = self.client.ingestion.clone().ingest_article(request).await?;
        Ok(response.into_inner().into_first().unwrap_or_default().article.unwrap_or_default())
    }

    pub(crate) async fn kill_story(&self, article: &Article, story: &Story) -> Outcome {
        let request = WithdrawArticleRequest {
            name: article.name.clone(),
            scope: WithdrawScope::Story.into(),
            reason: "There was no fire.".into(),
            ..Default::default()
        };
        let others = self.client.editorial.clone().withdraw_article(request).await?.into_inner().copies;
        let other = others.first().ok_or("no other article was withdrawn")?;
        // GetStory has no `consistency`: any replica may be stale by a second.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let request = GetStoryRequest { name: story.name.clone() };
        let problem = failure(self.client.retrieval.clone().get_story(request).await)?;
        let (outcome, kind) = (other.outcome().as_str_name(), other.kind().as_str_name());
        println!(
            "28 kill-story others={} outcome={outcome} kind={kind} afterwards={} reason={}",
            others.len(),
            problem.code,
            problem.reason
        );
        Ok(())
    }
}
