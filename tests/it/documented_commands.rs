//! Runs the commands of the quick start, and compares their output: `make docs-check`.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::process::{Serve, copydesk, output};

/// A block of a page: its language and its text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut parts = page.split("```");
    parts.next();
    while let (Some(block), Some(_between)) = (parts.next(), parts.next()) {
        let (language, text) = block.split_once('\n').unwrap();
        blocks.push((language.to_owned(), text.to_owned()));
    }
    blocks
}

#[test]
fn the_quick_start_runs_as_written() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/quickstart.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(&dir.path().join("store"), &["--log-level", "error"]);
    symlink(copydesk(&[]).get_program(), dir.path().join("copydesk")).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let mut ran = 0;
    let mut printed = String::new();
    for (language, text) in blocks(&page) {
        // The server is started above; a watch does not end.
        if text.starts_with("copydesk serve") || text.starts_with("copydesk watch") {
            continue;
        }
        if language == "text" {
            // An ellipsis stands for what differs.
            for piece in text.split('…').map(str::trim).filter(|piece| !piece.is_empty()) {
                if !text.contains("ARTICLE_WITHDRAWN") {
                    assert!(printed.contains(piece), "{piece:?} is not in\n{printed}");
                }
            }
            continue;
        }
        assert_eq!(language, "sh");
        let mut command = Command::new("sh");
        command.args(["-e", "-c", &text]).current_dir(root).stdin(Stdio::null());
        command.env("PATH", &path).env("COPYDESK_ADDR", format!("http://{}", server.address)).env("NO_COLOR", "1");
        let (code, shown, errors) = output(command.output().unwrap());
        assert_eq!(code, 0, "{text}{shown}{errors}");
        printed = shown + &errors;
        ran += 1;
    }
    assert!(ran >= 5, "{ran}");
    // What the page says of the withdrawn article.
    let ingest =
        "copydesk ingest --url https://herald.example/local/lighthouse-stays-lit src/cli/demo/pages/lighthouse.html";
    let withdraw = "copydesk withdraw --url https://herald.example/local/lighthouse-stays-lit --reason x";
    let both = format!("{withdraw} >/dev/null\n{ingest}");
    let mut command = Command::new("sh");
    command.args(["-c", &both]).current_dir(root).env("PATH", &path);
    command.env("COPYDESK_ADDR", format!("http://{}", server.address));
    let (code, _, errors) = output(command.output().unwrap());
    assert!(code == 1 && errors.contains("was withdrawn") && errors.contains("[ARTICLE_WITHDRAWN]"), "{errors}");
}
