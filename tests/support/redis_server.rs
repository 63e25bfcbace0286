//! Redis servers of the tests, on free ports and in temporary folders. They stop with the tests, even after a kill.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use redis::{Connection, FromRedisValue, ToRedisArgs};

/// A server, killed when it is dropped or when this process ends.
pub struct RedisServer {
    pub port: u16,
    config: String,
    running: Option<(Child, Pid)>,
}

impl RedisServer {
    /// Returns the server that most tests share. Each test has its own store, and so its own keys.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<RedisServer> = LazyLock::new(RedisServer::start);
        &SHARED
    }

    pub fn start() -> Self {
        Self::configured("")
    }

    /// Starts a server with further lines of configuration. A Sentinel is a server too, configured afterwards.
    pub fn configured(config: &str) -> Self {
        let mut server = Self { port: free_port(), config: config.to_owned(), running: None };
        server.resume();
        server
    }

    /// Restarts it, empty.
    pub fn resume(&mut self) {
        // The shell waits for the end of its input, which comes when this process exits for any reason.
        let script = r#"
            dir=$(mktemp -d) && cd "$dir" || exit 1
            printf '%s\n' "$0" >redis.conf
            redis-server redis.conf $1 >log 2>&1 </dev/null &
            echo $!
            cat >/dev/null
            kill -KILL $! 2>/dev/null
            wait
            rm -rf "$dir"
        "#;
        let (persistence, mode) =
            if self.config.contains("sentinel ") { ("", "--sentinel") } else { ("save \"\"\nappendonly no", "") };
        let config = format!("port {}\nbind 127.0.0.1\n{persistence}\n{}", self.port, self.config);
        let mut shell = Command::new("sh");
        shell.args(["-c", script, &config, mode]);
        let mut child =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("there is a shell");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let pid = Pid::from_raw(line.trim().parse().expect("a PID from redis-server, which `make test` installs"));
        self.running = Some((child, pid));
        let until = Instant::now() + Duration::from_secs(20);
        while self.connect().is_none() {
            assert!(Instant::now() < until, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Like the system's out-of-memory killer.
    pub fn kill(&mut self) {
        if let Some((mut child, pid)) = self.running.take() {
            let _gone = kill(pid, Signal::SIGKILL);
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }

    pub fn freeze(&self) {
        kill(self.running.as_ref().unwrap().1, Signal::SIGSTOP).unwrap();
    }

    pub fn thaw(&self) {
        kill(self.running.as_ref().unwrap().1, Signal::SIGCONT).unwrap();
    }

    pub fn connect(&self) -> Option<Connection> {
        redis::Client::open(self.url()).ok()?.get_connection_with_timeout(Duration::from_secs(2)).ok()
    }

    /// Runs one command, possibly twice: a server closes its connections when it is promoted, and the command is
    /// retried.
    pub fn ask<T: FromRedisValue>(&self, words: &[impl ToRedisArgs]) -> T {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            match self.connect().map(|mut connection| command.query(&mut connection)) {
                Some(Ok(answer)) => return answer,
                Some(Err(error)) if !error.is_io_error() => panic!("{error}"),
                Some(Err(_)) | None => assert!(Instant::now() < until, "redis-server does not answer"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Returns a free port, once in this process. It is below the range of ephemeral ports, which may be in use by the
/// time a server binds them.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = std::process::id().wrapping_mul(7_919).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(12_000 + next % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}
