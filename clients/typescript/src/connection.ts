// Channel with load balancing and retries. Copy this file into your program.
import { readFileSync } from 'node:fs';
import {
  Channel,
  type ChannelOptions,
  type ClientUnaryCall,
  type CallOptions,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';

import { EditorialServiceClient } from './generated/copydesk/v1/editorial_service.js';
import { IngestionServiceClient } from './generated/copydesk/v1/ingestion_service.js';
import { RetrievalServiceClient } from './generated/copydesk/v1/retrieval_service.js';
import { HealthClient } from './generated/grpc/health/v1/health.js';

/** Clients of all services, over one channel. Create one and keep it. */
export class Client {
  readonly channel: Channel;
  readonly ingestion: IngestionServiceClient;
  readonly editorial: EditorialServiceClient;
  readonly retrieval: RetrievalServiceClient;
  readonly health: HealthClient;

  /** `addresses` are `host:port`: one, whose DNS name may have several addresses, or several IPv4 ones. */
  constructor(addresses: string[], serviceConfig: string, more: ChannelOptions = {}) {
    const target = addresses.length === 1 ? `dns:///${addresses[0]}` : `ipv4:${addresses.join(',')}`;
    const options: ChannelOptions = {
      // grpc-js ignores `healthCheckConfig`.
      'grpc.service_config': readFileSync(serviceConfig, 'utf8'),
      // The same intervals as the server: a replica that disappears silently is detected within 50 s.
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 20_000,
      // A batch of 1,000 articles may be large; without this, 4 MiB is the limit.
      'grpc.max_receive_message_length': 256 << 20,
      ...more,
    };
    this.channel = new Channel(target, credentials.createInsecure(), options);
    const over = { channelOverride: this.channel };
    this.ingestion = new IngestionServiceClient(target, credentials.createInsecure(), over);
    this.editorial = new EditorialServiceClient(target, credentials.createInsecure(), over);
    this.retrieval = new RetrievalServiceClient(target, credentials.createInsecure(), over);
    this.health = new HealthClient(target, credentials.createInsecure(), over);
  }

  close(): void {
    this.channel.close();
  }
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** Response, and the initial metadata. */
export interface Answer<Response> {
  response: Response;
  metadata: Metadata;
}

/** Makes a unary call: `unary(client.retrieval, client.retrieval.getArticle, request)`. */
export function unary<Request, Response>(
  service: object,
  method: Method<Request, Response>,
  request: Request,
  options: Partial<CallOptions> = {},
): Promise<Answer<Response>> {
  return new Promise((resolve, reject) => {
    let metadata = new Metadata();
    const call = method.call(service, request, new Metadata(), options, (error, response) => {
      if (error) reject(error);
      else resolve({ response, metadata });
    });
    call.on('metadata', (first) => (metadata = first));
  });
}
