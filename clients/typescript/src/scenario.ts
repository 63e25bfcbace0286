// The scenario of ../scenario.md: every kind of call, one after another, and a line for each of what came of it.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compressionAlgorithms } from '@grpc/grpc-js';

import { Client, unary } from './connection.js';
import { type Problem, problemIn, problemOf } from './errors.js';
import { Article } from './generated/copydesk/v1/article.js';
import {
  Document,
  IngestArticleRequest,
  IngestArticlesRequest,
  type IngestArticlesResponse,
  IngestOutcome,
  UpdateArticleRequest,
  WithdrawArticleRequest,
} from './generated/copydesk/v1/ingestion_service.js';
import {
  BatchGetArticlesRequest,
  type Consistency,
  GetArticleRequest,
  ListArticlesRequest,
  SearchArticlesRequest,
  WatchArticlesRequest,
  type WatchArticlesResponse,
} from './generated/copydesk/v1/retrieval_service.js';

const MISSING = 'articles/no-such-article';
const STREAMED = 1_000;
const BROKEN = 500;

class Scenario {
  private page = Article.create();
  private items: Article[] = [];

  constructor(
    private readonly client: Client,
    private readonly other: Client,
    private readonly data: string,
  ) {}

  async ingest(): Promise<void> {
    const document = Document.create({
      payload: { $case: 'html', value: readFileSync(join(this.data, 'page.html'), 'utf8') },
      url: 'https://ellery-herald.example/ferry-fares?utm_source=scenario',
    });
    // With a request ID a repeated call is answered as the first was, so that a retry does no harm.
    const done = await this.ingestOne(IngestArticleRequest.create({ document, requestId: 'scenario-page' }));
    this.page = needed(done.article);
    const cuts = needed(done.report).cuts.map((cut) => cut.reason);
    const place = this.page.dateline?.place;
    say(`01 ingest-page ${done.outcome} headline="${this.page.headline}" place="${place}" cuts=${cuts}`);

    const data = readFileSync(join(this.data, 'feed.rss'));
    const raw = { $case: 'raw', value: { data, contentType: 'application/rss+xml' } } as const;
    const feed = Document.create({ payload: raw, source: 'tidewire.example' });
    const { feedItems } = await this.ingestOne(IngestArticleRequest.create({ document: feed, requestId: 'scenario-feed' }));
    const ingested = feedItems.flatMap(({ result }) => (result?.$case === 'ingested' ? [result.value] : []));
    this.items = ingested.map((item) => needed(item.article));
    const created = ingested.filter((item) => item.outcome === IngestOutcome.INGEST_OUTCOME_CREATED);
    say(`01 ingest-feed items=${feedItems.length} created=${created.length}`);
  }

  private async ingestOne(request: IngestArticleRequest) {
    const { ingestion } = this.client;
    return (await unary(ingestion, ingestion.ingestArticle, request)).response;
  }

  async get(): Promise<void> {
    const consistency: Consistency = { requirement: { $case: 'fullyConsistent', value: true } };
    const { response, metadata } = await get(this.client, this.page.name, consistency);
    const { revision, body } = needed(response.article);
    const [answeredBy] = metadata.get('copydesk-cache');
    say(`02 get revision=${revision} paragraphs=${body.split('\n\n').length} answered-by=${answeredBy}`);
  }

  async getByToken(): Promise<void> {
    const { response } = await get(this.other, this.page.name, fresh(this.page));
    const article = needed(response.article);
    const same = yes(article.contentDigest === this.page.contentDigest);
    say(`03 get-by-token revision=${article.revision} same-text=${same}`);
  }

  async batch(): Promise<void> {
    const newest = needed(this.items.at(-1));
    const request = BatchGetArticlesRequest.create({
      names: [newest.name, MISSING, this.page.name],
      readMask: ['name', 'headline'],
      consistency: fresh(newest),
    });
    const { retrieval } = this.client;
    const { articles, notFound } = (await unary(retrieval, retrieval.batchGetArticles, request)).response;
    say(`04 batch found=${articles.map(({ headline }) => `"${headline}"`)} missing=${notFound}`);
  }

  async list(): Promise<void> {
    const request = ListArticlesRequest.create({
      pageSize: 3,
      filter: { sources: ['tidewire.example'] },
      readMask: ['headline'],
      consistency: fresh(needed(this.items.at(-1))),
    });
    const headlines: string[] = [];
    let pages = 0;
    const { retrieval } = this.client;
    do {
      const { response } = await unary(retrieval, retrieval.listArticles, request);
      headlines.push(...response.articles.map((article) => article.headline));
      request.pageToken = response.nextPageToken;
      pages += 1;
    } while (request.pageToken);
    say(`05 list pages=${pages} articles=${headlines.length} first="${headlines[0]}" last="${headlines.at(-1)}"`);
  }

  async search(): Promise<void> {
    const consistency = fresh(needed(this.items.at(-1)));
    const request = SearchArticlesRequest.create({ query: '"northern channel" winter -sport', consistency });
    const { retrieval } = this.client;
    const { results } = (await unary(retrieval, retrieval.searchArticles, request)).response;
    const best = needed(results[0]);
    // Highlights count code points; a string's own indexes count UTF-16 units.
    const points = [...best.snippet];
    const matched = best.highlights.map(({ start, end }) => `"${points.slice(start, end).join('')}"`);
    say(`06 search results=${results.length} headline="${best.article?.headline}" matched=${matched}`);
  }

  async watch(): Promise<void> {
    const { changeToken } = needed(this.items.at(-1));
    const events = this.client.retrieval.watchArticles(WatchArticlesRequest.create({ changeToken }), soon(30_000));
    for await (const { event } of events as AsyncIterable<WatchArticlesResponse>) {
      if (event?.$case === 'checkpoint') {
        if (this.page.revision === 1) await this.correct();
      } else if (event?.value.name === this.page.name) {
        const { kind, revision, article } = event.value;
        say(`07 watch ${kind} revision=${revision} headline="${article?.headline}"`);
        break;
      }
    }
    // Leaving the loop ends the reading, not the call.
    events.cancel();
  }

  private async correct(): Promise<void> {
    // Rejected with ETAG_MISMATCH if another client changed the article since it was read.
    const { name, etag } = this.page;
    const request = UpdateArticleRequest.create({
      article: { name, etag, headline: 'Ferry fares to fall in May' },
      updateMask: ['headline'],
      reason: 'The month was missing.',
    });
    const { ingestion } = this.client;
    this.page = needed((await unary(ingestion, ingestion.updateArticle, request)).response.article);
  }

  async stream(): Promise<void> {
    const call = this.client.ingestion.ingestArticles();
    const send = async (): Promise<void> => {
      for (const story of stories()) {
        // `false`: the stream has taken as much as it can now.
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
        } else if (result?.value.outcome === IngestOutcome.INGEST_OUTCOME_CREATED) {
          created += 1;
        }
      }
    };
    await Promise.all([send(), read()]);
    say(`08 stream sent=${STREAMED} created=${created} refused=${refused} in-order=${yes(inOrder)}`);
  }

  async validation(): Promise<void> {
    const { retrieval } = this.client;
    const request = ListArticlesRequest.create({ pageSize: -1, orderBy: 'colour' });
    const problem = await failure(unary(retrieval, retrieval.listArticles, request));
    say(`09 validation ${problem.code} reason=${problem.reason} fields=${problem.fields.sort()}`);
  }

  async notFound(): Promise<void> {
    const never = await failure(get(this.client, MISSING, undefined));
    say(`10 never-there ${never.code} reason=${never.reason} resource=${never.resource}`);
    const { name } = needed(this.items[0]);
    const { ingestion } = this.client;
    const request = WithdrawArticleRequest.create({ name, reason: 'A mistake.' });
    const withdrawn = needed((await unary(ingestion, ingestion.withdrawArticle, request)).response.article);
    const gone = await failure(get(this.client, name, fresh(withdrawn)));
    say(`10 withdrawn ${gone.code} reason=${gone.reason} resource=${gone.resource}`);
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

  async retry(witness: Client): Promise<void> {
    // Nothing here tries again: the channel does, as the service config says.
    const { response, metadata } = await get(witness, this.page.name, fresh(this.page));
    const [attempts] = metadata.get('witness-attempts');
    say(`13 retry attempts=${attempts} revision=${response.article?.revision}`);
  }

  /** Over a channel that compresses what it sends. What comes is decompressed anyway. */
  async compression(compressing: Client): Promise<void> {
    const names = this.items.slice(1).map((item) => item.name);
    const request = BatchGetArticlesRequest.create({ names, consistency: fresh(this.page) });
    const { retrieval } = compressing;
    const { response, metadata } = await unary(retrieval, retrieval.batchGetArticles, request);
    const [sent] = metadata.get('witness-request-encoding');
    const [answered] = metadata.get('witness-response-encoding');
    say(`14 compression request=${sent} response=${answered} found=${response.articles.length}`);
  }

  async health(): Promise<void> {
    const { health } = this.client;
    const { response } = await unary(health, health.check, { service: 'copydesk.v1.RetrievalService' });
    const problem = await failure(unary(health, health.check, { service: 'copydesk.v1.NoService' }));
    say(`15 health ${response.status} unknown=${problem.code}`);
  }
}

function* stories(): Generator<IngestArticlesRequest> {
  const paragraph = 'The harbour of Port Ellery has a story for every boat that lies in it.';
  const body = Array<string>(70).fill(paragraph).join('\n\n');
  for (let sequence = 0; sequence < STREAMED; sequence += 1) {
    const language = sequence === BROKEN ? 'no language' : '';
    const article = Article.create({ headline: `Story ${sequence} of the harbour`, body, language });
    const document = Document.create({
      payload: { $case: 'article', value: article },
      source: 'stories.example',
      externalId: `story-${sequence}`,
    });
    yield IngestArticlesRequest.create({ sequence, document, requestId: `scenario-story-${sequence}`, brief: true });
  }
}

function get({ retrieval }: Client, name: string, consistency: Consistency | undefined) {
  return unary(retrieval, retrieval.getArticle, GetArticleRequest.create({ name, consistency }));
}

/** See at least this write, whichever replica answers. */
function fresh({ changeToken }: Article): Consistency {
  return { requirement: { $case: 'atLeastAsFresh', value: changeToken } };
}

async function failure(call: Promise<unknown>): Promise<Problem> {
  try {
    await call;
  } catch (error) {
    return problemOf(error);
  }
  throw new Error('this call should have failed');
}

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

function soon(milliseconds: number) {
  return { deadline: Date.now() + milliseconds };
}

function needed<T>(it: T | undefined): T {
  if (it === undefined) throw new Error('the answer lacks what every answer has');
  return it;
}

function yes(it: boolean): string {
  return it ? 'yes' : 'no';
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const { COPYDESK_ADDRESSES: addresses = '127.0.0.1:50051', COPYDESK_WITNESS: at, COPYDESK_CLIENTS: clients = '..' } = process.env;
const config = join(clients, 'service-config.json');
const replicas = addresses.split(',');
const client = new Client(replicas, config);
const other = new Client(replicas.slice(-1), config);
const scenario = new Scenario(client, other, join(clients, 'data'));
await scenario.ingest();
await scenario.get();
await scenario.getByToken();
await scenario.batch();
await scenario.list();
await scenario.search();
await scenario.watch();
await scenario.stream();
await scenario.validation();
await scenario.notFound();
await scenario.deadline();
await scenario.cancel();
if (at) {
  const witness = new Client([at], config);
  await scenario.retry(witness);
  witness.close();
  const compressing = new Client([at], config, { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip });
  await scenario.compression(compressing);
  compressing.close();
} else {
  say('13 retry no witness');
  say('14 compression no witness');
}
await scenario.health();
client.close();
other.close();
