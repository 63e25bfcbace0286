//! Writes, and the change feed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use copydesk::article::ChangeToken;
use copydesk::proto::consistency::Requirement;
use copydesk::proto::document::Payload;
use copydesk::proto::ingest_articles_response::Result as Answered;
use copydesk::proto::ingestion_service_client::IngestionServiceClient;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::watch_articles_response::Event;
use copydesk::proto::{
    Consistency, Document, IngestArticleRequest, IngestArticlesRequest, RawPayload, SearchArticlesRequest,
    WatchArticlesRequest,
};
use futures::{StreamExt, stream};
use tokio::sync::Semaphore;
use tonic::Code;
use tonic::transport::Channel;

use crate::Result;
use crate::args::Args;
use crate::articles::Articles;
use crate::load::Measured;
use crate::process::Process;
use crate::table::Table;

/// Maximum number of unanswered documents on one stream.
const WINDOW: usize = 1_024;

/// One response of a stream.
struct Answer {
    at: Instant,
    latency: Duration,
    name: String,
    change_token: String,
}

/// Results of streamed documents.
struct Streamed {
    measured: Measured,
    answers: Vec<Answer>,
    refused: usize,
}

/// Ingests ready articles, and waits until search has caught up. Returns their names.
pub async fn ready(server: &Process, args: &Args, count: u64, table: &mut Table) -> Result<Vec<String>> {
    eprintln!("ingest of {count} ready articles");
    let articles = Arc::new(Articles::new());
    let bytes = prost::Message::encoded_len(&articles.document(12_345));
    let streamed = send(server, args, count, move |number| articles.document(number)).await?;
    table.row(&format!("ingest, ready, of {bytes} B, durable"), &streamed.measured);
    if streamed.refused > 0 {
        return Err(format!("{} of {count} ready articles were refused", streamed.refused).into());
    }
    let mut client = RetrievalServiceClient::new(server.channel().await?);
    let stopped = Instant::now();
    let indexed = ChangeToken::decode(&search(&mut client, None).await?)?.position;
    let mut waiting = Vec::new();
    for answer in &streamed.answers {
        if ChangeToken::decode(&answer.change_token)?.position > indexed {
            waiting.push(answer.at);
        }
    }
    let age = waiting.iter().min().map_or(Duration::ZERO, |oldest| stopped.duration_since(*oldest));
    table.fact(
        &format!("search, when {count} were ingested"),
        format!("{:.1} s behind ({} not indexed yet)", age.as_secs_f64(), waiting.len()),
    );
    let newest = streamed.answers.iter().max_by_key(|answer| answer.at).map(|answer| answer.change_token.clone());
    search(&mut client, newest).await?;
    table.fact("search, caught up after", format!("{:.1} s", stopped.elapsed().as_secs_f64()));
    Ok(streamed.answers.into_iter().map(|answer| answer.name).collect())
}

/// Ingests pages.
pub async fn html(server: &Process, args: &Args, table: &mut Table) -> Result<()> {
    eprintln!("ingest of {} pages", args.pages);
    let (what, streamed) = match &args.corpus {
        None => {
            let articles = Articles::new();
            let pages: Vec<String> = (0..args.pages.min(500)).map(|number| articles.page(number)).collect();
            let document = move |number: u64| Document {
                payload: Some(Payload::Html(pages[number as usize % pages.len()].clone())),
                article_id: format!("page-{number}"),
                url: format!("https://pages.herald.example/{number}"),
                ..Document::default()
            };
            ("ingest, HTML, invented, durable", send(server, args, args.pages as u64, document).await?)
        }
        Some(folder) => {
            let pages = corpus(folder)?;
            let document = move |number: u64| Document {
                payload: Some(Payload::Raw(RawPayload::new(pages[number as usize % pages.len()].clone(), ""))),
                // Ingesting a page a second time is a write too.
                article_id: format!("page-{number}"),
                ..Document::default()
            };
            ("ingest, HTML, of the corpus, durable", send(server, args, args.pages as u64, document).await?)
        }
    };
    table.row(what, &streamed.measured);
    table.fact("pages in which no article was found", format!("{} of {}", streamed.refused, args.pages));
    Ok(())
}

/// Reads the pages in a folder and its subfolders.
fn corpus(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let mut pages = Vec::new();
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".html") || name.ends_with(".html.gz") {
                pages.push(std::fs::read(&path)?);
            }
        }
    }
    if pages.is_empty() {
        return Err(format!("no .html or .html.gz in {}", folder.display()).into());
    }
    Ok(pages)
}

/// Ingests documents on one stream at a fixed rate.
pub async fn paced(
    channel: Channel,
    count: u64,
    every: Duration,
    document: impl Fn(u64) -> Document + Send + Sync + 'static,
) -> Result<()> {
    let (answers, refused) = stream_of(channel, 0..count, every, document).await?;
    if refused > 0 || answers.len() as u64 != count {
        return Err(format!("{refused} of {count} ready articles were refused").into());
    }
    Ok(())
}

/// Streams documents, one stream on each connection.
async fn send(
    server: &Process,
    args: &Args,
    count: u64,
    document: impl Fn(u64) -> Document + Send + Sync + 'static,
) -> Result<Streamed> {
    let document = Arc::new(document);
    let channels = server.channels(args.connections).await?;
    let streams = channels.len() as u64;
    let cpu = server.cpu()?;
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, channel) in channels.into_iter().enumerate() {
        let document = Arc::clone(&document);
        let numbers = (number as u64..count).step_by(streams as usize);
        tasks.spawn(stream_of(channel, numbers, Duration::ZERO, move |at| document(at)));
    }
    let mut answers = Vec::new();
    let mut refused = 0;
    while let Some(task) = tasks.join_next().await {
        let (of_stream, refused_of_stream) = task??;
        answers.extend(of_stream);
        refused += refused_of_stream;
    }
    let elapsed = began.elapsed();
    let latencies = answers.iter().map(|answer: &Answer| answer.latency).collect();
    Ok(Streamed { measured: Measured::new(elapsed, server.cpu()? - cpu, latencies), answers, refused })
}

async fn stream_of(
    channel: Channel,
    numbers: impl Iterator<Item = u64> + Send + 'static,
    every: Duration,
    document: impl Fn(u64) -> Document + Send + Sync + 'static,
) -> Result<(Vec<Answer>, usize)> {
    let room = Arc::new(Semaphore::new(WINDOW));
    // Responses come in the order sent.
    let sent = Arc::new(Mutex::new(VecDeque::new()));
    let requests = {
        let (room, sent) = (Arc::clone(&room), Arc::clone(&sent));
        let document = Arc::new(document);
        let began = tokio::time::Instant::now();
        stream::iter((0..).zip(numbers)).then(move |(at, number)| {
            let (room, sent, document) = (Arc::clone(&room), Arc::clone(&sent), Arc::clone(&document));
            async move {
                // Late documents catch up.
                tokio::time::sleep_until(began + every * at).await;
                // The semaphore is never closed; the permit is returned with the response.
                if let Ok(permit) = room.acquire().await {
                    permit.forget();
                }
                let document = Some(document(number));
                sent.lock().unwrap_or_else(PoisonError::into_inner).push_back(Instant::now());
                let request = Some(IngestArticleRequest { document, ..Default::default() });
                IngestArticlesRequest { sequence: number as i64, request, brief: true }
            }
        })
    };
    let mut client = IngestionServiceClient::new(channel);
    let mut responses = client.ingest_articles(requests).await?.into_inner();
    let mut answers = Vec::new();
    let mut refused = 0;
    while let Some(response) = responses.message().await? {
        room.add_permits(1);
        let at = Instant::now();
        let sent =
            sent.lock().unwrap_or_else(PoisonError::into_inner).pop_front().ok_or("more answers than requests")?;
        match response.result {
            Some(Answered::Ingested(ingested)) => {
                let article = ingested.into_first().unwrap_or_default().article.unwrap_or_default();
                let latency = at - sent;
                answers.push(Answer { at, latency, name: article.name, change_token: article.change_token });
            }
            _ => refused += 1,
        }
    }
    Ok((answers, refused))
}

/// Searches, from a position if one is given, and returns the index position.
async fn search(client: &mut RetrievalServiceClient<Channel>, from: Option<String>) -> Result<String> {
    let deadline = Instant::now() + Duration::from_secs(900);
    let consistency = from.map(|token| Consistency { requirement: Some(Requirement::AtLeastAsFresh(token)) });
    loop {
        let mut request = tonic::Request::new(SearchArticlesRequest {
            query: "harbour".into(),
            page_size: 1,
            consistency: consistency.clone(),
            ..Default::default()
        });
        request.set_timeout(Duration::from_secs(20));
        match client.search_articles(request).await {
            Ok(answer) => return Ok(answer.into_inner().index_token),
            // The server's maximum wait has passed: retry.
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled)
                    && Instant::now() < deadline => {}
            Err(status) => return Err(status.into()),
        }
    }
}

/// Reads the feed from its beginning until it is caught up.
pub async fn watch(server: &Process, least: u64, table: &mut Table) -> Result<()> {
    eprintln!("watch from the beginning");
    let mut client = RetrievalServiceClient::new(server.channel().await?).max_decoding_message_size(64 << 20);
    let cpu = server.cpu()?;
    let began = Instant::now();
    let request = WatchArticlesRequest::from_beginning();
    let mut events = client.watch_articles(request).await?.into_inner();
    let mut gaps = Vec::new();
    let mut last = began;
    while let Some(event) = events.next().await {
        match event?.event {
            Some(Event::Change(_)) => {
                let now = Instant::now();
                gaps.push(now - last);
                last = now;
            }
            _ if gaps.len() as u64 >= least => break,
            _ => {}
        }
    }
    table.row("watch from the beginning, changes", &Measured::new(began.elapsed(), server.cpu()? - cpu, gaps));
    Ok(())
}
