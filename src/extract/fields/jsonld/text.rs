//! Texts of values.

use serde_json::Value;

/// Returns a string, a number, the first of a list, or an object's name.
pub(super) fn first_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Array(items) => items.first().map(first_text).unwrap_or_default(),
        Value::Object(object) => {
            let named = object.get("name").or_else(|| object.get("@value"));
            named.map(first_text).unwrap_or_default()
        }
        _ => String::new(),
    }
}
