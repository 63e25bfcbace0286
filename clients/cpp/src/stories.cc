// Steps of the scenario that concern stories, which are articles that report one event, and reads.
#include <map>
#include <thread>

#include "steps.h"

using namespace copydesk::v1;
using namespace std::chrono_literals;

namespace {

// Stories of articles, by their names.
using StoriesOf = std::map<std::string, std::string>;

grpc::Status GetStory(Client& client, const std::string& name, Story* story) {
  GetStoryRequest request;
  request.set_name(name);
  grpc::ClientContext context;
  GetStoryResponse response;
  auto status = client.retrieval->GetStory(&context, request, &response);
  story->Swap(response.mutable_story());
  return status;
}

// Watches until a checkpoint at which the article is in the story. Adds the stories of the articles that were sent, and
// returns the token of the checkpoint.
std::string WatchUntil(Client& client, const WatchStoriesRequest& request, const Article& article, const Story& story,
                       StoriesOf* stories) {
  grpc::ClientContext context;
  context.set_deadline(In(30s));
  auto events = client.retrieval->WatchStories(&context, request);
  WatchStoriesResponse event;
  bool seen = false;
  while (!seen && events->Read(&event)) {
    if (event.has_checkpoint()) {
      // Another replica may have read only what was grouped before.
      auto found = stories->find(article.name());
      seen = found != stories->end() && found->second == story.name();
    } else if (event.change().story().empty()) {
      // The article is not readable any more.
      stories->erase(event.change().article());
    } else {
      (*stories)[event.change().article()] = event.change().story();
    }
  }
  // Cancelling the context ends the stream.
  context.TryCancel();
  auto ended = events->Finish();
  if (!seen) throw Failed(ended);
  return event.checkpoint().watch_token();
}

ListArticlesResponse ListArticles(Client& client, const ListArticlesRequest& request) {
  grpc::ClientContext context;
  ListArticlesResponse response;
  Succeed(client.retrieval->ListArticles(&context, request, &response));
  return response;
}

}  // namespace

void Scenario::ReadStory() {
  first = IngestText("story-one.txt", "https://northline.example/kelmore-fire");
  second = IngestText("story-two.txt", "https://ellery-herald.example/kelmore-fire");
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
  request.set_name(first.name());
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

void Scenario::WatchChangedStories() {
  WatchStoriesRequest request;
  request.set_beginning(true);
  StoriesOf stories;
  watch_token = WatchUntil(client, request, second, story, &stories);
  Story of_first;
  Succeed(GetStory(client, first.name() + "/story", &of_first));
  int articles = 0;
  for (const auto& [article, name] : stories) articles += name == story.name();
  std::cout << "28 watch-stories articles=" << articles
            << " same-story=" << Yes(stories[first.name()] == of_first.name()) << std::endl;
}

void Scenario::SplitStory() {
  // Without a destination the article becomes a story by itself.
  MoveStoryArticlesRequest move;
  move.set_parent(story.name());
  move.add_articles(second.name());
  grpc::ClientContext first_context;
  MoveStoryArticlesResponse moved;
  Succeed(client.editorial->MoveStoryArticles(&first_context, move, &moved));
  divided = moved.story();

  WatchStoriesRequest resumed;
  resumed.set_watch_token(watch_token);
  StoriesOf stories;
  WatchUntil(client, resumed, second, divided, &stories);

  GetArticleRequest request;
  request.set_name(second.name());
  // No view includes `story`: a mask has to name it.
  request.mutable_read_mask()->add_paths("story");
  *request.mutable_consistency() = Fresh(second);
  grpc::ClientContext second_context;
  GetArticleResponse got;
  Succeed(client.retrieval->GetArticle(&second_context, request, &got));
  std::cout << "29 split articles=" << divided.article_count() << " new-name=" << Yes(divided.name() != story.name())
            << " watched=" << Yes(stories[second.name()] == divided.name())
            << " by-mask=" << Yes(got.article().story() == divided.name()) << std::endl;
}

void Scenario::MergeStory() {
  MergeStoriesRequest merge;
  merge.set_name(story.name());
  merge.set_source_story(divided.name());
  grpc::ClientContext context;
  MergeStoriesResponse merged;
  Succeed(client.editorial->MergeStories(&context, merge, &merged));
  // The former name returns the story from now on, also in filters.
  Story former;
  Succeed(GetStory(client, divided.name(), &former));

  ListArticlesRequest request;
  request.mutable_filter()->mutable_stories()->add_any_of(divided.name());
  request.mutable_read_mask()->add_paths("name");
  request.mutable_read_mask()->add_paths("story");
  *request.mutable_consistency() = Fresh(second);
  auto listed = ListArticles(client, request);
  bool same_story = true;
  for (const auto& article : listed.articles()) same_story &= article.story() == story.name();
  request.mutable_filter()->set_one_per_story(true);
  auto one = ListArticles(client, request);
  bool same_name = merged.story().name() == story.name() && former.name() == story.name();
  std::cout << "30 merge articles=" << merged.story().article_count() << " same-name=" << Yes(same_name)
            << " listed=" << listed.articles_size() << " same-story=" << Yes(same_story)
            << " one-per-story=" << one.articles_size()
            << " earliest=" << Yes(one.articles(0).name() == first.name()) << std::endl;
}

void Scenario::MostRead() {
  RecordReadsRequest request;
  auto* reads = request.add_reads();
  reads->set_article(first.name());
  reads->set_read_count(2);
  reads = request.add_reads();
  reads->set_article(second.name());
  reads->set_read_count(5);
  grpc::ClientContext context;
  RecordReadsResponse recorded;
  Succeed(client.retrieval->RecordReads(&context, request, &recorded));

  ListMostReadArticlesResponse listed;
  // Reads are listed within about 10 seconds, on every replica.
  for (int attempt = 0; attempt < 60 && listed.most_read_articles_size() < request.reads_size(); ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(500ms);
    grpc::ClientContext list_context;
    Succeed(client.retrieval->ListMostReadArticles(&list_context, ListMostReadArticlesRequest(), &listed));
  }
  std::vector<std::string> names, counts;
  for (const auto& read : listed.most_read_articles()) {
    names.push_back(read.article().name());
    counts.push_back(std::to_string(read.read_count()));
  }
  bool in_order = names == std::vector<std::string>{second.name(), first.name()};
  std::cout << "31 most-read reads=" << Joined(counts) << " in-order=" << Yes(in_order) << std::endl;
}

void Scenario::KillStory() {
  WithdrawArticleRequest request;
  request.set_name(first.name());
  request.set_scope(WITHDRAW_SCOPE_STORY);
  request.set_reason("There was no fire.");
  auto response = Withdraw(request);
  const auto& other = response.copies(0);
  // GetStory has no consistency: any replica may be stale by a second.
  std::this_thread::sleep_for(1s);
  Story none;
  auto problem = Problem::Of(GetStory(client, story.name(), &none));
  std::cout << "32 kill-story others=" << response.copies_size() << " outcome=" << CopyOutcome_Name(other.outcome())
            << " kind=" << CopyKind_Name(other.kind()) << " afterwards=" << problem.code << " reason=" << problem.reason
            << std::endl;
}
