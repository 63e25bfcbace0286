// Channel with load balancing, health checks and retries.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "copydesk/v1/editorial_service.grpc.pb.h"
#include "copydesk/v1/ingestion_service.grpc.pb.h"
#include "copydesk/v1/retrieval_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"

// Clients of all services, over one channel. Safe for use by many threads; create one and keep it.
struct Client {
  // `addresses` are `host:port`: one, whose DNS name may have several addresses, or several IPv4 ones.
  // `service_config` is the text of service-config.json.
  Client(const std::vector<std::string>& addresses, const std::string& service_config);

  std::unique_ptr<copydesk::v1::IngestionService::Stub> ingestion;
  std::unique_ptr<copydesk::v1::EditorialService::Stub> editorial;
  std::unique_ptr<copydesk::v1::RetrievalService::Stub> retrieval;
  std::unique_ptr<grpc::health::v1::Health::Stub> health;
};
