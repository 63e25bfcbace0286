//! What it costs to tell callers apart: the same article, hot, from a server that does not and from one that does, by turns.

use std::path::Path;
use std::sync::Arc;

use copydesk::client::Client;
use copydesk::proto::document::Payload;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{Article, Document, GetArticleRequest, IngestArticleRequest};
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::args::Args;
use crate::issuer::{AUDIENCE, ISSUER, Signer, claims, publish, set};
use crate::load::{Measured, run};
use crate::process::Process;
use crate::table::Table;
use crate::{Result, scratch};

/// The rows.
pub async fn all(args: &Args) -> Result<()> {
    let mut table = Table::new(args);
    let (open_dir, guarded_dir) = (scratch(args)?, scratch(args)?);
    let open = Process::copydesk(args, open_dir.path())?;
    let signer = Signer::rsa();
    let jwks = guarded_dir.path().join("jwks.json");
    publish(&jwks, &set(&[signer.published("bench")]));
    let key = make_key(args, guarded_dir.path())?;
    let settings = [
        ("data-dir", guarded_dir.path().to_string_lossy().into_owned()),
        ("auth", "on".into()),
        ("audit-log", "off".into()),
        ("jwt-issuer", ISSUER.into()),
        ("jwt-audience", AUDIENCE.into()),
        ("jwt-jwks", jwks.to_string_lossy().into_owned()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let guarded = Process::replica(args, &settings)?;
    let token = signer.token("bench", &claims());

    let channels = [open.channels(args.connections).await?, guarded.channels(args.connections).await?];
    let names = [ingest(&channels[0], None).await?, ingest(&channels[1], Some(&key)).await?];
    let callers: [(&Process, usize, Option<&str>); 3] =
        [(&open, 0, None), (&guarded, 1, Some(&key)), (&guarded, 1, Some(&token))];
    let mut rounds: [Vec<Measured>; 3] = Default::default();
    for round in 0..=args.rounds {
        for ((server, which, credential), measured) in callers.iter().zip(&mut rounds) {
            let done = get(server, &channels[*which], args, &names[*which], *credential).await?;
            // The first round warms all.
            if round > 0 {
                measured.push(done);
            }
        }
    }
    table.compare("get, hot", "get, hot, with a key", &rounds[0], &rounds[1]);
    table.compare("get, hot", "get, hot, with a token", &rounds[0], &rounds[2]);
    println!("\n{table}");
    open.stop()?;
    guarded.stop()
}

fn make_key(args: &Args, dir: &Path) -> Result<String> {
    let mut command = std::process::Command::new(&args.server);
    command.args(["keys", "create", "--scopes", "articles.read,articles.write", "--data-dir"]).arg(dir);
    let made = command.output()?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into());
    }
    Ok(String::from_utf8(made.stdout)?.trim().to_owned())
}

fn bearer(credential: Option<&str>) -> Result<Option<MetadataValue<Ascii>>> {
    Ok(credential.map(|credential| format!("Bearer {credential}").parse()).transpose()?)
}

async fn ingest(channels: &[Channel], credential: Option<&str>) -> Result<String> {
    let article = Article {
        url: "https://herald.example/news/1".into(),
        headline: "Ferry returns to Port Ellery".into(),
        body: "The ferry came back to the harbour on Tuesday, its captain said.\n\n".repeat(45),
        language: "en".into(),
        ..Default::default()
    };
    let document = Some(Document { payload: Some(Payload::Article(article)), ..Default::default() });
    let mut request = Request::new(IngestArticleRequest { document, ..Default::default() });
    if let Some(bearer) = bearer(credential)? {
        request.metadata_mut().insert("authorization", bearer);
    }
    let mut client = Client::new(channels[0].clone()).ingestion;
    Ok(client.ingest_article(request).await?.into_inner().article.ok_or("no article")?.name)
}

async fn get(
    server: &Process,
    channels: &[Channel],
    args: &Args,
    name: &str,
    credential: Option<&str>,
) -> Result<Measured> {
    let (name, bearer): (Arc<str>, _) = (name.into(), bearer(credential)?);
    run(server, channels, args.in_flight, args.calls, move |channel, _| {
        let mut request = Request::new(GetArticleRequest { name: name.to_string(), ..Default::default() });
        if let Some(bearer) = &bearer {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        async move { RetrievalServiceClient::new(channel).get_article(request).await.map(drop) }
    })
    .await
}
