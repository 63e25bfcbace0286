//! References between the objects of structured data, and the types of objects.

use std::collections::HashMap;

use serde_json::Value;

use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;

/// Objects of a page's structured data by their `@id`.
pub(super) type ById<'a> = HashMap<&'a str, &'a Value>;

/// Returns the objects with an `@id`; of several with the same one, that with the most fields.
pub(super) fn index<'a>(values: &'a [Value], budget: &Budget<'_>) -> Result<ById<'a>, ExtractError> {
    let mut by_id = ById::new();
    let mut open: Vec<&Value> = values.iter().collect();
    while let Some(value) = open.pop() {
        budget.step()?;
        match value {
            Value::Array(items) => open.extend(items),
            Value::Object(object) => {
                if let Some(id) = object.get("@id").and_then(Value::as_str) {
                    let known = by_id.entry(id).or_insert(value);
                    if known.as_object().is_some_and(|known| known.len() < object.len()) {
                        *known = value;
                    }
                }
                open.extend(object.values());
            }
            _ => {}
        }
    }
    Ok(by_id)
}

/// Returns the object that a reference stands for; any other value unchanged.
pub(super) fn resolve<'a>(value: &'a Value, by_id: &ById<'a>) -> &'a Value {
    let value = match value {
        // The first of a list.
        Value::Array(items) => items.first().unwrap_or(value),
        value => value,
    };
    match value.get("@id").and_then(Value::as_str) {
        Some(id) if value.get("name").is_none() => by_id.get(id).copied().unwrap_or(value),
        _ => value,
    }
}

/// Returns the types of an object without their vocabulary: `Person` for `https://schema.org/Person`.
pub(super) fn types(value: &Value) -> Vec<&str> {
    fn local(name: &str) -> &str {
        name.rsplit(['/', '#', ':']).next().unwrap_or_default().trim()
    }
    match value.get("@type") {
        Some(Value::String(one)) => vec![local(one)],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(local).collect(),
        _ => Vec::new(),
    }
}
