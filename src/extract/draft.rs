//! What extraction finds.

use jiff::Timestamp;

/// An article as far as a document tells. Empty means not found.
#[derive(Clone, Debug, Default, PartialEq)]
#[allow(missing_docs)]
pub struct Draft {
    /// The canonical address: absolute, http or https.
    pub url: Option<String>,
    pub external_id: Option<String>,
    pub headline: String,
    pub subheadline: String,
    pub authors: Vec<String>,
    pub dateline: Option<Dateline>,
    pub agency: String,
    pub publisher: String,
    /// BCP 47.
    pub language: String,
    pub section: String,
    pub tags: Vec<String>,
    /// Paragraphs parted by a blank line.
    pub body: String,
    pub blocks: Vec<Block>,
    pub media: Vec<Media>,
    pub links: Vec<Link>,
    pub rights: String,
    pub publish_time: Option<Timestamp>,
    pub update_time: Option<Timestamp>,
}

/// The words before the first sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Dateline {
    pub place: String,
    pub text: String,
}

/// What a paragraph is, or where an image stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Which of `body.split("\n\n")`; none for images.
    pub paragraph: Option<usize>,
    /// Of a heading: 1 to 6.
    pub level: u8,
    /// Of an image: which of `media`.
    pub media: Option<usize>,
}

/// The kinds of block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BlockKind {
    Paragraph,
    Heading,
    Quote,
    ListItem,
    Image,
}

/// A file that belongs to the article.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Media {
    pub kind: MediaKind,
    pub url: String,
    pub caption: String,
    pub credit: String,
    pub width: Option<u32>,
    pub height: Option<u32>,
}

/// The kinds of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MediaKind {
    Image,
    Video,
    Audio,
}

/// A link from the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Link {
    pub url: String,
    pub text: String,
}
