#include "client.h"

#include <grpcpp/grpcpp.h>

Client::Client(const std::vector<std::string>& addresses, const std::string& service_config) {
  std::string target = "dns:///" + addresses.front();
  if (addresses.size() > 1) {
    target = "ipv4:" + addresses.front();
    for (auto address = addresses.begin() + 1; address != addresses.end(); ++address) target += "," + *address;
  }
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(service_config);
  // The default would be all addresses with commas, which the server rejects as a host.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, addresses.front());
  // The same intervals as the server: a replica that disappears silently is detected within 50 s.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
  arguments.SetMaxReceiveMessageSize(256 << 20);
  auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  ingestion = copydesk::v1::IngestionService::NewStub(channel);
  editorial = copydesk::v1::EditorialService::NewStub(channel);
  retrieval = copydesk::v1::RetrievalService::NewStub(channel);
  health = grpc::health::v1::Health::NewStub(channel);
}
