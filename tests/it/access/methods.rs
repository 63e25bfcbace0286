//! Each method with each credential, from the descriptors: every method of the API has a requirement.

use copydesk::access::needs;
use copydesk::proto::FILE_DESCRIPTOR_SET;
use http::uri::PathAndQuery;
use prost_reflect::DescriptorPool;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use super::{client, desk, key, reason, until_read};
use crate::test_server::{RawCodec, TestServer};

/// Returns every method of the API.
fn methods() -> Vec<(String, String)> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let services = pool.services().filter(|service| service.full_name().starts_with("copydesk."));
    let methods = services.flat_map(|service| {
        let name = service.full_name().to_owned();
        service.methods().map(move |method| (name.clone(), method.name().to_owned())).collect::<Vec<_>>()
    });
    methods.collect()
}

/// Returns the scopes of which a method requires one, stated independently of the code, so that a new method is
/// considered twice.
fn scopes(service: &str, method: &str) -> &'static [&'static str] {
    match service.rsplit('.').next().unwrap() {
        "RetrievalService" if method == "RecordReads" => &["articles.record_reads"],
        "RetrievalService" => &["articles.read"],
        "IngestionService" => &["articles.write"],
        "EditorialService" => match method {
            "UpdateArticle"
            | "RollbackArticle"
            | "MergeArticles"
            | "MoveStoryArticles"
            | "MergeStories"
            | "GetArticleSource"
            | "GetExtractionReport"
            | "ListIngestEvents"
            | "ReprocessArticle" => &["articles.edit"],
            "PurgeArticle" => &["articles.admin"],
            _ => &["articles.edit", "articles.admin"],
        },
        other => panic!("no expected scope for {other}"),
    }
}

/// Calls a method with an empty message. Returns the status if the call is refused at its start.
async fn call(server: &TestServer, path: &str, token: Option<&str>) -> Result<(), Status> {
    let mut grpc = tonic::client::Grpc::new(server.channel().await);
    grpc.ready().await.unwrap();
    let mut request = Request::new(tokio_stream::once(Vec::new()));
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    }
    grpc.streaming(request, PathAndQuery::try_from(path).unwrap(), RawCodec).await.map(drop)
}

#[test]
fn every_method_of_the_api_is_in_the_table() {
    let methods = methods();
    assert!(methods.len() >= 15, "{methods:?}");
    for (service, method) in methods {
        let path = format!("/{service}/{method}");
        assert!(needs(&path).is_some(), "src/access/scope.rs has no requirement for {path}");
    }
    for unknown in
        ["/copydesk.v1.RetrievalService/GetSecrets", "/copydesk.v2.RetrievalService/GetArticle", "", "/", "x/y"]
    {
        assert_eq!(needs(unknown), None, "{unknown}");
    }
}

#[tokio::test]
async fn each_method_requires_exactly_its_scope() {
    let (server, keys) = desk(|options| options.stories = true).await;
    let mut credentials = Vec::new();
    for scopes in [
        "articles.read",
        "articles.write",
        "articles.admin",
        "articles.read articles.write articles.edit articles.admin",
        "articles.edit",
        "articles.record_reads",
        "",
    ] {
        let (_, text) = key(&keys, scopes, |_| {}).await;
        credentials.push((scopes, text));
    }
    // The key that was added last, which may not read.
    until_read(&client(&server, &credentials[credentials.len() - 1].1).await, Code::PermissionDenied).await;
    // One call was refused for its scope by now.
    let (mut tried, mut denied) = (0, 1);
    for (service, method) in methods() {
        let (path, needed) = (format!("/{service}/{method}"), scopes(&service, &method));
        let refused = call(&server, &path, None).await.unwrap_err();
        assert_eq!(
            (refused.code(), reason(&refused).as_str()),
            (Code::Unauthenticated, "CREDENTIAL_MISSING"),
            "{path}"
        );
        for (scopes, text) in &credentials {
            let called = call(&server, &path, Some(text)).await;
            let code = called.as_ref().err().map_or(Code::Ok, Status::code);
            if needed.iter().any(|scope| scopes.contains(scope)) {
                // The answer to an empty message depends on the method.
                assert!(matches!(code, Code::Ok | Code::InvalidArgument), "{path} with {scopes:?}: {called:?}");
            } else {
                let refused = called.unwrap_err();
                assert_eq!(code, Code::PermissionDenied, "{path} with {scopes:?}: {refused:?}");
                let info = refused.get_details_error_info().unwrap();
                assert_eq!((info.reason.as_str(), info.metadata["scope"].as_str()), ("SCOPE_MISSING", needed[0]));
                assert!(refused.message().contains(needed[0]), "{refused:?}");
                denied += 1;
            }
            tried += 1;
        }
    }
    assert_eq!(tried, methods().len() * credentials.len());
    server.until_metric(&format!("copydesk_grpc_calls_refused_total{{reason=\"scope\"}} {denied}")).await;
}

#[tokio::test]
async fn unknown_methods_are_rejected_and_probes_are_allowed() {
    let (server, keys) = desk(|_| {}).await;
    let (_, text) = key(&keys, "", |_| {}).await;
    let credential = client(&server, &text).await;
    until_read(&credential, Code::PermissionDenied).await;
    let code = |called: Result<(), Status>| called.err().map_or(Code::Ok, |status| status.code());
    for unknown in ["/copydesk.v1.RetrievalService/GetSecrets", "/copydesk.v1.Other/Get", "/x/y"] {
        assert_eq!(code(call(&server, unknown, None).await), Code::Unauthenticated, "{unknown}");
        assert_eq!(code(call(&server, unknown, Some(&text)).await), Code::Unimplemented, "{unknown}");
    }
    // Reflection needs a credential.
    for version in ["v1", "v1alpha"] {
        let reflection = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        assert_eq!(code(call(&server, &reflection, None).await), Code::Unauthenticated);
        assert_eq!(code(call(&server, &reflection, Some(&text)).await), Code::Ok);
    }
    assert_eq!(code(call(&server, "/grpc.health.v1.Health/Check", None).await), Code::Ok);
    assert_eq!(code(call(&server, "/grpc.health.v1.Health/Watch", None).await), Code::Ok);
    // Without authentication, credentials are ignored.
    let open = TestServer::start().await;
    assert_eq!(code(call(&open, "/copydesk.v1.RetrievalService/ListArticles", Some("x")).await), Code::Ok);
}

/// docs/security.md names tests, all of which exist.
#[test]
fn tests_named_in_the_security_document_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let mut named = 0;
    for name in document.split('`').filter(|text| text.contains("::") && !text.contains(['(', ' '])) {
        let (module, function) = name.rsplit_once("::").unwrap();
        let file = root.join("tests/it").join(module.replace("::", "/")).with_extension("rs");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{name}: no {}", file.display()));
        assert!(text.contains(&format!("fn {function}(")), "{name}: no such test");
        named += 1;
    }
    assert!(named >= 20, "found only {named} names: the scan no longer understands the document");
}

/// Callers of any scope can change an article's content, but neither its identity nor the fields that Copydesk sets.
#[tokio::test]
async fn identifying_and_output_only_fields_cannot_be_updated() {
    let server = TestServer::start().await;
    let mut edits = server.editorial().await;
    let invented = crate::test_server::invented(1);
    let article = crate::test_server::ingest(&mut server.ingestion().await, invented).await.article.unwrap();
    let send = |path: &str, new| copydesk::proto::UpdateArticleRequest {
        article: Some(new),
        update_mask: Some(prost_types::FieldMask { paths: vec![path.into()] }),
        ..Default::default()
    };
    let other = copydesk::proto::Article {
        name: article.name.clone(),
        uid: "x".into(),
        source: "other.example".into(),
        url: "https://other.example/1".into(),
        external_id: "x".into(),
        revision: 7,
        state: 4,
        ..Default::default()
    };
    for path in ["source", "url", "external_id"] {
        let refused = edits.update_article(send(path, other.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{path}");
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields[0].field, "update_mask.paths[0]", "{path}");
    }
    // What Copydesk sets is ignored, and an article can be sent back as it was read.
    for path in ["name", "uid", "revision", "create_time", "update_time", "state", "etag"] {
        let answer = edits.update_article(send(path, other.clone())).await.unwrap().into_inner().article.unwrap();
        assert_eq!(answer, article, "{path}");
    }
    for path in ["source", "url", "external_id", "body", "*"] {
        let answer = edits.update_article(send(path, article.clone())).await.unwrap().into_inner().article.unwrap();
        assert_eq!(answer, article, "{path}");
    }
}
