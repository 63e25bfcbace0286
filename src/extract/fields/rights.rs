//! Copyright and terms of use of a page: meta tags, structured data, and the reservations of text and data mining (TDM
//! Reservation Protocol, robots `noai`).

use url::Url;

use super::jsonld::Structured;
use super::page::Page;
use crate::article::{clean_line, resolve_url};
use crate::extract::draft::Rights;

const NOTICE_CHARS: usize = 500;
const HOLDER_CHARS: usize = 200;

pub(super) fn read(page: &Page, structured: &Structured, base: Option<&Url>) -> Rights {
    let clipped = |text: &str, max: usize| clean_line(text).chars().take(max).collect::<String>();
    let notice = match page.tag(&["copyright", "dc.rights", "dcterms.rights", "rights"]) {
        tag if tag.trim().is_empty() => structured.copyright_notice.clone(),
        tag => tag,
    };
    let license = [&page.license, &structured.license].into_iter().find(|address| !address.is_empty());
    Rights {
        notice: clipped(&notice, NOTICE_CHARS),
        holder: clipped(&structured.copyright_holder, HOLDER_CHARS),
        license_url: license.and_then(|address| resolve_url(base, address)),
        allows_data_mining: allows_data_mining(page),
        is_free: structured.is_free,
    }
}

/// Returns false if the page reserves text and data mining, and true if it states that it does not.
fn allows_data_mining(page: &Page) -> Option<bool> {
    let robots = page.tag(&["robots"]).to_lowercase();
    if robots.split([',', ' ']).any(|directive| directive == "noai") {
        return Some(false);
    }
    match page.tag(&["tdm-reservation"]).trim() {
        "1" => Some(false),
        "0" => Some(true),
        _ => None,
    }
}
