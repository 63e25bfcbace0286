// Scenario of ../scenario.md: every kind of call, one after another, with a line of output for each.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compressionAlgorithms } from '@grpc/grpc-js';

import { Client, unary } from './connection.js';
import { Editors } from './editors.js';
import { Article, BodyFormat } from './generated/copydesk/v1/article.js';
import { ArticleFilter } from './generated/copydesk/v1/article_filter.js';
import { WithdrawArticleRequest } from './generated/copydesk/v1/editorial_service.js';
import { Document, IngestArticleRequest, IngestOutcome } from './generated/copydesk/v1/ingestion_service.js';
import {
  AggregateArticlesRequest,
  type AggregationResult,
  BatchGetArticlesRequest,
  GetArticleRequest,
  ListArticlesRequest,
  ListRelatedArticlesRequest,
  SearchArticlesRequest,
  SuggestValuesRequest,
  TimeAggregation,
  TimeAggregation_Interval,
  ValueAggregation,
  ValueField,
} from './generated/copydesk/v1/retrieval_service.js';
import { failure, fresh, FULLY_CONSISTENT, ingestedOf, needed, say, yes } from './steps.js';
import { Stories } from './stories.js';
import { Streams } from './streams.js';

const MISSING = 'articles/no-such-article';

class Scenario {
  page = Article.create();
  items: Article[] = [];

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
    // The request ID makes retries safe: a repeated call returns the first response.
    const results = await this.ingestOne(IngestArticleRequest.create({ document, requestId: 'scenario-page' }));
    const done = needed(ingestedOf(results)[0]);
    this.page = needed(done.article);
    const cuts = needed(done.report).cuts.map((cut) => cut.reason);
    const place = this.page.dateline?.place;
    say(`01 ingest-page ${done.outcome} headline="${this.page.headline}" place="${place}" cuts=${cuts}`);

    const data = readFileSync(join(this.data, 'feed.rss'));
    const raw = { $case: 'raw', value: { data, mimeType: 'application/rss+xml' } } as const;
    const feed = Document.create({ payload: raw, source: 'tidewire.example' });
    const all = await this.ingestOne(IngestArticleRequest.create({ document: feed, requestId: 'scenario-feed' }));
    const ingested = ingestedOf(all);
    this.items = ingested.map((item) => needed(item.article));
    const created = ingested.filter((item) => item.outcome === IngestOutcome.INGEST_OUTCOME_CREATED);
    say(`01 ingest-feed items=${all.length} created=${created.length}`);
  }

  private async ingestOne(request: IngestArticleRequest) {
    const { ingestion } = this.client;
    return (await unary(ingestion, ingestion.ingestArticle, request)).response.results;
  }

  async get(): Promise<void> {
    const { response, metadata } = await get(this.client, { name: this.page.name, consistency: FULLY_CONSISTENT });
    const { revision, body } = needed(response.article);
    const [answeredBy] = metadata.get('copydesk-cache');
    say(`02 get revision=${revision} paragraphs=${body.split('\n\n').length} answered-by=${answeredBy}`);
  }

  async getByToken(): Promise<void> {
    const { response } = await get(this.other, { name: this.page.name, consistency: fresh(this.page) });
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
    say(`04 batch found=${articles.map(({ headline }) => `"${headline}"`)} missing=${notFound.map(({ name }) => name)}`);
  }

  async list(): Promise<void> {
    const request = ListArticlesRequest.create({
      pageSize: 3,
      filter: ArticleFilter.create({ sources: { anyOf: ['tidewire.example'] } }),
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
    const query = '"northern channel" winter -sport';
    const request = SearchArticlesRequest.create({ query, includeTotalSize: true, consistency });
    const { retrieval } = this.client;
    const { results, totalSize } = (await unary(retrieval, retrieval.searchArticles, request)).response;
    const best = needed(results[0]);
    const matched = best.snippet.filter((part) => part.matched).map(({ text }) => `"${text}"`);
    const headline = best.article?.headline;
    say(`06 search results=${results.length} total=${totalSize} headline="${headline}" matched=${matched}`);
  }

  async validation(): Promise<void> {
    const { retrieval } = this.client;
    const request = ListArticlesRequest.create({ pageSize: -1, orderBy: 'colour' });
    const problem = await failure(unary(retrieval, retrieval.listArticles, request));
    say(`09 validation ${problem.code} reason=${problem.reason} fields=${problem.fields.sort()}`);
  }

  async older(): Promise<void> {
    const version = (headline: string, time: string) => {
      const body = 'The gates of the Lowmouth lock will be renewed in the summer.';
      const article = Article.create({ headline, body, sourceUpdateTime: new Date(time) });
      const payload = { $case: 'article', value: article } as const;
      const document = Document.create({ payload, source: 'tidewire.example', externalId: 'tidewire-8' });
      return this.ingestOne(IngestArticleRequest.create({ document }));
    };
    await version('Lock gates to be renewed', '2025-06-08T09:00:00Z');
    // A late copy of an older version changes nothing.
    const results = await version('Lock gates to be repaired', '2025-06-08T08:00:00Z');
    const { outcome, stalePart } = needed(ingestedOf(results)[0]);
    say(`18 older ${outcome} part=${stalePart}`);
  }

  async markdown(): Promise<void> {
    const bodyFormat = BodyFormat.BODY_FORMAT_MARKDOWN;
    const { response } = await get(this.client, { name: this.page.name, bodyFormat, consistency: fresh(this.page) });
    const last = response.article?.body.split('\n\n').at(-1)?.trimEnd();
    say(`20 markdown "${last}"`);
  }

  async notFound(): Promise<void> {
    const never = await failure(get(this.client, { name: MISSING }));
    say(`10 never-there ${never.code} reason=${never.reason} resource=${never.resource}`);
    const { name } = needed(this.items[0]);
    const { editorial } = this.client;
    const request = WithdrawArticleRequest.create({ name, reason: 'A mistake.' });
    const withdrawn = needed((await unary(editorial, editorial.withdrawArticle, request)).response.article);
    const gone = await failure(get(this.client, { name, consistency: fresh(withdrawn) }));
    say(`10 withdrawn ${gone.code} reason=${gone.reason} resource=${gone.resource}`);
  }

  async count(): Promise<void> {
    const bySource = ValueAggregation.create({ field: ValueField.VALUE_FIELD_SOURCE });
    const interval = TimeAggregation_Interval.INTERVAL_DAY;
    const byDay = TimeAggregation.create({ interval, timeZone: 'Europe/Berlin' });
    const request = AggregateArticlesRequest.create({
      query: 'boat*',
      filter: ArticleFilter.create({ sources: { anyOf: ['tidewire.example'] } }),
      aggregations: [{ kind: { $case: 'values', value: bySource } }, { kind: { $case: 'times', value: byDay } }],
      consistency: FULLY_CONSISTENT,
    });
    const { retrieval } = this.client;
    const { totalSize, results } = (await unary(retrieval, retrieval.aggregateArticles, request)).response;
    const shown = (result: AggregationResult) => result.buckets.map(({ key, count }) => {
      const value = key?.$case === 'startTime' ? key.value.getTime() / 1000 : key?.value;
      return `${value}:${count}`;
    });
    const [sources, days] = results.map(shown);
    say(`22 count total=${totalSize} sources=${sources} days=${days}`);
  }

  async suggest(): Promise<void> {
    const field = ValueField.VALUE_FIELD_SOURCE;
    const request = SuggestValuesRequest.create({ field, prefix: 'tide', consistency: FULLY_CONSISTENT });
    const { retrieval } = this.client;
    const { suggestions } = (await unary(retrieval, retrieval.suggestValues, request)).response;
    say(`23 suggest ${suggestions.map(({ value, articleCount }) => `${value}:${articleCount}`)}`);
  }

  async related(): Promise<void> {
    const { name } = this.page;
    const request = ListRelatedArticlesRequest.create({ name, pageSize: 5, consistency: FULLY_CONSISTENT });
    const { retrieval } = this.client;
    const { response } = await unary(retrieval, retrieval.listRelatedArticles, request);
    const { relatedArticles, nextPageToken } = response;
    const hasSelf = yes(relatedArticles.some(({ article }) => article?.name === name));
    say(`24 related count=${relatedArticles.length} self=${hasSelf} next=${yes(nextPageToken !== '')}`);
  }

  async retry(witness: Client): Promise<void> {
    // The channel retries, as the service config says; this code does not.
    const { response, metadata } = await get(witness, { name: this.page.name, consistency: fresh(this.page) });
    const [attempts] = metadata.get('witness-attempts');
    say(`13 retry attempts=${attempts} revision=${response.article?.revision}`);
  }

  /** Uses a channel that compresses requests. Every channel decompresses responses. */
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

function get({ retrieval }: Client, request: Partial<GetArticleRequest>) {
  return unary(retrieval, retrieval.getArticle, GetArticleRequest.create(request));
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
const streams = new Streams(client);
scenario.page = await streams.watch(scenario.page, needed(scenario.items.at(-1)).changeToken);
await streams.stream();
await scenario.validation();
await scenario.notFound();
await streams.deadline();
await streams.cancel();
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
const editors = new Editors(client);
const withdrawn = await editors.withdrawByUrl(needed(scenario.items[1]));
await editors.withdrawEarly();
await editors.anyState(withdrawn);
await scenario.older();
await editors.diff(scenario.page);
await scenario.markdown();
await streams.export();
await scenario.count();
await scenario.suggest();
await scenario.related();
const wire = await editors.copies(readFileSync(join(clients, 'data', 'channel.txt'), 'utf8'));
await editors.kill(wire);
await new Stories(client, join(clients, 'data')).run();
client.close();
other.close();
