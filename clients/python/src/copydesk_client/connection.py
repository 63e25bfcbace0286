"""Channel with load balancing, health checks and retries. Copy this file into your program."""

from pathlib import Path

import grpc
from copydesk.v1.editorial_service_pb2_grpc import EditorialServiceStub
from copydesk.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from copydesk.v1.retrieval_service_pb2_grpc import RetrievalServiceStub
from grpc_health.v1.health_pb2_grpc import HealthStub


class Client:
    """Clients of all services, over one channel. Safe to share between threads; create one and keep it."""

    def __init__(self, addresses: list[str], service_config: Path) -> None:
        """`addresses` are `host:port`: one, whose DNS name may have several addresses, or several IPv4 ones."""
        target = f"dns:///{addresses[0]}" if len(addresses) == 1 else "ipv4:" + ",".join(addresses)
        options = [
            ("grpc.service_config", service_config.read_text()),
            # The default would be all addresses with commas, which the server rejects as a host.
            ("grpc.default_authority", addresses[0]),
            # The same intervals as the server: a replica that disappears silently is detected within 50 s.
            ("grpc.keepalive_time_ms", 30_000),
            ("grpc.keepalive_timeout_ms", 20_000),
            # A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
            ("grpc.max_receive_message_length", 256 << 20),
        ]
        self.channel = grpc.insecure_channel(target, options)
        self.ingestion = IngestionServiceStub(self.channel)
        self.editorial = EditorialServiceStub(self.channel)
        self.retrieval = RetrievalServiceStub(self.channel)
        self.health = HealthStub(self.channel)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()
