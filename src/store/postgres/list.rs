//! Lists: index scans that start at the end of the previous page. A page is one statement, so it is a snapshot.
//!
//! A scan examines a limited number of articles by the conditions that no index serves. If it ends before the page is
//! full, the next page begins after the last article that was examined.

use jiff::Timestamp;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::feed::at_most;
use super::filter::{Values, conditions, selected};
use super::reader::Reader;
use super::rows::{self, NEWEST, RECORD, RECORD_COLUMNS, article_id, facet_number, get, record};
use crate::article::ArticleId;
use crate::store::enum_codes::in_states;
use crate::store::page::most_selective;
use crate::store::{ListPage, ListQuery, OrderField, StoreError};

pub(super) async fn list(reader: &impl Reader, feed: Uuid, query: &ListQuery) -> Result<ListPage, StoreError> {
    let key = match &query.after {
        Some(cursor) => Some(rows::key_of(reader, &cursor.id).await?.ok_or(StoreError::UnknownPosition)?),
        None => None,
    };
    let mut values = Values::new(query.now);
    let sql = statement(&mut values, query, key);
    let found = reader.query(&sql, &values.params()).await?;
    let mut page = ListPage { records: Vec::with_capacity(found.len()), examined: None };
    for row in &found {
        match get::<bool>(row, RECORD_COLUMNS)? {
            false => page.records.push(record(row, 0, feed)?),
            true if page.records.len() < query.limit => page.examined = Some(record(row, 0, feed)?),
            true => {}
        }
    }
    Ok(page)
}

/// Builds the statement of a page. Its rows are the articles of the page, and then the last one that was examined, if
/// the scan ended early.
fn statement(values: &mut Values, query: &ListQuery, key: Option<i64>) -> String {
    let (beyond, direction) = if query.order.descending { ("<", "DESC") } else { (">", "ASC") };
    let order = match query.order.field {
        OrderField::PublishTime => format!("place {direction}, key {direction}"),
        // Unique: one column suffices.
        OrderField::CreateTime | OrderField::UpdateTime => format!("place {direction}"),
    };
    let limit = values.number(at_most(query.limit));
    let condition = match query.order.field {
        OrderField::PublishTime if query.filter.digests.is_none() && query.filter.stories.is_none() => {
            most_selective(&query.filter.any_of)
        }
        _ => None,
    };
    let checked = conditions(values, &query.filter, condition).join(" AND ");
    let walks = walks(values, query, key, condition);
    let all = |tables: &str| {
        let tables = (0..walks.len()).map(|at| format!("SELECT place, key FROM {tables}{at}"));
        tables.collect::<Vec<_>>().join(" UNION ALL ")
    };
    let mut tables = Vec::new();
    let mut bound = String::new();
    if checked.is_empty() {
        for (at, walk) in walks.iter().enumerate() {
            tables.push(format!("found{at} AS (SELECT place, key FROM ({walk} ORDER BY {order} LIMIT {limit}) a)"));
        }
        tables.push("stop AS (SELECT 0::bigint AS place, 0::bigint AS key WHERE false)".into());
    } else {
        let examine = query.examine.div_ceil(walks.len()).max(1);
        let (examine, skip) = (values.number(at_most(examine)), values.number(at_most(examine - 1)));
        for (at, walk) in walks.iter().enumerate() {
            tables.push(format!(
                "found{at} AS MATERIALIZED (SELECT place, key FROM ({walk} ORDER BY {order} LIMIT {examine}) a
                 WHERE {checked} ORDER BY {order} LIMIT {limit})"
            ));
            // Not evaluated if the scan has found enough.
            tables.push(format!(
                "stop{at} AS (SELECT place, key FROM ({walk} ORDER BY {order} OFFSET {skip} LIMIT 1) a
                 WHERE (SELECT count(*) FROM found{at}) < {limit})"
            ));
        }
        tables.push(format!("stop AS (SELECT place, key FROM ({}) a ORDER BY {order} LIMIT 1)", all("stop")));
        // Beyond the end of one scan, its list may have articles that were not examined.
        bound = format!("WHERE NOT EXISTS (SELECT FROM stop e WHERE (w.place, w.key) {beyond} (e.place, e.key))");
    }
    let found = all("found");
    let tables = tables.join(", ");
    format!(
        "WITH {tables}, page AS (SELECT DISTINCT place, key FROM ({found}) w {bound} ORDER BY {order} LIMIT {limit})
         SELECT {RECORD}, p.is_end FROM (
            SELECT place, key, false AS is_end FROM page UNION ALL SELECT place, key, true FROM stop
         ) p JOIN ({NEWEST}) ON a.key = p.key ORDER BY p.is_end, p.place {direction}, p.key {direction}"
    )
}

/// Reads the articles that were deleted before a time, earliest first, with their revisions.
pub(super) async fn deleted_before(
    reader: &impl Reader,
    before: Timestamp,
    limit: usize,
) -> Result<Vec<(ArticleId, i64)>, StoreError> {
    // The newest change of a deleted article is its deletion. Deletions are in the order of their positions, and nearly
    // in that of their times.
    let sql = "SELECT w.id, w.revision FROM (
            SELECT a.id, a.revision, a.position, c.time
            FROM copydesk.articles a JOIN copydesk.changes c ON c.position = a.position
            WHERE a.lifecycle = 2 ORDER BY a.position LIMIT $1
         ) w WHERE w.time < $2 ORDER BY w.position";
    let params = [(&at_most(limit) as _, Type::INT8), (&before.as_microsecond() as _, Type::INT8)];
    let rows = reader.query(sql, &params).await?;
    rows.iter().map(|row| Ok((article_id(row, 0)?, get(row, 1)?))).collect()
}

/// Builds the statements that walk an index, one for each list, without their order. An article may be in several
/// lists.
fn walks(values: &mut Values, query: &ListQuery, key: Option<i64>, condition: Option<usize>) -> Vec<String> {
    let beyond = if query.order.descending { "<" } else { ">" };
    let mut conditions = vec![in_states(&query.filter.states, "$1")];
    conditions.extend(selected(values, &query.filter));
    let sort_time = match condition {
        Some(_) => "l.sort_time",
        None => "a.sort_time",
    };
    let place = match query.order.field {
        OrderField::PublishTime => sort_time,
        OrderField::CreateTime => "a.key",
        OrderField::UpdateTime => "a.position",
    };
    if let Some((cursor, key)) = query.after.as_ref().zip(key) {
        conditions.push(match query.order.field {
            OrderField::PublishTime => {
                let columns = if condition.is_some() { "l.sort_time, l.article" } else { "a.sort_time, a.key" };
                let sort_time = values.number(cursor.sort_time.as_microsecond());
                format!("({columns}) {beyond} ({sort_time}, {})", values.number(key))
            }
            OrderField::CreateTime => format!("a.key {beyond} {}", values.number(key)),
            OrderField::UpdateTime => format!("a.position {beyond} {}", values.number(rows::sequence(cursor.position))),
        });
    }
    if let OrderField::PublishTime = query.order.field {
        // On the walked index itself, so that the scan starts and ends at the range.
        conditions.extend(values.range(sort_time, &query.filter.published));
    }
    let conditions = conditions.join(" AND ");
    if let Some(stories) = &query.filter.stories {
        let stories = values.stories(stories);
        // Few articles are in one story. OFFSET keeps the planner from walking all articles in order instead.
        return vec![format!(
            "SELECT * FROM (SELECT a.*, {place} AS place
             FROM copydesk.story_members s JOIN copydesk.articles a ON a.key = s.article
             WHERE s.story = ANY({stories}) AND {conditions} OFFSET 0) w"
        )];
    }
    let Some(condition) = condition else {
        return vec![format!("SELECT a.*, {place} AS place FROM copydesk.articles a WHERE {conditions}")];
    };
    let lists = query.filter.any_of[condition].iter().map(|facet| {
        let list = values.number(facet_number(facet));
        format!(
            "SELECT a.*, {place} AS place FROM copydesk.facets l JOIN copydesk.articles a ON a.key = l.article
             WHERE l.facet = {list} AND {conditions}"
        )
    });
    lists.collect()
}
