//! The commands on a terminal: aligned tables, text for people, colours, the banner. `script` opens the terminal.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use crate::support::process::{Serve, copydesk, output, run};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages/lighthouse.html");

/// Returns a shell command on a terminal, without the settings in the tests' environment.
fn script(command: &str) -> Command {
    let mut script = Command::new("script");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COPYDESK_")) {
        script.env_remove(name);
    }
    script.args(["-qefc", command, "/dev/null"]);
    script
}

/// Runs a command on a terminal. Returns its exit code and output.
fn on_terminal(args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let program = copydesk(&[]).get_program().to_string_lossy().into_owned();
    let quoted: Vec<String> = [program.as_str()].iter().chain(args).map(|arg| format!("'{arg}'")).collect();
    let mut command = script(&quoted.join(" "));
    command.stdin(Stdio::null()).env_remove("NO_COLOR").envs(variables.iter().copied());
    let (code, shown, _) = output(command.output().unwrap());
    // A terminal ends lines with CR LF.
    (code, shown.replace("\r\n", "\n"))
}

#[tokio::test]
async fn tables_are_aligned_under_a_head_on_a_terminal_and_tab_separated_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--log-level", "error"]);
    let list = ["list", "--addr", &server.address];
    let (code, shown) = on_terminal(&list, &[]);
    assert!(code == 0 && shown.contains("no articles"), "{shown}");

    assert_eq!(run(&["ingest", "--addr", &server.address, PAGE]).0, 0);
    let (_, plain, _) = run(&list);
    let row: Vec<&str> = plain.trim_end().split('\t').collect();
    assert!(row.len() > 2 && !plain.contains('\u{1b}'), "{plain}");
    let (code, shown) = on_terminal(&list, &[("NO_COLOR", "1")]);
    let lines: Vec<&str> = shown.trim_end().lines().collect();
    assert!(code == 0 && lines.len() == 2 && !shown.contains(['\t', '\u{1b}']), "{shown}");
    // Each cell begins below the head of its column.
    let heads = lines[0].split("  ").filter(|head| !head.is_empty()).count();
    assert!(heads == row.len() && row.iter().all(|cell| lines[1].contains(cell)), "{shown}");
    let (_, coloured) = on_terminal(&list, &[]);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
}

#[test]
fn extract_prints_text_on_a_terminal_and_json_elsewhere() {
    let (_, json, _) = run(&["extract", PAGE]);
    assert!(json.starts_with('{'), "{json}");
    let (code, text) = on_terminal(&["extract", PAGE], &[("NO_COLOR", "1")]);
    assert!(code == 0 && text.starts_with("Lowmouth lighthouse to stay lit"), "{text}");
    assert!(text.contains("Hanna Reed") && !text.contains("Related stories"), "{text}");
    let (_, explained) = on_terminal(&["extract", "--explain", PAGE], &[]);
    assert!(explained.contains("[cut: teasers]") && explained.contains("Related stories"), "{explained}");
}

#[test]
fn the_banner_names_addresses_store_and_the_next_command() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let program = copydesk(&[]).get_program().to_string_lossy().into_owned();
    let serve = format!("'{program}' serve --data-dir '{data}' --listen 127.0.0.1:0 --http-listen 127.0.0.1:0");
    let mut child = script(&serve).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut shown = String::new();
    while !shown.contains("Ctrl-C") {
        let line = lines.next().unwrap_or_else(|| panic!("ended after {shown}"));
        shown += &(line.unwrap() + "\n");
    }
    // The key of an interrupt: the terminal sends the signal.
    child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    lines.for_each(drop);
    child.wait().unwrap();
    for part in ["calls    http://127.0.0.1:", "(not authenticated, unencrypted)", "metrics  http://", data] {
        assert!(shown.contains(part), "{part} is not in {shown}");
    }
    assert!(shown.contains("copydesk list --addr http://127.0.0.1:"), "{shown}");
}
