package dev.copydesk.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.ResourceInfo;
import com.google.rpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.List;

/**
 * Details of an error beyond its code: https://google.aip.dev/193. The reason is stable: decide by it, never by the message.
 */
record Problem(String code, String reason, String resource, List<String> fields) {
  static Problem of(StatusRuntimeException error) {
    return of(error.getStatus().getCode().name(), StatusProto.fromThrowable(error));
  }

  /** Reads a status in a message, such as a response of IngestArticles. */
  static Problem of(String code, Status status) {
    String reason = "";
    String resource = "";
    List<String> fields = List.of();
    try {
      for (Any detail : status.getDetailsList()) {
        if (detail.is(ErrorInfo.class)) {
          reason = detail.unpack(ErrorInfo.class).getReason();
        } else if (detail.is(ResourceInfo.class)) {
          resource = detail.unpack(ResourceInfo.class).getResourceName();
        } else if (detail.is(BadRequest.class)) {
          fields =
              detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                  .map(BadRequest.FieldViolation::getField)
                  .sorted()
                  .toList();
        }
      }
    } catch (InvalidProtocolBufferException error) {
      throw new IllegalStateException("cannot parse the details of the error", error);
    }
    return new Problem(code, reason, resource, fields);
  }
}
