// Details of an error beyond its code: https://google.aip.dev/193.
#pragma once

#include <grpcpp/grpcpp.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "google/rpc/status.pb.h"

// Error with the details that Copydesk sends. `reason` is stable: decide by it, never by the message.
struct Problem {
  std::string code;
  std::string reason;
  std::string resource;
  std::vector<std::string> fields;

  static Problem Of(const grpc::Status& status);
  // Reads a status in a message, such as a response of IngestArticles.
  static Problem Of(const google::rpc::Status& status);
};

// Unexpected failure of a call.
class Failed : public std::runtime_error {
 public:
  explicit Failed(const grpc::Status& status);
};

// Throws unless the call succeeded.
inline void Succeed(const grpc::Status& status) {
  if (!status.ok()) throw Failed(status);
}
