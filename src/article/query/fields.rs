//! Text fields of articles that queries search.

use crate::proto::Article;

/// Text field of an article.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextField {
    /// Headline.
    Headline,
    /// Subheadline.
    Subheadline,
    /// Body.
    Body,
    /// Names of the authors.
    Authors,
    /// Tags, subjects, agency, publisher, section, and the place of the dateline.
    Names,
    /// Source and publisher. Only searched by `source:`.
    Source,
}

impl TextField {
    /// All fields, in the order of their indexes.
    pub const ALL: [Self; 6] =
        [Self::Headline, Self::Subheadline, Self::Body, Self::Authors, Self::Names, Self::Source];

    /// Returns the index in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Returns the name in queries and requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Headline => "headline",
            Self::Subheadline => "subheadline",
            Self::Body => "body",
            Self::Authors => "authors",
            Self::Names => "names",
            Self::Source => "source",
        }
    }

    /// Calls `each` with every value of this field of an article.
    pub fn values<'a>(self, article: &'a Article, mut each: impl FnMut(&'a str)) {
        match self {
            Self::Headline => each(&article.headline),
            Self::Subheadline => each(&article.subheadline),
            Self::Body => each(&article.body),
            Self::Authors => article.authors.iter().for_each(|author| each(&author.name)),
            Self::Names => {
                article.tags.iter().for_each(|tag| each(tag));
                article.subjects.iter().for_each(|subject| each(&subject.name));
                let place = article.dateline.as_ref().map_or("", |dateline| dateline.place.as_str());
                [article.agency.as_str(), &article.publisher, &article.section, place].into_iter().for_each(each);
            }
            Self::Source => {
                each(&article.source);
                each(&article.publisher);
            }
        }
    }
}

/// Set of fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldSet(u8);

impl Default for FieldSet {
    /// Returns all fields but the source.
    fn default() -> Self {
        let all = [TextField::Headline, TextField::Subheadline, TextField::Body, TextField::Authors, TextField::Names];
        Self::of(&all)
    }
}

impl FieldSet {
    /// Returns the set of these fields.
    pub fn of(fields: &[TextField]) -> Self {
        Self(fields.iter().fold(0, |set, field| set | 1 << field.index()))
    }

    /// Returns true if the set has a field.
    pub fn has(self, field: TextField) -> bool {
        self.0 & 1 << field.index() != 0
    }

    /// Returns the fields, in the order of their indexes.
    pub fn iter(self) -> impl Iterator<Item = TextField> {
        TextField::ALL.into_iter().filter(move |field| self.has(*field))
    }
}
