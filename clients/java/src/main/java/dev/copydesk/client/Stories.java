package dev.copydesk.client;

import static dev.copydesk.client.Scenario.failure;
import static dev.copydesk.client.Scenario.fresh;
import static dev.copydesk.client.Scenario.say;
import static dev.copydesk.client.Scenario.yes;

import com.google.protobuf.FieldMask;
import dev.copydesk.v1.Article;
import dev.copydesk.v1.ArticleFilter;
import dev.copydesk.v1.ArticleReads;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.GetArticleRequest;
import dev.copydesk.v1.GetStoryRequest;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.ListArticlesRequest;
import dev.copydesk.v1.ListMostReadArticlesRequest;
import dev.copydesk.v1.ListRelatedArticlesRequest;
import dev.copydesk.v1.ListStoryArticlesRequest;
import dev.copydesk.v1.ListTopStoriesRequest;
import dev.copydesk.v1.MergeStoriesRequest;
import dev.copydesk.v1.MostReadArticle;
import dev.copydesk.v1.MoveStoryArticlesRequest;
import dev.copydesk.v1.RecordReadsRequest;
import dev.copydesk.v1.RelatedArticle;
import dev.copydesk.v1.Story;
import dev.copydesk.v1.StoryChange;
import dev.copydesk.v1.StoryFilter;
import dev.copydesk.v1.StringCondition;
import dev.copydesk.v1.TopStory;
import dev.copydesk.v1.WatchStoriesRequest;
import dev.copydesk.v1.WatchStoriesResponse;
import dev.copydesk.v1.WithdrawArticleRequest;
import dev.copydesk.v1.WithdrawScope;
import dev.copydesk.v1.WithdrawnCopy;
import io.grpc.Context;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** Steps that concern stories, which are articles that report one event, and reads. */
final class Stories {
  private final Client client;
  private final Path data;
  // The articles of the story.
  private Article first;
  private Article second;
  private Story story;
  // The story that an editor divides from it.
  private Story divided;
  private String watchToken;

  Stories(Client client, Path data) {
    this.client = client;
    this.data = data;
  }

  void run() throws IOException, InterruptedException {
    story();
    watch();
    split();
    merge();
    mostRead();
    killStory();
  }

  private void story() throws IOException {
    first = ingest("story-one.txt", "https://northline.example/kelmore-fire");
    second = ingest("story-two.txt", "https://ellery-herald.example/kelmore-fire");
    StoryFilter filter =
        StoryFilter.newBuilder()
            .addAllSources(List.of("northline.example", "ellery-herald.example"))
            .setMinSourceCount(2)
            .build();
    ListTopStoriesRequest wanted =
        ListTopStoriesRequest.newBuilder()
            .setFilter(filter)
            .setMaxStoryArticles(2)
            // Waits until the second article is grouped.
            .setConsistency(fresh(second))
            .build();
    TopStory top = client.retrieval.listTopStories(wanted).getTopStories(0);
    story = top.getStory();
    Story ofSecond = get(second.getName() + "/story");
    ListStoryArticlesRequest parent = ListStoryArticlesRequest.newBuilder().setParent(story.getName()).build();
    int listed = client.retrieval.listStoryArticles(parent).getArticlesCount();
    ListRelatedArticlesRequest request =
        ListRelatedArticlesRequest.newBuilder().setName(first.getName()).setConsistency(fresh(second)).build();
    RelatedArticle related = client.retrieval.listRelatedArticles(request).getRelatedArticles(0);
    boolean sameName = ofSecond.getName().equals(story.getName());
    boolean sameStory = related.getSameStory() && related.getArticle().getName().equals(second.getName());
    say(
        "27 story articles=%d sources=%d copies=%d shown=%d same-name=%s listed=%d same-story=%s",
        story.getArticleCount(), story.getSourceCount(), story.getCopyCount(), top.getArticlesCount(), yes(sameName),
        listed, yes(sameStory));
  }

  private Article ingest(String file, String url) throws IOException {
    Document document = Document.newBuilder().setText(Files.readString(data.resolve(file))).setUrl(url).build();
    IngestArticleRequest request = IngestArticleRequest.newBuilder().setDocument(document).build();
    return client.ingestion.ingestArticle(request).getResults(0).getIngested().getArticle();
  }

  private Story get(String name) {
    return client.retrieval.getStory(GetStoryRequest.newBuilder().setName(name).build()).getStory();
  }

  private void watch() {
    Map<String, String> stories = new HashMap<>();
    watchToken = watchUntil(WatchStoriesRequest.newBuilder().setBeginning(true).build(), second, story, stories);
    Story ofFirst = get(first.getName() + "/story");
    int articles = Collections.frequency(stories.values(), story.getName());
    boolean sameStory = ofFirst.getName().equals(stories.get(first.getName()));
    say("28 watch-stories articles=%d same-story=%s", articles, yes(sameStory));
  }

  /**
   * Watches until a checkpoint at which the article is in the story. Adds the stories of the articles that were sent,
   * and returns the token of the checkpoint.
   */
  private String watchUntil(WatchStoriesRequest request, Article article, Story story, Map<String, String> stories) {
    // Cancelling the context ends the stream.
    Context.CancellableContext context = Context.current().withCancellation();
    Context before = context.attach();
    try {
      Iterator<WatchStoriesResponse> events =
          client.retrieval.withDeadlineAfter(30, TimeUnit.SECONDS).watchStories(request);
      while (true) {
        WatchStoriesResponse event = events.next();
        StoryChange change = event.getChange();
        if (event.hasCheckpoint()) {
          // Another replica may have read only what was grouped before.
          if (story.getName().equals(stories.get(article.getName()))) {
            return event.getCheckpoint().getWatchToken();
          }
        } else if (change.getStory().isEmpty()) {
          // The article is not readable any more.
          stories.remove(change.getArticle());
        } else {
          stories.put(change.getArticle(), change.getStory());
        }
      }
    } finally {
      context.detach(before);
      context.cancel(null);
    }
  }

  private void split() {
    // Without a destination the article becomes a story by itself.
    MoveStoryArticlesRequest move =
        MoveStoryArticlesRequest.newBuilder().setParent(story.getName()).addArticles(second.getName()).build();
    divided = client.editorial.moveStoryArticles(move).getStory();
    WatchStoriesRequest resumed = WatchStoriesRequest.newBuilder().setWatchToken(watchToken).build();
    Map<String, String> stories = new HashMap<>();
    watchUntil(resumed, second, divided, stories);
    GetArticleRequest request =
        GetArticleRequest.newBuilder()
            .setName(second.getName())
            // No view includes `story`: a mask has to name it.
            .setReadMask(FieldMask.newBuilder().addPaths("story"))
            .setConsistency(fresh(second))
            .build();
    Article article = client.retrieval.getArticle(request).getArticle();
    boolean newName = !divided.getName().equals(story.getName());
    boolean watched = divided.getName().equals(stories.get(second.getName()));
    boolean byMask = article.getStory().equals(divided.getName());
    say(
        "29 split articles=%d new-name=%s watched=%s by-mask=%s",
        divided.getArticleCount(), yes(newName), yes(watched), yes(byMask));
  }

  private void merge() {
    String name = story.getName();
    MergeStoriesRequest merge =
        MergeStoriesRequest.newBuilder().setName(name).setSourceStory(divided.getName()).build();
    Story merged = client.editorial.mergeStories(merge).getStory();
    // The former name returns the story from now on, also in filters.
    Story former = get(divided.getName());
    ListArticlesRequest.Builder request =
        ListArticlesRequest.newBuilder()
            .setFilter(
                ArticleFilter.newBuilder().setStories(StringCondition.newBuilder().addAnyOf(divided.getName())))
            .setReadMask(FieldMask.newBuilder().addPaths("name").addPaths("story"))
            .setConsistency(fresh(second));
    List<Article> listed = client.retrieval.listArticles(request.build()).getArticlesList();
    request.getFilterBuilder().setOnePerStory(true);
    List<Article> one = client.retrieval.listArticles(request.build()).getArticlesList();
    boolean sameName = merged.getName().equals(name) && former.getName().equals(name);
    boolean sameStory = listed.stream().allMatch(article -> article.getStory().equals(name));
    boolean earliest = one.get(0).getName().equals(first.getName());
    say(
        "30 merge articles=%d same-name=%s listed=%d same-story=%s one-per-story=%d earliest=%s",
        merged.getArticleCount(), yes(sameName), listed.size(), yes(sameStory), one.size(), yes(earliest));
  }

  private void mostRead() throws InterruptedException {
    RecordReadsRequest request =
        RecordReadsRequest.newBuilder()
            .addReads(ArticleReads.newBuilder().setArticle(first.getName()).setReadCount(2))
            .addReads(ArticleReads.newBuilder().setArticle(second.getName()).setReadCount(5))
            .build();
    client.retrieval.recordReads(request);
    List<MostReadArticle> listed = List.of();
    // Reads are listed within about 10 seconds, on every replica.
    for (int attempt = 0; attempt < 60 && listed.size() < request.getReadsCount(); attempt++) {
      if (attempt > 0) {
        Thread.sleep(500);
      }
      ListMostReadArticlesRequest all = ListMostReadArticlesRequest.getDefaultInstance();
      listed = client.retrieval.listMostReadArticles(all).getMostReadArticlesList();
    }
    String counts = listed.stream().map(read -> "" + read.getReadCount()).collect(Collectors.joining(","));
    List<String> names = listed.stream().map(read -> read.getArticle().getName()).toList();
    boolean inOrder = names.equals(List.of(second.getName(), first.getName()));
    say("31 most-read reads=%s in-order=%s", counts, yes(inOrder));
  }

  private void killStory() throws InterruptedException {
    WithdrawArticleRequest request =
        WithdrawArticleRequest.newBuilder()
            .setName(first.getName())
            .setScope(WithdrawScope.WITHDRAW_SCOPE_STORY)
            .setReason("There was no fire.")
            .build();
    List<WithdrawnCopy> others = client.editorial.withdrawArticle(request).getCopiesList();
    // GetStory has no consistency: any replica may be stale by a second.
    Thread.sleep(1_000);
    Problem problem = failure(() -> get(story.getName()));
    say(
        "32 kill-story others=%d outcome=%s kind=%s afterwards=%s reason=%s",
        others.size(), others.get(0).getOutcome(), others.get(0).getKind(), problem.code(), problem.reason());
  }
}
