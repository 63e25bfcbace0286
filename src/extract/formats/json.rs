//! JSON documents as trees, for the readers of wire formats. Repeated keys are refused: which value holds is ambiguous.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::article::clean_line;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// Null, true or false: no reader uses them.
    Other,
    /// A number, in decimal notation.
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// Fields in document order.
    Object(Vec<(String, Json)>),
}

/// Parses a document within the limits.
///
/// # Errors
/// If it is malformed, has a repeated key, or has too many values.
pub(super) fn parse(text: &str, budget: &Budget<'_>) -> Result<Json, ExtractError> {
    budget.read(text.len())?;
    let left = Cell::new(budget.limits.max_json_values);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let parsed = Seed { left: &left }.deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    let max = budget.limits.max_json_values;
    budget.spend((max - left.get()) as u64)?;
    parsed.map_err(|error| match left.get() {
        0 => ExtractError::TooComplex { limit: "JSON values", max: max as u64 },
        _ => ExtractError::Malformed { format: "JSON", problem: error.to_string() },
    })
}

impl Json {
    /// Returns the value of a field. Versions of formats differ in the case of names.
    pub(super) fn get(&self, name: &str) -> Option<&Json> {
        let Self::Object(fields) = self else { return None };
        fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Returns the first field of these names that is neither null nor empty.
    pub(super) fn first(&self, names: &[&str]) -> Option<&Json> {
        names.iter().filter_map(|name| self.get(name)).find(|value| !value.is_empty())
    }

    /// Returns the items of a list, or the values of an object.
    pub(super) fn items(&self) -> impl Iterator<Item = &Json> {
        let (list, fields): (&[Json], &[(String, Json)]) = match self {
            Self::List(items) => (items, &[]),
            Self::Object(fields) => (&[], fields),
            _ => (&[], &[]),
        };
        list.iter().chain(fields.iter().map(|(_, value)| value))
    }

    /// Returns the items of a list; of anything else, itself.
    pub(super) fn many(&self) -> &[Json] {
        match self {
            Self::List(items) => items,
            one => std::slice::from_ref(one),
        }
    }

    /// Returns the fields of an object.
    pub(super) fn fields(&self) -> &[(String, Json)] {
        match self {
            Self::Object(fields) => fields,
            _ => &[],
        }
    }

    /// Returns a text or a number, as it is.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            _ => None,
        }
    }

    /// Returns a text or a number as one line; of a list, those of its items.
    pub(super) fn line(&self) -> String {
        match self {
            Self::List(items) => {
                let lines: Vec<String> = items.iter().map(Json::line).filter(|line| !line.is_empty()).collect();
                lines.join(" ")
            }
            value => clean_line(value.as_str().unwrap_or_default()),
        }
    }

    /// Returns a field as one line; empty if there is none.
    pub(super) fn line_of(&self, name: &str) -> String {
        self.get(name).map(Json::line).unwrap_or_default()
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Other => true,
            Self::Number(_) => false,
            Self::Text(text) => text.trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Object(fields) => fields.is_empty(),
        }
    }
}

struct Seed<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let left = self.left.get().checked_sub(1).filter(|left| *left > 0);
        self.left.set(left.unwrap_or(0));
        if left.is_none() {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed { left: self.left })? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut list: Vec<(String, Json)> = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if !names.insert(name.clone()) {
                let name: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format_args!("the key {name:?} is repeated")));
            }
            list.push((name, fields.next_value_seed(Seed { left: self.left })?));
        }
        Ok(Json::Object(list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;

    fn parsed(text: &str) -> Result<Json, ExtractError> {
        parse(text, &Budget::unattended(&Limits::default()))
    }

    #[test]
    fn values_are_read_by_names_of_any_case() {
        let value = parsed("{\"pubStatus\": \"usable\", \"urgency\": 4, \"a\": null, \"b\": [\"x\", \"y\"]}").unwrap();
        assert_eq!((value.line_of("pubstatus"), value.line_of("urgency")), ("usable".into(), "4".into()));
        assert_eq!(value.first(&["a", "b"]).map(Json::line), Some("x y".into()));
    }

    #[test]
    fn faults_are_named_with_their_position() {
        for (text, problem) in [
            ("{\"a\": 1,\n \"a\": 2}", "the key \"a\" is repeated at line 2 column 4"),
            ("{\"a\": 1,\n}", "trailing comma at line 2 column 1"),
            ("{\"a\": 1", "EOF while parsing an object at line 1 column 7"),
            ("{} x", "trailing characters at line 1 column 4"),
        ] {
            let error = ExtractError::Malformed { format: "JSON", problem: problem.to_owned() };
            assert_eq!(parsed(text), Err(error), "{text}");
        }
        assert!(matches!(parsed(&"[".repeat(100_000)), Err(ExtractError::Malformed { .. })));
    }

    #[test]
    fn values_are_bounded() {
        let limits = Limits { max_json_values: 10, ..Limits::default() };
        let many = Err(ExtractError::TooComplex { limit: "JSON values", max: 10 });
        assert_eq!(parse("[1,2,3,4,5,6,7,8,9,10]", &Budget::unattended(&limits)), many);
        assert!(parse("[1,2,3,4,5,6,7]", &Budget::unattended(&limits)).is_ok());
    }
}
