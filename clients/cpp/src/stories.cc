// Steps of the scenario that concern stories: articles that report one event.
#include <thread>

#include "steps.h"

using namespace copydesk::v1;
using namespace std::chrono_literals;

namespace {

grpc::Status GetStory(Client& client, const std::string& name, Story* story) {
  GetStoryRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  GetStoryResponse response;
  auto status = client.retrieval->GetStory(&context, request, &response);
  story->Swap(response.mutable_story());
  return status;
}

}  // namespace

void Scenario::ReadStory() {
  reported = IngestText("story-one.txt", "https://northline.example/kelmore-fire");
  auto second = IngestText("story-two.txt", "https://ellery-herald.example/kelmore-fire");
  ListTopStoriesRequest wanted;
  wanted.mutable_filter()->add_sources("northline.example");
  wanted.mutable_filter()->add_sources("ellery-herald.example");
  wanted.mutable_filter()->set_min_source_count(2);
  wanted.set_max_story_articles(2);
  // Waits until the second article is grouped.
  *wanted.mutable_consistency() = Fresh(second);
  grpc::ClientContext first_context;
  ListTopStoriesResponse tops;
  Succeed(client.retrieval->ListTopStories(&first_context, wanted, &tops));
  const auto& top = tops.top_stories(0);
  story = top.story();

  Story of_second;
  Succeed(GetStory(client, second.name() + "/story", &of_second));

  ListStoryArticlesRequest parent;
  parent.set_parent(story.name());
  grpc::ClientContext second_context;
  ListStoryArticlesResponse listed;
  Succeed(client.retrieval->ListStoryArticles(&second_context, parent, &listed));

  ListRelatedArticlesRequest request;
  request.set_name(reported.name());
  *request.mutable_consistency() = Fresh(second);
  grpc::ClientContext third_context;
  ListRelatedArticlesResponse page;
  Succeed(client.retrieval->ListRelatedArticles(&third_context, request, &page));
  const auto& related = page.related_articles(0);
  bool same_story = related.same_story() && related.article().name() == second.name();
  std::cout << "27 story articles=" << story.article_count() << " sources=" << story.source_count()
            << " copies=" << story.copy_count() << " shown=" << top.articles_size()
            << " same-name=" << Yes(of_second.name() == story.name()) << " listed=" << listed.articles_size()
            << " same-story=" << Yes(same_story) << std::endl;
}

Article Scenario::IngestText(const std::string& file, const std::string& url) {
  IngestArticleRequest request;
  request.mutable_document()->set_text(Read(data + "/" + file));
  request.mutable_document()->set_url(url);
  return IngestOne(request).results(0).ingested().article();
}

void Scenario::KillStory() {
  WithdrawArticleRequest request;
  request.set_name(reported.name());
  request.set_scope(WITHDRAW_SCOPE_STORY);
  request.set_reason("There was no fire.");
  auto response = Withdraw(request);
  const auto& other = response.copies(0);
  // GetStory has no consistency: any replica may be stale by a second.
  std::this_thread::sleep_for(1s);
  Story none;
  auto problem = Problem::Of(GetStory(client, story.name(), &none));
  std::cout << "28 kill-story others=" << response.copies_size() << " outcome=" << CopyOutcome_Name(other.outcome())
            << " kind=" << CopyKind_Name(other.kind()) << " afterwards=" << problem.code << " reason=" << problem.reason
            << std::endl;
}
