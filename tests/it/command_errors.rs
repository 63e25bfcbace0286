//! Errors of the commands: each names its cause and what to do.

use std::process::Stdio;

use copydesk::server::TlsOptions;

use crate::support::certificates::CertificateAuthority;
use crate::support::process::{Serve, copydesk, output, run};
use crate::support::redis_server::free_port;
use crate::test_server::TestServer;

fn health(addr: &str) -> String {
    let (code, _, errors) = run(&["health", "--addr", addr]);
    assert_eq!(code, 1, "{addr}: {errors}");
    errors
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_connection_names_its_last_cause() {
    let (dir, authority) = (tempfile::tempdir().unwrap(), CertificateAuthority::new());
    authority.write_server_certificate(dir.path());
    let plain = TestServer::start().await;
    let tls = TlsOptions { cert: dir.path().join("server.crt"), key: dir.path().join("server.key"), client_ca: None };
    let encrypted = TestServer::with(|options| options.tls = Some(tls)).await;
    let (plain_port, tls_port) = (plain.address.port(), encrypted.address.port());
    let metrics_port = plain.http.port();
    let refused = format!("http://127.0.0.1:{}", free_port());
    let cases = [
        (refused, "connection refused"),
        ("http://no-such-host.invalid:50051".into(), "cannot be resolved"),
        (format!("https://localhost:{plain_port}"), "does not use TLS"),
        (format!("https://localhost:{tls_port}"), "--ca"),
        (format!("http://127.0.0.1:{tls_port}"), "requires TLS"),
        (format!("http://127.0.0.1:{metrics_port}"), "metrics port"),
    ];
    let checked = tokio::task::spawn_blocking(move || {
        for (addr, cause) in cases {
            let errors = health(&addr);
            assert!(errors.contains(cause), "{addr}: {errors}");
        }
    });
    checked.await.unwrap();
}

#[test]
fn a_missing_credential_names_where_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(dir.path(), &["--auth", "on", "--log-level", "error"]);
    let (code, _, errors) = run(&["list", "--addr", &server.address]);
    assert_eq!(code, 1);
    assert!(errors.contains("COPYDESK_TOKEN") && errors.contains("--token-file"), "{errors}");
}

#[test]
fn a_refused_document_is_described_by_its_error_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(&dir.path().join("store"), &["--log-level", "error"]);
    let page = dir.path().join("nav.html");
    std::fs::write(&page, "<html><body><nav><a href=/>Home</a></nav></body></html>").unwrap();
    let (code, _, errors) = run(&["ingest", page.to_str().unwrap(), "--addr", &server.address]);
    assert_eq!(code, 1);
    let line = errors.lines().find(|line| line.contains("nav.html")).unwrap();
    assert!(line.contains("nav.html: no article found: must have a paragraph"), "{line}");
    let (code, _, errors) = run(&["extract", page.to_str().unwrap()]);
    assert!(code == 1 && errors.contains("nav.html: no article found"), "{errors}");
    assert!(errors.contains("no article extracted from 1 document\n"), "{errors}");
    let (code, _, errors) = run(&["get", "https://herald.example/1", "--addr", &server.address]);
    assert!(code == 2 && errors.contains("--url https://herald.example/1"), "{errors}");
}

#[test]
fn commands_on_a_store_create_none() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let missing = missing.to_str().unwrap();
    let target = format!("sqlite:{}", dir.path().join("target").display());
    for args in [&["verify"][..], &["copy", "--to", &target], &["keys", "list"], &["keys", "revoke", "x"]] {
        let (code, _, errors) = run(&[args, &["--data-dir", missing]].concat());
        assert!(code == 2 && errors.contains("there is no store in"), "{args:?}: {code} {errors}");
    }
    assert!(!std::path::Path::new(missing).exists());
    let (code, _, errors) = run(&["copy", "--to", "x", "--data-dir", missing]);
    assert!(code == 2 && !errors.contains("store ="), "{errors}");

    // A file without tables: articles.db alone of a running server.
    let bare = dir.path().join("bare");
    std::fs::create_dir(&bare).unwrap();
    std::fs::write(bare.join("articles.db"), "").unwrap();
    let (code, _, errors) = run(&["verify", "--data-dir", bare.to_str().unwrap()]);
    assert!(code == 2 && errors.contains("there is no store in"), "{errors}");
}

#[test]
fn a_port_in_use_names_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let server = Serve::on(&dir.path().join("one"), &["--log-level", "error"]);
    let other = dir.path().join("two");
    for flag in ["--listen", "--http-listen"] {
        let mut command = copydesk(&["serve", "--data-dir", other.to_str().unwrap(), flag, &server.address]);
        if flag == "--http-listen" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let (code, _, errors) = output(command.stdin(Stdio::null()).output().unwrap());
        assert_eq!(code, 1);
        assert!(errors.contains(&format!("{} = {}", &flag[2..], server.address)), "{errors}");
    }
}

#[test]
fn help_is_in_groups_and_has_only_the_flags_of_a_command() {
    let (code, shown, _) = run(&["help"]);
    assert_eq!(code, 0);
    for words in ["Start here:", "Read:", "Edit:", "Operate:", "withdraw"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let (_, keys, _) = run(&["keys", "create", "--help"]);
    assert!(keys.contains("--data-dir") && !keys.contains("--max-connections"), "{keys}");
    for command in [&["withdraw", "--help"][..], &["help", "ingest"], &["keys", "create", "--help"]] {
        let (_, shown, _) = run(command);
        assert!(shown.contains("Example"), "{shown}");
    }
    for shell in ["bash", "zsh", "fish"] {
        let (code, shown, _) = run(&["completions", shell]);
        assert!(code == 0 && shown.contains("withdraw"), "{shell}");
    }
    let (code, page, _) = run(&["man"]);
    assert!(code == 0 && page.contains(".TH copydesk"), "{page}");
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&["man", "--dir", dir.path().to_str().unwrap()]).0, 0);
    assert!(dir.path().join("copydesk-withdraw.1").exists());
}

#[test]
fn the_demo_has_a_store_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let once = ["demo", "--once", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"];
    let mut command = copydesk(&once);
    // A store of production, authentication, and settings that are invalid.
    let hostile = [
        ("COPYDESK_STORE", "postgres://desk:secret@db.invalid/news"),
        ("COPYDESK_AUTH", "on"),
        ("COPYDESK_TLS_CERT", "/no/such/file"),
        ("COPYDESK_CONFIG", "/no/such/file"),
    ];
    let (code, shown, errors) = output(command.envs(hostile).output().unwrap());
    assert_eq!(code, 0, "{errors}");
    assert!(shown.contains("an empty embedded store"), "{shown}");
    let kept = [&once[..], &["--data-dir", dir.path().to_str().unwrap()]].concat();
    assert!(run(&kept).1.contains("an empty embedded store"));
    assert!(run(&kept).1.contains("already holds articles"));
}
