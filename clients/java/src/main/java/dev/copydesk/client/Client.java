package dev.copydesk.client;

import com.google.gson.Gson;
import com.google.gson.reflect.TypeToken;
import dev.copydesk.v1.EditorialServiceGrpc;
import dev.copydesk.v1.IngestionServiceGrpc;
import dev.copydesk.v1.RetrievalServiceGrpc;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.NameResolverRegistry;
import io.grpc.health.v1.HealthGrpc;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Clients of all services, over one channel with load balancing, health checks and retries. Safe for use by many threads;
 * create one and keep it.
 */
final class Client implements AutoCloseable {
  static {
    NameResolverRegistry.getDefaultRegistry().register(new Addresses());
  }

  final ManagedChannel channel;
  final IngestionServiceGrpc.IngestionServiceBlockingStub ingestion;
  final IngestionServiceGrpc.IngestionServiceStub ingestionAsync;
  final EditorialServiceGrpc.EditorialServiceBlockingStub editorial;
  final RetrievalServiceGrpc.RetrievalServiceBlockingStub retrieval;
  final HealthGrpc.HealthBlockingStub health;

  /**
   * @param addresses of the form {@code host:port}: one, whose DNS name may have several addresses, or several
   * @param serviceConfig the path of {@code service-config.json}
   */
  Client(List<String> addresses, Path serviceConfig) throws IOException {
    Map<String, ?> config =
        new Gson().fromJson(Files.readString(serviceConfig), new TypeToken<Map<String, Object>>() {}.getType());
    String target = addresses.size() == 1 ? "dns:///" + addresses.get(0) : Addresses.target(addresses);
    channel =
        Grpc.newChannelBuilder(target, InsecureChannelCredentials.create())
            .defaultServiceConfig(config)
            // The same intervals as the server: a replica that disappears silently is detected within 50 s.
            .keepAliveTime(30, TimeUnit.SECONDS)
            .keepAliveTimeout(20, TimeUnit.SECONDS)
            // A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
            .maxInboundMessageSize(256 << 20)
            .build();
    ingestion = IngestionServiceGrpc.newBlockingStub(channel);
    ingestionAsync = IngestionServiceGrpc.newStub(channel);
    editorial = EditorialServiceGrpc.newBlockingStub(channel);
    retrieval = RetrievalServiceGrpc.newBlockingStub(channel);
    health = HealthGrpc.newBlockingStub(channel);
  }

  @Override
  public void close() throws InterruptedException {
    channel.shutdown().awaitTermination(5, TimeUnit.SECONDS);
  }
}
