// Steps of the scenario that editors make: they withdraw articles, and read withdrawn ones and revisions.
#include "steps.h"

using namespace copydesk::v1;

void Scenario::WithdrawByUrl() {
  WithdrawArticleRequest request;
  // Scheme, www. and tracking parameters do not matter.
  request.set_url("http://www.tidewire.example/lighthouse-to-stay-lit?utm_source=scenario");
  request.set_reason("The board has not voted yet.");
  withdrawn = Withdraw(request);
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
  auto state = Withdraw(request).state();
  auto problem = Rejection(url, "Pilots to strike", "The pilots of Port Ellery will strike on Friday.");
  std::cout << "16 withdraw-early " << ArticleState_Name(state) << " arrival=" << problem.code
            << " reason=" << problem.reason << std::endl;
}

Article Scenario::Withdraw(const WithdrawArticleRequest& request) {
  grpc::ClientContext context;
  WithdrawArticleResponse response;
  Succeed(client.editorial->WithdrawArticle(&context, request, &response));
  return response.article();
}

Problem Scenario::Rejection(const std::string& url, const std::string& headline, const std::string& body) {
  IngestArticleRequest request;
  request.mutable_document()->set_url(url);
  request.mutable_document()->mutable_article()->set_headline(headline);
  request.mutable_document()->mutable_article()->set_body(body);
  grpc::ClientContext context;
  IngestArticleResponse response;
  return Problem::Of(client.ingestion->IngestArticle(&context, request, &response));
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
