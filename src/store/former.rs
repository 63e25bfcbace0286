//! Contents that version 0.1.0 stored before its release, when an article had other fields and field numbers.

use prost::Message;

use crate::article::{CleanArticle, Digest, normal_address, url_host};
use crate::proto::block::Content;
use crate::proto::{Article, Author, Block, Dateline, ImageBlock, Media, Rights, TextBlock, TextKind};

/// Article as it was stored.
#[derive(Clone, PartialEq, Message)]
struct FormerArticle {
    #[prost(string, tag = "3")]
    source: String,
    #[prost(string, tag = "4")]
    url: String,
    #[prost(string, tag = "5")]
    external_id: String,
    #[prost(string, tag = "6")]
    headline: String,
    #[prost(string, tag = "7")]
    subheadline: String,
    #[prost(string, repeated, tag = "8")]
    authors: Vec<String>,
    #[prost(message, optional, tag = "9")]
    dateline: Option<Dateline>,
    #[prost(string, tag = "10")]
    agency: String,
    #[prost(string, tag = "11")]
    publisher: String,
    #[prost(string, tag = "12")]
    language: String,
    #[prost(string, tag = "13")]
    section: String,
    #[prost(string, repeated, tag = "14")]
    tags: Vec<String>,
    #[prost(string, tag = "15")]
    body: String,
    #[prost(message, repeated, tag = "16")]
    blocks: Vec<FormerBlock>,
    #[prost(message, repeated, tag = "17")]
    media: Vec<Media>,
    #[prost(message, repeated, tag = "18")]
    links: Vec<FormerLink>,
    #[prost(string, tag = "19")]
    rights: String,
    #[prost(message, optional, tag = "20")]
    publish_time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "21")]
    source_update_time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "22")]
    embargo_time: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "23")]
    expire_time: Option<prost_types::Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct FormerBlock {
    #[prost(int32, tag = "1")]
    kind: i32,
    #[prost(int32, tag = "2")]
    paragraph: i32,
    #[prost(int32, tag = "3")]
    level: i32,
    #[prost(int32, tag = "4")]
    media: i32,
}

#[derive(Clone, PartialEq, Message)]
struct FormerLink {
    #[prost(string, tag = "1")]
    url: String,
    #[prost(string, tag = "2")]
    text: String,
}

/// Number of the former kind of block for images. The numbers of the other kinds are those of [`TextKind`].
const FORMER_IMAGE: i32 = 5;

/// Content in the present encoding.
pub(super) struct Converted {
    pub(super) content: Vec<u8>,
    /// Fingerprints that a store may have of the former content.
    pub(super) former_fingerprints: [Digest; 3],
    /// Fingerprint of the content.
    pub(super) fingerprint: Digest,
}

/// Converts a stored content. The links are dropped, because their positions in the text are unknown. None if the bytes
/// are damaged.
pub(super) fn convert(content: &[u8]) -> Option<Converted> {
    let former = FormerArticle::decode(content).ok()?;
    let timeless = FormerArticle { embargo_time: None, expire_time: None, ..former.clone() };
    let url = normal_address(&former.url).unwrap_or_default();
    let normal = FormerArticle { url, ..timeless.clone() };
    let former_fingerprints =
        [normal.encode_to_vec(), timeless.encode_to_vec(), content.to_vec()].map(|bytes| Digest::of_bytes(&bytes));
    let content = present(former).encode_to_vec();
    let fingerprint = CleanArticle::stored(&content).ok()?.fingerprint();
    Some(Converted { content, former_fingerprints, fingerprint })
}

fn present(former: FormerArticle) -> Article {
    let blocks = former.blocks.iter().filter_map(|block| present_block(block, &former.media)).collect();
    Article {
        host: url_host(&former.url).unwrap_or_default(),
        source: former.source,
        url: former.url,
        external_id: former.external_id,
        headline: former.headline,
        subheadline: former.subheadline,
        authors: former.authors.into_iter().map(Author::named).collect(),
        dateline: former.dateline,
        agency: former.agency,
        publisher: former.publisher,
        language_code: former.language,
        section: former.section,
        tags: former.tags,
        body: former.body,
        blocks,
        media: former.media,
        rights: Some(former.rights)
            .filter(|notice| !notice.is_empty())
            .map(|notice| Rights { notice, ..Rights::default() }),
        publish_time: former.publish_time,
        source_update_time: former.source_update_time,
        embargo_time: former.embargo_time,
        expire_time: former.expire_time,
        ..Article::default()
    }
}

fn present_block(block: &FormerBlock, media: &[Media]) -> Option<Block> {
    let content = if block.kind == FORMER_IMAGE {
        let media = media.get(usize::try_from(block.media).ok()?)?;
        Content::Image(ImageBlock { url: media.url.clone() })
    } else {
        let kind = TextKind::try_from(block.kind).ok()?;
        Content::Text(TextBlock { kind: kind.into(), heading_level: block.level, spans: Vec::new() })
    };
    Some(Block { content: Some(content) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::article::Limits;

    #[test]
    fn a_former_content_becomes_a_clean_article() {
        let image = Media { url: "https://herald.example/a.jpg".into(), ..Media::default() };
        let former = FormerArticle {
            source: "herald.example".into(),
            url: "https://www.herald.example/1".into(),
            headline: "Ferry".into(),
            authors: vec!["Ida Quill".into()],
            body: "Fares\n\nThey rise.".into(),
            blocks: vec![
                FormerBlock { kind: 2, paragraph: 0, level: 3, media: 0 },
                FormerBlock { kind: FORMER_IMAGE, ..FormerBlock::default() },
                FormerBlock { kind: 1, paragraph: 1, ..FormerBlock::default() },
            ],
            media: vec![image],
            links: vec![FormerLink { url: "https://herald.example/2".into(), text: "rise".into() }],
            rights: "© The Herald".into(),
            embargo_time: Some(prost_types::Timestamp { seconds: 9, nanos: 0 }),
            ..FormerArticle::default()
        };
        let converted = convert(&former.encode_to_vec()).expect("decodes");
        let article = Article::decode(&*converted.content).expect("decodes");
        let clean = CleanArticle::new(article.clone(), &Limits::default()).expect("is clean");
        assert_eq!(*clean.article(), article, "cleaning changes nothing");
        assert_eq!(clean.fingerprint(), converted.fingerprint);
        assert_eq!((article.blocks.len(), article.authors[0].name.as_str()), (3, "Ida Quill"));
        assert_eq!(article.rights.map(|rights| rights.notice).as_deref(), Some("© The Herald"));
        assert!(convert(b"\xff\xff").is_none());
    }
}
