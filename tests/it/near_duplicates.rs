//! Copies of a wire story on the pages of several publishers.

use copydesk::proto::document::Payload;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::*;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::bad_input::fields;
use crate::test_server::{TestServer, ready};

pub const STORY: [&str; 5] = [
    "The harbour board of Port Ellery agreed on Monday to dredge the northern channel before the winter, after two \
     ferries ran aground within a week and a third was delayed by six hours.",
    "The works will cost 14 million crowns and take until October, the chairwoman of the board, Ida Quill, told \
     reporters. Half of the sum will come from the county.",
    "“We cannot wait for another accident,” Quill said. “The channel has been silting up for more than a year, and \
     every skipper here knows it.”",
    "The association of the fishermen welcomed the decision, but asked the board to spare the oyster beds at Tarn \
     Head, which lie 300 metres from the channel.",
    "A first attempt to dredge the channel was stopped by a court in the spring, because the board had not asked the \
     neighbours of the quay.",
];
pub const OTHER: [&str; 3] = [
    "The old lighthouse of Lowmouth will stay lit until the spring, the coast service said on Tuesday, although a new \
     one on the pier has been in use since August.",
    "Skippers had complained that the lamp on the pier cannot be seen in fog. The service will now test a stronger \
     lamp, and decide in April.",
    "The lighthouse was built by the grandfather of the present keeper, Carl Moor, who is to retire in the summer.",
];

/// Returns a page of a publisher with navigation and teasers.
fn page(headline: &str, paragraphs: &[&str]) -> String {
    let paragraphs: String = paragraphs.iter().map(|text| format!("<p>{text}</p>\n")).collect();
    format!(
        "<!doctype html><html lang=en><head><title>{headline}</title></head><body><nav><a href=/>Home</a>
         <a href=/sport>Sport</a></nav><article><h1>{headline}</h1>\n{paragraphs}</article>
         <aside><h2>Top stories</h2><a href=/2>Lighthouse to stay lit</a></aside></body></html>"
    )
}

#[tokio::test]
async fn a_wire_story_on_other_pages_is_a_duplicate() {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let mut ingest = async |host: &str, headline: &str, paragraphs: &[&str]| {
        let payload = Some(Payload::Html(page(headline, paragraphs)));
        let document = Document { payload, url: format!("https://{host}.example/{host}-story"), ..Document::default() };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        writes.ingest_article(request).await.unwrap().into_inner().into_first().unwrap().outcome()
    };
    assert_eq!(ingest("herald", "Channel to be dredged", &STORY).await, IngestOutcome::Created);
    let headline = "Port Ellery to deepen its channel after ferries ran aground";
    assert_eq!(ingest("courier", headline, &STORY).await, IngestOutcome::Duplicate);
    assert_eq!(ingest("gazette", "Board agrees on works", &STORY[..4]).await, IngestOutcome::Duplicate);
    let foot = "This story was supplied by Northwire and has not been edited by our desk.";
    let with_foot = [&STORY[..], &[foot]].concat();
    assert_eq!(ingest("mirror", "Channel works before winter", &with_foot).await, IngestOutcome::Duplicate);
    assert_eq!(ingest("post", "Lighthouse to stay lit", &OTHER).await, IngestOutcome::Created);
}

/// Ingests an article of a publisher.
async fn put(writes: &mut IngestionServiceClient<Channel>, host: &str, body: &str) -> Result<String, Status> {
    let article = Article {
        url: format!("https://{host}.example/story"),
        headline: format!("Headline of {host}"),
        body: body.into(),
        ..Article::default()
    };
    let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
    let answer = writes.ingest_article(request).await?.into_inner();
    Ok(answer.into_first().unwrap().article.unwrap().name)
}

pub fn withdraw(name: &str, scope: WithdrawScope) -> WithdrawArticleRequest {
    WithdrawArticleRequest { name: name.into(), scope: scope.into(), ..Default::default() }
}

#[tokio::test]
async fn copies_are_listed_with_their_kind_in_pages() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let whole = STORY.join("\n\n");
    let first = put(&mut writes, "first", &whole).await.unwrap();
    let expected = [
        (put(&mut writes, "near", &whole.replace("chairwoman", "head")).await.unwrap(), CopyKind::Near),
        (put(&mut writes, "cut", &STORY[..3].join("\n\n")).await.unwrap(), CopyKind::Contained),
        (put(&mut writes, "long", &format!("{whole}\n\n{}", OTHER.join("\n\n"))).await.unwrap(), CopyKind::Contains),
        (put(&mut writes, "same", &whole).await.unwrap(), CopyKind::Near),
    ];
    put(&mut writes, "other", &OTHER.join("\n\n")).await.unwrap();
    let all = ListArticleCopiesRequest { name: first.clone(), ..Default::default() };
    for page_size in [0, 1, 3] {
        let mut request = ListArticleCopiesRequest { page_size, ..all.clone() };
        let mut found = Vec::new();
        loop {
            let page = reads.list_article_copies(request.clone()).await.unwrap().into_inner();
            for copy in page.copies {
                assert!((0.7..=1.0).contains(&copy.similarity), "{copy:?}");
                found.push((copy.article.as_ref().unwrap().name.clone(), copy.kind()));
            }
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(found, expected, "{page_size}");
    }
    // Only what readers may see, and editors see more.
    let (near, _) = &expected[0];
    let mut edits = server.editorial().await;
    edits.withdraw_article(withdraw(near, WithdrawScope::Article)).await.unwrap();
    let page = reads.list_article_copies(all.clone()).await.unwrap().into_inner();
    assert!(page.copies.iter().all(|copy| copy.article.as_ref().unwrap().name != *near));
    let editors = ListArticleCopiesRequest { any_state: true, ..all.clone() };
    let page = reads.list_article_copies(editors).await.unwrap().into_inner();
    assert_eq!(page.copies[0].article.as_ref().unwrap().state(), ArticleState::Withdrawn);
    let refused = reads.list_article_copies(ListArticleCopiesRequest { name: near.clone(), ..all.clone() }).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    for (request, field) in [
        (ListArticleCopiesRequest { name: "x".into(), ..all.clone() }, "name"),
        (ListArticleCopiesRequest { page_size: -1, ..all.clone() }, "page_size"),
        (ListArticleCopiesRequest { page_token: "x".into(), ..all }, "page_token"),
    ] {
        assert_eq!(fields(&reads.list_article_copies(request).await.unwrap_err()), [field]);
    }
}

#[tokio::test]
async fn copies_of_a_short_text_are_exact() {
    let server = TestServer::start().await;
    let (mut writes, mut reads) = (server.ingestion().await, server.retrieval().await);
    let mut names = Vec::new();
    for number in 0..4 {
        let article = Article {
            url: format!("https://short-{number}.example/story"),
            headline: "Bridge closed".into(),
            body: "It will open on Monday.".into(),
            ..Article::default()
        };
        let request = IngestArticleRequest { document: Some(ready(article)), ..Default::default() };
        let answer = writes.ingest_article(request).await.unwrap().into_inner();
        names.push(answer.into_first().unwrap().article.unwrap().name);
    }
    let mut request = ListArticleCopiesRequest { name: names[1].clone(), page_size: 2, ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = reads.list_article_copies(request.clone()).await.unwrap().into_inner();
        assert!(page.copies.iter().all(|copy| copy.kind() == CopyKind::Exact && copy.similarity == 1.0));
        found.extend(page.copies.into_iter().map(|copy| copy.article.unwrap().name));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(found, [&names[..1], &names[2..]].concat());
}

#[tokio::test]
async fn a_kill_takes_the_copies_and_holds_for_those_that_come_later() {
    let server = TestServer::start().await;
    let (mut writes, mut edits, mut reads) =
        (server.ingestion().await, server.editorial().await, server.retrieval().await);
    let whole = STORY.join("\n\n");
    let first = put(&mut writes, "first", &whole).await.unwrap();
    let cut = put(&mut writes, "cut", &STORY[..3].join("\n\n")).await.unwrap();
    let near = put(&mut writes, "near", &whole.replace("chairwoman", "head")).await.unwrap();
    let mut blogs = Vec::new();
    for number in 0..6 {
        // More than half of it is other text. Of some, the hashes by which copies are found are all of that text.
        let others: String = (0..200).map(|word| format!("entry{number}x{word} ")).collect();
        let name = put(&mut writes, &format!("blog-{number}"), &format!("{whole}\n\n{others}")).await.unwrap();
        blogs.push(name);
    }
    let other = put(&mut writes, "other", &OTHER.join("\n\n")).await.unwrap();
    let get = |name: &str| GetArticleRequest { name: name.to_owned(), ..Default::default() };

    let dry = WithdrawArticleRequest { validate_only: true, ..withdraw(&first, WithdrawScope::Copies) };
    let planned = edits.withdraw_article(dry).await.unwrap().into_inner();
    reads.get_article(get(&near)).await.unwrap();
    let done = edits.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap().into_inner();
    assert_eq!(done.copies, planned.copies);
    assert!(!done.has_more_copies);
    let with = |outcome: CopyOutcome| {
        let copies = done.copies.iter().filter(move |copy| copy.outcome() == outcome);
        copies.map(|copy| copy.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(with(CopyOutcome::Withdrawn), [cut.clone(), near.clone()]);
    let left = with(CopyOutcome::LeftLonger);
    assert!(!left.is_empty() && left.iter().all(|name| blogs.contains(name)), "{left:?}");
    for name in [&first, &cut, &near] {
        assert_eq!(reads.get_article(get(name)).await.unwrap_err().code(), Code::NotFound);
    }
    for name in blogs.iter().chain([&other]) {
        reads.get_article(get(name)).await.unwrap();
    }
    let again = edits.withdraw_article(withdraw(&first, WithdrawScope::Copies)).await.unwrap().into_inner();
    assert!(again.copies.iter().all(|copy| copy.outcome() == CopyOutcome::LeftLonger), "{:?}", again.copies);
    // Under another headline, at another source, with a foot line.
    let late = format!("{whole}\n\nThis story was supplied by Northwire and has not been edited by our desk.");
    let refused = put(&mut writes, "late", &late).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "ARTICLE_WITHDRAWN");
    // Until all of them are reinstated.
    for name in [&first, &near, &cut] {
        put(&mut writes, "late", &late).await.unwrap_err();
        let request = ReinstateArticleRequest { name: name.clone(), ..Default::default() };
        edits.reinstate_article(request).await.unwrap();
    }
    put(&mut writes, "late", &late).await.unwrap();
}
