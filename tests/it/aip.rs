//! The API's descriptors follow the API Improvement Proposals (google.aip.dev). docs/decisions/0037 lists deviations.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use copydesk::proto::FILE_DESCRIPTOR_SET;
use http::uri::PathAndQuery;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, ReflectMessage, Value,
};
use tonic::{Code, Request};

use crate::bad_input::fields;
use crate::test_server::{RawCodec, TestServer};

/// Prepositions that names of fields do not have.
const NO_PREPOSITIONS: [&str; 16] = [
    "after", "as", "at", "before", "by", "for", "from", "in", "of", "on", "per", "since", "to", "until", "via", "with",
];
/// Fields whose names contain a preposition (AIP-140), for the reasons in the record.
const PREPOSITIONS: [&str; 3] =
    ["Consistency.at_least_as_fresh", "ArticleFilter.one_per_text", "ArticleFilter.one_per_story"];
/// Repeated fields whose names are a plural that does not end with `s`, or conditions on lists.
const PLURALS: [&str; 5] = ["any_of", "all_of", "none_of", "media", "snippet"];
/// Methods that change stories: these have no revisions, and a repeated call changes nothing (AIP-154, AIP-155).
const OF_STORIES: [&str; 2] = ["MoveStoryArticles", "MergeStories"];
/// Repeated parts of one text.
const PARTS_OF_A_TEXT: [&str; 1] = ["SearchResult.headline"];

fn pool() -> DescriptorPool {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap()
}

fn methods(pool: &DescriptorPool) -> Vec<MethodDescriptor> {
    let services = pool.services().filter(|service| service.full_name().starts_with("copydesk."));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn messages(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    pool.all_messages().filter(|message| message.package_name() == "copydesk.v1" && !message.is_map_entry()).collect()
}

/// Returns the messages that requests contain, themselves included.
fn of_requests(pool: &DescriptorPool) -> Vec<MessageDescriptor> {
    let mut pending: VecDeque<MessageDescriptor> = methods(pool).iter().map(MethodDescriptor::input).collect();
    let mut found = BTreeMap::new();
    while let Some(message) = pending.pop_front() {
        if message.package_name() == "copydesk.v1" && !message.is_map_entry() && !found.contains_key(message.name()) {
            found.insert(message.name().to_owned(), message.clone());
            pending.extend(message.fields().filter_map(|field| field.kind().as_message().cloned()));
        }
    }
    found.into_values().collect()
}

fn option(options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = options.descriptor().parent_pool().get_extension_by_name(name).unwrap();
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

/// Returns the names of a field's behaviours: `REQUIRED`.
fn behaviors(field: &FieldDescriptor) -> BTreeSet<String> {
    let pool = field.parent_pool();
    let names = pool.get_enum_by_name("google.api.FieldBehavior").unwrap();
    let values = option(&field.options(), "google.api.field_behavior");
    let values = values.iter().flat_map(|values| values.as_list().unwrap().iter());
    values.map(|value| names.get_value(value.as_enum_number().unwrap()).unwrap().name().to_owned()).collect()
}

/// Returns a text of an option that is a message: the type of a resource.
fn text(message: &Value, name: &str) -> String {
    message.as_message().unwrap().get_field_by_name(name).unwrap().as_str().unwrap().to_owned()
}

fn full_name(field: &FieldDescriptor) -> String {
    format!("{}.{}", field.parent_message().name(), field.name())
}

fn is_time(field: &FieldDescriptor) -> bool {
    field.kind().as_message().is_some_and(|message| message.full_name() == "google.protobuf.Timestamp")
}

/// AIP-203.
#[test]
fn every_field_of_a_request_has_a_behavior() {
    let pool = pool();
    let requests = of_requests(&pool);
    assert!(requests.len() > 35, "{}", requests.len());
    for field in requests.iter().flat_map(MessageDescriptor::fields) {
        let behaviors = behaviors(&field);
        let is_stated =
            ["REQUIRED", "OPTIONAL", "OUTPUT_ONLY", "IDENTIFIER"].iter().any(|one| behaviors.contains(*one));
        assert!(is_stated, "{}: has {behaviors:?}, must say if it is required", full_name(&field));
        let in_proto = field.parent_message().name() == "Article" && field.name() != "name";
        assert!(in_proto || !behaviors.contains("OUTPUT_ONLY"), "{}: is in a request", full_name(&field));
    }
}

/// AIP-203: a request without its required fields is rejected, and the error names them.
#[tokio::test]
async fn required_fields_are_required() {
    let server = TestServer::with(|options| options.stories = true).await;
    let pool = pool();
    let mut tried = 0;
    for method in methods(&pool).iter().filter(|method| !method.is_client_streaming() && !method.is_server_streaming())
    {
        let required: Vec<String> = method
            .input()
            .fields()
            .filter(|field| behaviors(field).contains("REQUIRED"))
            .map(|field| field.name().to_owned())
            .collect();
        if required.is_empty() {
            continue;
        }
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let mut grpc = tonic::client::Grpc::new(server.channel().await);
        grpc.ready().await.unwrap();
        let path = PathAndQuery::try_from(path).unwrap();
        let status = grpc.unary(Request::new(Vec::new()), path, RawCodec).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{}: {status:?}", method.name());
        let named = fields(&status);
        for field in required {
            let is_named = named.iter().any(|name| *name == field || name.starts_with(&format!("{field}.")));
            assert!(is_named, "{}: {field} is missing, the error names {named:?}", method.name());
        }
        tried += 1;
    }
    assert!(tried > 12, "{tried}");
}

/// AIP-122, AIP-123.
#[test]
fn names_of_resources_have_types() {
    let pool = pool();
    let mut types = BTreeMap::new();
    for message in messages(&pool) {
        let Some(resource) = option(&message.options(), "google.api.resource") else { continue };
        let name = message.get_field_by_name("name").unwrap();
        assert!(behaviors(&name).contains("IDENTIFIER"), "{}.name must be an identifier", message.name());
        assert_eq!(text(&resource, "type"), format!("copydesk.dev/{}", message.name()));
        let patterns = resource.as_message().unwrap().get_field_by_name("pattern").unwrap().into_owned();
        let pattern = patterns.as_list().unwrap()[0].as_str().unwrap().to_owned();
        types.insert(text(&resource, "type"), pattern);
    }
    assert_eq!(types.len(), 3, "{types:?}");
    for field in messages(&pool).iter().flat_map(MessageDescriptor::fields) {
        let reference = option(&field.options(), "google.api.resource_reference");
        if let Some(reference) = &reference {
            let (of, child) = (text(reference, "type"), text(reference, "child_type"));
            // A document is that of an article or of a revision.
            let is_known = of == "*" || types.contains_key(if of.is_empty() { &child } else { &of });
            assert!(is_known, "{}: unknown resource", full_name(&field));
        }
        let is_request = field.parent_message().name().ends_with("Request");
        if is_request && ["name", "names", "parent"].contains(&field.name()) {
            assert!(reference.is_some(), "{}: must say which resource it names", full_name(&field));
        }
    }
    // The paths of the methods name resources as the patterns do.
    for method in methods(&pool) {
        let Some(rule) = option(&method.options(), "google.api.http") else { continue };
        let path = ["get", "post", "patch", "delete"].map(|verb| text(&rule, verb)).concat();
        let Some((_, variable)) = path.split_once('{') else { continue };
        let (field, pattern) = variable.split_once('}').unwrap().0.split_once('=').unwrap();
        let is_pattern = |known: &String| {
            let placeholders = ["{article}", "{revision}", "{story}"];
            pattern == placeholders.iter().fold(known.clone(), |known, part| known.replace(part, "*"))
        };
        assert!(types.values().any(is_pattern), "{}: {path}", method.name());
        let mut message = Some(method.input());
        for part in field.split('.') {
            let found = message.unwrap().get_field_by_name(part).unwrap_or_else(|| panic!("{path}: no field {part}"));
            message = found.kind().as_message().cloned();
        }
    }
}

/// AIP-131 to AIP-136, AIP-231 and AIP-127: verbs, paths, bodies.
#[test]
fn methods_have_standard_shapes() {
    let pool = pool();
    for method in methods(&pool) {
        let name = method.name();
        assert_eq!(method.input().name(), format!("{name}Request"));
        assert_eq!(method.output().name(), format!("{name}Response"));
        let Some(rule) = option(&method.options(), "google.api.http") else {
            assert!(method.is_client_streaming(), "{name}: must have an HTTP rule");
            continue;
        };
        let verb = ["get", "post", "patch", "delete"].into_iter().find(|verb| !text(&rule, verb).is_empty()).unwrap();
        let path = text(&rule, verb);
        let expected = match name {
            "UpdateArticle" => "patch",
            "DeleteArticle" => "delete",
            _ if ["Get", "List"].iter().any(|read| name.starts_with(read)) => "get",
            // Of editors and senders; a thousand keys are too long for a URL, and a URL has no lists of messages.
            _ if method.parent_service().name() != "RetrievalService" => "post",
            "BatchLookupArticles" | "AggregateArticles" | "RecordReads" => "post",
            _ => "get",
        };
        assert_eq!(verb, expected, "{name}");
        assert!(path.starts_with("/v1/"), "{name}: {path}");
        let is_standard = ["Get", "List", "UpdateArticle", "DeleteArticle"];
        let is_standard = is_standard.iter().any(|standard| name.starts_with(standard));
        assert_eq!(!is_standard, path.contains(':'), "{name}: a custom method has a verb in its path: {path}");
        let body = text(&rule, "body");
        assert_eq!(
            body,
            if name == "UpdateArticle" {
                "article"
            } else if verb == "post" {
                "*"
            } else {
                ""
            },
            "{name}"
        );
        // Envoy's transcoder does not start with one that is not a google.api.HttpBody.
        assert_eq!(text(&rule, "response_body"), "", "{name}");
    }
}

/// AIP-158.
#[test]
fn lists_and_searches_have_pages() {
    let pool = pool();
    let kind = |message: &MessageDescriptor, name: &str| message.get_field_by_name(name).map(|field| field.kind());
    let mut checked = 0;
    for method in methods(&pool).iter().filter(|method| ["List", "Sear"].contains(&&method.name()[..4])) {
        let (input, output) = (method.input(), method.output());
        assert_eq!(kind(&input, "page_size"), Some(Kind::Int32), "{}", method.name());
        assert_eq!(kind(&input, "page_token"), Some(Kind::String), "{}", method.name());
        assert_eq!(kind(&output, "next_page_token"), Some(Kind::String), "{}", method.name());
        let first = output.get_field(1).unwrap();
        assert!(first.is_list(), "{}", method.name());
        checked += 1;
    }
    assert_eq!(checked, 10);
}

/// AIP-155, AIP-163, AIP-154.
#[test]
fn mutations_have_a_request_id_a_dry_run_and_an_etag() {
    let pool = pool();
    let changes = methods(&pool).into_iter().filter(|method| method.parent_service().name() != "RetrievalService");
    let is_read = |method: &MethodDescriptor| ["Get", "List"].iter().any(|read| method.name().starts_with(read));
    let changes = changes.filter(|method| !is_read(method));
    for method in changes.filter(|method| !method.is_client_streaming()) {
        let input = method.input();
        let required: &[&str] =
            if OF_STORIES.contains(&method.name()) { &["validate_only"] } else { &["request_id", "validate_only"] };
        for field in required {
            assert!(input.get_field_by_name(field).is_some(), "{}: must have {field}", method.name());
        }
        let etag = |message: &MessageDescriptor| message.get_field_by_name("etag").is_some();
        let article = input.get_field_by_name("article").and_then(|field| field.kind().as_message().cloned());
        // A document is ordered by its version instead.
        let has_etag = etag(&input)
            || article.as_ref().is_some_and(etag)
            || method.name() == "IngestArticle"
            || OF_STORIES.contains(&method.name());
        assert!(has_etag, "{}: must have an etag", method.name());
    }
}

/// AIP-4232: the arguments of generated functions are fields of the request, with every required one.
#[test]
fn signatures_name_fields() {
    let pool = pool();
    let mut signed = 0;
    for method in methods(&pool) {
        let signatures = option(&method.options(), "google.api.method_signature");
        let input = method.input();
        let required: BTreeSet<String> = input
            .fields()
            .filter(|field| behaviors(field).contains("REQUIRED"))
            .map(|field| field.name().to_owned())
            .collect();
        let is_unary = !method.is_client_streaming() && !method.is_server_streaming();
        assert!(required.is_empty() || !is_unary || signatures.is_some(), "{}: must have a signature", method.name());
        for signature in signatures.iter().flat_map(|list| list.as_list().unwrap()) {
            let named: BTreeSet<String> = signature.as_str().unwrap().split(',').map(str::to_owned).collect();
            let unknown: Vec<_> = named.iter().filter(|name| input.get_field_by_name(name).is_none()).collect();
            assert!(unknown.is_empty(), "{}: {unknown:?}", method.name());
            assert!(named.is_superset(&required), "{}: {named:?}, {required:?}", method.name());
            signed += 1;
        }
    }
    assert!(signed > 12, "{signed}");
}

/// AIP-140 to AIP-145, AIP-148.
#[test]
fn fields_have_standard_names() {
    let pool = pool();
    for field in messages(&pool).iter().flat_map(MessageDescriptor::fields) {
        let (name, full) = (field.name(), full_name(&field));
        assert_eq!(is_time(&field), name.ends_with("_time"), "{full}: a time, and only a time, ends with _time");
        let words: Vec<&str> = name.split('_').collect();
        let is_condition = ["any_of", "all_of", "none_of", "order_by"].contains(&name);
        let preposition = words.iter().find(|word| NO_PREPOSITIONS.contains(word));
        if !is_condition && !PREPOSITIONS.contains(&full.as_str()) {
            assert_eq!(preposition, None, "{full}: has a preposition");
        }
        let is_flag = field.kind() == Kind::Bool && ["is", "has"].contains(&words[0]);
        assert!(!is_flag || name == "has_more_copies", "{full}: must not begin with {}", words[0]);
        if field.is_list() && !PARTS_OF_A_TEXT.contains(&full.as_str()) {
            let is_plural = name.ends_with('s') || PLURALS.contains(&name) || name == "not_found";
            assert!(is_plural, "{full}: must be a plural");
        }
    }
    let uid = pool.get_message_by_name("copydesk.v1.Article").unwrap().get_field_by_name("uid").unwrap();
    let info = option(&uid.options(), "google.api.field_info").unwrap();
    assert_eq!(info.as_message().unwrap().get_field_by_name("format").unwrap().as_enum_number(), Some(1), "UUID4");
}
