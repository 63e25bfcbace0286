// Steps of the scenario that are streams.
#include <thread>

#include "steps.h"

using namespace copydesk::v1;
using namespace std::chrono_literals;

namespace {

constexpr int kStreamed = 1000;
constexpr int kBroken = 500;

IngestArticlesRequest HarbourStory(int sequence) {
  auto number = std::to_string(sequence);
  std::string body;
  for (int paragraph = 0; paragraph < 70; ++paragraph) {
    body += (paragraph == 0 ? "" : "\n\n");
    body += "The harbour of Port Ellery has a story for every boat that lies in it.";
  }
  IngestArticlesRequest request;
  request.set_sequence(sequence);
  auto* document = request.mutable_request()->mutable_document();
  document->mutable_article()->set_headline("Story " + number + " of the harbour");
  document->mutable_article()->set_body(body);
  if (sequence == kBroken) document->mutable_article()->set_language_code("no language");
  document->set_source("stories.example");
  document->set_external_id("story-" + number);
  request.mutable_request()->set_request_id("scenario-story-" + number);
  request.set_brief(true);
  return request;
}

}  // namespace

void Scenario::Watch() {
  grpc::ClientContext context;
  context.set_deadline(In(30s));
  WatchArticlesRequest request;
  request.set_change_token(items.back().change_token());
  auto events = client.retrieval->WatchArticles(&context, request);
  WatchArticlesResponse event;
  bool seen = false;
  while (!seen && events->Read(&event)) {
    if (event.has_checkpoint() && page.revision() == 1) Correct();
    seen = event.has_change() && event.change().name() == page.name();
  }
  // Cancelling the context ends the stream.
  context.TryCancel();
  auto ended = events->Finish();
  if (!seen) throw Failed(ended);
  std::cout << "07 watch " << ChangeKind_Name(event.change().kind()) << " revision=" << event.change().revision()
            << " headline=" << Quoted(event.change().article().headline()) << std::endl;
}

void Scenario::Correct() {
  UpdateArticleRequest request;
  request.mutable_article()->set_name(page.name());
  // Rejected with ETAG_MISMATCH if another client changed the article since it was read.
  request.mutable_article()->set_etag(page.etag());
  request.mutable_article()->set_headline("Ferry fares to fall in May");
  request.mutable_update_mask()->add_paths("headline");
  request.set_reason("The month was missing.");
  grpc::ClientContext context;
  UpdateArticleResponse response;
  Succeed(client.editorial->UpdateArticle(&context, request, &response));
  page = response.article();
}

void Scenario::Stream() {
  grpc::ClientContext context;
  auto stream = client.ingestion->IngestArticles(&context);
  std::thread sending([&stream] {
    // Write blocks while flow control accepts no more, and fails once the stream has ended.
    for (int sequence = 0; sequence < kStreamed && stream->Write(HarbourStory(sequence)); ++sequence) {
    }
    stream->WritesDone();
  });
  int created = 0, at = 0;
  bool in_order = true;
  std::vector<std::string> refused;
  IngestArticlesResponse answer;
  while (stream->Read(&answer)) {
    in_order &= answer.sequence() == at++;
    if (answer.has_error()) {
      refused.push_back(std::to_string(answer.sequence()) + ":" + Problem::Of(answer.error()).reason);
    } else {
      created += answer.ingested().results(0).ingested().outcome() == INGEST_OUTCOME_CREATED;
    }
  }
  sending.join();
  Succeed(stream->Finish());
  std::cout << "08 stream sent=" << kStreamed << " created=" << created << " refused=" << Joined(refused)
            << " in-order=" << Yes(in_order) << std::endl;
}

void Scenario::Export() {
  ExportArticlesRequest request;
  for (const auto* source : {"ellery-herald.example", "stories.example", "tidewire.example"}) {
    request.mutable_filter()->mutable_sources()->add_any_of(source);
  }
  request.mutable_read_mask()->add_paths("name");
  std::set<std::string> names;
  // Any replica continues from the token, in the same snapshot.
  request.set_export_token(ExportUntilProgress(request, &names).export_token());
  grpc::ClientContext context;
  auto responses = client.retrieval->ExportArticles(&context, request);
  ExportArticlesResponse response;
  while (responses->Read(&response)) {
    if (response.has_article()) names.insert(response.article().name());
  }
  Succeed(responses->Finish());
  // The summary is the last message.
  bool same = response.summary().article_count() == static_cast<int64_t>(names.size());
  std::cout << "21 export articles=" << names.size() << " same-count=" << Yes(same) << std::endl;
}

// Adds the names before the first progress that has articles before it, and returns that progress.
ExportProgress Scenario::ExportUntilProgress(const ExportArticlesRequest& request, std::set<std::string>* names) {
  grpc::ClientContext context;
  auto responses = client.retrieval->ExportArticles(&context, request);
  ExportArticlesResponse response;
  bool found = false;
  while (!found && responses->Read(&response)) {
    if (response.has_article()) names->insert(response.article().name());
    found = response.progress().article_count() > 0;
  }
  context.TryCancel();
  auto ended = responses->Finish();
  if (!found) throw Failed(ended);
  return response.progress();
}

void Scenario::Deadline() {
  grpc::ClientContext context;
  context.set_deadline(In(500ms));
  auto events = client.retrieval->WatchArticles(&context, WatchArticlesRequest());
  WatchArticlesResponse event;
  while (events->Read(&event)) {
  }
  std::cout << "11 deadline " << Problem::Of(events->Finish()).code << std::endl;
}

void Scenario::Cancel() {
  grpc::ClientContext context;
  context.set_deadline(In(30s));
  auto events = client.retrieval->WatchArticles(&context, WatchArticlesRequest());
  WatchArticlesResponse first, next;
  if (!events->Read(&first)) throw Failed(events->Finish());
  context.TryCancel();
  while (events->Read(&next)) {
  }
  std::cout << "12 cancel " << Problem::Of(events->Finish()).code
            << " after=" << (first.has_checkpoint() ? "checkpoint" : "change") << std::endl;
}
