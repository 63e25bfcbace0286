//! Servers as processes of their own, and what the system knows of them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tonic::transport::{Channel, Endpoint};

use crate::Result;
use crate::args::Args;

/// A server, killed when it is dropped.
pub struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// The service on a store of its own.
    pub fn copydesk(args: &Args, store: &Path) -> Result<Self> {
        let mut command = Command::new(&args.server);
        command.args(["serve", "--listen", "127.0.0.1:0", "--http-listen", "off", "--data-dir"]).arg(store);
        // Settings of the person's own server are none of the benchmark's.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COPYDESK_") {
                command.env_remove(name);
            }
        }
        Self::start(command)
    }

    /// The floor, with the article in a file.
    pub fn floor(article: &Path) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--floor").arg(article);
        Self::start(command)
    }

    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("no stdout")?;
        let mut process = Self { child, address: String::new() };
        let mut lines = BufReader::new(stdout).lines();
        let line = loop {
            let line = lines.next().ok_or("the server ended before it said where it listens")??;
            if line.contains("listening on ") {
                break line;
            }
        };
        let words = line.split("listening on ").nth(1).unwrap_or_default();
        process.address = words.split_whitespace().next().unwrap_or_default().to_owned();
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(process)
    }

    /// One connection.
    pub async fn channel(&self) -> Result<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?.tcp_nodelay(true);
        // Large windows: the client must not be what holds a stream back.
        Ok(endpoint.initial_stream_window_size(1 << 20).initial_connection_window_size(4 << 20).connect().await?)
    }

    /// Several.
    pub async fn channels(&self, count: usize) -> Result<Vec<Channel>> {
        let mut channels = Vec::with_capacity(count);
        for _ in 0..count {
            channels.push(self.channel().await?);
        }
        Ok(channels)
    }

    /// The processor time that the process has used so far, of all its threads, ended ones too.
    pub fn cpu(&self) -> Result<Duration> {
        Ok(clock_gettime(clock_getcpuclockid(self.pid()?)?)?.into())
    }

    /// Resident memory in KiB: `VmRSS` now, `VmHWM` at its peak.
    pub fn kib(&self, field: &str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find(|line| line.starts_with(field)).ok_or("the system does not tell memory")?;
        Ok(line.split_whitespace().nth(1).unwrap_or_default().parse()?)
    }

    /// Stops the server as an operator would.
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
        // An error here means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
