"""Steps of the scenario that editors make: they withdraw articles and copies, and read withdrawn ones and revisions."""

from copydesk.v1.article_pb2 import Article, ArticleState, CopyKind
from copydesk.v1.article_revision_pb2 import ChangeKind
from copydesk.v1.editorial_service_pb2 import CopyOutcome, WithdrawArticleRequest, WithdrawScope
from copydesk.v1.ingestion_service_pb2 import Document, IngestArticleRequest, IngestedArticle, IngestOutcome
from copydesk.v1.retrieval_service_pb2 import (
    Consistency,
    DiffArticleRevisionsRequest,
    GetArticleRequest,
    ListArticleCopiesRequest,
    ListArticleRevisionsRequest,
)

from copydesk_client.connection import Client
from copydesk_client.errors import Problem
from copydesk_client.steps import failure, fresh


class Editors:
    def __init__(self, client: Client) -> None:
        self.client = client

    def withdraw_by_url(self, article: Article) -> Article:
        """Returns the withdrawn article."""
        # Scheme, `www.` and tracking parameters do not matter.
        url = "http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario"
        request = WithdrawArticleRequest(url=url, reason="The board has not voted yet.")
        withdrawn = self.client.editorial.WithdrawArticle(request).article
        copy = Article(headline=article.headline, body=article.body)
        problem = self.rejection(Document(article=copy, url=article.url))
        state = ArticleState.Name(withdrawn.state)
        print(f"16 withdraw {state} again={problem.code} reason={problem.reason}")
        return withdrawn

    def withdraw_early(self) -> None:
        url = "https://tidewire.example/pilots"
        # The withdrawal arrives before the article.
        request = WithdrawArticleRequest(url=url, allow_missing=True, reason="Sent by mistake.")
        withdrawn = self.client.editorial.WithdrawArticle(request).article
        article = Article(headline="Pilots to strike", body="The pilots of Port Ellery will strike on Friday.")
        problem = self.rejection(Document(article=article, url=url))
        state = ArticleState.Name(withdrawn.state)
        print(f"16 withdraw-early {state} arrival={problem.code} reason={problem.reason}")

    def rejection(self, document: Document) -> Problem:
        return failure(lambda: self.ingest(document))

    def ingest(self, document: Document) -> IngestedArticle:
        return self.client.ingestion.IngestArticle(IngestArticleRequest(document=document)).results[0].ingested

    def any_state(self, withdrawn: Article) -> None:
        # Requires the scope `articles.edit` if authentication is on.
        request = GetArticleRequest(name=withdrawn.name, any_state=True, consistency=fresh(withdrawn))
        article = self.client.retrieval.GetArticle(request).article
        request = ListArticleRevisionsRequest(parent=withdrawn.name, any_state=True)
        newest = self.client.retrieval.ListArticleRevisions(request).revisions[0]
        state, kind = ArticleState.Name(article.state), ChangeKind.Name(newest.kind)
        print(f'17 any-state {state} {kind} reason="{newest.reason}"')

    def diff(self, page: Article) -> None:
        # The default of `base_revision` is the revision before.
        name = f"{page.name}/revisions/{page.revision}"
        request = DiffArticleRevisionsRequest(name=name, consistency=fresh(page))
        for field in self.client.retrieval.DiffArticleRevisions(request).fields:
            print(f'19 diff {field.path} old="{field.old_value}" new="{field.new_value}"')

    def copies(self, text: str) -> Article:
        """Returns the article that was copied."""
        article = Article(headline="Wire story", body=text)
        wire = self.ingest(Document(article=article, url="https://wire.example/channel")).article
        body = f"{wire.body}\n\nThis story was supplied by a wire."
        article = Article(headline="Under another headline", body=body)
        second = self.ingest(Document(article=article, url="https://mirror.example/channel"))
        request = ListArticleCopiesRequest(name=wire.name, consistency=Consistency(fully_consistent=True))
        copies = self.client.retrieval.ListArticleCopies(request).copies
        outcome, kind = IngestOutcome.Name(second.outcome), CopyKind.Name(copies[0].kind)
        print(f"25 copies outcome={outcome} count={len(copies)} kind={kind}")
        return wire

    def kill(self, wire: Article) -> None:
        # Holds for the copies that exist, and for those that arrive later.
        scope = WithdrawScope.WITHDRAW_SCOPE_COPIES
        request = WithdrawArticleRequest(name=wire.name, scope=scope, reason="The wire has withdrawn it.")
        copies = self.client.editorial.WithdrawArticle(request).copies
        article = Article(headline="Late copy", body=wire.body)
        late = self.rejection(Document(article=article, url="https://late.example/channel"))
        outcome = CopyOutcome.Name(copies[0].outcome)
        print(f"26 kill copies={len(copies)} outcome={outcome} late={late.code} reason={late.reason}")
