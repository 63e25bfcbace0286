// Steps of the scenario that editors make: they withdraw articles and copies, and read withdrawn ones and revisions.
import { type Client, unary } from './connection.js';
import type { Problem } from './errors.js';
import { Article } from './generated/copydesk/v1/article.js';
import { WithdrawArticleRequest, WithdrawScope } from './generated/copydesk/v1/editorial_service.js';
import { Document, IngestArticleRequest, type IngestedArticle } from './generated/copydesk/v1/ingestion_service.js';
import {
  DiffArticleRevisionsRequest,
  GetArticleRequest,
  ListArticleCopiesRequest,
  ListArticleRevisionsRequest,
} from './generated/copydesk/v1/retrieval_service.js';
import { failure, fresh, FULLY_CONSISTENT, ingestedOf, needed, say } from './steps.js';

export class Editors {
  constructor(private readonly client: Client) {}

  /** Returns the withdrawn article. */
  async withdrawByUrl({ url, headline, body }: Article): Promise<Article> {
    // Scheme, `www.` and tracking parameters do not matter.
    const other = 'http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario';
    const withdrawn = await this.withdraw({ url: other, reason: 'The board has not voted yet.' });
    const problem = await this.rejection(url, headline, body);
    say(`16 withdraw ${withdrawn.state} again=${problem.code} reason=${problem.reason}`);
    return withdrawn;
  }

  async withdrawEarly(): Promise<void> {
    const url = 'https://tidewire.example/pilots';
    // The withdrawal arrives before the article.
    const withdrawn = await this.withdraw({ url, allowMissing: true, reason: 'Sent by mistake.' });
    const body = 'The pilots of Port Ellery will strike on Friday.';
    const problem = await this.rejection(url, 'Pilots to strike', body);
    say(`16 withdraw-early ${withdrawn.state} arrival=${problem.code} reason=${problem.reason}`);
  }

  private async withdraw(request: Partial<WithdrawArticleRequest>): Promise<Article> {
    const { editorial } = this.client;
    const { response } = await unary(editorial, editorial.withdrawArticle, WithdrawArticleRequest.create(request));
    return needed(response.article);
  }

  private async rejection(url: string, headline: string, body: string): Promise<Problem> {
    return failure(this.ingestReady(url, headline, body));
  }

  private async ingestReady(url: string, headline: string, body: string): Promise<IngestedArticle> {
    const article = Article.create({ headline, body });
    const document = Document.create({ payload: { $case: 'article', value: article }, url });
    const { ingestion } = this.client;
    const request = IngestArticleRequest.create({ document });
    return needed(ingestedOf((await unary(ingestion, ingestion.ingestArticle, request)).response.results)[0]);
  }

  async anyState(withdrawn: Article): Promise<void> {
    const { retrieval } = this.client;
    // Requires the scope `articles.edit` if authentication is on.
    const one = GetArticleRequest.create({ name: withdrawn.name, anyState: true, consistency: fresh(withdrawn) });
    const { article } = (await unary(retrieval, retrieval.getArticle, one)).response;
    const all = ListArticleRevisionsRequest.create({ parent: withdrawn.name, anyState: true });
    const { revisions } = (await unary(retrieval, retrieval.listArticleRevisions, all)).response;
    const { kind, reason } = needed(revisions[0]);
    say(`17 any-state ${article?.state} ${kind} reason="${reason}"`);
  }

  async diff(page: Article): Promise<void> {
    // The default of `base_revision` is the revision before.
    const name = `${page.name}/revisions/${page.revision}`;
    const request = DiffArticleRevisionsRequest.create({ name, consistency: fresh(page) });
    const { retrieval } = this.client;
    const { fields } = (await unary(retrieval, retrieval.diffArticleRevisions, request)).response;
    for (const { path, oldValue, newValue } of fields) say(`19 diff ${path} old="${oldValue}" new="${newValue}"`);
  }

  /** Returns the article that was copied. */
  async copies(text: string): Promise<Article> {
    const first = await this.ingestReady('https://wire.example/channel', 'Wire story', text);
    const wire = needed(first.article);
    const body = `${wire.body}\n\nThis story was supplied by a wire.`;
    const second = await this.ingestReady('https://mirror.example/channel', 'Under another headline', body);
    const { retrieval } = this.client;
    const request = ListArticleCopiesRequest.create({ name: wire.name, consistency: FULLY_CONSISTENT });
    const { copies } = (await unary(retrieval, retrieval.listArticleCopies, request)).response;
    say(`25 copies outcome=${second.outcome} count=${copies.length} kind=${needed(copies[0]).kind}`);
    return wire;
  }

  async kill({ name, body }: Article): Promise<void> {
    // Holds for the copies that exist, and for those that arrive later.
    const scope = WithdrawScope.WITHDRAW_SCOPE_COPIES;
    const request = WithdrawArticleRequest.create({ name, scope, reason: 'The wire has withdrawn it.' });
    const { editorial } = this.client;
    const { copies } = (await unary(editorial, editorial.withdrawArticle, request)).response;
    const { outcome } = needed(copies[0]);
    const late = await this.rejection('https://late.example/channel', 'Late copy', body);
    say(`26 kill copies=${copies.length} outcome=${outcome} late=${late.code} reason=${late.reason}`);
  }
}
