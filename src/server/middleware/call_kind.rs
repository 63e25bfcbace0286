//! Kinds of methods, which determine the limits of a call.

use std::sync::LazyLock;

use prost::Message;
use prost_types::FileDescriptorSet;

use crate::grpc::status::StreamKind;
use crate::proto::FILE_DESCRIPTOR_SET;

/// Path prefix of Copydesk's own methods.
const OWN: &str = "/copydesk.";

/// Paths of the streaming methods, from the descriptors: a stream must not get the deadline of a unary call.
static STREAMS: LazyLock<Vec<(String, StreamKind)>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
    let mut streams = Vec::new();
    for file in set.file.iter().filter(|file| file.package().starts_with("copydesk.")) {
        for service in &file.service {
            for method in &service.method {
                let kind = match (method.client_streaming(), method.server_streaming()) {
                    (true, _) => StreamKind::Ingesting,
                    (false, true) => StreamKind::Reading,
                    (false, false) => continue,
                };
                streams.push((format!("/{}.{}/{}", file.package(), service.name(), method.name()), kind));
            }
        }
    }
    streams
});

/// Kind of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    /// One request and one response.
    Unary,
    /// A stream of requests or responses.
    Stream(StreamKind),
    /// Health and reflection, which are served under any load.
    Other,
}

impl CallKind {
    /// Returns the kind of the method with this path.
    pub(crate) fn of(path: &str) -> Self {
        if !path.starts_with(OWN) {
            return Self::Other;
        }
        let stream = STREAMS.iter().find(|(stream, _)| stream == path);
        stream.map_or(Self::Unary, |(_, kind)| Self::Stream(*kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_read_from_the_descriptors() {
        let kinds = [
            ("/copydesk.v1.IngestionService/IngestArticles", CallKind::Stream(StreamKind::Ingesting)),
            ("/copydesk.v1.RetrievalService/WatchArticles", CallKind::Stream(StreamKind::Reading)),
            ("/copydesk.v1.RetrievalService/WatchStories", CallKind::Stream(StreamKind::Reading)),
            ("/copydesk.v1.RetrievalService/ExportArticles", CallKind::Stream(StreamKind::Reading)),
            ("/copydesk.v1.IngestionService/IngestArticle", CallKind::Unary),
            ("/copydesk.v1.RetrievalService/GetArticle", CallKind::Unary),
            ("/grpc.health.v1.Health/Watch", CallKind::Other),
        ];
        for (path, kind) in kinds {
            assert_eq!(CallKind::of(path), kind, "{path}");
        }
    }
}
