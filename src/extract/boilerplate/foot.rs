//! Lines at the foot of a text that are not part of it: credits, rights, addresses.

use super::furniture::reason;
use crate::article::{fold, same_domain};
use crate::extract::draft::{Author, Draft};
use crate::extract::fields::agencies::agency;
use crate::extract::fields::{byline, dates, people};
use crate::extract::line::Line;
use crate::extract::page_kind::is_offer;
use crate::extract::phrases::{Furniture, find, is_foot_credit};
use crate::extract::report::{CutReason, Report};

/// Maximum number of lines that the foot may have.
const FOOT: usize = 16;
/// Maximum length of a line of the foot, in characters.
const MAX_CHARS: usize = 600;
/// Maximum length of a byline at the foot, in characters.
const BYLINE_CHARS: usize = 80;
/// Maximum length of a line with the address of the newsroom, in characters.
const CONTACT_CHARS: usize = 240;
/// Maximum length of a sign in brackets, in characters.
const SIGN_CHARS: usize = 24;
/// Maximum number of words of a sign in brackets.
const SIGN_WORDS: usize = 3;
/// Maximum number of words of a line that ends with the name of an agency.
const SOURCE_WORDS: usize = 5;

/// Cuts lines of the foot from the last one up, to the first line that belongs to the text.
/// `site` is the address of the page.
pub(super) fn cut_credits(lines: &mut Vec<Line>, site: Option<&str>, draft: &mut Draft, report: &mut Report) {
    let mut at = lines.len();
    let bottom = lines.len().saturating_sub(FOOT);
    // The first paragraph is never a foot.
    let first = lines.iter().position(|line| !line.is_object()).unwrap_or(0) + 1;
    while at > bottom.max(first) {
        at -= 1;
        if lines[at].is_object() {
            continue;
        }
        let Some((cut, rule)) = judge(&lines[at], site, &draft.authors) else { break };
        if cut == CutReason::Byline {
            take_names(&lines[at].text, draft);
        }
        report.cut(&lines[at].text, cut, rule, 0.85);
        lines.remove(at);
    }
}

/// Cuts teasers at the end, each with the line of its age or date: at least two of both, and no running text.
pub(super) fn cut_dated_teasers(lines: &mut Vec<Line>, report: &mut Report) {
    let text = |line: &Line| !line.is_object();
    let end = lines.iter().rposition(|line| text(line) && line.is_prose()).map_or(0, |last| last + 1);
    let is_dated: Vec<bool> = lines[end..].iter().map(|line| dates::is_date_line(&line.text)).collect();
    // The first one begins at the line above the first date, unless the dates stand above the headlines.
    let Some(first) = is_dated.iter().position(|dated| *dated) else { return };
    let dated = is_dated.iter().filter(|dated| **dated).count();
    let others = is_dated.len() - dated;
    if end > 0 && dated >= 2 && others >= 2 && others <= dated * 2 {
        for line in lines.drain(end + first.saturating_sub(1)..).filter(text) {
            report.cut(&line.text, CutReason::Teasers, "teasers-with-dates", 0.85);
        }
    }
}

/// Returns the reason and the rule if a line is a foot.
fn judge(line: &Line, site: Option<&str>, authors: &[Author]) -> Option<(CutReason, &'static str)> {
    let chars = line.chars();
    if chars > MAX_CHARS || line.is_table() {
        return None;
    }
    let is_credit = chars <= BYLINE_CHARS && (is_byline(&line.text, authors) || is_sign(&line.text));
    if is_foot_credit(&line.text) || is_credit {
        return Some((CutReason::Byline, "foot-credit"));
    }
    if chars <= BYLINE_CHARS && !is_sentence(&line.text) && dates::is_date_line(&line.text) {
        return Some((CutReason::Byline, "foot-date"));
    }
    if is_biography(&line.text, authors) {
        return Some((CutReason::Byline, "foot-biography"));
    }
    if is_address(&line.text) || chars <= CONTACT_CHARS && is_contact(&line.text, site) {
        return Some((CutReason::Furniture, "foot-address"));
    }
    if chars <= CONTACT_CHARS && is_offer(&line.text) {
        return Some((CutReason::SignUp, "foot-offer"));
    }
    let found = find(&line.text)?;
    let marked = line.text.contains(['©', 'ⓒ']) || line.text.contains("(c)") || line.text.contains("(C)");
    let applies = match found.kind {
        Furniture::Copyright => found.is_specific || found.is_whole || marked && chars <= 240,
        Furniture::SignUp | Furniture::Comments => found.is_whole || found.is_specific && !line.is_prose(),
        Furniture::Share | Furniture::Advertisement | Furniture::Teaser => found.is_whole,
    };
    applies.then(|| (reason(found.kind), "foot-line"))
}

/// Returns true for a byline with nothing else: names only, no sentence.
fn is_byline(text: &str, authors: &[Author]) -> bool {
    let bare = text.trim_start_matches(['/', '*', '-', '–', '—', '_', ' ']);
    let is_named = |text: &str| !byline::split(text, &[]).is_empty() || agency(last_part(text)).is_some();
    !is_sentence(text) && (byline::is_byline(text, authors) || byline::is_byline(bare, authors)) && is_named(bare)
}

fn is_sentence(text: &str) -> bool {
    text.ends_with(['.', '!', '?', ':', '"', '”', '。', '।'])
}

/// Returns true for the sign of a writer or an agency: `/ritzau/`, `(jd)`, `jd/ap`, `Jane Doe/AFP`, `With AFP`.
fn is_sign(text: &str) -> bool {
    const PAIRS: [(char, char); 8] =
        [('(', ')'), ('[', ']'), ('/', '/'), ('<', '>'), ('（', '）'), ('【', '】'), ('［', '］'), ('-', '-')];
    let words = text.split_whitespace().count();
    let inner = PAIRS.iter().find_map(|(open, close)| text.strip_prefix(*open)?.strip_suffix(*close));
    if let Some(inner) = inner {
        return words <= SIGN_WORDS && inner.chars().count() <= SIGN_CHARS && !is_sentence(inner);
    }
    let initials = |part: &str| (2..=6).contains(&part.chars().count()) && part.chars().all(char::is_alphabetic);
    if words == 1 && text.contains('/') && text.split('/').all(initials) {
        return true;
    }
    let marks = |c: char| !c.is_alphanumeric();
    let first = text.split(['/', '(']).next().unwrap_or_default().trim();
    let last = text.rsplit(['/', ',', '(', ' ']).next().unwrap_or_default().trim_matches(marks);
    let is_source =
        text.len() > first.len() && agency(first).is_some() || agency(last).is_some() && words <= SOURCE_WORDS;
    is_source && !is_sentence(text)
}

/// Returns true for a line about a known author: it begins with the full name.
fn is_biography(text: &str, authors: &[Author]) -> bool {
    authors.iter().any(|author| {
        author.name.contains(' ')
            && text.strip_prefix(author.name.as_str()).is_some_and(|rest| {
                let mut chars = rest.chars();
                chars.next().is_some_and(|c| c == ' ' || c == ',') && chars.next().is_some_and(|c| !c.is_uppercase())
            })
    })
}

/// Returns the agency that a sign names: `/ritzau/`, `dpa/aber`.
fn signed(text: &str) -> Option<&'static str> {
    let mut parts = text.split(['/', ' ', ',', '(', ')']).filter(|part| part.chars().count() >= 2);
    if is_sign(text) { parts.find_map(agency) } else { None }
}

fn last_part(text: &str) -> &str {
    text.rsplit([',', '/', '(']).next().unwrap_or_default().trim()
}

/// Returns true if a line is a mail address or a web address, with a word or two before it.
fn is_address(text: &str) -> bool {
    let mut words = text.split(' ').filter(|word| word.contains(char::is_alphanumeric));
    let is_one = |word: &str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        mail(word).is_some() || word.starts_with("http://") || word.starts_with("https://") || bare.starts_with("www.")
    };
    let count = text.split(' ').count();
    count <= 4 && words.any(is_one)
}

/// Returns true if a line names a mail address of the site, or ends with the name of an account: `Follow us: @herald`.
fn is_contact(text: &str, site: Option<&str>) -> bool {
    let is_own = |host: &str| site.is_some_and(|site| same_domain(site, &format!("https://{host}")));
    let last = text.rsplit(' ').next().unwrap_or_default();
    let is_account = last.len() > 3 && last.starts_with('@') && !is_sentence(text);
    is_account || text.split(' ').filter_map(mail).any(is_own)
}

/// Returns the host of a mail address.
fn mail(word: &str) -> Option<&str> {
    let (name, host) = word.trim_matches(|c: char| !c.is_alphanumeric()).split_once('@')?;
    (!name.is_empty() && host.contains('.')).then_some(host)
}

/// Copies the names of a credit to the fields. The editors are no authors.
fn take_names(text: &str, draft: &mut Draft) {
    let authors = text.split(';').next().unwrap_or_default().trim_matches(['(', ')', ' ']);
    if draft.agency.is_empty()
        && let Some(found) = agency(last_part(text)).or_else(|| signed(text))
    {
        draft.agency = found.to_owned();
    }
    if !draft.authors.is_empty() {
        return;
    }
    let credited = people::wire_start(&fold(authors)).and_then(|chars| authors.char_indices().nth(chars));
    let names = match credited {
        Some((at, _)) => &authors[at..],
        None if byline::is_byline(authors, &[]) => authors,
        None => return,
    };
    for name in byline::split(names, &[&draft.publisher]) {
        byline::push(&mut draft.authors, name);
    }
    if !draft.authors.is_empty() && draft.byline.is_empty() {
        draft.byline = authors.chars().take(byline::MAX_CHARS).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::line::LineKind;

    #[test]
    fn feet_of_many_houses() {
        for (text, expected) in [
            ("(Reporting by Jane Doe in Port Ellery; Editing by John Roe)", true),
            ("Our Standards: The Northwire Trust Principles.", true),
            ("© dpa-infocom, dpa:261102-99-12345/3", true),
            ("jane.doe@herald.example", true),
            ("<저작권자(c) 연합뉴스, 무단 전재-재배포 금지>", true),
            ("Todos los derechos reservados", true),
            ("Все права защищены", true),
            ("责任编辑：李明", true),
            ("Réagir", true),
            ("Bron: ANP", true),
            ("Źródło: PAP", true),
            ("Πηγή: ΑΠΕ", true),
            ("Կարծիքները հեղինակինն են։", false),
            ("Editing by hand takes longer than the machine does, she said.", false),
            ("Copyright law has not been changed on the islands since the great frost.", false),
            ("The council will meet again on the ninth of the month.", false),
            ("“I shall be there,” Quill said.", false),
        ] {
            let line = Line::new(text.to_owned(), LineKind::Paragraph);
            assert_eq!(judge(&line, None, &[]).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn signs_end_a_text_and_short_sentences_stay() {
        for (text, expected) in [
            ("/ritzau/", true),
            ("(jd)", true),
            ("（完）", true),
            ("jd/ap", true),
            ("Jane Doe/AFP", true),
            ("Mit Material der dpa", true),
            ("Follow the Herald: @herald", true),
            ("(It rained for a week.)", false),
            ("Nobody spoke to AFP.", false),
            ("“Good night,” said Hale, and left.", false),
        ] {
            let line = Line::new(text.to_owned(), LineKind::Paragraph);
            assert_eq!(judge(&line, None, &[]).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn addresses_of_the_site_and_lines_about_an_author_end_a_text() {
        let line = |text: &str| Line::new(text.to_owned(), LineKind::Paragraph);
        let site = Some("https://www.herald.example/news/1");
        assert!(judge(&line("Do you live there? Write to news@herald.example."), site, &[]).is_some());
        assert!(judge(&line("Tickets for the regatta can be had from club@regatta.example."), site, &[]).is_none());
        let authors = ["Jane Doe".into()];
        assert!(judge(&line("Jane Doe has covered the coast since 2004."), site, &authors).is_some());
        assert!(judge(&line("Ann Poe has seen the coast change since 2004."), site, &authors).is_none());
    }
}
