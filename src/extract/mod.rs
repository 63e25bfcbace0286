//! Interface placeholder until the extract room lands.
use jiff::Timestamp;
pub struct Document<'a> {
    pub payload: Payload<'a>,
    pub url: Option<&'a str>,
    pub hints: Hints<'a>,
}
pub enum Payload<'a> {
    Text(&'a str),
    Html(&'a str),
    Raw { bytes: &'a [u8], content_type: Option<&'a str> },
}
#[derive(Default)]
pub struct Hints<'a> {
    pub headline: Option<&'a str>,
    pub language: Option<&'a str>,
    pub source: Option<&'a str>,
    pub publish_time: Option<Timestamp>,
}
#[derive(Clone, Debug, Default)]
pub struct Limits {}
pub enum Extraction {
    Article(Box<Extracted>),
    Feed(Vec<FeedEntry>),
}
pub struct FeedEntry {
    pub external_id: String,
    pub result: Result<Extracted, ExtractError>,
}
pub struct Extracted {
    pub draft: Draft,
    pub report: Report,
}
#[derive(Default)]
pub struct Draft {
    pub url: Option<String>,
    pub external_id: Option<String>,
    pub headline: String,
    pub subheadline: String,
    pub authors: Vec<String>,
    pub dateline: Option<Dateline>,
    pub agency: String,
    pub publisher: String,
    pub language: String,
    pub section: String,
    pub tags: Vec<String>,
    pub body: String,
    pub blocks: Vec<Block>,
    pub media: Vec<Media>,
    pub links: Vec<Link>,
    pub rights: String,
    pub publish_time: Option<Timestamp>,
    pub update_time: Option<Timestamp>,
}
pub struct Dateline {
    pub place: String,
    pub text: String,
}
pub struct Link {
    pub url: String,
    pub text: String,
}
pub enum MediaKind {
    Image,
    Video,
    Audio,
}
pub struct Media {
    pub kind: MediaKind,
    pub url: String,
    pub caption: String,
    pub credit: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
}
pub enum BlockKind {
    Paragraph,
    Heading,
    Quote,
    ListItem,
    Image,
}
pub struct Block {
    pub kind: BlockKind,
    pub paragraph: Option<usize>,
    pub level: u8,
    pub media: Option<usize>,
}
pub struct Report {
    pub method: &'static str,
    pub charset: String,
    pub confidence: f32,
    pub cuts: Vec<Cut>,
    pub warnings: Vec<String>,
}
pub struct Cut {
    pub text: String,
    pub reason: CutReason,
    pub rule: &'static str,
    pub confidence: f32,
}
#[derive(Clone, Copy)]
pub enum CutReason {
    RepeatedHeadline,
    Dateline,
    Byline,
    Furniture,
    Teasers,
    Share,
    SignUp,
    Advertisement,
    Rule,
    Copyright,
    Comments,
    Caption,
    ControlCharacters,
}
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error("must not be empty")]
    Empty,
}
impl ExtractError {
    pub fn is_about_content_type(&self) -> bool {
        false
    }
}
pub fn extract(document: &Document<'_>, _limits: &Limits) -> Result<Extraction, ExtractError> {
    let text = match document.payload {
        Payload::Text(t) | Payload::Html(t) => t.to_owned(),
        Payload::Raw { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
    };
    if text.trim().is_empty() {
        return Err(ExtractError::Empty);
    }
    let (headline, body) = text.split_once("\n\n").unwrap_or(("", &text));
    Ok(Extraction::Article(Box::new(Extracted {
        draft: Draft { headline: headline.into(), body: body.into(), ..Draft::default() },
        report: Report { method: "text", charset: "UTF-8".into(), confidence: 0.5, cuts: vec![], warnings: vec![] },
    })))
}
