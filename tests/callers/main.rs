//! Callers without a generated client: grpcurl, buf curl, curl through Envoy, and a page in a browser. Each calls a
//! server of this test, and its output is checked. So are the commands of the README.
//!
//! Run by `make callers`, which installs them; `CALLERS` is the folder with them. If it is not set, the test is
//! skipped.
#![allow(clippy::unwrap_used)] // a panic shows the failed line

mod browser; // a page in Chromium
mod envoy; // JSON over HTTP
mod readme; // the README's chapter "Call it"
#[path = "../support/mod.rs"]
mod support; // servers, databases and Redis as processes

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::{Value, json};
use support::process::{self, Serve};

/// A typical text dump: the headline is repeated, and teasers follow.
const DUMP: &str = "Ferry returns to Port Ellery\n\nFerry returns to Port Ellery\n\n\
    The ferry came back to the harbour on Tuesday, two days late. Its captain said that the crossing had been calm.\n\n\
    It sails again on Thursday.\n";
const GET: &str = "copydesk.v1.RetrievalService/GetArticle";

fn main() -> ExitCode {
    let Some(tools) = std::env::var_os("CALLERS").map(PathBuf::from) else {
        println!("CALLERS is not set; see `make callers`");
        return ExitCode::SUCCESS;
    };
    let dir = tempfile::tempdir().unwrap();
    let site = browser::Site::open();
    let server = Serve::on(dir.path(), &["--grpc-web-origins", &site.origin()]);
    let name = grpcurl(&tools, &server);
    println!("grpcurl    ingested {name}, got it, and got ARTICLE_NOT_FOUND for another");
    buf_curl(&tools, &server, &name);
    println!("buf curl   got it, by reflection and by descriptors");
    let said = envoy::call(&tools, &server, &name);
    println!("envoy      {said}");
    let said = site.show(&server);
    println!("chromium   {said}");
    println!("README     {} commands and programs run as written", readme::run(&tools));
    ExitCode::SUCCESS
}

/// Uses reflection, as in the README.
fn grpcurl(tools: &Path, server: &Serve) -> String {
    let call = |method: &str, message: &Value| {
        let args = ["-plaintext", "-d", "@", authority(server), method];
        said(Command::new(tools.join("grpcurl")).args(args), &message.to_string())
    };
    let document = json!({"document": {"text": DUMP, "source": "herald.example", "externalId": "ferry"}});
    let ingested = read(&call("copydesk.v1.IngestionService/IngestArticle", &document).unwrap());
    let article = &ingested["results"][0]["ingested"]["article"];
    let name = article["name"].as_str().unwrap().to_owned();
    assert_eq!(article["headline"], "Ferry returns to Port Ellery", "{ingested}");
    let got = read(&call(GET, &json!({"name": name})).unwrap());
    assert_eq!(got["article"]["revision"], "1", "{got}");
    let refused = call(GET, &json!({"name": "articles/unknown"})).unwrap_err();
    assert!(refused.contains("NotFound") && refused.contains("ARTICLE_NOT_FOUND"), "{refused}");
    name
}

fn buf_curl(tools: &Path, server: &Serve, name: &str) {
    let url = format!("http://{}/{GET}", authority(server));
    let message = json!({"name": name, "readMask": "headline"}).to_string();
    let dir = tempfile::tempdir().unwrap();
    let compiled = dir.path().join("copydesk.binpb");
    let (code, _, errors) = process::run(&["descriptors", "--output", compiled.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    for schema in [&["--reflect"][..], &["--schema", compiled.to_str().unwrap()]] {
        let mut command = Command::new(tools.join("buf"));
        command
            .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge", "--data", &message])
            .args(schema)
            .arg(&url);
        let got = read(&said(&mut command, "").unwrap());
        assert_eq!(got["article"]["headline"], "Ferry returns to Port Ellery", "{got}");
    }
}

/// Returns a server's address in the format of these tools.
fn authority(server: &Serve) -> &str {
    server.address.trim_start_matches("http://")
}

/// Returns a command's standard output; its standard output and error if it fails.
fn said(command: &mut Command, input: &str) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let (code, said, errors) = process::output(child.wait_with_output().unwrap());
    if code == 0 { Ok(said) } else { Err(said + &errors) }
}

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
