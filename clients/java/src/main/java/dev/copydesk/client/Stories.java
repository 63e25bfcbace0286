package dev.copydesk.client;

import static dev.copydesk.client.Scenario.failure;
import static dev.copydesk.client.Scenario.fresh;
import static dev.copydesk.client.Scenario.say;
import static dev.copydesk.client.Scenario.yes;

import dev.copydesk.v1.Article;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.GetStoryRequest;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.ListRelatedArticlesRequest;
import dev.copydesk.v1.ListStoryArticlesRequest;
import dev.copydesk.v1.ListTopStoriesRequest;
import dev.copydesk.v1.RelatedArticle;
import dev.copydesk.v1.Story;
import dev.copydesk.v1.StoryFilter;
import dev.copydesk.v1.TopStory;
import dev.copydesk.v1.WithdrawArticleRequest;
import dev.copydesk.v1.WithdrawScope;
import dev.copydesk.v1.WithdrawnCopy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Steps that concern stories: articles that report one event. */
final class Stories {
  private final Client client;
  private final Path data;
  private Article first;
  private Story story;

  Stories(Client client, Path data) {
    this.client = client;
    this.data = data;
  }

  void story() throws IOException {
    first = ingest("story-one.txt", "https://northline.example/kelmore-fire");
    Article second = ingest("story-two.txt", "https://ellery-herald.example/kelmore-fire");
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

  void killStory() throws InterruptedException {
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
        "28 kill-story others=%d outcome=%s kind=%s afterwards=%s reason=%s",
        others.size(), others.get(0).getOutcome(), others.get(0).getKind(), problem.code(), problem.reason());
  }
}
