//! `copydesk doctor`, with valid and invalid configurations.

use serde_json::Value;

use crate::support::certificates::CertificateAuthority;
use crate::support::database::Cluster;
use crate::support::process::{Serve, run};
use crate::support::redis_server::{RedisServer, free_port};

/// Exit code and findings: level, part, finding and advice.
fn doctor(flags: &[&str]) -> (i32, Vec<[String; 4]>) {
    let (code, shown, errors) = run(&[&["doctor", "--json"], flags].concat());
    let findings = shown.lines().map(|line| {
        let finding: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line} {errors}"));
        ["level", "part", "found", "advice"].map(|key| finding[key].as_str().unwrap_or_default().to_owned())
    });
    (code, findings.collect())
}

/// Returns flags for free ports.
fn ports() -> [String; 4] {
    let any = || format!("127.0.0.1:{}", free_port());
    ["--listen".into(), any(), "--http-listen".into(), any()]
}

fn doctor_of(flags: &[&str]) -> (i32, Vec<[String; 4]>) {
    let ports = ports();
    doctor(&[&ports.each_ref().map(String::as_str)[..], flags].concat())
}

fn problems(findings: &[[String; 4]]) -> Vec<&[String; 4]> {
    findings.iter().filter(|finding| finding[0] == "problem").collect()
}

/// The one problem that there is.
fn the_problem((code, findings): &(i32, Vec<[String; 4]>)) -> &[String; 4] {
    let found = problems(findings);
    assert_eq!((*code, found.len()), (1, 1), "{findings:#?}");
    found[0]
}

fn has(findings: &[[String; 4]], level: &str, part: &str, words: &str) -> bool {
    findings.iter().any(|[at, of, found, _]| at == level && of == part && found.contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_ok_when_all_checks_pass() {
    let database = Cluster::shared().database().await;
    let redis = RedisServer::configured("maxmemory 64mb\nmaxmemory-policy allkeys-lru");
    let (code, findings) = doctor_of(&["--store", &database.url, "--cache", &redis.url(), "--max-connections", "16"]);
    assert_eq!((code, problems(&findings).len()), (0, 0), "{findings:#?}");
    for (part, words) in [
        ("database", "PostgreSQL"),
        ("database", "schema is up to date"),
        ("database", "its clock"),
        ("redis", "standalone, master"),
        ("redis", "allkeys-lru"),
        ("redis", "its clock"),
        ("port", "listen = "),
        ("settings", ""),
    ] {
        assert!(has(&findings, "ok", part, words), "{part} {words} in {findings:#?}");
    }
    // It leaves no files.
    let keys: Vec<String> = redis.ask(&["KEYS", "*"]);
    assert!(keys.is_empty(), "{keys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_is_checked_and_owns_its_folder_and_ports() {
    let (dir, ports) = (tempfile::tempdir().unwrap(), ports());
    let flags = ports.each_ref().map(String::as_str);
    let server = Serve::on_ports(dir.path(), &flags);
    let (code, findings) = doctor(&[&flags[..], &["--data-dir", dir.path().to_str().unwrap()]].concat());
    assert_eq!((code, problems(&findings).len()), (0, 0), "{findings:#?}");
    assert!(has(&findings, "ok", "folder", "in use by a server"), "{findings:#?}");
    assert!(has(&findings, "ok", "port", "a copydesk server answers"), "{findings:#?}");
    assert!(has(&findings, "ok", "server", "running"), "{findings:#?}");
    server.stop();
    let (_, findings) = doctor(&[&flags[..], &["--data-dir", dir.path().to_str().unwrap()]].concat());
    assert!(has(&findings, "ok", "folder", "not in use"), "{findings:#?}");
}

#[test]
fn a_search_dir_that_cannot_be_written_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("file"), "").unwrap();
    let found = doctor_of(&["--data-dir", &path("data"), "--search-dir", &path("file/search")]);
    let [_, part, found, advice] = the_problem(&found);
    assert!(part == "search index" && found.contains("cannot be written"), "{found}");
    assert!(advice.contains("search-dir"), "{advice}");
    let (code, findings) = doctor_of(&["--data-dir", &path("data"), "--search-dir", &path("index/search")]);
    assert_eq!(code, 0, "{findings:#?}");
    assert!(has(&findings, "ok", "search index", "does not exist yet"), "{findings:#?}");
    assert!(!dir.path().join("index").exists(), "it changes nothing");
}

#[test]
fn an_unreachable_redis_is_a_problem_and_its_password_is_masked() {
    let dir = tempfile::tempdir().unwrap();
    let cache = format!("redis://desk:hunter2@127.0.0.1:{}", free_port());
    let found = doctor_of(&["--data-dir", dir.path().to_str().unwrap(), "--cache", &cache]);
    let [_, part, found, _] = the_problem(&found);
    assert!(part == "redis" && found.contains("the connection failed") && !found.contains("hunter2"), "{found}");
}

#[test]
fn a_full_redis_without_eviction_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    // Less than it has taken by the time it answers.
    let redis = RedisServer::configured("maxmemory 1\nmaxmemory-policy noeviction");
    let found = doctor_of(&["--data-dir", dir.path().to_str().unwrap(), "--cache", &redis.url()]);
    let [_, _, found, advice] = the_problem(&found);
    assert!(found.contains("it is full") && advice.contains("allkeys-lru"), "{found} {advice}");
}

#[test]
fn a_redis_user_without_rights_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let redis = RedisServer::configured("user reader on >hunter2 ~copydesk:* +get +info +time +ping +client");
    let cache = format!("redis://reader:hunter2@127.0.0.1:{}", redis.port());
    let found = doctor_of(&["--data-dir", dir.path().to_str().unwrap(), "--cache", &cache]);
    let [_, _, found, advice] = the_problem(&found);
    assert!(found.contains("lacks privileges") && advice.contains("EVALSHA"), "{found} {advice}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_schema_and_a_wrong_encoding_are_problems() {
    let database = Cluster::shared().empty_database().await;
    let found = doctor_of(&["--store", &database.url]);
    let [_, _, text, advice] = the_problem(&found);
    assert!(text.contains("does not exist") && advice.contains("copydesk migrate"), "{text} {advice}");
    let database = Cluster::shared().database().await;
    let client = database.client().await;
    client.batch_execute("UPDATE copydesk.schema SET version = 1").await.unwrap();
    let found = doctor_of(&["--store", &database.url]);
    let [_, _, text, advice] = the_problem(&found);
    assert!(text.contains("version 1") && advice.contains("copydesk migrate"), "{text} {advice}");
    client.batch_execute("UPDATE copydesk.schema SET version = 1000").await.unwrap();
    let found = doctor_of(&["--store", &database.url]);
    assert!(the_problem(&found)[3].contains("newer version"), "{found:?}");
    let latin = Cluster::shared().latin_database().await;
    let (code, findings) = doctor_of(&["--store", &latin.url]);
    assert_eq!(code, 1);
    assert!(has(&findings, "problem", "database", "encoding is LATIN1"), "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_role_and_an_unreachable_database_are_problems() {
    let database = Cluster::shared().database().await;
    let client = database.client().await;
    let role = format!("reader_{}", free_port());
    let grant = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA copydesk TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA copydesk TO {role}"
    );
    client.batch_execute(&grant).await.unwrap();
    let mut url = url::Url::parse(&database.url).unwrap();
    url.set_username(&role).unwrap();
    let found = doctor_of(&["--store", url.as_str()]);
    assert!(the_problem(&found)[2].contains("INSERT articles"), "{found:?}");
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
    let away = format!("postgres://desk:hunter2@127.0.0.1:{}/news", free_port());
    let found = doctor_of(&["--store", &away]);
    assert!(!the_problem(&found)[2].contains("hunter2"), "{found:?}");
}

#[test]
fn an_unwritable_folder_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    // A file instead of a folder, because permissions do not apply to the superuser.
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let found = doctor_of(&["--data-dir", file.join("data").to_str().unwrap()]);
    assert_eq!(the_problem(&found)[1], "folder");
    let found = doctor_of(&["--data-dir", dir.path().join("made/later").to_str().unwrap()]);
    assert_eq!((found.0, dir.path().join("made").exists()), (0, false), "{found:?}");
}

#[test]
fn an_unreachable_collector_is_advice() {
    let dir = tempfile::tempdir().unwrap();
    let collector = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = collector.local_addr().unwrap().to_string();
    let url = format!("http://{place}");
    let looked = || doctor_of(&["--data-dir", dir.path().to_str().unwrap(), "--otlp-endpoint", &url]);
    let (code, findings) = looked();
    assert!(code == 0 && has(&findings, "ok", "collector", &place), "{findings:#?}");
    drop(collector);
    let (code, findings) = looked();
    assert!(code == 0 && has(&findings, "advice", "collector", &place), "{findings:#?}");
}

#[test]
fn certificate_expiry_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let looked = |year: i32| {
        let (certificate, key) = CertificateAuthority::new().issue("localhost", |params| {
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
        });
        std::fs::write(path("server.crt"), certificate).unwrap();
        std::fs::write(path("server.key"), key).unwrap();
        let (cert, key) = (path("server.crt"), path("server.key"));
        doctor_of(&["--data-dir", &path("data"), "--tls-cert", &cert, "--tls-key", &key])
    };
    let (code, findings) = looked(2_999);
    assert!(code == 0 && has(&findings, "ok", "certificate", "2999-01-01"), "{findings:#?}");
    let found = looked(2_001);
    let [_, part, _, advice] = the_problem(&found);
    assert!(part == "certificate" && advice.contains("renew it"), "{found:?}");
}

#[test]
fn invalid_settings_and_occupied_ports_are_problems() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let found = doctor(&["--staleness-bound", "soon"]);
    assert!(the_problem(&found)[2].contains("staleness-bound"), "{found:?}");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap().to_string();
    let found = doctor(&["--data-dir", data, "--listen", &taken, "--http-listen", "off"]);
    assert!(the_problem(&found)[2].contains(&taken), "{found:?}");
    let (code, shown, errors) = run(&["doctor", "--data-dir", data, "--listen", &taken, "--http-listen", "off"]);
    assert_eq!(code, 1);
    assert!(shown.contains("problem  port ") && shown.contains("-> stop the process"), "{shown}");
    assert!(errors.contains("1 problem"), "{errors}");
}

#[test]
fn the_key_set_of_an_issuer_is_checked() {
    let dir = tempfile::tempdir().unwrap();
    let (file, data) = (dir.path().join("jwks.json"), dir.path().join("data"));
    let look = |set: &str| {
        std::fs::write(&file, set).unwrap();
        let issuer =
            ["--auth", "on", "--jwt-issuer", "https://login.example", "--jwt-audience", "copydesk", "--jwt-jwks"];
        let places = [file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
        doctor_of(&[&issuer[..], &places].concat())
    };
    let (code, findings) =
        look(r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#);
    assert!(code == 0 && has(&findings, "ok", "issuer", "has 1 usable key"), "{findings:#?}");
    let none = look(r#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#);
    let [_, part, found, advice] = the_problem(&none);
    assert_eq!(part, "issuer");
    assert!(found.contains("has no key for RS256, ES256 or EdDSA") && advice.contains("no JWT"), "{found} {advice}");
}
