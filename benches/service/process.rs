//! Servers as separate processes, and their CPU time and memory.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::Result;
use crate::args::Args;

/// A server, killed when it is dropped.
pub struct Process {
    child: Child,
    address: String,
    http: Option<SocketAddr>,
    /// CA certificate of the server in PEM, if it uses TLS.
    authority: Option<String>,
    /// Folder of the search index of a replica, whose store is elsewhere.
    search: Option<TempDir>,
}

impl Process {
    /// Starts the service on its own store.
    pub fn copydesk(args: &Args, store: &Path) -> Result<Self> {
        Self::serving(args, &[("data-dir", &store.to_string_lossy())], None)
    }

    /// Starts the service with settings and with metrics.
    pub fn replica(args: &Args, settings: &[(&str, &str)]) -> Result<Self> {
        let http = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        Self::serving(args, settings, Some(http))
    }

    /// Starts the service with settings, metrics and TLS.
    pub fn encrypted(args: &Args, settings: &[(&str, &str)], authority: String) -> Result<Self> {
        let mut process = Self::serving(args, settings, None)?;
        process.authority = Some(authority);
        Ok(process)
    }

    /// Starts the service with settings, on one core.
    pub fn pinned(args: &Args, core: usize, settings: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new("taskset");
        command.args(["-c", &core.to_string()]).arg(&args.server);
        Self::serving_by(command, settings, None)
    }

    fn serving(args: &Args, settings: &[(&str, &str)], http: Option<SocketAddr>) -> Result<Self> {
        Self::serving_by(Command::new(&args.server), settings, http)
    }

    fn serving_by(mut command: Command, settings: &[(&str, &str)], http: Option<SocketAddr>) -> Result<Self> {
        command.args(["serve", "--listen", "127.0.0.1:0", "--http-listen"]);
        command.arg(http.map_or_else(|| "off".to_owned(), |http| http.to_string()));
        for (name, value) in settings {
            command.arg(format!("--{name}")).arg(value);
        }
        // Settings from the environment must not affect the benchmark.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COPYDESK_") {
                command.env_remove(name);
            }
        }
        let is_replica = settings.iter().any(|(name, _)| *name == "store");
        let search = if is_replica { Some(tempfile::tempdir()?) } else { None };
        if let Some(search) = &search {
            command.arg("--search-dir").arg(search.path());
        }
        let mut process = Self::start(command)?;
        (process.http, process.search) = (http, search);
        Ok(process)
    }

    /// Starts the floor with the article in a file.
    pub fn floor(article: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--floor").arg(article);
        Self::start(command)
    }

    /// Starts the hand-rolled service.
    pub fn aside(redis: &str, postgres: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--aside").arg(redis).arg(postgres);
        Self::start(command)
    }

    /// Returns the value of a metric. The name includes its labels.
    pub async fn metric(&self, name: &str) -> Result<f64> {
        let http = self.http.ok_or("this server has no metrics")?;
        let mut stream = TcpStream::connect(http).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("no metric {name}"))?.trim().parse()?)
    }

    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut process = Self { child, address: String::new(), http: None, authority: None, search: None };
        let mut lines = BufReader::new(stdout).lines();
        let line = loop {
            let line = lines.next().ok_or("the server ended before it said where it listens")??;
            if line.contains("listening on ") {
                break line;
            }
        };
        let words = line.split("listening on ").nth(1).unwrap_or_default();
        process.address = words.split_whitespace().next().unwrap_or_default().to_owned();
        // Later output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(process)
    }

    /// Returns the server's address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Opens one connection.
    pub async fn channel(&self) -> Result<Channel> {
        let mut endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
        if let Some(authority) = &self.authority {
            let port = self.address.rsplit_once(':').map_or("", |(_, port)| port);
            let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority));
            endpoint = Endpoint::from_shared(format!("https://localhost:{port}"))?.tls_config(tls)?;
        }
        let endpoint = endpoint.tcp_nodelay(true);
        // Large windows, so that the client does not slow a stream.
        Ok(endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20).connect().await?)
    }

    /// Opens several connections.
    pub async fn channels(&self, count: usize) -> Result<Vec<Channel>> {
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(self.channel().await?);
        }
        Ok(channels)
    }

    /// Returns the CPU time of the process so far, including ended threads.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(clock_gettime(clock_getcpuclockid(self.pid()?)?)?.into())
    }

    /// Returns resident memory in KiB: `VmRSS` now, `VmHWM` at its peak.
    pub fn kib(&self, field: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).ok_or("the system does not tell memory")?;
        Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
    }

    /// Stops the server with a signal, as an operator would.
    pub fn stop(mut self) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        self.child.wait()?;
        Ok(())
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.child.id().try_into()?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if the process has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
