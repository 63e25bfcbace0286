//! Articles exported from one engine and ingested into another are equal there: with the commands, as operators use
//! them.

use std::path::Path;

use crate::support::database::Cluster;
use crate::support::process::{Serve, run};

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/demo/pages");

/// Returns the value after a label in the output of `verify`.
fn verified(store: &[&str], label: &str) -> String {
    let (code, output, errors) = run(&[&["verify"], store].concat());
    assert_eq!(code, 0, "{output}{errors}");
    assert!(output.ends_with("problems: 0\n"), "{output}");
    output.lines().find_map(|line| line.strip_prefix(label)).unwrap_or_else(|| panic!("{label} in {output}")).to_owned()
}

fn folder(dir: &Path) -> [&str; 2] {
    ["--data-dir", dir.to_str().unwrap()]
}

#[tokio::test]
async fn an_export_ingested_into_another_engine_is_equal() {
    let database = Cluster::shared().database().await;
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let database = ["--store", database.url.as_str()];
    let places: [&[&str]; 3] = [&folder(dirs[0].path()), &database, &folder(dirs[2].path())];
    let (code, _, errors) = run(&[&["migrate"], &database[..]].concat());
    assert_eq!(code, 0, "{errors}");
    let label = "digest of readable articles: ";
    let mut exported: Option<String> = None;
    let mut digests = Vec::new();
    for (at, place) in places.into_iter().enumerate() {
        let more = [place, &["--log-level", "error"]].concat();
        let server = Serve::on(dirs[at].path(), if at == 1 { &more } else { &more[2..] });
        let call = |args: &[&str]| run(&[args, &["--addr", &server.address]].concat());
        match &exported {
            None => {
                let (code, _, errors) = call(&["ingest", PAGES]);
                assert_eq!(code, 0, "{errors}");
            }
            Some(lines) => {
                let file = dirs[at].path().join("export.jsonl");
                std::fs::write(&file, lines).unwrap();
                let (code, _, errors) = call(&["ingest", file.to_str().unwrap()]);
                assert_eq!(code, 0, "{errors}");
            }
        }
        let (code, lines, errors) = call(&["export"]);
        assert_eq!((code, lines.lines().count()), (0, 9), "{errors}");
        exported = Some(lines);
        server.stop();
        digests.push(verified(place, label));
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(digests[1], digests[2]);

    // Without servers, with articles in any state.
    let dir = tempfile::tempdir().unwrap();
    let to = format!("sqlite:{}", dir.path().display());
    let (code, output, errors) = run(&["copy", "--to", &to, database[0], database[1]]);
    assert_eq!((code, output.as_str()), (0, "copied: 9, of which 0 already existed\n"), "{errors}");
    assert_eq!(verified(&folder(dir.path()), "digest: "), verified(&database, "digest: "));
    let (code, _, errors) = run(&["copy", "--to", "mysql://x", database[0], database[1]]);
    assert!(code == 2 && errors.contains("postgres://"), "{errors}");
}
