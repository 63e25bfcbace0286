//! Starts of watches, kinds of changes, and snapshots before them.

use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::watch_articles_request::Start;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use tokio_stream::StreamExt;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::bad_input::fields;
use crate::test_server::{TestServer, ingest, invented};

type Reads = RetrievalServiceClient<Channel>;

/// Reads changes up to the first checkpoint after a number of them.
async fn changes(events: &mut Streaming<WatchArticlesResponse>, at_least: usize) -> Vec<ArticleChange> {
    let mut changes = Vec::new();
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Change(change) => changes.push(change),
            Event::Checkpoint(_) if changes.len() >= at_least => return changes,
            Event::Checkpoint(_) => {}
            other => panic!("no snapshot was requested: {other:?}"),
        }
    }
}

async fn watch(reads: &mut Reads, start: Option<Start>, kinds: &[ChangeKind]) -> Streaming<WatchArticlesResponse> {
    let kinds = kinds.iter().map(|kind| i32::from(*kind)).collect();
    let request = WatchArticlesRequest { start, kinds, ..Default::default() };
    reads.watch_articles(request).await.unwrap().into_inner()
}

fn tokens(changes: &[ArticleChange]) -> Vec<&str> {
    changes.iter().map(|change| change.change_token.as_str()).collect()
}

fn delete(name: &str) -> DeleteArticleRequest {
    DeleteArticleRequest { name: name.to_owned(), ..Default::default() }
}

#[tokio::test]
async fn a_watch_starts_at_a_time_and_sends_the_requested_kinds() {
    let server = TestServer::start().await;
    let (mut writes, mut edits, mut reads) =
        (server.ingestion().await, server.editorial().await, server.retrieval().await);
    let mut names = Vec::new();
    for number in 0..12 {
        names.push(ingest(&mut writes, invented(number)).await.article.unwrap().name);
    }
    for name in &names[3..6] {
        edits.delete_article(delete(name)).await.unwrap();
    }
    let all = changes(&mut watch(&mut reads, Some(Start::Beginning(true)), &[]).await, 1).await;
    assert_eq!(all.len(), 15);
    for (at, change) in all.iter().enumerate() {
        let time = change.change_time.unwrap();
        let first = all.iter().position(|change| {
            let other = change.change_time.unwrap();
            (other.seconds, other.nanos) >= (time.seconds, time.nanos)
        });
        let found = changes(&mut watch(&mut reads, Some(Start::StartTime(time)), &[]).await, 1).await;
        assert_eq!(tokens(&found), tokens(&all[first.unwrap()..]), "change {at}");
    }
    let past = Start::StartTime(prost_types::Timestamp { seconds: 0, nanos: 0 });
    assert_eq!(tokens(&changes(&mut watch(&mut reads, Some(past), &[]).await, 1).await), tokens(&all));
    let kinds = [ChangeKind::Deleted];
    let deleted = changes(&mut watch(&mut reads, Some(Start::Beginning(true)), &kinds).await, 1).await;
    assert_eq!(tokens(&deleted), tokens(&all[12..]));
    // Checkpoints go on, past changes of other kinds.
    let mut events =
        watch(&mut reads, Some(Start::ChangeToken(all[0].change_token.clone())), &[ChangeKind::Expired]).await;
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Checkpoint(checkpoint) if checkpoint.change_token == all[14].change_token => break,
            Event::Checkpoint(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // Later than every change: those that come then.
    let soon = prost_types::Timestamp { seconds: jiff::Timestamp::now().as_second() + 3_600, nanos: 0 };
    let mut events = watch(&mut reads, Some(Start::StartTime(soon)), &[]).await;
    let newest = ingest(&mut writes, invented(99)).await.article.unwrap().change_token;
    loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Checkpoint(checkpoint) if checkpoint.change_token == newest => break,
            Event::Checkpoint(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_snapshot_and_the_changes_after_it_leave_no_gap() {
    let server = TestServer::with(|options| options.retrieve.progress_articles = 4).await;
    let (mut writes, mut edits, mut reads) =
        (server.ingestion().await, server.editorial().await, server.retrieval().await);
    let mut stored = Vec::new();
    for number in 0..20 {
        stored.push(ingest(&mut writes, invented(number)).await.article.unwrap());
    }
    edits.delete_article(delete(&stored[0].name)).await.unwrap();
    let tags = Some(StringCondition::none_of(["ferry-1"]));
    let filter = Some(ArticleFilter { tags, ..Default::default() });
    let expected: Vec<String> = {
        let list = ListArticlesRequest { filter: filter.clone(), order_by: "create_time".into(), ..Default::default() };
        reads.list_articles(list).await.unwrap().into_inner().articles.into_iter().map(|it| it.name).collect()
    };
    let mut request = WatchArticlesRequest { filter, snapshot_first: true, ..Default::default() };
    // Cut once, after a progress message that is not the first.
    let mut found: Vec<String> = Vec::new();
    let mut since: Vec<String> = Vec::new();
    let mut events = reads.watch_articles(request.clone()).await.unwrap().into_inner();
    let mut progresses = 0;
    while progresses < 3 {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Article(article) => since.push(article.name),
            Event::Progress(progress) => {
                progresses += 1;
                found.append(&mut since);
                request.start = Some(Start::ExportToken(progress.export_token));
            }
            other => panic!("{other:?}"),
        }
    }
    // A change between the cut and the rest, of an article that was sent, comes after the snapshot.
    edits.delete_article(delete(&found[0])).await.unwrap();
    request.snapshot_first = false;
    let mut events = reads.watch_articles(request).await.unwrap().into_inner();
    let token = loop {
        match events.next().await.unwrap().unwrap().event.unwrap() {
            Event::Article(article) => found.push(article.name),
            Event::Progress(_) => {}
            Event::Checkpoint(checkpoint) => break checkpoint.change_token,
            Event::Change(change) => panic!("a checkpoint ends the snapshot: {change:?}"),
        }
    };
    assert_eq!(found, expected);
    assert!(!token.is_empty());
    let after = changes(&mut events, 1).await;
    assert_eq!(
        after.iter().map(|change| (change.kind(), &change.name)).collect::<Vec<_>>(),
        [(ChangeKind::Deleted, &found[0])]
    );
}

#[tokio::test]
async fn rejects_invalid_starts_and_kinds() {
    let server = TestServer::start().await;
    let mut reads = server.retrieval().await;
    let none = WatchArticlesRequest::default;
    let never = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    let bad = [
        (WatchArticlesRequest { start: Some(Start::ChangeToken(String::new())), ..none() }, "change_token"),
        (WatchArticlesRequest { start: Some(Start::StartTime(never)), ..none() }, "start_time"),
        (WatchArticlesRequest { start: Some(Start::Beginning(false)), ..none() }, "beginning"),
        (WatchArticlesRequest { start: Some(Start::ExportToken("x".into())), ..none() }, "export_token"),
        (WatchArticlesRequest { snapshot_first: true, ..WatchArticlesRequest::from_beginning() }, "snapshot_first"),
        (WatchArticlesRequest { kinds: vec![1, 0], ..none() }, "kinds[1]"),
        (WatchArticlesRequest { kinds: vec![99], ..none() }, "kinds[0]"),
    ];
    for (request, field) in bad {
        assert_eq!(fields(&reads.watch_articles(request).await.unwrap_err()), [field]);
    }
}
