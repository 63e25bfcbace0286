// Package copydesk creates a channel with load balancing, health checks and retries.
package copydesk

import (
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	// Enables the service config's healthCheckConfig.
	_ "google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	copydeskv1 "copydesk.dev/gen/copydesk/v1"
)

// Client has clients of all services, over one channel. Safe for use by many goroutines; create one and keep it.
type Client struct {
	*grpc.ClientConn
	Ingestion copydeskv1.IngestionServiceClient
	Editorial copydeskv1.EditorialServiceClient
	Retrieval copydeskv1.RetrievalServiceClient
	Health    grpc_health_v1.HealthClient
}

// Connect creates a client for addresses of the form host:port: one, whose DNS name may have several addresses, or several.
// serviceConfig is the path of service-config.json. It connects on the first call.
//
// Behind a proxy that balances calls, pass grpc.WithDisableHealthCheck(): the channel would take the health of one replica
// for that of the whole address. The proxy checks the health of replicas.
func Connect(addresses []string, serviceConfig string, more ...grpc.DialOption) (*Client, error) {
	config, err := os.ReadFile(serviceConfig)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(string(config)),
		// The same intervals as the server: a replica that disappears silently is detected within 50 s.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 20 * time.Second}),
		// A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(256 << 20)),
	}
	target := "dns:///" + addresses[0]
	if len(addresses) > 1 {
		replicas := manual.NewBuilderWithScheme("copydesk")
		state := resolver.State{}
		for _, address := range addresses {
			state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: address}}})
		}
		replicas.InitialState(state)
		options = append(options, grpc.WithResolvers(replicas))
		target = "copydesk:///" + addresses[0]
	}
	conn, err := grpc.NewClient(target, append(options, more...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", addresses, err)
	}
	return &Client{
		ClientConn: conn,
		Ingestion:  copydeskv1.NewIngestionServiceClient(conn),
		Editorial:  copydeskv1.NewEditorialServiceClient(conn),
		Retrieval:  copydeskv1.NewRetrievalServiceClient(conn),
		Health:     grpc_health_v1.NewHealthClient(conn),
	}, nil
}
