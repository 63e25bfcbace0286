//! Bad input, field by field.

use std::fmt;

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field in the request: `document.article.headline`.
    pub field: String,
    /// What would be right, as a sentence.
    pub description: String,
}

/// How many fields at fault are told of: their descriptions travel in a header, which clients bound.
const TOLD: usize = 16;

/// What is wrong with a request, as far as it is told. Never empty as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// One field at fault.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds a field at fault, unless so many are that one more tells nothing.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.0.len() < TOLD {
            self.0.push(Violation { field: field.into(), description: description.into() });
        }
    }

    /// Adds those of a part of the request, whose fields are named from `prefix` on.
    pub fn extend_within(&mut self, prefix: &str, inner: Violations) {
        for violation in inner.0 {
            self.add(format!("{prefix}.{}", violation.field), violation.description);
        }
    }

    /// The same violations, their fields named from `prefix` on.
    pub fn within(self, prefix: &str) -> Self {
        let mut outer = Self::default();
        outer.extend_within(prefix, self);
        outer
    }

    /// `value` when nothing is wrong.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{}: {}", violation.field, violation.description)?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
