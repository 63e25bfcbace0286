//! Lists: index scans that start at the end of the previous page.
//!
//! A scan examines a limited number of articles by the conditions that no index serves. If it ends before the page is
//! full, the next page begins after the last article that was examined.

use rusqlite::params_from_iter;

use super::facets::EVERY;
use super::filter::{Conditions, Values};
use super::readers::Reader;
use super::rows;
use crate::store::enum_codes::in_states;
use crate::store::page::most_selective;
use crate::store::{ListPage, ListQuery, OrderField, StoreError};

pub(super) fn list(reader: &Reader, query: &ListQuery) -> Result<ListPage, StoreError> {
    // One transaction for the scan and the records: a record that moved in between would move the next page's cursor
    // past articles that were never returned.
    let _moment = reader.connection.unchecked_transaction()?;
    let Some(conditions) = Conditions::of(reader, &query.filter)? else {
        return Ok(ListPage { records: Vec::new(), examined: None });
    };
    let scanned = match query.order.field {
        OrderField::PublishTime => by_publish_time(reader, query, &conditions)?,
        OrderField::CreateTime => scan(reader, query, &conditions, Walk::Key, query.examine)?,
        OrderField::UpdateTime => scan(reader, query, &conditions, Walk::Position, query.examine)?,
    };
    let record = |(_, key)| rows::by_key(&reader.connection, reader.feed, key);
    let mut records = Vec::with_capacity(scanned.found.len());
    for found in scanned.found {
        records.extend(record(found)?);
    }
    let examined = match scanned.end {
        Some(end) => record(end)?,
        None => None,
    };
    Ok(ListPage { records, examined })
}

/// Sort value and key of an article.
type Place = (i64, i64);

/// Result of a scan.
#[derive(Default)]
struct Scanned {
    /// Matching articles, at most as many as requested.
    found: Vec<Place>,
    /// Last article that was examined, if the scan ended before it had found them.
    end: Option<Place>,
}

/// Scans the list of each value of the most selective condition, and merges them.
fn by_publish_time(reader: &Reader, query: &ListQuery, conditions: &Conditions) -> Result<Scanned, StoreError> {
    if query.filter.digests.is_some() || query.filter.stories.is_some() {
        return scan(reader, query, conditions, Walk::Time, query.examine);
    }
    let Some(condition) = most_selective(&query.filter.any_of) else {
        return scan(reader, query, conditions, Walk::Facet { facet: EVERY, condition: None }, query.examine);
    };
    let facets = &conditions.any_of[condition];
    let examine = query.examine.div_ceil(facets.len());
    let mut merged = Scanned::default();
    for facet in facets {
        let walk = Walk::Facet { facet: *facet, condition: Some(condition) };
        let Scanned { found, end } = scan(reader, query, conditions, walk, examine)?;
        merged.found.extend(found);
        merged.end = match (merged.end, end) {
            (Some(one), Some(other)) => Some(if query.order.descending { one.max(other) } else { one.min(other) }),
            (one, other) => one.or(other),
        };
    }
    merged.found.sort_unstable();
    // An article may have two of the values.
    merged.found.dedup();
    if query.order.descending {
        merged.found.reverse();
    }
    if let Some(end) = merged.end {
        // Beyond the end, another list may have articles that were not examined.
        merged.found.retain(|place| if query.order.descending { *place >= end } else { *place <= end });
    }
    merged.found.truncate(query.limit);
    if merged.found.len() == query.limit {
        merged.end = None;
    }
    Ok(merged)
}

/// Index that a scan walks.
#[derive(Clone, Copy)]
enum Walk {
    /// Articles that have a facet, by publish time; and the condition of the filter that it meets.
    Facet { facet: i64, condition: Option<usize> },
    /// Articles by publish time: those with the digests, or in the stories, of the filter.
    Time,
    /// Articles by key, in the order of creation.
    Key,
    /// Articles by the position of their newest change.
    Position,
}

/// Returns the keys of a page with their sort values. Examines at most `examine` articles if they may not match.
fn scan(
    reader: &Reader,
    query: &ListQuery,
    filtered: &Conditions,
    walk: Walk,
    examine: usize,
) -> Result<Scanned, StoreError> {
    let (beyond, direction) = if query.order.descending { ("<", "DESC") } else { (">", "ASC") };
    let after = match &query.after {
        None => None,
        Some(cursor) => {
            let key = rows::key_of(&reader.connection, &cursor.id)?.ok_or(StoreError::UnknownPosition)?;
            Some((cursor.sort_time.as_microsecond(), rows::sequence(cursor.position), key))
        }
    };
    let mut values = Values::new(query.now);
    let (walked, place, order) = match walk {
        Walk::Facet { condition, .. } => {
            (condition, "f.sort_time, f.article", format!("f.sort_time {direction}, f.article {direction}"))
        }
        Walk::Time => (None, "a.sort_time, a.key", format!("a.sort_time {direction}, a.key {direction}")),
        Walk::Key => (None, "a.key, a.key", format!("a.key {direction}")),
        Walk::Position => (None, "a.position, a.key", format!("a.position {direction}")),
    };
    let from = match walk {
        Walk::Facet { .. } => "facets f CROSS JOIN articles a ON a.key = f.article",
        // Few articles have one digest, or are in one story: sorting them costs less than walking all.
        _ if query.filter.digests.is_some() => "articles a INDEXED BY articles_by_digest",
        _ if query.filter.stories.is_some() => "story_members s CROSS JOIN articles a ON a.key = s.article",
        Walk::Time | Walk::Key | Walk::Position => "articles a",
    };
    let checked = filtered.sql(&mut values, &query.filter, walked);
    let mut conditions = vec![in_states(&query.filter.states, "?1")];
    if let Some(stories) = filtered.stories.as_ref().filter(|_| query.filter.digests.is_none()) {
        conditions.push(format!("s.story IN ({})", values.stories(stories)));
    }
    if let Walk::Facet { facet, .. } = walk {
        conditions.push(format!("f.facet = {facet}"));
        // Bounds on the walked index itself, so that the scan begins and ends there.
        conditions.extend(values.range("f.sort_time", &query.filter.published));
    }
    if let Some((sort_time, position, key)) = after {
        conditions.push(match walk {
            Walk::Facet { .. } | Walk::Time => {
                let (sort_time, key) = (values.add(sort_time), values.add(key));
                format!("({place}) {beyond} ({sort_time}, {key})")
            }
            Walk::Key => format!("a.key {beyond} {}", values.add(key)),
            Walk::Position => format!("a.position {beyond} {}", values.add(position)),
        });
    }
    conditions.extend(filtered.selected(&mut values, &query.filter));
    let examine = if checked.is_empty() { query.limit } else { examine.max(1) };
    let limit = values.add(i64::try_from(examine).unwrap_or(i64::MAX));
    let matches = if checked.is_empty() { "1".to_owned() } else { checked.join(" AND ") };
    let conditions = conditions.join(" AND ");
    let text = format!("SELECT {place}, {matches} FROM {from} WHERE {conditions} ORDER BY {order} LIMIT {limit}");
    let mut statement = reader.connection.prepare_cached(&text)?;
    // Steps through the index only until the page is full.
    let mut found = statement.query(params_from_iter(&values.0))?;
    let mut scanned = Scanned::default();
    let mut examined = 0;
    while let Some(row) = found.next()? {
        let place = (row.get(0)?, row.get(1)?);
        examined += 1;
        if row.get(2)? {
            scanned.found.push(place);
            if scanned.found.len() == query.limit {
                return Ok(scanned);
            }
        }
        if examined == examine {
            scanned.end = Some(place);
        }
    }
    Ok(scanned)
}
