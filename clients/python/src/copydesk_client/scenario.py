"""Scenario of ../scenario.md: every kind of call, one after another, with a line of output for each."""

import os
import sys
from pathlib import Path

import grpc
from copydesk.v1.article_filter_pb2 import ArticleFilter, StringCondition
from copydesk.v1.article_pb2 import Article, BodyFormat
from copydesk.v1.editorial_service_pb2 import WithdrawArticleRequest
from copydesk.v1.ingestion_service_pb2 import (
    CutReason,
    Document,
    IngestArticleRequest,
    IngestOutcome,
    RawPayload,
    VersionPart,
)
from copydesk.v1.retrieval_service_pb2 import (
    AggregateArticlesRequest,
    Aggregation,
    BatchGetArticlesRequest,
    Consistency,
    GetArticleRequest,
    ListArticlesRequest,
    ListRelatedArticlesRequest,
    SearchArticlesRequest,
    SuggestValuesRequest,
    TimeAggregation,
    ValueAggregation,
    ValueField,
)
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from copydesk_client.connection import Client
from copydesk_client.editors import Editors
from copydesk_client.steps import failure, fresh, yes
from copydesk_client.stories import Stories
from copydesk_client.streams import Streams

MISSING = "articles/no-such-article"


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
        streams = Streams(self.client)
        self.page = streams.watch(self.page, self.items[-1].change_token)
        streams.stream()
        self.validation()
        self.not_found()
        streams.deadline()
        streams.cancel()
        if self.witness:
            self.retry(self.witness)
            self.compression(self.witness)
        else:
            print("13 retry no witness")
            print("14 compression no witness")
        self.health()
        editors = Editors(self.client)
        withdrawn = editors.withdraw_by_url(self.items[1])
        editors.withdraw_early()
        editors.any_state(withdrawn)
        self.older()
        editors.diff(self.page)
        self.markdown()
        streams.export()
        self.count()
        self.suggest()
        self.related()
        wire = editors.copies((self.data / "channel.txt").read_text(encoding="utf-8"))
        editors.kill(wire)
        Stories(self.client, self.data).run()

    def ingest(self) -> None:
        html = (self.data / "page.html").read_text(encoding="utf-8")
        document = Document(html=html, url="https://ellery-herald.example/ferry-fares?utm_source=scenario")
        # The request ID makes retries safe: a repeated call returns the first response.
        request = IngestArticleRequest(document=document, request_id="scenario-page")
        done = self.client.ingestion.IngestArticle(request).results[0].ingested
        self.page = done.article
        outcome, place = IngestOutcome.Name(done.outcome), self.page.dateline.place
        cuts = ",".join(CutReason.Name(cut.reason) for cut in done.report.cuts)
        print(f'01 ingest-page {outcome} headline="{self.page.headline}" place="{place}" cuts={cuts}')

        raw = RawPayload(data=(self.data / "feed.rss").read_bytes(), mime_type="application/rss+xml")
        request = IngestArticleRequest(document=Document(raw=raw, source="tidewire.example"), request_id="scenario-feed")
        feed = self.client.ingestion.IngestArticle(request).results
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
        absent = ",".join(it.name for it in batch.not_found)
        print(f"04 batch found={found} missing={absent}")

    def list(self) -> None:
        request = ListArticlesRequest(
            page_size=3,
            filter=ArticleFilter(sources=StringCondition(any_of=["tidewire.example"])),
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
        request = SearchArticlesRequest(
            query='"northern channel" winter -sport', include_total_size=True, consistency=fresh(self.items[-1])
        )
        page = self.client.retrieval.SearchArticles(request)
        best = page.results[0]
        matched = ",".join(f'"{part.text}"' for part in best.snippet if part.matched)
        counts = f"results={len(page.results)} total={page.total_size}"
        print(f'06 search {counts} headline="{best.article.headline}" matched={matched}')

    def validation(self) -> None:
        request = ListArticlesRequest(page_size=-1, order_by="colour")
        problem = failure(lambda: self.client.retrieval.ListArticles(request))
        fields = ",".join(sorted(problem.fields))
        print(f"09 validation {problem.code} reason={problem.reason} fields={fields}")

    def older(self) -> None:
        article = Article(
            headline="Lock gates to be renewed",
            body="The gates of the Lowmouth lock will be renewed in the summer.",
            source_update_time=Timestamp(seconds=1_749_373_200),
        )
        document = Document(article=article, source="tidewire.example", external_id="tidewire-8")
        self.client.ingestion.IngestArticle(IngestArticleRequest(document=document))
        # A late copy of an older version changes nothing.
        document.article.headline = "Lock gates to be repaired"
        document.article.source_update_time.seconds -= 3_600
        done = self.client.ingestion.IngestArticle(IngestArticleRequest(document=document)).results[0].ingested
        outcome, part = IngestOutcome.Name(done.outcome), VersionPart.Name(done.stale_part)
        print(f"18 older {outcome} part={part}")

    def markdown(self) -> None:
        request = GetArticleRequest(
            name=self.page.name, body_format=BodyFormat.BODY_FORMAT_MARKDOWN, consistency=fresh(self.page)
        )
        body = self.client.retrieval.GetArticle(request).article.body
        last = body.split("\n\n")[-1].rstrip()
        print(f'20 markdown "{last}"')

    def count(self) -> None:
        by_source = ValueAggregation(field=ValueField.VALUE_FIELD_SOURCE)
        by_day = TimeAggregation(interval=TimeAggregation.INTERVAL_DAY, time_zone="Europe/Berlin")
        request = AggregateArticlesRequest(
            query="boat*",
            filter=ArticleFilter(sources=StringCondition(any_of=["tidewire.example"])),
            aggregations=[Aggregation(values=by_source), Aggregation(times=by_day)],
            consistency=Consistency(fully_consistent=True),
        )
        counts = self.client.retrieval.AggregateArticles(request)
        values, times = counts.results
        sources = ",".join(f"{bucket.value}:{bucket.count}" for bucket in values.buckets)
        days = ",".join(f"{bucket.start_time.seconds}:{bucket.count}" for bucket in times.buckets)
        print(f"22 count total={counts.total_size} sources={sources} days={days}")

    def suggest(self) -> None:
        request = SuggestValuesRequest(
            field=ValueField.VALUE_FIELD_SOURCE, prefix="tide", consistency=Consistency(fully_consistent=True)
        )
        suggestions = self.client.retrieval.SuggestValues(request).suggestions
        print("23 suggest " + ",".join(f"{it.value}:{it.article_count}" for it in suggestions))

    def related(self) -> None:
        request = ListRelatedArticlesRequest(
            name=self.page.name, page_size=5, consistency=Consistency(fully_consistent=True)
        )
        page = self.client.retrieval.ListRelatedArticles(request)
        has_self = yes(any(related.article.name == self.page.name for related in page.related_articles))
        following = yes(bool(page.next_page_token))
        print(f"24 related count={len(page.related_articles)} self={has_self} next={following}")

    def not_found(self) -> None:
        problem = failure(lambda: self.client.retrieval.GetArticle(GetArticleRequest(name=MISSING)))
        print(f"10 never-there {problem.code} reason={problem.reason} resource={problem.resource}")
        gone = self.items[0]
        request = WithdrawArticleRequest(name=gone.name, reason="A mistake.")
        withdrawn = self.client.editorial.WithdrawArticle(request).article
        request = GetArticleRequest(name=gone.name, consistency=fresh(withdrawn))
        problem = failure(lambda: self.client.retrieval.GetArticle(request))
        print(f"10 withdrawn {problem.code} reason={problem.reason} resource={problem.resource}")

    def retry(self, witness: Client) -> None:
        # The channel retries, as the service config says; this code does not.
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
