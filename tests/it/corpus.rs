//! Golden pairs of extraction: `tests/corpus/CASE/input.*`, and in `expected.json` the request and the response to it,
//! as JSON.
//!
//! `UPDATE=1 cargo test --test it corpus::` writes the responses as they are now; review the difference before it is
//! committed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use copydesk::proto::document::Payload;
use copydesk::proto::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use serde_json::{Map, Value, json};

use crate::test_server::TestServer;

/// Fields that differ from run to run.
const VOLATILE: [&str; 6] = ["uid", "createTime", "updateTime", "etag", "changeToken", "extractorVersion"];
/// A field that says the same as others.
const DERIVED: &str = "contentDigest";

struct Case {
    name: String,
    folder: PathBuf,
    pair: Map<String, Value>,
}

impl Case {
    fn read(folder: PathBuf) -> Self {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
        let pair = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}/expected.json: {error}"));
        Self { name, folder, pair }
    }

    fn request(&self) -> IngestArticleRequest {
        let text = |key: &str| self.pair["request"].get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let input = std::fs::read_dir(&self.folder).unwrap().map(|entry| entry.unwrap().path());
        let input = input
            .into_iter()
            .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("input.")));
        let data = std::fs::read(input.unwrap_or_else(|| panic!("{}: no input", self.name))).unwrap();
        let payload = Some(Payload::Raw(RawPayload::new(data, text("contentType"))));
        let fetch_time: Option<jiff::Timestamp> = text("fetchTime").parse().ok();
        let fetch_time = fetch_time.map(|time| prost_types::Timestamp { seconds: time.as_second(), nanos: 0 });
        let document = Document { payload, url: text("url"), source: text("source"), fetch_time, ..Default::default() };
        IngestArticleRequest { document: Some(document), validate_only: true, ..Default::default() }
    }
}

/// Returns a response as JSON, without values that differ between runs.
fn stable(pool: &DescriptorPool, mut response: IngestArticleResponse) -> Value {
    for item in &mut response.results {
        if let Some(ingest_result::Result::Error(status)) = &mut item.result {
            // Of any type; the message says the same.
            status.details.clear();
        }
    }
    let descriptor = pool.get_message_by_name("copydesk.v1.IngestArticleResponse").unwrap();
    let message = DynamicMessage::decode(descriptor, response.encode_to_vec().as_slice()).unwrap();
    let options = SerializeOptions::new();
    let mut value = message.serialize_with_options(serde_json::value::Serializer, &options).unwrap();
    strip(&mut value);
    value
}

/// Returns the provenance of fields with a line for each: `"headline": "0.92 META_TAG PAGE_TEXT"`.
fn short(provenance: &Value) -> Value {
    let line = |field: &Value| {
        let sources = field["sources"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let sources: Vec<&str> = sources.map(|source| source.trim_start_matches("FIELD_SOURCE_")).collect();
        let line = format!("{:.2} {}", field["confidence"].as_f64().unwrap(), sources.join(" "));
        (field["field"].as_str().unwrap().to_owned(), Value::from(line))
    };
    Value::Object(provenance.as_array().unwrap().iter().map(line).collect())
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(provenance) = fields.get_mut("fields") {
                *provenance = short(provenance);
            }
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()) && name != DERIVED);
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        // Floats of 32 bits: as many digits as they have.
        Value::Number(number) if number.is_f64() => {
            *value = json!((number.as_f64().unwrap_or_default() * 1_000.0).round() / 1_000.0);
        }
        _ => {}
    }
}

/// Notes the fields in which two values differ, by path without indices.
fn differences(path: &str, expected: &Value, found: &Value, into: &mut BTreeMap<String, Vec<String>>, case: &str) {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys().filter(|name| !one.contains_key(*name))) {
                let null = Value::Null;
                let (one, other) = (one.get(name).unwrap_or(&null), other.get(name).unwrap_or(&null));
                differences(&format!("{path}.{name}"), one, other, into, case);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            one.iter().zip(other).for_each(|(one, other)| differences(path, one, other, into, case));
        }
        _ if expected == found => {}
        _ => {
            let cases = into.entry(path.trim_start_matches('.').to_owned()).or_default();
            if cases.last().is_none_or(|last| last != case) {
                cases.push(case.to_owned());
            }
        }
    }
}

#[tokio::test]
async fn extraction_of_each_input_is_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let server = TestServer::start().await;
    let mut client = server.ingestion().await;
    let update = std::env::var_os("UPDATE").is_some();
    let (mut changed, count) = (BTreeMap::new(), folders.len());
    for mut case in folders.into_iter().map(Case::read) {
        let response = match client.ingest_article(case.request()).await {
            Ok(response) => stable(&pool, response.into_inner()),
            Err(status) => json!({"error": {"code": format!("{:?}", status.code()), "message": status.message()}}),
        };
        if update {
            case.pair.insert("response".into(), response);
            let text = serde_json::to_string_pretty(&case.pair).unwrap() + "\n";
            std::fs::write(case.folder.join("expected.json"), text).unwrap();
        } else {
            let expected = case.pair.get("response").unwrap_or(&Value::Null);
            differences("", expected, &response, &mut changed, &case.name);
        }
    }
    assert!(count >= 60, "{count} golden pairs");
    for (field, cases) in &changed {
        println!("{field}: {} of {count} differ: {}", cases.len(), cases.join(", "));
    }
    assert!(changed.is_empty(), "see the fields above; if they are right, run with UPDATE=1 and review the difference");
}
