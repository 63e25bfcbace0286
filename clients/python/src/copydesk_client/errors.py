"""Details of an error beyond its code: https://google.aip.dev/193."""

from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2

# Metadata with the details of an error: https://grpc.io/docs/guides/error/.
DETAILS = "grpc-status-details-bin"


@dataclass
class Problem:
    """Error with the details that Copydesk sends. `reason` is stable: decide by it, never by the message."""

    code: str
    reason: str = ""
    resource: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, error: grpc.RpcError) -> "Problem":
        problem = cls(code=error.code().name)
        # Not by `grpc_status.rpc_status`: it raises if the message differs from that in the details. If a deadline passes here
        # and on the server at the same time, the message can be the percent-encoded one.
        for key, value in error.trailing_metadata() or ():
            if key == DETAILS:
                problem.read(status_pb2.Status.FromString(value).details)
        return problem

    def read(self, details: list[Any]) -> None:
        info, resource = error_details_pb2.ErrorInfo(), error_details_pb2.ResourceInfo()
        request = error_details_pb2.BadRequest()
        for detail in details:
            if detail.Unpack(info):
                self.reason = info.reason
            elif detail.Unpack(resource):
                self.resource = resource.resource_name
            elif detail.Unpack(request):
                self.fields = {wrong.field: wrong.description for wrong in request.field_violations}
