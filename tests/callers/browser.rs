//! The page of `clients/web` in a headless Chromium.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::authority;
use crate::support::process::Serve;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/web/dist");
/// Timeout of Chromium, which starts within a second or two.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Script added to the page, which sends its content to the test once the page shows its status.
const REPORTS: &str = r#"<script>
const report = () => fetch("/shown", { method: "POST", body: document.body.innerHTML });
new MutationObserver(report).observe(document.getElementById("status"), { childList: true });
</script>"#;

/// Server of the page: a different origin than the called server.
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

    /// Shows the page, which lists two articles, exports them, and gets an error. Returns its content.
    pub fn show(&self, server: &Serve) -> String {
        let profile = tempfile::tempdir().unwrap();
        let mut chromium = Command::new("chromium");
        // As root, in a container, it has no sandbox; it shows only our page.
        chromium.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        // Keeps it running until it is killed.
        chromium.arg("--remote-debugging-port=0");
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        chromium.arg(format!("{}/index.html?server=http://{}", self.origin(), authority(server)));
        let started = chromium.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut browser = started.unwrap_or_else(|error| panic!("chromium does not start: {error}"));
        let shown = self.shown.recv_timeout(TIMEOUT);
        // Its other processes end with it.
        browser.kill().unwrap();
        browser.wait().unwrap();
        let shown = shown.unwrap_or_else(|_| panic!("the page has shown no status within {TIMEOUT:?}"));
        let status = shown.split_once(r#"<p id="status">"#).and_then(|(_, rest)| rest.split_once("</p>"));
        let status = status.unwrap_or_else(|| panic!("no such page: {shown}")).0.to_owned();
        assert!(shown.contains(">Ferry returns to Port Ellery</li>"), "{shown}");
        assert_eq!(status, "2 listed, 2 exported; an unknown one is NotFound (ARTICLE_NOT_FOUND)", "{shown}");
        status
    }
}

/// Serves one file, or receives the page's content.
fn answer(stream: TcpStream, report: &Sender<String>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let path = line.split_whitespace().nth(1).unwrap_or_default();
    let file = |name: &str| std::fs::read(Path::new(PAGE).join(name));
    let (status, kind, body) = match path.split('?').next() {
        Some("/index.html") => ("200 OK", "text/html", [&file("index.html")?, REPORTS.as_bytes()].concat()),
        Some("/page.js") => ("200 OK", "text/javascript", file("page.js")?),
        Some("/shown") => {
            let mut shown = String::new();
            reader.take(length).read_to_string(&mut shown)?;
            // The receiver may have timed out.
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
