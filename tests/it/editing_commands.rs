//! The editors' commands: `correct`, `withdraw`, `reinstate`, `delete`, `undelete`, `revisions`.

use std::os::unix::fs::PermissionsExt;

use crate::support::process::{Serve, copydesk, output, run};

const PAGE: &str = "<html lang=en><head><title>Ferry fares to fall</title></head><body><article><h1>Ferry fares to \
    fall</h1><p>Fares on the Lowmouth ferry will fall by a tenth in May, the harbour board said on Monday.</p><p>It is \
    the first cut in nine years, and it should bring back those who took to the new bridge.</p></article>";
const URL: &str = "https://ellery-herald.example/ferry-fares";

/// A server with one article, and the commands that call it.
struct Desk {
    server: Serve,
    dir: tempfile::TempDir,
}

impl Desk {
    fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = Serve::on(&dir.path().join("store"), &["--log-level", "error"]);
        let desk = Self { server, dir };
        assert!(desk.call(&["ingest", &desk.page(), "--url", URL]).2.contains("1 created"));
        desk
    }

    fn page(&self) -> String {
        let path = self.dir.path().join("page.html");
        std::fs::write(&path, PAGE).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn call(&self, args: &[&str]) -> (i32, String, String) {
        run(&[args, &["--addr", &self.server.address]].concat())
    }

    fn succeed(&self, args: &[&str]) -> String {
        let (code, shown, errors) = self.call(args);
        assert_eq!(code, 0, "{args:?}: {errors}");
        shown
    }
}

#[test]
fn an_article_is_corrected_withdrawn_and_brought_back() {
    let desk = Desk::open();
    let set = ["--set", "headline=Ferry fares to fall in May", "--set", "dateline.place=PORT ELLERY"];
    let dry = desk.succeed(&[&["correct", "--url", URL, "--dry-run"], &set[..]].concat());
    assert!(dry.contains("dry run"), "{dry}");
    let corrected =
        desk.succeed(&[&["correct", "--url", URL, "--reason", "The month was missing."], &set[..]].concat());
    assert!(corrected.contains("revision 2  ACTIVE  Ferry fares to fall in May"), "{corrected}");
    let name = corrected.split_whitespace().next().unwrap().to_owned();

    let listed = desk.succeed(&["revisions", &name]);
    let newest: Vec<&str> = listed.lines().next().unwrap().split('\t').collect();
    assert_eq!((newest[0], newest[1], newest[4]), ("2", "REVISED", "The month was missing."), "{listed}");
    assert!(newest[3].contains("headline") && newest[3].contains("dateline"), "{listed}");
    let diff = desk.succeed(&["revisions", "--url", URL, "--diff"]);
    assert!(diff.contains("headline: [-Ferry fares to fall-]{+Ferry fares to fall in May+}"), "{diff}");

    // By another spelling of the address.
    let withdrawn = desk.succeed(&[
        "withdraw",
        "--url",
        "http://www.ellery-herald.example/ferry-fares?utm_source=x",
        "--reason",
        "A complaint.",
    ]);
    assert!(withdrawn.contains("revision 3  WITHDRAWN"), "{withdrawn}");
    let (code, _, errors) = desk.call(&["get", &name]);
    assert!(code == 1 && errors.contains("ARTICLE_WITHDRAWN"), "{errors}");
    let (code, _, errors) = desk.call(&["ingest", &desk.page(), "--url", URL]);
    assert!(code == 1 && errors.contains("1 rejected"), "{errors}");
    assert!(desk.succeed(&["reinstate", &name]).contains("revision 4  ACTIVE"));
    assert!(desk.succeed(&["delete", &name, "--reason", "Moved."]).contains("DELETED"));
    let hidden = desk.succeed(&["revisions", &name, "--any-state", "--limit", "1"]);
    assert!(hidden.contains("DELETED") && hidden.contains("Moved."), "{hidden}");
    assert!(desk.succeed(&["undelete", "--url", URL]).contains("ACTIVE"));

    let (code, _, errors) = desk.call(&["correct", &name, "--set", "colour=red"]);
    assert!(code == 2 && errors.contains("colour"), "{errors}");
    let (code, _, errors) = desk.call(&["correct", &name, "--set", "url=https://other.example/"]);
    assert!(code == 1 && errors.contains("url"), "{errors}");
}

#[test]
fn an_editor_program_opens_the_article() {
    let desk = Desk::open();
    let script = desk.dir.path().join("editor.sh");
    std::fs::write(&script, "#!/bin/sh\nsed -i 's/Ferry fares to fall/Ferry fares to fall in May/' \"$1\"\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let with_editor = |editor: &str| {
        let mut command = copydesk(&["correct", "--url", URL, "--addr", &desk.server.address]);
        output(command.env_remove("VISUAL").env("EDITOR", editor).output().unwrap())
    };
    let (code, shown, errors) = with_editor(script.to_str().unwrap());
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("revision 2  ACTIVE  Ferry fares to fall in May"), "{shown}");
    let (code, _, errors) = with_editor("true");
    assert!(code == 1 && errors.contains("nothing was changed"), "{errors}");
    let (code, _, errors) = with_editor("false");
    assert!(code == 1 && errors.contains("nothing is changed"), "{errors}");
    let (code, _, errors) = with_editor("");
    assert!(code == 2 && errors.contains("--set"), "{errors}");
}

#[test]
fn lists_are_for_scripts_and_say_when_nothing_matches() {
    let desk = Desk::open();
    let listed = desk.succeed(&["list"]);
    assert_eq!(listed.lines().next().unwrap().split('\t').count(), 3, "{listed}");
    let (_, shown, note) = desk.call(&["list", "--source", "none.example"]);
    assert!(shown.is_empty() && note.contains("no articles match"), "{note}");
    // Words with one dash are exclusions, without quotes.
    desk.succeed(&["search", "--fresh", "ferry"]);
    let (_, shown, note) = desk.call(&["search", "ferry", "-fares"]);
    assert!(shown.is_empty() && note.contains("no articles match"), "{shown}{note}");
    assert!(!desk.succeed(&["search", "ferry", "-sport"]).contains("score"));
}

#[test]
fn kept_documents_are_printed_and_extracted_again() {
    let desk = Desk::open();
    assert_eq!(desk.succeed(&["source", "--url", URL]), PAGE);
    assert_eq!(desk.succeed(&["source", "--url", URL, "--revision", "1"]), PAGE);
    let report: serde_json::Value = serde_json::from_str(&desk.succeed(&["source", "--url", URL, "--report"])).unwrap();
    assert_eq!(report["method"], "EXTRACTION_METHOD_HTML");
    let (code, _, errors) = desk.call(&["source", "--url", URL, "--revision", "7"]);
    assert!(code == 1 && errors.contains("no kept document"), "{errors}");

    let same = "0 changed, 0 unchanged, 1 of this version, 0 without a document, 0 failed";
    assert_eq!(desk.succeed(&["reprocess"]).trim_end(), same);
    desk.succeed(&["correct", "--url", URL, "--set", "section=Harbour"]);
    let tried = desk.succeed(&["reprocess", "--all", "--dry-run", "--rate", "1000"]);
    assert!(tried.starts_with("0 would change, 1 unchanged"), "{tried}");
    assert!(desk.succeed(&["reprocess", "--source", "other.example"]).starts_with("0 changed, 0 unchanged, 0 of"));
    assert_eq!(desk.call(&["reprocess", "--rate", "0"]).0, 2);
}
