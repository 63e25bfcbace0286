// Details of an error beyond its code: https://google.aip.dev/193.
import { type ServiceError, status } from '@grpc/grpc-js';

import type { Any } from './generated/google/protobuf/any.js';
import { BadRequest, ErrorInfo, ResourceInfo } from './generated/google/rpc/error_details.js';
import { Status } from './generated/google/rpc/status.js';

/** Error with the details that Copydesk sends. `reason` is stable: decide by it, never by the message. */
export interface Problem {
  code: string;
  reason: string;
  resource: string;
  fields: string[];
}

/** Returns the details of a failed call. Rethrows errors that are not of gRPC. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof Error && 'code' in error && 'metadata' in error)) throw error;
  const { code, metadata } = error as ServiceError;
  const [details] = metadata.get('grpc-status-details-bin');
  return problemIn(status[code], Buffer.isBuffer(details) ? Status.decode(details).details : []);
}

/** Returns the details of a `google.rpc.Status`. */
export function problemIn(code: string, details: Any[]): Problem {
  const problem: Problem = { code, reason: '', resource: '', fields: [] };
  for (const { typeUrl, value } of details) {
    if (typeUrl.endsWith('/google.rpc.ErrorInfo')) {
      problem.reason = ErrorInfo.decode(value).reason;
    } else if (typeUrl.endsWith('/google.rpc.ResourceInfo')) {
      problem.resource = ResourceInfo.decode(value).resourceName;
    } else if (typeUrl.endsWith('/google.rpc.BadRequest')) {
      problem.fields = BadRequest.decode(value).fieldViolations.map((violation) => violation.field);
    }
  }
  return problem;
}
