// State and functions that the steps of the scenario share.
#pragma once

#include <chrono>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "client.h"
#include "problem.h"

struct Scenario {
  // Clients of all replicas, and of one.
  Client& client;
  Client& other;
  std::string data;
  copydesk::v1::Article page = {};
  std::vector<copydesk::v1::Article> items = {};
  copydesk::v1::Article withdrawn = {};
  copydesk::v1::Article wire = {};
  // The articles of the story, the story, and the one that an editor divides from it.
  copydesk::v1::Article first = {};
  copydesk::v1::Article second = {};
  copydesk::v1::Story story = {};
  copydesk::v1::Story divided = {};
  // The token from which to resume the watch of stories.
  std::string watch_token = {};

  void Ingest();
  void Get();
  void GetByToken();
  void Batch();
  void List();
  void Search();
  void Watch();
  void Stream();
  void Validation();
  void NotFound();
  void Deadline();
  void Cancel();
  void Retry(Client& witness);
  void Compression(Client& witness);
  void Health();
  void WithdrawByUrl();
  void WithdrawEarly();
  void AnyState();
  void Older();
  void Diff();
  void Markdown();
  void Export();
  void Count();
  void Suggest();
  void Related();
  void Copies();
  void Kill();
  void ReadStory();
  void WatchChangedStories();
  void SplitStory();
  void MergeStory();
  void MostRead();
  void KillStory();

 private:
  copydesk::v1::IngestArticleResponse IngestOne(const copydesk::v1::IngestArticleRequest& request);
  void Correct();
  copydesk::v1::WithdrawArticleResponse Withdraw(const copydesk::v1::WithdrawArticleRequest& request);
  Problem Rejection(const std::string& url, const std::string& headline, const std::string& body);
  grpc::Status IngestReady(const std::string& url, const std::string& headline, const std::string& body,
                           copydesk::v1::IngestedArticle* ingested);
  copydesk::v1::Article IngestText(const std::string& file, const std::string& url);
  copydesk::v1::ExportProgress ExportUntilProgress(const copydesk::v1::ExportArticlesRequest& request,
                                                   std::set<std::string>* names);
};

// Requires a read at least as fresh as this write, from any replica.
copydesk::v1::Consistency Fresh(const copydesk::v1::Article& article);

std::string Read(const std::string& path);

std::string Joined(const std::vector<std::string>& parts);

inline std::string Quoted(const std::string& text) { return '"' + text + '"'; }

inline const char* Yes(bool value) { return value ? "yes" : "no"; }

inline std::chrono::system_clock::time_point In(std::chrono::milliseconds time) {
  return std::chrono::system_clock::now() + time;
}
