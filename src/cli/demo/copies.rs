//! A wire story under four headlines, and one kill that takes all of them.

use super::heading;
use crate::cli::connection::Connected;
use crate::cli::failure::{Failure, describe, print};
use crate::cli::similar::copy_kind;
use crate::proto::document::Payload;
use crate::proto::{
    Article, Consistency, Document, IngestArticleRequest, ListArticleCopiesRequest, WithdrawArticleRequest,
    WithdrawScope, consistency::Requirement,
};

const STORY: [&str; 3] = [
    "The ferry company Sundlinie will run its night boats between Lowmouth and Ardell again from December, after a \
     pause of two years, its managing director, Petra Holm, said on Tuesday.",
    "Two boats will leave each port every night except Sunday. A berth costs 48 crowns, and a bicycle travels for \
     free. The company has hired 35 sailors, most of whom had lost their jobs when the boats were laid up.",
    "The harbour boards of both towns had offered to waive the fees for the quays until the summer. “Without that, the \
     boats would have been sold to Norvik,” Holm said.",
];
const FOOT: &str = "This story was supplied by Northwire and has not been edited by our desk.";

/// Sites with their headlines, in the order of publication.
const SITES: [(&str, &str); 4] = [
    ("northwire.example", "Night boats between Lowmouth and Ardell return in December"),
    ("herald.example", "Sundlinie brings the night boat back"),
    ("courier.example", "35 sailors back on board as night ferries return"),
    ("tidewire.example", "Night ferries to sail again"),
];

/// Returns the copy of a site: whole, with a corrected word, cut, or with a foot line.
fn copy(number: usize) -> Document {
    let (site, headline) = SITES[number % SITES.len()];
    let body = match number {
        1 => STORY.join("\n\n").replace("managing director", "director"),
        2 => STORY[..2].join("\n\n"),
        3 | 4 => [&STORY[..], &[FOOT]].concat().join("\n\n"),
        _ => STORY.join("\n\n"),
    };
    let article = Article {
        url: format!("https://{site}/ferries/night-boats-{number}"),
        headline: headline.to_owned(),
        body,
        language_code: "en".to_owned(),
        ..Article::default()
    };
    Document { payload: Some(Payload::Article(article)), ..Document::default() }
}

async fn ingest(client: &mut Connected, number: usize) -> Result<Article, tonic::Status> {
    let request = IngestArticleRequest { document: Some(copy(number)), ..Default::default() };
    let answer = client.ingestion.ingest_article(request).await?.into_inner();
    Ok(answer.into_first().and_then(|ingested| ingested.article).unwrap_or_default())
}

/// Shows the copies of a wire story. Returns the name of the original.
pub(super) async fn show(client: &mut Connected) -> Result<String, Failure> {
    heading("Copies of a wire story under four headlines")?;
    let first = ingest(client, 0).await?;
    for number in 1..SITES.len() {
        ingest(client, number).await?;
    }
    print(&format!("{:<10} {}", "original", first.headline))?;
    let consistency = Some(Consistency { requirement: Some(Requirement::FullyConsistent(true)) });
    let request = ListArticleCopiesRequest { name: first.name.clone(), consistency, ..Default::default() };
    for copy in client.retrieval.list_article_copies(request).await?.into_inner().copies {
        let headline = copy.article.as_ref().map_or("", |article| &article.headline);
        print(&format!("{:<10} {headline}", copy_kind(copy.kind())))?;
    }
    Ok(first.name)
}

/// Shows the kill.
pub(super) async fn kill(client: &mut Connected, name: String) -> Result<(), Failure> {
    heading("One kill that takes all of them, and those that come later")?;
    let request = WithdrawArticleRequest {
        name,
        reason: "The agency recalled the story.".into(),
        scope: WithdrawScope::Copies.into(),
        ..Default::default()
    };
    let copies = client.editorial.withdraw_article(request).await?.into_inner().copies;
    print(&format!("withdrawn: the article and {} copies", copies.len()))?;
    match ingest(client, SITES.len()).await {
        Ok(_) => Err(Failure::Failed("a copy of a withdrawn article was accepted".into())),
        Err(status) => print(&format!("IngestArticle: {}", describe(&status))),
    }
}
