"""The scenario of ../scenario.md: every kind of call, one after another, and a line for each of what came of it."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
from copydesk.v1.article_pb2 import Article
from copydesk.v1.ingestion_service_pb2 import (
    Document,
    IngestArticleRequest,
    IngestArticlesRequest,
    IngestOutcome,
    RawPayload,
    UpdateArticleRequest,
    WithdrawArticleRequest,
)
from copydesk.v1.ingestion_service_pb2 import CutReason
from copydesk.v1.retrieval_service_pb2 import (
    ArticleFilter,
    BatchGetArticlesRequest,
    ChangeKind,
    Consistency,
    GetArticleRequest,
    ListArticlesRequest,
    SearchArticlesRequest,
    WatchArticlesRequest,
)
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from copydesk_client.connection import Client
from copydesk_client.errors import Problem

MISSING = "articles/no-such-article"
STREAMED = 1_000
BROKEN = 500


class Scenario:
    def __init__(self, client: Client, other: Client, witness: Client | None, data: Path) -> None:
        self.client, self.other, self.witness, self.data = client, other, witness, data
        self.page = Article()
        self.items: list[Article] = []

    def run(self) -> None:
        self.ingest()
        self.get()
        self.get_by_token()
        self.batch()
        self.list()
        self.search()
        self.watch()
        self.stream()
        self.validation()
        self.not_found()
        self.deadline()
        self.cancel()
        if self.witness:
            self.retry(self.witness)
            self.compression(self.witness)
        else:
            print("13 retry no witness")
            print("14 compression no witness")
        self.health()

    def ingest(self) -> None:
        html = (self.data / "page.html").read_text(encoding="utf-8")
        document = Document(html=html, url="https://ellery-herald.example/ferry-fares?utm_source=scenario")
        # With a request ID a repeated call is answered as the first was, so that a retry does no harm.
        request = IngestArticleRequest(document=document, request_id="scenario-page")
        done = self.client.ingestion.IngestArticle(request)
        self.page = done.article
        outcome, place = IngestOutcome.Name(done.outcome), self.page.dateline.place
        cuts = ",".join(CutReason.Name(cut.reason) for cut in done.report.cuts)
        print(f'01 ingest-page {outcome} headline="{self.page.headline}" place="{place}" cuts={cuts}')

        raw = RawPayload(data=(self.data / "feed.rss").read_bytes(), content_type="application/rss+xml")
        request = IngestArticleRequest(document=Document(raw=raw, source="tidewire.example"), request_id="scenario-feed")
        feed = self.client.ingestion.IngestArticle(request).feed_items
        self.items = [item.ingested.article for item in feed if item.HasField("ingested")]
        created = sum(item.ingested.outcome == IngestOutcome.INGEST_OUTCOME_CREATED for item in feed)
        print(f"01 ingest-feed items={len(feed)} created={created}")

    def get(self) -> None:
        request = GetArticleRequest(name=self.page.name, consistency=Consistency(fully_consistent=True))
        got, call = self.client.retrieval.GetArticle.with_call(request)
        answered_by = dict(call.initial_metadata())["copydesk-cache"]
        paragraphs = len(got.article.body.split("\n\n"))
        print(f"02 get revision={got.article.revision} paragraphs={paragraphs} answered-by={answered_by}")

    def get_by_token(self) -> None:
        request = GetArticleRequest(name=self.page.name, consistency=fresh(self.page))
        article = self.other.retrieval.GetArticle(request).article
        same = yes(article.content_digest == self.page.content_digest)
        print(f"03 get-by-token revision={article.revision} same-text={same}")

    def batch(self) -> None:
        newest = self.items[-1]
        request = BatchGetArticlesRequest(
            names=[newest.name, MISSING, self.page.name],
            read_mask=FieldMask(paths=["name", "headline"]),
            consistency=fresh(newest),
        )
        batch = self.client.retrieval.BatchGetArticles(request)
        found = ",".join(f'"{article.headline}"' for article in batch.articles)
        print(f"04 batch found={found} missing={','.join(batch.not_found)}")

    def list(self) -> None:
        request = ListArticlesRequest(
            page_size=3,
            filter=ArticleFilter(sources=["tidewire.example"]),
            read_mask=FieldMask(paths=["headline"]),
            consistency=fresh(self.items[-1]),
        )
        headlines, pages = [], 0
        while pages == 0 or request.page_token:
            page = self.client.retrieval.ListArticles(request)
            headlines += [article.headline for article in page.articles]
            request.page_token = page.next_page_token
            pages += 1
        print(f'05 list pages={pages} articles={len(headlines)} first="{headlines[0]}" last="{headlines[-1]}"')

    def search(self) -> None:
        request = SearchArticlesRequest(query='"northern channel" winter -sport', consistency=fresh(self.items[-1]))
        results = self.client.retrieval.SearchArticles(request).results
        best = results[0]
        # Highlights count code points, as Python's strings do.
        matched = ",".join(f'"{best.snippet[part.start : part.end]}"' for part in best.highlights)
        print(f'06 search results={len(results)} headline="{best.article.headline}" matched={matched}')

    def watch(self) -> None:
        request = WatchArticlesRequest(change_token=self.items[-1].change_token)
        events = self.client.retrieval.WatchArticles(request, timeout=30)
        for event in events:
            if event.HasField("checkpoint"):
                if self.page.revision == 1:
                    self.correct()
            elif event.change.name == self.page.name:
                break
        events.cancel()
        change = event.change
        kind = ChangeKind.Name(change.kind)
        print(f'07 watch {kind} revision={change.revision} headline="{change.article.headline}"')

    def correct(self) -> None:
        # Rejected with ETAG_MISMATCH if another client changed the article since it was read.
        corrected = Article(name=self.page.name, etag=self.page.etag, headline="Ferry fares to fall in May")
        request = UpdateArticleRequest(
            article=corrected, update_mask=FieldMask(paths=["headline"]), reason="The month was missing."
        )
        self.page = self.client.ingestion.UpdateArticle(request).article

    def stream(self) -> None:
        created, refused, in_order = 0, [], True
        # Documents are asked for as fast as the stream takes them; answers come meanwhile.
        for at, answer in enumerate(self.client.ingestion.IngestArticles(stories())):
            in_order &= answer.sequence == at
            if answer.HasField("error"):
                problem = Problem("")
                problem.read(answer.error.details)
                refused.append(f"{answer.sequence}:{problem.reason}")
            else:
                created += answer.ingested.outcome == IngestOutcome.INGEST_OUTCOME_CREATED
        print(f"08 stream sent={STREAMED} created={created} refused={','.join(refused)} in-order={yes(in_order)}")

    def validation(self) -> None:
        request = ListArticlesRequest(page_size=-1, order_by="colour")
        problem = failure(lambda: self.client.retrieval.ListArticles(request))
        fields = ",".join(sorted(problem.fields))
        print(f"09 validation {problem.code} reason={problem.reason} fields={fields}")

    def not_found(self) -> None:
        problem = failure(lambda: self.client.retrieval.GetArticle(GetArticleRequest(name=MISSING)))
        print(f"10 never-there {problem.code} reason={problem.reason} resource={problem.resource}")
        gone = self.items[0]
        request = WithdrawArticleRequest(name=gone.name, reason="A mistake.")
        withdrawn = self.client.ingestion.WithdrawArticle(request).article
        request = GetArticleRequest(name=gone.name, consistency=fresh(withdrawn))
        problem = failure(lambda: self.client.retrieval.GetArticle(request))
        print(f"10 withdrawn {problem.code} reason={problem.reason} resource={problem.resource}")

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

    def retry(self, witness: Client) -> None:
        # Nothing here tries again: the channel does, as the service config says.
        request = GetArticleRequest(name=self.page.name, consistency=fresh(self.page))
        got, call = witness.retrieval.GetArticle.with_call(request)
        attempts = dict(call.initial_metadata())["witness-attempts"]
        print(f"13 retry attempts={attempts} revision={got.article.revision}")

    def compression(self, witness: Client) -> None:
        request = BatchGetArticlesRequest(names=[item.name for item in self.items[1:]], consistency=fresh(self.page))
        batch, call = witness.retrieval.BatchGetArticles.with_call(request, compression=grpc.Compression.Gzip)
        seen = dict(call.initial_metadata())
        sent, answered = seen["witness-request-encoding"], seen["witness-response-encoding"]
        print(f"14 compression request={sent} response={answered} found={len(batch.articles)}")

    def health(self) -> None:
        request = HealthCheckRequest(service="copydesk.v1.RetrievalService")
        status = HealthCheckResponse.ServingStatus.Name(self.client.health.Check(request).status)
        problem = failure(lambda: self.client.health.Check(HealthCheckRequest(service="copydesk.v1.NoService")))
        print(f"15 health {status} unknown={problem.code}")


def stories() -> Iterator[IngestArticlesRequest]:
    body = "\n\n".join(["The harbour of Port Ellery has a story for every boat that lies in it."] * 70)
    for at in range(STREAMED):
        article = Article(headline=f"Story {at} of the harbour", body=body)
        if at == BROKEN:
            article.language = "no language"
        document = Document(article=article, source="stories.example", external_id=f"story-{at}")
        yield IngestArticlesRequest(sequence=at, document=document, request_id=f"scenario-story-{at}", brief=True)


def fresh(article: Article) -> Consistency:
    """See at least this write, whichever replica answers."""
    return Consistency(at_least_as_fresh=article.change_token)


def failure(call) -> Problem:
    try:
        call()
    except grpc.RpcError as error:
        return Problem.of(error)
    raise AssertionError("this call should have failed")


def yes(it: bool) -> str:
    return "yes" if it else "no"


def main() -> None:
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8")
    addresses = os.environ.get("COPYDESK_ADDRESSES", "127.0.0.1:50051").split(",")
    clients = Path(os.environ.get("COPYDESK_CLIENTS", ".."))
    config = clients / "service-config.json"
    at = os.environ.get("COPYDESK_WITNESS")
    witness = Client([at], config) if at else None
    with Client(addresses, config) as client, Client(addresses[-1:], config) as other:
        Scenario(client, other, witness, clients / "data").run()


if __name__ == "__main__":
    main()
