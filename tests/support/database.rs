//! PostgreSQL servers of the tests, on free ports and in temporary folders. They stop with the tests, even after a
//! kill.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use copydesk::store::postgres::{PostgresOptions, PostgresStore};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, NoTls};

use super::redis_server::free_port;

/// Template of the other databases: empty, with the schema.
const TEMPLATE: &str = "copydesk_template";
pub const USER: &str = "copydesk";
/// Options of a server that need not survive a crash; and of one that also has standbys.
const QUICK: &str = "-c fsync=off -c full_page_writes=off -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0";
const STREAMED: &str = "-c fsync=off -c autovacuum=off -c max_wal_senders=20 -c wal_keep_size=512MB";

/// A server, stopped when it is dropped or when this process ends.
pub struct Cluster {
    dir: PathBuf,
    port: u16,
    settings: &'static str,
    server: Option<Child>,
}

impl Cluster {
    /// Returns the server that most tests share. Its data need not survive, so it does not wait for the disk.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Cluster> = LazyLock::new(|| {
            let cluster = Cluster::start(false);
            cluster.make_template();
            cluster
        });
        &SHARED
    }

    fn make_template(&self) {
        on_a_thread(self.url("postgres"), async |client| {
            client.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.unwrap();
        });
        let template = PostgresOptions::new(&self.url(TEMPLATE)).unwrap();
        let migrated = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(PostgresStore::migrate(&template)).unwrap();
        });
        migrated.join().unwrap();
    }

    /// Starts a server. A `safe` one waits for the disk, as in production.
    pub fn start(safe: bool) -> Self {
        Self::start_with(if safe { "" } else { QUICK }, |_data| {})
    }

    /// Starts a server that can have standbys.
    pub fn start_primary() -> Self {
        Self::start_with(STREAMED, |_data| {})
    }

    /// Returns the primary with a standby that most tests of standbys share.
    pub fn shared_pair() -> &'static (Self, Self) {
        static SHARED: LazyLock<(Cluster, Cluster)> = LazyLock::new(|| {
            let primary = Cluster::start_primary();
            primary.make_template();
            let standby = primary.streaming_standby();
            (primary, standby)
        });
        &SHARED
    }

    /// Starts a standby that follows this server.
    pub fn streaming_standby(&self) -> Self {
        let dir = new_dir();
        let mut backup = as_other_user(&bin("pg_basebackup"), &dir);
        backup.args(["-h", "127.0.0.1", "-U", USER, "-p", &self.port.to_string()]);
        backup.args(["-R", "-X", "stream", "-c", "fast", "--no-sync", "-D", "data"]);
        let made = backup.output().unwrap();
        assert!(made.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&made.stderr));
        let mut standby = Self { dir, port: free_port(), settings: self.settings, server: None };
        standby.resume();
        standby
    }

    /// Starts a server with TLS; `certify` puts the certificate and key into its folder.
    pub fn start_encrypted(certify: impl FnOnce(&Path)) -> Self {
        Self::start_with("", |data| {
            certify(data);
            let key = data.join("server.key");
            std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = other_user() {
                std::os::unix::fs::chown(&key, Some(uid), Some(gid)).unwrap();
            }
            let settings = data.join("postgresql.auto.conf");
            let before = std::fs::read_to_string(&settings).unwrap_or_default();
            std::fs::write(&settings, before + "ssl = on\n").unwrap();
        })
    }

    fn start_with(settings: &'static str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = new_dir();
        let data = dir.join("data");
        let mut initdb = as_other_user(&bin("initdb"), &dir);
        initdb.args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        let made = initdb.output().expect("PostgreSQL's programs, which `make test` installs");
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        prepare(&dir.join("data"));
        let mut cluster = Self { dir, port: free_port(), settings, server: None };
        cluster.resume();
        cluster
    }

    /// Stops the server as a crash would. A safe server has all committed data after `resume`.
    pub fn crash(&mut self) {
        if let Some(mut server) = self.server.take() {
            // The end of the shell's input stops the server; the file keeps its folder.
            std::fs::write(self.dir.join("keep"), "").unwrap();
            drop(server.stdin.take());
            server.wait().unwrap();
        }
    }

    /// Restarts the server.
    pub fn resume(&mut self) {
        let _absent = std::fs::remove_file(self.dir.join("keep"));
        // The shell waits for the end of its input, which comes when this process exits for any reason.
        let script = r#"
            "$0" -D data -p "$1" -k "$PWD" -c listen_addresses=127.0.0.1 -c max_connections=300 -c shared_buffers=64MB \
                -c logging_collector=off $2 >>log 2>&1 </dev/null &
            server=$!
            cat >/dev/null
            kill -QUIT $server
            # One that a test has frozen must not wait for ever.
            kill -CONT $server
            wait $server
            [ -e keep ] || rm -rf "$PWD"
        "#;
        let mut shell = as_other_user(Path::new("sh"), &self.dir);
        shell.args(["-c", script]).arg(bin("postgres")).arg(self.port.to_string());
        shell.arg(self.settings);
        self.server = Some(shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        let until = Instant::now() + Duration::from_secs(60);
        while !self.answers() {
            let log = || std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
            assert!(Instant::now() < until, "the server does not answer:\n{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns a disconnected standby with the current data. Restarts this server.
    pub fn standby(&mut self) -> Self {
        self.crash();
        let dir = tempfile::Builder::new().prefix("copydesk-postgres-").tempdir().unwrap().keep();
        copy(&self.dir, &dir);
        std::fs::write(dir.join("data/standby.signal"), "").unwrap();
        self.resume();
        Self { dir, port: free_port(), settings: self.settings, server: None }
    }

    /// Promotes this standby.
    pub fn promote(&mut self) {
        if self.server.is_none() {
            self.resume();
        }
        on_a_thread(self.url("postgres"), async |client| {
            client.execute("SELECT pg_promote()", &[]).await.unwrap();
        });
    }

    /// Replaces this server at its address by another.
    pub fn give_way_to(&mut self, mut other: Self) {
        self.crash();
        other.crash();
        std::fs::remove_dir_all(self.dir.join("data")).unwrap();
        std::fs::rename(other.dir.join("data"), self.dir.join("data")).unwrap();
        std::fs::remove_dir_all(&other.dir).unwrap();
        self.resume();
    }

    /// Stops all of its processes, as a hung disk would.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    /// Signals the postmaster first.
    fn signal(&self, signal: Signal) {
        let noted = std::fs::read_to_string(self.dir.join("data/postmaster.pid")).unwrap();
        let first = noted.lines().next().unwrap();
        kill(Pid::from_raw(first.parse().unwrap()), signal).unwrap();
        let others = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        for other in others.split_whitespace() {
            // A process that has exited needs no signal.
            let _ended = kill(Pid::from_raw(other.parse().unwrap()), signal);
        }
    }

    fn answers(&self) -> bool {
        let url = self.url("postgres");
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { tokio_postgres::connect(&url, NoTls).await.is_ok() })
        });
        thread.join().unwrap()
    }

    /// Returns the folder with the server's data.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates a database on a shared server, with the schema.
    pub async fn database(&self) -> Database {
        self.copy(&format!("TEMPLATE {TEMPLATE}")).await
    }

    /// Creates an empty database.
    pub async fn empty_database(&self) -> Database {
        self.copy("").await
    }

    /// Creates a database in LATIN1, which cannot store every script.
    pub async fn latin_database(&self) -> Database {
        self.copy("TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'").await
    }

    /// Creates a database on any server, with the schema.
    pub async fn database_without_template(&self) -> Database {
        let database = self.copy("").await;
        PostgresStore::migrate(&database.options()).await.unwrap();
        database
    }

    async fn copy(&self, how: &str) -> Database {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("copydesk_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&self.url("postgres")).await;
        admin.batch_execute(&format!("CREATE DATABASE {name} {how}")).await.unwrap();
        Database { admin: self.url("postgres"), url: self.url(&name), name }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            let _ended = server.wait();
        }
    }
}

/// A database, removed when dropped.
pub struct Database {
    admin: String,
    pub url: String,
    pub name: String,
}

impl Database {
    /// Returns options for the same database on a standby.
    pub fn at_standby(&self, standby: &Cluster) -> PostgresOptions {
        let mut options = PostgresOptions::standby(&standby.url(&self.name), None).unwrap();
        options.connections = 4;
        options
    }

    pub fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::new(&self.url).unwrap();
        options.connections = 4;
        options
    }

    /// Opens a connection besides the store's.
    pub async fn client(&self) -> Client {
        connect(&self.url).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        on_a_thread(self.admin.clone(), async move |client| {
            // A server that a test has stopped needs no cleanup.
            let _gone = client.batch_execute(&drop).await;
        });
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Creates a folder, which the server's shell removes, even when this process is killed.
fn new_dir() -> PathBuf {
    let dir = tempfile::Builder::new().prefix("copydesk-postgres-").tempdir().unwrap().keep();
    if let Some((uid, gid)) = other_user() {
        std::os::unix::fs::chown(&dir, Some(uid), Some(gid)).unwrap();
    }
    dir
}

/// Runs async work on a separate thread, for callers without a runtime or within one.
fn on_a_thread(url: String, work: impl AsyncFnOnce(Client) + Send + 'static) {
    let done = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            if let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await {
                tokio::spawn(connection);
                work(client).await;
            }
        });
    });
    done.join().unwrap();
}

/// Returns a program of the server: Debian keeps them in a folder for each version, outside of PATH.
fn bin(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin").join(name)).collect();
    found.retain(|path| path.exists());
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

/// Returns the IDs of another user for PostgreSQL's server, which refuses to run as root.
pub fn other_user() -> Option<(u32, u32)> {
    let id = |args: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(args).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return None;
    }
    ["postgres", "nobody"].into_iter().find_map(|user| Some((id(&["-u", user])?, id(&["-g", user])?)))
}

/// Copies a folder with its owner and permissions.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}

pub fn as_other_user(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir).env_remove("PGDATA").env_remove("PGOPTIONS").env_remove("PGPORT");
    if let Some((uid, gid)) = other_user() {
        command.uid(uid).gid(gid);
    }
    command
}
