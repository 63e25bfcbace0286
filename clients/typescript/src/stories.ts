// Steps of the scenario that concern stories, which are articles that report one event, and reads.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { type Client, unary } from './connection.js';
import type { Article } from './generated/copydesk/v1/article.js';
import { ArticleFilter } from './generated/copydesk/v1/article_filter.js';
import {
  MergeStoriesRequest,
  MoveStoryArticlesRequest,
  WithdrawArticleRequest,
  WithdrawScope,
} from './generated/copydesk/v1/editorial_service.js';
import { Document, IngestArticleRequest } from './generated/copydesk/v1/ingestion_service.js';
import {
  ArticleReads,
  GetArticleRequest,
  GetStoryRequest,
  ListArticlesRequest,
  ListMostReadArticlesRequest,
  ListRelatedArticlesRequest,
  ListStoryArticlesRequest,
  ListTopStoriesRequest,
  type MostReadArticle,
  RecordReadsRequest,
  WatchStoriesRequest,
  type WatchStoriesResponse,
} from './generated/copydesk/v1/retrieval_service.js';
import { type Story, StoryFilter } from './generated/copydesk/v1/story.js';
import { failure, fresh, ingestedOf, needed, say, soon, yes } from './steps.js';

/** Stories of articles, by their names. */
type StoriesOf = Map<string, string>;

export class Stories {
  constructor(
    private readonly client: Client,
    private readonly data: string,
  ) {}

  async run(): Promise<void> {
    const { first, second, story } = await this.story();
    const token = await this.watch(first, second, story);
    const divided = await this.split(second, story, token);
    await this.merge(first, second, story, divided);
    await this.mostRead(first, second);
    await this.killStory(first, story);
  }

  /** Returns the articles of the story, and the story. */
  private async story(): Promise<{ first: Article; second: Article; story: Story }> {
    const first = await this.ingest('story-one.txt', 'https://northline.example/kelmore-fire');
    const second = await this.ingest('story-two.txt', 'https://ellery-herald.example/kelmore-fire');
    const consistency = fresh(second);
    const { retrieval } = this.client;
    const sources = ['northline.example', 'ellery-herald.example'];
    const filter = StoryFilter.create({ sources, minSourceCount: 2 });
    // Waits until the second article is grouped.
    const wanted = ListTopStoriesRequest.create({ filter, maxStoryArticles: 2, consistency });
    const { topStories } = (await unary(retrieval, retrieval.listTopStories, wanted)).response;
    const top = needed(topStories[0]);
    const story = needed(top.story);
    const ofSecond = await this.get(`${second.name}/story`);
    const parent = ListStoryArticlesRequest.create({ parent: story.name });
    const listed = (await unary(retrieval, retrieval.listStoryArticles, parent)).response.articles;
    const request = ListRelatedArticlesRequest.create({ name: first.name, consistency });
    const { relatedArticles } = (await unary(retrieval, retrieval.listRelatedArticles, request)).response;
    const related = needed(relatedArticles[0]);
    const counts = `articles=${story.articleCount} sources=${story.sourceCount} copies=${story.copyCount}`;
    const sameName = yes(ofSecond.name === story.name);
    const sameStory = yes(related.sameStory && related.article?.name === second.name);
    const shown = `shown=${top.articles.length} same-name=${sameName}`;
    say(`27 story ${counts} ${shown} listed=${listed.length} same-story=${sameStory}`);
    return { first, second, story };
  }

  private async ingest(file: string, url: string): Promise<Article> {
    const payload = { $case: 'text', value: readFileSync(join(this.data, file), 'utf8') } as const;
    const { ingestion } = this.client;
    const request = IngestArticleRequest.create({ document: Document.create({ payload, url }) });
    const { results } = (await unary(ingestion, ingestion.ingestArticle, request)).response;
    return needed(needed(ingestedOf(results)[0]).article);
  }

  private async get(name: string): Promise<Story> {
    const { retrieval } = this.client;
    return needed((await unary(retrieval, retrieval.getStory, GetStoryRequest.create({ name }))).response.story);
  }

  /** Returns the token from which to resume. */
  private async watch(first: Article, second: Article, story: Story): Promise<string> {
    const request = WatchStoriesRequest.create({ start: { $case: 'beginning', value: true } });
    const { stories, token } = await this.watchUntil(request, second, story);
    const ofFirst = await this.get(`${first.name}/story`);
    const articles = [...stories.values()].filter((name) => name === story.name).length;
    const sameStory = yes(stories.get(first.name) === ofFirst.name);
    say(`28 watch-stories articles=${articles} same-story=${sameStory}`);
    return token;
  }

  /**
   * Watches until a checkpoint at which the article is in the story. Returns the stories of the articles that were
   * sent, and the token of the checkpoint.
   */
  private async watchUntil(
    request: WatchStoriesRequest,
    article: Article,
    story: Story,
  ): Promise<{ stories: StoriesOf; token: string }> {
    const events = this.client.retrieval.watchStories(request, soon(30_000));
    const stories: StoriesOf = new Map();
    let token: string | undefined;
    for await (const { event } of events as AsyncIterable<WatchStoriesResponse>) {
      if (event?.$case === 'checkpoint') {
        // Another replica may have read only what was grouped before.
        if (stories.get(article.name) === story.name) {
          token = event.value.watchToken;
          break;
        }
      } else if (event?.value.story) {
        stories.set(event.value.article, event.value.story);
      } else if (event) {
        // The article is not readable any more.
        stories.delete(event.value.article);
      }
    }
    // Leaving the loop does not end the call.
    events.cancel();
    return { stories, token: needed(token) };
  }

  /** Returns the new story, of the second article. */
  private async split(second: Article, story: Story, token: string): Promise<Story> {
    const { editorial, retrieval } = this.client;
    // Without a destination the article becomes a story by itself.
    const move = MoveStoryArticlesRequest.create({ parent: story.name, articles: [second.name] });
    const divided = needed((await unary(editorial, editorial.moveStoryArticles, move)).response.story);
    const resumed = WatchStoriesRequest.create({ start: { $case: 'watchToken', value: token } });
    const { stories } = await this.watchUntil(resumed, second, divided);
    // No view includes `story`: a mask has to name it.
    const { name } = second;
    const request = GetArticleRequest.create({ name, readMask: ['story'], consistency: fresh(second) });
    const article = needed((await unary(retrieval, retrieval.getArticle, request)).response.article);
    const newName = yes(divided.name !== story.name);
    const watched = yes(stories.get(second.name) === divided.name);
    const byMask = yes(article.story === divided.name);
    say(`29 split articles=${divided.articleCount} new-name=${newName} watched=${watched} by-mask=${byMask}`);
    return divided;
  }

  private async merge(first: Article, second: Article, { name }: Story, divided: Story): Promise<void> {
    const { editorial, retrieval } = this.client;
    const merge = MergeStoriesRequest.create({ name, sourceStory: divided.name });
    const merged = needed((await unary(editorial, editorial.mergeStories, merge)).response.story);
    // The former name returns the story from now on, also in filters.
    const former = await this.get(divided.name);
    const filter = ArticleFilter.create({ stories: { anyOf: [divided.name] } });
    const readMask = ['name', 'story'];
    const request = ListArticlesRequest.create({ filter, readMask, consistency: fresh(second) });
    const listed = (await unary(retrieval, retrieval.listArticles, request)).response.articles;
    const onePerStory = { ...request, filter: { ...filter, onePerStory: true } };
    const one = (await unary(retrieval, retrieval.listArticles, onePerStory)).response.articles;
    const sameName = yes(merged.name === name && former.name === name);
    const sameStory = yes(listed.every(({ story }) => story === name));
    const earliest = yes(one[0]?.name === first.name);
    const lists = `listed=${listed.length} same-story=${sameStory} one-per-story=${one.length} earliest=${earliest}`;
    say(`30 merge articles=${merged.articleCount} same-name=${sameName} ${lists}`);
  }

  private async mostRead(first: Article, second: Article): Promise<void> {
    const { retrieval } = this.client;
    const reads = [
      ArticleReads.create({ article: first.name, readCount: 2 }),
      ArticleReads.create({ article: second.name, readCount: 5 }),
    ];
    await unary(retrieval, retrieval.recordReads, RecordReadsRequest.create({ reads }));
    let listed: MostReadArticle[] = [];
    // Reads are listed within about 10 seconds, on every replica.
    for (let attempt = 0; attempt < 60; attempt += 1) {
      const request = ListMostReadArticlesRequest.create();
      listed = (await unary(retrieval, retrieval.listMostReadArticles, request)).response.mostReadArticles;
      if (listed.length === reads.length) break;
      await setTimeout(500);
    }
    const counts = listed.map(({ readCount }) => readCount);
    const inOrder = yes(listed[0]?.article?.name === second.name && listed[1]?.article?.name === first.name);
    say(`31 most-read reads=${counts} in-order=${inOrder}`);
  }

  private async killStory({ name }: Article, story: Story): Promise<void> {
    const scope = WithdrawScope.WITHDRAW_SCOPE_STORY;
    const request = WithdrawArticleRequest.create({ name, scope, reason: 'There was no fire.' });
    const { editorial } = this.client;
    const others = (await unary(editorial, editorial.withdrawArticle, request)).response.copies;
    const { outcome, kind } = needed(others[0]);
    // GetStory has no `consistency`: any replica may be stale by a second.
    await setTimeout(1_000);
    const { code, reason } = await failure(this.get(story.name));
    const afterwards = `afterwards=${code} reason=${reason}`;
    say(`32 kill-story others=${others.length} outcome=${outcome} kind=${kind} ${afterwards}`);
  }
}
