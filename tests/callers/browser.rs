//! The page of `clients/web`, in a Chromium without a window.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use crate::process::Serve;
use crate::{authority, said};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/web/dist");

/// Where the page comes from: another origin than the server that it calls.
pub struct Site {
    port: u16,
}

impl Site {
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream))));
        Self { port }
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
        chromium.arg(format!("--user-data-dir={}", profile.path().display()));
        // Time stands still for it while it waits for an answer.
        chromium.args(["--virtual-time-budget=20000", "--dump-dom"]);
        chromium.arg(format!("{}/index.html?server=http://{}", self.origin(), authority(server)));
        let shown = said(&mut chromium, "").unwrap();
        let status = shown.split_once(r#"<p id="status">"#).and_then(|(_, rest)| rest.split_once("</p>"));
        let status = status.unwrap_or_else(|| panic!("no such page: {shown}")).0.to_owned();
        assert!(shown.contains(">Ferry returns to Port Ellery</li>"), "{shown}");
        assert_eq!(status, "2 listed, 2 exported; an unknown one is NotFound (ARTICLE_NOT_FOUND)", "{shown}");
        status
    }
}

/// One file.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut asked = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut asked)?;
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    let (status, kind, body) = match path.split('?').next() {
        Some("/index.html") => ("200 OK", "text/html", std::fs::read(Path::new(PAGE).join("index.html"))?),
        Some("/page.js") => ("200 OK", "text/javascript", std::fs::read(Path::new(PAGE).join("page.js"))?),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
