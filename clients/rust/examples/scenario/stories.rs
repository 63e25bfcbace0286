//! Steps of the scenario that concern stories, which are articles that report one event, and reads.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::watch_stories_response::Event;
use copydesk_client::proto::{
    Article, ArticleFilter, ArticleReads, Document, GetArticleRequest, GetStoryRequest, IngestArticleRequest,
    ListArticlesRequest, ListMostReadArticlesRequest, ListRelatedArticlesRequest, ListStoryArticlesRequest,
    ListTopStoriesRequest, MergeStoriesRequest, MostReadArticle, MoveStoryArticlesRequest, RecordReadsRequest, Story,
    StoryFilter, StringCondition, WatchStoriesRequest, WithdrawArticleRequest, WithdrawScope,
};
use prost_types::FieldMask;
use tonic::{Request, Status};

use crate::{Outcome, Scenario, failure, fresh, yes};

/// Stories of articles, by their names.
type StoriesOf = HashMap<String, String>;

impl Scenario {
    pub(crate) async fn stories(&self) -> Outcome {
        let (first, second, story) = self.story().await?;
        let token = self.watch_stories(&first, &second, &story).await?;
        let divided = self.split(&second, &story, token).await?;
        self.merge(&first, &second, &story, &divided).await?;
        self.most_read(&first, &second).await?;
        self.kill_story(&first, &story).await
    }

    /// Returns the articles of the story, and the story.
    async fn story(&self) -> Result<(Article, Article, Story), Box<dyn Error>> {
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
        let of_second = self.get_story(format!("{}/story", second.name)).await?;
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
        Ok((first, second, story))
    }

    async fn get_story(&self, name: String) -> Result<Story, Status> {
        let response = self.client.retrieval.clone().get_story(GetStoryRequest { name }).await?;
        Ok(response.into_inner().story.unwrap_or_default())
    }

    async fn ingest_text(&self, file: &str, url: &str) -> Result<Article, Box<dyn Error>> {
        let payload = Some(Payload::Text(std::fs::read_to_string(self.data.join(file))?));
        let document = Some(Document { payload, url: url.into(), ..Document::default() });
        let request = IngestArticleRequest { document, ..Default::default() };
        let response = self.client.ingestion.clone().ingest_article(request).await?;
        Ok(response.into_inner().into_first().unwrap_or_default().article.unwrap_or_default())
    }

    /// Returns the token from which to resume.
    async fn watch_stories(&self, first: &Article, second: &Article, story: &Story) -> Result<String, Box<dyn Error>> {
        let (stories, token) = self.watch_until(WatchStoriesRequest::from_beginning(), second, story).await?;
        let of_first = self.get_story(format!("{}/story", first.name)).await?;
        let articles = stories.values().filter(|name| **name == story.name).count();
        let same_story = yes(stories.get(&first.name) == Some(&of_first.name));
        println!("28 watch-stories articles={articles} same-story={same_story}");
        Ok(token)
    }

    /// Watches until a checkpoint at which the article is in the story. Returns the stories of the articles that were
    /// sent, and the token of the checkpoint.
    async fn watch_until(
        &self,
        request: WatchStoriesRequest,
        article: &Article,
        story: &Story,
    ) -> Result<(StoriesOf, String), Box<dyn Error>> {
        let mut request = Request::new(request);
        request.set_timeout(Duration::from_secs(30));
        // Dropping the stream ends the call.
        let mut events = self.client.retrieval.clone().watch_stories(request).await?.into_inner();
        let mut stories = StoriesOf::new();
        while let Some(message) = events.message().await? {
            match message.event {
                // The article is not readable any more.
                Some(Event::Change(change)) if change.story.is_empty() => drop(stories.remove(&change.article)),
                Some(Event::Change(change)) => drop(stories.insert(change.article, change.story)),
                // Another replica may have read only what was grouped before.
                Some(Event::Checkpoint(checkpoint)) if stories.get(&article.name) == Some(&story.name) => {
                    return Ok((stories, checkpoint.watch_token));
                }
                _ => {}
            }
        }
        Err("the watch ended before the article was in the story".into())
    }

    /// Returns the new story, of the second article.
    async fn split(&self, second: &Article, story: &Story, token: String) -> Result<Story, Box<dyn Error>> {
        let request = MoveStoryArticlesRequest {
            parent: story.name.clone(),
            articles: vec![second.name.clone()],
            // Without a destination the article becomes a story by itself.
            ..MoveStoryArticlesRequest::default()
        };
        let moved = self.client.editorial.clone().move_story_articles(request).await?.into_inner();
        let divided = moved.story.unwrap_or_default();
        let (stories, _token) = self.watch_until(WatchStoriesRequest::after(token), second, &divided).await?;
        let request = GetArticleRequest {
            name: second.name.clone(),
            // No view includes `story`: a mask has to name it.
            read_mask: mask(&["story"]),
            consistency: fresh(second),
            ..GetArticleRequest::default()
        };
        let got = self.client.retrieval.clone().get_article(request).await?.into_inner();
        let article = got.article.unwrap_or_default();
        let new_name = yes(divided.name != story.name);
        let watched = yes(stories.get(&second.name) == Some(&divided.name));
        let by_mask = yes(article.story == divided.name);
        let articles = divided.article_count;
        println!("29 split articles={articles} new-name={new_name} watched={watched} by-mask={by_mask}");
        Ok(divided)
    }

    async fn merge(&self, first: &Article, second: &Article, story: &Story, divided: &Story) -> Outcome {
        let request = MergeStoriesRequest {
            name: story.name.clone(),
            source_story: divided.name.clone(),
            ..MergeStoriesRequest::default()
        };
        let merged = self.client.editorial.clone().merge_stories(request).await?.into_inner();
        let merged = merged.story.unwrap_or_default();
        // The former name returns the story from now on, also in filters.
        let former = self.get_story(divided.name.clone()).await?;
        let in_story = Some(StringCondition::any_of([&divided.name]));
        let filter = ArticleFilter { stories: in_story, ..ArticleFilter::default() };
        let listed = self.list_stories_of(second, filter.clone()).await?;
        let one = self.list_stories_of(second, ArticleFilter { one_per_story: true, ..filter }).await?;
        let same_name = yes(merged.name == story.name && former.name == story.name);
        let same_story = yes(listed.iter().all(|article| article.story == story.name));
        let earliest = yes(one.first().is_some_and(|article| article.name == first.name));
        println!(
            "30 merge articles={} same-name={same_name} listed={} same-story={same_story} one-per-story={} earliest={}",
            merged.article_count,
            listed.len(),
            one.len(),
            earliest
        );
        Ok(())
    }

    /// Returns the names and stories of articles.
    async fn list_stories_of(&self, written: &Article, filter: ArticleFilter) -> Result<Vec<Article>, Status> {
        let request = ListArticlesRequest {
            filter: Some(filter),
            read_mask: mask(&["name", "story"]),
            consistency: fresh(written),
            ..ListArticlesRequest::default()
        };
        Ok(self.client.retrieval.clone().list_articles(request).await?.into_inner().articles)
    }

    async fn most_read(&self, first: &Article, second: &Article) -> Outcome {
        let mut retrieval = self.client.retrieval.clone();
        let reads_of = |article: &Article, read_count| {
            let article = article.name.clone();
            ArticleReads { article, read_count, ..ArticleReads::default() }
        };
        let reads = vec![reads_of(first, 2), reads_of(second, 5)];
        let expected = reads.len();
        retrieval.record_reads(RecordReadsRequest { reads }).await?;
        let mut listed: Vec<MostReadArticle> = Vec::new();
        // Reads are listed within about 10 seconds, on every replica.
        for _ in 0..60 {
            let all = ListMostReadArticlesRequest::default();
            listed = retrieval.list_most_read_articles(all).await?.into_inner().most_read_articles;
            if listed.len() == expected {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let counts: Vec<String> = listed.iter().map(|read| read.read_count.to_string()).collect();
        let names: Vec<String> = listed.into_iter().map(|read| read.article.unwrap_or_default().name).collect();
        let in_order = yes(names == [second.name.as_str(), first.name.as_str()]);
        println!("31 most-read reads={} in-order={in_order}", counts.join(","));
        Ok(())
    }

    async fn kill_story(&self, article: &Article, story: &Story) -> Outcome {
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
        let problem = failure(self.get_story(story.name.clone()).await)?;
        let (outcome, kind) = (other.outcome().as_str_name(), other.kind().as_str_name());
        println!(
            "32 kill-story others={} outcome={outcome} kind={kind} afterwards={} reason={}",
            others.len(),
            problem.code,
            problem.reason
        );
        Ok(())
    }
}

fn mask(paths: &[&str]) -> Option<FieldMask> {
    Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}
