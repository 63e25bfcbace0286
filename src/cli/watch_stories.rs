//! `watch --stories`.

use super::connection::Connected;
use super::failure::{Failure, print};
use super::json;
use super::resume::Backoff;
use crate::proto::watch_stories_request::Start;
use crate::proto::watch_stories_response::Event;
use crate::proto::{WatchStoriesRequest, WatchStoriesResponse};

/// Prints the stories of articles as they change, up to a number of changes. Resumes from the last token after a
/// failure, as every client should.
pub(super) async fn watch(
    client: Connected,
    start: Option<Start>,
    limit: Option<u64>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut client = client.retrieval;
    let mut request = WatchStoriesRequest { start };
    let mut remaining = limit.unwrap_or(u64::MAX);
    let mut backoff = Backoff::new();
    while remaining > 0 {
        let broken = match client.watch_stories(request.clone()).await {
            Ok(answer) => {
                let mut stream = answer.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            backoff.reset();
                            let token = match &message.event {
                                Some(Event::Change(change)) => Some(&change.watch_token),
                                Some(Event::Checkpoint(checkpoint)) => Some(&checkpoint.watch_token),
                                None => None,
                            };
                            request.start = token.cloned().map(Start::WatchToken).or(request.start);
                            remaining -= u64::from(matches!(message.event, Some(Event::Change(_))));
                            show(as_json, &message)?;
                            if remaining == 0 {
                                return Ok(());
                            }
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        backoff.wait(broken).await?;
    }
    Ok(())
}

fn show(as_json: bool, message: &WatchStoriesResponse) -> Result<(), Failure> {
    if as_json {
        return print(&json::line(message).map_err(Failure::failed)?);
    }
    match &message.event {
        Some(Event::Change(change)) => {
            let story = if change.story.is_empty() { "(not readable)" } else { &change.story };
            print(&format!("{}  {story}", change.article))
        }
        Some(Event::Checkpoint(_)) | None => Ok(()),
    }
}
