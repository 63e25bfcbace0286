package dev.copydesk.client;

import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.StatusOr;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Arrays;
import java.util.List;

/** Resolver of a list of addresses: {@code replicas:///10.0.0.1:50051,10.0.0.2:50051}. For a DNS name use {@code dns:}. */
final class Addresses extends NameResolverProvider {
  private static final String SCHEME = "replicas";

  static String target(List<String> addresses) {
    return SCHEME + ":///" + String.join(",", addresses);
  }

  @Override
  public NameResolver newNameResolver(URI target, NameResolver.Args args) {
    if (!SCHEME.equals(target.getScheme())) {
      return null;
    }
    List<String> addresses = Arrays.asList(target.getPath().substring(1).split(","));
    return new NameResolver() {
      @Override
      public String getServiceAuthority() {
        return addresses.get(0);
      }

      @Override
      public void start(Listener2 listener) {
        List<EquivalentAddressGroup> replicas = addresses.stream().map(Addresses::group).toList();
        listener.onResult(ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(replicas)).build());
      }

      @Override
      public void shutdown() {}
    };
  }

  private static EquivalentAddressGroup group(String address) {
    int colon = address.lastIndexOf(':');
    int port = Integer.parseInt(address.substring(colon + 1));
    return new EquivalentAddressGroup(new InetSocketAddress(address.substring(0, colon), port));
  }

  @Override
  public String getDefaultScheme() {
    return SCHEME;
  }

  @Override
  protected boolean isAvailable() {
    return true;
  }

  /** Below that of DNS, which stays the default for targets without a scheme. */
  @Override
  protected int priority() {
    return 1;
  }
}
