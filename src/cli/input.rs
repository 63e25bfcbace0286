//! Documents from files named on the command line: directories, gzip, JSON lines and standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use super::json;
use crate::extract;
use crate::printable;
use crate::proto::document::Payload;
use crate::proto::{Article, Document, IngestedArticle, RawPayload};

/// Maximum size of a document, more than a server accepts by default. A larger one is rejected here, where its file is
/// known; the server would end the whole stream.
const MAX_BYTES: u64 = 15 << 20;
/// Extensions of the files that are read from a directory.
const EXTENSIONS: [&str; 11] = ["html", "htm", "xhtml", "txt", "md", "xml", "rss", "atom", "json", "jsonl", "ndjson"];

/// Document with its label for error messages.
pub(super) struct Input {
    pub(super) label: String,
    pub(super) document: Result<Document, String>,
}

/// Returns the named files, and of directories the files with a known extension, sorted by name.
pub(super) fn files(named: &[PathBuf]) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                return Err(format!(
                    "{}: contains no file ending in .{}",
                    printable::path(path),
                    EXTENSIONS.join(", .")
                ));
            }
        } else if path.as_os_str() == "-" || path.exists() {
            files.push(path.clone());
        } else {
            return Err(format!("{}: no such file", printable::path(path)));
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", printable::path(folder));
    let mut entries: Vec<_> = std::fs::read_dir(folder).map_err(failed)?.collect::<Result<_, _>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), files)?;
        } else if kind.is_file() && EXTENSIONS.contains(&extension(&entry.path()).as_str()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Returns the last extension of a file's name that is not `gz`, in lower case.
fn extension(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, extension)| extension.to_owned()).unwrap_or_default()
}

/// Reads the documents of a file and passes each to `take`, until it returns false.
pub(super) fn documents(path: &Path, mut take: impl FnMut(Input) -> bool) {
    let label = printable::path(path);
    let mut reader = match open(path) {
        Ok(reader) => reader,
        Err(error) => {
            take(Input { label, document: Err(error.to_string()) });
            return;
        }
    };
    let lines = match extension(path).as_str() {
        // One document over several lines, or JSON lines.
        "json" => match bytes(path).ok().filter(|data| is_article_json(data)) {
            Some(data) => {
                take(Input { label, document: Ok(raw(data, "application/json")) });
                return;
            }
            None => true,
        },
        "jsonl" | "ndjson" => true,
        // Standard input has no extension: JSON lines begin with a brace, pages and feeds do not.
        "" => reader.fill_buf().is_ok_and(|start| start.trim_ascii_start().first() == Some(&b'{')),
        _ => false,
    };
    if !lines {
        let content_type = match extension(path).as_str() {
            "html" | "htm" => "text/html",
            "xhtml" => "application/xhtml+xml",
            "txt" => "text/plain",
            "md" => "text/markdown",
            "xml" | "rss" | "atom" => "application/xml",
            _ => "",
        };
        let data = bounded(&mut reader);
        take(Input { label, document: data.map(|data| raw(data, content_type)) });
        return;
    }
    for number in 1.. {
        let mut line = Vec::new();
        let document = match reader.by_ref().take(MAX_BYTES).read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) if line.trim_ascii().is_empty() => continue,
            Ok(_) => std::str::from_utf8(&line).map_err(|error| error.to_string()).and_then(from_json),
            Err(error) => Err(error.to_string()),
        };
        let read_failed = document.is_err() && line.is_empty();
        if !take(Input { label: format!("{label}:{number}"), document }) || read_failed {
            return;
        }
    }
}

fn raw(data: Vec<u8>, mime_type: &str) -> Document {
    Document { payload: Some(Payload::Raw(RawPayload::new(data, mime_type))), ..Document::default() }
}

/// Returns true if data is ninjs, schema.org JSON or JSON Feed, rather than messages of the API.
fn is_article_json(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(extract::is_article_json)
}

/// Returns the contents of a file, decompressed.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    bounded(&mut open(path).map_err(|error| error.to_string())?)
}

fn bounded(reader: &mut dyn BufRead) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    match reader.take(MAX_BYTES + 1).read_to_end(&mut data) {
        Err(error) => Err(error.to_string()),
        Ok(_) if data.len() as u64 > MAX_BYTES => Err(format!("is larger than the maximum of {} MiB", MAX_BYTES >> 20)),
        Ok(_) => Ok(data),
    }
}

/// Opens a file or standard input. Detects gzip by its first bytes, not by the name.
fn open(path: &Path) -> std::io::Result<Box<dyn BufRead>> {
    let mut reader: Box<dyn BufRead> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path)?))
    };
    let gzip = reader.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if gzip { Box::new(BufReader::new(MultiGzDecoder::new(reader))) } else { reader })
}

/// Parses a line: a document, an article as printed by `export`, an article and its report as printed by `extract`, or
/// a document of a format that carries articles, such as ninjs.
fn from_json(line: &str) -> Result<Document, String> {
    let object = match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(line) {
        Ok(object) => object,
        Err(error) => return Err(format!("must be a JSON object with a document or an article: {error}")),
    };
    let article: Article = if object.contains_key("article") && object.contains_key("report") {
        let extracted: IngestedArticle = json::read(line).map_err(|error| error.to_string())?;
        extracted.article.unwrap_or_default()
    } else if ["text", "html", "raw", "article"].iter().any(|payload| object.contains_key(*payload)) {
        return json::read(line).map_err(|error| error.to_string());
    } else if extract::is_article_json(line) {
        return Ok(raw(line.as_bytes().to_vec(), "application/json"));
    } else {
        json::read(line).map_err(|error| error.to_string())?
    };
    // Articles keep their names when an export is ingested.
    let article_id = article.name.strip_prefix("articles/").unwrap_or_default().to_owned();
    Ok(Document { payload: Some(Payload::Article(article)), article_id, ..Document::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str, bytes: &[u8]) -> Vec<Input> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut inputs = Vec::new();
        documents(&path, |input| {
            inputs.push(input);
            true
        });
        inputs
    }

    #[test]
    fn a_name_says_what_a_file_is() {
        for (name, expected) in [("a.HTML.gz", "html"), ("b.c.txt", "txt"), ("d", ""), ("e.gz", "")] {
            assert_eq!(extension(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn json_lines_are_documents_or_articles_and_a_bad_line_harms_no_other() {
        let lines = concat!(
            "{\"text\": \"A\", \"url\": \"https://herald.example/1\"}\n\n",
            "{\"headline\": \"B\", \"body\": \"b\", \"name\": \"articles/b-1\"}\n",
            "{\"headlin\": \"C\"}\n[]\n{\"html\": \"<p>D\"}"
        );
        let inputs = all("news.jsonl", lines.as_bytes());
        assert_eq!(inputs.len(), 5);
        assert!(inputs[1].document.as_ref().is_ok_and(|it| it.article_id == "b-1"));
        assert!(
            inputs[2].document.as_ref().is_err_and(|error| error.contains("headlin")),
            "the error must name the field"
        );
        assert!(inputs[3].document.is_err());
        assert!(inputs[4].document.is_ok());
        assert!(inputs[4].label.ends_with("news.jsonl:6"));
    }

    #[test]
    fn json_of_a_wire_is_one_document_and_a_line_of_it_too() {
        let item = "{\n  \"uri\": \"urn:nw:1\",\n  \"headline\": \"A\",\n  \"body_text\": \"B.\"\n}\n";
        let line = item.replace('\n', " ");
        for (name, text, labels) in [
            ("item.json", item.to_owned(), &["item.json"][..]),
            ("items.jsonl", format!("{line}\n{{\"headline\": \"C\", \"body\": \"c\"}}\n"), &["jsonl:1", "jsonl:2"]),
            (
                "articles.json",
                "{\"headline\": \"C\", \"body\": \"See https://jsonfeed.org/version/1.1\"}\n".into(),
                &["json:1"],
            ),
            (
                "feed.json",
                "{\n \"version\": \"https://jsonfeed.org/version/1.1\", \"items\": []}".into(),
                &["feed.json"],
            ),
        ] {
            let inputs = all(name, text.as_bytes());
            assert_eq!(inputs.len(), labels.len(), "{name}");
            for (input, label) in inputs.iter().zip(labels) {
                assert!(input.label.ends_with(label), "{}", input.label);
                let payload = input.document.as_ref().unwrap().payload.as_ref().unwrap();
                let is_wire = text.starts_with("{\n") || text.starts_with("{ ") && label.ends_with(":1");
                assert_eq!(matches!(payload, Payload::Raw(_)), is_wire, "{label}");
            }
        }
    }

    #[test]
    fn gzip_is_undone_whatever_the_name() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, b"<p>x</p>").unwrap();
        let packed = encoder.finish().unwrap();
        for name in ["page.html.gz", "page.html"] {
            let inputs = all(name, &packed);
            let Ok(Document { payload: Some(Payload::Raw(raw)), .. }) = &inputs[0].document else { panic!("{name}") };
            assert_eq!((&raw.data[..], raw.mime_type.as_str()), (&b"<p>x</p>"[..], "text/html"));
        }
    }
}
