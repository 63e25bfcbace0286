// What the scenario's steps share.
#pragma once

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

#include "client.h"
#include "problem.h"

struct Scenario {
  // To all replicas, and to one.
  Client& client;
  Client& other;
  std::string data;
  copydesk::v1::Article page = {};
  std::vector<copydesk::v1::Article> items = {};

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

 private:
  copydesk::v1::IngestArticleResponse IngestOne(const copydesk::v1::IngestArticleRequest& request);
  void Correct();
  copydesk::v1::Consistency Fresh(const copydesk::v1::Article& article) const;
};

std::string Joined(const std::vector<std::string>& parts);

inline std::string Quoted(const std::string& text) { return '"' + text + '"'; }

inline const char* Yes(bool it) { return it ? "yes" : "no"; }

inline std::chrono::system_clock::time_point In(std::chrono::milliseconds time) {
  return std::chrono::system_clock::now() + time;
}
