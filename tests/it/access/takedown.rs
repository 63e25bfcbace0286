//! Hiding a readable article by its embargo or expiry, with and without the scope that withdraws, in each way to do so.

use copydesk::access::AuditTarget;
use copydesk::ingest::Kills;
use copydesk::proto::document::Payload;
use copydesk::proto::*;
use serde_json::Value;
use tokio_stream::StreamExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Connected, client, desk, key, reason, until, until_read};
use crate::test_server::{invented, ready};

const FIELDS: [&str; 2] = ["embargo_time", "expire_time"];
const WAYS: [&str; 6] = ["article", "page", "feed", "stream", "validated", "update"];

fn time(text: &str) -> Option<prost_types::Timestamp> {
    let time: jiff::Timestamp = text.parse().unwrap();
    Some(prost_types::Timestamp { seconds: time.as_second(), nanos: 0 })
}

/// A document with the text of `invented(number)`, as it comes in this way.
fn document(way: &str, number: usize) -> Document {
    let article = invented(number);
    let Article { url, headline, body, .. } = article.clone();
    let payload = match way {
        "page" => {
            let body = vec![body.replace("\n\n", " "); 6].join("</p><p>");
            let html = format!(
                "<html><head><title>{headline}</title></head><body><article><h1>{headline}</h1><p>{body}</p></article>\
                 </body></html>"
            );
            Payload::Html(html)
        }
        "feed" => {
            let body = body.replace("\n\n", " ");
            let item = |url: &str, headline: &str| {
                format!(
                    "<item><title>{headline}</title><link>{url}</link><guid>{url}</guid>\
                     <description>{body}</description></item>"
                )
            };
            // With another one, which is not there yet: that one may have any times.
            let items = item(&url, &headline) + &item(&format!("{url}/new-{}", jiff::Timestamp::now()), "Another one");
            let data =
                format!("<rss version=\"2.0\"><channel><title>Coast</title>{items}</channel></rss>").into_bytes();
            Payload::Raw(RawPayload::new(data, "application/rss+xml"))
        }
        _ => return ready(article),
    };
    let url = if way == "feed" { "https://herald.example/feed".into() } else { url };
    Document { payload: Some(payload), url, ..Document::default() }
}

fn hiding(field: &str, document: Document) -> Document {
    match field {
        "embargo_time" => Document { embargo_time: time("2999-01-01T00:00:00Z"), ..document },
        _ => Document { expire_time: time("2001-01-01T00:00:00Z"), ..document },
    }
}

/// Tries to hide an article, and returns the outcome.
async fn hide(desk: &mut Connected, way: &str, field: &str, number: usize, name: &str) -> Result<(), Status> {
    let hidden = hiding(field, document(way, number));
    let request = IngestArticleRequest { document: Some(hidden.clone()), ..Default::default() };
    let of_item = |error: tonic_types::Status| {
        let details = prost::Message::encode_to_vec(&error).into();
        Err(Status::with_details(Code::from(error.code), error.message.clone(), details))
    };
    match way {
        "update" => {
            let Document { embargo_time, expire_time, .. } = hidden;
            let article = Article { name: name.to_owned(), embargo_time, expire_time, ..Default::default() };
            let update_mask = Some(prost_types::FieldMask { paths: vec![field.into()] });
            let request = UpdateArticleRequest { article: Some(article), update_mask, ..Default::default() };
            desk.editorial.update_article(request).await.map(drop)
        }
        "validated" => {
            let request = IngestArticleRequest { validate_only: true, ..request };
            desk.ingestion.ingest_article(request).await.map(drop)
        }
        "stream" => {
            let other = document("article", 10_000 + number);
            let sent = [other, hidden].map(|document| IngestArticlesRequest::of(0, document));
            let answers = desk.ingestion.ingest_articles(tokio_stream::iter(sent)).await?.into_inner();
            let mut answers: Vec<_> = answers.collect().await;
            let last = answers.pop().unwrap()?.result.unwrap();
            let first = answers.pop().unwrap()?.result.unwrap();
            assert!(matches!(first, ingest_articles_response::Result::Ingested(_)), "{first:?}");
            match last {
                ingest_articles_response::Result::Ingested(_) => Ok(()),
                ingest_articles_response::Result::Error(error) => of_item(convert(error)),
            }
        }
        "feed" => {
            let mut items = desk.ingestion.ingest_article(request).await?.into_inner().results;
            let other = items.pop().unwrap().result.unwrap();
            assert!(matches!(other, ingest_result::Result::Ingested(_)), "{other:?}");
            match items.pop().unwrap().result.unwrap() {
                ingest_result::Result::Ingested(_) => Ok(()),
                ingest_result::Result::Error(error) => of_item(convert(error)),
            }
        }
        _ => desk.ingestion.ingest_article(request).await.map(drop),
    }
}

fn convert(error: impl prost::Message) -> tonic_types::Status {
    prost::Message::decode(&*error.encode_to_vec()).unwrap()
}

async fn newest(reader: &mut Connected, name: &str) -> Result<Article, Status> {
    let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    let request = GetArticleRequest { name: name.to_owned(), consistency, ..Default::default() };
    reader.retrieval.get_article(request).await.map(|got| got.into_inner().article.unwrap())
}

#[tokio::test]
async fn hiding_a_readable_article_requires_the_withdraw_scope() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let (server, keys) = desk(|options| options.audit_log = AuditTarget::File(path.clone())).await;
    let mut callers = Vec::new();
    for scopes in ["articles.write", "articles.write articles.read", "articles.write articles.edit"] {
        let caller = client(&server, &key(&keys, scopes, |_| {}).await.1).await;
        callers.push((scopes, caller));
    }
    let mut reader = client(&server, &key(&keys, "articles.read", |_| {}).await.1).await;
    until_read(&reader, Code::NotFound).await;
    for (scopes, caller) in &callers {
        let code = if scopes.contains("articles.read") { Code::NotFound } else { Code::PermissionDenied };
        until_read(caller, code).await;
    }
    let (mut number, mut denied) = (0, Vec::new());
    for (scopes, caller) in &mut callers {
        for (way, field) in WAYS.into_iter().flat_map(|way| FIELDS.map(|field| (way, field))) {
            number += 1;
            let what = format!("{field} by {way} with {scopes}");
            let request = IngestArticleRequest { document: Some(document(way, number)), ..Default::default() };
            let article = caller
                .ingestion
                .ingest_article(request)
                .await
                .unwrap()
                .into_inner()
                .into_first()
                .unwrap_or_default()
                .article
                .unwrap();
            let answer = hide(caller, way, field, number, &article.name).await;
            if scopes.contains("articles.edit") {
                answer.unwrap_or_else(|status| panic!("{what}: {status:?}"));
                let hidden = newest(&mut reader, &article.name).await;
                assert_eq!(hidden.is_ok(), way == "validated", "{what}");
                continue;
            }
            let status = answer.expect_err(&what);
            assert_eq!(status.code(), Code::PermissionDenied, "{what}: {status:?}");
            if way == "update" {
                // The whole method needs the scope.
                assert_eq!(status.get_details_error_info().unwrap().metadata["scope"], "articles.edit", "{what}");
                continue;
            }
            for part in [field, &article.name, "articles.edit", "leave"] {
                assert!(status.message().contains(part), "{what}: {}", status.message());
            }
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.reason, "SCOPE_MISSING", "{what}");
            assert_eq!((info.metadata["scope"].as_str(), info.metadata["field"].as_str()), ("articles.edit", field));
            let stands = newest(&mut reader, &article.name).await.unwrap();
            assert_eq!((stands.revision, stands.embargo_time, stands.expire_time), (1, None, None), "{what}");
            if way != "validated" {
                denied.push(article.name);
            }
        }
    }
    // The audit log has each that was refused, and which article it was about.
    let refused = || {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text.split_inclusive('\n').filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let refused = lines.filter(|line| line["outcome"] == "PERMISSION_DENIED");
        refused.filter_map(|line| line["article"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    until("a line of each", async || refused().len() >= denied.len()).await;
    assert_eq!(refused(), denied);
}

/// Hiding an article that is not readable, or new, takes nothing from readers.
#[tokio::test]
async fn writers_may_embargo_articles_that_are_not_readable_yet() {
    let (server, keys) = desk(|_| {}).await;
    let mut writer = client(&server, &key(&keys, "articles.write", |_| {}).await.1).await;
    until_read(&writer, Code::PermissionDenied).await;
    let held = |time| Document { embargo_time: time, ..ready(invented(1)) };
    for time in [time("2998-01-01T00:00:00Z"), time("2999-01-01T00:00:00Z")] {
        let request = IngestArticleRequest { document: Some(held(time)), ..Default::default() };
        let article = writer
            .ingestion
            .ingest_article(request)
            .await
            .unwrap()
            .into_inner()
            .into_first()
            .unwrap_or_default()
            .article
            .unwrap();
        assert_eq!((article.state(), article.embargo_time), (ArticleState::Embargoed, time));
    }
}

/// Canceled wire items, if only editors may withdraw articles by them.
#[tokio::test]
async fn canceled_wire_items_require_the_edit_scope_if_only_editors_may_withdraw() {
    let (server, keys) = desk(|options| options.ingest.kills = Kills::AdminOnly).await;
    let mut writer = client(&server, &key(&keys, "articles.write articles.read", |_| {}).await.1).await;
    let mut editor = client(&server, &key(&keys, "articles.write articles.edit articles.read", |_| {}).await.1).await;
    for caller in [&writer, &editor] {
        until_read(caller, Code::NotFound).await;
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let item = |case: &str| {
        let data = std::fs::read(folder.join(case).join("input.xml")).unwrap();
        let payload = Some(Payload::Raw(RawPayload { data, ..RawPayload::default() }));
        let document = Document { payload, source: "northwire.example".into(), ..Document::default() };
        IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() }
    };
    let taken = writer.ingestion.ingest_article(item("wire-g2")).await.unwrap().into_inner().into_first().unwrap();
    let name = taken.article.unwrap().name;
    let denied = writer.ingestion.ingest_article(item("wire-g2-kill")).await.unwrap_err();
    assert_eq!((denied.code(), reason(&denied).as_str()), (Code::PermissionDenied, "SCOPE_MISSING"));
    assert!(newest(&mut writer, &name).await.is_ok());
    let killed = editor.ingestion.ingest_article(item("wire-g2-kill")).await.unwrap().into_inner().into_first();
    assert_eq!(killed.unwrap().outcome(), IngestOutcome::Withdrawn);
    assert_eq!(newest(&mut writer, &name).await.unwrap_err().code(), Code::NotFound);
}
