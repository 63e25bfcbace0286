//! Lists: index scans that start at the end of the previous page. A page is one statement, so it is a snapshot.

use std::sync::Arc;

use uuid::Uuid;

use super::feed::at_most;
use super::filter::{Values, conditions};
use super::reader::Reader;
use super::rows::{self, NEWEST, RECORD, facet_number, record};
use crate::article::{Facet, FacetKind, Record};
use crate::store::enum_codes::in_states;
use crate::store::{ListQuery, OrderField, StoreError};

pub(super) async fn list(reader: &impl Reader, feed: Uuid, query: &ListQuery) -> Result<Vec<Arc<Record>>, StoreError> {
    let key = match &query.after {
        Some(cursor) => Some(rows::key_of(reader, &cursor.id).await?.ok_or(StoreError::UnknownPosition)?),
        None => None,
    };
    let mut values = Values::new(query.now);
    let limit = values.number(at_most(query.limit));
    let scans = scans(&mut values, query, key, &limit);
    let direction = if query.order.descending { "DESC" } else { "ASC" };
    let sql = format!(
        "SELECT {RECORD} FROM (
            SELECT DISTINCT w.place, w.key FROM ({scans}) w
            ORDER BY w.place {direction}, w.key {direction} LIMIT {limit}
         ) page JOIN ({NEWEST}) ON a.key = page.key ORDER BY page.place {direction}, page.key {direction}"
    );
    let found = reader.query(&sql, &values.params()).await?;
    found.iter().map(|row| record(row, 0, feed)).collect()
}

/// Builds the statements that read the keys and sort values of a page, one per list that is walked. An article may be
/// in several lists.
fn scans(values: &mut Values, query: &ListQuery, key: Option<i64>, limit: &str) -> String {
    let (beyond, direction) = if query.order.descending { ("<", "DESC") } else { (">", "ASC") };
    let cursor = query.after.as_ref().zip(key);
    let visible = in_states(&query.filter.states, "$1");
    let after = |values: &mut Values, columns: &str, sort_value: i64| match cursor {
        Some((_, key)) => {
            format!(" AND ({columns}) {beyond} ({}, {})", values.number(sort_value), values.number(key))
        }
        None => String::new(),
    };
    let most_selective = match query.order.field {
        OrderField::PublishTime => {
            (0..query.filter.any_of.len()).max_by_key(|at| selectivity_rank(&query.filter.any_of[*at]))
        }
        OrderField::CreateTime | OrderField::UpdateTime => None,
    };
    let conditions = conditions(values, &query.filter, most_selective);
    let sort_time = cursor.map_or(0, |(cursor, _)| cursor.sort_time.as_microsecond());
    if let Some(at) = most_selective {
        let after = after(values, "l.sort_time, l.article", sort_time);
        let scans = query.filter.any_of[at].iter().map(|facet| {
            let list = values.number(facet_number(facet));
            let mut range = String::new();
            // On the walked index itself, so that the scan starts and ends at the range.
            for (time, sign) in [(query.filter.publish_from, ">="), (query.filter.publish_until, "<")] {
                if let Some(time) = time {
                    range += &format!(" AND l.sort_time {sign} {}", values.number(time.as_microsecond()));
                }
            }
            format!(
                "(SELECT l.sort_time AS place, l.article AS key FROM copydesk.facets l
                  JOIN copydesk.articles a ON a.key = l.article
                  WHERE l.facet = {list}{after}{range} AND {visible}{conditions}
                  ORDER BY l.sort_time {direction}, l.article {direction} LIMIT {limit})"
            )
        });
        return scans.collect::<Vec<_>>().join(" UNION ALL ");
    }
    let (sort_value, after) = match query.order.field {
        OrderField::PublishTime => ("a.sort_time", after(values, "a.sort_time, a.key", sort_time)),
        OrderField::CreateTime => {
            ("a.key", cursor.map_or(String::new(), |(_, key)| format!(" AND a.key {beyond} {}", values.number(key))))
        }
        OrderField::UpdateTime => (
            "a.position",
            cursor.map_or(String::new(), |(cursor, _)| {
                format!(" AND a.position {beyond} {}", values.number(rows::sequence(cursor.position)))
            }),
        ),
    };
    let order = if sort_value == "a.sort_time" {
        format!("a.sort_time {direction}, a.key {direction}")
    } else {
        format!("{sort_value} {direction}")
    };
    format!(
        "SELECT {sort_value} AS place, a.key FROM copydesk.articles a WHERE {visible}{after}{conditions}
         ORDER BY {order} LIMIT {limit}"
    )
}

/// Returns the rank of a condition by its usual selectivity; the highest matches the fewest articles.
fn selectivity_rank(any: &[Facet]) -> u8 {
    match any.first().map(|facet| facet.kind) {
        Some(FacetKind::Author) => 5,
        Some(FacetKind::Tag) => 4,
        Some(FacetKind::Agency) => 3,
        Some(FacetKind::Source) => 2,
        Some(FacetKind::Section) => 1,
        Some(FacetKind::Language) | None => 0,
    }
}
