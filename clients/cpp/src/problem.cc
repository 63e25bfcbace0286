#include "problem.h"

#include <algorithm>

#include "google/rpc/error_details.pb.h"

namespace {

// Returns the protocol's name of a code.
std::string CodeName(int code) {
  static const char* const kNames[] = {
      "OK",           "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT", "DEADLINE_EXCEEDED",   "NOT_FOUND",
      "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",   "OUT_OF_RANGE",
      "UNIMPLEMENTED", "INTERNAL",      "UNAVAILABLE",       "DATA_LOSS",        "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : std::to_string(code);
}

}  // namespace

Problem Problem::Of(const grpc::Status& status) {
  google::rpc::Status details;
  Problem problem;
  if (details.ParseFromString(status.error_details())) problem = Of(details);
  problem.code = CodeName(status.error_code());
  return problem;
}

Problem Problem::Of(const google::rpc::Status& status) {
  Problem problem;
  problem.code = CodeName(status.code());
  google::rpc::ErrorInfo info;
  google::rpc::ResourceInfo resource;
  google::rpc::BadRequest request;
  for (const auto& detail : status.details()) {
    if (detail.UnpackTo(&info)) {
      problem.reason = info.reason();
    } else if (detail.UnpackTo(&resource)) {
      problem.resource = resource.resource_name();
    } else if (detail.UnpackTo(&request)) {
      for (const auto& violation : request.field_violations()) problem.fields.push_back(violation.field());
    }
  }
  std::sort(problem.fields.begin(), problem.fields.end());
  return problem;
}

Failed::Failed(const grpc::Status& status)
    : std::runtime_error(CodeName(status.error_code()) + ": " + status.error_message()) {}
