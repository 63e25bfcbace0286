package dev.copydesk.client;

import static java.util.stream.Collectors.joining;

import com.google.protobuf.ByteString;
import com.google.protobuf.FieldMask;
import dev.copydesk.v1.Article;
import dev.copydesk.v1.ArticleFilter;
import dev.copydesk.v1.BatchGetArticlesRequest;
import dev.copydesk.v1.BatchGetArticlesResponse;
import dev.copydesk.v1.Consistency;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.FeedItem;
import dev.copydesk.v1.GetArticleRequest;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.IngestArticleResponse;
import dev.copydesk.v1.IngestOutcome;
import dev.copydesk.v1.ListArticlesRequest;
import dev.copydesk.v1.ListArticlesResponse;
import dev.copydesk.v1.RawPayload;
import dev.copydesk.v1.RetrievalServiceGrpc.RetrievalServiceBlockingStub;
import dev.copydesk.v1.SearchArticlesRequest;
import dev.copydesk.v1.SearchArticlesResponse;
import dev.copydesk.v1.SearchResult;
import dev.copydesk.v1.WithdrawArticleRequest;
import io.grpc.Metadata;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;

/** The scenario of ../scenario.md: every kind of call, one after another, and a line for each of what came of it. */
final class Scenario {
  private static final String MISSING = "articles/no-such-article";

  /** To all replicas, and to one. */
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
    }
  }

  private void ingest() throws IOException {
    Document document =
        Document.newBuilder()
            .setHtml(Files.readString(data.resolve("page.html")))
            .setUrl("https://ellery-herald.example/ferry-fares?utm_source=scenario")
            .build();
    // With a request ID a repeated call is answered as the first was, so that a retry does no harm.
    IngestArticleResponse done = ingest(document, "scenario-page");
    page = done.getArticle();
    String cuts = done.getReport().getCutsList().stream().map(cut -> cut.getReason().name()).collect(joining(","));
    say(
        "01 ingest-page %s headline=\"%s\" place=\"%s\" cuts=%s",
        done.getOutcome(), page.getHeadline(), page.getDateline().getPlace(), cuts);

    ByteString bytes = ByteString.copyFrom(Files.readAllBytes(data.resolve("feed.rss")));
    RawPayload raw = RawPayload.newBuilder().setData(bytes).setContentType("application/rss+xml").build();
    Document feed = Document.newBuilder().setRaw(raw).setSource("tidewire.example").build();
    List<FeedItem> all = ingest(feed, "scenario-feed").getFeedItemsList();
    items = all.stream().filter(FeedItem::hasIngested).map(item -> item.getIngested().getArticle()).toList();
    long created =
        all.stream().filter(item -> item.getIngested().getOutcome() == IngestOutcome.INGEST_OUTCOME_CREATED).count();
    say("01 ingest-feed items=%d created=%d", all.size(), created);
  }

  private IngestArticleResponse ingest(Document document, String requestId) {
    return client.ingestion.ingestArticle(
        IngestArticleRequest.newBuilder().setDocument(document).setRequestId(requestId).build());
  }

  private void get() {
    Consistency consistency = Consistency.newBuilder().setFullyConsistent(true).build();
    AtomicReference<Metadata> headers = new AtomicReference<>();
    Article article = get(capturing(client, headers), page.getName(), consistency);
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
    say("04 batch found=%s missing=%s", found, String.join(",", batch.getNotFoundList()));
  }

  private void list() {
    ListArticlesRequest.Builder request =
        ListArticlesRequest.newBuilder()
            .setPageSize(3)
            .setFilter(ArticleFilter.newBuilder().addSources("tidewire.example"))
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
                .setConsistency(fresh(newest()))
                .build());
    SearchResult best = found.getResults(0);
    String snippet = best.getSnippet();
    // Highlights count code points; a string's own indexes count UTF-16 units.
    String matched =
        best.getHighlightsList().stream()
            .map(part -> snippet.substring(at(snippet, part.getStart()), at(snippet, part.getEnd())))
            .map(Scenario::quoted)
            .collect(joining(","));
    String headline = best.getArticle().getHeadline();
    say("06 search results=%d headline=%s matched=%s", found.getResultsCount(), quoted(headline), matched);
  }

  private static int at(String text, int codePoint) {
    return text.offsetByCodePoints(0, codePoint);
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
            .ingestion
            .withdrawArticle(WithdrawArticleRequest.newBuilder().setName(name).setReason("A mistake.").build())
            .getArticle();
    Problem gone = failure(() -> get(client.retrieval, name, fresh(withdrawn)));
    say("10 withdrawn %s reason=%s resource=%s", gone.code(), gone.reason(), gone.resource());
  }

  private void retry(Client witness) {
    AtomicReference<Metadata> headers = new AtomicReference<>();
    // Nothing here tries again: the channel does, as the service config says.
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

  /** See at least this write, whichever replica answers. */
  private static Consistency fresh(Article article) {
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
    throw new IllegalStateException("this call should have failed");
  }

  static String quoted(String text) {
    return '"' + text + '"';
  }

  static String yes(boolean it) {
    return it ? "yes" : "no";
  }

  static void say(String format, Object... values) {
    System.out.println(String.format(format, values));
  }

  private static String setting(String name, String otherwise) {
    String value = System.getenv(name);
    return value == null ? otherwise : value;
  }
}
