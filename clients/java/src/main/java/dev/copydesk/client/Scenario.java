package dev.copydesk.client;

import static java.util.stream.Collectors.joining;

import com.google.protobuf.ByteString;
import com.google.protobuf.FieldMask;
import com.google.protobuf.Timestamp;
import dev.copydesk.v1.AggregateArticlesRequest;
import dev.copydesk.v1.AggregateArticlesResponse;
import dev.copydesk.v1.Aggregation;
import dev.copydesk.v1.Article;
import dev.copydesk.v1.ArticleFilter;
import dev.copydesk.v1.ArticleNotFound;
import dev.copydesk.v1.BatchGetArticlesRequest;
import dev.copydesk.v1.BatchGetArticlesResponse;
import dev.copydesk.v1.BodyFormat;
import dev.copydesk.v1.Consistency;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.GetArticleRequest;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.IngestOutcome;
import dev.copydesk.v1.IngestResult;
import dev.copydesk.v1.IngestedArticle;
import dev.copydesk.v1.ListArticlesRequest;
import dev.copydesk.v1.ListArticlesResponse;
import dev.copydesk.v1.ListRelatedArticlesRequest;
import dev.copydesk.v1.ListRelatedArticlesResponse;
import dev.copydesk.v1.RawPayload;
import dev.copydesk.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import dev.copydesk.v1.SearchArticlesRequest;
import dev.copydesk.v1.SearchArticlesResponse;
import dev.copydesk.v1.SearchResult;
import dev.copydesk.v1.StringCondition;
import dev.copydesk.v1.SuggestValuesRequest;
import dev.copydesk.v1.SuggestValuesResponse;
import dev.copydesk.v1.TextPart;
import dev.copydesk.v1.TimeAggregation;
import dev.copydesk.v1.ValueAggregation;
import dev.copydesk.v1.ValueField;
import dev.copydesk.v1.WithdrawArticleRequest;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/** Scenario of ../scenario.md: every kind of call, one after another, with a line of output for each. */
final class Scenario {
  private static final String MISSING = "articles/no-such-article";

  /** Requires a read of everything that is committed. */
  static final Consistency FULLY_CONSISTENT = Consistency.newBuilder().setFullyConsistent(true).build();

  /** Clients of all replicas, and of one. */
  private final Client client, other;

  private final Path data;
  private Article page;
  private List<Article> items;

  private Scenario(Client client, Client other, Path data) {
    this.client = client;
    this.other = other;
    this.data = data;
  }

  public static void main(String[] args) throws Exception {
    List<String> addresses = Arrays.asList(setting("COPYDESK_ADDRESSES", "127.0.0.1:50051").split(","));
    String witnessed = setting("COPYDESK_WITNESS", "");
    Path clients = Path.of(setting("COPYDESK_CLIENTS", ".."));
    Path config = clients.resolve("service-config.json");
    try (Client client = new Client(addresses, config);
        Client other = new Client(addresses.subList(addresses.size() - 1, addresses.size()), config)) {
      Scenario scenario = new Scenario(client, other, clients.resolve("data"));
      scenario.ingest();
      scenario.get();
      scenario.getByToken();
      scenario.batch();
      scenario.list();
      scenario.search();
      Streams streams = new Streams(client);
      scenario.page = streams.watch(scenario.page, scenario.newest().getChangeToken());
      streams.ingest();
      scenario.validation();
      scenario.notFound();
      streams.deadline();
      streams.cancel();
      if (witnessed.isEmpty()) {
        say("13 retry no witness");
        say("14 compression no witness");
      } else {
        try (Client witness = new Client(List.of(witnessed), config)) {
          scenario.retry(witness);
          scenario.compression(witness);
        }
      }
      scenario.health();
      Editors editors = new Editors(client);
      Article withdrawn = editors.withdrawByUrl(scenario.items.get(1));
      editors.withdrawEarly();
      editors.anyState(withdrawn);
      scenario.older();
      editors.diff(scenario.page);
      scenario.markdown();
      streams.export();
      scenario.count();
      scenario.suggest();
      scenario.related();
      editors.kill(editors.copies(Files.readString(scenario.data.resolve("channel.txt"))));
      new Stories(client, scenario.data).run();
    }
  }

  private void ingest() throws IOException {
    Document document =
        Document.newBuilder()
            .setHtml(Files.readString(data.resolve("page.html")))
            .setUrl("https://ellery-herald.example/ferry-fares?utm_source=scenario")
            .build();
    // The request ID makes retries safe: a repeated call returns the first response.
    IngestedArticle done = ingestOne(document, "scenario-page").get(0).getIngested();
    page = done.getArticle();
    String cuts = done.getReport().getCutsList().stream().map(cut -> cut.getReason().name()).collect(joining(","));
    say(
        "01 ingest-page %s headline=\"%s\" place=\"%s\" cuts=%s",
        done.getOutcome(), page.getHeadline(), page.getDateline().getPlace(), cuts);

    ByteString bytes = ByteString.copyFrom(Files.readAllBytes(data.resolve("feed.rss")));
    RawPayload raw = RawPayload.newBuilder().setData(bytes).setMimeType("application/rss+xml").build();
    Document feed = Document.newBuilder().setRaw(raw).setSource("tidewire.example").build();
    List<IngestResult> all = ingestOne(feed, "scenario-feed");
    items = all.stream().filter(IngestResult::hasIngested).map(item -> item.getIngested().getArticle()).toList();
    long created =
        all.stream().filter(item -> item.getIngested().getOutcome() == IngestOutcome.INGEST_OUTCOME_CREATED).count();
    say("01 ingest-feed items=%d created=%d", all.size(), created);
  }

  private List<IngestResult> ingestOne(Document document, String requestId) {
    IngestArticleRequest request =
        IngestArticleRequest.newBuilder().setDocument(document).setRequestId(requestId).build();
    return client.ingestion.ingestArticle(request).getResultsList();
  }

  private void get() {
    AtomicReference<Metadata> headers = new AtomicReference<>();
    Article article = get(capturing(client, headers), page.getName(), FULLY_CONSISTENT);
    int paragraphs = article.getBody().split("\n\n").length;
    say(
        "02 get revision=%d paragraphs=%d answered-by=%s",
        article.getRevision(), paragraphs, header(headers, "copydesk-cache"));
  }

  private void getByToken() {
    Article article = get(other.retrieval, page.getName(), fresh(page));
    boolean same = article.getContentDigest().equals(page.getContentDigest());
    say("03 get-by-token revision=%d same-text=%s", article.getRevision(), yes(same));
  }

  private void batch() {
    BatchGetArticlesResponse batch =
        client.retrieval.batchGetArticles(
            BatchGetArticlesRequest.newBuilder()
                .addAllNames(List.of(newest().getName(), MISSING, page.getName()))
                .setReadMask(FieldMask.newBuilder().addPaths("name").addPaths("headline"))
                .setConsistency(fresh(newest()))
                .build());
    String found = batch.getArticlesList().stream().map(it -> quoted(it.getHeadline())).collect(joining(","));
    String absent = batch.getNotFoundList().stream().map(ArticleNotFound::getName).collect(joining(","));
    say("04 batch found=%s missing=%s", found, absent);
  }

  private void list() {
    ListArticlesRequest.Builder request =
        ListArticlesRequest.newBuilder()
            .setPageSize(3)
            .setFilter(ArticleFilter.newBuilder().setSources(StringCondition.newBuilder().addAnyOf("tidewire.example")))
            .setReadMask(FieldMask.newBuilder().addPaths("headline"))
            .setConsistency(fresh(newest()));
    List<String> headlines = new ArrayList<>();
    int pages = 0;
    do {
      ListArticlesResponse answer = client.retrieval.listArticles(request.build());
      answer.getArticlesList().forEach(article -> headlines.add(quoted(article.getHeadline())));
      request.setPageToken(answer.getNextPageToken());
      pages++;
    } while (!request.getPageToken().isEmpty());
    String last = headlines.get(headlines.size() - 1);
    say("05 list pages=%d articles=%d first=%s last=%s", pages, headlines.size(), headlines.get(0), last);
  }

  private void search() {
    SearchArticlesResponse found =
        client.retrieval.searchArticles(
            SearchArticlesRequest.newBuilder()
                .setQuery("\"northern channel\" winter -sport")
                .setIncludeTotalSize(true)
                .setConsistency(fresh(newest()))
                .build());
    SearchResult best = found.getResults(0);
    String matched =
        best.getSnippetList().stream()
            .filter(TextPart::getMatched)
            .map(part -> quoted(part.getText()))
            .collect(joining(","));
    String headline = best.getArticle().getHeadline();
    say(
        "06 search results=%d total=%d headline=%s matched=%s",
        found.getResultsCount(), found.getTotalSize(), quoted(headline), matched);
  }

  private void validation() {
    ListArticlesRequest request = ListArticlesRequest.newBuilder().setPageSize(-1).setOrderBy("colour").build();
    Problem problem = failure(() -> client.retrieval.listArticles(request));
    say("09 validation %s reason=%s fields=%s", problem.code(), problem.reason(), String.join(",", problem.fields()));
  }

  private void notFound() {
    Problem never = failure(() -> get(client.retrieval, MISSING, Consistency.getDefaultInstance()));
    say("10 never-there %s reason=%s resource=%s", never.code(), never.reason(), never.resource());
    String name = items.get(0).getName();
    Article withdrawn =
        client
            .editorial
            .withdrawArticle(WithdrawArticleRequest.newBuilder().setName(name).setReason("A mistake.").build())
            .getArticle();
    Problem gone = failure(() -> get(client.retrieval, name, fresh(withdrawn)));
    say("10 withdrawn %s reason=%s resource=%s", gone.code(), gone.reason(), gone.resource());
  }

  private void older() {
    Article.Builder article =
        Article.newBuilder()
            .setHeadline("Lock gates to be renewed")
            .setBody("The gates of the Lowmouth lock will be renewed in the summer.")
            .setSourceUpdateTime(at("2025-06-08T09:00:00Z"));
    Document.Builder document =
        Document.newBuilder().setSource("tidewire.example").setExternalId("tidewire-8").setArticle(article);
    ingestOne(document.build(), "");
    // A late copy of an older version changes nothing.
    article.setHeadline("Lock gates to be repaired").setSourceUpdateTime(at("2025-06-08T08:00:00Z"));
    IngestedArticle done = ingestOne(document.setArticle(article).build(), "").get(0).getIngested();
    say("18 older %s part=%s", done.getOutcome(), done.getStalePart());
  }

  private static Timestamp at(String time) {
    return Timestamp.newBuilder().setSeconds(Instant.parse(time).getEpochSecond()).build();
  }

  private void markdown() {
    GetArticleRequest request =
        GetArticleRequest.newBuilder()
            .setName(page.getName())
            .setBodyFormat(BodyFormat.BODY_FORMAT_MARKDOWN)
            .setConsistency(fresh(page))
            .build();
    String[] paragraphs = client.retrieval.getArticle(request).getArticle().getBody().strip().split("\n\n");
    say("20 markdown %s", quoted(paragraphs[paragraphs.length - 1]));
  }

  private void count() {
    ValueAggregation bySource = ValueAggregation.newBuilder().setField(ValueField.VALUE_FIELD_SOURCE).build();
    TimeAggregation byDay =
        TimeAggregation.newBuilder()
            .setInterval(TimeAggregation.Interval.INTERVAL_DAY)
            .setTimeZone("Europe/Berlin")
            .build();
    AggregateArticlesResponse counts =
        client.retrieval.aggregateArticles(
            AggregateArticlesRequest.newBuilder()
                .setQuery("boat*")
                .setFilter(
                    ArticleFilter.newBuilder().setSources(StringCondition.newBuilder().addAnyOf("tidewire.example")))
                .addAggregations(Aggregation.newBuilder().setValues(bySource))
                .addAggregations(Aggregation.newBuilder().setTimes(byDay))
                .setConsistency(FULLY_CONSISTENT)
                .build());
    String sources =
        counts.getResults(0).getBucketsList().stream()
            .map(bucket -> bucket.getValue() + ":" + bucket.getCount())
            .collect(joining(","));
    String days =
        counts.getResults(1).getBucketsList().stream()
            .map(bucket -> bucket.getStartTime().getSeconds() + ":" + bucket.getCount())
            .collect(joining(","));
    say("22 count total=%d sources=%s days=%s", counts.getTotalSize(), sources, days);
  }

  private void suggest() {
    SuggestValuesResponse suggested =
        client.retrieval.suggestValues(
            SuggestValuesRequest.newBuilder()
                .setField(ValueField.VALUE_FIELD_SOURCE)
                .setPrefix("tide")
                .setConsistency(FULLY_CONSISTENT)
                .build());
    String values =
        suggested.getSuggestionsList().stream()
            .map(it -> it.getValue() + ":" + it.getArticleCount())
            .collect(joining(","));
    say("23 suggest %s", values);
  }

  private void related() {
    ListRelatedArticlesResponse found =
        client.retrieval.listRelatedArticles(
            ListRelatedArticlesRequest.newBuilder()
                .setName(page.getName())
                .setPageSize(5)
                .setConsistency(FULLY_CONSISTENT)
                .build());
    boolean hasSelf =
        found.getRelatedArticlesList().stream().anyMatch(it -> it.getArticle().getName().equals(page.getName()));
    boolean hasNext = !found.getNextPageToken().isEmpty();
    say("24 related count=%d self=%s next=%s", found.getRelatedArticlesCount(), yes(hasSelf), yes(hasNext));
  }

  private void retry(Client witness) {
    AtomicReference<Metadata> headers = new AtomicReference<>();
    // The channel retries, as the service config says; this code does not.
    Article article = get(capturing(witness, headers), page.getName(), fresh(page));
    say("13 retry attempts=%s revision=%d", header(headers, "witness-attempts"), article.getRevision());
  }

  private void compression(Client witness) {
    List<String> names = items.stream().skip(1).map(Article::getName).toList();
    AtomicReference<Metadata> headers = new AtomicReference<>();
    BatchGetArticlesResponse batch =
        capturing(witness, headers)
            .withCompression("gzip")
            .batchGetArticles(
                BatchGetArticlesRequest.newBuilder().addAllNames(names).setConsistency(fresh(page)).build());
    String sent = header(headers, "witness-request-encoding");
    String answered = header(headers, "witness-response-encoding");
    say("14 compression request=%s response=%s found=%d", sent, answered, batch.getArticlesCount());
  }

  private void health() {
    HealthCheckResponse answer = client.health.check(service("copydesk.v1.RetrievalService"));
    Problem unknown = failure(() -> client.health.check(service("copydesk.v1.NoService")));
    say("15 health %s unknown=%s", answer.getStatus(), unknown.code());
  }

  private static HealthCheckRequest service(String name) {
    return HealthCheckRequest.newBuilder().setService(name).build();
  }

  private Article newest() {
    return items.get(items.size() - 1);
  }

  private static Article get(RetrievalServiceBlockingStub stub, String name, Consistency consistency) {
    return stub.getArticle(GetArticleRequest.newBuilder().setName(name).setConsistency(consistency).build()).getArticle();
  }

  /** Requires a read at least as fresh as this write, from any replica. */
  static Consistency fresh(Article article) {
    return Consistency.newBuilder().setAtLeastAsFresh(article.getChangeToken()).build();
  }

  private static RetrievalServiceBlockingStub capturing(Client client, AtomicReference<Metadata> headers) {
    return client.retrieval.withInterceptors(
        MetadataUtils.newCaptureMetadataInterceptor(headers, new AtomicReference<>()));
  }

  private static String header(AtomicReference<Metadata> headers, String name) {
    return headers.get().get(Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER));
  }

  static Problem failure(Runnable call) {
    try {
      call.run();
    } catch (StatusRuntimeException error) {
      return Problem.of(error);
    }
    throw new IllegalStateException("the call succeeded; it must fail");
  }

  static String quoted(String text) {
    return '"' + text + '"';
  }

  static String yes(boolean value) {
    return value ? "yes" : "no";
  }

  static void say(String format, Object... values) {
    System.out.println(String.format(format, values));
  }

  private static String setting(String name, String otherwise) {
    return System.getenv().getOrDefault(name, otherwise);
  }
}
