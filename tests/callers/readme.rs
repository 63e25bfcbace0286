//! The commands and the program of the README's chapter "Call it", run as written on empty servers; their output is
//! compared with the README's.

use std::path::Path;
use std::process::Command;

use crate::support::process::Serve;
use crate::{authority, said};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");
/// Server and folder of the README.
const ADDRESS: &str = "127.0.0.1:50051";
const FOLDER: &str = "/tmp/copydesk-python";
/// Names of values that differ from run to run.
const VOLATILE: [&str; 2] = ["\"score\"", "\"indexToken\""];

/// Runs the chapter. Returns the number of commands and programs.
pub fn run(tools: &Path) -> usize {
    let readme = std::fs::read_to_string(Path::new(REPOSITORY).join("README.md")).unwrap();
    let (_, chapter) = readme.split_once("\n## Call it\n").unwrap();
    let (chapter, _) = chapter.split_once("\n### From other languages\n").unwrap();
    let (grpcurl, python) = chapter.split_once("\n### From Python\n").unwrap();
    shell(grpcurl, tools) + program(python)
}

/// Runs the blocks of shell commands, and compares each with the block of output behind it.
fn shell(chapter: &str, tools: &Path) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &[]);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let (mut ran, mut printed) = (0, String::new());
    for (language, text) in blocks(chapter) {
        if language == "json" {
            compare(text, &printed);
            continue;
        }
        printed.clear();
        for command in
            text.replace(ADDRESS, authority(&server)).split_inclusive("grpcurl ").filter(|part| *part != "grpcurl ")
        {
            let command = format!("grpcurl {}", command.trim_end_matches("grpcurl ").trim_end());
            // A watch does not end.
            let command = if command.contains("WatchArticles") {
                format!("timeout 2 {command} || [ $? -eq 124 ]")
            } else {
                command
            };
            printed += &said(Command::new("sh").args(["-e", "-c", &command]).env("PATH", &path), "").unwrap();
            ran += 1;
        }
    }
    ran
}

/// Runs the Python program, in an environment made by the shell block before it.
fn program(chapter: &str) -> usize {
    let (store, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Serve::on(store.path(), &[]);
    let mut blocks = blocks(chapter).into_iter().map(|(_, text)| text);
    let (setup, program, output) = (blocks.next().unwrap(), blocks.next().unwrap(), blocks.next().unwrap());
    let program = program.replace(ADDRESS, authority(&server));
    let file = folder.path().join("readme.py");
    std::fs::write(&file, program).unwrap();
    let setup = setup.replace(FOLDER, folder.path().to_str().unwrap());
    let script = format!(
        "({setup}) >&2\n. {0}/bin/activate\nexport PYTHONPATH={0}\npython {1}",
        folder.path().display(),
        file.display()
    );
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &script]).current_dir(REPOSITORY).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    let printed = said(&mut command, "").unwrap();
    assert_eq!(printed.trim(), output.trim());
    1
}

/// Returns the blocks of code with their languages.
fn blocks(chapter: &str) -> Vec<(&str, &str)> {
    let parts: Vec<&str> = chapter.split("```").collect();
    parts.chunks_exact(2).map(|pair| pair[1].split_once('\n').unwrap()).collect()
}

/// Compares output with an abridged one: each line, without blanks, and in parts where an ellipsis stands for a rest.
fn compare(abridged: &str, printed: &str) {
    let without_blanks = |text: &str| text.split_whitespace().collect::<String>();
    let printed = without_blanks(printed);
    let lines = abridged.lines().filter(|line| !VOLATILE.iter().any(|name| line.contains(name)));
    for part in lines.flat_map(|line| line.split('…')) {
        let part = without_blanks(part);
        let part = part.trim_matches(|c: char| !c.is_alphanumeric());
        assert!(printed.contains(part), "{part:?} is not in the output:\n{printed}");
    }
}
