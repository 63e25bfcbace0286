//! Captions outside of `figcaption`: a short line right below an image that the page marks as one.

use super::place::{Container, Place, SMALL};
use crate::extract::draft::{Emphasis, Media};
use crate::extract::line::{Line, LineKind};

/// Maximum length of a caption, in bytes.
const MAX_BYTES: usize = 600;

/// Returns the index of the image for each caption below an image, by the index of the caption's line.
pub(super) fn find(lines: &[Line], places: &[Place], containers: &[Container]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut image = None;
    for (at, line) in lines.iter().enumerate() {
        if let LineKind::Image(_) = line.kind {
            image = Some(at);
            continue;
        }
        let Some(above) = image.take() else { continue };
        let container = &containers[places[at].container as usize];
        let is_beside = places[at].container == places[above].container || is_slanted(line);
        let is_small = places[at].inline & SMALL != 0 && is_beside;
        let is_text = line.kind == LineKind::Paragraph && line.text.len() <= MAX_BYTES;
        if is_text && (container.is_caption() || (is_small && !line.is_prose())) {
            found.push((at, above));
        }
    }
    found
}

/// Returns true if all text of a line is slanted.
fn is_slanted(line: &Line) -> bool {
    let mut spans = line.spans.iter().filter(|span| span.text.contains(char::is_alphanumeric)).peekable();
    spans.peek().is_some() && spans.all(|span| span.format.emphasis == Some(Emphasis::Stressed))
}

/// Sets the captions of the images that have none but their alternative text.
pub(crate) fn set(media: &mut [Media], lines: &[Line], captions: &[(usize, usize)]) {
    for (caption, image) in captions {
        let LineKind::Image(url) = &lines[*image].kind else { continue };
        if let Some(media) = media.iter_mut().find(|media| media.url == *url) {
            media.caption.clone_from(&lines[*caption].text);
        }
    }
}
