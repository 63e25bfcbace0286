//! Three server processes on one PostgreSQL with a Redis, and a history that is sent to them.

use std::collections::BTreeMap;
use std::time::Instant;

use copydesk::proto::consistency::Requirement;
use copydesk::proto::*;
use copydesk_client::Client;
use futures::future::join_all;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::history::{History, Key, Op, Round, STORIES, Target, Text, cancellation};
use super::model::{End, Found, Response};
use super::search::Done;
use crate::support::database::{Cluster, Database};
use crate::support::process::Serve;
use crate::support::redis_server::RedisServer;

pub const REPLICAS: usize = 3;

/// The replicas. The fields are dropped in this order: the servers first.
pub struct Replicas {
    clients: Vec<Client>,
    _servers: Vec<Serve>,
    _redis: RedisServer,
    _database: Database,
    _dir: tempfile::TempDir,
}

impl Replicas {
    pub async fn start() -> Self {
        let database = Cluster::shared().database().await;
        let redis = RedisServer::start();
        let dir = tempfile::tempdir().unwrap();
        let flags = ["--store", &database.url, "--cache", &redis.url(), "--log-level", "error"];
        let servers: Vec<Serve> = (0..REPLICAS).map(|_| Serve::on(dir.path(), &flags)).collect();
        let mut clients = Vec::new();
        for server in &servers {
            clients.push(server.client().await);
        }
        Self { clients, _servers: servers, _redis: redis, _database: database, _dir: dir }
    }

    /// Sends a history. Returns its operations with their responses.
    pub async fn send(&self, history: &History) -> Result<Vec<Done>, String> {
        let mut done: Vec<Done> = Vec::new();
        for round in &history.rounds {
            let names = names(&done);
            self.fill_caches(&names).await?;
            let ops: Vec<(Op, usize)> =
                round.ops.iter().filter_map(|(op, at)| Some((named(op, &names)?, *at))).collect();
            let sent = ops.into_iter().map(|(op, replica)| self.perform(&history.host, op, replica));
            let answered = match round {
                Round { is_concurrent: true, .. } => join_all(sent).await,
                Round { is_concurrent: false, .. } => {
                    let mut answered = Vec::new();
                    for one in sent {
                        answered.push(one.await);
                    }
                    answered
                }
            };
            for one in answered {
                done.push(one?);
            }
        }
        Ok(done)
    }

    /// Reads articles on every replica, so that the caches have them before they change.
    async fn fill_caches(&self, names: &[String]) -> Result<(), String> {
        let request = BatchGetArticlesRequest { names: names.to_vec(), ..Default::default() };
        for client in self.clients.iter().filter(|_| !names.is_empty()) {
            let read = client.clone().retrieval.batch_get_articles(request.clone()).await;
            read.map_err(|status| format!("a read: {status}"))?;
        }
        Ok(())
    }

    async fn perform(&self, host: &str, op: Op, replica: usize) -> Result<Done, String> {
        let sent = Instant::now();
        let response = loop {
            match self.call(host, &op, replica).await {
                // Nothing was written: there were too many concurrent updates.
                Err(status) if status.code() == Code::Aborted => {}
                Err(status) => break rejected(&status),
                Ok(response) => break Ok(response),
            }
        };
        let response = response.map_err(|error| format!("{op:?}: {error}"))?;
        Ok(Done { op, replica, response, sent, answered: Instant::now() })
    }

    async fn call(&self, host: &str, op: &Op, replica: usize) -> Result<Response, Status> {
        let mut client = self.clients[replica].clone();
        let edited = |article: Option<Article>| Response::Edited(found(host, &article.unwrap_or_default()));
        Ok(match op {
            Op::Ingest(doc) => ingest(&mut client, host, doc.document(host)).await?,
            Op::Cancel(format, story) => ingest(&mut client, host, cancellation(*format, host, *story)).await?,
            Op::Kill(target, allow_missing) => {
                let (name, key) = match target {
                    Target::Name(name) => (name.clone(), None),
                    Target::Key(key, spelling) => (String::new(), Some((key, *spelling))),
                    Target::Known(_) => (String::new(), None),
                };
                let url = key.and_then(|(key, spelling)| key.address(host, spelling)).unwrap_or_default();
                let external = key.and_then(|(key, _)| key.external(host));
                let allow_missing = *allow_missing;
                let request = WithdrawArticleRequest { name, url, external, allow_missing, ..Default::default() };
                edited(client.editorial.withdraw_article(request).await?.into_inner().article)
            }
            Op::Reinstate(target) => {
                let Target::Name(name) = target else { return Err(Status::internal("a name is required")) };
                let request = ReinstateArticleRequest { name: name.clone(), ..Default::default() };
                edited(client.editorial.reinstate_article(request).await?.into_inner().article)
            }
        })
    }

    /// Reads everything of a source, on each replica: one reads the store, the others may read their caches. An error
    /// says that they differ.
    pub async fn end(&self, history: &History, done: &[Done]) -> Result<End, String> {
        let first = (history.rounds.len() + done.len()) % REPLICAS;
        let mut ends = Vec::new();
        let mut token = String::new();
        for at in 0..REPLICAS {
            let mut client = self.clients[(first + at) % REPLICAS].clone();
            let requirement = match at {
                0 => Requirement::FullyConsistent(true),
                _ => Requirement::AtLeastAsFresh(token.clone()),
            };
            let (end, newest) = read(&mut client, &history.host, requirement).await?;
            if at == 0 {
                match newest {
                    Some(newest) => token = newest,
                    // No document and no kill was accepted.
                    None => return Ok(end),
                }
            }
            ends.push(end);
        }
        let end = ends.remove(0);
        match ends.iter().find(|other| **other != end) {
            Some(other) => Err(format!("a replica has {other:?}, and another {end:?}")),
            None => Ok(end),
        }
    }
}

/// Ingests a document of one article.
async fn ingest(client: &mut Client, host: &str, document: Document) -> Result<Response, Status> {
    let request = IngestArticleRequest { document: Some(document), ..Default::default() };
    let mut results = client.ingestion.ingest_article(request).await?.into_inner().results;
    match results.pop().and_then(|result| result.result) {
        Some(ingest_result::Result::Ingested(one)) => {
            Ok(Response::Ingested(found(host, &one.article.clone().unwrap_or_default()), one.outcome()))
        }
        Some(ingest_result::Result::Error(error)) => {
            let details = error.encode_to_vec().into();
            Err(Status::with_details(Code::from_i32(error.code), error.message, details))
        }
        None => Err(Status::data_loss("a response without a result")),
    }
}

/// Reads the article of each key, and lists the readable ones. Returns the newest change token, too.
async fn read(client: &mut Client, host: &str, requirement: Requirement) -> Result<(End, Option<String>), String> {
    let consistency = Some(Consistency { requirement: Some(requirement) });
    let keys: Vec<Key> = Key::all().collect();
    let request = BatchLookupArticlesRequest {
        keys: keys.iter().map(|key| key.lookup(host)).collect(),
        consistency: consistency.clone(),
        any_state: true,
        view: ArticleView::Full.into(),
        ..Default::default()
    };
    let looked_up = client.retrieval.batch_lookup_articles(request).await.map_err(|status| status.to_string())?;
    let mut newest: Option<(u64, String)> = None;
    let mut found_keys = BTreeMap::new();
    for (key, result) in keys.into_iter().zip(looked_up.into_inner().results) {
        let Some(lookup_result::Result::Article(article)) = result.result else { continue };
        let position =
            copydesk::article::ChangeToken::decode(&article.change_token).expect("a token").position.sequence;
        if newest.as_ref().is_none_or(|(at, _)| *at < position) {
            newest = Some((position, article.change_token.clone()));
        }
        found_keys.insert(key, found(host, &article));
    }
    let filter = ArticleFilter { sources: Some(StringCondition::any_of([host])), ..Default::default() };
    let list = ListArticlesRequest { filter: Some(filter), consistency, ..Default::default() };
    let listed = client.retrieval.list_articles(list).await.map_err(|status| status.to_string())?.into_inner();
    let mut readable: Vec<String> = listed.articles.into_iter().map(|article| article.name).collect();
    readable.sort();
    Ok((End { keys: found_keys, readable }, newest.map(|(_, token)| token)))
}

/// Returns the article of a response. Panics if its text is of no document.
fn found(host: &str, article: &Article) -> Found {
    let texts = (0..STORIES).flat_map(|story| (0..8).map(move |edition| Text { story, edition }));
    let text = texts.into_iter().find(|text| text.headline(host) == article.headline);
    let body = text.map(Text::body).unwrap_or_default();
    assert!(body == article.body, "{} has the body {:?} instead of {body:?}", article.name, article.body);
    Found { name: article.name.clone(), revision: article.revision, state: article.state(), text }
}

/// Returns the response of a rejected operation, or an error that is none.
fn rejected(status: &Status) -> Result<Response, String> {
    let reason = status.get_details_error_info().map(|info| info.reason).unwrap_or_default();
    match (status.code(), reason.as_str()) {
        (Code::NotFound, "ARTICLE_NOT_FOUND") => Ok(Response::NotFound),
        (Code::FailedPrecondition, "ARTICLE_WITHDRAWN") => Ok(Response::Withdrawn),
        _ => Err(format!("{status:?}")),
    }
}

/// Returns the names in the responses, in the order of the operations.
fn names(done: &[Done]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for one in done {
        if let Response::Ingested(found, _) | Response::Edited(found) = &one.response
            && !names.contains(&found.name)
        {
            names.push(found.name.clone());
        }
    }
    names
}

/// Returns an operation with the name of the article that it is of; none if no name is known yet.
fn named(op: &Op, names: &[String]) -> Option<Op> {
    let named = |target: &Target| match target {
        Target::Known(at) => Some(Target::Name(names.get(at % names.len().max(1))?.clone())),
        other => Some(other.clone()),
    };
    match op {
        Op::Ingest(_) | Op::Cancel(..) => Some(op.clone()),
        Op::Kill(target, allow_missing) => Some(Op::Kill(named(target)?, *allow_missing)),
        Op::Reinstate(target) => Some(Op::Reinstate(named(target)?)),
    }
}
