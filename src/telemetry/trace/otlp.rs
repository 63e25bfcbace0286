//! Conversion of traces to OTLP.

use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{self as wire, ResourceSpans, ScopeSpans, Status, span, status};

use super::recording::{Span, SpanKind, Trace, TraceId, Value};

/// Returns the resource that describes this process.
pub(super) fn resource(instance: &str) -> Resource {
    let text = |key, text: &str| attribute(key, &Value::Text(text.to_owned()));
    Resource {
        attributes: vec![
            text("service.name", "copydesk"),
            text("service.instance.id", instance),
            text("service.version", env!("CARGO_PKG_VERSION")),
        ],
        ..Resource::default()
    }
}

/// Builds the export request for these traces.
pub(super) fn request(resource: &Resource, traces: &[Trace]) -> ExportTraceServiceRequest {
    let mut spans = Vec::new();
    for trace in traces {
        let recording = trace.recording();
        spans.extend(recording.spans().iter().map(|span| convert(recording.id, recording.time, span)));
    }
    let scope = InstrumentationScope { name: "copydesk".into(), ..InstrumentationScope::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let resource = Some(resource.clone());
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }],
    }
}

fn convert(trace: TraceId, time: SystemTime, span: &Span) -> wire::Span {
    let kind = match span.kind {
        SpanKind::Server => span::SpanKind::Server,
        SpanKind::Internal => span::SpanKind::Internal,
        SpanKind::Client => span::SpanKind::Client,
    };
    let code = if span.failed { status::StatusCode::Error } else { status::StatusCode::Unset };
    wire::Span {
        trace_id: trace.0.to_be_bytes().to_vec(),
        span_id: span.id.to_be_bytes().to_vec(),
        parent_span_id: span.parent.map(|id| id.to_be_bytes().to_vec()).unwrap_or_default(),
        name: span.name.clone(),
        kind: kind.into(),
        start_time_unix_nano: nanos(time + span.began),
        end_time_unix_nano: nanos(time + span.began + span.duration.unwrap_or_default()),
        attributes: span.attributes.iter().map(|(key, value)| attribute(key, value)).collect(),
        status: Some(Status { code: code.into(), ..Status::default() }),
        ..wire::Span::default()
    }
}

fn nanos(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_nanos() as u64
}

fn attribute(key: &str, value: &Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::StringValue(text.clone()),
        Value::Int(number) => any_value::Value::IntValue(*number),
        Value::Bool(value) => any_value::Value::BoolValue(*value),
    };
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
