//! Permissions: folders and files are private to their owner for any umask and any command that creates them.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::process::{Serve, copydesk, output, run};

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages");

/// A command with a umask.
fn under(umask: &str, args: &[&str]) -> Command {
    let inner = copydesk(args);
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]);
    command.arg(inner.get_program()).args(inner.get_args()).stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        assert!(value.is_none(), "it only removes variables");
        command.env_remove(name);
    }
    command
}

/// Everything in a folder, with its mode.
fn modes(folder: &Path) -> BTreeMap<String, u32> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let metadata = std::fs::metadata(&path).unwrap();
        let name = path.strip_prefix(folder).unwrap().display().to_string();
        if metadata.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        let kind = if metadata.is_dir() { "/" } else { "" };
        found.insert(format!("{name}{kind}"), metadata.mode() & 0o7777);
    }
    // The tests' own.
    found.remove("/");
    found
}

#[track_caller]
fn private(folder: &Path, expected: &[&str]) {
    let found = modes(folder);
    // The files of the search index have what the umask leaves, in a folder that nobody else may enter.
    for (name, mode) in found.iter().filter(|(name, _)| name.ends_with('/') || !name.contains("/search/index/")) {
        let expected = if name.ends_with('/') { 0o700 } else { 0o600 };
        assert_eq!(*mode, expected, "{name} has {mode:04o}, of {found:?}");
    }
    for name in expected {
        assert!(found.contains_key(*name), "{name} is not among {found:?}");
    }
}

#[tokio::test]
async fn files_of_every_command_are_private_to_the_owner() {
    for umask in ["000", "022", "277"] {
        let dir = tempfile::tempdir().unwrap();
        let place = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let (data, log) = (place("made/data"), place("made/data/audit.jsonl"));
        let keys = |args: &[&str]| {
            let (code, made, errors) =
                output(under(umask, &[&["keys"], args, &["--data-dir", &data]].concat()).output().unwrap());
            assert_eq!(code, 0, "{errors}");
            made.trim().to_owned()
        };
        // The first commands to use the folder, and then the server.
        let (code, _, errors) = output(under(umask, &["migrate", "--data-dir", &data]).output().unwrap());
        assert_eq!(code, 0, "{errors}");
        let key = keys(&["create", "--scopes", "articles.write"]);
        private(dir.path(), &["made/", "made/data/", "made/data/keys.db"]);
        let flags = ["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--auth", "on", "--audit-log", &log];
        let serve = || Serve::spawn(under(umask, &[&flags[..], &["--data-dir", &data]].concat()), Stdio::null());
        let server = serve().unwrap();
        let mut ingest = copydesk(&["ingest", PAGES, "--addr", &server.address]);
        let (code, _, errors) = output(ingest.env("COPYDESK_TOKEN", &key).output().unwrap());
        assert_eq!(code, 0, "{errors}");
        keys(&["create", "--scopes", "articles.read"]);
        let all = ["lock", "articles.db", "articles.db-wal", "articles.db-shm", "keys.db", "search/", "search/lock"];
        let all: Vec<String> = all.iter().chain(&["audit.jsonl"]).map(|name| format!("made/data/{name}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        private(dir.path(), &all);
        server.kill();
        private(dir.path(), &all);
        // Files left by a kill are reused.
        drop(serve().unwrap());
        private(dir.path(), &all);
        for args in [
            &["copy", "--to", &format!("sqlite:{}", place("copy")), "--data-dir", &data][..],
            &["verify", "--data-dir", &place("copy")],
            &["migrate", "--data-dir", &place("new")],
        ] {
            let (code, _, errors) = output(under(umask, args).output().unwrap());
            assert_eq!(code, 0, "{args:?}: {errors}");
        }
        private(dir.path(), &["copy/", "copy/articles.db", "copy/lock", "new/articles.db"]);
    }
}

/// Operators may rely on them: `doctor` reports them, with the command that narrows them.
#[test]
fn wider_permissions_are_kept_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("the data");
    let flags = ["--data-dir", data.to_str().unwrap()];
    let audit = dir.path().join("audit.jsonl");
    std::fs::write(&audit, "").unwrap();
    let (code, _, errors) = run(&[&["migrate"], &flags[..]].concat());
    assert_eq!(code, 0, "{errors}");
    let look = || {
        let audit = ["--audit-log", audit.to_str().unwrap(), "--http-listen", "off", "--listen", "127.0.0.1:0"];
        run(&[&["doctor"], &flags[..], &audit].concat())
    };
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    set(&audit, 0o600);
    let (code, shown, errors) = look();
    assert_eq!((code, shown.contains("chmod")), (0, false), "{shown}{errors}");
    let wide =
        [(data.clone(), 0o755), (data.join("articles.db"), 0o644), (data.join("lock"), 0o660), (audit.clone(), 0o604)];
    for (path, mode) in &wide {
        set(path, *mode);
    }
    let (code, _, errors) = run(&[&["migrate"], &flags[..]].concat());
    assert_eq!(code, 0, "{errors}");
    let (code, shown, errors) = look();
    assert_eq!((code, shown.matches("advice ").count(), shown.matches("chmod").count()), (0, 4, 4), "{shown}{errors}");
    for (path, mode) in &wide {
        let (found, expected) = (path.display(), if path.is_dir() { "700" } else { "600" });
        assert!(shown.contains(&format!("{found} has mode {mode:04o}")), "{shown}");
        let quote = if *path == audit { "" } else { "'" };
        assert!(shown.contains(&format!("-> chmod {expected} {quote}{found}{quote}\n")), "{shown}");
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o7777, *mode, "{found}");
    }
}
