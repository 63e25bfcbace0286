//! Envoy with the configuration of `deploy/`, called by curl.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::process::{self, Serve};
use crate::{authority, read, said};

/// Killed when it is dropped.
struct Envoy(Child);

impl Drop for Envoy {
    fn drop(&mut self) {
        // Fails only if it has exited already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Calls the methods as JSON, by their `google.api.http` options. Returns a description.
pub fn call(tools: &Path, server: &Serve, name: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let compiled = dir.path().join("copydesk.binpb");
    let (code, _, errors) = process::run(&["descriptors", "--output", compiled.to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = dir.path().join("envoy.yaml");
    std::fs::write(&config, here(port, authority(server), &compiled)).unwrap();
    let log = std::fs::File::create(dir.path().join("log")).unwrap();
    let mut command = Command::new(tools.join("envoy"));
    // Several may run on one machine.
    command.arg("-c").arg(&config).args(["--log-level", "warn", "--use-dynamic-base-id", "--concurrency", "1"]);
    let envoy = Envoy(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());

    let curl = |args: &[&str], path: &str| {
        let url = format!("http://127.0.0.1:{port}/v1/{path}");
        said(Command::new("curl").args(["-sS", "--max-time", "20", "-w", "\n%{http_code}"]).args(args).arg(url), "")
    };
    let until = Instant::now() + Duration::from_secs(60);
    // It answers once the server is healthy.
    let got = loop {
        match curl(&[], name) {
            Ok(got) if got.ends_with("\n200") => break got,
            _ if Instant::now() < until => std::thread::sleep(Duration::from_millis(100)),
            got => panic!("{got:?}\n{}", std::fs::read_to_string(dir.path().join("log")).unwrap()),
        }
    };
    let body = |answer: &str| read(answer.rsplit_once('\n').unwrap().0);
    assert_eq!(body(&got)["article"]["headline"], "Ferry returns to Port Ellery", "{got}");
    let document = json!({"document": {"text": crate::DUMP.replace("Tuesday", "Monday"), "articleId": "by-json"}});
    // A cross-origin page can send these types without a preflight.
    for simple in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let named = format!("content-type:{simple}");
        let refused = curl(&["-H", &named, "-d", &document.to_string()], "articles:ingest").unwrap();
        assert!(refused.ends_with("\n415"), "{simple}: {refused}");
    }
    let json = ["-H", "content-type: application/json"];
    let curl = |args: &[&str], path: &str| curl(&[&json[..], args].concat(), path);
    let ingested = curl(&["-d", &document.to_string()], "articles:ingest").unwrap();
    assert_eq!(body(&ingested)["results"][0]["ingested"]["article"]["name"], "articles/by-json", "{ingested}");
    // A page of 2 MiB, mostly without text.
    let paragraphs =
        "<p>The ferry came back to the harbour on Tuesday, two days late, and sails again on Thursday.</p>".repeat(5);
    let page = format!("<html><h1>Ferry is late</h1>{paragraphs}<script>{}</script></html>", " ".repeat(2 << 20));
    let sent = dir.path().join("page.json");
    std::fs::write(&sent, json!({"document": {"html": page, "articleId": "large"}}).to_string()).unwrap();
    let taken = curl(&["-d", &format!("@{}", sent.display())], "articles:ingest").unwrap();
    assert!(taken.ends_with("\n200"), "{taken}");
    let gone = curl(&["-X", "DELETE"], "articles/large").unwrap();
    assert_eq!(body(&gone)["article"]["state"], "ARTICLE_STATE_DELETED", "{gone}");
    let fields = r#"{"headline": "Ferry is back"}"#;
    let corrected = curl(&["-X", "PATCH", "-d", fields], "articles/by-json?updateMask=headline").unwrap();
    assert_eq!(body(&corrected)["article"]["revision"], "2", "{corrected}");
    let etag = body(&corrected)["article"]["etag"].as_str().unwrap().to_owned();
    let unmodified = curl(&["-G", "--data-urlencode", &format!("unlessEtag={etag}")], "articles/by-json").unwrap();
    assert_eq!(body(&unmodified), json!({"notModified": true}), "{unmodified}");
    let revision = curl(&[], "articles/by-json/revisions/2").unwrap();
    assert_eq!(body(&revision)["revision"]["changedFields"], json!(["headline"]), "{revision}");
    let page = curl(&[], "articles?pageSize=10&readMask=name&filter.sources.anyOf=herald.example").unwrap();
    assert_eq!(body(&page)["articles"].as_array().unwrap().len(), 1, "{page}");
    let counting = json!({
        "query": "ferry", "aggregations": [{"values": {"field": "VALUE_FIELD_SOURCE"}}],
        "consistency": {"fullyConsistent": true}
    });
    let counted = curl(&["-d", &counting.to_string()], "articles:aggregate").unwrap();
    assert_eq!(body(&counted)["totalSize"], "2", "{counted}");
    let suggesting = "articles:suggest?field=VALUE_FIELD_SOURCE&prefix=her&consistency.fullyConsistent=true";
    let suggested = curl(&[], suggesting).unwrap();
    assert_eq!(body(&suggested)["suggestions"][0]["value"], "herald.example", "{suggested}");
    let missing = curl(&[], "articles/unknown").unwrap();
    assert!(missing.ends_with("\n404"), "{missing}");
    assert_eq!(body(&missing)["details"][0]["reason"], "ARTICLE_NOT_FOUND", "{missing}");
    let rejected = curl(&[], "articles?pageSize=-1").unwrap();
    assert!(rejected.ends_with("\n400") && rejected.contains("page_size"), "{rejected}");
    let exported = curl(&[], "articles:export?readMask=name").unwrap();
    assert_eq!(exported.lines().filter(|line| line.starts_with(r#"{"article""#)).count(), 2, "{exported}");
    drop(envoy);
    "got, ingested, corrected, listed, counted and exported as JSON; errors as JSON, with 404 and 400".to_owned()
}

/// Returns the configuration with the addresses of this test.
fn here(port: u16, server: &str, compiled: &Path) -> String {
    let mut config = include_str!("../../deploy/envoy.yaml").to_owned();
    let (host, server_port) = server.rsplit_once(':').unwrap();
    for (there, here) in [
        ("{address: 0.0.0.0, port_value: 8080}", format!("{{address: 127.0.0.1, port_value: {port}}}")),
        ("{address: copydesk, port_value: 50051}", format!("{{address: {host}, port_value: {server_port}}}")),
        ("proto_descriptor: copydesk.binpb", format!("proto_descriptor: {}", compiled.display())),
    ] {
        assert_eq!(config.matches(there).count(), 1, "{there}");
        config = config.replace(there, &here);
    }
    config
}
