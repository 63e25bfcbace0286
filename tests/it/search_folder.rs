//! The folder of a server's search index: damaged, of another store, in use, or not writable.

use std::path::{Path, PathBuf};

use copydesk::proto::{Consistency, SearchArticlesRequest, consistency};
use tempfile::TempDir;

use crate::support::process::{Serve, copydesk, output};
use crate::test_server::{TestServer, ingest, invented};

const ARTICLES: usize = 12;

/// Returns the folder of a stopped server, and the newest change token.
async fn filled(count: usize) -> (TempDir, String) {
    let server = TestServer::start().await;
    let mut writes = server.ingestion().await;
    let mut token = String::new();
    for number in 0..count {
        token = ingest(&mut writes, invented(number)).await.article.unwrap().change_token;
    }
    assert_eq!(found(&server, &token).await, count);
    (server.stop().await, token)
}

/// Returns the number of articles that a search finds once the index has all.
async fn found(server: &TestServer, token: &str) -> usize {
    let mut reads = server.retrieval().await;
    let requirement = Some(consistency::Requirement::AtLeastAsFresh(token.to_owned()));
    let consistency = Some(Consistency { requirement });
    let request = SearchArticlesRequest { query: "ferries".into(), page_size: 100, consistency, ..Default::default() };
    reads.search_articles(request).await.unwrap().into_inner().results.len()
}

fn index_files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("search/index")).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_server_builds_an_unusable_index_again() {
    let (mut dir, token) = filled(ARTICLES).await;
    let (other, _) = filled(3).await;
    type Damage<'d> = &'d dyn Fn(&Path);
    let damages: [(&str, Damage<'_>); 6] = [
        ("garbage in meta.json", &|dir| std::fs::write(dir.join("search/index/meta.json"), "{garbage").unwrap()),
        ("an empty meta.json", &|dir| std::fs::write(dir.join("search/index/meta.json"), "").unwrap()),
        ("half of the files deleted", &|dir| {
            for file in index_files(dir).into_iter().step_by(2) {
                std::fs::remove_file(file).unwrap();
            }
        }),
        ("the other half deleted", &|dir| {
            for file in index_files(dir).into_iter().skip(1).step_by(2) {
                std::fs::remove_file(file).unwrap();
            }
        }),
        ("another store's index", &|dir| {
            std::fs::remove_dir_all(dir.join("search/index")).unwrap();
            std::fs::create_dir(dir.join("search/index")).unwrap();
            for file in index_files(other.path()) {
                std::fs::copy(&file, dir.join("search/index").join(file.file_name().unwrap())).unwrap();
            }
        }),
        ("no folder", &|dir| std::fs::remove_dir_all(dir.join("search")).unwrap()),
    ];
    let mut expected = ARTICLES;
    for (number, (what, damage)) in damages.into_iter().enumerate() {
        damage(dir.path());
        let server = TestServer::on(dir, |_| {}).await;
        assert_eq!(found(&server, &token).await, expected, "{what}");
        // It is used further, and continued when the server starts again.
        let more = ingest(&mut server.ingestion().await, invented(100 + number)).await.article.unwrap();
        expected += 1;
        assert_eq!(found(&server, &more.change_token).await, expected, "{what}");
        let server = TestServer::on(server.stop().await, |_| {}).await;
        assert_eq!(found(&server, &more.change_token).await, expected, "{what}, started again");
        dir = server.stop().await;
    }
}

#[test]
fn two_servers_do_not_share_a_folder() {
    let (first, second, search) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = search.path().to_str().unwrap();
    let flags = ["--search-dir", folder, "--log-level", "error"];
    let serving = Serve::on(first.path(), &flags);
    let ports = ["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--data-dir"];
    let refused = copydesk(&[&ports[..], &[second.path().to_str().unwrap()], &flags].concat()).output().unwrap();
    let (code, _, errors) = output(refused);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(folder) && errors.contains("search-dir") && errors.contains("another process"), "{errors}");
    // The lock ends with the process, however it ends.
    serving.kill();
    Serve::on(second.path(), &flags).stop();
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for folder in [file.clone(), file.join("search")] {
        let folder = folder.to_str().unwrap();
        let ports = ["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--search-dir", folder, "--data-dir"];
        let data = dir.path().join("data");
        let (code, _, errors) = output(copydesk(&[&ports[..], &[data.to_str().unwrap()]].concat()).output().unwrap());
        assert_eq!(code, 1, "{errors}");
        assert!(errors.contains(folder) && errors.contains("search-dir"), "{errors}");
    }
}
