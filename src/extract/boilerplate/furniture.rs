//! Lines in the midst of a text that are not part of it: promotions by their structure, furniture by phrases. A phrase
//! alone never cuts a sentence: it needs the shape of a label, a link, or a place at the foot.

use super::cut::cut;
use crate::extract::draft::Emphasis;
use crate::extract::line::{Line, LineKind};
use crate::extract::phrases::{Furniture, find};
use crate::extract::report::{CutReason, Report};

/// Maximum length of a promotion, in characters.
const PROMO_CHARS: usize = 260;
/// Maximum length of the label before a linked headline, in characters.
const LABEL_CHARS: usize = 32;
/// Minimum length of a linked headline, in characters.
const LINK_CHARS: usize = 16;

/// Cuts promotions by their structure: a short label with a colon before a linked headline, and links in capitals.
pub(super) fn cut_promos(lines: &mut Vec<Line>, report: &mut Report) {
    cut(lines, report, "label-and-link", 0.85, |_, line| is_label_and_link(line).then_some(CutReason::Teasers));
    cut(lines, report, "link-in-capitals", 0.8, |_, line| {
        let capitals = line.text.chars().filter(|c| c.is_uppercase()).count();
        let is_promo = line.is_links()
            && line.kind == LineKind::Paragraph
            && capitals >= LINK_CHARS
            && !line.text.contains(char::is_lowercase);
        is_promo.then_some(CutReason::Teasers)
    });
}

/// Returns true for `Label: Headline of another article`, with the label in bold and the rest linked.
fn is_label_and_link(line: &Line) -> bool {
    if line.kind != LineKind::Paragraph || line.chars() > PROMO_CHARS || ends_a_sentence(&line.text) {
        return false;
    }
    let mut spans = line.spans.iter().filter(|span| span.text.contains(char::is_alphanumeric)).peekable();
    let mut label = String::new();
    let mut is_bold = true;
    while let Some(span) = spans.next_if(|span| span.format.url.is_none()) {
        is_bold &= span.format.emphasis == Some(Emphasis::Strong);
        label.push_str(&span.text);
    }
    let linked: usize =
        spans.clone().filter(|span| span.format.url.is_some()).map(|span| span.text.chars().count()).sum();
    let label = label.trim();
    is_bold
        && label.ends_with([':', '：'])
        && label.chars().count() <= LABEL_CHARS
        && linked >= LINK_CHARS
        && spans.all(|span| span.format.url.is_some())
}

/// Cuts lines that match known furniture phrases.
pub(super) fn cut_phrases(lines: &mut Vec<Line>, report: &mut Report) {
    let last_prose = lines.iter().rposition(Line::is_prose).unwrap_or(0);
    cut(lines, report, "furniture-line", 0.85, |at, line| {
        let found = find(&line.text)?;
        let chars = line.chars();
        let outside = at > last_prose;
        let is_linked = line.is_links() || line.linked * 2 > chars;
        let is_open = !ends_a_sentence(&line.text);
        // Evidence beside the words: the line says nothing else, is a link, or is no sentence.
        let is_sure = found.is_whole || is_linked || is_open && found.is_label;
        let applies = match found.kind {
            Furniture::Teaser => chars <= 200 && (is_sure || outside && (found.is_specific || is_open)),
            Furniture::Share => chars <= 80 && is_sure,
            Furniture::Advertisement => chars <= 240 && (is_sure || found.is_specific),
            Furniture::SignUp => {
                let is_shaped = is_sure || found.is_specific || outside && is_open;
                chars <= 240 && is_shaped && (line.linked > 0 || outside || !line.is_prose())
            }
            Furniture::Copyright => outside || chars <= 120 && (line.text.contains('©') || at + 3 > last_prose),
            Furniture::Comments => {
                chars <= 240 && (is_sure || found.is_specific) && (outside || at + 2 > last_prose || chars <= 40)
            }
        };
        applies.then_some(reason(found.kind))
    });
    cut(lines, report, "linked-heading", 0.7, |_, line| {
        (line.is_links() && line.is_heading()).then_some(CutReason::Teasers)
    });
}

/// Returns the reason of a cut by a phrase.
pub(super) fn reason(kind: Furniture) -> CutReason {
    match kind {
        Furniture::Teaser => CutReason::Teasers,
        Furniture::Share => CutReason::Share,
        Furniture::SignUp => CutReason::SignUp,
        Furniture::Advertisement => CutReason::Advertisement,
        Furniture::Copyright => CutReason::Copyright,
        Furniture::Comments => CutReason::Comments,
    }
}

fn ends_a_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?', '”', '"', '。', '։', '।', '؟', '۔'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> bool {
        let prose = "The harbour council of Port Ellery agreed on Monday to dredge the northern channel before winter.";
        let line = |text: &str| Line::new(text.to_owned(), LineKind::Paragraph);
        let mut lines = vec![line(prose), line(prose), line(text), line(prose), line(prose), line(prose)];
        cut_phrases(&mut lines, &mut Report::default());
        lines.len() == 6
    }

    #[test]
    fn phrases_are_cut_and_sentences_that_begin_like_them_stay() {
        for (text, expected) in [
            ("Share this article", false),
            ("Share prices fell on Monday.", true),
            ("Read more: Lighthouse stays lit", false),
            ("More from her long speech to the council:", true),
            ("Lesen Sie auch: Leuchtturm bleibt an", false),
            ("À lire aussi Le phare restera allumé", false),
            ("Читайте также: Маяк будет гореть до весны", false),
            ("Donate", false),
            ("Register of ships lost in the great frost was found.", true),
            ("Anmelden", false),
            ("Del af havnen er lukket.", true),
            ("広告", false),
            ("관련기사 등대는 봄까지 켜 둔다", false),
            ("Newsletter", false),
            ("Telegram was fined by the court of Port Ellery.", true),
            ("Daftar kapal itu ditemukan di arsip kota.", true),
        ] {
            assert_eq!(kept(text), expected, "{text}");
        }
    }
}
