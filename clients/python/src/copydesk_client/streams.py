"""Steps of the scenario that are streams."""

from collections.abc import Iterator

from copydesk.v1.article_change_pb2 import ExportProgress
from copydesk.v1.article_filter_pb2 import ArticleFilter, StringCondition
from copydesk.v1.article_pb2 import Article
from copydesk.v1.article_revision_pb2 import ChangeKind
from copydesk.v1.editorial_service_pb2 import UpdateArticleRequest
from copydesk.v1.ingestion_service_pb2 import Document, IngestArticleRequest, IngestArticlesRequest, IngestOutcome
from copydesk.v1.retrieval_service_pb2 import ExportArticlesRequest, WatchArticlesRequest
from google.protobuf.field_mask_pb2 import FieldMask

from copydesk_client.connection import Client
from copydesk_client.errors import Problem
from copydesk_client.steps import failure, yes

STREAMED = 1_000
BROKEN = 500
SOURCES = ["ellery-herald.example", "stories.example", "tidewire.example"]


class Streams:
    def __init__(self, client: Client) -> None:
        self.client = client

    def watch(self, page: Article, change_token: str) -> Article:
        """Returns the page as corrected."""
        request = WatchArticlesRequest(change_token=change_token)
        events = self.client.retrieval.WatchArticles(request, timeout=30)
        for event in events:
            if event.HasField("checkpoint"):
                if page.revision == 1:
                    page = self.correct(page)
            elif event.change.name == page.name:
                break
        events.cancel()
        change = event.change
        kind = ChangeKind.Name(change.kind)
        print(f'07 watch {kind} revision={change.revision} headline="{change.article.headline}"')
        return page

    def correct(self, page: Article) -> Article:
        # Rejected with ETAG_MISMATCH if another client changed the article since it was read.
        corrected = Article(name=page.name, etag=page.etag, headline="Ferry fares to fall in May")
        request = UpdateArticleRequest(
            article=corrected, update_mask=FieldMask(paths=["headline"]), reason="The month was missing."
        )
        return self.client.editorial.UpdateArticle(request).article

    def stream(self) -> None:
        created, refused, in_order = 0, [], True
        # gRPC takes documents from the iterator as fast as flow control allows; responses arrive meanwhile.
        for at, answer in enumerate(self.client.ingestion.IngestArticles(stories())):
            in_order &= answer.sequence == at
            if answer.HasField("error"):
                problem = Problem("")
                problem.read(answer.error.details)
                refused.append(f"{answer.sequence}:{problem.reason}")
            else:
                created += answer.ingested.results[0].ingested.outcome == IngestOutcome.INGEST_OUTCOME_CREATED
        print(f"08 stream sent={STREAMED} created={created} refused={','.join(refused)} in-order={yes(in_order)}")

    def deadline(self) -> None:
        def watch() -> None:
            for _ in self.client.retrieval.WatchArticles(WatchArticlesRequest(), timeout=0.5):
                pass

        print(f"11 deadline {failure(watch).code}")

    def cancel(self) -> None:
        events = self.client.retrieval.WatchArticles(WatchArticlesRequest(), timeout=30)
        first = next(events)
        events.cancel()
        problem = failure(lambda: next(events))
        print(f"12 cancel {problem.code} after={first.WhichOneof('event')}")

    def export(self) -> None:
        request = ExportArticlesRequest(
            filter=ArticleFilter(sources=StringCondition(any_of=SOURCES)), read_mask=FieldMask(paths=["name"])
        )
        names, progress = self.export_until_progress(request)
        # Any replica continues from the token, in the same snapshot.
        request.export_token = progress.export_token
        for response in self.client.retrieval.ExportArticles(request):
            if response.HasField("article"):
                names.add(response.article.name)
        # The summary is the last message.
        same = yes(response.summary.article_count == len(names))
        print(f"21 export articles={len(names)} same-count={same}")

    def export_until_progress(self, request: ExportArticlesRequest) -> tuple[set[str], ExportProgress]:
        """Returns the names before the first progress that has articles before it, and that progress."""
        names = set()
        responses = self.client.retrieval.ExportArticles(request)
        for response in responses:
            if response.HasField("article"):
                names.add(response.article.name)
            elif response.progress.article_count > 0:
                break
        responses.cancel()
        return names, response.progress


def stories() -> Iterator[IngestArticlesRequest]:
    body = "\n\n".join(["The harbour of Port Ellery has a story for every boat that lies in it."] * 70)
    for at in range(STREAMED):
        article = Article(headline=f"Story {at} of the harbour", body=body)
        if at == BROKEN:
            article.language_code = "no language"
        document = Document(article=article, source="stories.example", external_id=f"story-{at}")
        request = IngestArticleRequest(document=document, request_id=f"scenario-story-{at}")
        yield IngestArticlesRequest(sequence=at, request=request, brief=True)
