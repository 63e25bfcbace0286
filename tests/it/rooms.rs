//! The rooms (modules) of `src/` import only lower ones, and the client crate stays small.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Each room, from the lowest up, with the rooms that it may import. Only `server` may name the cache, which keeps the
/// cache a decorator: every other room has a store.
const ROOMS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("files", &[]),
    ("printable", &[]),
    ("random", &[]),
    ("telemetry", &[]),
    ("overload", &["telemetry"]),
    ("tls", &["printable"]),
    ("article", &["proto"]),
    ("extract", &["proto", "article"]),
    ("store", &["proto", "files", "printable", "tls", "overload", "telemetry", "article"]),
    ("access", &["files", "printable", "tls", "overload", "store"]),
    ("cache", &["proto", "random", "tls", "overload", "telemetry", "article", "store"]),
    ("ingest", &["proto", "overload", "telemetry", "article", "extract", "store"]),
    ("search", &["proto", "files", "printable", "overload", "telemetry", "article", "store"]),
    ("read_counts", &["telemetry", "article", "store"]),
    ("stories", &["proto", "overload", "telemetry", "article", "store", "read_counts"]),
    ("retrieve", &["proto", "article", "store", "search", "read_counts", "stories"]),
    ("grpc", &["proto", "telemetry", "access", "article", "store", "stories", "ingest", "retrieve"]),
    (
        "server",
        &[
            "proto",
            "printable",
            "random",
            "overload",
            "telemetry",
            "access",
            "tls",
            "article",
            "extract",
            "store",
            "search",
            "read_counts",
            "stories",
            "cache",
            "ingest",
            "retrieve",
            "grpc",
        ],
    ),
    (
        "config",
        &[
            "printable",
            "telemetry",
            "access",
            "article",
            "extract",
            "store",
            "search",
            "cache",
            "ingest",
            "retrieve",
            "server",
        ],
    ),
    (
        "cli",
        &[
            "proto",
            "files",
            "printable",
            "telemetry",
            "access",
            "article",
            "extract",
            "store",
            "search",
            "cache",
            "ingest",
            "retrieve",
            "grpc",
            "server",
            "config",
        ],
    ),
];

/// Rooms that may name the crate `copydesk_client`: commands, which call servers, and those that re-export what client
/// and server share.
const CLIENT_USERS: &[&str] = &["cli", "proto"];

/// Packages of stores, caches and extraction. The client must not compile them.
const SERVER_ONLY: &[&str] = &["copydesk", "rusqlite", "libsqlite3-sys", "tokio-postgres", "redis", "html5ever"];

#[test]
fn modules_import_only_lower_modules() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    assert!(files.len() > ROOMS.len(), "found too few files to have looked in the right folder: {files:?}");
    let mut arrows = 0;
    let mut violations = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&src).unwrap();
        let Some((room, allowed)) = room_of(inside) else { continue };
        let text = std::fs::read_to_string(file).unwrap();
        for (line, imported) in imports(&text, inside.components().count()) {
            arrows += 1;
            if imported != room && !allowed.contains(&imported.as_str()) {
                violations.push(format!("src/{}:{line}: {room} must not import {imported}", inside.display()));
            }
        }
    }
    assert!(arrows > 50, "found only {arrows} imports: the scan no longer understands the code");
    assert!(violations.is_empty(), "imports of higher rooms:\n{}", violations.join("\n"));
}

#[test]
fn only_commands_call_servers() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut users = BTreeSet::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap().replace("copydesk_client::grpc_timeout", "");
        if text.contains("copydesk_client") {
            users.extend(room_of(file.strip_prefix(&src).unwrap()).map(|(room, _)| room));
        }
    }
    assert_eq!(users, CLIENT_USERS.iter().copied().collect(), "rooms that name copydesk_client");
}

#[test]
fn the_client_crate_depends_on_no_store_and_no_parser() {
    let client = dependencies("copydesk-client");
    assert!(client.contains("tonic"), "found no tonic below the client: {client:?}");
    let server = dependencies("copydesk");
    for package in &SERVER_ONLY[1..] {
        assert!(server.contains(*package), "{package} is no dependency of the server any more: name its successor");
    }
    let found: Vec<_> = SERVER_ONLY.iter().filter(|package| client.contains(**package)).collect();
    assert!(found.is_empty(), "copydesk-client depends on {found:?}");
}

/// Returns the packages that a member of the workspace depends on, directly or not, by Cargo.lock: for any platform,
/// for any feature in use, and for builds and tests too.
fn dependencies(member: &str) -> BTreeSet<String> {
    let lock = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let mut found = BTreeSet::new();
    let mut pending = vec![member.to_owned()];
    while let Some(name) = pending.pop() {
        // Versions of one package are taken together.
        for package in packages.iter().filter(|package| package["name"].as_str() == Some(&name)) {
            let needed = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
            for dependency in needed.filter_map(toml::Value::as_str) {
                let name = dependency.split(' ').next().unwrap_or(dependency).to_owned();
                if found.insert(name.clone()) {
                    pending.push(name);
                }
            }
        }
    }
    found
}

#[test]
fn allowed_imports_are_lower_modules() {
    for (index, (room, allowed)) in ROOMS.iter().enumerate() {
        for import in *allowed {
            assert!(
                ROOMS[..index].iter().any(|(lower, _)| lower == import),
                "{room} lists {import}, which is not lower"
            );
        }
    }
}

#[test]
fn the_scan_finds_every_form_of_import() {
    let code = "use crate::store::Store;\n\
        // crate::server::Server in a comment\n\
        use crate::{article::Record, cache::{LocalCache, Other},\n    grpc};\n\
        fn f() -> crate::ingest::Ingestion { super::super::cli::run() }\n";
    let found: Vec<(usize, String)> = imports(code, 2).collect();
    let expected = [(1, "store"), (3, "article"), (3, "cache"), (3, "grpc"), (5, "ingest"), (5, "cli")]
        .map(|(l, r)| (l, r.into()));
    assert_eq!(found, expected);
}

pub fn rust_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Returns the room of a file. `lib.rs` and `main.rs` have none: they name the rooms.
fn room_of(inside: &Path) -> Option<(&'static str, &'static [&'static str])> {
    let first = inside.components().next()?.as_os_str().to_str()?;
    let name = first.trim_end_matches(".rs");
    if matches!(name, "lib" | "main") {
        return None;
    }
    let room = ROOMS.iter().find(|(room, _)| *room == name);
    Some(*room.unwrap_or_else(|| panic!("src/{first} is an unknown room: add it to ROOMS in tests/it/rooms.rs")))
}

/// Returns the rooms named in a file's code, each with its line: after `crate::`, or after enough `super::` to reach
/// them. `depth` is the number of folders and files that lead to the code: 1 for `src/proto.rs`, 2 for
/// `src/article/id.rs`.
fn imports(text: &str, depth: usize) -> impl Iterator<Item = (usize, String)> {
    // Comments may name any room.
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut found = Vec::new();
    let roots = ["crate::".to_owned(), "super::".repeat(depth)];
    for root in &roots {
        for (at, _) in code.match_indices(root.as_str()) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let rest = &code[at + root.len()..];
            let is_super = root.starts_with("super");
            let names = if rest.starts_with('{') { heads(rest) } else { vec![word(rest)] };
            // After `super::` only the name identifies a room: `super::super::id` is an item of the room itself.
            let names = names.into_iter().filter(|name| !is_super || ROOMS.iter().any(|(room, _)| room == name));
            found.extend(names.map(|name| (line, name)));
        }
    }
    found.sort_by_key(|(line, _)| *line);
    found.into_iter()
}

/// Returns the first name of each path in `{a::b, c::{d, e}, f}`.
fn heads(text: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = Vec::new();
    let mut expecting = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => {
                depth += 1;
                expecting = depth == 1;
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ',' => expecting = depth == 1,
            _ if expecting && !letter.is_whitespace() => {
                names.push(word(&text[at..]));
                expecting = false;
            }
            _ => {}
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect()
}
