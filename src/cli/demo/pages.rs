//! The invented news that the demo ships, dirty as they would be fetched.

use crate::proto::document::Payload;
use crate::proto::{Document, RawPayload};

pub(super) struct Page {
    /// What it is, for whoever reads the demo.
    pub(super) what: &'static str,
    /// Where it was "fetched" from.
    pub(super) url: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

/// The page that is corrected, and the one that is withdrawn.
pub(super) const CORRECTED: &str = "https://courier.example/harbour/fees-2027";
pub(super) const WITHDRAWN: &str = "https://courier.example/harbour/missing-buoys";
/// The page whose cuts are shown.
pub(super) const DIRTY: &str = "https://tidewire.example/news/4471";

pub(super) const PAGES: &[Page] = &[
    Page {
        what: "a text dump, teasers and all",
        url: DIRTY,
        content_type: "text/plain; charset=utf-8",
        bytes: include_bytes!("pages/ferry-talks.txt"),
    },
    Page {
        what: "a page with all its furniture",
        url: "https://herald.example/local/lighthouse-stays-lit?utm_source=front",
        content_type: "text/html",
        bytes: include_bytes!("pages/lighthouse.html"),
    },
    Page {
        what: "a page in windows-1251",
        url: "https://zaliv.example/news/most",
        content_type: "",
        bytes: include_bytes!("pages/bridge.html"),
    },
    Page {
        what: "a wire story",
        url: "https://herald.example/weather/brigid",
        content_type: "text/html",
        bytes: include_bytes!("pages/storm-herald.html"),
    },
    Page {
        what: "the same wire story elsewhere",
        url: "https://courier.example/weather/storm-brigid",
        content_type: "text/html",
        bytes: include_bytes!("pages/storm-courier.html"),
    },
    Page {
        what: "an RSS feed",
        url: "https://northline.example/coast.rss",
        content_type: "application/rss+xml",
        bytes: include_bytes!("pages/wire.rss"),
    },
    Page {
        what: "a page with a wrong number in it",
        url: CORRECTED,
        content_type: "text/html",
        bytes: include_bytes!("pages/harbour-fees.html"),
    },
    Page {
        what: "a page that should not have run",
        url: WITHDRAWN,
        content_type: "text/html",
        bytes: include_bytes!("pages/wrong-man.html"),
    },
    Page {
        what: "the furnished page once more",
        url: "https://herald.example/local/lighthouse-stays-lit?utm_source=mail",
        content_type: "text/html",
        bytes: include_bytes!("pages/lighthouse.html"),
    },
];

impl Page {
    pub(super) fn document(&self) -> Document {
        let raw = RawPayload { data: self.bytes.into(), content_type: self.content_type.to_owned() };
        Document { payload: Some(Payload::Raw(raw)), url: self.url.to_owned(), ..Document::default() }
    }
}
