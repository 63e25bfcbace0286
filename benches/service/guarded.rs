//! What it costs to tell callers apart, and to encrypt: the same article, hot, from a server that does not and from those that do,
//! by turns.

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
use crate::authority::Authority;
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
    let encrypted_dir = scratch(args)?;
    let encrypted = encrypted(args, encrypted_dir.path())?;

    let mut channels = Vec::new();
    for server in [&open, &guarded, &encrypted] {
        channels.push(server.channels(args.connections).await?);
    }
    let mut names = Vec::new();
    for (channels, credential) in channels.iter().zip([None, Some(key.as_str()), None]) {
        names.push(ingest(channels, credential).await?);
    }
    let callers: [(&Process, usize, Option<&str>); 4] =
        [(&open, 0, None), (&guarded, 1, Some(&key)), (&guarded, 1, Some(&token)), (&encrypted, 2, None)];
    let mut rounds: [Vec<Measured>; 4] = Default::default();
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
    table.compare("get, hot", "get, hot, by TLS", &rounds[0], &rounds[3]);
    println!("\n{table}");
    open.stop()?;
    encrypted.stop()?;
    guarded.stop()
}

fn encrypted(args: &Args, dir: &Path) -> Result<Process> {
    let authority = Authority::new();
    authority.vouch(dir);
    let [certificate_file, key_file] = ["server.crt", "server.key"].map(|name| dir.join(name));
    let settings = [("data-dir", dir), ("tls-cert", certificate_file.as_path()), ("tls-key", key_file.as_path())];
    let settings: Vec<_> = settings.iter().map(|(name, path)| (*name, path.to_str().unwrap_or_default())).collect();
    Process::encrypted(args, &settings, authority.pem)
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
