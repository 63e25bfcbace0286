//! Media of a feed's entry: `media:content`, `enclosure`, thumbnails.

use url::Url;

use super::markup;
use super::vocabulary::{Prefixes, Vocabulary};
use super::xml::Element;
use crate::article::resolve_url;
use crate::extract::draft::{Media, MediaKind};

/// Maximum number of media of an entry.
const MAX_MEDIA: usize = 10;

/// Returns the media of an entry. A group has the same medium in several sizes: the widest is taken. Thumbnails are
/// taken if there is no other image.
pub(super) fn of<'a>(entry: &Element<'a>, prefixes: &Prefixes<'a>, base: Option<&Url>) -> Vec<Media> {
    let mut found = Vec::new();
    let mut thumbnails = Vec::new();
    for element in entry.elements() {
        if found.len() >= MAX_MEDIA {
            break;
        }
        let name = element.local_name().to_ascii_lowercase();
        match (prefixes.of(element), name.as_str()) {
            (Vocabulary::Media, "group") => {
                let sizes = element.elements().filter(|inner| inner.local_name().eq_ignore_ascii_case("content"));
                let sizes = sizes.take(100).filter_map(|inner| one(inner, element, prefixes, base));
                // The first of the widest.
                found.extend(sizes.reduce(|best, next| if next.width > best.width { next } else { best }));
                let small = element.elements().find(|inner| inner.local_name().eq_ignore_ascii_case("thumbnail"));
                thumbnails.extend(small.and_then(|inner| one(inner, element, prefixes, base)));
            }
            (Vocabulary::Media, "content") | (Vocabulary::Plain, "enclosure") => {
                found.extend(one(element, entry, prefixes, base))
            }
            (Vocabulary::Plain, "link")
                if element.attribute("rel").is_some_and(|rel| rel.eq_ignore_ascii_case("enclosure")) =>
            {
                found.extend(one(element, entry, prefixes, base));
            }
            (Vocabulary::Media, "thumbnail") | (Vocabulary::Podcast, "image") if thumbnails.is_empty() => {
                thumbnails.extend(one(element, entry, prefixes, base));
            }
            _ => {}
        }
    }
    if !found.iter().any(|media| media.kind == MediaKind::Image) {
        found.append(&mut thumbnails);
    }
    found
}

/// Returns the kind of a file by its type, otherwise by its name.
pub(super) fn kind(mime: &str, url: &str) -> MediaKind {
    const AUDIO: [&str; 6] = ["mp3", "m4a", "aac", "ogg", "opus", "wav"];
    const VIDEO: [&str; 5] = ["mp4", "m4v", "webm", "mov", "m3u8"];
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match mime.split('/').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "image" => MediaKind::Image,
        _ if AUDIO.contains(&extension.as_str()) => MediaKind::Audio,
        _ if VIDEO.contains(&extension.as_str()) => MediaKind::Video,
        _ => MediaKind::Image,
    }
}

/// Reads a medium, with captions as markup. Its caption and credit are within it, or beside it in `outer`.
fn one<'a>(element: &Element<'a>, outer: &Element<'a>, prefixes: &Prefixes<'a>, base: Option<&Url>) -> Option<Media> {
    let address = ["url", "href"].iter().find_map(|name| element.attribute(name))?;
    let url = resolve_url(base, &address)?;
    let text = |holder: &Element<'a>, name: &str| {
        let mut named = holder.elements().filter(|inner| inner.local_name().eq_ignore_ascii_case(name));
        let found = named.find(|inner| prefixes.of(inner) == Vocabulary::Media);
        found.map(markup::of).filter(|text| !text.trim().is_empty())
    };
    let number = |name: &str| element.attribute(name).and_then(|text| text.trim().parse().ok());
    let stated = element.attribute("medium").or_else(|| element.attribute("type")).unwrap_or_default();
    // The title beside a medium is the entry's.
    let caption =
        text(element, "description").or_else(|| text(element, "title")).or_else(|| text(outer, "description"));
    Some(Media {
        kind: kind(&stated, &url),
        url,
        caption: caption.unwrap_or_default(),
        credit: text(element, "credit").or_else(|| text(outer, "credit")).unwrap_or_default(),
        width: number("width"),
        height: number("height"),
    })
}
