//! Times of publication and update of a page. Several sources state them: structured data, meta tags, the dates that
//! the page shows, its URL. They are weighed against each other, and complete each other: one knows the time of day,
//! another the publisher's offset from UTC.

mod places;
mod tags;
mod visible;

use dom_query::Document;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use url::Url;

use self::tags::Meaning;
use super::dates::{self, Label, Locale};
use super::fetched::Fetched;
use super::jsonld::Structured;
use super::page::Page;
use crate::extract::budget::Budget;
use crate::extract::error::ExtractError;
use crate::extract::provenance::Source;
use crate::extract::stated_time::{Precision, StatedTime};

/// Weight below which a date that the page shows is not believed to be the article's.
const MIN_WEIGHT: f32 = 0.2;
/// Maximum time from the fetching of a page to the publication that it states, in hours.
const AHEAD: i64 = 36;

/// Times of an article.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) published: Option<Published>,
    pub(super) updated: Option<StatedTime>,
}

/// The time of publication.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Published {
    pub(super) stated: StatedTime,
    /// Sources that state this day.
    pub(super) sources: Vec<Source>,
}

/// A time of publication, as one source states it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Claim {
    stated: StatedTime,
    source: Source,
    /// Weight of the source, from 0 to 1.
    weight: f32,
}

/// Reads the times of a page.
pub(super) fn read(
    document: &Document,
    page: &Page,
    structured: &Structured,
    fetched: Fetched<'_>,
    host: &str,
    budget: &Budget<'_>,
) -> Result<Times, ExtractError> {
    let locale_tags = [&page.language, &structured.language, &page.tag(&["og:locale", "content-language", "language"])];
    let language = locale_tags.into_iter().find(|tag| !tag.is_empty()).map_or("", String::as_str).to_ascii_lowercase();
    let locale = Locale::new(&language, host);
    let og_title = page.tag(&["og:title"]);
    let (shown, mut offsets) =
        visible::read(document, &[&structured.headline, &og_title, &page.title], locale, fetched.time, budget)?;
    // The day of the publisher may be ahead of UTC, and its clock may be wrong.
    let is_past = |stated: &StatedTime| {
        fetched.time.is_none_or(|fetched| stated.time.duration_since(fetched) <= SignedDuration::from_hours(AHEAD))
    };
    let mut claims = Vec::new();
    let mut updates = Vec::new();
    let mut claim = |source, weight, stated: Option<StatedTime>| {
        claims.extend(stated.filter(is_past).map(|stated| Claim { stated, source, weight }));
    };
    claim(Source::StructuredData, 0.95, dates::parse(&structured.published, locale));
    updates.extend(dates::parse(&structured.modified, locale));
    for (meaning, content) in tags::times(page) {
        let stated = dates::parse(content, locale);
        match meaning {
            Meaning::Published => claim(Source::MetaTag, 0.9, stated),
            Meaning::Created => claim(Source::MetaTag, 0.6, stated),
            Meaning::Unclear => claim(Source::MetaTag, 0.3, stated),
            Meaning::Updated => updates.extend(stated),
        }
    }
    for shown in &shown {
        match shown.label {
            Some(Label::Updated) if !shown.is_marked => updates.push(shown.stated),
            _ if shown.is_marked => claim(Source::Microdata, shown.weight, Some(shown.stated)),
            _ if shown.weight >= MIN_WEIGHT => claim(Source::PageText, shown.weight, Some(shown.stated)),
            _ => {}
        }
    }
    let addresses = [fetched.url.map_or("", Url::as_str), &page.canonical, &page.tag(&["og:url"]), &structured.url];
    claim(Source::Url, 0.5, addresses.into_iter().find_map(dates::in_url));
    // `T | Herald | 5.3.2024`
    let last = page.title.rsplit(['|', '–', '—']).next().filter(|last| last.len() < page.title.len());
    claim(
        Source::PageTitle,
        0.5,
        last.filter(|last| dates::is_date_line(last)).and_then(|last| dates::parse(last, locale)),
    );
    offsets.extend(claims.iter().map(|claim| claim.stated).chain(updates.iter().copied()).filter_map(offset_of));
    let updated = updates.first().copied();
    Ok(Times { published: choose(&claims, updated, &offsets), updated })
}

/// Chooses the day that has the most weight, and the most complete statement of the time on it.
fn choose(claims: &[Claim], updated: Option<StatedTime>, offsets: &[i32]) -> Option<Published> {
    // Each source counts once for a day: a page that repeats its date is not more right.
    let support = |claim: &Claim| -> f32 {
        let mut sources: Vec<(Source, f32)> = Vec::new();
        for other in claims.iter().filter(|other| are_near(claim.stated, other.stated)) {
            match sources.iter_mut().find(|(source, _)| *source == other.source) {
                Some((_, weight)) => *weight = weight.max(other.weight),
                None => sources.push((other.source, other.weight)),
            }
        }
        sources.iter().map(|(_, weight)| weight).sum()
    };
    // One for each source: the first, which is the most likely.
    let mut firsts: Vec<Claim> = Vec::new();
    for claim in claims {
        if !firsts.iter().any(|first| first.source == claim.source) {
            firsts.push(*claim);
        }
    }
    let mut best: Option<(Claim, f32)> = None;
    for claim in firsts {
        let support = support(&claim);
        if best.is_none_or(|(_, most)| support > most + 0.01) {
            best = Some((claim, support));
        }
    }
    let (chosen, _) = best?;
    let near = claims.iter().filter(|other| are_near(chosen.stated, other.stated));
    let others: Vec<StatedTime> = near.clone().map(|claim| claim.stated).collect();
    let mut sources: Vec<Source> = near.map(|claim| claim.source).collect();
    sources.sort_unstable();
    sources.dedup();
    Some(Published { stated: complete(chosen.stated, &others, updated, offsets), sources })
}

/// Returns true if two statements may mean the same time: on the same day, or on the next in another zone.
fn are_near(one: StatedTime, other: StatedTime) -> bool {
    let hours = |later: StatedTime, earlier: StatedTime| later.time.duration_since(earlier.time).as_hours();
    match (one.precision == Precision::Day, other.precision == Precision::Day) {
        (true, true) => one.time == other.time,
        // The day begins up to 14 hours before it does in UTC, and ends up to 12 hours later.
        (true, false) => (-14..36).contains(&hours(other, one)),
        (false, true) => (-14..36).contains(&hours(one, other)),
        (false, false) => hours(one, other).abs() < 16,
    }
}

/// Adds the time of day and the offset from UTC that other statements of the same time have.
fn complete(chosen: StatedTime, others: &[StatedTime], updated: Option<StatedTime>, offsets: &[i32]) -> StatedTime {
    let mut chosen = chosen;
    if chosen.precision == Precision::Day
        && let Some(timed) = others.iter().find(|other| other.precision != Precision::Day && is_on(**other, chosen))
    {
        chosen = *timed;
    }
    match chosen.precision {
        Precision::ZoneAssumed => with_zone(chosen, others, updated),
        Precision::Second(Some(0)) => with_offset(chosen, others, offsets),
        _ => chosen,
    }
}

/// Returns true if a time is on a day, in its own zone.
fn is_on(stated: StatedTime, day: StatedTime) -> bool {
    local(stated) >= day.time && local(stated).duration_since(day.time) < SignedDuration::from_hours(24)
}

/// Returns the offset from UTC that a statement has, in seconds.
fn offset_of(stated: StatedTime) -> Option<i32> {
    match stated.precision {
        Precision::Second(offset) => offset,
        _ => None,
    }
}

/// Returns the local time of day, as if it were UTC.
fn local(stated: StatedTime) -> Timestamp {
    stated.time + SignedDuration::from_secs(offset_of(stated).unwrap_or_default().into())
}

/// Returns a time without a zone in the zone of another statement.
fn with_zone(chosen: StatedTime, others: &[StatedTime], updated: Option<StatedTime>) -> StatedTime {
    // The same time of day with a zone; or the same instant, if this one is UTC.
    let is_same = |one: Timestamp, other: Timestamp| one.duration_since(other).abs() <= SignedDuration::from_secs(60);
    let stated = others.iter().filter(|other| offset_of(**other).is_some());
    let mut same = stated.filter(|other| is_same(local(**other), chosen.time) || is_same(other.time, chosen.time));
    if let Some(same) = same.next() {
        return *same;
    }
    // An article is not newer than its own update: the time is in the zone of the update.
    match updated.and_then(|updated| Some((updated, offset_of(updated)?))) {
        Some((updated, offset)) if updated.time < chosen.time && local(updated) >= chosen.time => StatedTime {
            time: chosen.time - SignedDuration::from_secs(offset.into()),
            precision: Precision::Second(Some(offset)),
        },
        _ => chosen,
    }
}

/// Returns a time in UTC with the publisher's offset: another statement has it, or the page shows the local time.
fn with_offset(chosen: StatedTime, others: &[StatedTime], offsets: &[i32]) -> StatedTime {
    let in_zone = |offset: i32| StatedTime { precision: Precision::Second(Some(offset)), ..chosen };
    let by_instant = others.iter().find_map(|other| {
        let is_same = other.time.duration_since(chosen.time).abs() <= SignedDuration::from_secs(60);
        offset_of(*other).filter(|offset| is_same && *offset != 0)
    });
    let by_clock = || {
        let shown = others.iter().filter(|other| other.precision == Precision::ZoneAssumed);
        let mut offsets = shown.filter_map(|other| dates::offset_between(chosen.time, other.time)).map(Offset::seconds);
        offsets.find(|offset| *offset != 0)
    };
    // The day that the page shows tells whether the offset of another time on the page is the publisher's.
    let by_day = || {
        let day = others.iter().find(|other| other.precision == Precision::Day)?;
        if is_on(chosen, *day) { None } else { offsets.iter().copied().find(|offset| is_on(in_zone(*offset), *day)) }
    };
    by_instant.or_else(by_clock).or_else(by_day).map_or(chosen, in_zone)
}
