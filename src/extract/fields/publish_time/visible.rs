//! Dates that a page shows: in `time` elements, in elements whose class says so, and as plain text near the headline.

use std::collections::HashSet;

use dom_query::{Document, NodeData, NodeId, NodeRef};
use jiff::Timestamp;

use super::super::dates::{self, Label, Locale};
use super::places::{Classes, Kind, Place};
use crate::article::fold;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::stated_time::{Precision, StatedTime};

/// Maximum length of an element's text that is searched for a date, in bytes.
const TEXT_BYTES: usize = 240;
/// Maximum length of the text around a date, in characters. More text is prose that mentions a date.
const AROUND: usize = 60;
/// Maximum length of a line with a date that is not alone in an element, in bytes.
const LINE_BYTES: usize = 120;
/// Maximum length of a label that is alone in an element, in bytes.
const LABEL_BYTES: usize = 40;
/// Maximum number of attributes of one element that are read.
const MAX_ATTRIBUTES: usize = 20;
/// Maximum number of dates of one page that are compared.
const MAX_SHOWN: usize = 400;

/// A date that the page shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) stated: StatedTime,
    pub(super) label: Option<Label>,
    /// True if the markup says that the date is the article's: microdata, or a `pubdate` attribute.
    pub(super) is_marked: bool,
    /// Likelihood that it is the article's own date.
    pub(super) weight: f32,
}

/// Elements whose text nobody sees, or that hold no article.
const HIDDEN: [&str; 11] =
    ["script", "style", "noscript", "template", "svg", "select", "iframe", "head", "textarea", "button", "object"];
/// Returns the dates that the page shows, the most likely one first, and the offsets from UTC of all its times, in
/// seconds. `headlines` are those that the page states.
pub(super) fn read(
    document: &Document,
    headlines: &[&str],
    locale: Locale<'_>,
    fetch_time: Option<Timestamp>,
    budget: &Budget<'_>,
) -> Result<(Vec<Shown>, Vec<i32>), ExtractError> {
    let headline = headline(document, headlines, budget)?;
    let around = headline.iter().flat_map(|node| node.ancestors_it(None)).map(|node| node.id).collect();
    let mut walk =
        Walk { locale, fetch_time, headline: headline.as_ref().map(|node| node.id), around, ..Walk::default() };
    walk.run(document, budget)?;
    let offsets = std::mem::take(&mut walk.offsets);
    Ok((walk.weighed(), offsets))
}

/// Returns the element with the headline: the first that says one of those that the page states, else the first `h1`.
fn headline<'a>(
    document: &'a Document,
    headlines: &[&str],
    budget: &Budget<'_>,
) -> Result<Option<NodeRef<'a>>, ExtractError> {
    let plain = |text: &str| -> String { fold(text).chars().filter(|c| c.is_alphanumeric()).collect() };
    let stated: Vec<String> = headlines.iter().map(|text| plain(text)).filter(|text| !text.is_empty()).collect();
    let mut first = None;
    for selector in ["h1", "[itemprop=\"headline\"], h2"] {
        let is_h1 = selector == "h1";
        for node in document.select(selector).nodes().iter().take(20) {
            let text = node.text();
            budget.read(text.len())?;
            let text = plain(&text.chars().take(500).collect::<String>());
            // A title also names the site, and a headline on the page its section. An `h2` may be of another article.
            let is_stated = |stated: &String| {
                let (short, long) = if stated.len() < text.len() { (stated, &text) } else { (&text, stated) };
                short == long || is_h1 && short.len() * 2 > long.len() && long.contains(short.as_str())
            };
            if stated.iter().any(is_stated) {
                return Ok(Some(*node));
            }
            if is_h1 && !text.is_empty() {
                first.get_or_insert(*node);
            }
        }
    }
    Ok(first)
}

/// An open element.
#[derive(Default)]
struct Open {
    /// The text so far, unless it is longer than the maximum.
    text: Option<String>,
    /// Characters before the element.
    start: usize,
    /// Number of dates before the element.
    dates_before: usize,
    place: Place,
    is_linked: bool,
    /// The text right before the element, if it is short.
    before: String,
    kind: Kind,
    label: Option<Label>,
}

/// A date and its place.
struct Candidate {
    stated: StatedTime,
    label: Option<Label>,
    kind: Kind,
    place: Place,
    is_linked: bool,
    start: usize,
    end: usize,
}

#[derive(Default)]
struct Walk<'a> {
    locale: Locale<'a>,
    fetch_time: Option<Timestamp>,
    headline: Option<NodeId>,
    /// Elements around the headline: never beside the article.
    around: HashSet<NodeId>,
    open: Vec<Open>,
    /// Characters of text so far.
    chars: usize,
    /// Characters up to the headline, and to its end.
    headline_at: Option<(usize, usize)>,
    last_text: String,
    dates: Vec<Candidate>,
    offsets: Vec<i32>,
}

impl Walk<'_> {
    /// Visits all nodes in document order. Iterative, since a recursive walk of a deep page would overflow the stack.
    fn run(&mut self, document: &Document, budget: &Budget<'_>) -> Result<(), ExtractError> {
        let mut node = document.root().first_child();
        while let Some(at) = node {
            budget.step()?;
            if at.is_element() {
                let name = at.node_name().unwrap_or_default();
                if !HIDDEN.contains(&&*name) && self.dates.len() < MAX_SHOWN {
                    self.enter(&at, &name, budget)?;
                    if let Some(child) = at.first_child() {
                        node = Some(child);
                        continue;
                    }
                    self.leave(&at, budget)?;
                }
            } else {
                at.query_or((), |node| {
                    if let NodeData::Text { contents } = &node.data {
                        self.text(contents);
                    }
                });
            }
            let mut here = at;
            node = loop {
                if let Some(sibling) = here.next_sibling() {
                    break Some(sibling);
                }
                match here.parent() {
                    Some(parent) if parent.is_element() => {
                        self.leave(&parent, budget)?;
                        here = parent;
                    }
                    _ => break None,
                }
            };
        }
        Ok(())
    }

    fn enter(&mut self, node: &NodeRef<'_>, name: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
        // Microdata and RDFa.
        let marks = ["itemprop", "property"].map(|name| node.attr(name).map(|value| value.to_lowercase()));
        let marks = marks.map(Option::unwrap_or_default);
        let mut classes = String::new();
        for name in ["class", "id"] {
            if let Some(value) = node.attr(name) {
                classes.push_str(&value);
            }
            classes.push(' ');
        }
        classes.make_ascii_lowercase();
        classes.push_str(&marks[0]);
        classes.push(' ');
        classes.push_str(&marks[1]);
        budget.read(classes.len())?;
        let found = Classes::of(&classes);
        let place = if self.around.contains(&node.id) { Place::Article } else { Place::of(name, found) };
        let label = found.label();
        let is_published = |mark: &str| mark.rsplit([':', '/']).next() == Some("datepublished");
        let is_marked = marks.iter().any(|mark| is_published(mark)) || node.has_attr("pubdate");
        let is_time = name == "time" || node.has_attr("datetime");
        let kind = if is_marked {
            Kind::Marked
        } else if is_time {
            Kind::Time
        } else if found.is_dated() {
            Kind::Classed
        } else {
            Kind::Plain
        };
        if Some(node.id) == self.headline {
            self.headline_at = Some((self.chars, self.chars));
        }
        let parent = self.open.last();
        let open = Open {
            text: Some(String::new()),
            start: self.chars,
            dates_before: self.dates.len(),
            place: place.max(parent.map_or(Place::Article, |parent| parent.place)),
            is_linked: name == "a" || parent.is_some_and(|parent| parent.is_linked),
            before: self.last_text.clone(),
            // A date is often in a plain element within the one whose class says so.
            kind: if kind == Kind::Plain && parent.is_some_and(|parent| parent.kind == Kind::Classed) {
                Kind::Classed
            } else {
                kind
            },
            label: label.or_else(|| parent.and_then(|parent| parent.label)),
        };
        self.open.push(open);
        // The machine's form of the date. A page may leave it empty or write nonsense.
        let is_for_machines = is_time || is_marked || name == "abbr";
        let stated = ["datetime", "content", "title"]
            .into_iter()
            .filter(|_| is_for_machines)
            .find_map(|name| dates::parse(&node.attr(name)?, self.locale))
            .or_else(|| if is_for_machines || found.is_dated() { self.in_attributes(node) } else { None });
        if let Some(stated) = stated {
            self.date(stated, None);
        }
        Ok(())
    }

    /// Returns the date that an element has in an attribute for scripts or screen readers, and nothing else there.
    fn in_attributes(&self, node: &NodeRef<'_>) -> Option<StatedTime> {
        node.attrs().iter().take(MAX_ATTRIBUTES).find_map(|attribute| {
            let name = &*attribute.name.local;
            let is_data = name.starts_with("data-") && (name.contains("time") || name.contains("date"));
            let value = attribute.value.trim();
            let is_number = is_data && value.len() >= 9 && value.bytes().all(|byte| byte.is_ascii_digit());
            let is_stated = matches!(name, "title" | "aria-label") || is_data;
            let is_date = value.len() >= 8 && (is_number || is_stated && dates::is_date_line(value));
            if is_date { dates::parse(value, self.locale) } else { None }
        })
    }

    fn text(&mut self, text: &str) {
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        self.chars += text.chars().count();
        self.last_text.clear();
        if text.len() <= LABEL_BYTES {
            self.last_text.push_str(text);
        }
        // A line between elements: `<br>5 March 2024<br>`.
        if text.len() <= LINE_BYTES && text.chars().any(char::is_numeric) && dates::is_date_line(text) {
            self.search(text);
        }
        if let Some(open) = self.open.last_mut() {
            open.append(text);
        }
    }

    fn leave(&mut self, node: &NodeRef<'_>, budget: &Budget<'_>) -> Result<(), ExtractError> {
        let Some(text) = self.open.last_mut().and_then(|open| open.text.take()) else {
            self.open.pop();
            if let Some(parent) = self.open.last_mut() {
                parent.text = None;
            }
            return Ok(());
        };
        budget.read(text.len())?;
        let is_headline = Some(node.id) == self.headline;
        if let (true, Some((_, end))) = (is_headline, &mut self.headline_at) {
            *end = self.chars;
        }
        let dates_before = self.open.last().map_or(0, |open| open.dates_before);
        // `Yesterday` has no number.
        let is_marked = || self.fetch_time.is_some() && self.open.last().is_some_and(|open| open.kind != Kind::Plain);
        if !is_headline && (text.chars().any(char::is_numeric) || is_marked()) {
            budget.spend(text.len() as u64)?;
            match self.dates.len() - dates_before {
                0 => self.search(&text),
                1 => self.refine(&text),
                _ => {}
            }
        }
        self.open.pop();
        if let Some(parent) = self.open.last_mut() {
            parent.append(&text);
        }
        Ok(())
    }

    /// Adds the dates in an element's text.
    fn search(&mut self, text: &str) {
        let mut found = dates::find(text, self.locale);
        if let (true, Some(now)) = (found.is_empty() && text.len() <= LINE_BYTES, self.fetch_time) {
            found.extend(dates::find_relative(text, now, self.locale));
        }
        let inside: usize = found.iter().map(|found| found.end - found.start).sum();
        if text.len() - inside > AROUND && !dates::is_date_line(text) {
            return;
        }
        let mut end = 0;
        for date in found {
            self.date(date.stated, dates::label(&text[end..date.start]));
            end = date.end;
        }
    }

    /// Adds the time of day and the label that stand beside the element of the only date.
    fn refine(&mut self, text: &str) {
        let found = dates::find(text, self.locale);
        if let ([found], Some(date)) = (found.as_slice(), self.dates.last_mut()) {
            let is_same_day = found.stated.time.duration_since(date.stated.time).as_secs().abs() < 86_400;
            if date.stated.precision == Precision::Day && is_same_day {
                date.stated = found.stated;
            }
            if date.label.is_none() && text.len() <= AROUND * 2 {
                date.label = dates::label(&text[..found.start]);
            }
        }
    }

    fn date(&mut self, stated: StatedTime, label: Option<Label>) {
        let Some(open) = self.open.last() else { return };
        if let Precision::Second(Some(offset)) = stated.precision
            && offset != 0
            && !self.offsets.contains(&offset)
        {
            self.offsets.push(offset);
        }
        if open.place == Place::Other {
            return;
        }
        let said = label.or_else(|| dates::label(&open.before));
        // A box beside the article has dates of other articles as well.
        if open.place == Place::Side && said.is_none() {
            return;
        }
        self.dates.push(Candidate {
            stated,
            label: said.or(open.label),
            kind: open.kind,
            place: open.place,
            is_linked: open.is_linked,
            start: open.start,
            end: self.chars,
        });
    }

    fn weighed(self) -> Vec<Shown> {
        let headline = self.headline_at;
        let weigh = |date: &Candidate| {
            let kind = match date.kind {
                Kind::Plain => 0.4,
                Kind::Classed => 0.5,
                Kind::Time => 0.6,
                Kind::Marked => 0.7,
            };
            let distance = match headline {
                Some((_, end)) if date.start >= end => match date.start - end {
                    0..=300 => 0.0,
                    301..=1_000 => 0.12,
                    1_001..=3_000 => 0.22,
                    _ => 0.35,
                },
                Some((start, _)) => match start.saturating_sub(date.end) {
                    0..=200 => 0.02,
                    201..=600 => 0.15,
                    _ => 0.32,
                },
                None => 0.1,
            };
            let label = if date.label == Some(Label::Published) { 0.2 } else { 0.0 };
            let side = if date.place == Place::Side { 0.1 } else { 0.0 };
            let link = if date.is_linked { 0.12 } else { 0.0 };
            kind + label - distance - side - link
        };
        let mut shown: Vec<Shown> = self
            .dates
            .iter()
            .map(|date| Shown {
                stated: date.stated,
                label: date.label,
                is_marked: date.kind == Kind::Marked,
                weight: weigh(date),
            })
            .collect();
        // Stable: of equal ones the first.
        shown.sort_by(|one, other| other.weight.total_cmp(&one.weight));
        shown
    }
}

impl Open {
    /// Appends a text, while it stays short.
    fn append(&mut self, text: &str) {
        if let Some(before) = &mut self.text {
            if before.len() + text.len() + 1 > TEXT_BYTES {
                self.text = None;
                return;
            }
            if !before.is_empty() {
                before.push(' ');
            }
            before.push_str(text);
        }
    }
}
