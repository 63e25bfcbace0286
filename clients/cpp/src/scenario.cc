// Scenario of ../scenario.md: every kind of call, one after another, with a line of output for each.
#include <google/protobuf/util/time_util.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "steps.h"

using namespace copydesk::v1;

namespace {

constexpr char kMissing[] = "articles/no-such-article";

std::string Header(const grpc::ClientContext& context, const std::string& name) {
  const auto& headers = context.GetServerInitialMetadata();
  auto found = headers.find(name);
  return found == headers.end() ? "" : std::string(found->second.data(), found->second.size());
}

grpc::Status GetArticle(Client& client, grpc::ClientContext& context, const std::string& name, const Consistency& fresh,
                        Article* article) {
  GetArticleRequest request;
  request.set_name(name);
  *request.mutable_consistency() = fresh;
  GetArticleResponse response;
  auto status = client.retrieval->GetArticle(&context, request, &response);
  article->Swap(response.mutable_article());
  return status;
}

}  // namespace

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Joined(const std::vector<std::string>& parts) {
  std::string joined;
  for (const auto& part : parts) joined += (joined.empty() ? "" : ",") + part;
  return joined;
}

Consistency Fresh(const Article& article) {
  Consistency consistency;
  consistency.set_at_least_as_fresh(article.change_token());
  return consistency;
}

IngestArticleResponse Scenario::IngestOne(const IngestArticleRequest& request) {
  grpc::ClientContext context;
  IngestArticleResponse response;
  Succeed(client.ingestion->IngestArticle(&context, request, &response));
  return response;
}

void Scenario::Ingest() {
  IngestArticleRequest request;
  request.mutable_document()->set_html(Read(data + "/page.html"));
  request.mutable_document()->set_url("https://ellery-herald.example/ferry-fares?utm_source=scenario");
  // The request ID makes retries safe: a repeated call returns the first response.
  request.set_request_id("scenario-page");
  auto response = IngestOne(request);
  const auto& done = response.results(0).ingested();
  page = done.article();
  std::vector<std::string> cuts;
  for (const auto& cut : done.report().cuts()) cuts.push_back(CutReason_Name(cut.reason()));
  std::cout << "01 ingest-page " << IngestOutcome_Name(done.outcome()) << " headline=" << Quoted(page.headline())
            << " place=" << Quoted(page.dateline().place()) << " cuts=" << Joined(cuts) << std::endl;

  request.Clear();
  request.mutable_document()->mutable_raw()->set_data(Read(data + "/feed.rss"));
  request.mutable_document()->mutable_raw()->set_mime_type("application/rss+xml");
  request.mutable_document()->set_source("tidewire.example");
  request.set_request_id("scenario-feed");
  auto feed = IngestOne(request);
  int created = 0;
  for (const auto& item : feed.results()) {
    if (!item.has_ingested()) continue;
    items.push_back(item.ingested().article());
    created += item.ingested().outcome() == INGEST_OUTCOME_CREATED;
  }
  std::cout << "01 ingest-feed items=" << feed.results_size() << " created=" << created << std::endl;
}

void Scenario::Get() {
  grpc::ClientContext context;
  Consistency consistency;
  consistency.set_fully_consistent(true);
  Article article;
  Succeed(GetArticle(client, context, page.name(), consistency, &article));
  int paragraphs = 1;
  for (auto at = article.body().find("\n\n"); at != std::string::npos; at = article.body().find("\n\n", at + 2)) {
    ++paragraphs;
  }
  std::cout << "02 get revision=" << article.revision() << " paragraphs=" << paragraphs
            << " answered-by=" << Header(context, "copydesk-cache") << std::endl;
}

void Scenario::GetByToken() {
  grpc::ClientContext context;
  Article article;
  Succeed(GetArticle(other, context, page.name(), Fresh(page), &article));
  std::cout << "03 get-by-token revision=" << article.revision()
            << " same-text=" << Yes(article.content_digest() == page.content_digest()) << std::endl;
}

void Scenario::Batch() {
  BatchGetArticlesRequest request;
  for (const auto& name : {items.back().name(), std::string(kMissing), page.name()}) request.add_names(name);
  request.mutable_read_mask()->add_paths("name");
  request.mutable_read_mask()->add_paths("headline");
  *request.mutable_consistency() = Fresh(items.back());
  grpc::ClientContext context;
  BatchGetArticlesResponse batch;
  Succeed(client.retrieval->BatchGetArticles(&context, request, &batch));
  std::vector<std::string> found;
  for (const auto& article : batch.articles()) found.push_back(Quoted(article.headline()));
  std::vector<std::string> absent;
  for (const auto& it : batch.not_found()) absent.push_back(it.name());
  std::cout << "04 batch found=" << Joined(found) << " missing=" << Joined(absent) << std::endl;
}

void Scenario::List() {
  ListArticlesRequest request;
  request.set_page_size(3);
  request.mutable_filter()->mutable_sources()->add_any_of("tidewire.example");
  request.mutable_read_mask()->add_paths("headline");
  *request.mutable_consistency() = Fresh(items.back());
  std::vector<std::string> headlines;
  int pages = 0;
  do {
    grpc::ClientContext context;
    ListArticlesResponse response;
    Succeed(client.retrieval->ListArticles(&context, request, &response));
    for (const auto& article : response.articles()) headlines.push_back(article.headline());
    request.set_page_token(response.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  std::cout << "05 list pages=" << pages << " articles=" << headlines.size() << " first=" << Quoted(headlines.front())
            << " last=" << Quoted(headlines.back()) << std::endl;
}

void Scenario::Search() {
  SearchArticlesRequest request;
  request.set_query("\"northern channel\" winter -sport");
  request.set_include_total_size(true);
  *request.mutable_consistency() = Fresh(items.back());
  grpc::ClientContext context;
  SearchArticlesResponse response;
  Succeed(client.retrieval->SearchArticles(&context, request, &response));
  const auto& best = response.results(0);
  std::vector<std::string> matched;
  for (const auto& part : best.snippet()) {
    if (part.matched()) matched.push_back(Quoted(part.text()));
  }
  std::cout << "06 search results=" << response.results_size() << " total=" << response.total_size()
            << " headline=" << Quoted(best.article().headline()) << " matched=" << Joined(matched) << std::endl;
}

void Scenario::Validation() {
  ListArticlesRequest request;
  request.set_page_size(-1);
  request.set_order_by("colour");
  grpc::ClientContext context;
  ListArticlesResponse response;
  auto problem = Problem::Of(client.retrieval->ListArticles(&context, request, &response));
  std::cout << "09 validation " << problem.code << " reason=" << problem.reason << " fields=" << Joined(problem.fields)
            << std::endl;
}

void Scenario::NotFound() {
  Article article;
  grpc::ClientContext first;
  auto never = Problem::Of(GetArticle(client, first, kMissing, {}, &article));
  std::cout << "10 never-there " << never.code << " reason=" << never.reason << " resource=" << never.resource << std::endl;

  WithdrawArticleRequest request;
  request.set_name(items.front().name());
  request.set_reason("A mistake.");
  WithdrawArticleResponse withdrawn;
  grpc::ClientContext second;
  Succeed(client.editorial->WithdrawArticle(&second, request, &withdrawn));
  grpc::ClientContext third;
  auto gone = Problem::Of(GetArticle(client, third, request.name(), Fresh(withdrawn.article()), &article));
  std::cout << "10 withdrawn " << gone.code << " reason=" << gone.reason << " resource=" << gone.resource << std::endl;
}

void Scenario::Older() {
  IngestArticleRequest request;
  request.mutable_document()->set_source("tidewire.example");
  request.mutable_document()->set_external_id("tidewire-8");
  auto* article = request.mutable_document()->mutable_article();
  article->set_headline("Lock gates to be renewed");
  article->set_body("The gates of the Lowmouth lock will be renewed in the summer.");
  auto* time = article->mutable_source_update_time();
  google::protobuf::util::TimeUtil::FromString("2025-06-08T09:00:00Z", time);
  IngestOne(request);
  // A late copy of an older version changes nothing.
  article->set_headline("Lock gates to be repaired");
  google::protobuf::util::TimeUtil::FromString("2025-06-08T08:00:00Z", time);
  auto response = IngestOne(request);
  const auto& done = response.results(0).ingested();
  std::cout << "18 older " << IngestOutcome_Name(done.outcome()) << " part=" << VersionPart_Name(done.stale_part())
            << std::endl;
}

void Scenario::Markdown() {
  GetArticleRequest request;
  request.set_name(page.name());
  request.set_body_format(BODY_FORMAT_MARKDOWN);
  *request.mutable_consistency() = Fresh(page);
  grpc::ClientContext context;
  GetArticleResponse response;
  Succeed(client.retrieval->GetArticle(&context, request, &response));
  auto body = response.article().body();
  body.erase(body.find_last_not_of('\n') + 1);
  auto last = body.rfind("\n\n");
  std::cout << "20 markdown " << Quoted(last == std::string::npos ? body : body.substr(last + 2)) << std::endl;
}

void Scenario::Count() {
  AggregateArticlesRequest request;
  request.set_query("boat*");
  request.mutable_filter()->mutable_sources()->add_any_of("tidewire.example");
  request.add_aggregations()->mutable_values()->set_field(VALUE_FIELD_SOURCE);
  auto* by_day = request.add_aggregations()->mutable_times();
  by_day->set_interval(TimeAggregation::INTERVAL_DAY);
  by_day->set_time_zone("Europe/Berlin");
  request.mutable_consistency()->set_fully_consistent(true);
  grpc::ClientContext context;
  AggregateArticlesResponse counts;
  Succeed(client.retrieval->AggregateArticles(&context, request, &counts));
  std::vector<std::string> sources;
  for (const auto& bucket : counts.results(0).buckets()) {
    sources.push_back(bucket.value() + ":" + std::to_string(bucket.count()));
  }
  std::vector<std::string> days;
  for (const auto& bucket : counts.results(1).buckets()) {
    days.push_back(std::to_string(bucket.start_time().seconds()) + ":" + std::to_string(bucket.count()));
  }
  std::cout << "22 count total=" << counts.total_size() << " sources=" << Joined(sources) << " days=" << Joined(days)
            << std::endl;
}

void Scenario::Suggest() {
  SuggestValuesRequest request;
  request.set_field(VALUE_FIELD_SOURCE);
  request.set_prefix("tide");
  request.mutable_consistency()->set_fully_consistent(true);
  grpc::ClientContext context;
  SuggestValuesResponse response;
  Succeed(client.retrieval->SuggestValues(&context, request, &response));
  std::vector<std::string> values;
  for (const auto& it : response.suggestions()) values.push_back(it.value() + ":" + std::to_string(it.article_count()));
  std::cout << "23 suggest " << Joined(values) << std::endl;
}

void Scenario::Related() {
  ListRelatedArticlesRequest request;
  request.set_name(page.name());
  request.set_page_size(5);
  request.mutable_consistency()->set_fully_consistent(true);
  grpc::ClientContext context;
  ListRelatedArticlesResponse response;
  Succeed(client.retrieval->ListRelatedArticles(&context, request, &response));
  bool has_self = false;
  for (const auto& related : response.related_articles()) has_self |= related.article().name() == page.name();
  std::cout << "24 related count=" << response.related_articles_size() << " self=" << Yes(has_self)
            << " next=" << Yes(!response.next_page_token().empty()) << std::endl;
}

void Scenario::Retry(Client& witness) {
  grpc::ClientContext context;
  Article article;
  // The channel retries, as the service config says; this code does not.
  Succeed(GetArticle(witness, context, page.name(), Fresh(page), &article));
  std::cout << "13 retry attempts=" << Header(context, "witness-attempts") << " revision=" << article.revision() << std::endl;
}

void Scenario::Compression(Client& witness) {
  BatchGetArticlesRequest request;
  for (auto item = items.begin() + 1; item != items.end(); ++item) request.add_names(item->name());
  *request.mutable_consistency() = Fresh(page);
  grpc::ClientContext context;
  context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
  BatchGetArticlesResponse batch;
  Succeed(witness.retrieval->BatchGetArticles(&context, request, &batch));
  std::cout << "14 compression request=" << Header(context, "witness-request-encoding")
            << " response=" << Header(context, "witness-response-encoding") << " found=" << batch.articles_size() << std::endl;
}

void Scenario::Health() {
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  grpc::ClientContext first, second;
  request.set_service("copydesk.v1.RetrievalService");
  Succeed(client.health->Check(&first, request, &response));
  auto serving = response.status();
  request.set_service("copydesk.v1.NoService");
  auto unknown = Problem::Of(client.health->Check(&second, request, &response));
  std::cout << "15 health " << grpc::health::v1::HealthCheckResponse::ServingStatus_Name(serving)
            << " unknown=" << unknown.code << std::endl;
}

int main() try {
  auto setting = [](const char* name, const char* otherwise) -> std::string {
    const char* value = std::getenv(name);
    return value ? value : otherwise;
  };
  std::vector<std::string> addresses;
  std::istringstream listed(setting("COPYDESK_ADDRESSES", "127.0.0.1:50051"));
  for (std::string address; std::getline(listed, address, ',');) addresses.push_back(address);
  auto clients = setting("COPYDESK_CLIENTS", "..");
  auto config = Read(clients + "/service-config.json");

  Client client(addresses, config), other({addresses.back()}, config);
  Scenario scenario{client, other, clients + "/data"};
  scenario.Ingest();
  scenario.Get();
  scenario.GetByToken();
  scenario.Batch();
  scenario.List();
  scenario.Search();
  scenario.Watch();
  scenario.Stream();
  scenario.Validation();
  scenario.NotFound();
  scenario.Deadline();
  scenario.Cancel();
  auto at = setting("COPYDESK_WITNESS", "");
  if (at.empty()) {
    std::cout << "13 retry no witness" << std::endl << "14 compression no witness" << std::endl;
  } else {
    Client witness({at}, config);
    scenario.Retry(witness);
    scenario.Compression(witness);
  }
  scenario.Health();
  scenario.WithdrawByUrl();
  scenario.WithdrawEarly();
  scenario.AnyState();
  scenario.Older();
  scenario.Diff();
  scenario.Markdown();
  scenario.Export();
  scenario.Count();
  scenario.Suggest();
  scenario.Related();
  scenario.Copies();
  scenario.Kill();
  scenario.ReadStory();
  scenario.WatchChangedStories();
  scenario.SplitStory();
  scenario.MergeStory();
  scenario.MostRead();
  scenario.KillStory();
} catch (const std::exception& error) {
  std::cerr << error.what() << std::endl;
  return 1;
}
