//! Sample news of the demo, with the boilerplate of real pages.

use crate::proto::document::Payload;
use crate::proto::{Document, RawPayload};

pub(super) struct Page {
    /// Description for the demo's output.
    pub(super) label: &'static str,
    /// Simulated source URL.
    pub(super) url: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// URLs of the pages that are corrected and withdrawn.
pub(super) const CORRECTED: &str = "https://courier.example/harbour/fees-2027";
pub(super) const WITHDRAWN: &str = "https://courier.example/harbour/missing-buoys";
/// URL of the page whose cuts are shown.
pub(super) const DIRTY: &str = "https://tidewire.example/news/4471";

pub(super) const PAGES: &[Page] = &[
    Page {
        label: "text dump with teasers",
        url: DIRTY,
        content_type: "text/plain; charset=utf-8",
        bytes: include_bytes!("pages/ferry-talks.txt"),
    },
    Page {
        label: "HTML page with boilerplate",
        url: "https://herald.example/local/lighthouse-stays-lit?utm_source=front",
        content_type: "text/html",
        bytes: include_bytes!("pages/lighthouse.html"),
    },
    Page {
        label: "HTML page in windows-1251",
        url: "https://zaliv.example/news/most",
        content_type: "",
        bytes: include_bytes!("pages/bridge.html"),
    },
    Page {
        label: "wire story",
        url: "https://herald.example/weather/brigid",
        content_type: "text/html",
        bytes: include_bytes!("pages/storm-herald.html"),
    },
    Page {
        label: "same wire story, other publisher",
        url: "https://courier.example/weather/storm-brigid",
        content_type: "text/html",
        bytes: include_bytes!("pages/storm-courier.html"),
    },
    Page {
        label: "RSS feed",
        url: "https://northline.example/coast.rss",
        content_type: "application/rss+xml",
        bytes: include_bytes!("pages/wire.rss"),
    },
    Page {
        label: "page to be corrected",
        url: CORRECTED,
        content_type: "text/html",
        bytes: include_bytes!("pages/harbour-fees.html"),
    },
    Page {
        label: "page to be withdrawn",
        url: WITHDRAWN,
        content_type: "text/html",
        bytes: include_bytes!("pages/wrong-man.html"),
    },
    Page {
        label: "same HTML page, fetched again",
        url: "https://herald.example/local/lighthouse-stays-lit?utm_source=mail",
        content_type: "text/html",
        bytes: include_bytes!("pages/lighthouse.html"),
    },
];

/// Source of the items of the wire.
const WIRE_SOURCE: &str = "northwire.example";

/// A wire story, its correction and its kill, in NewsML-G2.
pub(super) const WIRE: [(&str, &[u8]); 3] = [
    ("NewsML-G2 story", include_bytes!("wire/story.xml")),
    ("its correction", include_bytes!("wire/correction.xml")),
    ("its kill", include_bytes!("wire/kill.xml")),
];

pub(super) fn wire_document(item: &[u8]) -> Document {
    let raw = RawPayload::new(item, "application/vnd.iptc.g2.newsitem+xml");
    Document { payload: Some(Payload::Raw(raw)), source: WIRE_SOURCE.to_owned(), ..Document::default() }
}

impl Page {
    pub(super) fn document(&self) -> Document {
        let raw = RawPayload::new(self.bytes, self.content_type);
        Document { payload: Some(Payload::Raw(raw)), url: self.url.to_owned(), ..Document::default() }
    }
}
