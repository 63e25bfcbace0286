//! Lists: index scans that start at the end of the previous page.

use std::sync::Arc;

use rusqlite::params_from_iter;

use super::facets::EVERY;
use super::filter::{Condition, Sql, add_filter, conditions};
use super::readers::Reader;
use super::rows;
use crate::article::{FacetKind, Record};
use crate::store::enum_codes::in_states;
use crate::store::{ListQuery, OrderField, StoreError};

pub(super) fn list(reader: &Reader, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError> {
    // One transaction for the scan and the records: a record that moved in between would move the next page's cursor
    // past articles that were never returned.
    let _moment = reader.connection.unchecked_transaction()?;
    let Some(conditions) = conditions(reader, &query.filter)? else { return Ok(Vec::new()) };
    let keys = match query.order.field {
        OrderField::PublishTime => by_publish_time(reader, query, conditions)?,
        OrderField::CreateTime => scan(reader, query, &conditions, Scan::Key)?,
        OrderField::UpdateTime => scan(reader, query, &conditions, Scan::Position)?,
    };
    let mut records = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        records.extend(rows::by_key(&reader.connection, reader.feed, key)?);
    }
    Ok(records)
}

/// Scans the list of each value of the most selective condition, and merges them.
fn by_publish_time(
    reader: &Reader,
    query: &ListQuery,
    mut conditions: Vec<Condition>,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let most_selective = (0..conditions.len()).max_by_key(|at| selectivity_rank(conditions[*at].0));
    let scanned = most_selective.map_or(vec![EVERY], |at| conditions.swap_remove(at).1);
    let mut found: Vec<(i64, i64)> = Vec::new();
    for facet in scanned {
        found.extend(scan(reader, query, &conditions, Scan::Facet(facet))?);
    }
    found.sort_unstable();
    // An article may have two of the values.
    found.dedup();
    if query.order.descending {
        found.reverse();
    }
    found.truncate(query.limit);
    Ok(found)
}

/// Returns the estimated selectivity of a value of this kind; higher means fewer articles.
fn selectivity_rank(kind: FacetKind) -> u8 {
    match kind {
        FacetKind::Author => 5,
        FacetKind::Tag => 4,
        FacetKind::Agency => 3,
        FacetKind::Source => 2,
        FacetKind::Section => 1,
        FacetKind::Language => 0,
    }
}

#[derive(Clone, Copy)]
enum Scan {
    Facet(i64),
    Key,
    Position,
}

/// Returns the keys of a page with their sort values.
fn scan(
    reader: &Reader,
    query: &ListQuery,
    conditions: &[Condition],
    scan: Scan,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let (beyond, direction) = if query.order.descending { ("<", "DESC") } else { (">", "ASC") };
    let after = match &query.after {
        None => None,
        Some(cursor) => {
            let key = rows::key_of(&reader.connection, &cursor.id)?.ok_or(StoreError::UnknownPosition)?;
            Some((cursor.sort_time.as_microsecond(), rows::sequence(cursor.position), key))
        }
    };
    let visible = in_states(&query.filter.states, "?1");
    let (from, order) = match scan {
        Scan::Facet(facet) => (
            format!(
                "f.sort_time, f.article FROM facets f CROSS JOIN articles a ON a.key = f.article \
                 WHERE f.facet = {facet} AND {visible}"
            ),
            format!("f.sort_time {direction}, f.article {direction}"),
        ),
        Scan::Key => (format!("a.key, a.key FROM articles a WHERE {visible}"), format!("a.key {direction}")),
        Scan::Position => {
            (format!("a.position, a.key FROM articles a WHERE {visible}"), format!("a.position {direction}"))
        }
    };
    let mut sql = Sql::new(format!("SELECT {from}"), query.now);
    if let Some((sort_time, position, key)) = after {
        let condition = match scan {
            Scan::Facet(_) => {
                let (sort_time, key) = (sql.value(sort_time), sql.value(key));
                format!("(f.sort_time, f.article) {beyond} ({sort_time}, {key})")
            }
            Scan::Key => format!("a.key {beyond} {}", sql.value(key)),
            Scan::Position => format!("a.position {beyond} {}", sql.value(position)),
        };
        sql.text += &format!(" AND {condition}");
    }
    if let Scan::Facet(_) = scan {
        // Bounds on the scanned index itself, so that the scan begins and ends there.
        for (time, sign) in [(query.filter.publish_from, ">="), (query.filter.publish_until, "<")] {
            if let Some(time) = time {
                let time = sql.value(time.as_microsecond());
                sql.text += &format!(" AND f.sort_time {sign} {time}");
            }
        }
    }
    add_filter(&mut sql, &query.filter, conditions);
    let limit = sql.value(i64::try_from(query.limit).unwrap_or(i64::MAX));
    sql.text += &format!(" ORDER BY {order} LIMIT {limit}");
    let mut statement = reader.connection.prepare_cached(&sql.text)?;
    let found = statement.query_map(params_from_iter(&sql.values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(found.collect::<Result<_, _>>()?)
}
