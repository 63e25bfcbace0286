//! Invalid input, by field.

use std::fmt;

/// Error in one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field in the request: `document.article.headline`.
    pub field: String,
    /// Description of what is required.
    pub description: String,
}

/// Maximum number of reported fields: their descriptions travel in a header, which clients limit.
const MAX_REPORTED: usize = 16;

/// Errors in the fields of a request, up to a maximum. Never empty as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Creates one violation.
    pub fn one(field: impl Into<String>, description: impl Into<String>) -> Self {
        let mut violations = Self::default();
        violations.add(field, description);
        violations
    }

    /// Adds a violation, up to the maximum.
    pub fn add(&mut self, field: impl Into<String>, description: impl Into<String>) {
        if self.0.len() < MAX_REPORTED {
            self.0.push(Violation { field: field.into(), description: description.into() });
        }
    }

    /// Adds the violations of a part of the request, with `prefix` before their fields.
    pub fn extend_within(&mut self, prefix: &str, inner: Violations) {
        for violation in inner.0 {
            self.add(format!("{prefix}.{}", violation.field), violation.description);
        }
    }

    /// Returns the violations with `prefix` before their fields.
    pub fn within(self, prefix: &str) -> Self {
        let mut outer = Self::default();
        outer.extend_within(prefix, self);
        outer
    }

    /// Returns `value` if there is no violation.
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
