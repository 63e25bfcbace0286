//! Load from Go: the program of `clients/go/rolling`, which reports each call and failure on a line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use crate::tally::Tally;

/// Longer than the program's own timeouts.
const TIMEOUT: Duration = Duration::from_secs(90);

/// Killed when it is dropped.
pub struct GoLoad {
    child: Child,
    input: ChildStdin,
    /// Ends with the program's output.
    listener: Option<JoinHandle<()>>,
    progress: watch::Receiver<Progress>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Progress {
    Calls,
    CallsEnded,
    WatchEnded,
}

impl GoLoad {
    pub fn start(addresses: &[String], tally: &Arc<Tally>) -> Self {
        let go = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/go");
        let mut command = Command::new(go.join("bin/rolling"));
        command.current_dir(go).env("COPYDESK_ADDRESSES", addresses.join(","));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the Go client, built by `make rolling`");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let (sender, progress) = watch::channel(Progress::Calls);
        let tally = Arc::clone(tally);
        let listener = std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
                note(&tally, &event);
                if event.get("ended").is_some() {
                    sender.send_replace(Progress::CallsEnded);
                }
            }
            sender.send_replace(Progress::WatchEnded);
        });
        Self { child, input, listener: Some(listener), progress }
    }

    /// Ends all calls except the watch.
    pub async fn stop_calls(&mut self) {
        self.tell("stop", Progress::CallsEnded).await;
    }

    /// Sends the number of changes to the watch, and waits until it has seen them.
    pub async fn finish(mut self, committed: u64) {
        self.tell(&committed.to_string(), Progress::WatchEnded).await;
        self.listener.take().unwrap().join().unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}");
    }

    async fn tell(&mut self, line: &str, until: Progress) {
        writeln!(self.input, "{line}").unwrap();
        let come = self.progress.wait_for(|progress| *progress >= until);
        tokio::time::timeout(TIMEOUT, come).await.expect("an answer from the Go client").unwrap();
    }
}

impl Drop for GoLoad {
    fn drop(&mut self) {
        // Fails only if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn note(tally: &Tally, event: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    if let Some(calls) = event["calls"].as_object() {
        for (method, times) in calls {
            tally.called("go", method, times.as_u64().unwrap());
        }
    }
    if let failed @ Value::Object(_) = &event["failed"] {
        tally.failed("go", &text(&failed["method"]), &text(&failed["code"]), &text(&failed["message"]));
    }
    if event.get("resent").is_some() {
        tally.resent();
    }
    if let watched @ Value::Object(_) = &event["watched"] {
        let number = |name: &str| watched[name].as_u64().unwrap();
        tally.watched(number("changes"), number("gaps"), number("resumed"));
    }
}
