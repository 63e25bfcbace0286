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
  // Several addresses are no name that HTTP/2 allows in a request: it must be one.
  arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, addresses.front());
  // As often as the server asks: a replica that is gone without a word is noticed within 50 seconds.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  // A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
  arguments.SetMaxReceiveMessageSize(256 << 20);
  auto channel = grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments);
  ingestion = copydesk::v1::IngestionService::NewStub(channel);
  retrieval = copydesk::v1::RetrievalService::NewStub(channel);
  health = grpc::health::v1::Health::NewStub(channel);
}
