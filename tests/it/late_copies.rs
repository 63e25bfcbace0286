//! Copies that arrive after the withdrawal of an article with its copies, on a server that holds them for editors.

use copydesk::proto::document::Payload;
use copydesk::proto::ingest_result::Result as Item;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::*;
use copydesk::store::LateCopies;
use futures::future::join_all;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::near_duplicates::{OTHER, STORY, withdraw};
use crate::test_server::{TestServer, ready};

async fn start() -> TestServer {
    TestServer::with(|options| options.ingest.late_copies = LateCopies::Hold).await
}

fn document(host: &str, headline: &str, body: &str) -> Document {
    ready(Article {
        url: format!("https://{host}.example/story"),
        headline: headline.into(),
        body: body.into(),
        ..Article::default()
    })
}

fn request(document: Document) -> IngestArticleRequest {
    IngestArticleRequest { document: Some(document), ..IngestArticleRequest::default() }
}

async fn ingest(server: &TestServer, request: IngestArticleRequest) -> Result<IngestedArticle, Status> {
    let response = server.ingestion().await.ingest_article(request).await?;
    Ok(response.into_inner().into_first().unwrap())
}

async fn get(server: &TestServer, name: &str) -> Result<Article, Code> {
    let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    let request = GetArticleRequest { name: name.into(), consistency, ..GetArticleRequest::default() };
    let response = server.retrieval().await.get_article(request).await;
    response.map(|response| response.into_inner().article.unwrap()).map_err(|status| status.code())
}

async fn list(server: &TestServer, states: &[ArticleState]) -> Vec<String> {
    let states = states.iter().map(|state| i32::from(*state)).collect();
    let consistency = Some(Consistency { requirement: Some(consistency::Requirement::FullyConsistent(true)) });
    let filter = Some(ArticleFilter { states, ..ArticleFilter::default() });
    let request = ListArticlesRequest { filter, consistency, ..ListArticlesRequest::default() };
    let mut names: Vec<String> = server
        .retrieval()
        .await
        .list_articles(request)
        .await
        .unwrap()
        .into_inner()
        .articles
        .into_iter()
        .map(|article| article.name)
        .collect();
    names.sort_unstable();
    names
}

/// Asserts that a response is that of a held article: its name and the reason, and no text.
fn assert_held(held: &IngestedArticle, killed: &str) -> String {
    assert_eq!(held.outcome(), IngestOutcome::Held, "{held:?}");
    let article = held.article.as_ref().unwrap();
    assert!(article.body.is_empty() && article.headline.is_empty(), "{article:?}");
    let warnings = held.report.as_ref().map_or(&[][..], |report| &report.warnings);
    let warning = warnings.iter().find(|warning| warning.code() == WarningCode::CopyOfWithdrawn);
    assert!(warning.is_some_and(|warning| warning.message.contains(killed)), "{warnings:?}");
    article.name.clone()
}

#[tokio::test]
async fn a_late_copy_is_held_and_can_be_reinstated() {
    let server = start().await;
    let whole = STORY.join("\n\n");
    let first = ingest(&server, request(document("first", "Channel to be dredged", &whole))).await.unwrap();
    let first = first.article.unwrap().name;
    let watch = WatchArticlesRequest::default();
    let mut changes = server.retrieval().await.watch_articles(watch).await.unwrap().into_inner();
    server.editorial().await.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap();

    let late = format!("{whole}\n\nThis story was supplied by Northwire and has not been edited by our desk.");
    let late = request(document("late", "Port Ellery to deepen its channel", &late));
    let tried = IngestArticleRequest { validate_only: true, ..late.clone() };
    let tried = ingest(&server, tried).await.unwrap();
    let name = assert_held(&tried, &first);
    assert_eq!(list(&server, &[ArticleState::Withdrawn]).await, std::slice::from_ref(&first));
    assert_eq!(assert_held(&ingest(&server, late.clone()).await.unwrap(), &first), name);
    server.until_metric("copydesk_ingest_documents_total{outcome=\"held\"} 2").await;
    let other = ingest(&server, request(document("other", "Lighthouse to stay lit", &OTHER.join("\n\n")))).await;
    let other = other.unwrap().article.unwrap().name;

    // No reader sees it, also not in the feed.
    assert_eq!(get(&server, &name).await, Err(Code::NotFound));
    assert_eq!(list(&server, &[]).await, std::slice::from_ref(&other));
    let mut seen = Vec::new();
    while !seen.contains(&other) {
        if let Some(Event::Change(change)) = changes.next().await.unwrap().unwrap().event {
            seen.push(change.name);
        }
    }
    assert_eq!(seen, [first.clone(), other.clone()]);
    // Editors do, with the reason.
    let mut expected = [first.clone(), name.clone()];
    expected.sort_unstable();
    assert_eq!(list(&server, &[ArticleState::Withdrawn]).await, expected);
    let history = ListArticleRevisionsRequest { parent: name.clone(), any_state: true, ..Default::default() };
    let history = server.retrieval().await.list_article_revisions(history).await.unwrap().into_inner().revisions;
    assert!(history.len() == 1 && history[0].reason.contains(&first), "{history:?}");
    let events = server.editorial().await.list_ingest_events(ListIngestEventsRequest::default()).await.unwrap();
    let events = events.into_inner().events;
    let event = events.iter().find(|event| event.reason == "COPY_OF_WITHDRAWN").unwrap();
    assert_eq!((event.kind(), event.source.as_str()), (IngestEventKind::Warned, "late.example"));
    assert!(event.message.contains(&first), "{event:?}");
    // The document is rejected when it comes again, as that of any withdrawn article.
    assert_eq!(ingest(&server, late.clone()).await.unwrap_err().code(), Code::FailedPrecondition);

    let reinstate = ReinstateArticleRequest { name: name.clone(), ..ReinstateArticleRequest::default() };
    let shown = server.editorial().await.reinstate_article(reinstate).await.unwrap().into_inner().article.unwrap();
    assert_eq!((shown.name.as_str(), shown.state()), (name.as_str(), ArticleState::Active));
    assert!(shown.body.contains("Northwire"));
    assert_eq!(ingest(&server, late).await.unwrap().outcome(), IngestOutcome::Unchanged);
    let revised = document("late", "Port Ellery to deepen its channel", &whole);
    assert_eq!(ingest(&server, request(revised)).await.unwrap().outcome(), IngestOutcome::Revised);
    assert!(!get(&server, &name).await.unwrap().body.contains("Northwire"));
    // The next one is held, and a withdrawal that is made again takes the reinstated one.
    assert_held(&ingest(&server, request(document("next", "Board agrees", &whole))).await.unwrap(), &first);
    let again = server.editorial().await.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap();
    let copies: Vec<String> = again.into_inner().copies.into_iter().map(|copy| copy.name).collect();
    assert_eq!(copies, std::slice::from_ref(&name));
    assert_eq!(get(&server, &name).await, Err(Code::NotFound));
}

#[tokio::test]
async fn items_of_feeds_and_documents_of_streams_are_held() {
    let server = start().await;
    let whole = STORY.join("\n\n");
    let first = ingest(&server, request(document("first", "Channel to be dredged", &whole))).await.unwrap();
    let first = first.article.unwrap().name;
    server.editorial().await.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap();
    let item = |number: usize, title: &str, paragraphs: &[&str]| {
        let text: String = paragraphs.iter().map(|text| format!("&lt;p&gt;{text}&lt;/p&gt;")).collect();
        format!("<item><guid>r-{number}</guid><title>{title}</title><description>{text}</description></item>")
    };
    let items = item(1, "Works before winter", &STORY) + &item(2, "Lighthouse to stay lit", &OTHER);
    let feed = format!("<rss version=\"2.0\"><channel><title>Post</title>{items}</channel></rss>");
    let raw = RawPayload::new(feed, "application/rss+xml");
    let feed = Document { payload: Some(Payload::Raw(raw)), source: "feed.example".into(), ..Document::default() };
    let results = server.ingestion().await.ingest_article(request(feed)).await.unwrap().into_inner().results;
    let ingested: Vec<&IngestedArticle> = results
        .iter()
        .map(|result| match result.result.as_ref().unwrap() {
            Item::Ingested(ingested) => ingested,
            Item::Error(error) => panic!("{error:?}"),
        })
        .collect();
    assert_held(ingested[0], &first);
    assert_eq!(ingested[1].outcome(), IngestOutcome::Created);
    let sent = [
        IngestArticlesRequest::of(1, document("one", "Works before winter", &whole)),
        IngestArticlesRequest { brief: true, ..IngestArticlesRequest::of(2, document("two", "Works", &whole)) },
    ];
    let answers = server.ingestion().await.ingest_articles(tokio_stream::iter(sent)).await.unwrap().into_inner();
    let answers: Vec<IngestArticlesResponse> = answers.map(Result::unwrap).collect().await;
    assert_eq!(answers.len(), 2);
    for answer in answers {
        let Some(ingest_articles_response::Result::Ingested(response)) = answer.result else { panic!("{answer:?}") };
        let ingested = response.into_first().unwrap();
        assert_eq!(
            (ingested.outcome(), get(&server, &ingested.article.unwrap().name).await),
            (IngestOutcome::Held, Err(Code::NotFound))
        );
    }
}

/// Once a withdrawal and a copy are acknowledged, the copy is not readable, whichever was first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_copy_is_readable_after_a_withdrawal_that_it_races_with() {
    let server = start().await;
    let (mut held, mut withdrawn) = (0, 0);
    for round in 0..12 {
        let words: String = (0..60).map(|word| format!("round{round}word{word} ")).collect();
        let first = ingest(&server, request(document(&format!("first-{round}"), "First", &words))).await.unwrap();
        let first = first.article.unwrap().name;
        let writes = server.ingestion().await;
        let arriving: Vec<_> = (0..24)
            .map(|number| {
                let mut writes = writes.clone();
                let body = format!("{words}\n\nSent as {number}.");
                let copy = request(document(&format!("copy-{round}-{number}"), "Copy", &body));
                tokio::spawn(async move {
                    for _ in 0..number % 8 {
                        tokio::task::yield_now().await;
                    }
                    writes.ingest_article(copy).await.unwrap().into_inner().into_first().unwrap()
                })
            })
            .collect();
        server.editorial().await.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap();
        for arrived in join_all(arriving).await {
            let arrived = arrived.unwrap();
            match arrived.outcome() {
                IngestOutcome::Held => held += 1,
                _ => withdrawn += 1,
            }
            assert_eq!(get(&server, &arrived.article.unwrap().name).await, Err(Code::NotFound));
        }
    }
    assert!(held > 0 && withdrawn > 0, "{held} were held, {withdrawn} withdrawn");
    assert!(list(&server, &[]).await.is_empty());
}
