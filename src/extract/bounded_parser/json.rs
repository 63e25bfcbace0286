//! Limits on JSON, checked before anything is built.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Counts the values of structured data and adds them to `counted`.
///
///
/// # Errors
/// If there are more than the limit. Invalid JSON is counted up to its first error.
pub(crate) fn json(text: &str, budget: &Budget<'_>, counted: &Cell<usize>) -> Result<(), ExtractError> {
    budget.read(text.len())?;
    let counter =
        Counter { max: budget.limits.max_json_values, values: counted, max_items: usize::MAX, items: Cell::new(0) };
    counter.count(text);
    counter.check()
}

/// Rejects a JSON Feed beyond the limits.
pub(crate) fn json_feed(text: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
    budget.read(text.len())?;
    let max_items = budget.limits.max_entries;
    let counter = Counter { max: budget.limits.max_json_values, values: &Cell::new(0), max_items, items: Cell::new(0) };
    counter.count(text);
    if counter.items.get() > max_items {
        return Err(ExtractError::TooManyEntries { limit: max_items });
    }
    counter.check()
}

struct Counter<'a> {
    max: usize,
    values: &'a Cell<usize>,
    max_items: usize,
    /// Items of arrays directly in the outermost object: a feed's entries.
    items: Cell<usize>,
}

impl Counter<'_> {
    fn count(&self, text: &str) {
        let mut json = serde_json::Deserializer::from_str(text);
        // An early end, by a limit or by invalid JSON, shows in the counts.
        drop(At { counter: self, depth: 0 }.deserialize(&mut json));
    }

    fn check(&self) -> Result<(), ExtractError> {
        let too_many = self.values.get() > self.max;
        if too_many { Err(ExtractError::TooComplex { limit: "JSON values", max: self.max as u64 }) } else { Ok(()) }
    }

    fn value<E: Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > self.max { Err(E::custom("too many values")) } else { Ok(()) }
    }

    fn item<E: Error>(&self) -> Result<(), E> {
        self.items.set(self.items.get() + 1);
        if self.items.get() > self.max_items { Err(E::custom("too many items")) } else { Ok(()) }
    }
}

/// A value and its depth.
#[derive(Clone, Copy)]
struct At<'a> {
    counter: &'a Counter<'a>,
    depth: usize,
}

impl At<'_> {
    fn deeper(self) -> Self {
        Self { depth: self.depth + 1, ..self }
    }
}

impl<'de> DeserializeSeed<'de> for At<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.counter.value()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for At<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self.deeper())?.is_some() {
            if self.depth == 1 {
                self.counter.item()?;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        while fields.next_key::<IgnoredAny>()?.is_some() {
            fields.next_value_seed(self.deeper())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    #[test]
    fn values_are_counted_over_several_texts() {
        let limits = Limits { max_json_values: 10, ..Limits::default() };
        let budget = Budget::unattended(&limits);
        let counted = Cell::new(0);
        assert_eq!(json("{\"a\": [1, true, null, \"x\", 1.5]}", &budget, &counted), Ok(()));
        assert_eq!(counted.get(), 7);
        assert_eq!(json("[1, 2", &budget, &counted), Ok(()), "as far as it is JSON");
        let many = Err(ExtractError::TooComplex { limit: "JSON values", max: 10 });
        assert_eq!(json("[[]]", &budget, &counted), many);
    }

    #[test]
    fn the_items_of_a_feed_are_its_entries() {
        let limits = Limits { max_entries: 3, ..Limits::default() };
        let feed = |items| json_feed(&format!("{{\"items\": [{items}]}}"), &Budget::unattended(&limits));
        assert_eq!(feed("{}, {\"tags\": [1, 2, 3, 4, 5]}, {}"), Ok(()));
        assert_eq!(feed("{}, {}, {}, {}"), Err(ExtractError::TooManyEntries { limit: 3 }));
    }
}
