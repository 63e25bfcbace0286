//! Cost of authentication and encryption: the same hot article from servers with and without them, in turn. Uses
//! tonic's client, and a bare client that controls the encoding of the credential on the wire.

use std::path::Path;
use std::sync::Arc;

use copydesk::proto::document::Payload;
use copydesk::proto::retrieval_service_client::RetrievalServiceClient;
use copydesk::proto::{Article, Document, GetArticleRequest, IngestArticleRequest};
use copydesk_client::Client;
use serde_json::json;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use crate::args::Args;
use crate::hpack::Credential;
use crate::load::{Measured, run};
use crate::process::Process;
use crate::support::certificates::CertificateAuthority;
use crate::support::token_issuer::{AUDIENCE, ISSUER, Signer, claims_but, publish, set};
use crate::table::Table;
use crate::{Result, raw_http2_client, scratch};

/// A row, and the index of its baseline.
struct Row<'a> {
    what: String,
    beside: usize,
    server: &'a Process,
    way: Way<'a>,
    measured: Vec<Measured>,
}

/// Client of a row.
enum Way<'a> {
    Tonic(&'a [Channel], Option<&'a str>),
    Wire(Credential<'a>),
}

/// Measures all rows.
pub async fn all(args: &Args) -> Result<()> {
    let (open_dir, guarded_dir, encrypted_dir) = (scratch(args)?, scratch(args)?, scratch(args)?);
    let open = Process::copydesk(args, open_dir.path())?;
    let (rsa, ec) = (Signer::rsa(), Signer::ec());
    let jwks = guarded_dir.path().join("jwks.json");
    publish(&jwks, &set(&[rsa.published("rsa"), ec.published("ec")]));
    let key = make_key(args, guarded_dir.path())?;
    let guarded = guarded(args, guarded_dir.path(), &jwks)?;
    let encrypted = encrypted(args, encrypted_dir.path())?;
    // Realistic claims: no two tokens share subject, token ID or client.
    let claims = claims_but(json!({
        "sub": "7f4c2b9e-51d3-4a06-9c8e-2d60b7a1f3e5", "jti": "c3a80d17-6e2f-4b95-8a41-f09b5d7ce264",
        "azp": "newsroom-web",
    }));
    let (rs256, es256) = (rsa.token("rsa", &claims), ec.token("ec", &claims));

    let mut channels = Vec::new();
    for server in [&open, &guarded, &encrypted] {
        channels.push(server.channels(args.connections).await?);
    }
    // The same article has the same name on each server.
    let mut name = String::new();
    for (channels, credential) in channels.iter().zip([None, Some(key.as_str()), None]) {
        name = ingest(channels, credential).await?;
    }
    let by_tonic = |which: usize, credential| Way::Tonic(&channels[which], credential);
    let (long, short) = (format!("RS256 of {} B", rs256.len()), format!("ES256 of {} B", es256.len()));
    let rows = [
        ("get, hot".into(), 0, &open, by_tonic(0, None)),
        ("get, hot, with a key".into(), 0, &guarded, by_tonic(1, Some(&key))),
        (format!("get, hot, {long}"), 0, &guarded, by_tonic(1, Some(&rs256))),
        (format!("get, hot, {short}"), 0, &guarded, by_tonic(1, Some(&es256))),
        ("get, hot, by TLS".into(), 0, &encrypted, by_tonic(2, None)),
        ("bare client: get, hot".into(), 5, &open, Way::Wire(Credential::None)),
        ("bare client: a key, packed".into(), 5, &guarded, Way::Wire(Credential::Packed(&key))),
        (format!("bare client: {long}, packed"), 5, &guarded, Way::Wire(Credential::Packed(&rs256))),
        (format!("bare client: {short}, packed"), 5, &guarded, Way::Wire(Credential::Packed(&es256))),
        (format!("bare client: {long}, plain"), 5, &guarded, Way::Wire(Credential::Plain(&rs256))),
        (format!("bare client: {long}, remembered"), 5, &guarded, Way::Wire(Credential::Remembered(&rs256))),
    ];
    let mut rows = rows.map(|(what, beside, server, way)| Row { what, beside, server, way, measured: Vec::new() });
    for round in 0..=args.rounds {
        for row in &mut rows {
            let done = match row.way {
                Way::Tonic(channels, credential) => get(row.server, channels, args, &name, credential).await?,
                Way::Wire(credential) => raw_http2_client::get(row.server, args, &name, credential)?,
            };
            // The first round is a warm-up.
            if round > 0 {
                row.measured.push(done);
            }
        }
    }
    let mut table = Table::new(args);
    for (_, row) in rows.iter().enumerate().filter(|(number, row)| *number != row.beside) {
        let base = &rows[row.beside];
        table.compare(&base.what, &row.what, &base.measured, &row.measured);
    }
    println!("\n{table}");
    open.stop()?;
    encrypted.stop()?;
    guarded.stop()
}

fn guarded(args: &Args, dir: &Path, jwks: &Path) -> Result<Process> {
    let settings = [
        ("data-dir", dir.to_string_lossy()),
        ("auth", "on".into()),
        ("audit-log", "off".into()),
        ("jwt-issuer", ISSUER.into()),
        ("jwt-audience", AUDIENCE.into()),
        ("jwt-jwks", jwks.to_string_lossy()),
    ];
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_ref())).collect();
    Process::replica(args, &settings)
}

fn encrypted(args: &Args, dir: &Path) -> Result<Process> {
    let authority = CertificateAuthority::new();
    authority.write_server_certificate(dir);
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
        language_code: "en".into(),
        ..Default::default()
    };
    let document = Some(Document { payload: Some(Payload::Article(article)), ..Default::default() });
    let mut request = Request::new(IngestArticleRequest { document, ..Default::default() });
    if let Some(bearer) = bearer(credential)? {
        request.metadata_mut().insert("authorization", bearer);
    }
    let mut client = Client::new(channels[0].clone()).ingestion;
    Ok(client
        .ingest_article(request)
        .await?
        .into_inner()
        .into_first()
        .unwrap_or_default()
        .article
        .ok_or("no article")?
        .name)
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
