// Steps of the scenario that editors make: they withdraw articles and copies, and read withdrawn ones and revisions.
#include "steps.h"

using namespace copydesk::v1;

void Scenario::WithdrawByUrl() {
  WithdrawArticleRequest request;
  // Scheme, www. and tracking parameters do not matter.
  request.set_url("http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario");
  request.set_reason("The board has not voted yet.");
  withdrawn = Withdraw(request).article();
  auto problem = Rejection(items[1].url(), items[1].headline(), items[1].body());
  std::cout << "16 withdraw " << ArticleState_Name(withdrawn.state()) << " again=" << problem.code
            << " reason=" << problem.reason << std::endl;
}

void Scenario::WithdrawEarly() {
  const std::string url = "https://tidewire.example/pilots";
  WithdrawArticleRequest request;
  request.set_url(url);
  // The withdrawal arrives before the article.
  request.set_allow_missing(true);
  request.set_reason("Sent by mistake.");
  auto state = Withdraw(request).article().state();
  auto problem = Rejection(url, "Pilots to strike", "The pilots of Port Ellery will strike on Friday.");
  std::cout << "16 withdraw-early " << ArticleState_Name(state) << " arrival=" << problem.code
            << " reason=" << problem.reason << std::endl;
}

WithdrawArticleResponse Scenario::Withdraw(const WithdrawArticleRequest& request) {
  grpc::ClientContext context;
  WithdrawArticleResponse response;
  Succeed(client.editorial->WithdrawArticle(&context, request, &response));
  return response;
}

Problem Scenario::Rejection(const std::string& url, const std::string& headline, const std::string& body) {
  IngestedArticle none;
  return Problem::Of(IngestReady(url, headline, body, &none));
}

grpc::Status Scenario::IngestReady(const std::string& url, const std::string& headline, const std::string& body,
                                   IngestedArticle* ingested) {
  IngestArticleRequest request;
  request.mutable_document()->set_url(url);
  request.mutable_document()->mutable_article()->set_headline(headline);
  request.mutable_document()->mutable_article()->set_body(body);
  grpc::ClientContext context;
  IngestArticleResponse response;
  auto status = client.ingestion->IngestArticle(&context, request, &response);
  if (status.ok()) ingested->Swap(response.mutable_results(0)->mutable_ingested());
  return status;
}

void Scenario::AnyState() {
  // Requires the scope articles.edit if authentication is on.
  GetArticleRequest one;
  one.set_name(withdrawn.name());
  one.set_any_state(true);
  *one.mutable_consistency() = Fresh(withdrawn);
  grpc::ClientContext first;
  GetArticleResponse got;
  Succeed(client.retrieval->GetArticle(&first, one, &got));

  ListArticleRevisionsRequest all;
  all.set_parent(withdrawn.name());
  all.set_any_state(true);
  grpc::ClientContext second;
  ListArticleRevisionsResponse listed;
  Succeed(client.retrieval->ListArticleRevisions(&second, all, &listed));
  const auto& newest = listed.revisions(0);
  std::cout << "17 any-state " << ArticleState_Name(got.article().state()) << " " << ChangeKind_Name(newest.kind())
            << " reason=" << Quoted(newest.reason()) << std::endl;
}

void Scenario::Diff() {
  DiffArticleRevisionsRequest request;
  // The default of base_revision is the revision before.
  request.set_name(page.name() + "/revisions/" + std::to_string(page.revision()));
  *request.mutable_consistency() = Fresh(page);
  grpc::ClientContext context;
  DiffArticleRevisionsResponse response;
  Succeed(client.retrieval->DiffArticleRevisions(&context, request, &response));
  for (const auto& field : response.fields()) {
    std::cout << "19 diff " << field.path() << " old=" << Quoted(field.old_value())
              << " new=" << Quoted(field.new_value()) << std::endl;
  }
}

void Scenario::Copies() {
  IngestedArticle first, second;
  Succeed(IngestReady("https://wire.example/channel", "Wire story", Read(data + "/channel.txt"), &first));
  wire = first.article();
  const auto body = wire.body() + "\n\nThis story was supplied by a wire.";
  Succeed(IngestReady("https://mirror.example/channel", "Under another headline", body, &second));
  ListArticleCopiesRequest request;
  request.set_name(wire.name());
  request.mutable_consistency()->set_fully_consistent(true);
  grpc::ClientContext context;
  ListArticleCopiesResponse response;
  Succeed(client.retrieval->ListArticleCopies(&context, request, &response));
  std::cout << "25 copies outcome=" << IngestOutcome_Name(second.outcome()) << " count=" << response.copies_size()
            << " kind=" << CopyKind_Name(response.copies(0).kind()) << std::endl;
}

void Scenario::Kill() {
  WithdrawArticleRequest request;
  request.set_name(wire.name());
  // Holds for the copies that exist, and for those that arrive later.
  request.set_scope(WITHDRAW_SCOPE_COPIES);
  request.set_reason("The wire has withdrawn it.");
  auto response = Withdraw(request);
  auto late = Rejection("https://late.example/channel", "Late copy", wire.body());
  std::cout << "26 kill copies=" << response.copies_size()
            << " outcome=" << CopyOutcome_Name(response.copies(0).outcome()) << " late=" << late.code
            << " reason=" << late.reason << std::endl;
}
