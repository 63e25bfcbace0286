"""Steps of the scenario that concern stories, which are articles that report one event, and reads."""

import time
from pathlib import Path

from copydesk.v1.article_filter_pb2 import ArticleFilter, StringCondition
from copydesk.v1.article_pb2 import Article, CopyKind
from copydesk.v1.editorial_service_pb2 import (
    CopyOutcome,
    MergeStoriesRequest,
    MoveStoryArticlesRequest,
    WithdrawArticleRequest,
    WithdrawScope,
)
from copydesk.v1.ingestion_service_pb2 import Document, IngestArticleRequest
from copydesk.v1.retrieval_service_pb2 import (
    ArticleReads,
    GetArticleRequest,
    GetStoryRequest,
    ListArticlesRequest,
    ListMostReadArticlesRequest,
    ListRelatedArticlesRequest,
    ListStoryArticlesRequest,
    ListTopStoriesRequest,
    RecordReadsRequest,
    WatchStoriesRequest,
)
from copydesk.v1.story_pb2 import Story, StoryFilter
from google.protobuf.field_mask_pb2 import FieldMask

from copydesk_client.connection import Client
from copydesk_client.steps import failure, fresh, yes


class Stories:
    def __init__(self, client: Client, data: Path) -> None:
        self.client, self.data = client, data

    def run(self) -> None:
        first, second, story = self.story()
        token = self.watch(first, second, story)
        divided = self.split(second, story, token)
        self.merge(first, second, story, divided)
        self.most_read(first, second)
        self.kill_story(first, story)

    def story(self) -> tuple[Article, Article, Story]:
        """Returns the articles of the story, and the story."""
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
        of_second = self.get(f"{second.name}/story")
        listed = self.client.retrieval.ListStoryArticles(ListStoryArticlesRequest(parent=story.name)).articles
        request = ListRelatedArticlesRequest(name=first.name, consistency=fresh(second))
        related = self.client.retrieval.ListRelatedArticles(request).related_articles[0]
        counts = f"articles={story.article_count} sources={story.source_count} copies={story.copy_count}"
        same_name = yes(of_second.name == story.name)
        same_story = yes(related.same_story and related.article.name == second.name)
        lists = f"shown={len(top.articles)} same-name={same_name} listed={len(listed)} same-story={same_story}"
        print(f"27 story {counts} {lists}")
        return first, second, story

    def get(self, name: str) -> Story:
        return self.client.retrieval.GetStory(GetStoryRequest(name=name)).story

    def ingest(self, file: str, url: str) -> Article:
        document = Document(text=(self.data / file).read_text(encoding="utf-8"), url=url)
        request = IngestArticleRequest(document=document)
        return self.client.ingestion.IngestArticle(request).results[0].ingested.article

    def watch(self, first: Article, second: Article, story: Story) -> str:
        """Returns the token from which to resume."""
        stories, token = self.watch_until(WatchStoriesRequest(beginning=True), second, story)
        of_first = self.get(f"{first.name}/story")
        articles = sum(name == story.name for name in stories.values())
        same_story = yes(stories.get(first.name) == of_first.name)
        print(f"28 watch-stories articles={articles} same-story={same_story}")
        return token

    def watch_until(self, request: WatchStoriesRequest, article: Article, story: Story) -> tuple[dict[str, str], str]:
        """Watches until a checkpoint at which the article is in the story.

        Returns the stories of the articles that were sent, and the token of the checkpoint.
        """
        events = self.client.retrieval.WatchStories(request, timeout=30)
        stories: dict[str, str] = {}
        for event in events:
            # Another replica may have read only what was grouped before.
            if event.HasField("checkpoint"):
                if stories.get(article.name) == story.name:
                    break
            elif event.change.story:
                stories[event.change.article] = event.change.story
            else:
                # The article is not readable any more.
                stories.pop(event.change.article, None)
        events.cancel()
        return stories, event.checkpoint.watch_token

    def split(self, second: Article, story: Story, token: str) -> Story:
        """Returns the new story, of the second article."""
        # Without a destination the article becomes a story by itself.
        request = MoveStoryArticlesRequest(parent=story.name, articles=[second.name])
        divided = self.client.editorial.MoveStoryArticles(request).story
        stories, _ = self.watch_until(WatchStoriesRequest(watch_token=token), second, divided)
        # No view includes `story`: a mask has to name it.
        mask = FieldMask(paths=["story"])
        request = GetArticleRequest(name=second.name, read_mask=mask, consistency=fresh(second))
        article = self.client.retrieval.GetArticle(request).article
        new_name, by_mask = yes(divided.name != story.name), yes(article.story == divided.name)
        watched = yes(stories[second.name] == divided.name)
        print(f"29 split articles={divided.article_count} new-name={new_name} watched={watched} by-mask={by_mask}")
        return divided

    def merge(self, first: Article, second: Article, story: Story, divided: Story) -> None:
        request = MergeStoriesRequest(name=story.name, source_story=divided.name)
        merged = self.client.editorial.MergeStories(request).story
        # The former name returns the story from now on, also in filters.
        former = self.get(divided.name)
        request = ListArticlesRequest(
            filter=ArticleFilter(stories=StringCondition(any_of=[divided.name])),
            read_mask=FieldMask(paths=["name", "story"]),
            consistency=fresh(second),
        )
        listed = self.client.retrieval.ListArticles(request).articles
        request.filter.one_per_story = True
        one = self.client.retrieval.ListArticles(request).articles
        same_name = yes(merged.name == story.name and former.name == story.name)
        same_story = yes(all(article.story == story.name for article in listed))
        earliest = yes(one[0].name == first.name)
        lists = f"listed={len(listed)} same-story={same_story} one-per-story={len(one)} earliest={earliest}"
        print(f"30 merge articles={merged.article_count} same-name={same_name} {lists}")

    def most_read(self, first: Article, second: Article) -> None:
        reads = [ArticleReads(article=first.name, read_count=2), ArticleReads(article=second.name, read_count=5)]
        self.client.retrieval.RecordReads(RecordReadsRequest(reads=reads))
        # Reads are listed within about 10 seconds, on every replica.
        for _ in range(60):
            listed = self.client.retrieval.ListMostReadArticles(ListMostReadArticlesRequest()).most_read_articles
            if len(listed) == len(reads):
                break
            time.sleep(0.5)
        counts = ",".join(str(read.read_count) for read in listed)
        in_order = yes([read.article.name for read in listed] == [second.name, first.name])
        print(f"31 most-read reads={counts} in-order={in_order}")

    def kill_story(self, article: Article, story: Story) -> None:
        scope = WithdrawScope.WITHDRAW_SCOPE_STORY
        request = WithdrawArticleRequest(name=article.name, scope=scope, reason="There was no fire.")
        others = self.client.editorial.WithdrawArticle(request).copies
        # GetStory has no `consistency`: any replica may be stale by a second.
        time.sleep(1)
        problem = failure(lambda: self.get(story.name))
        outcome, kind = CopyOutcome.Name(others[0].outcome), CopyKind.Name(others[0].kind)
        afterwards = f"afterwards={problem.code} reason={problem.reason}"
        print(f"32 kill-story others={len(others)} outcome={outcome} kind={kind} {afterwards}")
