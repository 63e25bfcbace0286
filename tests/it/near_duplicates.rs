//! Copies of a wire story on the pages of several publishers.

use copydesk::proto::document::Payload;
use copydesk::proto::*;

use crate::test_server::TestServer;

const STORY: [&str; 5] = [
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
const OTHER: [&str; 3] = [
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
