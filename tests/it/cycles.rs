//! The files and folders within each folder of `src/` do not depend on each other in a cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::rooms::rust_files;

type Module = Vec<String>;

#[test]
fn no_folder_has_a_dependency_cycle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let text = |file| std::fs::read_to_string(file).unwrap();
    let modules: BTreeMap<Module, String> =
        files.iter().map(|file| (module(file.strip_prefix(&root).unwrap()), text(file))).collect();
    let mut edges = BTreeSet::new();
    for (from, text) in &modules {
        for path in paths(text) {
            let mut to = absolute(&path, from);
            while !modules.contains_key(&to) {
                to.pop();
            }
            edges.insert((from.clone(), to));
        }
    }
    assert!(edges.len() > 300, "found only {} dependencies: the scan no longer understands the code", edges.len());
    let folders: BTreeSet<Module> = modules.keys().filter_map(|module| Some(module.split_last()?.1.to_vec())).collect();
    let cycles: Vec<String> = folders.iter().filter_map(|folder| cycle(folder, &edges)).collect();
    assert!(cycles.is_empty(), "dependency cycles:\n{}", cycles.join("\n"));
}

#[test]
fn paths_and_cycles_are_found() {
    let code = "use super::{a::{One, Two}, b};\n// use crate::c;\nfn f(x: crate::d::Three) { self::e::f() }\n";
    let found: Vec<String> = paths(code).iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::d::Three", "super::a::One", "super::a::Two", "super::b", "self::e::f"]);
    let module = |text: &str| text.split("::").map(str::to_owned).collect::<Module>();
    assert_eq!(absolute(&module("super::a"), &module("store::b")), module("store::a"));
    let edges = |pairs: &[(&str, &str)]| pairs.iter().map(|(from, to)| (module(from), module(to))).collect();
    let folder = module("store");
    assert_eq!(cycle(&folder, &edges(&[("store::a", "store::b"), ("store::b", "store::c::d")])), None);
    let found = edges(&[("store::a", "store::b"), ("store::b::x", "store::a"), ("store::c", "store::a")]);
    assert_eq!(cycle(&folder, &found).as_deref(), Some("store: a -> b, b -> a"));
}

/// Returns the dependencies between the children of a folder that are in a cycle.
fn cycle(folder: &[String], edges: &BTreeSet<(Module, Module)>) -> Option<String> {
    let child = |module: &Module| module.strip_prefix(folder)?.first().cloned();
    let siblings = edges.iter().filter_map(|(from, to)| Some((child(from)?, child(to)?)));
    let mut left: BTreeSet<(String, String)> = siblings.filter(|(from, to)| from != to).collect();
    loop {
        // A module that depends on nothing, or that nothing depends on, is in no cycle.
        let (from, to): (BTreeSet<String>, BTreeSet<String>) = left.iter().cloned().unzip();
        let before = left.len();
        left.retain(|(one, other)| to.contains(one) && from.contains(other));
        if left.len() == before {
            break;
        }
    }
    let shown: Vec<String> = left.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    (!shown.is_empty()).then(|| format!("{}: {}", folder.join("::"), shown.join(", ")))
}

/// Returns the module of a file: `store::read` for `store/read.rs`, `store` for `store/mod.rs`.
fn module(file: &Path) -> Module {
    let name = |part: std::path::Component<'_>| part.as_os_str().to_str().unwrap().to_owned();
    let mut names: Module = file.with_extension("").components().map(name).collect();
    if names.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// Returns a path of a module's code, counted from the crate.
fn absolute(path: &[String], module: &[String]) -> Module {
    let supers = path.iter().take_while(|name| *name == "super").count();
    match path[0].as_str() {
        "crate" => path[1..].to_vec(),
        "super" => [&module[..module.len() - supers.min(module.len())], &path[supers..]].concat(),
        _ => [module, &path[1..]].concat(),
    }
}

/// Returns the paths in a file's code, without its unit tests, that begin with `crate`, `super` or `self`.
fn paths(text: &str) -> Vec<Module> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
    let mut found = Vec::new();
    for root in ["crate", "super", "self"] {
        for (at, _) in code.match_indices(&format!("{root}::")) {
            let before = code[..at].chars().next_back();
            if !before.is_some_and(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '$' | ':')) {
                tree(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Adds the paths of the tree at the start of `code`, such as `a::{b, c::d}`. Returns the length of the tree.
fn tree(code: &str, prefix: &[String], found: &mut Vec<Module>) -> usize {
    let name = code.len() - code.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_').len();
    let path = [prefix, &[code[..name].to_owned()]].concat();
    let Some(rest) = code[name..].strip_prefix("::") else {
        found.push(path);
        return name;
    };
    let mut at = code.len() - rest.len();
    if !rest.starts_with('{') {
        return at + tree(rest, &path, found);
    }
    while !code[at..].starts_with('}') {
        at += 1 + code[at + 1..].len() - code[at + 1..].trim_start().len();
        if !code[at..].starts_with('}') {
            at += tree(&code[at..], &path, found);
            at = code.len() - code[at..].trim_start_matches(|letter| !matches!(letter, ',' | '}')).len();
        }
    }
    at + 1
}
