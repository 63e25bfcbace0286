//! Captions and credits of pictures that stand in the text as lines of their own.

use super::cut::cut;
use crate::extract::draft::Draft;
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::photo_credit;
use crate::extract::report::{CutReason, Report};

/// Maximum length of a caption with its credit, in characters.
const MAX_CHARS: usize = 300;
/// Maximum length of a credit, in characters.
const CREDIT_CHARS: usize = 80;

/// Cuts lines that end with the credit of a picture, and copies them to the picture before them.
pub(super) fn cut_captions(lines: &mut Vec<Line>, draft: &mut Draft, report: &mut Report) {
    let mut picture: Option<&str> = None;
    for line in lines.iter() {
        if let LineKind::Image(url) = &line.kind {
            picture = Some(url);
        } else if let Some(url) = picture.take()
            && is_caption(line)
            && let Some(media) = draft.media.iter_mut().find(|media| media.url == url && media.caption.is_empty())
        {
            media.caption.clone_from(&line.text);
        }
    }
    cut(lines, report, "caption-line", 0.85, |_, line| is_caption(line).then_some(CutReason::Caption));
}

/// Returns true if a line is a caption: short, with a credit at its start or at its end.
fn is_caption(line: &Line) -> bool {
    let chars = line.chars();
    let is_text = matches!(line.kind, LineKind::Paragraph | LineKind::Heading(_));
    is_text && chars <= MAX_CHARS && photo_credit(&line.text).is_some_and(|at| chars - at.min(chars) <= CREDIT_CHARS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_have_a_credit() {
        for (text, expected) in [
            ("Photo: J. Roe", true),
            ("Dredger at work in 2019. (Photo: J. Roe)", true),
            ("Der Hafen im Winter. Foto: J. Roe/Northwire", true),
            ("Фото: И. Квилл", true),
            ("图片来源：北线", true),
            ("Photos of the harbour were shown to the council on Monday evening.", false),
            (
                "The council met on Monday. Foto shops stayed closed, and the photographers went home in the rain.",
                false,
            ),
        ] {
            assert_eq!(is_caption(&Line::new(text.to_owned(), LineKind::Paragraph)), expected, "{text}");
        }
    }
}
