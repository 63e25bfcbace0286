package dev.copydesk.client;

import static dev.copydesk.client.Scenario.FULLY_CONSISTENT;
import static dev.copydesk.client.Scenario.failure;
import static dev.copydesk.client.Scenario.fresh;
import static dev.copydesk.client.Scenario.quoted;
import static dev.copydesk.client.Scenario.say;

import dev.copydesk.v1.Article;
import dev.copydesk.v1.ArticleCopy;
import dev.copydesk.v1.ArticleRevision;
import dev.copydesk.v1.DiffArticleRevisionsRequest;
import dev.copydesk.v1.Document;
import dev.copydesk.v1.FieldDiff;
import dev.copydesk.v1.GetArticleRequest;
import dev.copydesk.v1.IngestArticleRequest;
import dev.copydesk.v1.IngestedArticle;
import dev.copydesk.v1.ListArticleCopiesRequest;
import dev.copydesk.v1.ListArticleRevisionsRequest;
import dev.copydesk.v1.WithdrawArticleRequest;
import dev.copydesk.v1.WithdrawScope;
import dev.copydesk.v1.WithdrawnCopy;
import java.util.List;

/** Steps that editors make: they withdraw articles and copies, and read withdrawn ones and revisions. */
final class Editors {
  private final Client client;

  Editors(Client client) {
    this.client = client;
  }

  /** Returns the withdrawn article. */
  Article withdrawByUrl(Article article) {
    WithdrawArticleRequest request =
        WithdrawArticleRequest.newBuilder()
            // Scheme, www. and tracking parameters do not matter.
            .setUrl("http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario")
            .setReason("The board has not voted yet.")
            .build();
    Article withdrawn = client.editorial.withdrawArticle(request).getArticle();
    Problem problem = rejection(article.getUrl(), article.getHeadline(), article.getBody());
    say("16 withdraw %s again=%s reason=%s", withdrawn.getState(), problem.code(), problem.reason());
    return withdrawn;
  }

  void withdrawEarly() {
    String url = "https://tidewire.example/pilots";
    // The withdrawal arrives before the article.
    WithdrawArticleRequest request =
        WithdrawArticleRequest.newBuilder().setUrl(url).setAllowMissing(true).setReason("Sent by mistake.").build();
    Article withdrawn = client.editorial.withdrawArticle(request).getArticle();
    Problem problem = rejection(url, "Pilots to strike", "The pilots of Port Ellery will strike on Friday.");
    say("16 withdraw-early %s arrival=%s reason=%s", withdrawn.getState(), problem.code(), problem.reason());
  }

  private Problem rejection(String url, String headline, String body) {
    return failure(() -> ingestReady(url, headline, body));
  }

  private IngestedArticle ingestReady(String url, String headline, String body) {
    Article article = Article.newBuilder().setHeadline(headline).setBody(body).build();
    Document document = Document.newBuilder().setArticle(article).setUrl(url).build();
    IngestArticleRequest request = IngestArticleRequest.newBuilder().setDocument(document).build();
    return client.ingestion.ingestArticle(request).getResults(0).getIngested();
  }

  void anyState(Article withdrawn) {
    String name = withdrawn.getName();
    // Requires the scope articles.edit if authentication is on.
    GetArticleRequest one =
        GetArticleRequest.newBuilder().setName(name).setAnyState(true).setConsistency(fresh(withdrawn)).build();
    Article article = client.retrieval.getArticle(one).getArticle();
    ListArticleRevisionsRequest all =
        ListArticleRevisionsRequest.newBuilder().setParent(name).setAnyState(true).build();
    ArticleRevision newest = client.retrieval.listArticleRevisions(all).getRevisions(0);
    say("17 any-state %s %s reason=%s", article.getState(), newest.getKind(), quoted(newest.getReason()));
  }

  void diff(Article page) {
    DiffArticleRevisionsRequest request =
        DiffArticleRevisionsRequest.newBuilder()
            // The default of base_revision is the revision before.
            .setName(page.getName() + "/revisions/" + page.getRevision())
            .setConsistency(fresh(page))
            .build();
    for (FieldDiff field : client.retrieval.diffArticleRevisions(request).getFieldsList()) {
      say("19 diff %s old=%s new=%s", field.getPath(), quoted(field.getOldValue()), quoted(field.getNewValue()));
    }
  }

  /** Returns the article that was copied. */
  Article copies(String text) {
    Article wire = ingestReady("https://wire.example/channel", "Wire story", text).getArticle();
    String body = wire.getBody() + "\n\nThis story was supplied by a wire.";
    IngestedArticle second = ingestReady("https://mirror.example/channel", "Under another headline", body);
    ListArticleCopiesRequest request =
        ListArticleCopiesRequest.newBuilder().setName(wire.getName()).setConsistency(FULLY_CONSISTENT).build();
    List<ArticleCopy> copies = client.retrieval.listArticleCopies(request).getCopiesList();
    say("25 copies outcome=%s count=%d kind=%s", second.getOutcome(), copies.size(), copies.get(0).getKind());
    return wire;
  }

  void kill(Article wire) {
    WithdrawArticleRequest request =
        WithdrawArticleRequest.newBuilder()
            .setName(wire.getName())
            // Holds for the copies that exist, and for those that arrive later.
            .setScope(WithdrawScope.WITHDRAW_SCOPE_COPIES)
            .setReason("The wire has withdrawn it.")
            .build();
    List<WithdrawnCopy> copies = client.editorial.withdrawArticle(request).getCopiesList();
    Problem late = rejection("https://late.example/channel", "Late copy", wire.getBody());
    say(
        "26 kill copies=%d outcome=%s late=%s reason=%s",
        copies.size(), copies.get(0).getOutcome(), late.code(), late.reason());
  }
}
