//! The API reference, generated from the comments in `proto/`: `UPDATE=1 cargo test --test it reference` writes it.

use std::fmt::Write;

use copydesk::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    MethodDescriptor,
};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference.md");

#[test]
fn the_reference_matches_the_protos() {
    let written = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &written).unwrap();
    }
    let stored = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(stored == written, "run: UPDATE=1 cargo test --test it reference");
}

fn reference() -> String {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let files: Vec<FileDescriptor> = pool.files().filter(|file| file.package_name() == "copydesk.v1").collect();
    let mut text = String::from(
        "# API reference: `copydesk.v1`\n\nWritten from the comments in `proto/copydesk/v1` by a test; \
         [api.md](api.md) is the guide. An absent field has its type's zero; a request without a required one is \
         rejected.\n",
    );
    text += "\n| method | what it does |\n|---|---|\n";
    for service in files.iter().flat_map(FileDescriptor::services) {
        for method in service.methods() {
            let comment = comment(&method.parent_file(), method.path());
            let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
            let line = paragraph.split_inclusive(". ").next().unwrap_or_default().trim_end();
            let (service, method) = (service.name(), method.name());
            let _ = writeln!(text, "| [`{service}.{method}`](#{}) | {line} |", anchor(method));
        }
    }
    for service in files.iter().flat_map(FileDescriptor::services) {
        let _ = write!(text, "\n## {}\n\n{}\n", service.name(), comment(&service.parent_file(), service.path()));
        for method in service.methods() {
            write_method(&mut text, &method);
        }
    }
    text += "\n## Messages\n";
    for message in files.iter().flat_map(FileDescriptor::messages) {
        write_message(&mut text, &message);
    }
    text += "\n## Enums\n";
    let messages = files.iter().flat_map(FileDescriptor::messages);
    let nested = messages.flat_map(|message| message.child_enums().collect::<Vec<_>>());
    for item in files.iter().flat_map(FileDescriptor::enums).chain(nested) {
        let _ = write!(text, "\n### {}\n\n{}\n", item.name(), comment(&item.parent_file(), item.path()));
        text += "\n| value | number | |\n|---|---|---|\n";
        for value in item.values() {
            let cell = comment(&item.parent_file(), value.path()).replace('\n', " ").replace('|', "\\|");
            let _ = writeln!(text, "| `{}` | {} | {cell} |", value.name(), value.number());
        }
    }
    text
}

fn write_method(text: &mut String, method: &MethodDescriptor) {
    let stream = |is: bool| if is { "stream of " } else { "" };
    let named = |name: &str| format!("[{name}](#{})", anchor(name));
    let _ = write!(
        text,
        "\n### {}\n\n{}\n\nTakes {}{}, returns {}{}.",
        method.name(),
        comment(&method.parent_file(), method.path()),
        stream(method.is_client_streaming()),
        named(method.input().name()),
        stream(method.is_server_streaming()),
        named(method.output().name()),
    );
    for (verb, path) in bindings(method) {
        let _ = write!(text, " `{verb} {path}`");
    }
    text.push('\n');
}

fn write_message(text: &mut String, message: &MessageDescriptor) {
    let _ = write!(text, "\n### {}\n\n{}\n", message.name(), comment(&message.parent_file(), message.path()));
    let mut fields: Vec<FieldDescriptor> = message.fields().collect();
    if !fields.is_empty() {
        *text += "\n| field | type | |\n|---|---|---|\n";
    }
    fields.sort_by_key(FieldDescriptor::number);
    for field in fields {
        let cell = comment(&message.parent_file(), field.path());
        let cell = cell.replace("\n\n", "<br>").replace("\n- ", "<br>- ").replace('\n', " ").replace('|', "\\|");
        let of = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let of = of.map(|oneof| format!("one of `{}`: ", oneof.name())).unwrap_or_default();
        let required = if is_required(&field) { "Required. " } else { "" };
        let _ = writeln!(text, "| `{}` | {} | {required}{of}{cell} |", field.name(), kind(&field));
    }
}

/// Returns true if requests must have the field.
fn is_required(field: &FieldDescriptor) -> bool {
    let pool = field.parent_pool();
    let extension = pool.get_extension_by_name("google.api.field_behavior").unwrap();
    let required = pool.get_enum_by_name("google.api.FieldBehavior").unwrap().get_value_by_name("REQUIRED").unwrap();
    let options = field.options();
    let behaviors = options.get_extension(&extension);
    behaviors.as_list().unwrap().iter().any(|value| value.as_enum_number() == Some(required.number()))
}

/// Returns the method's rule for JSON over HTTP.
fn http_rule(method: &MethodDescriptor) -> Option<DynamicMessage> {
    let http = method.parent_pool().get_extension_by_name("google.api.http")?;
    let options = method.options();
    options.has_extension(&http).then(|| options.get_extension(&http).as_message().unwrap().clone())
}

/// Returns the method's bindings as JSON over HTTP, through a gateway.
fn bindings(method: &MethodDescriptor) -> Vec<(String, String)> {
    let Some(rule) = http_rule(method) else { return vec![] };
    let mut found = Vec::new();
    let mut add = |rule: &DynamicMessage| {
        for verb in ["get", "put", "post", "delete", "patch"].iter().filter(|verb| rule.has_field_by_name(verb)) {
            let path = rule.get_field_by_name(verb).unwrap();
            found.push((verb.to_ascii_uppercase(), path.as_str().unwrap().to_owned()));
        }
    };
    add(&rule);
    for other in rule.get_field_by_name("additional_bindings").unwrap().as_list().unwrap() {
        add(other.as_message().unwrap());
    }
    found
}

fn kind(field: &FieldDescriptor) -> String {
    let name = match field.kind() {
        Kind::Message(message) if message.package_name() == "copydesk.v1" => {
            format!("[{}](#{})", message.name(), anchor(message.name()))
        }
        Kind::Message(message) => format!("`{}`", message.full_name()),
        Kind::Enum(item) => format!("[{}](#{})", item.name(), anchor(item.name())),
        other => format!("`{}`", format!("{other:?}").to_ascii_lowercase()),
    };
    if field.cardinality() == Cardinality::Repeated { format!("repeated {name}") } else { name }
}

fn anchor(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Returns the comment above an item.
fn comment(file: &FileDescriptor, path: &[i32]) -> String {
    let locations =
        file.file_descriptor_proto().source_code_info.as_ref().map(|info| &info.location[..]).unwrap_or_default();
    let found = locations.iter().find(|location| location.path == path).map(|found| found.leading_comments());
    let lines = found.unwrap_or_default().lines().map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end());
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}
