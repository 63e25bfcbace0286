//! API keys: created, wrong, expired, revoked; on one server and on replicas.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use copydesk::access::generate_key;
use copydesk::proto::*;
use copydesk::server::StoreOptions;
use copydesk::store::sqlite::SqliteOptions;
use jiff::Timestamp;
use tonic::Code;
use tonic::metadata::MetadataValue;
use uuid::Uuid;

use super::{client, connect, desk, end_of, key, read, reason, until_read};
use crate::support::database::Cluster;
use crate::support::process::{Serve, copydesk, output, run};
use crate::test_server::{invented, ready};

#[tokio::test]
async fn invalid_keys_are_rejected_without_disclosing_which_exist() {
    let (server, keys) = desk(|_| {}).await;
    let (_, good) = key(&keys, "articles.read", |_| {}).await;
    let past = Timestamp::now() - Duration::from_secs(1);
    let (_, expired) = key(&keys, "articles.read", |key| key.expires = Some(past)).await;
    let (_, revoked) = key(&keys, "articles.read", |key| key.revoked = Some(past)).await;
    until_read(&client(&server, &good).await, Code::NotFound).await;

    let unknown = generate_key().unwrap().text;
    // The ID of one key and the secret of the other, with a valid checksum.
    let mixed = {
        let begun = format!("{}{}", &good[..14], &unknown[14..66]);
        let mut crc = flate2::Crc::new();
        crc.update(begun.as_bytes());
        let mut letters = data_encoding::Specification::new();
        letters.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
        format!("{begun}{}", letters.encoding().unwrap().encode(&crc.sum().to_be_bytes()))
    };
    assert_eq!((mixed.len(), &mixed[..14]), (good.len(), &good[..14]));
    let mut answers = Vec::new();
    for invalid in [&unknown, &mixed, &revoked, &good[..40], "cd_", "x", "a.b.c", &good.to_uppercase()] {
        let refused = read(&client(&server, invalid).await).await;
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));
        answers.push((refused.message().to_owned(), refused.details().to_vec()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answers differ");
    let refused = read(&client(&server, &expired).await).await;
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "CREDENTIAL_EXPIRED"));

    let mut bare = server.retrieval().await;
    let refused = bare.get_article(GetArticleRequest::default()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "CREDENTIAL_MISSING"));
    let with = |values: &[String]| {
        let mut request = tonic::Request::new(GetArticleRequest { name: "articles/none".into(), ..Default::default() });
        for value in values {
            request.metadata_mut().append("authorization", MetadataValue::try_from(value).unwrap());
        }
        request
    };
    let bearer = format!("bEaReR {good}");
    assert_eq!(
        bare.get_article(with(std::slice::from_ref(&bearer))).await.unwrap_err().code(),
        Code::NotFound,
        "the scheme is case-insensitive"
    );
    let invalid =
        [vec![good.clone()], vec![format!("Basic {good}")], vec![bearer.clone(), bearer], vec![String::new()]];
    for values in invalid {
        let refused = bare.get_article(with(&values)).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));
    }
    server.until_metric("copydesk_grpc_calls_refused_total{reason=\"missing\"} 1").await;
    server.until_metric("copydesk_grpc_calls_refused_total{reason=\"expired\"} 1").await;
    let metrics = server.http("/metrics").await;
    let invalid = "copydesk_grpc_calls_refused_total{reason=\"invalid\"} ";
    let invalid = metrics.lines().find_map(|line| line.strip_prefix(invalid)).unwrap();
    // More, if it was called before it knew the first key.
    assert!(invalid.parse::<u32>().unwrap() >= 12, "{invalid}");
}

#[tokio::test]
async fn expiry_of_a_key_ends_its_streams() {
    let (server, keys) = desk(|_| {}).await;
    let end = Timestamp::now() + Duration::from_secs(3);
    let (_, text) = key(&keys, "articles.read", |key| key.expires = Some(end)).await;
    let mut reader = client(&server, &text).await;
    until_read(&reader, Code::NotFound).await;
    let watch = reader.retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    let ended = end_of(watch).await;
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unauthenticated, "CREDENTIAL_EXPIRED"));
    assert!(Timestamp::now() >= end);
    assert_eq!(reason(&read(&reader).await), "CREDENTIAL_EXPIRED");
}

/// Uses the commands, as an operator does, with two replicas at the most verbose log level.
#[tokio::test]
async fn keys_are_created_and_revoked_while_two_replicas_serve() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let log = |number: usize| dir.path().join(format!("log-{number}"));
    let flags = ["--store", &database.url, "--auth", "on", "--log-level", "trace", "--log-format", "json"];
    let serve = |number| Serve::start(dir.path(), &flags, Stdio::from(File::create(log(number)).unwrap())).unwrap();
    let servers = [serve(0), serve(1)];

    let store = ["--store", &database.url];
    let create = [&["keys", "create", "--scopes", "articles.read,articles.write", "--name", "wire feed"], &store[..]];
    let (code, created, errors) = run(&create.concat());
    let text = created.trim().to_owned();
    assert_eq!(code, 0, "{errors}");
    assert!(text.starts_with("cd_") && !errors.contains(&text), "{errors}");
    let mut clients = [connect(&servers[0].address, &text).await, connect(&servers[1].address, &text).await];
    for client in &clients {
        until_read(client, Code::NotFound).await;
    }
    let request = IngestArticleRequest { document: Some(ready(invented(1))), ..Default::default() };
    clients[0].ingestion.ingest_article(request).await.unwrap();
    let watch = clients[1].retrieval.watch_articles(WatchArticlesRequest::default()).await.unwrap().into_inner();
    let (_answers, documents) = {
        let (send, documents) = tokio::sync::mpsc::channel(4);
        let request = IngestArticlesRequest::of(1, ready(invented(2)));
        send.send(request).await.unwrap();
        let stream = tokio_stream::wrappers::ReceiverStream::new(documents);
        let mut answers = clients[0].ingestion.ingest_articles(stream).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap();
        (send, answers)
    };

    let (_, listed, _) = run(&[&["keys", "list"], &store[..]].concat());
    let id = text.split('_').nth(1).unwrap();
    assert!(listed.starts_with(id) && listed.contains("wire feed") && listed.contains("active"), "{listed}");
    let (code, _, errors) = run(&[&["keys", "revoke", id], &store[..]].concat());
    assert_eq!(code, 0, "{errors}");
    for client in &clients {
        assert_eq!(reason(&until_read(client, Code::Unauthenticated).await), "CREDENTIAL_INVALID");
    }
    let ended = end_of(watch).await;
    assert_eq!((ended.code(), reason(&ended).as_str()), (Code::Unauthenticated, "CREDENTIAL_INVALID"));
    let mut answers = documents;
    let ended = tokio::time::timeout(super::SOON, answers.message()).await.unwrap().unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated, "{ended:?}");
    let (code, _, errors) = run(&[&["keys", "revoke", id], &store[..]].concat());
    assert_eq!(code, 1, "{errors}");
    let (_, listed, _) = run(&[&["keys", "list"], &store[..]].concat());
    assert!(listed.contains("revoked 2"), "{listed}");

    servers.into_iter().for_each(|server| drop(server.stop()));
    // Logs may contain the ID of a key, but no part of its secret, and no article text.
    let secret = &text[14..];
    let mut seen = 0;
    for number in [0, 1] {
        let logged = std::fs::read_to_string(log(number)).unwrap();
        seen += logged.matches(&format!("key:{id}")).count();
        assert!(!logged.contains(secret) && !logged.contains(&secret[..16]), "a secret is in the log");
        assert!(!logged.contains("captain said the crossing"), "a body is in the log");
        assert!(!logged.to_ascii_lowercase().contains("bearer cd_"), "a credential is in the log");
    }
    assert!(seen > 0, "the key ID is not in the logs, so the check shows nothing");
}

#[tokio::test]
async fn keys_are_created_while_the_embedded_store_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--auth", "on", "--log-level", "error"]);
    let store = ["--data-dir", dir.path().to_str().unwrap()];
    let (code, created, errors) = run(&[&["keys", "create", "--scopes", "articles.read"], &store[..]].concat());
    assert_eq!(code, 0, "{errors}");
    let text = created.trim();
    until_read(&connect(&server.address, text).await, Code::NotFound).await;

    let get = || {
        let mut command = copydesk(&["list", "--addr", &server.address]);
        command.env_remove("COPYDESK_TOKEN");
        command
    };
    let (code, _, errors) = output(get().output().unwrap());
    assert!(code == 1 && errors.contains("CREDENTIAL_MISSING"), "{errors}");
    assert_eq!(output(get().env("COPYDESK_TOKEN", text).output().unwrap()).0, 0);
    let file = dir.path().join("token");
    std::fs::write(&file, format!("{text}\n")).unwrap();
    assert_eq!(output(get().arg("--token-file").arg(&file).output().unwrap()).0, 0);
    let (code, _, errors) = output(get().env("COPYDESK_TOKEN", "two words").output().unwrap());
    assert!(code == 2 && errors.contains("COPYDESK_TOKEN") && !errors.contains("two words"), "{errors}");
    // Health needs no credential: probes have none.
    let (code, shown, _) = run(&["health", "--addr", &server.address]);
    assert_eq!((code, shown.trim()), (0, "SERVING"));

    // The finder of a leaked key can revoke it by its full text.
    let (code, _, errors) = run(&[&["keys", "revoke", text], &store[..]].concat());
    assert_eq!(code, 0, "{errors}");
    until_read(&connect(&server.address, text).await, Code::Unauthenticated).await;
    let reed: &[&str] = &["--scopes", "articles.reed"];
    for invalid in [reed, &["--scopes", ""], &["--scopes", "articles.read", "--rate", "5"]] {
        let (code, _, errors) = run(&[&["keys", "create"], invalid, &store[..]].concat());
        assert_eq!(code, 2, "{errors}");
    }
    server.stop();
}

#[tokio::test]
async fn both_stores_handle_keys_equally() {
    let database = Cluster::shared().database().await;
    let dir = tempfile::tempdir().unwrap();
    let embedded = StoreOptions::Sqlite(SqliteOptions::new(dir.path()));
    let shared = StoreOptions::Postgres(Box::new(database.options()));
    for options in [embedded, shared] {
        let (store, other) = (options.keys().await.unwrap(), options.keys().await.unwrap());
        let empty = store.keys(Uuid::nil()).await.unwrap().unwrap();
        assert!(empty.all.is_empty());
        assert!(other.keys(empty.version).await.unwrap().is_none(), "keys returned without a change");
        let ends = Timestamp::from_microsecond(4_000_000_000_000_000).unwrap();
        let (first, _) = key(&store, "articles.read articles.admin", |key| {
            key.expires = Some(ends);
            key.rate = "5/m".into();
        })
        .await;
        let (second, _) = key(&other, "articles.write", |_| {}).await;
        let now = store.keys(empty.version).await.unwrap().unwrap();
        assert_ne!(now.version, empty.version);
        let ids: Vec<&str> = now.all.iter().map(|key| key.id.as_str()).collect();
        assert_eq!(ids, [&first, &second]);
        assert_eq!((now.all[0].expires, now.all[0].rate.as_str()), (Some(ends), "5/m"));
        let at = Timestamp::from_microsecond(1_700_000_000_000_000).unwrap();
        assert!(other.revoke_key(&first, at).await.unwrap());
        assert!(!other.revoke_key(&first, at).await.unwrap(), "revoked twice");
        assert!(!other.revoke_key("nobody", at).await.unwrap());
        let after = store.keys(now.version).await.unwrap().unwrap();
        assert_eq!(after.all.iter().map(|key| key.revoked).collect::<Vec<_>>(), [Some(at), None]);
    }
}
