//! Images, video and audio.

use std::collections::HashSet;

use super::{clean_address, clean_short};
use crate::article::Violations;
use crate::proto::{Media, MediaKind};

/// Maximum number of media of an article.
pub(super) const MAX_MEDIA: usize = 256;
const CAPTION_CHARS: usize = 2_000;

pub(super) fn clean(media: &mut Vec<Media>, violations: &mut Violations) {
    if media.len() > MAX_MEDIA {
        violations.add("media", format!("must be at most {MAX_MEDIA}"));
    }
    for (at, media) in media.iter_mut().enumerate() {
        let path = |field: &str| format!("media[{at}].{field}");
        clean_address(&path("url"), &mut media.url, violations);
        if MediaKind::try_from(media.kind).is_err() {
            violations.add(path("kind"), "must be one of the kinds of media");
        }
        clean_short(&path("caption"), &mut media.caption, CAPTION_CHARS, violations);
        clean_short(&path("credit"), &mut media.credit, CAPTION_CHARS, violations);
        if media.width < 0 || media.height < 0 {
            violations.add(path("width"), "width and height must not be negative");
        }
    }
    // Blocks refer to media by URL.
    let mut seen = HashSet::new();
    media.retain(|media| seen.insert(media.url.clone()));
}
