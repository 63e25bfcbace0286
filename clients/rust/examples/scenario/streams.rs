//! Streaming steps of the scenario.

use std::collections::HashSet;
use std::error::Error;
use std::time::Duration;

use copydesk_client::proto::document::Payload;
use copydesk_client::proto::export_articles_response::Item;
use copydesk_client::proto::ingest_articles_response::Result as Answer;
use copydesk_client::proto::watch_articles_response::Event;
use copydesk_client::proto::{
    Article, ArticleFilter, Document, ExportArticlesRequest, ExportProgress, IngestArticleRequest,
    IngestArticlesRequest, IngestOutcome, StringCondition, UpdateArticleRequest, WatchArticlesRequest,
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
        let request = WatchArticlesRequest::after(change_token);
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
            ..Default::default()
        };
        let corrected = self.client.editorial.clone().update_article(request).await?.into_inner();
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
                Some(Answer::Ingested(ingested)) => {
                    let ingested = ingested.into_first().unwrap_or_default();
                    created += i32::from(ingested.outcome() == IngestOutcome::Created);
                }
                None => {}
            }
        }
        let (refused, in_order) = (refused.join(","), yes(in_order));
        println!("08 stream sent={STREAMED} created={created} refused={refused} in-order={in_order}");
        Ok(())
    }

    pub(crate) async fn export(&self) -> Outcome {
        let sources = StringCondition::any_of(["ellery-herald.example", "stories.example", "tidewire.example"]);
        let mut request = ExportArticlesRequest {
            filter: Some(ArticleFilter { sources: Some(sources), ..ArticleFilter::default() }),
            read_mask: Some(FieldMask { paths: vec!["name".into()] }),
            ..Default::default()
        };
        let (mut names, progress) = self.export_until_progress(request.clone()).await?;
        // Any replica continues from the token, in the same snapshot.
        request.export_token = progress.export_token;
        let mut responses = self.client.retrieval.clone().export_articles(request).await?.into_inner();
        let mut summary = None;
        while let Some(response) = responses.message().await? {
            match response.item {
                Some(Item::Article(article)) => drop(names.insert(article.name)),
                Some(Item::Summary(last)) => summary = Some(last),
                Some(Item::Progress(_)) | None => {}
            }
        }
        let count = summary.ok_or("the export ended without a summary")?.article_count;
        let same = yes(usize::try_from(count)? == names.len());
        println!("21 export articles={} same-count={same}", names.len());
        Ok(())
    }

    /// Returns the names before the first progress that has articles before it, and that progress.
    async fn export_until_progress(
        &self,
        request: ExportArticlesRequest,
    ) -> Result<(HashSet<String>, ExportProgress), Box<dyn Error>> {
        // Dropping the stream cancels the call.
        let mut responses = self.client.retrieval.clone().export_articles(request).await?.into_inner();
        let mut names = HashSet::new();
        while let Some(response) = responses.message().await? {
            match response.item {
                Some(Item::Article(article)) => drop(names.insert(article.name)),
                Some(Item::Progress(progress)) if progress.article_count > 0 => return Ok((names, progress)),
                _ => {}
            }
        }
        Err("the export ended without progress".into())
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
        language_code: if sequence == BROKEN { "no language".into() } else { String::new() },
        ..Article::default()
    };
    let document = Document {
        payload: Some(Payload::Article(article)),
        source: "stories.example".into(),
        external_id: format!("story-{sequence}"),
        ..Document::default()
    };
    let request_id = format!("scenario-story-{sequence}");
    let request = Some(IngestArticleRequest { document: Some(document), request_id, ..Default::default() });
    IngestArticlesRequest { sequence, request, brief: true }
}
