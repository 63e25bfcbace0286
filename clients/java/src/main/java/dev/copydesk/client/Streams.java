package dev.copydesk.client;

import static dev.copydesk.client.Scenario.failure;
import static dev.copydesk.client.Scenario.say;
import static dev.copydesk.client.Scenario.yes;

import com.google.protobuf.FieldMask;
import dev.copydesk.v1.Article;
import dev.copydesk.v1.ArticleChange;
import dev.copydesk.v1.ArticleFilter;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.ExportArticlesRequest;
import dev.copydesk.v1.ExportArticlesResponse;
import dev.copydesk.v1.ExportProgress;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.IngestArticlesRequest;
import dev.copydesk.v1.IngestArticlesResponse;
import dev.copydesk.v1.IngestOutcome;
import dev.copydesk.v1.StringCondition;
import dev.copydesk.v1.UpdateArticleRequest;
import dev.copydesk.v1.WatchArticlesRequest;
import dev.copydesk.v1.WatchArticlesResponse;
import io.grpc.Context;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Steps of the scenario that are streams. */
final class Streams {
  private static final int STREAMED = 1000;
  private static final int BROKEN = 500;

  private final Client client;

  Streams(Client client) {
    this.client = client;
  }

  /** Returns the page as corrected. */
  Article watch(Article page, String token) {
    WatchArticlesRequest request = WatchArticlesRequest.newBuilder().setChangeToken(token).build();
    Article newest = page;
    // Cancelling the context ends the stream.
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      Iterator<WatchArticlesResponse> events =
          client.retrieval.withDeadlineAfter(30, TimeUnit.SECONDS).watchArticles(request);
      while (true) {
        WatchArticlesResponse event = events.next();
        ArticleChange change = event.getChange();
        if (event.hasCheckpoint() && newest.getRevision() == 1) {
          newest = correct(page);
        } else if (event.hasChange() && change.getName().equals(page.getName())) {
          String headline = change.getArticle().getHeadline();
          say("07 watch %s revision=%d headline=\"%s\"", change.getKind(), change.getRevision(), headline);
          return newest;
        }
      }
    } finally {
      context.detach(before);
      context.cancel(null);
    }
  }

  private Article correct(Article page) {
    // Rejected with ETAG_MISMATCH if another client changed the article since it was read.
    Article.Builder corrected =
        Article.newBuilder().setName(page.getName()).setEtag(page.getEtag()).setHeadline("Ferry fares to fall in May");
    return client
        .editorial
        .updateArticle(
            UpdateArticleRequest.newBuilder()
                .setArticle(corrected)
                .setUpdateMask(FieldMask.newBuilder().addPaths("headline"))
                .setReason("The month was missing.")
                .build())
        .getArticle();
  }

  void ingest() {
    Answers answers = new Answers();
    client.ingestionAsync.ingestArticles(answers);
    answers.done.join();
    say(
        "08 stream sent=%d created=%d refused=%s in-order=%s",
        STREAMED, answers.created, String.join(",", answers.refused), yes(answers.inOrder));
  }

  /** Sends while the stream is ready, and reads meanwhile. gRPC calls one method at a time. */
  private static final class Answers implements ClientResponseObserver<IngestArticlesRequest, IngestArticlesResponse> {
    final CompletableFuture<Void> done = new CompletableFuture<>();
    final List<String> refused = new ArrayList<>();
    int created = 0;
    boolean inOrder = true;
    private int sent = 0;
    private int read = 0;

    @Override
    public void beforeStart(ClientCallStreamObserver<IngestArticlesRequest> stream) {
      stream.setOnReadyHandler(
          () -> {
            while (stream.isReady() && sent < STREAMED) {
              stream.onNext(story(sent++));
              if (sent == STREAMED) {
                stream.onCompleted();
              }
            }
          });
    }

    @Override
    public void onNext(IngestArticlesResponse answer) {
      inOrder &= answer.getSequence() == read++;
      if (answer.hasError()) {
        refused.add(answer.getSequence() + ":" + Problem.of("", answer.getError()).reason());
      } else if (answer.getIngested().getResults(0).getIngested().getOutcome() == IngestOutcome.INGEST_OUTCOME_CREATED) {
        created++;
      }
    }

    @Override
    public void onError(Throwable error) {
      done.completeExceptionally(error);
    }

    @Override
    public void onCompleted() {
      done.complete(null);
    }
  }

  private static IngestArticlesRequest story(int sequence) {
    String paragraph = "The harbour of Port Ellery has a story for every boat that lies in it.";
    Article.Builder article =
        Article.newBuilder()
            .setHeadline("Story " + sequence + " of the harbour")
            .setBody(String.join("\n\n", Collections.nCopies(70, paragraph)))
            .setLanguageCode(sequence == BROKEN ? "no language" : "");
    Document.Builder document =
        Document.newBuilder().setArticle(article).setSource("stories.example").setExternalId("story-" + sequence);
    IngestArticleRequest.Builder request =
        IngestArticleRequest.newBuilder().setDocument(document).setRequestId("scenario-story-" + sequence);
    return IngestArticlesRequest.newBuilder().setSequence(sequence).setRequest(request).setBrief(true).build();
  }

  void deadline() {
    Problem problem =
        failure(
            () ->
                client
                    .retrieval
                    .withDeadlineAfter(500, TimeUnit.MILLISECONDS)
                    .watchArticles(WatchArticlesRequest.getDefaultInstance())
                    .forEachRemaining(event -> {}));
    say("11 deadline %s", problem.code());
  }

  void cancel() {
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      Iterator<WatchArticlesResponse> events =
          client
              .retrieval
              .withDeadlineAfter(30, TimeUnit.SECONDS)
              .watchArticles(WatchArticlesRequest.getDefaultInstance());
      WatchArticlesResponse first = events.next();
      context.cancel(null);
      Problem problem = failure(events::next);
      say("12 cancel %s after=%s", problem.code(), first.hasCheckpoint() ? "checkpoint" : "change");
    } finally {
      context.detach(before);
    }
  }

  void export() {
    List<String> sources = List.of("ellery-herald.example", "stories.example", "tidewire.example");
    ExportArticlesRequest.Builder request =
        ExportArticlesRequest.newBuilder()
            .setFilter(ArticleFilter.newBuilder().setSources(StringCondition.newBuilder().addAllAnyOf(sources)))
            .setReadMask(FieldMask.newBuilder().addPaths("name"));
    Set<String> names = new HashSet<>();
    ExportProgress progress = exportUntilProgress(request.build(), names);
    // Any replica continues from the token, in the same snapshot.
    request.setExportToken(progress.getExportToken());
    long count = -1;
    Iterator<ExportArticlesResponse> responses = client.retrieval.exportArticles(request.build());
    while (responses.hasNext()) {
      ExportArticlesResponse response = responses.next();
      if (response.hasArticle()) {
        names.add(response.getArticle().getName());
      } else if (response.hasSummary()) {
        count = response.getSummary().getArticleCount();
      }
    }
    say("21 export articles=%d same-count=%s", names.size(), yes(count == names.size()));
  }

  /** Adds the names before the first progress that has articles before it, and returns that progress. */
  private ExportProgress exportUntilProgress(ExportArticlesRequest request, Set<String> names) {
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      Iterator<ExportArticlesResponse> responses = client.retrieval.exportArticles(request);
      while (true) {
        ExportArticlesResponse response = responses.next();
        if (response.hasArticle()) {
          names.add(response.getArticle().getName());
        } else if (response.getProgress().getArticleCount() > 0) {
          return response.getProgress();
        }
      }
    } finally {
      context.detach(before);
      context.cancel(null);
    }
  }
}
