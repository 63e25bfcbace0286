//! Servers as separate processes, which can be killed; and the other commands.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use copydesk_client::Client;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Returns the command without the settings in the tests' environment.
pub fn copydesk(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_copydesk"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("COPYDESK_") {
            command.env_remove(name);
        }
    }
    command.args(args).stdin(Stdio::null());
    command
}

/// Runs a command. Returns its exit code and output.
pub fn run(args: &[&str]) -> (i32, String, String) {
    output(copydesk(args).output().unwrap())
}

pub fn output(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// `copydesk serve`, killed when it is dropped.
pub struct Serve {
    child: Child,
    pub address: String,
    _search: Option<TempDir>,
}

impl Serve {
    /// Starts on a folder, on a free port.
    pub fn on(dir: &Path, more: &[&str]) -> Self {
        Self::start(dir, more, Stdio::piped()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Starts on a folder, on the ports in the flags.
    pub fn on_ports(dir: &Path, flags: &[&str]) -> Self {
        let mut command = copydesk(&["serve", "--data-dir", dir.to_str().unwrap()]);
        command.args(flags);
        Self::spawn(command, Stdio::piped()).unwrap_or_else(|errors| panic!("{errors}"))
    }

    /// Starts with a target for the log, for servers that log a lot: the pipe is not read before `stop`.
    pub fn start(dir: &Path, more: &[&str], log: Stdio) -> Result<Self, String> {
        let dir = dir.to_str().unwrap();
        let mut command =
            copydesk(&["serve", "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--data-dir", dir]);
        command.args(more);
        Self::spawn(command, log)
    }

    /// A serving command, started in any way. A replica gets a separate folder for the search index, as they may
    /// share the folder of their data.
    pub fn spawn(mut command: Command, log: Stdio) -> Result<Self, String> {
        let has = |command: &Command, flag: &str| command.get_args().any(|arg| arg == flag);
        let is_replica = has(&command, "--store") && !has(&command, "--search-dir");
        let search = is_replica.then(|| tempfile::tempdir().unwrap());
        if let Some(search) = &search {
            command.arg("--search-dir").arg(search.path());
        }
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let Some(address) = address else {
            let (_, _, errors) = output(child.wait_with_output().unwrap());
            return Err(format!("the server did not start: {line:?} {errors}"));
        };
        Ok(Self { child, address, _search: search })
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.address).await.unwrap()
    }

    /// Returns the peak of its resident memory, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::SIGCONT);
    }

    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Like the system's out-of-memory killer.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Stops it as an operator does. Returns its log.
    pub fn stop(mut self) -> String {
        self.signal(Signal::SIGTERM);
        let mut log = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut log).unwrap();
        }
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {log}");
        log
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        // Fails only if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
