//! Fields that only wire formats state: publication status, version, subjects, notes to editors.

use std::fmt;

use jiff::Timestamp;

/// Fields that only wire formats state. Empty means not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WireFields {
    /// End of the embargo.
    pub embargo: Option<Timestamp>,
    /// True if the ID is that of a story, which keeps it when it is rewritten, rather than of a transmission.
    pub has_story_id: bool,
    /// Version of the item at its sender: a newer one has a higher number.
    pub version: Option<i64>,
    /// Reasons for sending this version.
    pub signals: Vec<Signal>,
    /// Note to editors: what this version changes, and conditions of use.
    pub editor_note: String,
    /// Topics, entities and genres.
    pub subjects: Vec<Subject>,
    /// From 1, the most urgent, to 9.
    pub urgency: Option<u8>,
    /// Short name of the story among editors.
    pub slugline: String,
    /// Usage terms in words.
    pub usage_terms: String,
    /// Other items that this one names.
    pub links: Vec<ItemLink>,
}

/// Reason for sending a version of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It corrects an error of an earlier version.
    Correction,
    /// It replaces an earlier version.
    Update,
}

/// A topic, an entity or a genre.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The kind.
    pub kind: SubjectKind,
    /// Vocabulary of the code, as a URI or an alias: `medtop`.
    pub scheme: String,
    /// Code in the vocabulary: `04000000`.
    pub code: String,
    /// The name.
    pub name: String,
}

/// The kinds of subjects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SubjectKind {
    #[default]
    Topic,
    Person,
    Organization,
    Place,
    Event,
    Genre,
}

/// Another item that an item names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemLink {
    /// Relation, as the sender writes it: `package`, `seeAlso`, `irel:previousVersion`.
    pub relation: String,
    /// ID of the other item at the sender.
    pub external_id: String,
    /// Headline or title of the other item.
    pub title: String,
}

/// Publication status of an item, in the vocabulary of IPTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PubStatus {
    /// May be published.
    #[default]
    Usable,
    /// Must not be published until further notice, or until the end of its embargo.
    Withheld,
    /// Must not be published, and has to be taken down.
    Canceled,
}

/// A sender's order to take an article down, or not to publish it when it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Withdrawal {
    /// ID of the item at the sender.
    pub external_id: String,
    /// Canceled, or withheld: a later version can be published again.
    pub status: PubStatus,
    /// The sender's note, or its headline.
    pub reason: String,
    /// Version of the item that takes it back.
    pub version: Option<i64>,
    /// Time of that version.
    pub time: Option<Timestamp>,
}

impl fmt::Display for Withdrawal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_canceled = self.status == PubStatus::Canceled;
        let status = if is_canceled { "canceled" } else { "withheld until further notice" };
        write!(formatter, "its sender states that item {:?} is {status}", self.external_id)?;
        if self.reason.is_empty() { Ok(()) } else { write!(formatter, ": {}", self.reason) }
    }
}
