//! Counts of matching articles by the values of a property, and by time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use tantivy::DocId;
use tantivy::columnar::StrColumn;

use super::ranking::TimeKey;
use super::schema::{SPELLING, ValueField};
use super::top::state;
use super::view::Segment;
use crate::article::ArticleId;
use crate::proto::ArticleState;

/// Maximum number of equally frequent values of which the first ones are returned. Of more, which ones are returned is
/// decided by a hash, equally on every replica.
const MAX_SORTED: usize = 10_000;
/// Length of a slot in which times are counted first, in microseconds: every time zone's offset is a multiple.
const SLOT: i64 = 15 * 60 * 1_000_000;

/// Property by which articles are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountedField {
    /// Values of a property.
    Value(ValueField),
    /// State.
    State,
    /// Headline and body.
    Text,
}

/// Length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day of the time zone.
    Day,
    /// A week of the time zone, from Monday.
    Week,
    /// A month of the time zone.
    Month,
}

/// One way to count.
#[derive(Clone, Debug)]
pub enum Aggregate {
    /// By values, the most frequent first.
    Values {
        /// Property.
        field: CountedField,
        /// Maximum number of values.
        limit: usize,
    },
    /// By time, the earliest first.
    Times {
        /// Time.
        key: TimeKey,
        /// Length of a period.
        period: Period,
        /// Time zone of days, weeks and months.
        zone: TimeZone,
        /// Maximum number of periods; the latest are kept.
        limit: usize,
    },
}

/// Key of a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketKey {
    /// Value in its most frequent spelling.
    Value(String),
    /// State.
    State(ArticleState),
    /// One of the articles with the same text.
    Text(ArticleId),
    /// Start of a period.
    Start(Timestamp),
}

/// Result of one aggregate.
#[derive(Clone, Debug, Default)]
pub struct Buckets {
    /// Counts.
    pub buckets: Vec<(BucketKey, u64)>,
    /// Sum of the counts that are not in `buckets`.
    pub other: u64,
}

/// Aggregate in progress.
pub(super) enum Counter {
    Values(Values),
    States(Vec<(ArticleState, u64)>),
    Texts(HashMap<u64, (u64, usize, DocId)>),
    Times(HashMap<i64, u64>),
}

/// Counts of a property.
pub(super) struct Values {
    field: ValueField,
    /// Column of each segment so far, with the counts by the ordinal of the value.
    columns: Vec<(StrColumn, Vec<u32>)>,
    /// Counts by the hash of the folded value. Only the values that are returned are read.
    groups: HashMap<u64, Group>,
    /// True if the segment that is counted has the property.
    is_counting: bool,
}

/// Count of a value, and where it occurs.
struct Group {
    count: u64,
    column: usize,
    ordinal: u64,
}

impl Counter {
    pub(super) fn new(aggregate: &Aggregate) -> Self {
        match aggregate {
            Aggregate::Values { field: CountedField::Value(field), .. } => {
                Self::Values(Values { field: *field, columns: Vec::new(), groups: HashMap::new(), is_counting: false })
            }
            Aggregate::Values { field: CountedField::State, .. } => Self::States(Vec::new()),
            Aggregate::Values { field: CountedField::Text, .. } => Self::Texts(HashMap::new()),
            Aggregate::Times { .. } => Self::Times(HashMap::new()),
        }
    }

    pub(super) fn begin(&mut self, segment: &Segment) -> tantivy::Result<()> {
        if let Self::Values(values) = self
            && let Some(column) = segment.reader.fast_fields().str(values.field.column())?
        {
            let terms = column.dictionary().num_terms();
            values.columns.push((column, vec![0; terms]));
            values.is_counting = true;
        }
        Ok(())
    }

    pub(super) fn count(&mut self, aggregate: &Aggregate, segment: &Segment, at: usize, doc: DocId, now: i64) {
        match (self, aggregate) {
            (Self::Values(values), _) => {
                if let Some((column, counts)) = values.columns.last_mut().filter(|_| values.is_counting) {
                    for ordinal in column.term_ords(doc) {
                        if let Some(count) = counts.get_mut(ordinal as usize) {
                            *count += 1;
                        }
                    }
                }
            }
            (Self::States(states), _) => {
                let Some(state) = state(segment, doc, now) else { return };
                match states.iter_mut().find(|(known, _)| *known == state) {
                    Some((_, count)) => *count += 1,
                    None => states.push((state, 1)),
                }
            }
            (Self::Texts(texts), _) => {
                texts.entry(segment.columns.digest.first(doc).unwrap_or(0)).or_insert((0, at, doc)).0 += 1;
            }
            (Self::Times(slots), Aggregate::Times { key, .. }) => {
                let columns = &segment.columns;
                let time = match key {
                    TimeKey::Publish => columns.sort_time.first(doc),
                    TimeKey::Create => columns.create_time.first(doc),
                    TimeKey::Update => columns.update_time.first(doc),
                };
                *slots.entry(time.unwrap_or(0).div_euclid(SLOT)).or_default() += 1;
            }
            (Self::Times(_), Aggregate::Values { .. }) => {}
        }
    }

    pub(super) fn end(&mut self) -> tantivy::Result<()> {
        let Self::Values(values) = self else { return Ok(()) };
        if !std::mem::take(&mut values.is_counting) {
            return Ok(());
        }
        let at = values.columns.len() - 1;
        let (column, counts) = &values.columns[at];
        let counted = (0..).zip(counts).filter(|(_, count)| **count > 0);
        let ordinals: Vec<u64> = counted.map(|(ordinal, _)| ordinal).collect();
        let mut next = ordinals.iter();
        let groups = &mut values.groups;
        column.dictionary().sorted_ords_to_term_cb(&ordinals, |term| {
            let Some(ordinal) = next.next() else { return };
            let end = term.iter().position(|byte| *byte == SPELLING as u8).unwrap_or(term.len());
            let group = groups.entry(xxhash_rust::xxh3::xxh3_64(&term[..end]));
            let group = group.or_insert(Group { count: 0, column: at, ordinal: *ordinal });
            group.count += u64::from(counts[*ordinal as usize]);
        })?;
        Ok(())
    }

    /// Returns the counts, as many as the aggregate allows.
    pub(super) fn finish(
        self,
        aggregate: &Aggregate,
        segments: &[std::sync::Arc<Segment>],
    ) -> tantivy::Result<Buckets> {
        let (limit, times) = match aggregate {
            Aggregate::Values { limit, .. } => (*limit, None),
            Aggregate::Times { period, zone, limit, .. } => (*limit, Some((*period, zone))),
        };
        let mut other = 0;
        let mut buckets: Vec<(BucketKey, u64)> = match self {
            Self::Values(values) => values.most_frequent(limit, &mut other)?,
            Self::States(mut states) => {
                states.sort_by_key(|(state, count)| (Reverse(*count), *state as i32));
                states.into_iter().map(|(state, count)| (BucketKey::State(state), count)).collect()
            }
            Self::Texts(texts) => {
                let mut texts: Vec<(u64, (u64, usize, DocId))> = texts.into_iter().collect();
                texts.sort_unstable_by_key(|(digest, (count, ..))| (Reverse(*count), *digest));
                other = texts.iter().skip(limit).map(|(_, (count, ..))| count).sum();
                texts.truncate(limit);
                let ids =
                    texts.into_iter().map(|(_, (count, at, doc))| Ok((BucketKey::Text(segments[at].id(doc)?), count)));
                ids.collect::<tantivy::Result<_>>()?
            }
            Self::Times(slots) => {
                let periods = times.map_or_else(BTreeMap::new, |(period, zone)| in_periods(slots, period, zone));
                let skipped = periods.len().saturating_sub(limit);
                other = periods.values().take(skipped).sum();
                periods.into_iter().skip(skipped).map(|(start, count)| (BucketKey::Start(start), count)).collect()
            }
        };
        other += buckets.iter().skip(limit).map(|(_, count)| count).sum::<u64>();
        buckets.truncate(limit);
        Ok(Buckets { buckets, other })
    }
}

impl Values {
    /// Returns the folded form of a value.
    fn folded(&self, group: &Group) -> tantivy::Result<String> {
        let mut term = String::new();
        self.columns[group.column].0.ord_to_str(group.ordinal, &mut term)?;
        let end = term.find(SPELLING).unwrap_or(term.len());
        term.truncate(end);
        Ok(term)
    }

    /// Returns the most frequent values, and adds the counts of the others.
    fn most_frequent(mut self, limit: usize, other: &mut u64) -> tantivy::Result<Vec<(BucketKey, u64)>> {
        let mut groups: Vec<(u64, Group)> = std::mem::take(&mut self.groups).into_iter().collect();
        if groups.len() > limit {
            groups.sort_unstable_by_key(|(hash, group)| (Reverse(group.count), *hash));
            let least = groups.get(limit.saturating_sub(1)).map_or(0, |(_, group)| group.count);
            let start = groups.partition_point(|(_, group)| group.count > least);
            let end = groups.partition_point(|(_, group)| group.count >= least);
            if end - start <= MAX_SORTED {
                let mut tied = Vec::with_capacity(end - start);
                for (hash, group) in groups.splice(start..end, []) {
                    tied.push((self.folded(&group)?, hash, group));
                }
                tied.sort_by(|(one, ..), (other, ..)| one.cmp(other));
                groups.splice(start..start, tied.into_iter().map(|(_, hash, group)| (hash, group)));
            }
            *other += groups.drain(limit..).map(|(_, group)| group.count).sum::<u64>();
        }
        let mut found = Vec::with_capacity(groups.len());
        for (_, group) in groups {
            let folded = self.folded(&group)?;
            let spelling = spelling(&self.columns, &folded)?;
            found.push((folded, spelling, group.count));
        }
        found.sort_by(|(a, _, one), (b, _, another)| another.cmp(one).then_with(|| a.cmp(b)));
        Ok(found.into_iter().map(|(_, spelling, count)| (BucketKey::Value(spelling), count)).collect())
    }
}

/// Returns the most frequent spelling of a folded value, the first of equals.
fn spelling(columns: &[(StrColumn, Vec<u32>)], folded: &str) -> tantivy::Result<String> {
    let mut spellings: BTreeMap<String, u64> = BTreeMap::new();
    let prefix = format!("{folded}{SPELLING}");
    for (column, counts) in columns {
        let mut terms = column.dictionary().prefix_range(&prefix).into_stream()?;
        while terms.advance() {
            let count = counts.get(terms.term_ord() as usize).copied().unwrap_or(0);
            let term = String::from_utf8_lossy(terms.key());
            if let Some(spelling) = term.strip_prefix(&prefix).filter(|_| count > 0) {
                *spellings.entry(spelling.to_owned()).or_default() += u64::from(count);
            }
        }
    }
    let best = spellings.into_iter().max_by(|(a, one), (b, another)| one.cmp(another).then_with(|| b.cmp(a)));
    Ok(best.map_or_else(|| folded.to_owned(), |(spelling, _)| spelling))
}

/// Returns the counts of slots by the start of their period.
fn in_periods(slots: HashMap<i64, u64>, period: Period, zone: &TimeZone) -> BTreeMap<Timestamp, u64> {
    let mut slots: Vec<(i64, u64)> = slots.into_iter().collect();
    slots.sort_unstable();
    let mut periods = BTreeMap::new();
    // The time zone is asked once for each period: it is slow.
    let mut current = (Timestamp::MIN, i64::MIN);
    for (slot, count) in slots {
        if slot >= current.1 {
            let begin = start(slot, period, zone);
            current = (begin, slot_after(begin, period, zone).max(slot + 1));
        }
        *periods.entry(current.0).or_default() += count;
    }
    periods
}

/// Returns the first slot after the period that begins at a time.
fn slot_after(begin: Timestamp, period: Period, zone: &TimeZone) -> i64 {
    let local = zone.to_datetime(begin).date();
    let next = match period {
        Period::Hour => return (begin.as_microsecond() + 4 * SLOT).div_euclid(SLOT),
        Period::Day => local.checked_add(1.day()),
        Period::Week => local.checked_add(7.days()),
        Period::Month => local.checked_add(1.month()),
    };
    let next = next.ok().and_then(|next| zone.to_timestamp(next.at(0, 0, 0, 0)).ok());
    // A period that begins within a slot is that of the slot's start.
    next.map_or(i64::MAX, |next| (next.as_microsecond() - 1).div_euclid(SLOT) + 1)
}

/// Returns the start of the period of a slot.
fn start(slot: i64, period: Period, zone: &TimeZone) -> Timestamp {
    let time = Timestamp::from_microsecond(slot.saturating_mul(SLOT)).unwrap_or(Timestamp::MIN);
    let local = zone.to_datetime(time);
    let date = match period {
        Period::Hour => {
            // Hours are of one length, also where the clock is changed.
            let offset = i64::from(zone.to_offset(time).seconds());
            let seconds = time.as_second() + offset;
            let start = seconds.div_euclid(3_600) * 3_600 - offset;
            return Timestamp::from_second(start).unwrap_or(time);
        }
        Period::Day => local.date(),
        Period::Week => {
            let days = i64::from(local.date().weekday().since(Weekday::Monday));
            local.date().checked_sub(days.days()).unwrap_or(local.date())
        }
        Period::Month => local.date().first_of_month(),
    };
    zone.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn slots_are_counted_in_their_period(
            slots in proptest::collection::hash_map(1_900_000_i64..2_000_000, 1_u64..9, 0..200),
            zone in "UTC|Europe/Berlin|America/New_York|Asia/Kolkata|Asia/Kathmandu|Australia/Lord_Howe|Pacific/Apia",
        ) {
            let zone = TimeZone::get(&zone).expect("known");
            for period in [Period::Hour, Period::Day, Period::Week, Period::Month] {
                let mut expected: BTreeMap<Timestamp, u64> = BTreeMap::new();
                for (slot, count) in &slots {
                    *expected.entry(start(*slot, period, &zone)).or_default() += count;
                }
                proptest::prop_assert_eq!(in_periods(slots.clone(), period, &zone), expected);
            }
        }
    }

    #[test]
    fn periods_are_of_the_time_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("the time zones are in the binary");
        let time: Timestamp = "2026-03-29T23:30:00Z".parse().expect("valid");
        let slot = time.as_microsecond().div_euclid(SLOT);
        for (period, expected) in [
            (Period::Hour, "2026-03-29T23:00:00Z"),
            (Period::Day, "2026-03-29T22:00:00Z"),
            (Period::Week, "2026-03-29T22:00:00Z"),
            (Period::Month, "2026-02-28T23:00:00Z"),
        ] {
            assert_eq!(start(slot, period, &zone).to_string(), expected, "{period:?}");
        }
        let half = TimeZone::get("Asia/Kolkata").expect("known");
        assert_eq!(start(slot, Period::Hour, &half).to_string(), "2026-03-29T23:30:00Z");
    }
}
