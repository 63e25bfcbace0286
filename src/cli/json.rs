//! Conversion between messages and JSON, in the standard Protobuf mapping that `grpcurl` and other libraries use.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use crate::proto::FILE_DESCRIPTOR_SET;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptor set of build.rs must be valid")
});

/// Message with its name in the API.
pub(super) trait Named: Message + Default {
    const NAME: &'static str;

    fn descriptor() -> MessageDescriptor {
        POOL.get_message_by_name(Self::NAME).expect("the message must be in the descriptor set")
    }
}

macro_rules! named {
    ($($message:ident),*) => {
        $(impl Named for crate::proto::$message {
            const NAME: &'static str = concat!("copydesk.v1.", stringify!($message));
        })*
    };
}

named!(
    AggregateArticlesResponse,
    Article,
    ArticleCopy,
    Document,
    ExtractionReport,
    IngestedArticle,
    IngestArticleResponse,
    IngestArticlesResponse,
    IngestEvent,
    MostReadArticle,
    RelatedArticle,
    SearchResult,
    Story,
    Suggestion,
    TopStory,
    WatchArticlesResponse,
    WatchStoriesResponse
);

/// Formats a message as JSON on one line.
pub(super) fn line<M: Named>(message: &M) -> Result<String, serde_json::Error> {
    let dynamic = DynamicMessage::decode(M::descriptor(), message.encode_to_vec().as_slice())
        .map_err(serde::ser::Error::custom)?;
    let mut out = Vec::new();
    dynamic.serialize_with_options(&mut serde_json::Serializer::new(&mut out), &SerializeOptions::new())?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// Parses a message from one line. Errors name the field.
pub(super) fn read<M: Named>(line: &str) -> Result<M, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(line);
    let dynamic = DynamicMessage::deserialize(M::descriptor(), &mut json)?;
    json.end()?;
    M::decode(dynamic.encode_to_vec().as_slice()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Article, Document, document::Payload};

    #[test]
    fn a_message_survives_the_way_through_json() {
        let article = Article {
            headline: "Harbour “reopens” – at last".into(),
            revision: 7,
            publish_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5_000_000 }),
            ..Article::default()
        };
        let text = line(&article).unwrap();
        assert!(text.contains("\"publishTime\":\"2023-11-14T22:13:20.005Z\""), "{text}");
        assert_eq!(read::<Article>(&text).unwrap(), article);
    }

    #[test]
    fn both_spellings_of_a_field_are_taken_and_unknown_ones_named() {
        let document: Document =
            read(r#"{"article": {"headline": "x"}, "external_id": "a", "fetchTime": null}"#).unwrap();
        assert!(matches!(document.payload, Some(Payload::Article(_))));
        assert_eq!(document.external_id, "a");
        assert!(read::<Document>(r#"{"txt": "x"}"#).unwrap_err().to_string().contains("txt"));
    }
}
