//! The fields of an article that belong to its editors.

/// Set of the parts of an article that belong to its editors: incoming documents do not change them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EditorFields(u8);

impl EditorFields {
    /// No field.
    pub const NONE: Self = Self(0);
    /// `embargo_time`.
    pub const EMBARGO_TIME: Self = Self(1);
    /// `expire_time`.
    pub const EXPIRE_TIME: Self = Self(2);
    /// The copies, while the article is withdrawn: a new article that is a copy of it is rejected or held.
    pub const COPIES: Self = Self(4);

    /// Returns the set that is stored as a number. An unknown bit was written by a newer version and is kept.
    pub fn from_bits(bits: i64) -> Self {
        Self(u8::try_from(bits).unwrap_or(u8::MAX))
    }

    /// Returns the number that stands for the set.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Returns true if all of the given fields are in the set.
    pub fn contains(self, fields: Self) -> bool {
        self.0 & fields.0 == fields.0
    }

    /// Returns the set without some of it.
    #[must_use]
    pub fn without(self, fields: Self) -> Self {
        Self(self.0 & !fields.0)
    }

    /// Returns the union of two sets.
    #[must_use]
    pub fn with(self, fields: Self) -> Self {
        Self(self.0 | fields.0)
    }
}
