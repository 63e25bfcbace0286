//! Streaming steps of the scenario.

use std::time::Duration;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::ingest_articles_response::Result as Answer;
use copydesk_client::proto::watch_articles_response::Event;
use copydesk_client::proto::{
    Article, Document, IngestArticlesRequest, IngestOutcome, UpdateArticleRequest, WatchArticlesRequest,
    WatchArticlesResponse,
};
use prost_types::FieldMask;
use tonic::{Request, Status, Streaming};
use tonic_types::RpcStatusExt;

use crate::{Outcome, Scenario, failure, yes};

const STREAMED: i64 = 1_000;
const BROKEN: i64 = 500;

impl Scenario {
    pub(crate) async fn watch(&mut self) -> Outcome {
        let change_token = self.newest().change_token.clone();
        let request = WatchArticlesRequest { change_token, ..WatchArticlesRequest::default() };
        // Dropping the stream ends the call.
        let mut events = self.events(request, Duration::from_secs(30)).await?;
        while let Some(message) = events.message().await? {
            match message.event {
                Some(Event::Checkpoint(_)) if self.page.revision == 1 => self.correct().await?,
                Some(Event::Change(change)) if change.name == self.page.name => {
                    let headline = change.article.clone().unwrap_or_default().headline;
                    let kind = change.kind().as_str_name();
                    println!("07 watch {kind} revision={} headline={headline:?}", change.revision);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err("the watch ended before the change".into())
    }

    async fn correct(&mut self) -> Outcome {
        // Fails with ETAG_MISMATCH if the article has changed since it was read.
        let (name, etag) = (self.page.name.clone(), self.page.etag.clone());
        let headline = "Ferry fares to fall in May".into();
        let request = UpdateArticleRequest {
            article: Some(Article { name, etag, headline, ..Article::default() }),
            update_mask: Some(FieldMask { paths: vec!["headline".into()] }),
            reason: "The month was missing.".into(),
        };
        let corrected = self.client.ingestion.clone().update_article(request).await?.into_inner();
        self.page = corrected.article.unwrap_or_default();
        Ok(())
    }

    pub(crate) async fn stream(&self) -> Outcome {
        // Flow control pulls documents from the iterator; responses arrive meanwhile.
        let stories = tokio_stream::iter((0..STREAMED).map(story));
        let mut answers = self.client.ingestion.clone().ingest_articles(stories).await?.into_inner();
        let (mut at, mut created, mut in_order, mut refused) = (0, 0, true, Vec::new());
        while let Some(answer) = answers.message().await? {
            in_order &= answer.sequence == at;
            at += 1;
            match answer.result {
                Some(Answer::Error(error)) => {
                    let reason = error.get_details_error_info().map(|info| info.reason).unwrap_or_default();
                    refused.push(format!("{}:{reason}", answer.sequence));
                }
                Some(Answer::Ingested(ingested)) => created += i32::from(ingested.outcome() == IngestOutcome::Created),
                None => {}
            }
        }
        let (refused, in_order) = (refused.join(","), yes(in_order));
        println!("08 stream sent={STREAMED} created={created} refused={refused} in-order={in_order}");
        Ok(())
    }

    pub(crate) async fn deadline(&self) -> Outcome {
        let watched = async {
            let mut events = self.events(WatchArticlesRequest::default(), Duration::from_millis(500)).await?;
            while events.message().await?.is_some() {}
            Ok::<(), Status>(())
        };
        println!("11 deadline {}", failure(watched.await)?.code);
        Ok(())
    }

    pub(crate) async fn cancel(&self) -> Outcome {
        let mut events = self.events(WatchArticlesRequest::default(), Duration::from_secs(30)).await?;
        let (send, first) = tokio::sync::oneshot::channel();
        let reading = tokio::spawn(async move {
            let first = events.message().await.ok().flatten().and_then(|message| message.event);
            // The receiver waits for this message, so sending cannot fail.
            let _ = send.send(first);
            while let Ok(Some(_)) = events.message().await {}
        });
        let kind = if matches!(first.await?, Some(Event::Checkpoint(_))) { "checkpoint" } else { "change" };
        // In Rust a call is cancelled by dropping it, alone or with its task; there is no status to read.
        reading.abort();
        let code = if reading.await.is_err_and(|ended| ended.is_cancelled()) { "CANCELLED" } else { "OK" };
        println!("12 cancel {code} after={kind}");
        Ok(())
    }

    async fn events(
        &self,
        request: WatchArticlesRequest,
        deadline: Duration,
    ) -> Result<Streaming<WatchArticlesResponse>, Status> {
        let mut request = Request::new(request);
        request.set_timeout(deadline);
        Ok(self.client.retrieval.clone().watch_articles(request).await?.into_inner())
    }
}

fn story(sequence: i64) -> IngestArticlesRequest {
    let paragraph = "The harbour of Port Ellery has a story for every boat that lies in it.";
    let article = Article {
        headline: format!("Story {sequence} of the harbour"),
        body: vec![paragraph; 70].join("\n\n"),
        language: if sequence == BROKEN { "no language".into() } else { String::new() },
        ..Article::default()
    };
    let document = Document {
        payload: Some(Payload::Article(article)),
        source: "stories.example".into(),
        external_id: format!("story-{sequence}"),
        ..Document::default()
    };
    let request_id = format!("scenario-story-{sequence}");
    IngestArticlesRequest { sequence, document: Some(document), request_id, brief: true }
}
