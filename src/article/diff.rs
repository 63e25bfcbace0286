//! Comparison of two revisions: the fields that differ, and their values as text.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Instant;

use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

use super::body_diff;
use crate::proto::{Article, FILE_DESCRIPTOR_SET, FieldDiff, ParagraphDiff};

macro_rules! compare {
    ($before:expr, $after:expr, [$($field:ident),* $(,)?]) => {{
        let mut changed = Vec::new();
        $(if $before.$field != $after.$field { changed.push(stringify!($field)); })*
        changed
    }};
}

/// Returns the names of the fields that differ, except those that Copydesk sets, in the order of their numbers.
pub fn changed_fields(before: &Article, after: &Article) -> Vec<&'static str> {
    compare!(
        before,
        after,
        [
            source,
            url,
            external_id,
            headline,
            subheadline,
            byline,
            authors,
            dateline,
            agency,
            publisher,
            language_code,
            section,
            tags,
            subjects,
            body,
            blocks,
            media,
            rights,
            publish_time,
            publish_time_precision,
            publish_utc_offset,
            source_update_time,
            embargo_time,
            expire_time,
            annotations,
            urgency,
            slugline,
            editor_note,
            links,
        ]
    )
}

static ARTICLE: LazyLock<MessageDescriptor> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("descriptors written by build.rs");
    pool.get_message_by_name("copydesk.v1.Article").expect("Article in the package")
});

/// Returns the fields that differ except the body, with their values as text, in the order of their numbers. Fields of
/// inner messages have paths of their own.
pub fn field_diffs(before: &Article, after: &Article) -> Vec<FieldDiff> {
    let reflect = |article: &Article| {
        DynamicMessage::decode(ARTICLE.clone(), article.encode_to_vec().as_slice()).expect("the encoding of an article")
    };
    let (old, new) = (reflect(before), reflect(after));
    let mut found = Vec::new();
    for name in changed_fields(before, after).into_iter().filter(|name| *name != "body") {
        if let Some(field) = ARTICLE.get_field_by_name(name) {
            compare(&field, name, &old, &new, &mut found);
        }
    }
    found
}

/// Returns the paragraphs of two bodies that differ. After `deadline` the rest is shown as removed and added.
pub fn paragraph_diffs(before: &Article, after: &Article, deadline: Instant) -> Vec<ParagraphDiff> {
    body_diff::diff(&before.body, &after.body, deadline)
}

/// Appends the differences of a field that both messages have at `path`.
fn compare(
    field: &FieldDescriptor,
    path: &str,
    old: &DynamicMessage,
    new: &DynamicMessage,
    found: &mut Vec<FieldDiff>,
) {
    let (before, after) = (old.get_field(field), new.get_field(field));
    if before == after && old.has_field(field) == new.has_field(field) {
        return;
    }
    let path = path.to_owned();
    match (&*before, &*after) {
        (Value::List(before), Value::List(after)) => {
            let texts = |values: &[Value]| values.iter().map(|value| text(field, value)).collect::<Vec<_>>();
            let (before, after) = (texts(before), texts(after));
            found.push(values_diff(path, &before, &after));
        }
        (Value::Map(before), Value::Map(after)) => {
            let entry = |(key, value): (&MapKey, &Value)| format!("{}: {}", key_text(key), map_text(field, value));
            let sorted = |map: &HashMap<MapKey, Value>| {
                let mut entries: Vec<String> = map.iter().map(entry).collect();
                entries.sort_unstable();
                entries
            };
            let (before, after) = (sorted(before), sorted(after));
            found.push(values_diff(path, &before, &after));
        }
        (Value::Message(before), Value::Message(after)) if before.descriptor().package_name() == "copydesk.v1" => {
            for inner in before.descriptor().fields() {
                compare(&inner, &format!("{path}.{}", inner.name()), before, after, found);
            }
        }
        (before, after) => {
            let shown = |message: &DynamicMessage, value| match message.has_field(field) {
                true => text(field, value),
                false => String::new(),
            };
            let (old_value, new_value) = (shown(old, before), shown(new, after));
            found.push(FieldDiff { path, old_value, new_value, ..FieldDiff::default() });
        }
    }
}

/// Returns the difference of a repeated field.
fn values_diff(path: String, before: &[String], after: &[String]) -> FieldDiff {
    let (removed_values, added_values) = (missing(before, after), missing(after, before));
    FieldDiff { path, removed_values, added_values, ..FieldDiff::default() }
}

/// Returns a value as text: strings and times as they are, enums by name, messages in the JSON mapping of Protobuf.
fn text(field: &FieldDescriptor, value: &Value) -> String {
    match (value, field.kind()) {
        (Value::EnumNumber(number), Kind::Enum(kind)) => {
            kind.get_value(*number).map_or_else(|| number.to_string(), |value| value.name().to_owned())
        }
        (value, _) => plain_text(value),
    }
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::F32(value) => value.to_string(),
        Value::F64(value) => value.to_string(),
        Value::String(value) => value.clone(),
        Value::Message(message) => match serde_json::to_value(message) {
            Ok(serde_json::Value::String(text)) => text,
            Ok(value) => value.to_string(),
            // Times outside of RFC 3339, which cleaning refuses.
            Err(_) => String::new(),
        },
        Value::EnumNumber(number) => number.to_string(),
        Value::Bytes(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}

fn map_text(field: &FieldDescriptor, value: &Value) -> String {
    match field.kind() {
        Kind::Message(entry) => text(&entry.map_entry_value_field(), value),
        _ => plain_text(value),
    }
}

fn key_text(key: &MapKey) -> String {
    match key {
        MapKey::String(key) => key.clone(),
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
    }
}

/// Returns the values of `of` that are not in `from`, counted as often as they occur.
fn missing(of: &[String], from: &[String]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for value in from {
        *counts.entry(value).or_default() += 1;
    }
    let is_missing = |value: &&String| match counts.get_mut(value.as_str()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    of.iter().filter(is_missing).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::Dateline;

    #[test]
    fn fields_are_shown_as_text() {
        let before = Article {
            headline: "Ferry sails".into(),
            tags: vec!["sea".into(), "ferry".into(), "sea".into()],
            dateline: Some(Dateline { place: "LONDON".into(), text: "LONDON, 5 June".into() }),
            body: "A".into(),
            ..Article::default()
        };
        let after = Article {
            headline: "Ferry sails late".into(),
            tags: vec!["sea".into(), "harbour".into()],
            dateline: Some(Dateline { place: "LONDON".into(), text: "LONDON".into() }),
            publish_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
            body: "B".into(),
            ..Article::default()
        };
        let found = field_diffs(&before, &after);
        let scalar = |path: &str, before: &str, after: &str| FieldDiff {
            path: path.into(),
            old_value: before.into(),
            new_value: after.into(),
            ..FieldDiff::default()
        };
        let tags = FieldDiff {
            path: "tags".into(),
            removed_values: vec!["ferry".into(), "sea".into()],
            added_values: vec!["harbour".into()],
            ..FieldDiff::default()
        };
        let by_path = |path: &str| found.iter().find(|diff| diff.path == path).cloned();
        assert_eq!(by_path("headline"), Some(scalar("headline", "Ferry sails", "Ferry sails late")));
        assert_eq!(by_path("tags"), Some(tags));
        assert_eq!(by_path("dateline.text"), Some(scalar("dateline.text", "LONDON, 5 June", "LONDON")));
        assert_eq!(by_path("publish_time"), Some(scalar("publish_time", "", "2023-11-14T22:13:20Z")));
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(field_diffs(&after, &after).is_empty());
    }
}
