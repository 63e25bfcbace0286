//! The stories that most sources report, on the invented day of the demo.

use super::heading;
use crate::cli::connection::Connected;
use crate::cli::failure::{Failure, print};
use crate::proto::document::Payload;
use crate::proto::{
    Article, Consistency, Document, IngestArticleRequest, ListTopStoriesRequest, StoryFilter, consistency::Requirement,
};

/// Reports of one event by other authors than those of the wire story, with their sites.
const REPORTS: [(&str, &str, &str); 3] = [
    (
        "eastport-post.example",
        "Tanker Halcyon runs onto the Skerry bank off Tarn Head",
        "The coastal tanker Halcyon ran onto the Skerry bank two miles off Tarn Head early on Tuesday with 1,900 \
         tonnes of diesel on board. The coastguard at Eastport said that all 14 members of the crew were safe, and \
         that no oil had been seen on the water.\n\nA tug from Eastport was to try to pull the Halcyon free at high \
         water in the evening. The master, Rafe Ollerton, had reported that the steering failed.",
    ),
    (
        "herald.example",
        "No oil seen around stranded tanker, says coastguard",
        "An aircraft that flew over the Skerry bank on Tuesday afternoon found no oil around the tanker Halcyon, \
         which has been aground there since the morning. It carries 1,900 tonnes of diesel.\n\nThe 14 sailors have \
         stayed on board, among them the master, Rafe Ollerton. “Her hull is sound,” said Mina Castell of the \
         coastguard at Eastport. Two tugs wait off Tarn Head for the evening's high water.",
    ),
    (
        "courier.example",
        "Fishermen of Tarn Head fear for their grounds",
        "Fishermen from Tarn Head watched the stranded tanker Halcyon from their boats on Tuesday. If its 1,900 \
         tonnes of diesel ran out, the crab grounds on the Skerry bank would be lost for years, their association \
         said.\n\nMina Castell of the coastguard told them on the quay at Eastport that the hull was sound, and that \
         the crew of 14 and its master, Ollerton, would stay on board until the tugs had pulled the ship free.",
    ),
];

/// Ingests reports of another event, and lists the top stories.
pub(super) async fn show(client: &mut Connected) -> Result<(), Failure> {
    heading("Top stories: by independent sources, copies counted once")?;
    let mut token = String::new();
    for (number, (site, headline, body)) in REPORTS.into_iter().enumerate() {
        let article = Article {
            url: format!("https://{site}/shipping/halcyon-{number}"),
            headline: headline.to_owned(),
            body: body.to_owned(),
            language_code: "en".to_owned(),
            ..Article::default()
        };
        let document = Document { payload: Some(Payload::Article(article)), ..Document::default() };
        let request = IngestArticleRequest { document: Some(document), ..Default::default() };
        let answer = client.ingestion.ingest_article(request).await?.into_inner();
        token = answer.into_first().and_then(|ingested| ingested.article).unwrap_or_default().change_token;
    }
    let request = ListTopStoriesRequest {
        filter: Some(StoryFilter { min_source_count: 1, ..StoryFilter::default() }),
        page_size: 2,
        consistency: Some(Consistency { requirement: Some(Requirement::AtLeastAsFresh(token)) }),
        ..Default::default()
    };
    for top in client.retrieval.list_top_stories(request).await?.into_inner().top_stories {
        let Some(story) = &top.story else { continue };
        print(&format!(
            "{:.2}  {}  ({} articles, {} independent sources, {} copies)",
            top.score, story.headline, story.article_count, story.source_count, story.copy_count
        ))?;
        for article in top.articles.iter().skip(1) {
            print(&format!("      {}: {}", article.source, article.headline))?;
        }
    }
    Ok(())
}
