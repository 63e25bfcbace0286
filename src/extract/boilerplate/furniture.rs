//! Lines in the midst of a text that are not part of it: promotions by their structure, furniture by phrases. A phrase
//! alone never cuts a sentence: it needs the shape of a label, a link, or a place at the foot.

use super::cut::cut;
use crate::article::same_domain;
use crate::extract::draft::Emphasis;
use crate::extract::line::{Line, LineKind, is_spaceless};
use crate::extract::phrases::{Furniture, find, is_teaser_heading};
use crate::extract::report::{CutReason, Report};

/// Maximum length of a promotion, in characters.
const PROMO_CHARS: usize = 260;
/// Maximum length of the label before a linked headline, in characters.
const LABEL_CHARS: usize = 32;
/// Minimum length of a linked headline, in letters.
const LINK_CHARS: usize = 16;
/// Maximum length of a linked headline, in characters.
const HEADLINE_CHARS: usize = 160;
/// Maximum number of linked headlines in a list.
const MAX_LISTED: usize = 12;
/// Maximum length of the heading of a list of links, in characters.
const HEADING_CHARS: usize = 60;

/// Cuts promotions by their structure: a label before a linked headline, links in capitals, a linked headline alone,
/// and a heading over linked headlines. `site` is the address of the page.
pub(super) fn cut_promos(lines: &mut Vec<Line>, site: Option<&str>, report: &mut Report) {
    cut(lines, report, "label-and-link", 0.85, |_, line| is_label_and_link(line, site).then_some(CutReason::Teasers));
    cut(lines, report, "link-in-capitals", 0.8, |_, line| {
        let capitals = line.text.chars().filter(|c| c.is_uppercase()).count();
        let is_promo = line.is_links()
            && line.kind == LineKind::Paragraph
            && capitals >= LINK_CHARS
            && !line.text.contains(char::is_lowercase);
        is_promo.then_some(CutReason::Teasers)
    });
    cut(lines, report, "label-and-headline", 0.8, |_, line| is_label_and_headline(line).then_some(CutReason::Teasers));
    cut(lines, report, "share-quote", 0.8, |_, line| is_share_quote(line).then_some(CutReason::Furniture));
    let listed = link_lists(lines, site);
    cut(lines, report, "link-list", 0.8, |at, _| listed[at].then_some(CutReason::Teasers));
    cut(lines, report, "linked-headline", 0.75, |_, line| {
        (line.kind == LineKind::Paragraph && is_linked_headline(line, site)).then_some(CutReason::Teasers)
    });
}

/// Returns true for `Label: Headline of another article` with the rest linked. The label is known, or bold with a
/// colon; before an article of the same site, it is either of them.
fn is_label_and_link(line: &Line, site: Option<&str>) -> bool {
    let chars = line.chars();
    if !matches!(line.kind, LineKind::Paragraph | LineKind::Quote) || line.linked == 0 || chars > PROMO_CHARS {
        return false;
    }
    let label: String = line.text.chars().take(chars.saturating_sub(line.linked)).collect();
    let mut spans = line.spans.iter().filter(|span| span.text.contains(char::is_alphanumeric)).peekable();
    let mut is_bold = spans.peek().is_some_and(|span| span.format.url.is_none());
    while let Some(span) = spans.next_if(|span| span.format.url.is_none() && is_within(&label, &span.text)) {
        is_bold &= span.format.emphasis == Some(Emphasis::Strong);
    }
    // The addresses of links are not known if they are relative to an unknown one.
    let has_urls = line.spans.iter().any(|span| span.format.url.is_some());
    let is_link = !has_urls || spans.all(|span| span.format.url.is_some());
    let label = label.trim();
    let has_colon = label.ends_with([':', '：']);
    label.contains(char::is_alphabetic)
        && label.chars().count() <= LABEL_CHARS
        && width(&line.text) - width(label) >= LINK_CHARS
        && is_link
        && (is_teaser_heading(label)
            || !ends_a_sentence(&line.text)
                && (is_bold && has_colon || (is_bold || has_colon) && is_same_site(line, site)))
}

/// Returns true for `Label: Headline of another article` with a known label and no sentence, linked or not.
fn is_label_and_headline(line: &Line) -> bool {
    let is_text = matches!(line.kind, LineKind::Paragraph | LineKind::ListItem | LineKind::Quote);
    let Some((label, headline)) = line.text.split_once([':', '：']) else { return false };
    is_text
        && label.len() <= LABEL_CHARS * 4
        && width(headline) >= LINK_CHARS
        && line.chars() <= HEADLINE_CHARS
        && is_teaser_heading(label)
        && !ends_a_sentence(&line.text)
}

/// Returns true for a table with the quote of one share: a short name in capitals, and a change in percent.
fn is_share_quote(line: &Line) -> bool {
    let LineKind::Table(rows) = &line.kind else { return false };
    let [head, quote] = rows.as_slice() else { return false };
    let is_name = |cell: &String| cell.len() <= 8 && cell.chars().all(|c| c.is_ascii_uppercase() || ".:-^".contains(c));
    let is_change = |cell: &String| {
        cell.starts_with(['+', '-', '−']) && cell.trim_matches(['(', ')']).ends_with('%') && cell.len() <= 12
    };
    let has_numbers = head.cells.iter().any(|cell| cell.contains(|c: char| c.is_ascii_digit()));
    quote.cells.first().is_some_and(is_name) && quote.cells.iter().any(is_change) && !has_numbers
}

fn is_within(text: &str, part: &str) -> bool {
    text.contains(part.trim())
}

/// Returns true if all links of a line lead to the site of the page.
fn is_same_site(line: &Line, site: Option<&str>) -> bool {
    let mut urls = line.spans.iter().filter_map(|span| span.format.url.as_deref());
    urls.all(|url| site.is_some_and(|site| same_domain(url, site)))
}

/// Returns true if a line is a link within the site and no sentence: the headline of another article.
fn is_linked_headline(line: &Line, site: Option<&str>) -> bool {
    line.is_links()
        && line.chars() <= HEADLINE_CHARS
        && width(&line.text) >= LINK_CHARS
        && !ends_a_sentence(&line.text)
        && is_same_site(line, site)
}

/// Returns true for each line of a list of linked headlines: two or more below a short line that is a heading, is bold,
/// or has nothing else below it up to the end.
fn link_lists(lines: &[Line], site: Option<&str>) -> Vec<bool> {
    let mut listed = vec![false; lines.len()];
    let mut end = lines.len();
    let is_headline: Vec<bool> = lines.iter().map(|line| is_linked_headline(line, site)).collect();
    let is_text = |at: &usize| !lines[*at].is_object();
    while let Some(last) = (0..end).rev().find(|at| is_headline[*at]) {
        let run: Vec<usize> = (0..=last).rev().filter(is_text).take_while(|at| is_headline[*at]).collect();
        end = run.last().copied().unwrap_or(last);
        let Some(label) = (0..end).rev().find(is_text).filter(|at| *at > 0) else { break };
        let text = &lines[label];
        let is_foot = (last + 1..lines.len()).all(|at| !is_text(&at));
        let is_label = text.is_heading() || is_bold(text) || is_foot && !text.is_table();
        if is_label
            && (2..=MAX_LISTED).contains(&run.len())
            && text.chars() <= HEADING_CHARS
            && !ends_a_sentence(&text.text)
        {
            listed[label] = true;
            run.into_iter().for_each(|at| listed[at] = true);
        }
    }
    listed
}

/// Returns true if all text of a line is bold.
pub(super) fn is_bold(line: &Line) -> bool {
    let mut spans = line.spans.iter().filter(|span| span.text.contains(char::is_alphanumeric)).peekable();
    spans.peek().is_some() && spans.all(|span| span.format.emphasis == Some(Emphasis::Strong))
}

/// Returns the length of a text in letters. A character of a script without spaces says as much as three, a syllable of
/// Hangul as much as two.
fn width(text: &str) -> usize {
    let letters = |c| match c {
        '\u{AC00}'..='\u{D7A3}' => 2,
        c if is_spaceless(c) => 3,
        _ => 1,
    };
    text.chars().map(letters).sum()
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

pub(super) fn ends_a_sentence(text: &str) -> bool {
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

    #[test]
    fn linked_headlines_of_the_site_are_cut_and_linked_sentences_stay() {
        use crate::extract::draft::{Format, Span};
        let line = |label: &str, linked: &str, url: &str| {
            let format = Format { url: Some(url.into()), ..Format::default() };
            let spans = vec![
                Span { text: label.to_owned(), format: Format::default() },
                Span { text: linked.to_owned(), format },
            ];
            let text = format!("{label}{linked}");
            Line { linked: linked.chars().count(), spans, ..Line::new(text, LineKind::Paragraph) }
        };
        let (own, other) = ("https://herald.example/2", "https://shop.example/2");
        for (label, linked, url, expected) in [
            ("", "Lighthouse to stay lit until spring", own, false),
            ("", "Lighthouse to stay lit until spring", other, true),
            ("", "The lighthouse will stay lit until spring, the board says.", own, true),
            ("Unbekannt: ", "Leuchtturm bleibt bis zum Frühling an", own, false),
            ("Read more", "Lighthouse to stay lit until spring", other, false),
            ("The winner: ", "Ida Quill of Port Ellery, for a boat", other, true),
        ] {
            let mut lines = vec![line(label, linked, url)];
            cut_promos(&mut lines, Some("https://herald.example/1"), &mut Report::default());
            assert_eq!(lines.len() == 1, expected, "{label}{linked}");
        }
    }
}
