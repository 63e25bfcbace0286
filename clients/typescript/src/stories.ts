// Steps of the scenario that concern stories: articles that report one event.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { type Client, unary } from './connection.js';
import type { Article } from './generated/copydesk/v1/article.js';
import { WithdrawArticleRequest, WithdrawScope } from './generated/copydesk/v1/editorial_service.js';
import { Document, IngestArticleRequest } from './generated/copydesk/v1/ingestion_service.js';
import {
  GetStoryRequest,
  ListRelatedArticlesRequest,
  ListStoryArticlesRequest,
  ListTopStoriesRequest,
} from './generated/copydesk/v1/retrieval_service.js';
import { type Story, StoryFilter } from './generated/copydesk/v1/story.js';
import { failure, fresh, ingestedOf, needed, say, yes } from './steps.js';

export class Stories {
  constructor(
    private readonly client: Client,
    private readonly data: string,
  ) {}

  /** Returns the first article of the story, and the story. */
  async story(): Promise<{ article: Article; story: Story }> {
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
    const ofSecond = needed((await this.get(`${second.name}/story`)).response.story);
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
    return { article: first, story };
  }

  private async ingest(file: string, url: string): Promise<Article> {
    const payload = { $case: 'text', value: readFileSync(join(this.data, file), 'utf8') } as const;
    const { ingestion } = this.client;
    const request = IngestArticleRequest.create({ document: Document.create({ payload, url }) });
    const { results } = (await unary(ingestion, ingestion.ingestArticle, request)).response;
    return needed(needed(ingestedOf(results)[0]).article);
  }

  private get(name: string) {
    const { retrieval } = this.client;
    return unary(retrieval, retrieval.getStory, GetStoryRequest.create({ name }));
  }

  async killStory({ name }: Article, story: Story): Promise<void> {
    const scope = WithdrawScope.WITHDRAW_SCOPE_STORY;
    const request = WithdrawArticleRequest.create({ name, scope, reason: 'There was no fire.' });
    const { editorial } = this.client;
    const others = (await unary(editorial, editorial.withdrawArticle, request)).response.copies;
    const { outcome, kind } = needed(others[0]);
    // GetStory has no `consistency`: any replica may be stale by a second.
    await setTimeout(1_000);
    const { code, reason } = await failure(this.get(story.name));
    const afterwards = `afterwards=${code} reason=${reason}`;
    say(`28 kill-story others=${others.length} outcome=${outcome} kind=${kind} ${afterwards}`);
  }
}
