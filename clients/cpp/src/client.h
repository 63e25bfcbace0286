// A well-behaved channel: balanced, health-checked, retrying.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "copydesk/v1/ingestion_service.grpc.pb.h"
#include "copydesk/v1/retrieval_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

// Both services, over one channel. Safe for use by many threads; make one and keep it.
struct Client {
  // `addresses` are `host:port`: one, whose name may stand for many replicas in DNS, or several IPv4 ones.
  // `service_config` is the text of service-config.json.
  Client(const std::vector<std::string>& addresses, const std::string& service_config);

  std::unique_ptr<copydesk::v1::IngestionService::Stub> ingestion;
  std::unique_ptr<copydesk::v1::RetrievalService::Stub> retrieval;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};
