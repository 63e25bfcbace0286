"""Steps of the scenario that concern stories: articles that report one event."""

import time
from pathlib import Path

from copydesk.v1.article_pb2 import Article, CopyKind
from copydesk.v1.editorial_service_pb2 import CopyOutcome, WithdrawArticleRequest, WithdrawScope
from copydesk.v1.ingestion_service_pb2 import Document, IngestArticleRequest
from copydesk.v1.retrieval_service_pb2 import (
    GetStoryRequest,
    ListRelatedArticlesRequest,
    ListStoryArticlesRequest,
    ListTopStoriesRequest,
)
from copydesk.v1.story_pb2 import Story, StoryFilter

from copydesk_client.connection import Client
from copydesk_client.steps import failure, fresh, yes


class Stories:
    def __init__(self, client: Client, data: Path) -> None:
        self.client, self.data = client, data

    def story(self) -> tuple[Article, Story]:
        """Returns the first article of the story, and the story."""
        first = self.ingest("story-one.txt", "https://northline.example/kelmore-fire")
        second = self.ingest("story-two.txt", "https://ellery-herald.example/kelmore-fire")
        # Waits until the second article is grouped.
        request = ListTopStoriesRequest(
            filter=StoryFilter(sources=["northline.example", "ellery-herald.example"], min_source_count=2),
            max_story_articles=2,
            consistency=fresh(second),
        )
        top = self.client.retrieval.ListTopStories(request).top_stories[0]
        story = top.story
        of_second = self.client.retrieval.GetStory(GetStoryRequest(name=f"{second.name}/story")).story
        listed = self.client.retrieval.ListStoryArticles(ListStoryArticlesRequest(parent=story.name)).articles
        request = ListRelatedArticlesRequest(name=first.name, consistency=fresh(second))
        related = self.client.retrieval.ListRelatedArticles(request).related_articles[0]
        counts = f"articles={story.article_count} sources={story.source_count} copies={story.copy_count}"
        same_name = yes(of_second.name == story.name)
        same_story = yes(related.same_story and related.article.name == second.name)
        lists = f"shown={len(top.articles)} same-name={same_name} listed={len(listed)} same-story={same_story}"
        print(f"27 story {counts} {lists}")
        return first, story

    def ingest(self, file: str, url: str) -> Article:
        document = Document(text=(self.data / file).read_text(encoding="utf-8"), url=url)
        request = IngestArticleRequest(document=document)
        return self.client.ingestion.IngestArticle(request).results[0].ingested.article

    def kill_story(self, article: Article, story: Story) -> None:
        scope = WithdrawScope.WITHDRAW_SCOPE_STORY
        request = WithdrawArticleRequest(name=article.name, scope=scope, reason="There was no fire.")
        others = self.client.editorial.WithdrawArticle(request).copies
        # GetStory has no `consistency`: any replica may be stale by a second.
        time.sleep(1)
        problem = failure(lambda: self.client.retrieval.GetStory(GetStoryRequest(name=story.name)))
        outcome, kind = CopyOutcome.Name(others[0].outcome), CopyKind.Name(others[0].kind)
        afterwards = f"afterwards={problem.code} reason={problem.reason}"
        print(f"28 kill-story others={len(others)} outcome={outcome} kind={kind} {afterwards}")
