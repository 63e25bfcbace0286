// Steps of the scenario that are streams.
import { once } from 'node:events';

import { type Client, unary } from './connection.js';
import { problemIn } from './errors.js';
import { Article } from './generated/copydesk/v1/article.js';
import type { ExportProgress } from './generated/copydesk/v1/article_change.js';
import { ArticleFilter } from './generated/copydesk/v1/article_filter.js';
import { UpdateArticleRequest } from './generated/copydesk/v1/editorial_service.js';
import {
  Document,
  IngestArticleRequest,
  IngestArticlesRequest,
  type IngestArticlesResponse,
  IngestOutcome,
} from './generated/copydesk/v1/ingestion_service.js';
import {
  ExportArticlesRequest,
  type ExportArticlesResponse,
  WatchArticlesRequest,
  type WatchArticlesResponse,
} from './generated/copydesk/v1/retrieval_service.js';
import { failure, ingestedOf, needed, say, soon, yes } from './steps.js';

const STREAMED = 1_000;
const BROKEN = 500;
const SOURCES = ['ellery-herald.example', 'stories.example', 'tidewire.example'];

export class Streams {
  constructor(private readonly client: Client) {}

  /** Returns the page as corrected. */
  async watch(page: Article, changeToken: string): Promise<Article> {
    let newest = page;
    const request = WatchArticlesRequest.create({ start: { $case: 'changeToken', value: changeToken } });
    const events = this.client.retrieval.watchArticles(request, soon(30_000));
    for await (const { event } of events as AsyncIterable<WatchArticlesResponse>) {
      if (event?.$case === 'checkpoint') {
        if (newest.revision === 1) newest = await this.correct(page);
      } else if (event?.$case === 'change' && event.value.name === page.name) {
        const { kind, revision, article } = event.value;
        say(`07 watch ${kind} revision=${revision} headline="${article?.headline}"`);
        break;
      }
    }
    // Leaving the loop does not end the call.
    events.cancel();
    return newest;
  }

  private async correct({ name, etag }: Article): Promise<Article> {
    // Rejected with ETAG_MISMATCH if another client changed the article since it was read.
    const request = UpdateArticleRequest.create({
      article: { name, etag, headline: 'Ferry fares to fall in May' },
      updateMask: ['headline'],
      reason: 'The month was missing.',
    });
    const { editorial } = this.client;
    return needed((await unary(editorial, editorial.updateArticle, request)).response.article);
  }

  async stream(): Promise<void> {
    const call = this.client.ingestion.ingestArticles();
    const send = async (): Promise<void> => {
      for (const story of stories()) {
        // `false`: flow control accepts no more now.
        if (!call.write(story)) await once(call, 'drain');
      }
      call.end();
    };
    let at = 0;
    let created = 0;
    let inOrder = true;
    const refused: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { sequence, result } of call as AsyncIterable<IngestArticlesResponse>) {
        inOrder &&= sequence === at++;
        if (result?.$case === 'error') {
          refused.push(`${sequence}:${problemIn('', result.value.details).reason}`);
        } else if (result && ingestedOf(result.value.results)[0]?.outcome === IngestOutcome.INGEST_OUTCOME_CREATED) {
          created += 1;
        }
      }
    };
    await Promise.all([send(), read()]);
    say(`08 stream sent=${STREAMED} created=${created} refused=${refused} in-order=${yes(inOrder)}`);
  }

  async deadline(): Promise<void> {
    const events = this.client.retrieval.watchArticles(WatchArticlesRequest.create(), soon(500));
    const problem = await failure(drain(events as AsyncIterable<WatchArticlesResponse>));
    say(`11 deadline ${problem.code}`);
  }

  async cancel(): Promise<void> {
    const call = this.client.retrieval.watchArticles(WatchArticlesRequest.create(), soon(30_000));
    const events = (call as AsyncIterable<WatchArticlesResponse>)[Symbol.asyncIterator]();
    const first: WatchArticlesResponse = (await events.next()).value;
    call.cancel();
    const problem = await failure(events.next());
    say(`12 cancel ${problem.code} after=${first.event?.$case}`);
  }

  async export(): Promise<void> {
    const filter = ArticleFilter.create({ sources: { anyOf: SOURCES } });
    const request = ExportArticlesRequest.create({ filter, readMask: ['name'] });
    const names = new Set<string>();
    const { exportToken } = await this.exportUntilProgress(request, names);
    // Any replica continues from the token, in the same snapshot.
    const rest = this.client.retrieval.exportArticles({ ...request, exportToken });
    let same = false;
    for await (const { item } of rest as AsyncIterable<ExportArticlesResponse>) {
      if (item?.$case === 'article') names.add(item.value.name);
      if (item?.$case === 'summary') same = item.value.articleCount === names.size;
    }
    say(`21 export articles=${names.size} same-count=${yes(same)}`);
  }

  /** Adds the names before the first progress that has articles before it, and returns that progress. */
  private async exportUntilProgress(request: ExportArticlesRequest, names: Set<string>): Promise<ExportProgress> {
    const responses = this.client.retrieval.exportArticles(request);
    let progress: ExportProgress | undefined;
    for await (const { item } of responses as AsyncIterable<ExportArticlesResponse>) {
      if (item?.$case === 'article') {
        names.add(item.value.name);
      } else if (item?.$case === 'progress' && item.value.articleCount > 0) {
        progress = item.value;
        break;
      }
    }
    responses.cancel();
    return needed(progress);
  }
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

function* stories(): Generator<IngestArticlesRequest> {
  const paragraph = 'The harbour of Port Ellery has a story for every boat that lies in it.';
  const body = Array<string>(70).fill(paragraph).join('\n\n');
  for (let sequence = 0; sequence < STREAMED; sequence += 1) {
    const languageCode = sequence === BROKEN ? 'no language' : '';
    const article = Article.create({ headline: `Story ${sequence} of the harbour`, body, languageCode });
    const document = Document.create({
      payload: { $case: 'article', value: article },
      source: 'stories.example',
      externalId: `story-${sequence}`,
    });
    const request = IngestArticleRequest.create({ document, requestId: `scenario-story-${sequence}` });
    yield IngestArticlesRequest.create({ sequence, request, brief: true });
  }
}
