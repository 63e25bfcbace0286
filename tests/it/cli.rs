//! The commands, as a person and a script use them.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;

use crate::support::process::{Serve, copydesk, output, run};
use crate::support::redis_server::free_port;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages");

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn with_input(args: &[&str], input: &str) -> (i32, String, String) {
    let mut child = copydesk(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    output(child.wait_with_output().unwrap())
}

#[test]
fn the_demo_prints_the_expected_lines() {
    let (code, shown, errors) = run(&["demo", "--once", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]);
    assert_eq!(code, 0, "{errors}");
    for words in [
        "UNCHANGED  same HTML page, fetched again",
        "DUPLICATE  same wire story, other publisher",
        "TEASERS            Top stories",
        "Разводной мост в Новоозерске откроют раньше срока",
        "Harbour fees to rise by 6 percent in January",
        "WITHDRAWN  its kill",
        "part of it 35 sailors back on board as night ferries return",
        "withdrawn: the article and 3 copies",
        "ARTICLE_WITHDRAWN",
    ] {
        assert!(shown.contains(words), "no {words:?} in\n{shown}");
    }
    // The server has ended.
    assert!(!shown.contains("Commands to try"), "{shown}");
    let created = shown.lines().filter(|line| line.starts_with("CREATED")).count();
    assert_eq!(created, 9, "{shown}");
}

#[test]
fn invalid_settings_are_rejected_by_name() {
    let (code, _, errors) = run(&["serve", "--staleness-bound", "soon"]);
    assert_eq!(code, 2);
    assert!(errors.contains("staleness-bound") && errors.contains("soon") && errors.contains("500ms"), "{errors}");
    let (code, _, errors) = run(&["serve", "--lisen", "127.0.0.1:0"]);
    assert_eq!(code, 2);
    assert!(errors.contains("--lisen"), "{errors}");
    let (code, _, errors) = output(copydesk(&["config"]).env("COPYDESK_LISEN", "x").output().unwrap());
    assert_eq!(code, 2);
    assert!(errors.contains("COPYDESK_LISEN"), "{errors}");
    let (code, _, errors) = run(&["serve", "--log-level", "loud=quiet=x"]);
    assert_eq!(code, 2);
    assert!(errors.contains("log-level"), "{errors}");
}

#[test]
fn config_prints_effective_settings_without_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("copydesk.toml");
    std::fs::write(&file, "cache-bytes = \"1MiB\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
    let mut command = copydesk(&["config", "--listen", "127.0.0.1:3", "--config", file.to_str().unwrap()]);
    let (code, shown, errors) = output(command.env("COPYDESK_MAX_PAGE_SIZE", "7").output().unwrap());
    assert_eq!(code, 0, "{errors}");
    let parsed: toml::Table = shown.parse().unwrap();
    assert_eq!(parsed["listen"].as_str(), Some("127.0.0.1:3"));
    assert_eq!(parsed["cache-bytes"].as_str(), Some("1MiB"));
    assert_eq!(parsed["max-page-size"].as_str(), Some("7"));
    assert!(shown.contains("# flag --listen") && shown.contains("# environment COPYDESK_MAX_PAGE_SIZE"), "{shown}");
    let (_, _, errors) = run(&["config", "--store", "postgres://desk:hunter2@db.example/news"]);
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn extract_needs_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let packed = dir.path().join("lighthouse.v2.html.gz");
    let mut encoder = GzEncoder::new(std::fs::File::create(&packed).unwrap(), Compression::fast());
    encoder.write_all(&std::fs::read(Path::new(PAGES).join("lighthouse.html")).unwrap()).unwrap();
    encoder.finish().unwrap();
    let empty = dir.path().join("empty.html");
    std::fs::write(&empty, "").unwrap();
    let (code, shown, errors) = run(&[
        "extract",
        "--format",
        "benchmark",
        packed.to_str().unwrap(),
        &format!("{PAGES}/ferry-talks.txt"),
        empty.to_str().unwrap(),
    ]);
    // One of them holds no article: that is said, and harms no other.
    assert_eq!(code, 1, "{errors}");
    let found = lines(&shown);
    assert_eq!(
        found.iter().map(|it| it["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["lighthouse", "ferry-talks", "empty"]
    );
    assert_eq!(found[0]["title"], "Lowmouth lighthouse to stay lit after keepers' petition");
    assert_eq!(found[0]["authors"], serde_json::json!(["Hanna Reed", "Tom Okoro"]));
    assert_eq!(found[0]["date"], "2026-10-12T07:30:00+01:00");
    assert_eq!(found[0]["agency"], "Northline");
    assert_eq!(found[0]["dateline"]["place"], "LOWMOUTH");
    let body = found[0]["articleBody"].as_str().unwrap();
    assert!(body.starts_with("The light on Gull Point will not be switched off"), "{body}");
    assert!(body.ends_with("if the board let her."), "{body}");
    for furniture in ["Share on", "newsletter", "Read more", "Related", "gull_fan", "All rights", "cookies"] {
        assert!(!body.contains(furniture), "{furniture}");
    }
    let dump = found[1]["articleBody"].as_str().unwrap();
    assert_eq!(dump.split("\n\n").count(), 7, "{dump}");
    assert!(found[2]["error"].is_string());
}

#[test]
fn ingested_files_are_exported_and_reingested() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Serve::on(first.path(), &["--log-level", "error"]);
    let addr = ["--addr", server.address.as_str()];
    let call = |args: &[&str]| run(&[args, &addr].concat());

    let (code, _, stderr) = call(&["ingest", PAGES]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains("8 created"), "{stderr}");
    let (_, _, stderr) = call(&["ingest", PAGES]);
    assert!(stderr.contains("9 unchanged"), "{stderr}");

    let (_, shown, _) = call(&["list", "--json", "--order-by", "create_time asc"]);
    let listed = lines(&shown);
    assert_eq!(listed.len(), 9);
    let name = listed[0]["name"].as_str().unwrap();
    let (_, shown, _) = call(&["get", name.strip_prefix("articles/").unwrap()]);
    assert!(shown.contains(listed[0]["headline"].as_str().unwrap()), "{shown}");
    let (_, shown, _) = call(&["get", "--json", "--fields", "headline", name, listed[1]["name"].as_str().unwrap()]);
    assert_eq!(lines(&shown).len(), 2);
    let (code, _, stderr) = call(&["get", "articles/none"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("articles/none") && stderr.contains("ARTICLE_NOT_FOUND"), "{stderr}");
    let (code, shown, stderr) = call(&["get", "--url", "https://herald.example/local/lighthouse-stays-lit"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(shown.contains("Lowmouth lighthouse"), "{shown}");

    let newest = listed.last().unwrap()["changeToken"].as_str().unwrap();
    let (_, shown, _) = call(&["search", "--json", "--at-least", newest, "gull", "point"]);
    assert_eq!(lines(&shown)[0]["article"]["source"], "herald.example");
    let (code, shown, _) = call(&["watch", "--from-beginning", "--limit", "9"]);
    assert_eq!((code, shown.lines().filter(|line| line.starts_with("CREATED")).count()), (0, 9), "{shown}");

    let (_, exported, stderr) = call(&["export"]);
    assert!(stderr.contains("exported 9 articles"), "{stderr}");
    assert_eq!(call(&["health"]).1, "SERVING\n");
    server.stop();

    // The export of one server is ingested by another, under the same names.
    let server = Serve::on(second.path(), &["--log-level", "error"]);
    let addr = ["--addr", server.address.as_str()];
    let (code, answers, stderr) = with_input(&[&["ingest", "--json", "-"][..], &addr].concat(), &exported);
    assert_eq!(code, 0, "{stderr}");
    let names = |lines: &[Value], at: &str| -> Vec<String> {
        lines.iter().map(|line| line.pointer(at).unwrap().as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&lines(&answers), "/ingested/results/0/ingested/article/name"), names(&lines(&exported), "/name"));
    let (code, _, stderr) = with_input(&[&["ingest", "-"][..], &addr].concat(), "{\"text\": \"\"}\n{\"txt\": 1}\n");
    assert_eq!(code, 1);
    assert!(stderr.contains("-:1: document.text: must not be empty"), "{stderr}");
    assert!(stderr.contains("-:2: ") && stderr.contains("txt"), "{stderr}");
}

#[test]
fn articles_are_searched_counted_and_suggested() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--log-level", "error"]);
    let call = |args: &[&str]| run(&[args, &["--addr", server.address.as_str()]].concat());
    assert_eq!(call(&["ingest", PAGES]).0, 0);
    let fresh = "--fresh";

    let (code, shown, notes) = call(&["search", fresh, "--total", "--limit", "1", "storms", "-rescue"]);
    assert_eq!((code, shown.matches("articles/").count()), (0, 1), "{notes}");
    assert!(notes.contains("3 articles match"), "{notes}");
    let (_, shown, _) = call(&["search", fresh, "--json", "headline:storm*", "--order-by", "publish_time asc"]);
    let times: Vec<String> = lines(&shown).iter().map(|line| line["article"]["publishTime"].to_string()).collect();
    assert!(times.len() == 2 && times.is_sorted(), "{shown}");
    let flags =
        ["--search-in", "headline,names", "--query-language", "en", "--half-life", "2d", "--recency-weight", "0"];
    let (code, shown, errors) = call(&[&["search", fresh, "keepers"], &flags[..]].concat());
    assert!(code == 0 && shown.contains("Lowmouth lighthouse"), "{errors}");
    let (code, _, errors) = call(&["search", fresh, "harbour ("]);
    assert!(code == 1 && errors.contains("query: at character 9"), "{errors}");

    assert_eq!(call(&["count", fresh]).1, "9\n");
    assert_eq!(call(&["count", fresh, "storms", "-rescue"]).1, "3\n");
    let (_, shown, _) = call(&["count", fresh, "--by", "source", "--by", "day", "--limit", "1"]);
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split('\t').collect()).collect();
    let expected = [["source", "courier.example", "2"], ["source", "(other)", "7"]];
    assert_eq!(rows[..2], expected.map(|row| row.to_vec()), "{shown}");
    assert!(rows[2][0] == "day" && rows[2][1].len() == "2026-10-16".len(), "{shown}");
    assert_eq!(rows.last().unwrap()[..], ["total", "", "9"], "{shown}");
    let zone = ["--time-zone", "Pacific/Auckland", "--until", "2026-10-13"];
    let (_, shown, _) = call(&[&["count", fresh, "--by", "hour", "--by", "month", "--json"], &zone[..]].concat());
    let counts = &lines(&shown)[0];
    assert_eq!(counts["results"][0]["buckets"][0]["startTime"], "2026-10-12T06:00:00Z", "{shown}");
    let (_, shown, _) = call(&[&["count", fresh, "--by", "hour", "--by", "month"], &zone[..]].concat());
    assert_eq!(shown, "hour\t2026-10-12T19:00+13:00\t1\nmonth\t2026-10\t1\ntotal\t\t1\n");
    for invalid in [&["--by", "year"][..], &["--by", "day", "--time-zone", "Nowhere"], &["--limit", "0"]] {
        assert_eq!(call(&[&["count"], invalid].concat()).0, 2, "{invalid:?}");
    }

    let (_, shown, _) = call(&["suggest", fresh, "source", "courier"]);
    assert!(shown.starts_with("courier.example\t2\n"), "{shown}");
    let (_, shown, _) = call(&["suggest", fresh, "headline-word", "ligh", "--language", "en", "--json"]);
    assert_eq!(lines(&shown)[0], serde_json::json!({"value": "lighthouse", "articleCount": "1"}));
    let (code, shown, notes) = call(&["suggest", fresh, "tag", "xyzzy"]);
    assert_eq!((code, shown.as_str()), (0, ""));
    assert!(notes.contains("no values match"), "{notes}");
    assert_eq!(call(&["suggest", "state", "a"]).0, 2);

    let (_, shown, _) = call(&["list", fresh, "--json", "--text", "storms", "--limit", "1"]);
    let name = lines(&shown)[0]["name"].as_str().unwrap().to_owned();
    let (code, shown, notes) = call(&["related", fresh, "--json", &name]);
    assert!(code == 0 && lines(&shown).iter().all(|line| line["article"]["name"] != name.as_str()), "{shown}{notes}");
    let (code, _, errors) = call(&["related", "articles/no-such-article"]);
    assert!(code == 1 && errors.contains("no-such-article"), "{errors}");
}

#[test]
fn health_waits_for_a_server_that_starts() {
    let dir = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let url = format!("http://{address}");
    let mut waiting = copydesk(&["health", "--wait", "60s", "--addr", &url]);
    let waiting = std::thread::spawn(move || waiting.output().unwrap());
    let (code, _, errors) = run(&["health", "--addr", &url]);
    assert!(code == 1 && errors.contains("connection refused"), "{errors}");
    let _server = Serve::on_ports(dir.path(), &["--listen", &address, "--http-listen", "off"]);
    let (code, shown, errors) = output(waiting.join().unwrap());
    assert_eq!((code, shown.as_str()), (0, "SERVING\n"), "{errors}");
}

#[test]
fn commands_report_an_unreachable_server() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, _, errors) = run(&["health", "--addr", &format!("http://{port}")]);
    assert_eq!(code, 1);
    assert!(errors.contains(&port.to_string()) && errors.contains("copydesk serve"), "{errors}");
    let (code, _, errors) = run(&["health", "--addr", "not an address"]);
    assert_eq!(code, 2);
    assert!(errors.contains("http://127.0.0.1:50051"), "{errors}");
}

#[test]
fn migrate_upgrades_the_files_and_version_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let (code, shown, errors) = run(&["migrate", "--data-dir", dir.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("schema is up to date"), "{shown}");
    assert!(dir.path().join("articles.db").exists());
    assert_eq!(run(&["version"]).1, format!("copydesk {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_closed_stdout_is_no_error() {
    let mut child = copydesk(&["config", "--list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (code, _, errors) = output(child.wait_with_output().unwrap());
    assert_eq!((code, errors.as_str()), (0, ""));
}
