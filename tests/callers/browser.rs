//! The page of `clients/web`, in a Chromium without a window.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::authority;
use crate::process::Serve;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/web/dist");
/// How long Chromium may take, which starts within a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// Put behind the page: what it shows is sent to the test, as soon as it says how it went.
const REPORTS: &str = r#"<script>
const report = () => fetch("/shown", { method: "POST", body: document.body.innerHTML });
new MutationObserver(report).observe(document.getElementById("status"), { childList: true });
</script>"#;

/// Where the page comes from: another origin than the server that it calls.
pub struct Site {
    port: u16,
    shown: Receiver<String>,
}

impl Site {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (report, shown) = channel();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream, &report))));
        Self { port, shown }
    }

    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The page lists two articles, exports them, and is told what an error is. Answers what it shows.
    pub fn show(&self, server: &Serve) -> String {
        let profile = tempfile::tempdir().unwrap();
        let mut chromium = Command::new("chromium");
        // As root, in a container, it has no sandbox; it shows nothing but our page.
        chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        // With that it stays until it is ended.
        chromium.arg("--remote-debugging-port=0");
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        chromium.arg(format!("{}/index.html?server=http://{}", self.origin(), authority(server)));
        let started = chromium.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut browser = started.unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        let shown = self.shown.recv_timeout(PATIENCE);
        // Its other processes end with it.
        browser.kill().unwrap();
        browser.wait().unwrap();
        let shown = shown.unwrap_or_else(|_| panic!("the page has not said anything within {PATIENCE:?}"));
        let status = shown.split_once(r#"<p id="status">"#).and_then(|(_, rest)| rest.split_once("</p>"));
        let status = status.unwrap_or_else(|| panic!("no such page: {shown}")).0.to_owned();
        assert!(shown.contains(">Ferry returns to Port Ellery</li>"), "{shown}");
        assert_eq!(status, "2 listed, 2 exported; an unknown one is NotFound (ARTICLE_NOT_FOUND)", "{shown}");
        status
    }
}

/// One file, or what the page shows.
fn answer(stream: TcpStream, report: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut asked, mut length) = (String::new(), 0);
    reader.read_line(&mut asked)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    let file = |name: &str| std::fs::read(Path::new(PAGE).join(name));
    let (status, kind, body) = match path.split('?').next() {
        Some("/index.html") => ("200 OK", "text/html", [&file("index.html")?, REPORTS.as_bytes()].concat()),
        Some("/page.js") => ("200 OK", "text/javascript", file("page.js")?),
        Some("/shown") => {
            let mut shown = String::new();
            reader.take(length).read_to_string(&mut shown)?;
            // Whoever waited may have had enough.
            let _ = report.send(shown);
            ("200 OK", "text/plain", Vec::new())
        }
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
