//! Ports that others can reach are not opened by mistake.

use std::process::Stdio;

use crate::support::process::{Serve, run};

#[test]
fn rejects_an_exposed_port_without_protection() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = dir.path().to_str().unwrap();
    let (code, _, errors) = run(&["serve", "--listen", "0.0.0.0:0", "--http-listen", "off", "--data-dir", data_dir]);
    assert_eq!(code, 1, "{errors}");
    for words in ["0.0.0.0", "auth = on", "insecure = on", "127.0.0.1"] {
        assert!(errors.contains(words), "no {words:?} in {errors}");
    }
    let warned = |flags: &[&str]| {
        let serve = [&["serve", "--data-dir", data_dir], flags].concat();
        let mut child =
            crate::support::process::copydesk(&serve).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        child.kill().unwrap();
        let (_, _, log) = crate::support::process::output(child.wait_with_output().unwrap());
        assert!(line.starts_with("listening on"), "{log}");
        log
    };
    let log = warned(&["--listen", "0.0.0.0:0", "--http-listen", "off", "--insecure", "on"]);
    assert!(log.contains("insecure") && log.contains("WARN"), "{log}");
    let log = warned(&["--listen", "0.0.0.0:0", "--http-listen", "off", "--auth", "on"]);
    assert!(log.contains("WARN") && log.contains("credentials and articles are sent unencrypted"), "{log}");
    let log = warned(&["--listen", "127.0.0.1:0", "--http-listen", "0.0.0.0:0"]);
    assert!(log.contains("WARN") && log.contains("metrics port"), "{log}");
    let log = Serve::on(dir.path(), &[]).stop();
    assert!(!log.contains("can reach"), "{log}");
}
