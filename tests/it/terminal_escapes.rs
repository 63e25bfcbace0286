//! File names that hold control characters: no message passes them on to the terminal.

use std::path::Path;

use crate::support::process::{Serve, run};

/// Clears a screen, renames a window, and begins another line.
const NAME: &str = "a\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\nb";
/// The same as messages show it.
const SHOWN: &str = "a\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{9b}31m\\nb";

/// Runs a command and returns its output, in which the name must be escaped.
#[track_caller]
fn shown(expected: i32, args: &[&str]) -> String {
    let (code, out, errors) = run(args);
    let all = out + &errors;
    assert_eq!(code, expected, "{args:?}: {all:?}");
    assert!(!all.chars().any(|letter| letter.is_control() && letter != '\n'), "{args:?}: {all:?}");
    assert!(all.contains(SHOWN), "{args:?}: {all:?}");
    all
}

#[tokio::test]
async fn messages_escape_terminal_control_characters() {
    let dir = tempfile::tempdir().unwrap();
    let named = dir.path().join(NAME);
    std::fs::create_dir(&named).unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    // A file where a folder should be, and one that holds nothing.
    let (blocked, empty) = (named.join("file/data"), named.join(format!("{NAME}.html")));
    std::fs::write(named.join("file"), "").unwrap();
    std::fs::write(&empty, "").unwrap();
    let (named, blocked, empty) = (path(&named), path(&blocked), path(&empty));

    for command in ["serve", "migrate", "doctor"] {
        shown(1, &[command, "--data-dir", &blocked]);
    }
    shown(2, &["verify", "--data-dir", &blocked]);
    shown(2, &["keys", "list", "--data-dir", &blocked]);
    shown(0, &["migrate", "--data-dir", &format!("{named}/data")]);
    shown(1, &["copy", "--data-dir", &format!("{named}/data"), "--to", &format!("sqlite:{blocked}")]);
    shown(0, &["doctor", "--data-dir", &format!("{named}/data"), "--listen", "127.0.0.1:0", "--http-listen", "off"]);
    shown(2, &["serve", "--config", &format!("{named}/none.toml")]);
    shown(2, &["serve", "--tls-cert", &empty, "--tls-key", &empty]);
    shown(2, &["serve", "--staleness-bound", NAME]);
    shown(2, &["health", "--ca", &format!("{named}/none.pem")]);
    shown(1, &["health", "--token-file", &format!("{named}/none")]);
    shown(1, &["descriptors", "--output", &format!("{named}/none/api.bin")]);

    let data = tempfile::tempdir().unwrap();
    let server = Serve::on(data.path(), &["--log-level", "error"]);
    let ingest = |file: &str| vec!["ingest".to_owned(), file.to_owned(), "--addr".to_owned(), server.address.clone()];
    for (code, file) in [(1, empty.as_str()), (2, &format!("{named}/none.html")), (2, &format!("{named}/folder"))] {
        if file.ends_with("folder") {
            std::fs::create_dir(file).unwrap();
        }
        let args = ingest(file);
        shown(code, &args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    // A folder that is not there any more is logged by its name.
    let moved = Serve::on(Path::new(&format!("{named}/data")), &[]);
    std::fs::rename(format!("{named}/data"), format!("{named}/aside")).unwrap();
    let args =
        ["ingest", concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages/bridge.html"), "--addr", &moved.address];
    assert_eq!(run(&args).0, 1);
    let log = moved.stop();
    assert!(log.contains(&SHOWN.replace('\\', "\\\\")) || log.contains(SHOWN), "{log:?}");
    assert!(!log.contains('\u{7}') && !log.contains('\u{9b}') && !log.contains("\u{1b}[2J"), "{log:?}");
}
