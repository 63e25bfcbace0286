//! Conversion of an extracted draft to an article of the API.

use crate::article::to_proto;
use crate::extract::{self, Draft, Precision, StatedTime, WireFields};
use crate::proto::block::Content;
use crate::proto::{
    Access, Article, Author, AuthorKind, Block, DataMining, Dateline, EmbedBlock, Emphasis, ImageBlock, ItemLink,
    Media, MediaKind, Rights, Span, Subject, SubjectKind, TableBlock, TableRow, TextBlock, TextKind, TimePrecision,
};

/// Converts a draft. `ingest::document` has taken its URLs.
pub(super) fn from_draft(draft: Draft) -> Article {
    // Without `..`, so that no field of a draft is forgotten.
    let Draft {
        url: _,
        alternate_urls: _,
        external_id,
        headline,
        subheadline,
        byline,
        authors,
        credited: _,
        dateline,
        agency,
        publisher,
        language,
        section,
        tags,
        body,
        blocks,
        media,
        rights,
        publish_time,
        update_time,
        wire,
    } = draft;
    // `ingest::document` has taken the version, the signals and the kind of ID.
    let WireFields {
        embargo,
        has_story_id: _,
        version: _,
        signals: _,
        editor_note,
        subjects,
        urgency,
        slugline,
        usage_terms,
        links,
    } = wire;
    let (publish_time_precision, publish_utc_offset) =
        publish_time.map_or((TimePrecision::Unspecified, None), precision);
    Article {
        external_id: external_id.unwrap_or_default(),
        headline,
        subheadline,
        byline,
        authors: authors.into_iter().map(author).collect(),
        dateline: dateline.map(|dateline| Dateline { place: dateline.place, text: dateline.text }),
        agency,
        publisher,
        language_code: language,
        section,
        tags,
        body,
        blocks: blocks.into_iter().map(block).collect(),
        media: media.into_iter().map(self::media).collect(),
        subjects: subjects.into_iter().map(subject).collect(),
        urgency: urgency.map_or(0, i32::from),
        slugline,
        editor_note,
        links: links.into_iter().map(link).collect(),
        rights: Some(Rights { usage_terms, ..self::rights(rights) }),
        embargo_time: embargo.map(to_proto),
        publish_time: publish_time.map(|stated| to_proto(stated.time)),
        publish_time_precision: publish_time_precision.into(),
        publish_utc_offset,
        source_update_time: update_time.map(to_proto),
        ..Article::default()
    }
}

fn author(author: extract::Author) -> Author {
    let kind = match author.kind {
        extract::AuthorKind::Unspecified => AuthorKind::Unspecified,
        extract::AuthorKind::Person => AuthorKind::Person,
        extract::AuthorKind::Organization => AuthorKind::Organization,
    };
    let extract::Author { name, kind: _, url, role } = author;
    Author { name, kind: kind.into(), uri: url.unwrap_or_default(), role, ..Author::default() }
}

fn subject(subject: extract::Subject) -> Subject {
    let kind = match subject.kind {
        extract::SubjectKind::Topic => SubjectKind::Topic,
        extract::SubjectKind::Person => SubjectKind::Person,
        extract::SubjectKind::Organization => SubjectKind::Organization,
        extract::SubjectKind::Place => SubjectKind::Place,
        extract::SubjectKind::Event => SubjectKind::Event,
        extract::SubjectKind::Genre => SubjectKind::Genre,
    };
    let extract::Subject { kind: _, scheme, code, name } = subject;
    Subject { kind: kind.into(), scheme, code, name }
}

fn link(link: extract::ItemLink) -> ItemLink {
    let extract::ItemLink { relation, external_id, title } = link;
    ItemLink { relation, external_id, title }
}

fn precision(stated: StatedTime) -> (TimePrecision, Option<prost_types::Duration>) {
    match stated.precision {
        Precision::Second(offset) => {
            // Offsets before standard time have seconds.
            let offset = offset.filter(|seconds| seconds % 60 == 0);
            let offset = offset.map(|seconds| prost_types::Duration { seconds: seconds.into(), nanos: 0 });
            (TimePrecision::Second, offset)
        }
        Precision::ZoneAssumed => (TimePrecision::ZoneAssumed, None),
        Precision::Day => (TimePrecision::Day, None),
    }
}

fn block(block: extract::Block) -> Block {
    let content = match block {
        extract::Block::Text { kind, level, spans } => {
            let kind = match kind {
                extract::TextKind::Paragraph => TextKind::Paragraph,
                extract::TextKind::Heading => TextKind::Heading,
                extract::TextKind::Quote => TextKind::Quote,
                extract::TextKind::ListItem => TextKind::ListItem,
            };
            let spans = spans.into_iter().map(span).collect();
            Content::Text(TextBlock { kind: kind.into(), heading_level: level.into(), spans })
        }
        extract::Block::Table(rows) => {
            let rows = rows.into_iter().map(|row| TableRow { cells: row.cells, header: row.is_header });
            Content::Table(TableBlock { rows: rows.collect() })
        }
        extract::Block::Image(url) => Content::Image(ImageBlock { url }),
        extract::Block::Embed(embed) => Content::Embed(EmbedBlock { url: embed.url, title: embed.title }),
    };
    Block { content: Some(content) }
}

fn span(span: extract::Span) -> Span {
    let emphasis = match span.format.emphasis {
        None => Emphasis::Unspecified,
        Some(extract::Emphasis::Stressed) => Emphasis::Stressed,
        Some(extract::Emphasis::Strong) => Emphasis::Strong,
    };
    let url = span.format.url.map(|url| url.to_string()).unwrap_or_default();
    Span { text: span.text, url, emphasis: emphasis.into() }
}

fn media(media: extract::Media) -> Media {
    let kind = match media.kind {
        extract::MediaKind::Image => MediaKind::Image,
        extract::MediaKind::Video => MediaKind::Video,
        extract::MediaKind::Audio => MediaKind::Audio,
    };
    Media {
        kind: kind.into(),
        url: media.url,
        caption: media.caption,
        credit: media.credit,
        width: pixels(media.width),
        height: pixels(media.height),
    }
}

fn pixels(size: Option<u32>) -> i32 {
    size.and_then(|size| i32::try_from(size).ok()).unwrap_or(0)
}

fn rights(rights: extract::Rights) -> Rights {
    let data_mining = match rights.allows_data_mining {
        None => DataMining::Unspecified,
        Some(true) => DataMining::Allowed,
        Some(false) => DataMining::Reserved,
    };
    let access = match rights.is_free {
        None => Access::Unspecified,
        Some(true) => Access::Free,
        Some(false) => Access::Restricted,
    };
    Rights {
        notice: rights.notice,
        holder: rights.holder,
        usage_terms: String::new(),
        license_uri: rights.license_url.unwrap_or_default(),
        data_mining: data_mining.into(),
        access: access.into(),
    }
}
