//! IPTC 7901, the text format of wire services: a line of codes, keywords, a headline that ends with `=`, the text, and
//! the time of sending. Control characters separate the parts, but not all gateways keep them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::wire::Item;
use crate::article::{clean_line, fold};
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::Extraction;
use crate::extract::error::ExtractError;
use crate::extract::fields::dates::{self, Locale};
use crate::extract::fields::people::byline_start;
use crate::extract::line::{Line, LineKind};
use crate::extract::report::{CutReason, Report};
use crate::extract::stated_time::{Precision, StatedTime};
use crate::extract::wire_fields::Signal;

const START_OF_HEADER: char = '\u{1}';
const END_OF_TEXT: char = '\u{3}';
/// Maximum number of lines between the codes and the text.
const MAX_HEAD: usize = 12;

/// The line of codes: `NWA0001 3 pl 120 nw 0123`.
struct Codes<'a> {
    id: &'a str,
    priority: &'a str,
}

impl<'a> Codes<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (id, priority, category, length) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let letters = id.bytes().take_while(u8::is_ascii_alphabetic).count();
        let is_id = (2..=5).contains(&letters)
            && (6..=10).contains(&id.len())
            && id.bytes().skip(letters).all(|byte| byte.is_ascii_digit());
        let is_priority = priority.len() == 1 && priority.bytes().all(|byte| byte.is_ascii_digit());
        let is_category = category.len() <= 3 && category.bytes().all(|byte| byte.is_ascii_alphabetic());
        let is_length = length.len() <= 5 && length.bytes().all(|byte| byte.is_ascii_digit());
        (is_id && is_priority && is_category && is_length).then_some(Self { id, priority })
    }
}

/// Returns true for a document of the format.
pub(super) fn is_format(text: &str) -> bool {
    let first = text.trim_start().trim_start_matches([START_OF_HEADER, ' ']).lines().next().unwrap_or_default();
    first.len() < 120 && Codes::read(first).is_some()
}

/// Extracts the article of a document.
pub(super) fn extract(
    text: &str,
    hints: &Hints<'_>,
    report: &Report,
    budget: &Budget<'_>,
) -> Result<Extraction, ExtractError> {
    super::text::check_size(text.len(), 0, budget)?;
    budget.read(text.len())?;
    let mut item = Item::new("IPTC 7901", report);
    let (message, trailer) = text.split_once(END_OF_TEXT).unwrap_or((text, ""));
    let message: String = message.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
    let mut lines: Vec<&str> = message.trim_start().lines().collect();
    let codes = lines.first().and_then(|first| Codes::read(first)).ok_or(ExtractError::NoArticle)?;
    item.set_urgency(codes.priority);
    let id = codes.id.to_ascii_lowercase();
    lines.remove(0);
    let mut sent = time(&clean_line(trailer)).map(|(_, time)| time);
    if let Some(time) = cut_signature(&mut lines, &mut item.report) {
        sent = sent.or(Some(time));
    }
    let start = read_head(&lines, &mut item);
    item.lines = paragraphs(&lines[start..]);
    if let Some(sent) = sent {
        // The number of a transmission: numbers begin again every day, and a rewritten story has another one.
        item.set_id(&format!("{id}:{}", sent.time.strftime("%Y%m%d")));
        item.draft.wire.has_story_id = false;
        item.draft.publish_time = Some(sent);
    }
    item.finish(hints, budget).map(|extracted| Extraction::Article(Box::new(extracted)))
}

/// Reads keywords, notes, headline and byline. Returns the index of the first line of the text.
fn read_head(lines: &[&str], item: &mut Item) -> usize {
    let mut at = lines.iter().take_while(|line| line.trim().is_empty()).count();
    if let Some(keywords) = lines.get(at).map(|line| line.trim()).filter(|line| line.ends_with('/')) {
        item.draft.wire.slugline = keywords.trim_end_matches('/').to_owned();
        keywords.split('/').for_each(|keyword| item.add_tag(keyword));
        at += 1;
    }
    at += lines[at..].iter().take_while(|line| line.trim().is_empty()).count();
    let head = &lines[at..lines.len().min(at + MAX_HEAD)];
    // Without the sign, the headline is the line before the first blank one, or the first.
    let end = head.iter().position(|line| line.trim_end().ends_with('='));
    let end = end.unwrap_or_else(|| head.iter().take_while(|line| !line.trim().is_empty()).count().clamp(1, 2) - 1);
    let mut headline = Vec::new();
    for line in head.iter().take(end + 1).map(|line| clean_line(line.trim_end().trim_end_matches('='))) {
        let is_note = !line.contains(char::is_lowercase) && line.chars().count() <= 30 || line.starts_with('(');
        if byline_start(&fold(&line)).is_some() {
            item.set_byline(&line);
        } else if is_note && headline.is_empty() && end > 0 {
            read_note(&line, item);
        } else {
            headline.push(line);
        }
    }
    item.draft.headline = clean_line(&headline.join(" "));
    lines.len().min(at + end + 1)
}

/// Reads a note of the head: `1ST LEAD`, `CORRECTION`.
fn read_note(line: &str, item: &mut Item) {
    let note = &mut item.draft.wire.editor_note;
    if !note.is_empty() {
        note.push_str("; ");
    }
    note.push_str(line);
    let is = |start: &str| line.split(' ').any(|word| word.starts_with(start));
    if is("CORR") {
        item.add_signal(Signal::Correction);
    } else if is("LEAD") || is("REFILE") || is("UPDATE") {
        item.add_signal(Signal::Update);
    }
}

/// Cuts the initials of the editors and the time of sending at the foot. Returns the time.
fn cut_signature(lines: &mut Vec<&str>, report: &mut Report) -> Option<StatedTime> {
    let mut sent = None;
    for _ in 0..2 {
        while lines.last().is_some_and(|line| line.trim().is_empty()) {
            lines.pop();
        }
        let last = clean_line(lines.last()?);
        let (initials, time) = time(&last).map_or((last.as_str(), None), |(before, time)| (before, Some(time)));
        let words = initials.split(' ').count();
        let is_initials = (words <= 8 && initials.len() <= 40)
            && initials.split(' ').all(|word| word.len() <= 4 && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        if !(is_initials || initials.is_empty() && time.is_some()) {
            break;
        }
        report.cut(&last, CutReason::EditorsOnly, "wire-signature", 0.95);
        lines.pop();
        sent = sent.or(time);
    }
    sent
}

/// Parses the time at the end of a line: `020800 Nov 26`, `131137 GMT Nov 13`. Returns the text before it as well.
fn time(line: &str) -> Option<(&str, StatedTime)> {
    let mut words = line.rsplitn(5, ' ');
    let (year, month, third) = (words.next()?, words.next()?, words.next()?);
    let is_zoned = third.chars().all(|c| c.is_ascii_uppercase());
    let clock = if is_zoned { words.next()? } else { third };
    let before = &line[..line.rfind(clock)?];
    if clock.len() != 6 || !clock.bytes().all(|byte| byte.is_ascii_digit()) || year.len() != 2 {
        return None;
    }
    let number = |from: usize| clock.get(from..from + 2)?.parse::<i8>().ok();
    let day = dates::parse(&format!("{} {month} 20{year}", number(0)?), Locale::default())?;
    let day = day.time.to_zoned_datetime(TimeZone::UTC).date();
    let time = DateTime::new(day.year(), day.month(), day.day(), number(2)?, number(4)?, 0, 0).ok()?;
    let time = time.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
    let precision = if third == "GMT" || third == "UTC" { Precision::Second(Some(0)) } else { Precision::ZoneAssumed };
    Some((before.trim(), StatedTime { time, precision }))
}

/// Joins wrapped lines. A blank line, an indented line, or the sign of a list or heading begins a paragraph.
fn paragraphs(lines: &[&str]) -> Vec<Line> {
    let mut out: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in lines {
        let text = line.trim();
        let begins =
            line.starts_with("  ") || line.starts_with('\t') || text.starts_with(['#', '*']) || text.starts_with("- ");
        if text.is_empty() {
            is_open = false;
            continue;
        }
        match out.last_mut().filter(|_| is_open && !begins) {
            Some(last) => {
                last.push(' ');
                last.push_str(text);
            }
            None => out.push(text.to_owned()),
        }
        is_open = true;
    }
    out.iter()
        .map(|text| Line::new(clean_line(text), LineKind::Paragraph))
        .filter(|line| !line.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::document::Limits;
    use crate::extract::draft::Extracted;
    use crate::extract::report::WarningCode;

    fn extracted(text: &str) -> Extracted {
        match extract(text, &Hints::default(), &Report::default(), &Budget::unattended(&Limits::default())) {
            Ok(Extraction::Article(article)) => *article,
            Ok(Extraction::Feed(_)) => panic!("several items"),
            Err(error) => panic!("{error}"),
        }
    }

    const ITEM: &str = "\u{1}nwa0062 4 i 211 nw 061\r\n\r\nHarbour/Dredging/\r\n\u{2}1ST LEAD\r\nChannel to be dredged \
        before\r\nthe winter\r\nBy Ida Quill, Northwire =\r\n\r\n   PORT ELLERY (NW) - The harbour board agreed on \
        Monday to\r\ndredge the northern channel before the winter.\r\n   It will cost 4.2 million crowns.\r\n\r\n\
        # NW NOTEBOOK\r\n\r\n* * * *\r\nThe following information is not for publication\r\n- Editing by: Tom Hale\r\n\
        \r\nnw iq th\r\n\u{3}021137 GMT Nov 26\r\n\u{4}";

    #[test]
    fn a_message_is_split_into_its_parts() {
        let Extracted { draft, report } = extracted(ITEM);
        assert_eq!(draft.headline, "Channel to be dredged before the winter");
        assert_eq!((draft.byline.as_str(), draft.authors), ("By Ida Quill, Northwire", vec!["Ida Quill".into()]));
        let body = "The harbour board agreed on Monday to dredge the northern channel before the winter.\n\n\
            It will cost 4.2 million crowns.";
        assert_eq!(draft.body, body);
        assert_eq!(draft.dateline.map(|it| it.place), Some("PORT ELLERY".to_owned()));
        assert_eq!(draft.external_id.as_deref(), Some("nwa0062:20261102"));
        let sent = draft.publish_time.map(|it| (it.time.to_string(), it.precision));
        assert_eq!(sent, Some(("2026-11-02T11:37:00Z".into(), Precision::Second(Some(0)))));
        assert_eq!((draft.wire.editor_note.as_str(), draft.wire.signals), ("1ST LEAD", vec![Signal::Update]));
        assert_eq!(draft.tags, ["Harbour", "Dredging"]);
        assert!(report.cuts.iter().any(|cut| cut.text.starts_with("- Editing by")));
    }

    #[test]
    fn control_characters_may_be_missing() {
        let bare = "NWA0001 3 pl 120 nw 0123\nHarbour/\nChannel to be dredged=\n\n\
             Port Ellery (nw) - The board agreed to \
            dredge the northern channel.\n nw iq th 020800 Nov 26";
        assert!(is_format(bare) && !is_format("Monday 3 pm 120 people met") && !is_format("Wa0001 3"));
        let draft = extracted(bare).draft;
        assert_eq!((draft.headline.as_str(), draft.wire.urgency), ("Channel to be dredged", Some(3)));
        assert_eq!(draft.publish_time.map(|it| it.time.to_string()), Some("2026-11-02T08:00:00Z".into()));
        assert!(draft.body.ends_with("dredge the northern channel."), "{}", draft.body);
    }

    #[test]
    fn an_advisory_is_a_warning() {
        let kill = "NWA0002 1 pl 20 nw 0124\nHarbour/Dredging/\nMANDATORY KILL\n\
             Mandatory kill: Channel to be dredged=\n\n\
            Please do not use the story about the channel.\n nw iq 020900 Nov 26";
        let Extracted { report, .. } = extracted(kill);
        let warnings: Vec<(WarningCode, bool)> =
            report.warnings.iter().map(|it| (it.code, it.message.contains("Harbour/Dredging"))).collect();
        assert_eq!(warnings, [(WarningCode::KillAdvisory, true)]);
    }
}
