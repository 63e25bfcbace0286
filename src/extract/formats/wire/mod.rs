//! Steps that the readers of wire formats share. Wire copy is trusted: nothing is cut from a body except repetitions of
//! the fields, and the parts that the sender marks as not for publication.

mod copy;
mod items;

use std::borrow::Cow;

use jiff::fmt::temporal::{DateTimeParser, PiecesOffset};
use url::Url;

use super::xml::{self, Element, Tag};
use super::{html, kill_advisory, media_topics, text};
use crate::article::{clean_line, fold, safe_url};
use crate::extract::bounded_parser;
use crate::extract::budget::Budget;
use crate::extract::document::Hints;
use crate::extract::draft::{Draft, Extracted, Media, MediaKind};
use crate::extract::error::ExtractError;
use crate::extract::fields::dates::{self, Locale};
use crate::extract::fields::{byline, language};
use crate::extract::line::{Line, fill};
use crate::extract::report::{CutReason, Method, Report, Warning, WarningCode};
use crate::extract::stated_time::{Precision, StatedTime};
use crate::extract::wire_fields::{ItemLink, PubStatus, Signal, Subject, SubjectKind, Withdrawal};
use copy::{cut_editors_part, cut_fields, take_dateline};

pub(super) use copy::dateline_of;
pub(super) use items::{collect, entries};

const MAX_ID_BYTES: usize = 512;
const MAX_LINE: usize = 1_000;
const MAX_NOTE: usize = 4_000;
const MAX_SLUGLINE: usize = 256;
const MAX_SUBJECTS: usize = 128;
const MAX_LINKS: usize = 128;
const MAX_MEDIA: usize = 50;
const MAX_TAGS: usize = 64;

/// An item as its reader found it.
#[derive(Default)]
pub(super) struct Item {
    pub(super) draft: Draft,
    pub(super) status: PubStatus,
    /// Reason why the item is no article, for example that it is a picture. A withdrawal needs no text.
    pub(super) not_a_story: Option<String>,
    /// Language as stated.
    pub(super) language: String,
    pub(super) lines: Vec<Line>,
    /// Place of writing, if the item states no dateline.
    pub(super) located: String,
    pub(super) report: Report,
    /// Name of the format.
    format: &'static str,
}

impl Item {
    /// Creates an item of a format with the report of its document.
    pub(super) fn new(format: &'static str, report: &Report) -> Self {
        Self { format, report: Report { method: Method::Wire, ..report.clone() }, ..Self::default() }
    }

    /// Sets the external ID, that of a story.
    pub(super) fn set_id(&mut self, id: &str) {
        let id = clean_line(id);
        self.draft.wire.has_story_id = true;
        self.draft.external_id = Some(id).filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES);
    }

    /// Sets the version. A version that is no number is not comparable, and is left out.
    pub(super) fn set_version(&mut self, version: &str) {
        if version.is_empty() {
            return;
        }
        self.draft.wire.version = version.parse().ok().filter(|version| *version >= 0);
        if self.draft.wire.version.is_none() {
            self.skipped("version", version);
        }
    }

    /// Sets the urgency.
    pub(super) fn set_urgency(&mut self, urgency: &str) {
        if urgency.is_empty() {
            return;
        }
        self.draft.wire.urgency = urgency.parse().ok().filter(|urgency| (1..=9).contains(urgency));
        if self.draft.wire.urgency.is_none() {
            self.skipped("urgency", urgency);
        }
    }

    /// Sets the time of first publication, if it is unknown.
    pub(super) fn set_published(&mut self, time: &str) {
        if self.draft.publish_time.is_none() && !time.is_empty() {
            self.draft.publish_time = parse_time(time);
            if self.draft.publish_time.is_none() {
                self.skipped("time of creation", time);
            }
        }
    }

    /// Sets the time of this version, which is that of publication as well unless another one is known.
    pub(super) fn set_version_time(&mut self, time: &str) {
        if time.is_empty() {
            return;
        }
        let stated = parse_time(time);
        self.draft.update_time = stated.map(|stated| stated.time);
        match stated {
            Some(_) => self.draft.publish_time = self.draft.publish_time.or(stated),
            None => self.skipped("time of version", time),
        }
    }

    /// Sets the end of the embargo. An item must not become readable because its embargo cannot be read.
    pub(super) fn set_embargo(&mut self, field: &'static str, time: &str) -> Result<(), ExtractError> {
        let stated = iso_time(time);
        let required = "a date and time with its zone, such as 2026-11-02T09:00:00+01:00";
        let value = || time.chars().take(64).collect();
        let stated = stated.ok_or_else(|| ExtractError::BadField { field, required, value: value() })?;
        self.draft.wire.embargo = Some(stated.time);
        Ok(())
    }

    /// Sets the byline as printed.
    pub(super) fn set_byline(&mut self, text: &str) {
        if self.draft.byline.is_empty() {
            self.draft.byline = clean_line(text).chars().take(byline::MAX_CHARS).collect();
        }
    }

    /// Sets the byline from the names of creators. A single word is more often a login or a desk than a name.
    pub(super) fn set_creators(&mut self, names: impl Iterator<Item = String>) {
        let names: Vec<String> = names.filter(|name| name.contains(' ') || !name.is_ascii()).collect();
        self.set_byline(&names.join(", "));
    }

    /// Adds a topic, entity or genre.
    pub(super) fn add_subject(&mut self, kind: SubjectKind, scheme: &str, code: &str, name: &str) {
        let clip = |text: &str| clean_line(text).chars().take(256).collect::<String>();
        let (scheme, code) = (clip(scheme), clip(code));
        let mut name = clip(name);
        if name.is_empty() {
            name = media_topics::name(&scheme, &code).unwrap_or_default().to_owned();
        }
        let subject = Subject { kind, scheme, code, name };
        let subjects = &mut self.draft.wire.subjects;
        let is_empty = subject.code.is_empty() && subject.name.is_empty();
        if !is_empty && subjects.len() < MAX_SUBJECTS && !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }

    /// Adds a keyword.
    pub(super) fn add_tag(&mut self, tag: &str) {
        let tag: String = clean_line(tag).chars().take(256).collect();
        let tags = &mut self.draft.tags;
        if !tag.is_empty() && tags.len() < MAX_TAGS && !tags.iter().any(|known| fold(known) == fold(&tag)) {
            tags.push(tag);
        }
    }

    /// Adds a link to another item.
    pub(super) fn add_link(&mut self, relation: &str, external_id: &str, title: &str) {
        let own = self.draft.external_id.as_deref() == Some(external_id);
        push_link(&mut self.draft.wire.links, own, relation, external_id, title);
    }

    /// Adds a signal.
    pub(super) fn add_signal(&mut self, signal: Signal) {
        if !self.draft.wire.signals.contains(&signal) {
            self.draft.wire.signals.push(signal);
        }
    }

    /// Adds a file, unless its URL is known.
    pub(super) fn add_media(&mut self, media: Media) {
        let known = &mut self.draft.media;
        if let Ok(url) = safe_url(&media.url)
            && known.len() < MAX_MEDIA
            && !known.iter().any(|known| known.url == url)
        {
            known.push(Media { url, ..media });
        }
    }

    /// Adds a warning that a field does not have the form that its format requires.
    pub(super) fn skipped(&mut self, field: &str, value: &str) {
        let value: String = value.chars().take(64).collect();
        let message = format!("the {field} {value:?} was not read");
        self.report.warnings.push(Warning::new(WarningCode::FieldSkipped, message));
    }

    /// Reads a body of HTML.
    pub(super) fn read_html(
        &mut self,
        markup: &str,
        base: Option<&Url>,
        budget: &Budget<'_>,
    ) -> Result<(), ExtractError> {
        let html::Walked { lines, media, invisible } =
            html::walk(&bounded_parser::parse(markup, budget)?.root(), base, budget)?;
        self.report.cut_invisible(&invisible);
        self.lines = lines;
        media.into_iter().for_each(|media| self.add_media(media));
        Ok(())
    }

    /// Reads a body of plain text, or of HTML that is declared as text.
    pub(super) fn read_text(&mut self, body: &str, budget: &Budget<'_>) -> Result<(), ExtractError> {
        if is_markup(body) {
            return self.read_html(body, None, budget);
        }
        self.report.cut_invisible(body);
        self.lines = text::lines(body, budget)?;
        Ok(())
    }

    /// Reads a body that is an element: its XHTML, or its text if that is HTML or plain text.
    pub(super) fn read_element(
        &mut self,
        body: Element<'_, '_>,
        tag: impl Fn(&str) -> Tag,
        budget: &Budget<'_>,
    ) -> Result<(), ExtractError> {
        let is_text = body.descendants().all(|inner| tag(inner.name()) == Tag::Element("pre"));
        if is_text {
            return self.read_text(&body.raw_text(), budget);
        }
        for part in body.descendants().filter(|inner| matches!(inner.name(), "header" | "footer")) {
            let text = part.paragraphs();
            // Parts within parts: each one is read again.
            budget.read(text.len())?;
            self.report.cut(&text, CutReason::Furniture, "wire-head-or-foot", 0.9);
        }
        let markup = body.html(tag);
        budget.read(markup.len())?;
        self.read_html(&markup, None, budget)
    }

    /// Ends the reading of an item.
    ///
    /// # Errors
    /// If it is withdrawn or withheld, or has no text.
    pub(super) fn finish(mut self, hints: &Hints<'_>, budget: &Budget<'_>) -> Result<Extracted, ExtractError> {
        let is_held = self.status == PubStatus::Withheld && self.draft.wire.embargo.is_none();
        if self.status == PubStatus::Canceled || is_held {
            return Err(self.withdrawal());
        }
        if let Some(kind) = self.not_a_story {
            return Err(ExtractError::NotAStory { kind });
        }
        let draft = &mut self.draft;
        if let Some(headline) = hints.headline {
            draft.headline = clean_line(headline);
        }
        draft.publish_time = hints.stated_publish_time().or(draft.publish_time);
        draft.wire.slugline = clean_line(&draft.wire.slugline);
        for (field, max) in [
            (&mut draft.headline, MAX_LINE),
            (&mut draft.subheadline, MAX_NOTE),
            (&mut draft.wire.slugline, MAX_SLUGLINE),
            (&mut draft.wire.editor_note, MAX_NOTE),
        ] {
            if field.len() > max {
                *field = field.chars().take(max).collect();
            }
        }
        if draft.authors.is_empty() {
            let not = [draft.publisher.as_str(), draft.agency.as_str()];
            let names = byline::split(&draft.byline, &not);
            names.into_iter().for_each(|name| byline::push(&mut draft.authors, name));
        }
        cut_fields(&mut self.lines, draft, &mut self.report);
        cut_editors_part(&mut self.lines, &mut self.report);
        if self.lines.iter().all(Line::is_object) {
            return Err(ExtractError::NotAStory { kind: format!("an item of {} without one", self.format) });
        }
        budget.spend(self.lines.len() as u64)?;
        take_dateline(&mut self.lines, draft, &self.located, &mut self.report);
        kill_advisory::warn_of_kill(&self.lines, draft, &mut self.report);
        self.report.confidence = if draft.headline.is_empty() { 0.8 } else { 1.0 };
        fill(draft, self.lines);
        // The sender's statement holds for wire copy; detection is for items without one.
        let stated = hints.language.unwrap_or(&self.language);
        draft.language = language::tag(stated).unwrap_or_else(|| language::of("", &draft.body));
        Ok(Extracted { draft: self.draft, report: self.report })
    }

    fn withdrawal(self) -> ExtractError {
        let Draft { external_id, headline, wire, update_time, .. } = self.draft;
        let Some(external_id) = external_id else {
            let reason = "since an item that is canceled or withheld takes that article back";
            return ExtractError::MissingField { field: "the ID of the item", reason };
        };
        let reason = if wire.editor_note.is_empty() { headline } else { wire.editor_note };
        let reason = reason.chars().take(MAX_LINE).collect();
        let (status, version) = (self.status, wire.version);
        ExtractError::Withdrawn(Box::new(Withdrawal { external_id, status, reason, version, time: update_time }))
    }
}

/// Adds a link to another item.
pub(super) fn push_link(links: &mut Vec<ItemLink>, own: bool, relation: &str, external_id: &str, title: &str) {
    let link = ItemLink {
        relation: relation.chars().take(64).collect(),
        external_id: external_id.to_owned(),
        title: title.chars().take(MAX_LINE).collect(),
    };
    let fits = !external_id.is_empty() && external_id.len() <= MAX_ID_BYTES && links.len() < MAX_LINKS;
    if fits && !own && !links.contains(&link) {
        links.push(link);
    }
}

/// Returns a publication status: `usable`, `stat:canceled`.
pub(super) fn status(field: &'static str, value: &str) -> Result<PubStatus, ExtractError> {
    let bare = value.rsplit([':', '/']).next().unwrap_or_default().to_ascii_lowercase();
    match bare.as_str() {
        "" | "usable" => Ok(PubStatus::Usable),
        "withheld" | "embargoed" => Ok(PubStatus::Withheld),
        "canceled" | "cancelled" | "killed" => Ok(PubStatus::Canceled),
        _ => {
            let value = value.chars().take(64).collect();
            Err(ExtractError::BadField { field, required: "usable, withheld or canceled", value })
        }
    }
}

/// Parses a time in the notations of wire formats: ISO 8601, extended or basic; or any other one.
pub(super) fn parse_time(text: &str) -> Option<StatedTime> {
    iso_time(text).or_else(|| dates::parse(text, Locale::default()))
}

/// Parses a time with its zone in ISO 8601, extended or basic.
fn iso_time(text: &str) -> Option<StatedTime> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    // `+0100`, which is not in extended notation, is common there.
    let zone = text.len().checked_sub(5).and_then(|at| text.split_at_checked(at));
    let zone =
        zone.filter(|(_, zone)| zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit()));
    let text = match zone {
        Some((local, zone)) => Cow::Owned(format!("{local}{}:{}", &zone[..3], &zone[3..])),
        None => Cow::Borrowed(text),
    };
    let time = PARSER.parse_timestamp(text.as_ref()).ok().filter(dates::is_plausible)?;
    let offset = match PARSER.parse_pieces(text.as_ref()).ok()?.offset() {
        Some(PiecesOffset::Numeric(numeric)) => numeric.offset().seconds(),
        _ => 0,
    };
    Some(StatedTime { time, precision: Precision::Second(Some(offset)) })
}

/// Returns true for text that is HTML.
pub(super) fn is_markup(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('<') && (text.contains("</") || text.contains("/>") || text.contains("<p>"))
}

/// Returns the file of a rendition.
pub(super) fn media(kind: MediaKind, url: &str, caption: &str, credit: &str) -> Media {
    Media {
        kind,
        url: url.to_owned(),
        caption: clean_line(caption).chars().take(2_000).collect(),
        credit: clean_line(credit).chars().take(256).collect(),
        width: None,
        height: None,
    }
}

/// Parses XML behind an optional byte order mark.
pub(super) fn tree<'a>(text: &'a str, budget: &Budget<'_>) -> Result<xml::Tree<'a>, ExtractError> {
    xml::parse(text.trim_start_matches('\u{FEFF}').trim_start(), budget)
}
