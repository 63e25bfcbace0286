//! Audit log: has each write that changed something or was an editor's, and each that was refused for a missing scope;
//! nothing else.

use std::path::Path;
use std::process::Stdio;

use copydesk::access::AuditTarget;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use serde_json::Value;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

use super::{client, connect, desk, key, until, until_read};
use crate::conformance::databases::{hold, waiting};
use crate::support::database::{Cluster, Database};
use crate::support::process::{Serve, run};
use crate::test_server::{TestServer, invented, ready};

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    // The last line may be incomplete.
    text.split_inclusive('\n').filter_map(|line| serde_json::from_str(line.strip_suffix('\n')?).ok()).collect()
}

fn document(number: usize) -> IngestArticleRequest {
    IngestArticleRequest { document: Some(ready(invented(number))), ..Default::default() }
}

#[tokio::test]
async fn changes_are_logged_with_caller_and_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let (server, keys) = desk(|options| options.audit_log = AuditTarget::File(path.clone())).await;
    let (id, all) =
        key(&keys, "articles.read articles.write articles.edit articles.admin", |key| key.name = "desk".into()).await;
    let (reader_id, reader) = key(&keys, "articles.read", |_| {}).await;
    let (mut desk, mut reader) = (client(&server, &all).await, client(&server, &reader).await);
    until_read(&desk, Code::NotFound).await;
    until_read(&reader, Code::NotFound).await;

    let mut request = Request::new(document(1));
    request.metadata_mut().insert("x-request-id", "r-17".parse().unwrap());
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    request.metadata_mut().insert("traceparent", parent.parse().unwrap());
    let article = desk
        .ingestion
        .ingest_article(request)
        .await
        .unwrap()
        .into_inner()
        .into_first()
        .unwrap_or_default()
        .article
        .unwrap();
    let name = article.name.clone();
    // These change nothing.
    desk.ingestion.ingest_article(document(1)).await.unwrap();
    let validated = IngestArticleRequest { validate_only: true, ..document(2) };
    desk.ingestion.ingest_article(validated).await.unwrap();
    desk.ingestion.ingest_article(IngestArticleRequest::default()).await.unwrap_err();
    // These do.
    let update = UpdateArticleRequest {
        article: Some(Article { name: name.clone(), headline: "Hunter two".into(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["headline".into()] }),
        ..Default::default()
    };
    desk.editorial.update_article(update.clone()).await.unwrap();
    // Repeated changes have no effect, here and in the second withdrawal.
    desk.editorial.update_article(update).await.unwrap();
    let reason = "a secret reason".to_owned();
    let withdraw = WithdrawArticleRequest { name: name.clone(), reason, ..Default::default() };
    desk.editorial.withdraw_article(withdraw.clone()).await.unwrap();
    desk.editorial.withdraw_article(withdraw.clone()).await.unwrap();
    let reinstate = ReinstateArticleRequest { name: name.clone(), ..Default::default() };
    desk.editorial.reinstate_article(reinstate).await.unwrap();
    let delete = DeleteArticleRequest { name: name.clone(), ..Default::default() };
    desk.editorial.delete_article(delete).await.unwrap();
    let missing = DeleteArticleRequest { name: "articles/none".into(), allow_missing: true, ..Default::default() };
    desk.editorial.delete_article(missing).await.unwrap();
    desk.editorial.undelete_article(UndeleteArticleRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    desk.editorial.purge_article(PurgeArticleRequest { name: name.clone(), ..Default::default() }).await.unwrap();
    // Refused calls: of a known caller, and of an anonymous one.
    assert_eq!(reader.editorial.withdraw_article(withdraw.clone()).await.unwrap_err().code(), Code::PermissionDenied);
    server.editorial().await.withdraw_article(withdraw).await.unwrap_err();
    // A stream; its last document exists already.
    let sent = [3, 4, 3].map(|number| IngestArticlesRequest { request: Some(document(number)), ..Default::default() });
    let answers = desk.ingestion.ingest_articles(tokio_stream::iter(sent)).await.unwrap().into_inner();
    assert_eq!(answers.collect::<Vec<_>>().await.len(), 3);

    let expected = [
        "CREATED",
        "UPDATED",
        "UNCHANGED",
        "WITHDRAWN",
        "UNCHANGED",
        "REINSTATED",
        "DELETED",
        "UNDELETED",
        "PURGED",
        "PERMISSION_DENIED",
        "CREATED",
        "CREATED",
    ];
    until("all lines", async || lines(&path).len() >= expected.len()).await;
    let lines = lines(&path);
    let outcomes: Vec<&str> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, expected);
    for (at, line) in lines.iter().enumerate() {
        let caller = if at == 9 { &reader_id } else { &id };
        assert_eq!(line["caller"], format!("key:{caller}"));
        line["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    }
    let first = &lines[0];
    assert_eq!(first["caller_name"], "desk");
    assert_eq!(first["method"], "copydesk.v1.IngestionService/IngestArticle");
    assert_eq!((first["article"].as_str(), first["revision"].as_i64()), (Some(name.as_str()), Some(1)));
    assert_eq!((first["request_id"].as_str(), first["traceparent"].as_str()), (Some("r-17"), Some(parent)));
    assert_eq!(lines[9]["method"], "copydesk.v1.EditorialService/WithdrawArticle");
    assert_eq!(lines[11]["method"], "copydesk.v1.IngestionService/IngestArticles");
    let text = std::fs::read_to_string(&path).unwrap();
    for never in [&all[14..], "Hunter two", "secret reason", "captain said", "Ferry 1 returns"] {
        assert!(!text.contains(never), "{never} is in the audit log");
    }

    // Rotation renames the file.
    std::fs::rename(&path, dir.path().join("audit.1")).unwrap();
    desk.ingestion.ingest_article(document(9)).await.unwrap();
    until("a line in a new file", async || path.exists() && !self::lines(&path).is_empty()).await;
}

/// Audit lines are logged at every log level.
#[tokio::test]
async fn audit_lines_are_in_the_log_by_default_with_authentication() {
    let serve = |more: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let flags = [&["--auth", "on", "--log-level", "error", "--log-format", "json"], more].concat();
        (Serve::start(dir.path(), &flags, Stdio::from(log)).unwrap(), dir)
    };
    for (more, noted) in [(&[][..], true), (&["--audit-log", "off"], false)] {
        let (server, dir) = serve(more);
        let store = ["--data-dir", dir.path().to_str().unwrap()];
        let (_, made, _) = run(&[&["keys", "create", "--scopes", "articles.write"], &store[..]].concat());
        let mut feed = connect(&server.address, made.trim()).await;
        until_read(&feed, Code::PermissionDenied).await;
        feed.ingestion.ingest_article(document(1)).await.unwrap();
        server.stop();
        let lines = lines(&dir.path().join("log"));
        let audit: Vec<&Value> = lines.iter().filter(|line| line["target"] == "copydesk::audit").collect();
        assert_eq!(audit.len(), usize::from(noted), "{lines:?}");
        if let [line] = audit[..] {
            assert_eq!((line["outcome"].as_str(), line["revision"].as_i64()), (Some("CREATED"), Some(1)));
            assert!(line["caller"].as_str().unwrap().starts_with("key:"), "{line}");
        }
    }
}

#[tokio::test]
async fn an_unwritable_audit_log_fails_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = crate::test_server::options(dir.path());
    options.audit_log = AuditTarget::File(dir.path().join("none/audit.jsonl"));
    let error = copydesk::server::Server::bind(options).await.err().unwrap().to_string();
    assert!(error.contains("audit-log") && error.contains("none/audit.jsonl"), "{error}");
    // Without authentication, writes are recorded as anonymous.
    let path = dir.path().join("audit.jsonl");
    let server = TestServer::with(|options| options.audit_log = AuditTarget::File(path.clone())).await;
    server.ingestion().await.ingest_article(document(1)).await.unwrap();
    until("a line", async || lines(&path).first().is_some_and(|line| line["caller"] == "anonymous")).await;
}

/// Starts a server on PostgreSQL with its audit log at `path`.
async fn noting(database: &Database, path: &Path) -> TestServer {
    TestServer::with(|options| {
        options.store = StoreOptions::Postgres(Box::new(database.options()));
        options.audit_log = AuditTarget::File(path.to_owned());
    })
    .await
}

/// Otherwise a caller could avoid the audit log by cancelling its call.
#[tokio::test]
async fn cancelled_calls_are_logged() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let database = Cluster::shared().database().await;
    let server = noting(&database, &path).await;
    let writes = server.ingestion().await;
    let held = hold(&database, "articles").await;
    let leaving = tokio::spawn({
        let mut writes = writes.clone();
        async move { writes.ingest_article(document(1)).await }
    });
    waiting(&database, 1).await;
    leaving.abort();
    assert!(leaving.await.unwrap_err().is_cancelled());
    let ended = "copydesk_grpc_calls_in_flight{method=\"copydesk.v1.IngestionService/IngestArticle\"} 0";
    server.until_metric(ended).await;
    assert!(lines(&path).is_empty());
    held.batch_execute("ROLLBACK").await.unwrap();
    until("a line", async || !lines(&path).is_empty()).await;
    assert_eq!(lines(&path)[0]["outcome"], "CREATED");
}

/// The outcome is unknown to the caller and to the audit log, which records UNKNOWN.
#[tokio::test]
async fn writes_without_a_response_of_the_store_are_logged_as_unknown() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let database = Cluster::shared().database().await;
    let server = noting(&database, &path).await;
    let mut writes = server.ingestion().await;
    let held = hold(&database, "articles").await;
    let written = tokio::spawn(async move { writes.ingest_article(document(1)).await });
    waiting(&database, 1).await;
    // The connection to PostgreSQL ends during the write.
    let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    held.execute(ended, &[]).await.unwrap();
    let refused = written.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    until("a line", async || !lines(&path).is_empty()).await;
    let line = &lines(&path)[0];
    assert_eq!(line["outcome"], "UNKNOWN");
    assert!(line["article"].as_str().unwrap().starts_with("articles/"), "{line}");
    held.batch_execute("ROLLBACK").await.unwrap();
}
